"""Routes of the intermediate server: who may call what, parse, hand over, render. No handler decides anything (IS-4, SC-2).

`/{agency}/…`: the agency that is addressed; a caller's certificate says who calls and as what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from evidence.entry import EntryKind
from evidence.export import LogParty
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes import binding
from gateway.intermediate_server.inquiry import driving, reading, registering
from gateway.intermediate_server.inquiry.registering import Unregistered
from gateway.intermediate_server.inquiry.states import ENDED, State
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock
from gateway.intermediate_server.network import wire as messages
from gateway.intermediate_server.provision import flow as provision
from gateway.intermediate_server.provision import held
from gateway.intermediate_server.records.exchange_entries import note_event
from gateway.intermediate_server.replica import registration
from storage.committer import Commit, commit_step
from storage.database import StorageUnavailableError
from storage.evidence_log import store as log_store
from transport import openapi, wire
from transport.channel import ChannelError
from transport.listener import ACCESS_REFUSED, PEER, fingerprint
from transport.problem import ProblemError
from transport.register import Peer, Register, Use

_LOG = structlog.get_logger()
_ACCESS = commit_step("intermediate", "access.refused")
LONGEST_WAIT_S = 30.0


@dataclass(slots=True, kw_only=True)
class Server:
    """What the routes share. `group` runs inquiries that outlive the request that started them."""

    agencies: dict[str, HostedAgency]
    stock: KeyStock
    group: asyncio.TaskGroup
    register: Register
    driving: set[asyncio.Task[Inquiry]] = field(default_factory=set)

    def start(self, agency: HostedAgency, found: Inquiry) -> asyncio.Task[Inquiry]:
        """Drive an inquiry in the background; a failure leaves it to the sweeper."""
        task = self.group.create_task(self._drive(agency, found))
        self.driving.add(task)
        task.add_done_callback(self.driving.discard)
        return task

    async def _drive(self, agency: HostedAgency, found: Inquiry) -> Inquiry:
        try:
            return await driving.drive(agency, found)
        except (ChannelError, StorageUnavailableError) as failure:
            _LOG.warning(
                "inquiry_waits",
                agency=agency.id,
                inquiry_number=found.number,
                reason=getattr(failure, "reason", "storage_unavailable"),
            )
        except Exception as failure:  # noqa: BLE001 (one inquiry's bug must not end the server)
            _LOG.error("inquiry_failed", agency=agency.id, inquiry_number=found.number, error=type(failure).__name__)
        return found


Handle = Callable[[HostedAgency, Peer, wire.Envelope], Awaitable[list[Any]]]


async def _refuse(agency: HostedAgency, reason: str, certificate: bytes | None) -> None:
    entry = note_event(
        agency,
        agency.clock(),
        EntryKind.ACCESS_REFUSED,
        reason=reason,
        certificate=certificate.hex() if certificate else "none",
    )
    await agency.committer.apply(Commit(step=_ACCESS, entries=(entry,)))


def record_refused_access(server: Server) -> Callable[[web.Request, str], Awaitable[None]]:
    """What records a certificate of our CA that is not enrolled: in the log of the agency it addressed, or else in the first one's."""

    async def refused(request: web.Request, reason: str) -> None:
        agency = server.agencies.get(request.path.split("/")[1]) or next(iter(server.agencies.values()))
        await _refuse(agency, reason, fingerprint(request))

    return refused


async def _addressed(server: Server, request: web.Request, uses: frozenset[Use]) -> tuple[HostedAgency, Peer]:
    """The agency in the path and the caller, if that caller may call this path. A wrong caller is recorded."""
    agency = server.agencies.get(request.match_info["agency"])
    if agency is None:
        raise ProblemError(404, "agency_not_hosted", "This server does not host that agency.")
    peer = request[PEER]
    if peer.use not in uses or (peer.use is not Use.NETWORK and peer.agency != agency.id):
        ACCESS_REFUSED.labels("not_for_this_caller").inc()
        await _refuse(agency, "not_for_this_caller", fingerprint(request))
        raise ProblemError(
            403,
            "not_for_this_caller",
            "This certificate is enrolled for something else; use the one for this function.",
        )
    return agency, peer


def _listed(server: Server, handle: Handle, *uses: Use) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A route for lists: check the caller, read the envelope, keep the sender's checkpoint, answer in order."""
    allowed = frozenset(uses)

    async def route(request: web.Request) -> web.Response:
        agency, peer = await _addressed(server, request, allowed)
        envelope = wire.read_envelope(await request.read())
        if envelope.checkpoint is not None:
            agency.peer_note(envelope.checkpoint)
        answers = await handle(agency, peer, envelope)
        return web.Response(body=wire.write_envelope(answers, agency.committer.note), content_type="application/json")

    return route


