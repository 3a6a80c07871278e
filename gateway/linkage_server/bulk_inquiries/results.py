"""結果ファイル: one line for each line of the request, in its order, without a header (DOMAIN §1.4).

Columns from 0: 0–17 the request; 18–22 ours: inquiry number, class, reason, whether to ask again (1/0), 突合; 23, 24 status and message of
the line; 25, 26 of the information (TM); from 27 the items: the number of records, and for each record its number, data set, version and
three columns kept free, then value and 未設定事由 of every item of the layout. So an account's 口座番号 stands in column 44, as is known.
A file names nothing that an encoding cannot carry: such an answer is left out, and its message names the column and the item.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from codebook.layouts import Layout
from gateway.batch.text_forms import TextRefused, encode_line
from gateway.linkage_server.bulk_inquiries.classes import ORPHANS, STATUSES, LineClass
from gateway.linkage_server.bulk_inquiries.content import Content
from gateway.linkage_server.bulk_inquiries.form import FIELDS, Form, write_again
from gateway.linkage_server.bulk_inquiries.judging import NAMES
from gateway.linkage_server.bulk_inquiries.store import Answered

_NUMBERS_OF_INFORMATION: Final = FIELDS.index("information")
_FREE: Final = ("", "", "")
_BEFORE_ITEMS: Final = 3 + len(_FREE)
_FIRST_OF_ITEMS: Final = len(FIELDS) + 10
_REASON: Final = "character_not_in_encoding"
_ORPHAN_HEADER: Final = "line,addressee_number,reason,current_addressee_number"
_FULL_WIDTH: Final = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@dataclass(frozen=True, slots=True)
class Written:
    """The files that answer one file. `again` and `orphans` are empty when there is nothing to say."""

    result: bytes
    again: bytes
    again_lines: int
    orphans: bytes


class Writing:
    """Gathers lines and makes the files of them: the same lines make the same bytes."""

    def __init__(self, form: Form, encoding: str, layouts: Iterable[Layout]) -> None:
        self._form = form
        self._encoding = encoding
        self._layouts = {(layout.information, layout.version): layout for layout in layouts}
        self._result: list[bytes] = []
        self._again: list[Sequence[str]] = []
        self._orphans: list[str] = []

    def add(self, one: Answered) -> None:
        encoded = self._encoded(one.found, one)
        place = self._place_of_unwritten(one) if isinstance(encoded, TextRefused) else ""
        for less in (_without_values, _without_request):
            if isinstance(encoded, TextRefused):
                encoded = self._encoded(LineClass.NOT_IN_ENCODING, less(one, place))
        if isinstance(encoded, TextRefused):
            raise ValueError("a line without answer and request can be written in every encoding")  # noqa: TRY004 (our own mistake)
        self._result.append(encoded)
        if STATUSES[one.found].again:
            self._again.append(one.content.request)
        if one.found in ORPHANS:
            self._orphans.append(f"{one.line},{one.content.request[1]},{one.found.value},{one.content.current}")

    def _encoded(self, found: LineClass, one: Answered) -> bytes | TextRefused:
        return encode_line(_csv(self._columns(found, one)), self._encoding, number=one.line)

    def _is_written(self, text: str) -> bool:
        return not isinstance(encode_line(text, self._encoding, number=1), TextRefused)

    def _place_of_unwritten(self, one: Answered) -> str:
        """The first column that the encoding does not carry, with the name of what stands there."""
        columns = self._columns(one.found, one)
        at = next(nth for nth, text in enumerate(columns) if not self._is_written(text))
        names = [*(NAMES[name] for name in FIELDS), *[""] * (_FIRST_OF_ITEMS - len(FIELDS))]
        for record in one.content.values or ():
            names += [*[""] * _BEFORE_ITEMS]
            names += [item for item in self._names(record, one.content.information) for _ in range(2)]
        known = at < len(names) and names[at] and self._is_written(names[at])
        return f"列 {at}「{names[at]}」" if known else f"列 {at}"

    def files(self) -> Written:
        orphans = "\r\n".join((_ORPHAN_HEADER, *self._orphans, "")).encode() if self._orphans else b""
        again = write_again(self._again, self._encoding, self._form) if self._again else b""
        return Written(b"".join(self._result), again, len(self._again), orphans)

    def _columns(self, found: LineClass, one: Answered) -> list[str]:
        status, known = STATUSES[found], one.content
        return [
            *(known.request or ("",) * len(FIELDS)),
            one.inquiry_number or "",
            found.value,
            known.reason,
            "1" if status.again else "0",
            _matched(known),
            status.line,
            "" if status.information else _message(status.message, one),
            status.information,
            _message(status.message, one) if status.information else "",
            *self._items(known),
        ]

    def _items(self, known: Content) -> list[str]:
        if known.values is None:
            return []
        columns = [str(len(known.values))]
        for nth, record in enumerate(known.values, start=1):
            columns += self._record(nth, record, known.information)
        return columns

    def _record(self, nth: int, record: Any, information: str) -> list[str]:
        name, version, given = _parts(record)
        values = (text for item in self._names(record, information) for text in _value(given.get(item)))
        return [str(nth), name, version, *_FREE, *values]

    def _names(self, record: Any, information: str) -> list[str]:
        """The items of a record in the order of their columns: those of its layout, then others that it has."""
        name, version, given = _parts(record)
        layout = self._layouts.get((information, version))
        data_set = layout.data_sets.get(name) if layout else None
        names = [*(data_set.items if data_set else ())]
        return names + sorted(set(given) - set(names))


def _parts(record: Any) -> tuple[str, str, dict[str, Any]]:
    """Data set, version and items of a record; what is not there, or is no such thing, is empty."""
    if not isinstance(record, dict):
        return "", "", {}
    items = record.get("items")
    return str(record.get("data_set", "")), str(record.get("version", "")), items if isinstance(items, dict) else {}


def _value(given: Any) -> tuple[str, str]:
    if not isinstance(given, dict):
        return "", ""
    return str(given.get("value") or ""), str(given.get("null_reason") or "")


def _without_values(one: Answered, place: str) -> Answered:
    known = Content(request=one.content.request, reason=_REASON, where=place, information=one.content.information)
    return Answered(one.line, one.found, one.inquiry_number, known)


def _without_request(one: Answered, place: str) -> Answered:
    """Of a file that comes again in an encoding which does not hold what the first one said."""
    return Answered(one.line, one.found, one.inquiry_number, Content(reason=_REASON, where=place))


def _matched(known: Content) -> str:
    """突合 of the whole, and the items that differ."""
    if known.match is None:
        return ""
    differing = [name for name, found in known.match["items"].items() if found == "differ"]
    return ":".join((known.match["result"], *differing))


def _message(text: str, one: Answered) -> str:
    """Codes in messages are printed in full width, as the field does."""
    request = one.content.request
    code = request[_NUMBERS_OF_INFORMATION] if request else ""
    return text.format(information=code.translate(_FULL_WIDTH), where=one.content.where or f"{one.line} 行目")


def _csv(columns: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(columns)
    return text.getvalue()
