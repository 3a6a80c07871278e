"""Kept, broken or unverified: what a check found, and how findings add up (SC-28). Pure.

Nothing is kept because nobody looked: a check that could not be made is unverified and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """In the order in which the worse one counts."""

    BROKEN = "broken"
    UNVERIFIED = "unverified"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one check found. `what`: each thing that broke it, or why it could not be made; `seen`: what it looked at."""

    check: str
    verdict: Verdict
    what: tuple[str, ...] = ()
    seen: str = ""


def judged(
    check: str, broken: Sequence[str], *, seen: str, looked: bool = True, unverified: Sequence[str] = ()
) -> Result:
    """Broken if anything is; else unverified if something could not be looked at, or nothing was there (`looked` false); else kept."""
    if broken:
        return Result(check=check, verdict=Verdict.BROKEN, what=tuple(broken), seen=seen)
    if unverified or not looked:
        return Result(check=check, verdict=Verdict.UNVERIFIED, what=tuple(unverified), seen=seen)
    return Result(check=check, verdict=Verdict.KEPT, seen=seen)


def unverified(check: str, why: str) -> Result:
    return Result(check=check, verdict=Verdict.UNVERIFIED, what=(why,))


_ORDER = {verdict: place for place, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole; of nothing: unverified."""
    return min(verdicts, key=_ORDER.__getitem__, default=Verdict.UNVERIFIED)
