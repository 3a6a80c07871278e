"""照会受付 (the desk, LS-3.1): may this system ask, does it hold the person, and then on to the intermediate server.

A forwarded inquiry makes no commit here (ADR 0007); a refusal by the desk is recorded before it is answered, and a repetition gets
the same answer, also when the person became known meanwhile. Another question under the same key is not asked.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from prometheus_client import Counter, Histogram

from codebook.identifiers import INQUIRY_PREFIX, new_sortable_id
from evidence.entry import EntryKind, exchange_entry
from gateway.api.tokens import Caller
from gateway.linkage_server.inquiry_desk import refusals
from gateway.linkage_server.inquiry_desk.finder import AddresseeFinder, Found
from gateway.linkage_server.inquiry_desk.forwarding import Forwarding
from gateway.linkage_server.inquiry_desk.inquiry import Inquiry, message, shown
from gateway.linkage_server.tenant import Agency, milliseconds, new_entry, new_entry_id
from storage.committer import Applied, Commit, Write, commit_step
from storage.database import StorageUnavailableError

REFUSED_STEP: Final = commit_step("linkage", "inquiry.refused")
UNKNOWN_ADDRESSEE: Final = "addressee_unknown"
PERSON_FROZEN: Final = "person_frozen"
"""Staff look into a link of this person; until then nobody is asked about them (SC-18)."""
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


def message_id(desk: Desk, caller: Caller, key: str, position: int) -> str:
    """The only retry identity of one inquiry: client, Idempotency-Key (as a keyed digest), place in the list."""
    return desk.agency.keys.desk_identity(caller.client_id, key, position)


def _asked(desk: Desk, inquiry: Inquiry) -> bytes:
    return desk.agency.keys.digest_of_question(msgspec.json.encode(inquiry))


async def inquire(
    desk: Desk, caller: Caller, inquiries: Sequence[Inquiry], *, key: str, wait_ms: int
) -> list[dict[str, Any]]:
    """Answers in order. Raises StorageUnavailableError, ChannelError: ask again with the same key."""
    with SECONDS.time():
        identities = [message_id(desk, caller, key, position) for position in range(len(inquiries))]
        found = await desk.finder.find(caller.system, [inquiry.addressee_number for inquiry in inquiries], identities)
        return list(
            await asyncio.gather(
                *(
                    _one(desk, caller, inquiry, found, identity=identity, wait_ms=wait_ms)
                    for identity, inquiry in zip(identities, inquiries, strict=True)
                )
            )
        )


async def _one(
    desk: Desk, caller: Caller, inquiry: Inquiry, found: Found, *, identity: str, wait_ms: int
) -> dict[str, Any]:
    refused = found.refusals.get(identity)
    if refused is not None:
        return refused.answer_to(_asked(desk, inquiry))
    number = found.people.get(inquiry.addressee_number)
    if number is None:
        return await refuse(desk, caller.system, inquiry, identity=identity, reason=UNKNOWN_ADDRESSEE)
    if inquiry.addressee_number in found.frozen:
        return await refuse(desk, caller.system, inquiry, identity=identity, reason=PERSON_FROZEN)
    # reveal: the intermediate server knows people by this number
    item = message(inquiry, message_id=identity, system=caller.system, integrated_number=number.reveal())
    answer = await desk.forwarding.inquire(item, wait_ms)
    INQUIRIES.labels(desk.agency.id, "forwarded").inc()
    return shown(answer)


async def refuse(desk: Desk, system: str, inquiry: Inquiry, *, identity: str, reason: str) -> dict[str, Any]:
    """`inquiry.refused` by the desk: recorded once, answered alike each time."""
    now = desk.agency.clock()
    asked, days = _asked(desk, inquiry), inquiry.days
    inquiry_number = new_sortable_id(INQUIRY_PREFIX, milliseconds(now), secrets.token_bytes(10))
    entry_id = new_entry_id(now)
    entry = exchange_entry(
        id=entry_id,
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
        actor=f"{system}/{inquiry.staff}",
        non_disclosure=inquiry.non_disclosure is True,
        period=None if days is None else str(days),
        inquirer_for=inquiry.inquirer_for or None,
        provider_for=inquiry.provider_for or None,
        purpose=desk.agency.keys.purpose_commitment(inquiry.purpose, entry_id),
    )
    sealed = desk.agency.keys.seal_access_reason(inquiry.purpose, entry_id)
    applied = await desk.agency.committer.apply(
        Commit(
            step=REFUSED_STEP,
            guard=Write(refusals.PUT, (identity, inquiry_number, reason, asked)),
            entries=(replace(new_entry(entry, now, inquiry_number=inquiry_number), personal=sealed),),
        )
    )
    INQUIRIES.labels(desk.agency.id, "refused").inc()
    if isinstance(applied, Applied):
        return refusals.answer(inquiry_number, reason)
    async with desk.agency.database.inside(desk.agency.tenant) as connection:
        before = (await refusals.find(connection, [identity])).get(identity)
    if before is None:
        raise StorageUnavailableError("a refusal that another request wrote is not there yet")
    return before.answer_to(asked)