def _inquiries(server: Server) -> Handle:
    async def handle(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
        """IF_SKI_90012: register, start, and wait up to `wait_ms` for the ends."""
        items = wire.parse_items(envelope, registering.DESK_ITEM)
        registered = await registering.register(agency, server.stock, items, agency.clock())
        tasks = {found.number: server.start(agency, found) for found in registered if isinstance(found, Inquiry)}
        if tasks and envelope.wait_ms > 0:
            await asyncio.wait(tasks.values(), timeout=min(envelope.wait_ms / 1000, LONGEST_WAIT_S))
        asked_before = [found for found in registered if isinstance(found, str) and not isinstance(found, Unregistered)]
        wanted = [reading.ResultItem(inquiry_number=number) for number in asked_before]
        before = dict(zip(asked_before, await reading.results(agency, wanted), strict=True)) if wanted else {}
        return [_answer(found, before) for found in registered]

    return handle


def _answer(found: Inquiry | str | Unregistered, before: dict[str, dict[str, Any]]) -> dict[str, Any]:
    match found:
        case Unregistered():
            return {"refused": {"reason": found.value}}
        case str():
            return before[found]
        case _:
            return reading.shown(found)


async def _results(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await reading.results(agency, wire.parse_items(envelope, reading.RESULT_ITEM))


async def _provisions(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await provision.provide(agency, wire.parse_items(envelope, messages.PROVISION_ITEM), agency.clock())


async def _late(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_SKI_90005: outcomes that were held or lost; one that has ended here already is received, not recorded twice."""
    items = wire.parse_items(envelope, messages.LATE_OUTCOME)
    found = await reading.receive_late(agency, [item.permit_id for item in items])
    answers: list[Any] = []
    for item in items:
        if item.permit_id not in found:
            answers.append({"refused": {"reason": "permit_unknown"}})
            continue
        mine = found[item.permit_id]
        doubt = None
        if mine is not None and mine.state in (State.HELD, State.PERMITTED):
            doubt = await driving.receive_pushed(agency, mine, item)
        if doubt is not None:
            await _refuse(agency, doubt, None)
            answers.append({"refused": {"reason": doubt}})
        else:
            answers.append({"received": True} if mine is None or mine.state in ENDED else {"retry": "not_yet"})
    return answers


async def _acquisition_numbers(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await binding.request_numbers(agency, wire.parse_items(envelope, binding.NUMBER_ITEM), agency.clock())


async def _codes(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await binding.bind_codes(agency, wire.parse_items(envelope, binding.CODE_ITEM), agency.clock())


async def _code_status(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await binding.code_status(agency, wire.parse_items(envelope, binding.NUMBER_ITEM))


async def _replicas(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await registration.register(agency, wire.parse_items(envelope, registration.REPLICA_ITEM), agency.clock())


async def _held(agency: HostedAgency, _peer: Peer, _envelope: wire.Envelope) -> list[Any]:
    return await held.listed(agency, agency.clock())


async def _decide_held(agency: HostedAgency, peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90016: of several decisions each has its own answer; a single one that cannot be carried out is a problem."""
    items = wire.parse_items(envelope, held.HELD_DECISION)
    answers: list[Any] = []
    for item in items:
        try:
            answers.append(await held.decide(agency, item, peer.name, agency.clock()))
        except ProblemError as problem:
            if len(items) == 1:
                raise
            answers.append({"problem": {"reason": problem.reason}})
    return answers


def _export(server: Server) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def route(request: web.Request) -> web.StreamResponse:
        """IF_TKM_90017: one fiscal year's log (`?year=`), the latest unless told, as NDJSON, streamed."""
        agency, _ = await _addressed(server, request, frozenset({Use.STAFF}))
        key = agency.keys.ring.signer("log").public_key
        lines = await log_store.export_lines(
            agency.database,
            agency.tenant,
            agency=agency.id,
            party=LogParty.INTERMEDIATE,
            public_key=key,
            year=wire.read_year(request.query.get("year")),
        )
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        await response.write_eof()
        return response

    return route


async def _search(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    numbers = [item.inquiry_number for item in wire.parse_items(envelope, reading.RESULT_ITEM)]
    return [{"entries": await log_store.search(agency.database, agency.tenant, number)} for number in numbers]


def add_routes(app: web.Application, server: Server) -> None:
    """All paths of docs/openapi/intermediate.yaml."""
    post = app.router.add_post
    post("/{agency}/inquiries", _listed(server, _inquiries(server), Use.LINKAGE))
    post("/{agency}/inquiry-results", _listed(server, _results, Use.LINKAGE))
    post("/{agency}/provisions", _listed(server, _provisions, Use.NETWORK))
    post("/{agency}/outcomes", _listed(server, _late, Use.NETWORK))
    post("/{agency}/acquisition-numbers", _listed(server, _acquisition_numbers, Use.LINKAGE))
    post("/{agency}/codes", _listed(server, _codes, Use.NETWORK))
    post("/{agency}/code-status", _listed(server, _code_status, Use.LINKAGE))
    post("/{agency}/replicas", _listed(server, _replicas, Use.LINKAGE))
    post("/{agency}/held-provisions", _listed(server, _held, Use.STAFF))
    post("/{agency}/held-provisions/decide", _listed(server, _decide_held, Use.STAFF))
    post("/{agency}/log/search", _listed(server, _search, Use.STAFF))
    app.router.add_get("/{agency}/log", _export(server))
    openapi.add_route(app, "intermediate")
