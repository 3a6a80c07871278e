"""Columns of the spool channels, and their fixed-width layouts as data: ours, or an agency's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import msgspec

from codebook import marked_yaml
from codebook.marked_yaml import Marked, YamlBrokenError
from gateway.batch.text_forms import Fill, Fixed, FixedLayout, TextRefused, Unit, decode_line, split_csv
from gateway.own_files import OwnFileError

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


_SYSTEM: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_KEYS: Final = (
    f"a key is a channel ({', '.join(_COLUMNS)}), or SYSTEM/CHANNEL for the files of one business system alone"
)
_FORM: Final = "a layout is {unit: bytes or characters, separator: up to 3 ASCII characters or none, fields: [{name, width, fill}]}"
_FIELD_FORM: Final = f"a field is {{name, width: 1 to 1000, fill: {', '.join(Fill)}}}"


class FileLayoutsError(OwnFileError):
    """A file of layouts does not have its form: which file, which line, and what is to stand there."""


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    width: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    fill: Fill = Fill.SPACE_RIGHT


class _Layout(msgspec.Struct, forbid_unknown_fields=True):
    unit: Unit
    fields: Annotated[list[Any], msgspec.Meta(min_length=1)]
    separator: Annotated[str, msgspec.Meta(pattern=r"^[ -~]{0,3}\Z")] = ""


FileLayouts = Mapping[str, FixedLayout]
"""Channel, or a business system's channel (`kokuho/addressees`) → layout."""


def layout_of(layouts: FileLayouts, system: str, channel: str) -> FixedLayout:
    """How the fixed-width files of a business system's channel are laid out."""
    return layouts.get(f"{system}/{channel}") or layouts[channel]


def parse_file_layouts(text: str, source: str = "file_layouts.yaml") -> dict[str, FixedLayout]:
    """As `FileLayouts`. `source`: the file's name, for errors. Raises FileLayoutsError."""
    try:
        document = marked_yaml.load(text)
    except YamlBrokenError as broken:
        raise FileLayoutsError(f"{source}:{broken.line}: {broken.problem}") from None
    return _Reader(source).layouts(document)


@dataclass(frozen=True, slots=True)
class _Reader:
    source: str

    def _refuse(self, line: int, problem: str) -> NoReturn:
        raise FileLayoutsError(f"{self.source}:{line}: {problem}")

    def layouts(self, document: object) -> dict[str, FixedLayout]:
        if not isinstance(document, Marked):
            self._refuse(1, _KEYS)
        return {str(key): self._layout(document, key) for key in document}

    def _layout(self, document: Marked, key: object) -> FixedLayout:
        system, slash, channel = str(key).rpartition("/")
        line, columns = document.line_of(key), _COLUMNS.get(channel)
        if columns is None or (slash and not _SYSTEM.fullmatch(system)):
            self._refuse(line, _KEYS)
        written = document[key]
        try:
            layout = msgspec.convert(written, _Layout)
        except msgspec.ValidationError:
            self._refuse(written.line if isinstance(written, Marked) else line, _FORM)
        lines = written.entries["fields"]
        fields = [self._field(one, at) for one, at in zip(written["fields"], lines, strict=True)]
        self._check_columns([one.name for one in fields], lines, line, *columns)
        return FixedLayout(fields=tuple(fields), unit=layout.unit, separator=layout.separator)

    def _field(self, written: object, line: int) -> Fixed:
        try:
            one = msgspec.convert(written, _Field)
        except msgspec.ValidationError:
            self._refuse(line, _FIELD_FORM)
        return Fixed(name=one.name, width=one.width, fill=one.fill)

    def _check_columns(
        self, names: Sequence[str], lines: Sequence[int], line: int, needed: frozenset[str], possible: frozenset[str]
    ) -> None:
        for nth, (name, at) in enumerate(zip(names, lines, strict=True)):
            if name not in needed | possible:
                self._refuse(
                    at, f"this channel has no such column; its columns: {', '.join(sorted(needed | possible))}"
                )
            if name in names[:nth]:
                self._refuse(at, "this column stands above already; take one of the two out")
        if missing := sorted(needed - set(names)):
            self._refuse(line, f"columns of this channel are missing, add them: {', '.join(missing)}")


def read_file_layouts(path: Path | None = None) -> FileLayouts:
    """The layouts of an agency: ours, with those of its own file before them. Raises FileLayoutsError."""
    ours = parse_file_layouts(
        resources.files("gateway.linkage_server").joinpath("file_layouts.yaml").read_text("utf-8")
    )
    if path is None:
        return ours
    try:
        return ours | parse_file_layouts(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError):
        raise FileLayoutsError(f"{path}: the file of layouts cannot be read as UTF-8 text") from None


def columns_of(header: bytes, encoding: str) -> list[str]:
    """The columns that the first line of a CSV file names; none when it is no line of text."""
    text = decode_line(header, encoding, number=1)
    names = split_csv(text, number=1) if isinstance(text, str) else text
    return [] if isinstance(names, TextRefused) else names


def missing_column(header: bytes, encoding: str, columns: Sequence[str]) -> str:
    """The first column that a header does not have; empty when it has each, and others or one twice."""
    named = columns_of(header, encoding)
    return next((name for name in columns if name not in named), "")
