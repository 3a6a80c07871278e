"""What a right covers (SC-24): affairs and kinds of information, as a question for one row and as a condition of a query.

A list is cut to the right inside its query: pages, their ends and the places to go on from tell of what is covered alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Covered:
    """`pairs`: affair (item of the list, `*` for any), `/`, kind of information (`*` for any); no affair has a `/` in it."""

    pairs: frozenset[str]

    @classmethod
    def of(cls, scopes: Iterable[tuple[str, str]]) -> Covered:
        return cls(frozenset(f"{affair}/{information}" for affair, information in scopes))

    @property
    def everything(self) -> bool:
        return f"{_ANY}/{_ANY}" in self.pairs

    def __call__(self, affair: str, information: str) -> bool:
        said = {f"{one}/{kind}" for one in (_ANY, affair) for kind in (_ANY, information)}
        return not said.isdisjoint(self.pairs)

    def column(self) -> list[str]:
        """For a query: `array['*/*', '*/' || information, item || '/*', item || '/' || information] && $n` is what a call says."""
        return sorted(self.pairs)


EVERYTHING: Final = Covered.of([(_ANY, _ANY)])
