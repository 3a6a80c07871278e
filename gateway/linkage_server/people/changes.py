"""異動データ (changes) as business systems send them: their form is checked here, and nothing else (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from codebook import individual_number
from gateway.batch.text_forms import TextReason
from gateway.linkage_server.addressees.rows import RESIDENT_KINDS, SEXES, is_date, is_name, is_reading
from gateway.linkage_server.file_layouts import REPLACED_BY
from gateway.linkage_server.people.state import REGISTERING, Kind, Person, Says, State

LONGEST_EVENT_ID: Final = 80
LONGEST: Final = 300
FROM_SYSTEMS: Final = tuple(Kind)[:10]
_TEXTS: Final = ("name", "kana", "address")
_NEEDS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.MOVE_IN: ("name", "sex", "birth_date", "address"),
    Kind.BIRTH: ("name", "sex", "birth_date", "address"),
    Kind.NAME_CHANGE: ("name",),
    Kind.ADDRESS_CHANGE: ("address",),
    Kind.INDIVIDUAL_NUMBER_CHANGE: ("individual_number",),
}
_MAY_SAY: Final[dict[Kind, frozenset[str]]] = {
    Kind.MOVE_IN: frozenset(Says.__struct_fields__),
    Kind.BIRTH: frozenset(Says.__struct_fields__),
    Kind.MOVE_OUT: frozenset({"address"}),
    Kind.DEATH: frozenset(),
    Kind.NAME_CHANGE: frozenset({"name", "kana"}),
    Kind.ADDRESS_CHANGE: frozenset({"address"}),
    Kind.INDIVIDUAL_NUMBER_CHANGE: frozenset({"individual_number"}),
    Kind.CORRECTION: frozenset({"name", "kana", "sex", "birth_date", "address"}),
    Kind.CANCELLATION: frozenset(),
    Kind.ADDRESSEE_END: frozenset(),
}
"""What a change of a kind may say: what it does not need is refused at entry (SC-14)."""


class ChangeReason(StrEnum):
    """Why a change is not taken as it is."""

    FIELD_MISSING = "field_missing"
    FIELD_MALFORMED = "field_malformed"
    FIELD_NOT_OF_KIND = "field_not_of_kind"
    KIND_UNKNOWN = "kind_unknown"
    SYSTEM_DIFFERS = "system_differs"
    INDIVIDUAL_NUMBER_CHECK_DIGIT = "individual_number_check_digit"
    INDIVIDUAL_NUMBER_NOT_ALLOWED = "individual_number_not_allowed"
    ADDRESSEE_UNKNOWN = "addressee_unknown"
    EVENT_ID_REUSED = "event_id_reused"
    ALREADY_KNOWN = "already_known"
    REFUSED_IN_REVIEW = "refused_in_review"
    ALREADY_REGISTERED = "already_registered"  # a birth under an addressee number that is somebody's
    BEFORE_REGISTRATION = "before_registration"
    CANCELS_ANOTHER_PERSONS = "cancels_another_persons"
    CANCELS_A_CANCELLATION = "cancels_a_cancellation"
    CANCELS_THE_REGISTRATION = "cancels_the_registration"
    CANCELLED_EVENT_UNKNOWN = "cancelled_event_unknown"
    NOT_YET = "not_yet"
    ITEM_NOT_NEEDED = "item_not_needed"
    FOUR_ITEMS_DIFFER = "four_items_differ"
    INDIVIDUAL_NUMBER_DIFFERS = "individual_number_differs"
    INDIVIDUAL_NUMBER_TAKEN = "individual_number_taken"
    INDIVIDUAL_NUMBER_FORMER = "individual_number_former"
    NOT_IN_RESIDENT_NETWORK = "not_in_resident_network"
    REPLACED_BY_ANOTHER_PERSONS = "replaced_by_another_persons"
    REPLACED_BY_ENDED = "replaced_by_ended"
    ADDRESSEE_ENDED = "addressee_ended"
    HELD_BY_OTHER_SYSTEMS = "held_by_other_systems"  # a record that is to be taken out
    EVENT_AFTER_DEATH = "event_after_death"
    EVENT_BEFORE_BIRTH = "event_before_birth"
    NUMBER_ON_TWO_PEOPLE = "number_on_two_people"
    NUMBER_OF_A_HOUSEHOLD_MEMBER = "number_of_a_household_member"
    AGE_AGAINST_AFFAIR = "age_against_affair"
    PERSON_FROZEN = "person_frozen"  # of a move-in or birth that is somebody whose links are looked into


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change in good form, as it came. `cancels`: the sender's event id of the change taken back, or empty; `replaced_by`: the
    addressee number that takes the place of one that ends, or empty. Never printed.
    """

    line: int
    event_id: str
    addressee_number: str
    kind: Kind
    effective_on: date
    cancels: str
    resident_kind: str
    says: Says
    replaced_by: str = ""

    @property
    def takes_out(self) -> bool:
        """Whether it cancels the registration itself, and no change of it."""
        return self.kind is Kind.CANCELLATION and not self.cancels

    @property
    def may_name_another(self) -> bool:
        """Whether it corrects name and birth date at once."""
        return self.kind is Kind.CORRECTION and bool(self.says.name and self.says.birth_date)

    def __repr__(self) -> str:
        return "<Change>"

    def somebody_new(self) -> Person:
        """Whom a move-in or birth registers."""
        return Person(
            items=self.says.items(),
            individual_number=self.says.individual_number,
            state=State.LIVING,
            state_since=None,
            registered_on=self.effective_on,
        )


