"""結果の知らせ: the linkage server tells that an inquiry has its result; what it is, is fetched as ever (LS-3.1).

Nothing of a notice is stored: a process that dies over one brings every open inquiry on when it starts again.
"""

from __future__ import annotations

import asyncio

import msgspec

from codebook.errors import CodebookError
from codebook.identifiers import InquiryNumber, parse_inquiry_number

PERSON, INQUIRY = "person", "inquiry"


class Notice(msgspec.Struct, frozen=True):
    """`about`: `person`, `inquiry` or `inquiry_file`; the number is of an inquiry."""

    about: str = PERSON
    inquiry_number: str = ""

    def number(self) -> InquiryNumber | None:
        """The inquiry that has a result; None when there is none of that form."""
        try:
            return parse_inquiry_number(self.inquiry_number)
        except CodebookError:
            return None


NOTICE = msgspec.json.Decoder(Notice)


class Told:
    """Inquiries that have a result to be fetched, for the loop that fetches."""

    def __init__(self) -> None:
        self._numbers: set[InquiryNumber] = set()
        self._arrived = asyncio.Event()

    def add(self, number: InquiryNumber) -> None:
        self._numbers.add(number)
        self._arrived.set()

    def wake(self) -> None:
        """End the wait, whether or not something came."""
        self._arrived.set()

    async def wait(self, seconds: float) -> frozenset[str]:
        """The numbers that came since the last call, as soon as there are some; none when so many seconds are over."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._arrived.wait()
        except TimeoutError:
            return frozenset()
        self._arrived.clear()
        found = frozenset(self._numbers)
        self._numbers.clear()
        return found
