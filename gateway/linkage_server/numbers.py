"""How far integrated numbers were issued, beside the keys: a database that was set back issues none of them to somebody else (SC-15, SC-18)."""

from __future__ import annotations

import asyncio
from typing import Final

from storage.marks import Marks

NUMBERS: Final = "integrated_numbers"
"""Counters below this mark may have been taken."""
_AHEAD: Final = 100_000
"""So many counters are marked at once: a write to disk for each hundred thousand people, and as many numbers that nobody gets after a restore."""


async def taken(marks: Marks, next_counter: int) -> None:
    """Before the transaction that takes counters below `next_counter` commits. Raises StorageUnavailableError: then it must not."""
    await asyncio.to_thread(marks.raise_to, NUMBERS, next_counter, ahead=_AHEAD)
