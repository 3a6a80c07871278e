"""How deep YAML may be nested: whoever composes or loads a text that somebody handed in looks here first.

The composers, PyYAML's native one too, call themselves for each level: 200,000 brackets end the process and raise nothing.
"""

from __future__ import annotations

from typing import Final

import yaml

DEEPEST: Final = 50
"""Levels; our own documents have ten at the most."""


class TooDeepError(yaml.MarkedYAMLError):
    """Nested deeper than DEEPEST. `line`: 1-based, where it goes too deep."""

    def __init__(self, line: int) -> None:
        super().__init__(problem="too deep", problem_mark=yaml.Mark("", 0, line - 1, 0, None, 0))
        self.line = line


def check(text: str) -> None:
    """Raises TooDeepError, and whatever the parser raises for what is no YAML at all."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise TooDeepError(event.start_mark.line + 1 if event.start_mark else 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
