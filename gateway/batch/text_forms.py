"""Text of a file channel: characters in the declared encoding, lines, and fields by comma or by width.

A character that a channel cannot carry is refused with line and column and never replaced: a replaced character in a name or an address
would later pass for what the resident wrote.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BOM: Final = "\ufeff"
TOO_LONG: Final = b"\xff\n"
"""What a reader of lines puts in the place of one that is too long: no text that is taken has this byte."""
_UTF8: Final = "utf-8"
_UTF8_BOM: Final = BOM.encode()
_LAST_ASCII: Final = 0x7F
_GETA: Final = "〓"
_SPACES: Final = " \u3000"
_CONTROL: Final = "\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff"
_UNSEEN: Final = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufff9-\ufffb"
"""Format characters: nobody sees them, and some turn the direction of what follows. Variation selectors are none."""
_PRIVATE: Final = "\ue000-\uf8ff"
_REPLACED: Final = "\ufffd〓"
_NO_CHARACTER: Final = "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_HIGH: Final = "\U000e0000-\U000e00ff\U000f0000-\U0010ffff"
"""Tags, and private use of planes 15 and 16."""
_HIGH_FIRST: Final = (0xF3, 0xF4)
"""What such a character begins with in UTF-8."""
_LOW: Final = f"{_CONTROL}{_UNSEEN}{_PRIVATE}{_REPLACED}{_NO_CHARACTER}"
_REFUSED: Final = re.compile(f"[{_LOW}{_HIGH}]")
_REFUSED_LOW: Final = re.compile(f"[{_LOW}]")
"""The same for texts without high characters, in a third of the time."""
_THREE_OF_UTF8: Final = re.compile(rb"[\x00-\x7f]*".join([rb"[\xe2-\xe9\xef][\x80-\xbf]{2}"] * 3))
_HARMLESS: Final = re.compile(r"\r(?=\n)")


class TextReason(StrEnum):
    """Why a line is not taken as text, or cannot be written."""

    NOT_IN_ENCODING = "character_not_in_encoding"
    CONTROL = "character_control"
    PRIVATE_USE = "character_private_use"
    REPLACED = "character_replaced"
    TOO_LONG = "line_too_long"
    LENGTH = "line_length"
    QUOTATION = "quotation_broken"


@dataclass(frozen=True, slots=True)
class TextRefused:
    """Where and why, never what: `line` of the file and `column` in characters, both from 1.

    外字 (private use U+E000–F8FF, as CP932's user-defined rows, and planes 15 and 16, where 行政事務標準文字 has some of its own) mean something in
    the sender's own fonts alone; U+FFFD and 〓 stand for a character that was lost before it came here.
    """

    line: int
    column: int
    reason: TextReason


class Fill(StrEnum):
    """How a value fills its width. Zeros on the left belong to the value when it is read; spaces do not.

    `WIDE_SPACE_RIGHT`: read, full-width spaces (U+3000) and half-width ones at the end are filling, in any mixture: an odd width in bytes needs both.
    Written, the half-width one: it fits every width.
    """

    SPACE_RIGHT = "space_right"
    WIDE_SPACE_RIGHT = "wide_space_right"
    SPACE_LEFT = "space_left"
    ZERO_LEFT = "zero_left"


class Unit(StrEnum):
    """What widths count: bytes of the declared encoding, or characters."""

    BYTES = "bytes"
    CHARACTERS = "characters"


def _reason(character: str) -> TextReason:
    if "\ue000" <= character <= "\uf8ff" or character >= "\U000f0000":
        return TextReason.PRIVATE_USE
    if character in {"\ufffd", _GETA}:
        return TextReason.REPLACED
    return TextReason.CONTROL


def _bare(line: bytes, number: int) -> bytes:
    """Without its ending, and on the first line without a byte order mark."""
    if number == 1:
        line = line.removeprefix(_UTF8_BOM)
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _is_utf8(bare: bytes) -> bool:
    """A line that is UTF-8 through and through and has three characters of Japanese, beside whatever else: CP932 can read many of those too, and
    makes other names of them. What is written in CP932 does not come out so.
    """
    if _THREE_OF_UTF8.search(bare) is None:
        return False
    try:
        bare.decode(_UTF8)
    except UnicodeDecodeError:
        return False
    return True


def _first_not_ascii(line: bytes) -> int:
    """The column of the first byte that is not ASCII; what stands before it is one byte a character."""
    return next(at for at, byte in enumerate(line, start=1) if byte > _LAST_ASCII)


def refused_in(text: str) -> tuple[int, TextReason] | None:
    """The first character of a text that no channel carries: its column from 1, and why. For texts that came by a call."""
    found = _REFUSED.search(text)
    if found is not None:
        return found.start() + 1, _reason(found.group())
    line_feed = text.find("\n")
    return (line_feed + 1, TextReason.CONTROL) if line_feed >= 0 else None


def decode_line(line: bytes, encoding: str, *, number: int) -> str | TextRefused:
    """One line without its ending (LF or CRLF). `number`: of the line in the file, from 1."""
    if line == TOO_LONG:
        return TextRefused(number, 1, TextReason.TOO_LONG)
    bare = _bare(line, number)
    if encoding != _UTF8 and (line.startswith(_UTF8_BOM) or _is_utf8(bare)):
        return TextRefused(number, _first_not_ascii(line), TextReason.NOT_IN_ENCODING)
    try:
        text = bare.decode(encoding)
    except UnicodeDecodeError as broken:
        before = bare[: broken.start].decode(encoding, "replace")
        return TextRefused(number, len(before) + 1, TextReason.NOT_IN_ENCODING)
    found = _REFUSED.search(text)
    if found is not None:
        return TextRefused(number, found.start() + 1, _reason(found.group()))
    return text


def decode_lines(lines: Sequence[bytes], encoding: str, *, first: int) -> list[str | TextRefused]:
    """Many lines, the first of them number `first`: as one text when all are good, which costs a tenth."""
    joined = b"".join(lines)
    try:
        text = joined.decode(encoding)
    except UnicodeDecodeError:
        text = "\x00"
    if "\r" in text:
        text = _HARMLESS.sub("", text)
    refused = _REFUSED if any(byte in joined for byte in _HIGH_FIRST) and encoding == _UTF8 else _REFUSED_LOW
    if first == 1 or refused.search(text) is not None or (encoding != _UTF8 and _THREE_OF_UTF8.search(joined)):
        return [decode_line(line, encoding, number=number) for number, line in enumerate(lines, start=first)]
    return list(text.removesuffix("\n").split("\n")) if lines else []


def encode_line(text: str, encoding: str, *, number: int, newline: str = "\r\n") -> bytes | TextRefused:
    """One line with its ending; refused when the encoding lacks a character, or the text holds one that no file may carry."""
    refused = refused_in(text)
    if refused is not None:
        return TextRefused(number, *refused)
    try:
        encoded = text.encode(encoding)
    except UnicodeEncodeError as broken:
        return TextRefused(number, broken.start + 1, TextReason.NOT_IN_ENCODING)
    back = encoded.decode(encoding)
    if back != text:  # CP932 takes 〜 and six others and gives back another character
        column = next(at for at, (one, other) in enumerate(zip(text, back, strict=False), start=1) if one != other)
        return TextRefused(number, column, TextReason.NOT_IN_ENCODING)
    return encoded + newline.encode(encoding)


_WHOLE_FIELD: Final = re.compile(r'(?:"(?:[^"]|"")*"|[^",][^,]*|)(?:,|\Z)')


def split_csv(text: str, *, number: int) -> list[str] | TextRefused:
    """The fields of one physical line; refused where the first field begins whose quotation marks do not close. A line without any is only cut."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        at = 0
        while (whole := _WHOLE_FIELD.match(text, at)) is not None and whole.end() > at:
            at = whole.end()
        return TextRefused(number, at + 1, TextReason.QUOTATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """One field of a fixed-width line."""

    name: str
    width: int
    fill: Fill = Fill.SPACE_RIGHT

    def _stripped(self, text: str) -> str:
        match self.fill:
            case Fill.SPACE_RIGHT:
                return text.rstrip(" ")
            case Fill.WIDE_SPACE_RIGHT:
                return text.rstrip(_SPACES)
            case Fill.SPACE_LEFT:
                return text.lstrip(" ")
            case Fill.ZERO_LEFT:
                return "" if text.isspace() else text

    def _padding(self, missing: int, text: str) -> tuple[str, str]:
        """What stands before and after; an empty value is blank whatever fills it."""
        if self.fill in (Fill.SPACE_RIGHT, Fill.WIDE_SPACE_RIGHT) or not text:
            return "", " " * missing
        return ("0" if self.fill is Fill.ZERO_LEFT else " ") * missing, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedLayout:
    """A declared fixed-width line. `separator` ",": fields are set apart by commas and have their widths too (DOMAIN §1.4)."""

    fields: tuple[Fixed, ...]
    unit: Unit
    separator: str = ""

    def split(self, line: bytes, encoding: str, *, number: int) -> list[str] | TextRefused:
        """The values in the order of the fields, without their filling. Every field is there in its width, or the line is refused."""
        text = decode_line(line, encoding, number=number)
        if isinstance(text, TextRefused):
            return text
        whole: str | bytes = text if self.unit is Unit.CHARACTERS else _bare(line, number)
        values: list[str] = []
        at = 0
        column = 1
        for nth, field in enumerate(self.fields):
            if nth and self.separator:
                part = _text(whole[at : at + len(self.separator)], encoding)
                if part != self.separator:
                    return TextRefused(number, column, TextReason.LENGTH)
                at, column = at + len(self.separator), column + len(self.separator)
            value = _text(whole[at : at + field.width], encoding)
            if value is None or len(whole) < at + field.width:
                return TextRefused(number, column, TextReason.LENGTH)
            values.append(field._stripped(value))  # noqa: SLF001 (field and line are one layout)
            at, column = at + field.width, column + len(value)
        return values if at == len(whole) else TextRefused(number, column, TextReason.LENGTH)

    def join(self, values: Sequence[str], encoding: str, *, number: int, newline: str = "\r\n") -> bytes | TextRefused:
        """The line of these values, in the order of the fields; a value that does not fit its width refuses the line."""
        parts: list[str] = []
        column = 1
        for field, value in zip(self.fields, values, strict=True):
            encoded = encode_line(value, encoding, number=number, newline="")
            if isinstance(encoded, TextRefused):
                return TextRefused(number, column + encoded.column - 1, encoded.reason)
            missing = field.width - len(value if self.unit is Unit.CHARACTERS else encoded)
            if missing < 0 or (self.separator and self.separator in value):
                return TextRefused(number, column, TextReason.LENGTH)
            before, after = field._padding(missing, value)  # noqa: SLF001 (field and line are one layout)
            parts.append(f"{before}{value}{after}")
            column += len(parts[-1]) + len(self.separator)
        return encode_line(self.separator.join(parts), encoding, number=number, newline=newline)


def _text(part: str | bytes, encoding: str) -> str | None:
    """The text of a part of a line; None when the cut goes through a character."""
    if isinstance(part, str):
        return part
    try:
        return part.decode(encoding)
    except UnicodeDecodeError:
        return None
