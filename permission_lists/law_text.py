"""How the wording of the law's tables is read: parties, information classes, detailed affairs.

Text in, values out; used by the import only, so that servers read data that is already taken apart (PL-2).
What cannot be read for certain stays whole and is flagged, so that nobody matches by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_LAW_NUMBER = re.compile(r"（(?:明治|大正|昭和|平成|令和)[^（）]*?第[一二三四五六七八九十百千]+号）")
_SHORT_NAME = re.compile(
    r"^(?P<text>.*)（(?:[^（）]*。)?以下(?:この条において)?「(?P<name>[^「」]+)」という。）$", re.DOTALL
)
_BY_ORDER = re.compile(
    r"であって(?:主務省令|次条|第[一二三四五六七八九十百]+条(?:の[一二三四五六七八九十]+)?)で定めるもの$"
)
_NOTE = re.compile(r"（[^（）]*）")
_DELIMITERS = ("、", "又は", "若しくは")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Who a party term means: `kinds` for certain; if `unresolved`, also some of `possible` (empty: anyone)."""

    kinds: tuple[str, ...]
    unresolved: bool = False
    possible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationClass:
    """One class of information of a grant; `defined` is its full text where this place gives it a short name."""

    name: str
    defined: str | None


def without_law_numbers(text: str) -> str:
    """Drop （昭和…法律第…号） notes, which only the first mention of an act carries."""
    return _LAW_NUMBER.sub("", text)


def without_notes(text: str) -> str:
    """Drop every parenthesis, innermost first."""
    while (shorter := _NOTE.sub("", text)) != text:
        text = shorter
    return text


def expand(kinds: Iterable[str], classes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Replace class names by their members, to the leaves; order of first mention, no repeats."""
    leaves: dict[str, None] = {}
    for kind in kinds:
        members = (kind,) if kind not in classes else expand(classes[kind], classes)
        leaves.update(dict.fromkeys(members))
    return tuple(leaves)


def read_party(text: str, classes: Mapping[str, Sequence[str]], single: Iterable[str]) -> Reading:
    """Take a 情報照会者 / 情報提供者 term apart into kinds of agency; unknown words leave it unresolved."""
    pieces = re.split("、|又は|若しくは", without_notes(text))
    known = {*classes, *single}
    if all(piece in known for piece in pieces):
        return Reading(kinds=expand(pieces, classes))
    return Reading(kinds=(), unresolved=True)


def read_information(text: str) -> tuple[InformationClass, ...]:
    """Take 「AA、BB又はCCであって…で定めるもの」 apart into its classes, by short name where the law gives one."""
    pieces = _split_classes(without_law_numbers(_BY_ORDER.sub("", text)))
    classes = []
    for piece in pieces:
        named = _SHORT_NAME.match(piece)
        if named is None:
            classes.append(InformationClass(name=piece, defined=None))
        else:
            classes.append(InformationClass(name=named["name"], defined=named["text"]))
    return tuple(classes)


def _split_classes(text: str) -> list[str]:
    """Cut at 、/又は/若しくは outside parentheses, only after a piece that is already a class of information."""
    pieces: list[str] = []
    start = depth = place = 0
    while place < len(text):
        depth += {"（": 1, "）": -1}.get(text[place], 0)
        step = 1
        if depth == 0:
            delimiter = next((word for word in _DELIMITERS if text.startswith(word, place)), None)
            if delimiter is not None and _is_class(text[start:place]):
                pieces.append(text[start:place])
                start = place + len(delimiter)
                step = len(delimiter)
        place += step
    return [*pieces, text[start:]]


def _is_class(piece: str) -> bool:
    return piece.endswith("情報") or _SHORT_NAME.match(piece) is not None
