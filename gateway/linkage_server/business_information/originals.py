"""原本: what a record of business information says, edition by edition, and what a line from a business system makes of it (LS-2.1 to LS-2.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from codebook.layouts import Layout
from gateway.linkage_server.business_information.records import Record, full_id, information_of
from transport.clock import JST

NO_DAY: Final = date(1, 1, 1)
Items = Mapping[str, Mapping[str, str]]


class Transfer(StrEnum):
    """How far a record's copy has come. `withheld`: it may not stand at the intermediate server; `refused`: that server did not take it."""

    AWAITING_FIRST = "awaiting_first"
    DUE = "due"
    REGISTERED = "registered"
    DELETED = "deleted"
    WITHHELD = "withheld"
    REFUSED = "refused"


class LineReason(StrEnum):
    """Why a line that keeps to its layout is not taken in, or changed nothing."""

    ADDRESSEE_UNKNOWN = "addressee_unknown"
    RECORD_ID_REUSED = "record_id_reused"
    RECORD_UNKNOWN = "record_unknown"
    PARENT_UNKNOWN = "parent_unknown"
    RECORD_HAS_CHILDREN = "record_has_children"
    ADDRESSEE_DIFFERS = "addressee_differs"
    OVERTAKEN = "overtaken"


FIELD_OF: Final[Mapping[LineReason, str]] = {
    LineReason.ADDRESSEE_UNKNOWN: "addressee_number",
    LineReason.RECORD_ID_REUSED: "record_id",
    LineReason.RECORD_UNKNOWN: "record_id",
    LineReason.PARENT_UNKNOWN: "parent_record_id",
    LineReason.RECORD_HAS_CHILDREN: "record_id",
    LineReason.ADDRESSEE_DIFFERS: "addressee_number",
}
"""Of a line that is rejected: the field at which it is told."""


class Said(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a record says in one edition. `record_id` begins with the business system's name; `deleted`: it says that it is no more.

    `delegator`: whose it is when it is not the agency's own (委任元).
    """

    record_id: str
    addressee_number: str
    information: str
    data_set: str
    layout_version: str
    parent_record_id: str | None
    public_from: date
    public_to: date | None
    auto_response: str
    deleted: bool
    items: Items
    delegator: str | None = None

    def __repr__(self) -> str:
        return "<Said>"


class Original(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record as it is held: its latest edition and who changed it when."""

    said: Said
    edition: int
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return "<Original>"


class Told(NamedTuple):
    """When a line was said, as far as is known: not before `earliest`, which its edition keeps, and not after `latest`.

    An edition of after `latest` overtakes it. None: it is the last word, whatever is held.
    """

    earliest: datetime
    latest: datetime | None

    @classmethod
    def on(cls, day: date) -> Told:
        """Some time of this day in Japan."""
        begins = datetime.combine(day, time(), JST)
        return cls(begins, begins + timedelta(days=1))


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line that is taken in: the record afterwards. `new_edition` False: it says what is held already."""

    original: Original
    new_edition: bool
    reason: LineReason | None = None


def said_by(record: Record, system: str, layouts: tuple[Layout, ...], layout: Layout | None) -> Said:
    """What a line says. A record without a day from which it is public is public from the layout's first day: the same line says the same on any day."""
    parent = record.parent_record_id
    return Said(
        record_id=full_id(record.record_id, system),
        addressee_number=record.addressee_number,
        information=information_of(record, layouts),
        data_set=record.data_set,
        layout_version=layout.version if layout else record.version,
        parent_record_id=full_id(parent, system) if parent else None,
        public_from=record.public_from or (layout.valid_from if layout else NO_DAY),
        public_to=record.public_to,
        auto_response=record.auto_response,
        deleted=record.operation == "delete",
        items=record.items if record.operation != "delete" else {},
        delegator=record.delegator,
    )


def _place(said: Said) -> tuple[str, str, str]:
    """Whom and what a record is about: a child has the same addressee and information as its parent, whose data set is the one above its own."""
    return said.addressee_number, said.information, said.data_set


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What is held of the records that a chunk speaks of, changed line by line. `addressees`: known numbers.

    `children`: parent → its living children, of all records that the chunk changes or deletes.
    """

    held: dict[str, Original]
    children: dict[str, set[str]]
    addressees: Mapping[str, Any]
    layouts: tuple[Layout, ...]

    def take(self, record: Record, said: Said, *, told: Told, by: str) -> Change | LineReason:
        """One line, in the order in which they came."""
        held = self.held.get(said.record_id)
        wrong = self._refusal(record.operation, held, said)
        if wrong is not None:
            return wrong
        if said.deleted and held is not None:
            said = structs.replace(held.said, deleted=True, items={})
        if held is not None and held.said == said:
            return Change(original=held, new_edition=False)
        if held is not None and told.latest is not None and told.latest < held.changed_at:
            return Change(original=held, new_edition=False, reason=LineReason.OVERTAKEN)
        found = Original(
            said=said,
            edition=held.edition + 1 if held is not None else 1,
            changed_at=told.earliest if held is None else max(told.earliest, held.changed_at),
            changed_by=by,
        )
        self.held[said.record_id] = found
        if held is not None and held.said.parent_record_id is not None:
            self.children.get(held.said.parent_record_id, set()).discard(said.record_id)
        if said.parent_record_id is not None and not said.deleted:
            self.children.setdefault(said.parent_record_id, set()).add(said.record_id)
        return Change(original=found, new_edition=True)

    def _refusal(self, operation: str, held: Original | None, said: Said) -> LineReason | None:
        if operation == "delete":
            return self._refusal_to_delete(held, said)
        lives = held is not None and not held.said.deleted
        if operation == "change" and not lives:
            return LineReason.RECORD_UNKNOWN
        if operation == "register" and held is not None and lives and held.said != said:
            return LineReason.RECORD_ID_REUSED
        if said.addressee_number not in self.addressees:
            return LineReason.ADDRESSEE_UNKNOWN
        if not self._parent_fits(said):
            return LineReason.PARENT_UNKNOWN
        leaves = held is not None and _place(held.said) != _place(said)
        return LineReason.RECORD_HAS_CHILDREN if leaves and self.children.get(said.record_id) else None

    def _refusal_to_delete(self, held: Original | None, said: Said) -> LineReason | None:
        if held is None:
            return LineReason.RECORD_UNKNOWN
        if held.said.addressee_number != said.addressee_number:
            return LineReason.ADDRESSEE_DIFFERS
        return LineReason.RECORD_HAS_CHILDREN if self.children.get(said.record_id) else None

    def _parent_fits(self, said: Said) -> bool:
        """The parent is held, lives, is of the same addressee and of the parent data set."""
        if said.parent_record_id is None:
            return True
        parent = self.held.get(said.parent_record_id)
        if parent is None or parent.said.deleted or parent.said.addressee_number != said.addressee_number:
            return False
        wanted = {
            layout.data_sets[said.data_set].parent
            for layout in self.layouts
            if layout.information == said.information and said.data_set in layout.data_sets
        }
        return parent.said.information == said.information and parent.said.data_set in wanted
