"""異なる書き方 of rows that agree: the folds that it took, told with each result and counted (LS-1.3, SC-18)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

FoldsTold = Callable[[], tuple[str, ...]]
"""Finds out for one row which folds of which fields it took (`addressees.decide.folds_told`): `field:fold` each, none by default (`tuple`)."""
_SLICE: Final = 200


async def folds_of(rows: Sequence[FoldsTold]) -> list[tuple[str, ...]]:
    """The folds of each row. Lets other work of the server run in between: a list may have some on every row."""
    told: list[tuple[str, ...]] = []
    for start in range(0, len(rows), _SLICE):
        told += [folds() for folds in rows[start : start + _SLICE]]
        await asyncio.sleep(0)
    return told


def counts_of(told: Iterable[Sequence[str]]) -> Counter[str]:
    """How often each fold of each field was told, as an intake counts it (`fold:name:spaces`)."""
    return Counter(f"fold:{fold}" for folds in told for fold in folds)
