"""The resident network's reading of the wire."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=500)]
Number = Annotated[str, Meta(max_length=40)]


class CodeRequest(Struct, forbid_unknown_fields=True):
    """IF_FGU_90007."""

    acquisition_number: Annotated[str, Meta(pattern=r"^P[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
    individual_number: Number


class FourItemsRequest(Struct, forbid_unknown_fields=True):
    """IF_JRN_90014."""

    individual_number: Number


class CardRequest(Struct, forbid_unknown_fields=True):
    """A card to issue: its public key (Ed25519, 32 bytes) and whose it is to be."""

    individual_number: Number
    card_key: bytes


class CardHolderRequest(Struct, forbid_unknown_fields=True):
    """IF_FGU_90080: a card that was shown to the portal. `acquisition_number`: the holder's code is wanted under it."""

    card_key: bytes
    certificate: bytes
    acquisition_number: Annotated[str, Meta(pattern=r"^P[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")] | None = None


class ResidentItem(Struct, forbid_unknown_fields=True):
    """One synthetic resident to load; `sex` is its code, `birth_date` is YYYY-MM-DD."""

    individual_number: Number
    resident_record_code: Number
    name: Text
    kana: Text
    sex: Text
    birth_date: Text
    address: Text


class NumberLookUp(Struct, forbid_unknown_fields=True):
    """IF_JRN_90050: 4情報による照会. All four are needed; `kana` may be said and decides nothing."""

    name: Text = ""
    kana: Text = ""
    sex: Text = ""
    birth_date: Text = ""
    address: Text = ""


class ChangesRequest(Struct, forbid_unknown_fields=True):
    """IF_JRN_90051: what has changed since a day of whoever has or had this number."""

    individual_number: Number
    since: date


class ResidentChange(Struct, forbid_unknown_fields=True):
    """One change of a synthetic resident: another number, other four items, or both."""

    individual_number: Number
    changed_on: date
    new_individual_number: Number | None = None
    four_items: NumberLookUp | None = None


class Refusal(Struct):
    reason: str


class CodeAnswer(Struct):
    """What the core answers for one code: one of the three forms."""

    bound: bool = False
    refused: Refusal | None = None
    retry: str | None = None


CODE_REQUEST: Final = msgspec.json.Decoder(CodeRequest)
FOUR_ITEMS_REQUEST: Final = msgspec.json.Decoder(FourItemsRequest)
CARD_REQUEST: Final = msgspec.json.Decoder(CardRequest)
CARD_HOLDER_REQUEST: Final = msgspec.json.Decoder(CardHolderRequest)
NUMBER_LOOK_UP: Final = msgspec.json.Decoder(NumberLookUp)
CHANGES_REQUEST: Final = msgspec.json.Decoder(ChangesRequest)
RESIDENT_CHANGE: Final = msgspec.json.Decoder(ResidentChange)
RESIDENT_ITEM: Final = msgspec.json.Decoder(ResidentItem)