class BadChange(msgspec.Struct, frozen=True, gc=False):
    """A change that is not in good form: why, and where (a field's name, or `column 17`)."""

    line: int
    reason: ChangeReason | TextReason
    where: str


ParsedChange = Change | BadChange


def check(
    line: int, fields: Mapping[str, str], *, system: str, may_use_individual_number: bool, today: date
) -> ParsedChange:
    """A change of texts named as in `COLUMNS`; an absent one is empty. Nobody is born after `today`."""
    found = _kind(fields)
    if isinstance(found, tuple):
        return BadChange(line, *found)
    wrong = (
        _identity(fields, system)
        or _said(fields, found)
        or _form(fields, may_use_individual_number=may_use_individual_number, today=today)
    )
    if wrong is not None:
        return BadChange(line, *wrong)
    return Change(
        line=line,
        event_id=fields["event_id"],
        addressee_number=fields["addressee_number"],
        kind=found,
        effective_on=date.fromisoformat(fields["effective_on"]),
        cancels=fields.get("cancels", ""),
        resident_kind=fields.get("resident_kind", ""),
        says=Says(**{name: fields.get(name, "") for name in Says.__struct_fields__}),
        replaced_by=fields.get(REPLACED_BY, ""),
    )


def _kind(fields: Mapping[str, str]) -> Kind | tuple[ChangeReason, str]:
    text = fields.get("kind", "")
    if not text:
        return ChangeReason.FIELD_MISSING, "kind"
    if text not in FROM_SYSTEMS:
        return ChangeReason.KIND_UNKNOWN, "kind"
    return Kind(text)


def _identity(fields: Mapping[str, str], system: str) -> tuple[ChangeReason, str] | None:
    for name in ("event_id", "addressee_number", "effective_on"):
        if not fields.get(name):
            return ChangeReason.FIELD_MISSING, name
    if fields.get("system", system) != system:
        return ChangeReason.SYSTEM_DIFFERS, "system"
    for name in ("event_id", "cancels"):
        text = fields.get(name, "")
        if len(text) > LONGEST_EVENT_ID or not all("!" <= one <= "~" for one in text):
            return ChangeReason.FIELD_MALFORMED, name
    if not _is_addressee_number(fields["addressee_number"]):
        return ChangeReason.FIELD_MALFORMED, "addressee_number"
    if not is_date(fields["effective_on"]):
        return ChangeReason.FIELD_MALFORMED, "effective_on"
    return None


def _is_addressee_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15


def _said(fields: Mapping[str, str], kind: Kind) -> tuple[ChangeReason, str] | None:
    for name in _NEEDS.get(kind, ()):
        if not fields.get(name, "").strip():
            return ChangeReason.FIELD_MISSING, name
    for name in Says.__struct_fields__:
        if fields.get(name) and name not in _MAY_SAY[kind]:
            return ChangeReason.FIELD_NOT_OF_KIND, name
    if kind is Kind.CORRECTION and not any(fields.get(name, "").strip() for name in _MAY_SAY[kind]):
        return ChangeReason.FIELD_MISSING, "name"
    registers = kind in REGISTERING
    not_of_kind = {
        "cancels": bool(fields.get("cancels")) and kind is not Kind.CANCELLATION,
        REPLACED_BY: bool(fields.get(REPLACED_BY)) and kind is not Kind.ADDRESSEE_END,
        "resident_kind": bool(fields.get("resident_kind")) and not registers,
    }
    if registers and not fields.get("resident_kind"):
        return ChangeReason.FIELD_MISSING, "resident_kind"
    return next(((ChangeReason.FIELD_NOT_OF_KIND, name) for name, said in not_of_kind.items() if said), None)


def _form(
    fields: Mapping[str, str], *, may_use_individual_number: bool, today: date
) -> tuple[ChangeReason, str] | None:
    sex, birth_date, kind = (fields.get(name, "") for name in ("sex", "birth_date", "resident_kind"))
    good = {name: len(text := fields.get(name, "")) <= LONGEST and (not text or bool(text.strip())) for name in _TEXTS}
    good["name"] = good["name"] and is_name(fields.get("name", ""))
    good["kana"] = good["kana"] and is_reading(fields.get("kana", ""))
    good["sex"] = not sex or sex in SEXES
    good["birth_date"] = not birth_date or (is_date(birth_date) and birth_date <= today.isoformat())
    good["cancels"] = not fields.get("cancels") or fields["cancels"] != fields["event_id"]
    good["resident_kind"] = not kind or kind in RESIDENT_KINDS
    successor = fields.get(REPLACED_BY, "")
    good[REPLACED_BY] = not successor or (_is_addressee_number(successor) and successor != fields["addressee_number"])
    malformed = next((name for name, is_good in good.items() if not is_good), None)
    if malformed is not None:
        return ChangeReason.FIELD_MALFORMED, malformed
    number = fields.get("individual_number", "")
    if not number or (may_use_individual_number and individual_number.is_valid(number)):
        return None
    if not may_use_individual_number:
        return ChangeReason.INDIVIDUAL_NUMBER_NOT_ALLOWED, "individual_number"
    has_form = individual_number.has_form(number)
    return (
        ChangeReason.INDIVIDUAL_NUMBER_CHECK_DIGIT if has_form else ChangeReason.FIELD_MALFORMED
    ), "individual_number"
