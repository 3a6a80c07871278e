"""One part of everything that stands in a mapping, also of what comes into it later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

_Whole = TypeVar("_Whole")
_Seen = TypeVar("_Seen")


class Part(Mapping[str, _Seen]):
    """`part` of each value."""

    def __init__(self, wholes: Mapping[str, _Whole], part: Callable[[_Whole], _Seen]) -> None:
        def get(name: str) -> _Seen:
            return part(wholes[name])

        self._get = get
        self._wholes: Mapping[str, object] = wholes

    def __getitem__(self, name: str) -> _Seen:
        return self._get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._wholes)

    def __len__(self) -> int:
        return len(self._wholes)
