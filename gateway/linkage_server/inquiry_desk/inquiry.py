"""情報照会 as a business system asks it: by its own 宛名番号. Free text may not carry a number of a person."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.linkage_server import free_text

Text = Annotated[str, Meta(min_length=1, max_length=100)]
StaffId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")]
AgencyText = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,30}\Z")]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]
RowText = Annotated[str, Meta(pattern=r"^[0-9]{1,4}([-の][0-9]{1,4}){0,3}\Z")]


class Inquiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`item`: number of the list's row; `items`: names of items, empty for all of the layout; `staff`: who asks; `purpose`: what for."""

    addressee_number: Digits
    provider: AgencyText
    item: RowText
    information: Text
    purpose: Text
    staff: StaffId
    basis: Text | None = None
    items: list[Text] = []

    def __post_init__(self) -> None:
        """Raises ValueError, which the decoder turns into its own error."""
        free = (
            self.provider,
            self.item.replace("の", "-"),
            self.information,
            self.purpose,
            self.staff,
            self.basis or "",
        )
        if not all(free_text.is_safe(text) for text in (*free, *self.items)):
            raise ValueError("a text holds a long number or a control character")

    def __repr__(self) -> str:
        return "<Inquiry>"


class ResultWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inquiry_number: Annotated[str, Meta(pattern=r"^Q[0-9A-HJKMNP-TV-Z]{26}$")]


INQUIRY: Final = msgspec.json.Decoder(Inquiry)
RESULT_WANTED: Final = msgspec.json.Decoder(ResultWanted)
_SHOWN: Final = ("inquiry_number", "state", "outcome", "reason", "values")


def message(inquiry: Inquiry, *, message_id: str, system: str, integrated_number: str) -> dict[str, Any]:
    """IF_SKI_90012: what goes to the agency's own intermediate server."""
    return {
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


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """What of the intermediate server's answer a business system sees: never a number or code that stands for the person."""
    if "retry" in answer:
        return {"retry": answer["retry"]}
    if "refused" in answer:
        return dict.fromkeys(_SHOWN) | {"reason": answer["refused"]["reason"]}
    return {name: answer.get(name) for name in _SHOWN}
