"""Records of business systems that are no more: listed, compared with their copies, and withdrawn, by whoever administers clients (IS-6, SC-16, SC-17).

A system is no more when it has no client, or none that is not removed. Nobody can send its lines then, so its originals would lie here, and its
copies at the intermediate server, for ever.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind, encode_entry, other_entry
from gateway.api.administration import ADMINISTERED, RESOURCE
from gateway.api.authorization import CALLER, idempotency_key, require
from gateway.linkage_server import intake
from gateway.linkage_server.access.sight import LookReason, check_reason, check_staff
from gateway.linkage_server.business_information.runs import store
from gateway.linkage_server.business_information.runs.comparing import read_copies, systems
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.business_information.runs.store import SQL, Kind, Run, Wanted
from gateway.linkage_server.tenant import Agency, milliseconds, new_entry_id
from storage.committer import Commit, NewEntry, Statement, Write
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

_OPEN: Final = Statement("open_withdrawal", SQL["open_withdrawal"])
_PER_PART: Final = 500
_System = Annotated[str, Meta(max_length=40)]
_Wait = Annotated[int, Meta(ge=0, le=600_000)]


class _Compare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    system: _System
    repair: bool = False
    per_part: Annotated[int, Meta(ge=1, le=1_000)] = _PER_PART
    wait_ms: _Wait = 0


class _Withdraw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    system: _System
    staff: str
    reason: str
    per_part: Annotated[int, Meta(ge=1, le=1_000)] = _PER_PART
    wait_ms: _Wait = 0

    def __repr__(self) -> str:
        return "<_Withdraw>"


COMPARE: Final = msgspec.json.Decoder(_Compare)
WITHDRAW: Final = msgspec.json.Decoder(_Withdraw)


async def is_left(agency: Agency, system: str) -> bool:
    """Whether a system has no client any more."""
    return system not in await agency.clients.systems()


async def listed(agency: Agency) -> list[dict[str, Any]]:
    """Systems without a client of which something lives here, or lies at the intermediate server. Raises ProblemError."""
    try:
        left = sorted(set(await systems(agency)) - set(await agency.clients.systems()))
        async with agency.database.inside(agency.tenant) as connection:
            rows = {row["business_system_id"]: row for row in await connection.fetch(SQL["left_behind"], left)}
        found = [_shown(system, rows.get(system)) for system in left]
        return [one for one in found if one["records"] or one["copies"] or await _has_copies(agency, one["system"])]
    except ChannelError:
        raise ProblemError(
            503,
            "intermediate_server_unavailable",
            "The agency's intermediate server did not answer; ask again later.",
        ) from None


async def _has_copies(agency: Agency, system: str) -> bool:
    """Copies of which no original knows. Raises ChannelError."""
    return bool(await read_copies(agency, secrets.token_bytes(32), f"{system}/", f"{system}0", 1))


def _shown(system: str, row: Any) -> dict[str, Any]:
    """`copies` that an original knows of; a comparison finds the others."""
    return {
        "system": system,
        "records": row["records"] if row is not None else 0,
        "copies": row["copies"] if row is not None else 0,
        "last_changed_at": row["last_changed_at"].isoformat() if row is not None else None,
    }


async def wanted(request: web.Request, runs: Mapping[str, BusinessRuns], decoder: msgspec.json.Decoder[Any]) -> Any:
    """What an administrator asks for about a system that is no more. Raises ProblemError."""
    caller = await require(request, *RESOURCE)
    body = wire.read_body(await request.read(), decoder)
    if not await is_left(runs[caller.agency].outbox.agency, body.system):
        raise ProblemError(
            409, "system_has_clients", "The business system has a client, which does this itself; remove it first."
        )
    return body


async def withdraw(request: web.Request, runs: Mapping[str, BusinessRuns]) -> Run:
    """Begin a withdrawal, on record with who ordered it and why; the same call again finds it. Raises ProblemError."""
    body: _Withdraw = await wanted(request, runs, WITHDRAW)
    check_staff(body.staff)
    check_reason(body.reason)
    caller = request[CALLER]
    agency, now = runs[caller.agency].outbox.agency, runs[caller.agency].outbox.agency.clock()
    agency.release.check()
    key = intake.request_key(agency, caller.client_id, "business-systems/withdraw", idempotency_key(request))
    run_id = new_sortable_id("W", milliseconds(now), secrets.token_bytes(10))
    what = Wanted(per_part=body.per_part)
    row = (
        run_id,
        key,
        Kind.WITHDRAWAL.value,
        body.system,
        msgspec.json.encode(what).decode(),
        f"{body.system}/",
        now,
    )
    entry_id = new_entry_id(now)
    entry = other_entry(
        id=entry_id,
        at=now,
        kind=EntryKind.CLIENT_ADMINISTERED,
        actor=caller.client_id,
        facts={"act": "withdraw_records", "system": body.system, "run": run_id, "staff": body.staff},
    )
    reason = LookReason(body.reason)
    recorded = NewEntry(
        entry_id=entry_id,
        at=now,
        kind=EntryKind.CLIENT_ADMINISTERED,
        inquiry_number=None,
        body=encode_entry(entry),
        personal=agency.keys.seal_access_reason(reason.reveal(), entry_id),  # reveal: sealed beside the entry
    )
    await agency.committer.apply(Commit(step=ADMINISTERED, guard=Write(_OPEN, row), entries=(recorded,)))
    begun = await store.of_request(agency, key)
    if (begun.system, begun.wanted) != (body.system, what):
        raise ProblemError(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body before; a retry repeats key and body.",
        )
    return begun
