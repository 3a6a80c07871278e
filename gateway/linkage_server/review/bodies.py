"""Bodies of the calls about holds and links, and their reading: nonsense is refused here (LS-1.3, SC-18)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final

import msgspec

from codebook import individual_number
from gateway.batch.text_forms import refused_in
from gateway.linkage_server.access.sight import Sight, Stated
from gateway.linkage_server.people.state import Says
from gateway.linkage_server.review.decision import Content, Kind
from transport.problem import ProblemError

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{15}\Z")]
MaybeNumber = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{15})?\Z")]
System = Annotated[str, msgspec.Meta(max_length=40)]
AddresseeNumberText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,15}\Z")]
HoldId = Annotated[str, msgspec.Meta(pattern=r"^H[0-9A-Za-z-]{1,60}\Z")]
DecisionId = Annotated[str, msgspec.Meta(pattern=r"^D[0-9A-HJKMNP-TV-Z]{26}\Z")]
_Text = Annotated[str, msgspec.Meta(max_length=300)]
_HOLD_KINDS: Final = {"link": Kind.HOLD_LINK, "keep_as_new": Kind.HOLD_KEEP, "refuse": Kind.HOLD_REFUSE}


class Edits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version of an open decision is proposed anew."""

    decision_id: DecisionId
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 2)]


class Proposal(Stated, frozen=True, kw_only=True):
    """What every proposal may carry."""

    edits: Edits | None = None

    def edited(self) -> tuple[str, int] | None:
        return (self.edits.decision_id, self.edits.version) if self.edits else None


class HoldsWanted(Stated, frozen=True, kw_only=True):
    after: Annotated[str, msgspec.Meta(pattern=r"^(H[0-9A-Za-z-]{1,60})?\Z")] = ""
    because: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{0,60}\Z")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class HoldWanted(Stated, frozen=True, kw_only=True):
    hold_id: HoldId


class HoldDecision(Proposal, frozen=True, kw_only=True):
    """`integrated_number`: whom the row is linked to, when it is not the one whom its numbers name."""

    hold_id: HoldId
    action: str
    integrated_number: MaybeNumber = ""
    individual_number_goes: bool = False
    items_go: bool = False

    def kind(self) -> Kind:
        """Raises ProblemError 400."""
        kind = _HOLD_KINDS.get(self.action)
        if kind is None:
            raise ProblemError(400, "action_unknown", "`action` is link, keep_as_new or refuse.")
        return kind

    def content(self) -> Content:
        return Content(
            reason=self.reason,
            person=number_of(self.integrated_number),
            number_goes=self.individual_number_goes,
            items_go=self.items_go,
        )


class CandidatesWanted(Stated, frozen=True, kw_only=True):
    """Around a person who is held, an addressee number, or items as they were told."""

    integrated_number: MaybeNumber = ""
    business_system: System = ""
    addressee_number: AddresseeNumberText = ""
    name: _Text = ""
    kana: _Text = ""
    sex: Annotated[str, msgspec.Meta(pattern=r"^[0129]?\Z")] = ""
    birth_date: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")] = ""
    address: _Text = ""

    def items(self) -> list[str]:
        return [self.name, self.kana, self.sex, _date(self.birth_date), self.address]


class Two(Proposal, frozen=True, kw_only=True):
    """`integrated_number` is given up, `other_integrated_number` lives on."""

    integrated_number: Number
    other_integrated_number: Number

    def content(self) -> Content:
        return Content(reason=self.reason, person=int(self.integrated_number), other=int(self.other_integrated_number))


class Addressee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    business_system: System
    addressee_number: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}\Z")]


class Right(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is right of the person to whom addressees are split off; empty text is not said."""

    name: _Text = ""
    kana: _Text = ""
    sex: Annotated[str, msgspec.Meta(pattern=r"^[0129]?\Z")] = ""
    birth_date: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")] = ""
    address: _Text = ""
    individual_number: Annotated[str, msgspec.Meta(max_length=12)] = ""

    def __repr__(self) -> str:
        return "<Right>"


class Split(Proposal, frozen=True, kw_only=True):
    """`other_integrated_number` empty: the addressees are somebody's who has no number yet."""

    integrated_number: Number
    addressees: Annotated[list[Addressee], msgspec.Meta(min_length=1, max_length=100)]
    other_integrated_number: MaybeNumber = ""
    individual_number_goes: bool = False
    right: Right | None = None
    wrong_since: datetime | None = None

    def content(self, sight: Sight) -> Content:
        """Raises ProblemError 400, 403."""
        return Content(
            reason=self.reason,
            person=int(self.integrated_number),
            other=number_of(self.other_integrated_number),
            addressees=tuple(sorted({(one.business_system, one.addressee_number) for one in self.addressees})),
            number_goes=self.individual_number_goes,
            says=_says(self.right, sight) if self.right is not None else None,
            wrong_since=self.wrong_since,
        )


class One(Proposal, frozen=True, kw_only=True):
    integrated_number: Number

    def content(self) -> Content:
        return Content(reason=self.reason, person=int(self.integrated_number))


class Approval(Stated, frozen=True, kw_only=True):
    decision_id: DecisionId
    content_hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class DecisionWanted(Stated, frozen=True, kw_only=True):
    decision_id: DecisionId


class DecisionsWanted(Stated, frozen=True, kw_only=True):
    after: Annotated[str, msgspec.Meta(pattern=r"^(D[0-9A-HJKMNP-TV-Z]{26})?\Z")] = ""
    states: Annotated[tuple[str, ...], msgspec.Meta(max_length=8)] = ()
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class RecipientsWanted(Stated, frozen=True, kw_only=True):
    integrated_number: Number
    since: datetime


def number_of(text: str) -> int | None:
    return int(text) if text else None


def _date(text: str) -> str:
    """Raises ProblemError 400 for a day that no calendar has."""
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise ProblemError(400, "birth_date_malformed", "`birth_date` is a day as YYYY-MM-DD.") from None


def _says(right: Right, sight: Sight) -> Says | None:
    number = right.individual_number
    if number and not sight.shows_individual_number:
        raise ProblemError(
            403, "individual_number_not_allowed", "Neither this client nor this affair may use an individual number."
        )
    if number and not individual_number.is_valid(number):
        raise ProblemError(
            400, "individual_number_malformed", "An individual number is 12 digits with a right check digit."
        )
    texts = {name: getattr(right, name) for name in ("name", "kana", "sex", "address")}
    for name, text in texts.items():
        refused = refused_in(text)
        if refused is not None:
            detail = (
                f"`right.{name}` has a character in column {refused[0]} that no channel carries ({refused[1].value})."
            )
            raise ProblemError(400, "field_malformed", detail)
        if text and not text.strip():
            raise ProblemError(400, "field_malformed", f"`right.{name}` is blank: say what is right, or leave it out.")
    said = Says(**texts, birth_date=_date(right.birth_date), individual_number=number)
    if said.birth_date > sight.agency.today().isoformat():
        raise ProblemError(400, "birth_date_malformed", "`right.birth_date` is still to come.")
    if sight.not_needed(said.said()):
        raise ProblemError(403, "item_not_needed", "This affair does not need an item that is said; leave it out.")
    return said if said.said() else None
