"""情報照会 as a business system asks it: by its own 宛名番号. Free text may not carry a number of a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from codebook.periods import Period, fiscal_year
from gateway.linkage_server import free_text

Text = Annotated[str, Meta(min_length=1, max_length=100)]
StaffId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")]
AgencyText = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,30}\Z")]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]
RowText = Annotated[str, Meta(pattern=r"^[0-9]{1,4}([-の][0-9]{1,4}){0,3}\Z")]


class Days(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From one day to another, both included."""

    first: date
    last: date


class Inquiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`item`: number of the list's row; `items`: names of items, empty for all of the layout; `staff`: who asks; `purpose`: what for.

    `non_disclosure`: 照会側不開示 (番号法23条2項); `fiscal_year` or `period`: the days asked about; `inquirer_for`, `provider_for`: 委任元.
    What is not said is not sent, and does not stand in the digest of a question.
    """

    addressee_number: Digits
    provider: AgencyText
    item: RowText
    information: Text
    purpose: Text
    staff: StaffId
    basis: Text | None = None
    items: list[Text] = []
    non_disclosure: bool | UnsetType = UNSET
    fiscal_year: Annotated[int, Meta(ge=1900, le=9000)] | UnsetType = UNSET
    period: Days | UnsetType = UNSET
    inquirer_for: AgencyText | UnsetType = UNSET
    provider_for: AgencyText | UnsetType = UNSET

    @property
    def days(self) -> Period | None:
        """The days asked about, or None for any. Raises PeriodMalformedError."""
        if self.fiscal_year is not UNSET:
            return fiscal_year(self.fiscal_year)
        return None if self.period is UNSET else Period(self.period.first, self.period.last)

    def __post_init__(self) -> None:
        """Raises ValueError, which the decoder turns into its own error."""
        free = (
            self.provider,
            self.item.replace("の", "-"),
            self.information,
            self.purpose,
            self.staff,
            self.basis or "",
            self.inquirer_for or "",
            self.provider_for or "",
        )
        if self.fiscal_year is not UNSET and self.period is not UNSET:
            raise ValueError("a fiscal year or a period, not both")
        _ = self.days  # days in order, of a year that exists
        if not all(free_text.is_safe(text) for text in (*free, *self.items)):
            raise ValueError("a text holds a long number or a control character")

    def __repr__(self) -> str:
        return "<Inquiry>"


class InquiryNamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An inquiry by its number."""

    inquiry_number: Annotated[str, Meta(pattern=r"^Q[0-9A-HJKMNP-TV-Z]{26}\Z")]


class ResultWanted(InquiryNamed, frozen=True, forbid_unknown_fields=True):
    """`addressee_number`: whom it is for. If it means another person by now the result is not theirs (docs/adr/0121); it is compared with the ledger.

    `staff`: who reads it; `purpose`: what for now. Without them it is the system itself, for what the inquiry was made for.
    """

    addressee_number: Digits | None = None
    staff: StaffId | None = None
    purpose: Text | None = None

    def __post_init__(self) -> None:
        """Raises ValueError, which the decoder turns into its own error."""
        if not all(free_text.is_safe(text) for text in (self.staff or "", self.purpose or "")):
            raise ValueError("a text holds a long number or a control character")

    def __repr__(self) -> str:
        return "<ResultWanted>"


INQUIRY: Final = msgspec.json.Decoder(Inquiry)
RESULT_WANTED: Final = msgspec.json.Decoder(ResultWanted)
INQUIRY_NAMED: Final = msgspec.json.Decoder(InquiryNamed)
_SHOWN: Final = ("inquiry_number", "state", "outcome", "reason", "values")


def message(inquiry: Inquiry, *, message_id: str, system: str, integrated_number: str) -> dict[str, Any]:
    """IF_SKI_90012: what goes to the agency's own intermediate server."""
    days = inquiry.days
    said: dict[str, Any] = {
        "non_disclosure": inquiry.non_disclosure is True or None,
        "period": None if days is None else str(days),
        "inquirer_for": inquiry.inquirer_for or None,
        "provider_for": inquiry.provider_for or None,
    }
    return {name: value for name, value in said.items() if value is not None} | {
        "message_id": message_id,
        "system": system,
        "actor": inquiry.staff,
        "purpose": inquiry.purpose,
        "integrated_number": integrated_number,
        "provider": inquiry.provider,
        "basis": inquiry.basis,
        "item": inquiry.item,
        "information": inquiry.information,
        "items": inquiry.items,
    }


def wanted_message(one: ResultWanted, system: str, people: Sequence[int] | None) -> dict[str, Any]:
    """IF_SKI_90013: which result is wanted, by whom, and about whom (`people`: all numbers of the person; None: no matter about whom)."""
    said: dict[str, Any] = {
        "inquiry_number": one.inquiry_number,
        "system": system,
        "actor": one.staff,
        "purpose": one.purpose,
        "integrated_numbers": people and [f"{number:015d}" for number in people],
    }
    return {name: value for name, value in said.items() if value is not None}


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """What of the intermediate server's answer a business system sees: never a number or code that stands for the person."""
    if "retry" in answer:
        return {"retry": answer["retry"]}
    if "refused" in answer:
        return dict.fromkeys(_SHOWN) | {"reason": answer["refused"]["reason"]}
    return {name: answer.get(name) for name in _SHOWN}
