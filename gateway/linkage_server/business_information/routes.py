"""業務情報の参照、入力、変更、削除 (LS-2.3) by business systems: each call says staff, affair and reason, and each look is on record."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.api.authorization import idempotency_key, require
from gateway.linkage_server import intake
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight, Stated, enter
from gateway.linkage_server.business_information import flow, store
from gateway.linkage_server.business_information.flow import Line, Sender
from gateway.linkage_server.business_information.originals import Original
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.records import AddresseeText, Bound, Name, Record, RecordId, full_id
from gateway.linkage_server.business_information.store import SQL, read_row
from gateway.linkage_server.tenant import Agency
from keys.errors import KeyUnusable, SealBroken
from transport import wire
from transport.problem import ProblemError

OUTBOXES: web.AppKey[Mapping[str, Outbox]] = web.AppKey("outboxes", Mapping[str, Any])
_MOST: Final = 1_000


class _Changes(Stated, frozen=True, kw_only=True):
    items: Annotated[list[Record], Meta(min_length=1, max_length=_MOST)]


class _Wanted(Stated, frozen=True, kw_only=True):
    """By addressee number, a page after `after`, or by record ids; `editions`: with what each record said before."""

    addressee_number: AddresseeText | None = None
    record_ids: Annotated[list[RecordId], Meta(max_length=_MOST)] = msgspec.field(default_factory=list)
    information: Name = ""
    editions: bool = False
    after: Bound = ""
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = 100


_CHANGES = msgspec.json.Decoder(_Changes)
_WANTED = msgspec.json.Decoder(_Wanted)


async def post_business_information(request: web.Request) -> web.Response:
    body = await request.read()
    wanted = wire.read_body(body, _CHANGES)
    sight = await enter(request, wanted, "business-information", "change")
    agency, outbox = sight.agency, request.app[OUTBOXES][sight.agency.id]
    key = intake.request_key(agency, sight.client_id, "business-information", idempotency_key(request))
    results = await _take_in(outbox, sight, wanted.items, body, key)
    async with agency.database.inside(agency.tenant) as connection:
        numbers = list(dict.fromkeys(one.addressee_number for one in wanted.items))
        people = {row[0] for row in await connection.fetch(SQL["people_behind"], sight.system, numbers)}
    await record_look_up(sight, Look.BUSINESS_INFORMATION, people, keys=("change",))
    return web.json_response({"items": await _with_states(agency, results)})


async def _take_in(outbox: Outbox, sight: Sight, items: list[Record], body: bytes, key: str) -> list[list[Any]]:
    agency = outbox.agency
    digest = agency.keys.digest_of_request(body)
    taken = await intake.open_intake(agency, key, channel="api", system=sight.system, sha256=digest)
    if not hmac.compare_digest(taken.sha256, digest):
        raise ProblemError(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body before; a retry repeats key and body.",
        )
    if not taken.done:
        if not taken.lines_done:
            lines = [Line(number=number, record=record) for number, record in enumerate(items, start=1)]
            sender = Sender(system=sight.system, by=f"{sight.client_id}/{sight.staff}/{sight.affair.code}")
            judged = await flow.judge(agency, lines, sender)
            taken, fresh = await flow.take_in(agency, taken, judged, sender, on_command=outbox.on_command)
            outbox.wake(fresh)
        await flow.close(agency, taken)
    return await intake.read_results(agency, taken)


async def _with_states(agency: Agency, results: list[list[Any]]) -> list[dict[str, Any]]:
    """Each item's result, and how far its record's copy has come now."""
    states = await store.read_states(agency, [one[4] for one in results if one[4] is not None])
    shown = []
    for _, outcome, reason, item, identity, edition, _ in results:
        state = states.get(identity)
        held = {} if state is None else {"record_id": identity, "edition": edition, "transfer": _transfer(state)}
        shown.append({"outcome": outcome, "reason": reason, "item": item, **held})
    return shown


def _transfer(row: Any) -> dict[str, Any]:
    return {"state": row["transfer"], "reason": row["reason"], "item": row["item"]}


async def post_search(request: web.Request) -> web.Response:
    wanted = wire.read_body(await request.read(), _WANTED)
    sight = await enter(request, wanted, "business-information", "read")
    if (wanted.addressee_number is None) == (not wanted.record_ids):
        raise ProblemError(400, "keys_malformed", "Name either one addressee_number or record_ids.")
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        if wanted.addressee_number is not None:
            asked = (wanted.addressee_number, wanted.information, wanted.after, wanted.limit)
            rows = await connection.fetch(SQL["of_addressee"], sight.system, *asked)
        else:
            ids = [full_id(one, sight.system) for one in wanted.record_ids]
            rows = await connection.fetch(SQL["of_record"], sight.system, ids)
        past = await connection.fetch(SQL["past"], [row["record_id"] for row in rows]) if wanted.editions else []
        before = list({row["addressee_number"] for row in past})
        others = await connection.fetch(SQL["people_behind"], sight.system, before) if before else []
    shown = [_shown(agency, row, past) for row in rows]
    persons = {row["integrated_number"] for row in (*rows, *others) if row["integrated_number"] is not None}
    by = "addressee_number" if wanted.addressee_number is not None else "record_id"
    await record_look_up(sight, Look.BUSINESS_INFORMATION, persons, keys=(by,))
    full = wanted.addressee_number is not None and len(rows) == wanted.limit
    return web.json_response({"items": shown, "next": rows[-1]["record_id"] if full else None})


def _shown(agency: Agency, row: Any, past: list[Any]) -> dict[str, Any]:
    before = [_edition(_read(agency, one)) for one in past if one["record_id"] == row["record_id"]]
    return (
        {"record_id": row["record_id"], **_edition(_read(agency, row)), "transfer": _transfer(row)}
        | ({"public_at_network": row["replica_number"] is not None})
        | ({"past": before} if past else {})
    )


def _read(agency: Agency, row: Any) -> Original:
    try:
        return read_row(agency.keys, row)
    except (SealBroken, KeyUnusable):
        raise ProblemError(
            500,
            "original_unreadable",
            "A record does not open: it was changed in the database, or its key is gone. Nothing is shown.",
        ) from None


def _edition(one: Original) -> dict[str, Any]:
    said = one.said
    return {
        "edition": one.edition,
        "addressee_number": said.addressee_number,
        "information": said.information,
        "data_set": said.data_set,
        "version": said.layout_version,
        "parent_record_id": said.parent_record_id,
        "public_from": said.public_from.isoformat(),
        "public_to": said.public_to.isoformat() if said.public_to else None,
        "auto_response": said.auto_response,
        "delegator": said.delegator,
        "deleted": said.deleted,
        "items": dict(said.items),
        "changed_at": one.changed_at.isoformat(),
        "changed_by": one.changed_by,
    }


async def get_first_transfers(request: web.Request) -> web.Response:
    """初回提供区分 of the caller's data sets."""
    caller = await require(request, "business-information", "transfer")
    agency = request.app[OUTBOXES][caller.agency].agency
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(SQL["scopes"], caller.system)
    return web.json_response({"items": [_scope(row) for row in rows]})


def _scope(row: Any) -> dict[str, Any]:
    at = row["transferred_at"]
    return {
        "information": row["information"],
        "data_set": row["data_set"],
        "version": row["layout_version"],
        "transferred_at": at.isoformat() if at else None,
    }
