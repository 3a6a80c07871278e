"""業務情報 as a business system sends it, and what of it is taken in (LS-2.6): only what a layout in force lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from codebook.layouts import Layout, Why, check_record, in_force, is_valid, version_of
from gateway.batch.text_forms import TextRefused, decode_line
from gateway.linkage_server import free_text
from transport import wire
from transport.clock import JST
from transport.wire import Dated

AddresseeText = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]
AgencyText = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,30}\Z")]
RecordId = Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"^[!-~]+\Z")]
LONGEST_RECORD_ID: Final = 40
LONGEST_WITH_SYSTEM: Final = 64
Bound = Annotated[str, Meta(max_length=LONGEST_WITH_SYSTEM, pattern=r"^[!-~]*\Z")]
"""A record id to go on after, or nothing."""
Name = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f]*\Z")]
"""The name of an information, a data set or a version, or nothing."""


class Record(Dated, frozen=True, forbid_unknown_fields=True):
    """One line or one item of a call. `public_from`/`public_to`: days on which the copy may be answered from; `information` may be left out where the data set tells it.

    `register` brings a record in, `change` gives the whole of it anew, `delete` takes it away. `changed_at`: when it changed in the business
    system; of two changes the later one counts, whichever comes first. `parent_record_id`: the record of the parent data set that this one belongs to.
    `delegator`: whose the record is when another agency has delegated answering (委任元).
    """

    addressee_number: AddresseeText
    record_id: RecordId
    data_set: str
    version: str = ""
    information: str = ""
    items: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    operation: Literal["register", "change", "delete"] = "register"
    public_from: date | None = None
    public_to: date | None = None
    auto_response: Literal["allowed", "barred"] = "allowed"
    system: str | None = None
    changed_at: datetime | None = None
    parent_record_id: RecordId | None = None
    delegator: AgencyText | None = None

    def __repr__(self) -> str:
        return "<Record>"


RECORD: Final = msgspec.json.Decoder(Record)
_FIELD_OF: Final = {Why.UNKNOWN_DATA_SET: "data_set", Why.UNKNOWN_ITEM: "items"}
"""Where a record does not keep to its layout in something that is no item of it."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A line that is not taken in: why, and which item, field or place (`column 17`), as far as that can be said without repeating the line."""

    reason: str
    item: str | None = None


def read(line: bytes, encoding: str, *, number: int) -> Record | Refused:
    """One line of a file; `number`: of the line in the file, from 1."""
    text = None if encoding == "utf-8" else decode_line(line, encoding, number=number)
    if isinstance(text, TextRefused):
        return _not_text(text)
    try:
        return wire.decode_typed(line if text is None else text.encode(), RECORD)
    except wire.JsonBrokenError as broken:
        if broken.field:
            field = re.split(r"[.\[]", broken.field, maxsplit=1)[0]
            return Refused("field_missing" if broken.is_missing else "field_malformed", field)
    found = (
        decode_line(line, encoding, number=number) if text is None else text
    )  # UTF-8 that JSON can be read from is not looked at as text before
    return _not_text(found) if isinstance(found, TextRefused) else Refused("record_malformed")


def _not_text(text: TextRefused) -> Refused:
    return Refused(text.reason.value, f"column {text.column}")


def information_of(record: Record, layouts: Iterable[Layout]) -> str:
    """The kind of information: as written, or the only one that has this data set; empty when that is not one."""
    if record.information:
        return record.information
    named = {layout.information for layout in layouts if record.data_set in layout.data_sets}
    return named.pop() if len(named) == 1 else ""


def full_id(record_id: str, system: str) -> str:
    """The record id under the business system's own name: two systems never touch each other's records."""
    prefix = f"{system}/"
    return record_id if record_id.startswith(prefix) else f"{prefix}{record_id}"


def layout_of(record: Record, layouts: Iterable[Layout], today: date) -> Layout | None:
    """The layout that the record is made in: the version that it names if new records may be made in it today, or else the latest in force."""
    information = information_of(record, layouts)
    if not record.version:
        return in_force(layouts, information, today)
    found = version_of(layouts, information, record.version, today)
    return found if found is not None and is_valid(found, today) else None


def problem(
    record: Record, layout: Layout | None, layouts: tuple[Layout, ...], *, today: date, system: str
) -> Refused | None:
    """Why the record is not taken in; None when it is, as far as the record alone tells. `layout`: by `layout_of`."""
    if record.system is not None and record.system != system:
        return Refused("system_differs", "system")
    if record.changed_at is not None and record.changed_at.astimezone(JST).date() > today:
        return Refused("changed_at_in_the_future", "changed_at")  # nothing could change the record any more
    for name, one in (("record_id", record.record_id), ("parent_record_id", record.parent_record_id)):
        wrong_id = None if one is None else _refusal_of_id(one, system)
        if wrong_id is not None:
            return Refused(wrong_id, name)
    return None if record.operation == "delete" else _problem_of_content(record, layout, layouts, today)


def _refusal_of_id(record_id: str, system: str) -> str | None:
    identity = full_id(record_id, system)
    own = identity.removeprefix(f"{system}/")
    if not own or len(own) > LONGEST_RECORD_ID or len(identity) > LONGEST_WITH_SYSTEM:
        return "record_id_too_long" if own else "record_malformed"
    return "record_id_holds_individual_number" if free_text.holds_individual_number(own) else None


def _problem_of_content(
    record: Record, layout: Layout | None, layouts: tuple[Layout, ...], today: date
) -> Refused | None:
    if layout is None:
        listed = in_force(layouts, information_of(record, layouts), today) is not None
        return (
            Refused("layout_version_not_in_force", "version")
            if listed
            else Refused("information_not_listed", "information")
        )
    if record.public_to is not None and record.public_to < (record.public_from or layout.valid_from):
        return Refused("public_window_reversed", "public_to")
    found = check_record(layout, record.data_set, record.items)
    if found:
        return Refused(found[0].why.value, found[0].item or _FIELD_OF[found[0].why])
    if record.parent_record_id is not None and layout.data_sets[record.data_set].parent is None:
        return Refused("parent_not_expected", "parent_record_id")
    return None
