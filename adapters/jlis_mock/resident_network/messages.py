"""The resident network's reading of the wire."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=500)]
Number = Annotated[str, Meta(max_length=40)]


class CodeRequest(Struct, forbid_unknown_fields=True):
    """IF_FGU_90007."""

    acquisition_number: Annotated[str, Meta(pattern="^P[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    individual_number: Number


class FourItemsRequest(Struct, forbid_unknown_fields=True):
    """IF_JRN_90014."""

    individual_number: Number


class ResidentItem(Struct, forbid_unknown_fields=True):
    """One synthetic resident to load; `sex` is its code, `birth_date` is YYYY-MM-DD."""

    individual_number: Number
    resident_record_code: Number
    name: Text
    kana: Text
    sex: Text
    birth_date: Text
    address: Text


class Refusal(Struct):
    reason: str


class CodeAnswer(Struct):
    """What the core answers for one code: one of the three forms."""

    bound: bool = False
    refused: Refusal | None = None
    retry: str | None = None


CODE_REQUEST: Final = msgspec.json.Decoder(CodeRequest)
FOUR_ITEMS_REQUEST: Final = msgspec.json.Decoder(FourItemsRequest)
RESIDENT_ITEM: Final = msgspec.json.Decoder(ResidentItem)
