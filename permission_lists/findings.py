"""What is wrong with a list document: where, what, and how to mend it. In Japanese first, as people meet it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Place = tuple[str | int, ...]


class Weight(StrEnum):
    """An ERROR keeps a list from being published; a WARNING is for a person to look at."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`code` is stable; `line` counts from 1. Names of rows and terms are quoted: a list holds no personal data."""

    file: str
    line: int
    weight: Weight
    code: str
    what: str
    mend: str
