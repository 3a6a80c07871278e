"""Full transfers, comparisons and their reports, and the copies for whoever owns the originals (LS-2.4, IS-6, SC-17); of systems that are no more
for whoever administers clients, who may withdraw what they have left (`left_behind`).
"""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from codebook.identifiers import new_sortable_id
from gateway.api.administration import RESOURCE
from gateway.api.authorization import CALLER, idempotency_key, require
from gateway.linkage_server import intake
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Stated, enter
from gateway.linkage_server.business_information.records import Bound, Name, full_id
from gateway.linkage_server.business_information.runs import comparing, left_behind, store, transferring, withdrawing
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.business_information.runs.store import Kind, Run, Wanted
from gateway.linkage_server.business_information.store import SQL
from gateway.linkage_server.tenant import milliseconds
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

BUSINESS_RUNS: web.AppKey[Mapping[str, BusinessRuns]] = web.AppKey("business_runs", Mapping[str, Any])
_COLUMNS: Final = {
    Kind.TRANSFER: transferring.COLUMNS,
    Kind.COMPARISON: comparing.COLUMNS,
    Kind.WITHDRAWAL: withdrawing.COLUMNS,
}
_RIGHT: Final = {
    Kind.TRANSFER: ("business-information", "transfer"),
    Kind.COMPARISON: ("business-information", "compare"),
    Kind.WITHDRAWAL: RESOURCE,
}
_PREFIX: Final = {Kind.TRANSFER: "T", Kind.COMPARISON: "V"}
_SHOWN: Final = 50
_RUN_ID: Final = re.compile(r"[TVW][0-9A-HJKMNP-TV-Z]{26}")
_Part = Annotated[int, Meta(ge=1, le=1_000)]
_Wait = Annotated[int, Meta(ge=0, le=600_000)]


