"""照会受付 (the desk, LS-3.1): may this system ask, does it hold the person, and then on to the intermediate server.

A forwarded inquiry makes no commit here (ADR 0007); a refusal by the desk is recorded before it is answered, and a repetition gets
the same answer.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import Counter, Histogram

from codebook.identifiers import INQUIRY_PREFIX, new_sortable_id
from evidence.entry import EntryKind, exchange_entry
from gateway.api.tokens import Caller
from gateway.linkage_server.inquiry_desk.finder import AddresseeFinder
from gateway.linkage_server.inquiry_desk.forwarding import Forwarding
from gateway.linkage_server.inquiry_desk.inquiry import Inquiry, message, shown
from gateway.linkage_server.tenant import Agency, milliseconds, new_entry, new_entry_id
from storage import sql
from storage.committer import Applied, Commit, Statement, Write, commit_step
from storage.database import StorageUnavailableError

_SQL = sql.load("gateway.linkage_server.inquiry_desk")
REFUSED_STEP: Final = commit_step("linkage", "inquiry.refused")
_PUT_REFUSAL: Final = Statement("put_refusal", _SQL["put_refusal"])
UNKNOWN_ADDRESSEE: Final = "addressee_unknown"
INQUIRIES = Counter("sekisho_desk_inquiries", "Inquiries at the desk by what became of them", ["agency", "outcome"])
SECONDS = Histogram(
    "sekisho_desk_seconds",
    "One request at the desk, from parse to answer",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The desk of one agency."""

    agency: Agency
    finder: AddresseeFinder
    forwarding: Forwarding


def message_id(caller: Caller, key: str, position: int) -> str:
    """The only retry identity of one inquiry: client, Idempotency-Key, place in the list."""
    return f"{caller.client_id}/{key}/{position}"


async def inquire(
    desk: Desk, caller: Caller, inquiries: Sequence[Inquiry], *, key: str, wait_ms: int
) -> list[dict[str, Any]]:
    """Answers in order. Raises StorageUnavailableError, ChannelError: ask again with the same key."""
    with SECONDS.time():
        held = await desk.finder.find(caller.system, [inquiry.addressee_number for inquiry in inquiries])
        return list(
            await asyncio.gather(
                *(
                    _one(desk, caller, inquiry, held, key=key, position=position, wait_ms=wait_ms)
                    for position, inquiry in enumerate(inquiries)
                )
            )
        )


async def _one(
    desk: Desk, caller: Caller, inquiry: Inquiry, held: dict[str, Any], *, key: str, position: int, wait_ms: int
) -> dict[str, Any]:
    number = held.get(inquiry.addressee_number)
    identity = message_id(caller, key, position)
    if number is None:
        return await refuse(desk, caller, inquiry, identity=identity, reason=UNKNOWN_ADDRESSEE)
    # reveal: the intermediate server knows people by this number
    item = message(inquiry, message_id=identity, system=caller.system, integrated_number=number.reveal())
    answer = await desk.forwarding.inquire(item, wait_ms)
    INQUIRIES.labels(desk.agency.id, "forwarded").inc()
    return shown(answer)


async def refuse(desk: Desk, caller: Caller, inquiry: Inquiry, *, identity: str, reason: str) -> dict[str, Any]:
    """`inquiry.refused` by the desk: recorded once, answered alike each time."""
    now = desk.agency.clock()
    inquiry_number = new_sortable_id(INQUIRY_PREFIX, milliseconds(now), secrets.token_bytes(10))
    entry = exchange_entry(
        id=new_entry_id(now),
        at=now,
        kind=EntryKind.INQUIRY_REFUSED,
        inquiry_number=inquiry_number,
        inquirer=desk.agency.id,
        provider=inquiry.provider,
        basis=inquiry.basis,
        item=inquiry.item,
        information=inquiry.information,
        items=inquiry.items,
        disposition="refused",
        reason=reason,
        actor=f"{caller.system}/{inquiry.staff}",
    )
    applied = await desk.agency.committer.apply(
        Commit(
            step=REFUSED_STEP,
            guard=Write(_PUT_REFUSAL, (identity, inquiry_number, reason)),
            entries=(new_entry(entry, now, inquiry_number=inquiry_number),),
        )
    )
    INQUIRIES.labels(desk.agency.id, "refused").inc()
    if not isinstance(applied, Applied):
        inquiry_number, reason = await _refused_before(desk, identity)
    return {
        "inquiry_number": inquiry_number,
        "state": "refused",
        "outcome": "refused_by_desk",
        "reason": reason,
        "values": None,
    }


async def _refused_before(desk: Desk, identity: str) -> tuple[str, str]:
    async with desk.agency.database.inside(desk.agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["refusal"], identity)
    if row is None:
        raise StorageUnavailableError("a refusal that another request wrote is not there yet")
    return row["inquiry_number"], row["reason"]
