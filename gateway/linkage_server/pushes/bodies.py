"""What a push says, for one business system: its own 宛名番号, the items that its affairs need, and nothing else (LS-1.5, LS-1.6, SC-13, SC-14). Pure.

A push shows the person as he is when it is written, and which changes led there. It says everything that the receiver needs,
so one that comes again, or after a later one was asked for elsewhere, does no harm.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec

from codebook.four_items import Field
from evidence.canonical import timestamp
from gateway.batch.text_forms import TextReason, TextRefused, encode_line

COLUMNS: Final = (
    "delivery_id",
    "addressee_number",
    "integrated_number",
    "individual_number",
    *(field.value for field in Field),
    "state",
    "state_since",
    "changes",
    "individual_number_told",
)
"""`individual_number_told`: `1` where `individual_number` says what holds, empty for none; else it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Person:
    """A person as one system may see him: `items` cut to its affairs; `integrated_number` empty when it may not have it.

    `individual_number`: None when the system may not have it or nothing can have changed it; empty when the person has none.
    """

    addressee_numbers: tuple[str, ...]
    items: Mapping[str, str]
    integrated_number: str
    individual_number: str | None
    state: str
    state_since: date | None
    changes: tuple[tuple[str, date], ...]


def as_json(person: Person, *, delivery_id: str, system: str, at: datetime) -> bytes:
    """The body of a webhook."""
    body: dict[str, Any] = {
        "delivery_id": delivery_id,
        "business_system": system,
        "about": "person",
        "at": timestamp(at),
        "addressee_numbers": person.addressee_numbers,
        "state": person.state,
        "state_since": person.state_since,
        "items": person.items,
        "changes": [{"kind": kind, "effective_on": effective_on} for kind, effective_on in person.changes],
    }
    if person.integrated_number:
        body["integrated_number"] = person.integrated_number
    if person.individual_number is not None:
        body["individual_number"] = person.individual_number
    return msgspec.json.encode(body)


def _line(values: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def header(encoding: str) -> bytes:
    return f"{_line(COLUMNS)}\r\n".encode(encoding)


@dataclass(frozen=True, slots=True)
class NotCarried:
    """The first item of a person that a file's encoding cannot carry: why, and where in it (`name 3`: its third character), never what."""

    reason: TextReason
    where: str


def as_lines(person: Person, *, delivery_id: str, encoding: str) -> bytes | NotCarried:
    """Lines of a file, one for each 宛名番号 of the system. A character that the encoding does not have is refused, never replaced."""
    lines = []
    for addressee_number in person.addressee_numbers:
        values = (
            delivery_id, addressee_number, person.integrated_number, person.individual_number or "",
            *(person.items.get(field.value, "") for field in Field),
            person.state, person.state_since.isoformat() if person.state_since else "",
            " ".join(f"{kind}:{effective_on.isoformat()}" for kind, effective_on in person.changes),
            "" if person.individual_number is None else "1",
        )  # fmt: skip
        encoded = encode_line(_line(values), encoding, number=1)
        if isinstance(encoded, TextRefused):
            return _not_carried(values, encoding)
        lines.append(encoded)
    return b"".join(lines)


def _not_carried(values: Sequence[str], encoding: str) -> NotCarried:
    for column, value in zip(COLUMNS, values, strict=True):
        found = encode_line(value, encoding, number=1)
        if isinstance(found, TextRefused):
            return NotCarried(found.reason, f"{column} {found.column}")
    raise ValueError("commas and quotation marks are carried by every encoding")  # our own mistake