class _Transfer(wire.Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    information: Name = ""
    data_set: Name = ""
    version: Name = ""
    changed_from: datetime | None = None
    changed_to: datetime | None = None
    per_part: _Part = 1_000
    wait_ms: _Wait = 0


class _Comparison(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    repair: bool = False
    per_part: _Part = 500
    wait_ms: _Wait = 0


class _Copies(Stated, frozen=True, kw_only=True):
    after: Bound = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


_TRANSFER = msgspec.json.Decoder(_Transfer)
_COMPARISON = msgspec.json.Decoder(_Comparison)
_COPIES = msgspec.json.Decoder(_Copies)


async def post_transfers(request: web.Request) -> web.Response:
    """A window that holds no instant, or a selection that this system has no records of, would end as if all had gone: it is refused."""
    caller = await require(request, "business-information", "transfer")
    body = await _body(request, _TRANSFER, _Transfer())
    if body.changed_from is not None and body.changed_to is not None and body.changed_to <= body.changed_from:
        raise ProblemError(400, "window_reversed", "`changed_to` is outside the window and after `changed_from`.")
    agency = request.app[BUSINESS_RUNS][caller.agency].outbox.agency
    if not await store.has_records(agency, caller.system, body.information, body.data_set, body.version):
        raise ProblemError(
            400,
            "nothing_of_this_kind",
            "This system has no record of this information, data set and version; "
            "GET /v1/business-information/first-transfers tells which it has.",
        )
    wanted = Wanted(
        information=body.information,
        data_set=body.data_set,
        version=body.version,
        changed_from=body.changed_from,
        changed_to=body.changed_to,
        per_part=body.per_part,
    )
    return await _begun(request, Kind.TRANSFER, caller.system, wanted, body.wait_ms)


async def post_comparisons(request: web.Request) -> web.Response:
    """A repair sends records again and deletes copies, so it needs the right to transfer as well."""
    caller = await require(request, "business-information", "compare")
    body = await _body(request, _COMPARISON, _Comparison())
    if body.repair:
        await require(request, "business-information", "transfer")
    wanted = Wanted(per_part=body.per_part, repair=body.repair)
    return await _begun(request, Kind.COMPARISON, caller.system, wanted, body.wait_ms)


async def get_systems_left(request: web.Request) -> web.Response:
    """Business systems without a client that have left records or copies."""
    caller = await require(request, *RESOURCE)
    return web.json_response(
        {"items": await left_behind.listed(request.app[BUSINESS_RUNS][caller.agency].outbox.agency)}
    )


async def post_compare_left(request: web.Request) -> web.Response:
    body = await left_behind.wanted(request, request.app[BUSINESS_RUNS], left_behind.COMPARE)
    wanted = Wanted(per_part=body.per_part, repair=body.repair)
    return await _begun(request, Kind.COMPARISON, body.system, wanted, body.wait_ms)


async def post_withdraw_left(request: web.Request) -> web.Response:
    begun = await left_behind.withdraw(request, request.app[BUSINESS_RUNS])
    wait_ms = left_behind.WITHDRAW.decode(await request.read()).wait_ms
    return await _followed(request.app[BUSINESS_RUNS][request[CALLER].agency], begun, wait_ms)


async def _body(request: web.Request, decoder: msgspec.json.Decoder[Any], empty: Any) -> Any:
    body = await request.read()
    return wire.read_body(body, decoder) if body else empty


async def _begun(request: web.Request, kind: Kind, system: str, wanted: Wanted, wait_ms: int) -> web.Response:
    caller = request[CALLER]
    runs = request.app[BUSINESS_RUNS][caller.agency]
    agency = runs.outbox.agency
    key = intake.request_key(agency, caller.client_id, f"business-information/{kind}", idempotency_key(request))
    run_id = new_sortable_id(_PREFIX[kind], milliseconds(agency.clock()), secrets.token_bytes(10))
    found = await store.begin(agency, run_id, key, kind, system, wanted)
    if (found.system, found.wanted) != (system, wanted):
        raise ProblemError(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body before; a retry repeats key and body.",
        )
    return await _followed(runs, found, wait_ms)


async def _followed(runs: BusinessRuns, found: Run, wait_ms: int) -> web.Response:
    """A run that has begun, waited for so long."""
    runs.wake()
    if wait_ms:
        await runs.wait(found.id, wait_ms / 1000)
        found = await store.find(runs.outbox.agency, found.id) or found
    return web.json_response(await _shown(runs, found), status=200 if found.done else 202)


async def _shown(runs: BusinessRuns, run: Run) -> dict[str, Any]:
    """A run with its progress; `left`: records still before a transfer."""
    left = None
    if run.kind is Kind.TRANSFER:
        left = 0 if run.done else await transferring.left(runs.outbox, run)
    return {
        "run_id": run.id,
        "kind": run.kind.value,
        "state": "done" if run.done else "running",
        "repair": run.wanted.repair,
        "parts": run.parts,
        "left": left,
        "counts": dict(run.counts),
        "waits_for": None if run.done else runs.outbox.away,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


async def _own_run(request: web.Request) -> tuple[BusinessRuns, Run]:
    """The run that the query names, if it is the caller's, or of a system that is no more. Raises ProblemError."""
    caller = request[CALLER]
    runs = request.app[BUSINESS_RUNS][caller.agency]
    run_id = request.query.get("run_id", "")
    found = await store.find(runs.outbox.agency, run_id) if _RUN_ID.fullmatch(run_id) else None
    own = found is not None and found.system == caller.system
    if found is None or not (own or await left_behind.is_left(runs.outbox.agency, found.system)):
        raise ProblemError(404, "run_unknown", "There is no run of this id; see GET /v1/business-information/runs.")
    await require(request, *(_RIGHT[found.kind] if own else RESOURCE))
    return runs, found


async def get_runs(request: web.Request) -> web.Response:
    """The caller's latest runs, or the one that `run_id` names."""
    if "run_id" in request.query:
        runs, found = await _own_run(request)
        return web.json_response({"items": [await _shown(runs, found)]})
    caller = await require(request, "business-information", "transfer")
    runs = request.app[BUSINESS_RUNS][caller.agency]
    latest = await store.latest(runs.outbox.agency, caller.system, _SHOWN)
    return web.json_response({"items": [await _shown(runs, one) for one in latest]})


async def get_run_report(request: web.Request) -> web.StreamResponse:
    """Record by record: of a transfer every record, of a comparison every difference. CSV, or NDJSON with `format=json`."""
    form = request.query.get("format", "csv")
    if form not in ("csv", "json"):
        raise ProblemError(400, "malformed_query", "`format` is csv or json.")
    runs, found = await _own_run(request)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    response = web.StreamResponse(headers={"Content-Type": kind})
    await response.prepare(request)
    render = _csv if form == "csv" else _ndjson
    async for block in render(store.read_parts(runs.outbox.agency, found), _COLUMNS[found.kind]):
        await response.write(block)
    await response.write_eof()
    return response


async def _csv(parts: AsyncIterator[list[list[Any]]], columns: tuple[str, ...]) -> AsyncIterator[bytes]:
    yield (",".join(columns) + "\n").encode()
    async for rows in parts:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
        yield text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _ndjson(parts: AsyncIterator[list[list[Any]]], columns: tuple[str, ...]) -> AsyncIterator[bytes]:
    async for rows in parts:
        yield b"".join(msgspec.json.encode(dict(zip(columns, row, strict=True))) + b"\n" for row in rows)


async def post_copies(request: web.Request) -> web.Response:
    """SC-17: the caller's copies as they lie at the intermediate server, with its own addressee numbers, to be compared with its originals."""
    wanted = wire.read_body(await request.read(), _COPIES)
    sight = await enter(request, wanted, "business-information", "compare")
    agency, system = sight.agency, sight.system
    key = secrets.token_bytes(32)
    after = full_id(wanted.after, system)
    try:
        page = await comparing.read_copies(agency, key, after, f"{system}0", wanted.limit)
        copies = await comparing.read_contents(agency, key, sorted(page))
    except ChannelError:
        raise ProblemError(
            503,
            "intermediate_server_unavailable",
            "The agency's intermediate server did not answer; ask again later.",
        ) from None
    async with agency.database.inside(agency.tenant) as connection:
        rows = {row["record_id"]: row for row in await connection.fetch(SQL["of_record"], system, sorted(copies))}
    await record_look_up(
        sight, Look.COMPARISON, {int(one["integrated_number"]) for one in copies.values()}, keys=("record_id",)
    )
    shown = [_copy(name, copies[name], rows.get(name)) for name in sorted(copies)]
    return web.json_response({"items": shown, "next": shown[-1]["record_id"] if len(page) == wanted.limit else None})


def _copy(name: str, copy: Mapping[str, Any], row: Any) -> dict[str, Any]:
    """Without the integrated number: a business system knows people by its own numbers (LS-1.6)."""
    fields = (
        "information",
        "data_set",
        "version",
        "public_from",
        "public_to",
        "auto_response",
        "delegator",
        "items",
        "unreadable",
    )
    return {
        "record_id": name,
        "addressee_number": row["addressee_number"] if row is not None else None,
        **{field: copy[field] for field in fields if field in copy},
    }
