"""Held provisions (自動応答不可, SC-4) as staff see them: the list, and exactly what would leave of one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record
from msgspec import Meta

from evidence.canonical import timestamp
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes.binding import PURPOSE
from gateway.intermediate_server.covering import Covered
from gateway.intermediate_server.provision import answering, grounds
from gateway.intermediate_server.provision.withholding import StrikeRefusal, Withheld, strike
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from permission_lists.permit import read_stored_permit
from storage import sql
from transport.problem import ProblemError
from transport.wire import Dated

_SQL = sql.load("gateway.intermediate_server.provision")
_REPLICA_SQL = sql.load("gateway.intermediate_server.replica")
HELD_UNREADABLE: Final = "held_unreadable"
_NOT_SHOWN: Final = frozenset({HELD_UNREADABLE, answering.UNREADABLE})
MOST: Final = 2_000
_FIRST: Final = datetime(1900, 1, 2, tzinfo=UTC)
Covers = Callable[[str, str], bool]
"""Whether somebody's right covers an affair and a kind of information."""


class HeldItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90015: the one held provision whose content is to be shown, with these items struck out."""

    permit_id: str
    withheld: Annotated[list[Withheld], Meta(max_length=200)] = []


class Place(Dated, frozen=True, forbid_unknown_fields=True):
    """A place in the list: the last one of a page."""

    answer_by: datetime
    permit_id: str


class PageItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SYM_90094. `after`: the `next` of the page before; `escalated`: those alone that are."""

    after: Place | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST)] = 500
    escalated: bool = False


HELD_ITEM = msgspec.json.Decoder(HeldItem)
PAGE_ITEM = msgspec.json.Decoder(PageItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What would leave of one held provision: its records, and the keyed hashes of it, the one that is kept and recorded first (`content_marks`)."""

    records: list[dict[str, Any]]
    disposition: str
    why: str | None
    marks: tuple[str, ...]

    @property
    def mark(self) -> str:
        return self.marks[0]


def content_marks(agency: HostedAgency, permit_id: str, payload: bytes, revision: int) -> tuple[str, ...]:
    """What two people must have approved alike: what leaves, and how often bars that touch it came or went. 64 hex digits for each version that opens.

    Keyed by the agency's ring and of this provision alone: nobody who reads database or log can try out what was held.
    """
    return _keyed(agency, bind(labels.HELD_CONTENT, permit_id, payload, revision))


def hashes_for(agency: HostedAgency, mark: str, staff_id: str) -> tuple[str, ...]:
    """What an approval by one member of staff names: the first is told to that one alone, by showing them the content."""
    return _keyed(agency, bind(labels.HELD_LOOK, mark, staff_id))


def _keyed(agency: HostedAgency, data: bytes) -> tuple[str, ...]:
    """Under the primary version first: what was shown before the key was rotated is approved after it."""
    ring = agency.keys.ring
    return tuple(ring.index(PURPOSE, data, version=version).hex() for version in ring.opening(PURPOSE))


async def page(agency: HostedAgency, item: PageItem, covered: Covered) -> dict[str, Any]:
    """IF_SYM_90094: held provisions that the right covers, the most urgent first, without their content."""
    after = item.after or Place(answer_by=_FIRST, permit_id="")
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(
            _SQL["held"], after.answer_by, after.permit_id, item.limit, item.escalated, covered.column()
        )
    full = len(rows) == item.limit
    last = {"answer_by": rows[-1]["answer_by"].isoformat(), "permit_id": rows[-1]["permit_id"]} if full else None
    return {"held": [_row(agency, row) for row in rows], "next": last}


async def one(agency: HostedAgency, permit_id: str, covers: Covers) -> Record:
    """The row of a held provision that the right covers. Raises ProblemError 404: what is not covered is not there."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["held_one"], permit_id)
    if row is None or not covers(row["item"], row["information"]):
        raise ProblemError(404, "not_held", "No provision is held under this permit id; list the held ones again.")
    return row


def asked_about(agency: HostedAgency, row: Record) -> str | None:
    """Whom a held provision is about; None where that is not believed (`grounds.opened`): it is refused, by staff or by its deadline, about nobody."""
    number: str | None = row["integrated_number"]
    return None if grounds.opened(agency.keys.ring, agency.id, row) is None else number


async def leaving(agency: HostedAgency, row: Record, withheld: Sequence[Withheld], now: datetime) -> Leaving:
    """What would leave if it were released now: exactly the items asked, without what is struck out. Raises ProblemError 400, 409."""
    if asked_about(agency, row) is None:
        raise ProblemError(
            409,
            HELD_UNREADABLE,
            "Whom this was asked about, or by whose key, is not what was sealed when it was held: the row was changed, or its key is gone; refuse it.",
        )
    async with agency.database.inside(agency.tenant) as connection:
        copies = await connection.fetch(
            _REPLICA_SQL["replicas_of"], [row["integrated_number"]], [row["information"]], agency.today(now)
        )
    permit = read_stored_permit(row["permit"])
    rows = answering.copies_for(permit, copies)
    try:
        chosen = answering.leaving_of(agency, rows, permit)
    except (SealBroken, KeyUnusable):
        raise ProblemError(
            409, answering.UNREADABLE, "A replica of this person does not open; register it anew."
        ) from None
    left = strike(chosen.records, withheld)
    match left:
        case StrikeRefusal.NOT_THERE:
            raise ProblemError(400, left.value, "An item to be withheld is not in what would leave; look at it again.")
        case StrikeRefusal.NOTHING_LEFT:
            raise ProblemError(400, left.value, "Nothing would leave; refuse it instead, with a reason.")
    disposition, why = chosen.conclusion()
    marks = content_marks(agency, row["permit_id"], answering.payload_of(disposition, why, left), row["revision"])
    return Leaving(records=left, disposition=disposition, why=why, marks=marks)


async def shown(
    agency: HostedAgency, row: Record, withheld: Sequence[Withheld], staff_id: str, now: datetime
) -> dict[str, Any]:
    """One held provision with exactly what would leave, and the hash by which this member of staff approves it; both None when a copy, or
    why it is held (`ground`), does not open.

    In whose stead it is answered (`provider_for`), and the period asked about.
    """
    permit = read_stored_permit(row["permit"])
    asked = _row(agency, row) | {"provider_for": permit.provider_for, "period": permit.period}
    try:
        found = await leaving(agency, row, withheld, now)
    except ProblemError as problem:
        if problem.reason not in _NOT_SHOWN:
            raise
        return {**asked, "content_hash": None, "would_leave": None}
    told = hashes_for(agency, found.mark, staff_id)[0]
    return {**asked, "content_hash": told, "would_leave": found.records}


def _row(agency: HostedAgency, row: Record) -> dict[str, Any]:
    """Without content and without a hash of it: whoever has not looked has nothing to approve."""
    escalated_at = row["escalated_at"]
    return {
        "permit_id": row["permit_id"],
        "inquiry_number": row["inquiry_number"],
        "inquirer": row["inquirer"],
        "inquirer_for": row["inquirer_for"],
        "provider": agency.id,
        "basis": row["basis"],
        "item": row["item"],
        "information": row["information"],
        "ground": grounds.opened(agency.keys.ring, agency.id, row),
        "held_since": timestamp(row["received_at"]),
        "answer_by": timestamp(row["answer_by"]),
        "escalated_at": timestamp(escalated_at) if escalated_at is not None else None,
        "approved_by": row["first_staff"],
        "approved_hash": row["approved_digest"],
        "approved_withheld": msgspec.json.decode(row["withheld"] or "[]"),
        "approved_non_disclosure": row["approved_non_disclosure"] or False,
    }
