"""業務情報 lines as a business system sends them, and what of them may go on (LS-2.6): only what a layout in force lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from codebook.layouts import Layout, check_record, in_force
from gateway.linkage_server import free_text

AddresseeText = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]
RecordId = Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"^[!-~]+\Z")]
LONGEST_RECORD_ID: Final = 40
LONGEST_WITH_SYSTEM: Final = 64


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line. `public_from`/`public_to`: days on which the copy may be answered from; `information` may be left out where the data set tells it."""

    addressee_number: AddresseeText
    record_id: RecordId
    data_set: str
    version: str = ""
    information: str = ""
    items: dict[str, dict[str, Any]] = {}
    operation: Literal["register", "delete"] = "register"
    public_from: date | None = None
    public_to: date | None = None
    auto_response: Literal["allowed", "barred"] = "allowed"
    system: str | None = None

    def __repr__(self) -> str:
        return "<Record>"


RECORD: Final = msgspec.json.Decoder(Record)


def read(line: bytes, encoding: str) -> Record | None:
    """None when the line is not a record."""
    try:
        return RECORD.decode(line if encoding == "utf-8" else line.decode(encoding).encode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def information_of(record: Record, layouts: Iterable[Layout]) -> str:
    """The kind of information: as written, or the only one that has this data set; empty when that is not one."""
    if record.information:
        return record.information
    named = {layout.information for layout in layouts if record.data_set in layout.data_sets}
    return named.pop() if len(named) == 1 else ""


def full_record_id(record: Record, system: str) -> str:
    """The record id under the business system's own name: two systems never touch each other's records."""
    prefix = f"{system}/"
    return record.record_id if record.record_id.startswith(prefix) else f"{prefix}{record.record_id}"


def problem(
    record: Record, information: str, layouts: tuple[Layout, ...], *, today: date, system: str
) -> tuple[str, str | None] | None:
    """Reason and item when the record may not go on; None when it may."""
    if record.system is not None and record.system != system:
        return "system_differs", None
    wrong_id = _refusal_of_id(record, system)
    if wrong_id is not None:
        return wrong_id, None
    return _problem_of_content(record, in_force(layouts, information, today))


def _refusal_of_id(record: Record, system: str) -> str | None:
    identity = full_record_id(record, system)
    own = identity.removeprefix(f"{system}/")
    if len(own) > LONGEST_RECORD_ID or len(identity) > LONGEST_WITH_SYSTEM:
        return "record_id_too_long"
    return "record_id_holds_individual_number" if free_text.holds_individual_number(own) else None


def _problem_of_content(record: Record, layout: Layout | None) -> tuple[str, str | None] | None:
    if layout is None:
        return "information_not_listed", None
    if record.operation == "delete":
        return None
    if record.version and record.version != layout.version:
        return "layout_version_not_in_force", None
    found = check_record(layout, record.data_set, record.items)
    return (found[0].why.value, found[0].item or None) if found else None


def message(
    record: Record,
    information: str,
    *,
    system: str,
    integrated_number: int,
    layouts: tuple[Layout, ...],
    today: date,
) -> dict[str, Any]:
    """IF_DBM_90011.

    A record without a day from which it is public is public from the layout's first day: the same line gives the same message on any day.
    """
    layout = in_force(layouts, information, today)
    if layout is None:
        raise ValueError("only a record without a problem becomes a message")
    return {
        "record_id": full_record_id(record, system),
        "operation": record.operation,
        "integrated_number": f"{integrated_number:015d}",
        "information": information,
        "data_set": record.data_set,
        "version": layout.version,
        "public_from": record.public_from or layout.valid_from,
        "public_to": record.public_to,
        "auto_response": record.auto_response,
        "items": record.items if record.operation == "register" else {},
    }
