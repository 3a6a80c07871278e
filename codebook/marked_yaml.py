"""YAML whose mappings know the lines they stand on, so that whoever wrote a wrong one is told where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from codebook import yaml_depth

_MAP: Final = "tag:yaml.org,2002:map"
_MERGE: Final = "tag:yaml.org,2002:merge"
NOT_YAML: Final = "this is not YAML"
TOO_DEEP: Final = f"it is nested deeper than {yaml_depth.DEEPEST} levels, or its aliases stand for too much"
KEY_NOT_TEXT: Final = "a key is a list or a mapping"
KEY_TWICE: Final = "a key stands twice"
VALUE_BROKEN: Final = "there is no such day, time or number"


class YamlBrokenError(ValueError):
    """Not YAML, nested too deep, a key stands twice in one mapping or is no single value, or a value looks like a day or number and is none.

    `line`: 1-based; `problem`: which of them.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class Marked(dict[Any, Any]):
    """A mapping; `line` is its first line, `lines` those of its keys, `entries` those of the entries of a list under a key."""

    __slots__ = ("entries", "line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[object, int] = {}
        self.entries: dict[object, list[int]] = {}

    def line_of(self, key: object) -> int:
        return self.lines.get(key, self.line)


class _Loader(yaml.CSafeLoader):
    """CSafeLoader with `Marked` for dict, and the line of a day that there is not (2026-13-01)."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (PyYAML's form)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as broken:
            if isinstance(broken, YamlBrokenError):
                raise
            raise YamlBrokenError(node.start_mark.line + 1, VALUE_BROKEN) from None


def _construct(loader: _Loader, node: yaml.MappingNode) -> Iterator[Marked]:
    marked = Marked(node.start_mark.line + 1)
    yield marked
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlBrokenError(line, KEY_NOT_TEXT)
        if key.value in marked.lines:
            raise YamlBrokenError(line, KEY_TWICE)
        marked.lines[key.value] = line
        if isinstance(value, yaml.SequenceNode):
            marked.entries[key.value] = _entry_lines(value)
    for key, value in node.value:
        if key.tag == _MERGE:
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _take_lines(marked, one)
    marked.update(loader.construct_mapping(node, deep=True))


def _entry_lines(of: yaml.SequenceNode) -> list[int]:
    return [one.start_mark.line + 1 for one in of.value]


def _take_lines(marked: Marked, merged: yaml.Node) -> None:
    """What comes by `<<` stands where it was written."""
    for key, value in merged.value if isinstance(merged, yaml.MappingNode) else ():
        marked.lines.setdefault(key.value, key.start_mark.line + 1)
        if isinstance(value, yaml.SequenceNode):
            marked.entries.setdefault(key.value, _entry_lines(value))


_Loader.add_constructor(_MAP, _construct)


def load(text: str) -> Any:
    """The document with `Marked` for each mapping. Raises YamlBrokenError."""
    try:
        yaml_depth.check(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml_depth.TooDeepError as deep:
        raise YamlBrokenError(deep.line, TOO_DEEP) from None
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        raise YamlBrokenError(line, NOT_YAML) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as failure:
        if isinstance(failure, YamlBrokenError):
            raise
        raise YamlBrokenError(1, NOT_YAML) from None
