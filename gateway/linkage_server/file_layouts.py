"""Columns of the spool channels, and their fixed-width layouts as data: ours, or an agency's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec
import yaml

from codebook import yaml_depth
from gateway.batch.text_forms import Fill, Fixed, FixedLayout, TextRefused, Unit, decode_line, split_csv

ADDRESSEE_COLUMNS: Final = (
    "system",
    "addressee_number",
    "individual_number",
    "name",
    "kana",
    "sex",
    "birth_date",
    "address",
    "resident_kind",
)
MIGRATED: Final = "integrated_number"
"""The tenth column, of a file that takes over numbers which an earlier system issued."""
CHANGE_COLUMNS: Final = (
    "event_id",
    "system",
    "addressee_number",
    "kind",
    "effective_on",
    "cancels",
    "individual_number",
    "name",
    "kana",
    "sex",
    "birth_date",
    "address",
    "resident_kind",
)
REPLACED_BY: Final = "replaced_by"
"""The fourteenth column, of a file of changes that replaces addressee numbers."""
_COLUMNS: Final = {
    "addressees": (frozenset(ADDRESSEE_COLUMNS), frozenset({MIGRATED})),
    "person-changes": (frozenset(CHANGE_COLUMNS), frozenset({REPLACED_BY})),
}
"""Channel → the columns that a layout needs, and those that it may have."""


class FileLayoutsError(Exception):
    """A file of layouts does not have its form; the message says what and in which channel."""


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    width: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    fill: Fill = Fill.SPACE_RIGHT


class _Layout(msgspec.Struct, forbid_unknown_fields=True):
    unit: Unit
    fields: list[_Field]
    separator: str = ""


def parse_file_layouts(text: str) -> dict[str, FixedLayout]:
    """Channel → layout. Raises FileLayoutsError."""
    try:
        read = msgspec.convert(yaml_depth.load(text), dict[str, _Layout])
    except (yaml.YAMLError, msgspec.ValidationError):
        raise FileLayoutsError(
            "not a map of channels to {unit, separator, fields: [{name, width, fill}]}; see file_layouts.yaml"
        ) from None
    layouts = {}
    for channel, layout in read.items():
        names = [one.name for one in layout.fields]
        needed, possible = _COLUMNS.get(channel, (None, None))
        if needed is None or possible is None:
            raise FileLayoutsError(f"there is no channel {channel!r} with fixed-width files")
        if len(set(names)) != len(names) or not needed <= set(names) <= needed | possible:
            raise FileLayoutsError(f"the fields of {channel!r} are not its columns, each once")
        layouts[channel] = FixedLayout(
            fields=tuple(Fixed(name=one.name, width=one.width, fill=one.fill) for one in layout.fields),
            unit=layout.unit,
            separator=layout.separator,
        )
    return layouts


def read_file_layouts(path: Path | None = None) -> Mapping[str, FixedLayout]:
    """The layouts of an agency: ours, with those of its own file before them. Raises FileLayoutsError."""
    ours = parse_file_layouts(
        resources.files("gateway.linkage_server").joinpath("file_layouts.yaml").read_text("utf-8")
    )
    if path is None:
        return ours
    try:
        return ours | parse_file_layouts(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise FileLayoutsError("the agency's file of layouts cannot be read") from None


def columns_of(header: bytes, encoding: str) -> list[str]:
    """The columns that the first line of a CSV file names; none when it is no line of text."""
    text = decode_line(header, encoding, number=1)
    names = split_csv(text, number=1) if isinstance(text, str) else text
    return [] if isinstance(names, TextRefused) else names


def missing_column(header: bytes, encoding: str, columns: Sequence[str]) -> str:
    """The first column that a header does not have; empty when it has each, and others or one twice."""
    named = columns_of(header, encoding)
    return next((name for name in columns if name not in named), "")
