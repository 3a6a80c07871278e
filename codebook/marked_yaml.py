"""YAML whose mappings know the lines they stand on, so that whoever wrote a wrong one is told where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

_MAP: Final = "tag:yaml.org,2002:map"


class YamlBrokenError(ValueError):
    """Not YAML, or a key stands twice in one mapping. `line`: 1-based."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class Marked(dict[Any, Any]):
    """A mapping; `line` is its first line, `lines` those of its keys."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[object, int] = {}

    def line_of(self, key: object) -> int:
        return self.lines.get(key, self.line)


class _Loader(yaml.CSafeLoader):
    """CSafeLoader with `Marked` for dict."""


def _construct(loader: _Loader, node: yaml.MappingNode) -> Iterator[Marked]:
    marked = Marked(node.start_mark.line + 1)
    yield marked
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in marked.lines:
            raise YamlBrokenError(line, "a key stands twice")
        marked.lines[key.value] = line
    marked.update(loader.construct_mapping(node, deep=True))


_Loader.add_constructor(_MAP, _construct)


def load(text: str) -> Any:
    """The document with `Marked` for each mapping. Raises YamlBrokenError."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        raise YamlBrokenError(line, "this is not YAML") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as failure:
        if isinstance(failure, YamlBrokenError):
            raise
        raise YamlBrokenError(1, "this is not YAML") from None
