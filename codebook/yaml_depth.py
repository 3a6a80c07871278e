"""How deep YAML may be nested, and how large it may be once its aliases are written out: whoever composes or loads a text looks here first.

The composers, PyYAML's native one too, call themselves for each level: 200,000 brackets end the process and raise nothing. And nine lines of
aliases of aliases stand for 10⁹ values, which whoever quotes or compares one of them writes out.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

DEEPEST: Final = 50
"""Levels; our own documents have ten at the most."""
LARGEST: Final = 1_000_000
"""Values, aliases written out."""


class TooDeepError(yaml.MarkedYAMLError):
    """Nested deeper than DEEPEST, or larger than LARGEST. `line`: 1-based, where it is too much."""

    def __init__(self, line: int) -> None:
        super().__init__(problem="too deep", problem_mark=yaml.Mark("", 0, line - 1, 0, None, 0))
        self.line = line


def load(text: str) -> Any:
    """What a text says. Raises yaml.YAMLError, also for a value that looks like a day and is none."""
    check(text)
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except ValueError:
        raise yaml.YAMLError("a value that looks like a day or a number and is none") from None


def check(text: str) -> None:
    """Raises TooDeepError, and whatever the parser raises for what is no YAML at all."""
    sizes: dict[str, int] = {}
    open_ones: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_ones.append((event.anchor, 1))
            size = 0
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_ones.pop()
            if anchor is not None:
                sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", 1)
        else:
            size = 1
        around, before = open_ones[-1]
        open_ones[-1] = (around, before + size)
        if len(open_ones) > DEEPEST + 1 or before + size > LARGEST:
            raise TooDeepError(event.start_mark.line + 1 if event.start_mark else 1)
