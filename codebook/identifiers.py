"""Ids that every part may know.

Those that stand for a person are masked. Those of messages and agencies are plain text under a type of their own
(NewType, since encoders of JSON take `str` itself and no subclass of it).
"""

from __future__ import annotations

import re
from typing import Final, NewType, Self

from codebook.check_digits import is_digits
from codebook.errors import CodebookError
from keys.masked import Masked

AgencyId = NewType("AgencyId", str)
"""An agency's short name in ids, schema names and routes: `[a-z][a-z0-9-]{1,30}`."""

InquiryNumber = NewType("InquiryNumber", str)
"""照会番号: `Q` + 26 characters; ties inquiry, permit, provision, records and trace together."""

AcquisitionNumber = NewType("AcquisitionNumber", str)
"""処理通番: `P` + 26 characters; for obtaining one person's code only, then forgotten."""

PermitId = NewType("PermitId", str)
"""The id of a 情報提供許可証: `K` + 26 characters."""

INQUIRY_PREFIX: Final = "Q"
ACQUISITION_PREFIX: Final = "P"
PERMIT_PREFIX: Final = "K"
INTEGRATED_NUMBER_LENGTH: Final = 15
ADDRESSEE_NUMBER_MAXIMUM: Final = 15

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32
_SORTABLE: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_AGENCY: Final = re.compile(r"[a-z][a-z0-9-]{1,30}")
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


class AddresseeNumber(Masked[str]):
    """宛名番号: one business system's own number of a person, 1 to 15 digits, kept as written."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CodebookError."""
        if not 1 <= len(text) <= ADDRESSEE_NUMBER_MAXIMUM or not is_digits(text, len(text)):
            raise CodebookError("not an addressee number")
        return cls(text)


class IntegratedAddresseeNumber(Masked[str]):
    """団体内統合宛名番号: 15 digits, one per person in one municipality.

    Numbers we issue end in a check digit (`codebook.issuing.has_check_digit`). It is not demanded here:
    numbers that were migrated keep their form.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CodebookError."""
        if not is_digits(text, INTEGRATED_NUMBER_LENGTH):
            raise CodebookError("not an integrated addressee number")
        return cls(text)


def parse_agency_id(text: str) -> AgencyId:
    """Raises CodebookError."""
    if _AGENCY.fullmatch(text) is None:
        raise CodebookError("not an agency id")
    return AgencyId(text)


def parse_inquiry_number(text: str) -> InquiryNumber:
    """Raises CodebookError."""
    return InquiryNumber(_sortable(INQUIRY_PREFIX, text))


def parse_acquisition_number(text: str) -> AcquisitionNumber:
    """Raises CodebookError."""
    return AcquisitionNumber(_sortable(ACQUISITION_PREFIX, text))


def parse_permit_id(text: str) -> PermitId:
    """Raises CodebookError."""
    return PermitId(_sortable(PERMIT_PREFIX, text))


def _sortable(prefix: str, text: str) -> str:
    if not text.startswith(prefix) or _SORTABLE.fullmatch(text, len(prefix)) is None:
        raise CodebookError("not an id of this kind")
    return text


def new_sortable_id(prefix: str, now_ms: int, random10: bytes) -> str:
    """`prefix` and 26 characters of Crockford base 32 (48 bits of time, 80 random bits); sorts by time.

    `now_ms`: milliseconds since 1970; `random10`: 10 random bytes. Raises ValueError.
    """
    if len(random10) != 10 or not 0 <= now_ms < 1 << 48:
        raise ValueError("a sortable id takes 48 bits of milliseconds and 10 random bytes")
    number = now_ms << 80 | int.from_bytes(random10)
    return prefix + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
