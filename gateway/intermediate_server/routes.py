"""Routes of the intermediate server: who may call what, parse, hand over, render. No handler decides anything (IS-4, SC-2).

`/{agency}/…`: the agency that is addressed; a caller's certificate says who calls and as what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from evidence.entry import EntryKind
from gateway.intermediate_server import carrying
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.standing import NOT_YET, USE_SUSPENDED
from gateway.intermediate_server.codes import binding, ending
from gateway.intermediate_server.inquiry import driving, endings, reading, registering
from gateway.intermediate_server.inquiry.registering import Unregistered
from gateway.intermediate_server.inquiry.states import ENDED, State
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock
from gateway.intermediate_server.network import wire as messages
from gateway.intermediate_server.operations import counterparts, notices
from gateway.intermediate_server.provision import flow as provision
from gateway.intermediate_server.records import held_checkpoints, recipients
from gateway.intermediate_server.records.exchange_entries import note_event
from gateway.intermediate_server.replica import export as replica_export
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.rights import Function
from gateway.intermediate_server.staff_routes import Addressed, add_staff_routes, admitted
from storage.committer import Commit, commit_step
from storage.database import StorageUnavailableError
from storage.keepers import KeysClosedError
from transport import openapi, wire
from transport.channel import ChannelError
from transport.listener import ACCESS_REFUSED, PEER, fingerprint
from transport.problem import ProblemError
from transport.refusals import Refusals
from transport.register import Peer, Register, Use

_LOG = structlog.get_logger()
_ACCESS = commit_step("intermediate", "access.refused")
LONGEST_WAIT_S = 30.0
_OUTCOMES = "/{agency}/outcomes"


Stranger = tuple[str, str]
"""Who was turned away where: certificate (hex digest, `none` or `others`) and the route's own name."""


@dataclass(slots=True, kw_only=True)
class Server:
    """What the routes share. `hosted`: ids of all agencies of this server, as they come and go; `agencies` are those that are open, `open` opens another one.

    `group` runs inquiries that outlive the request that started them.
    """

    hosted: Container[str]
    stock: KeyStock
    group: asyncio.TaskGroup
    register: Callable[[], Register]
    agencies: dict[str, HostedAgency] = field(default_factory=dict)
    refusals: dict[str, Refusals[Stranger]] = field(default_factory=dict)
    staff: dict[str, StaffDesk] = field(default_factory=dict)
    open: Callable[[str], Awaitable[HostedAgency]] = field(init=False)
    driving: set[asyncio.Task[Inquiry]] = field(default_factory=set)

    def start(self, agency: HostedAgency, found: Inquiry) -> asyncio.Task[Inquiry]:
        """Drive an inquiry in the background; a failure leaves it to the sweeper."""
        task = self.group.create_task(self._drive(agency, found))
        self.driving.add(task)
        task.add_done_callback(self.driving.discard)
        return task

    async def _drive(self, agency: HostedAgency, found: Inquiry) -> Inquiry:
        try:
            await driving.drive(agency, found)
        except (ChannelError, StorageUnavailableError) as failure:
            _LOG.warning(
                "inquiry_waits",
                agency=agency.id,
                inquiry_number=found.number,
                reason=getattr(failure, "reason", "storage_unavailable"),
            )
        except Exception as failure:  # noqa: BLE001 (one inquiry's bug must not end the server)
            _LOG.error("inquiry_failed", agency=agency.id, inquiry_number=found.number, error=type(failure).__name__)
        finally:
            if found.state not in ENDED:
                agency.broom.call(agency.limits.resend_after.total_seconds())
        return found


Handle = Callable[[HostedAgency, Peer, wire.Envelope], Awaitable[list[Any]]]


async def _note_refusal(agency: HostedAgency, reason: str, who: Stranger, count: int = 1) -> None:
    """One entry for so many refusals."""
    entry = note_event(
        agency, agency.clock(), EntryKind.ACCESS_REFUSED, reason=reason, certificate=who[0], path=who[1], count=count
    )
    await agency.committer.apply(Commit(step=_ACCESS, entries=(entry,)))


def refusals_of(agency: HostedAgency) -> Refusals[Stranger]:
    """The agency's refusals by reason and caller; their `run()` must be running."""
    return Refusals(partial(_note_refusal, agency), others=("others", ""), now=lambda: agency.clock().timestamp())


async def _refuse(server: Server, agency: HostedAgency, request: web.Request, reason: str) -> None:
    """The caller's path is not repeated: only a route of ours is named."""
    found, resource = fingerprint(request), request.match_info.route.resource
    who = (found.hex() if found else "none", resource.canonical if resource is not None else "")
    await server.refusals[agency.id].record(reason, who)


def _whose_log(server: Server, addressed: str) -> HostedAgency:
    """Where a refusal is recorded: whoever is turned away opens no agency that is not in use. Raises KeysClosedError when no log is open."""
    found = server.agencies.get(addressed) or next(iter(server.agencies.values()), None)
    if found is None:
        raise KeysClosedError("no ring of this server is open: nothing can be put on record")
    return found


def record_refused_access(server: Server) -> Callable[[web.Request, str], Awaitable[None]]:
    """What records a certificate of our CA that is not enrolled: in the log of the agency it addressed, or else in the first one's."""

    async def refused(request: web.Request, reason: str) -> None:
        await _refuse(server, _whose_log(server, request.path.split("/")[1]), request, reason)

    return refused


async def _addressed(server: Server, request: web.Request, uses: frozenset[Use]) -> tuple[HostedAgency, Peer]:
    """The agency in the path and the caller, if that caller may call this path. A wrong caller is recorded."""
    name = request.match_info["agency"]
    if name not in server.hosted:
        raise ProblemError(404, "agency_not_hosted", "This server does not host that agency.")
    peer = request[PEER]
    if peer.use not in uses or (peer.use is not Use.NETWORK and peer.agency != name):
        ACCESS_REFUSED.labels("not_for_this_caller").inc()
        await _refuse(server, _whose_log(server, name), request, "not_for_this_caller")
        raise ProblemError(
            403,
            "not_for_this_caller",
            "This certificate is enrolled for something else; use the one for this function.",
        )
    return server.agencies.get(name) or await server.open(name), peer


def _desk(server: Server) -> Addressed:
    async def addressed(request: web.Request) -> StaffDesk:
        agency, _ = await _addressed(server, request, frozenset({Use.STAFF}))
        return server.staff[agency.id]

    return addressed


def _listed(server: Server, handle: Handle, *uses: Use) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A route for lists: check the caller, read the envelope, keep the sender's checkpoint, answer in order.

    Where a terminal of staff may call, its person must have logged in with a right to `Function.OPERATIONS`; a route with a function
    of its own is in `staff_routes`.
    """
    allowed = frozenset(uses)

    async def route(request: web.Request) -> web.Response:
        agency, peer = await _addressed(server, request, allowed)
        body = await request.read()
        if peer.use is Use.STAFF:
            await admitted(request, server.staff[agency.id], Function.OPERATIONS)
        envelope = wire.read_envelope(body)
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
        wanted = [
            reading.ResultItem(inquiry_number=found, system=item.system, actor=item.actor, purpose=item.purpose)
            for item, found in zip(items, registered, strict=True)
            if isinstance(found, str) and not isinstance(found, Unregistered)
        ]
        told = await reading.results(agency, wanted) if wanted else []
        before = {one.inquiry_number: answer for one, answer in zip(wanted, told, strict=True)}
        return [_answer(agency, found, before) for found in registered]

    return handle


def _answer(
    agency: HostedAgency, found: Inquiry | str | Unregistered, before: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    match found:
        case Unregistered():
            return {"refused": {"reason": found.value}}
        case str():
            return before[found]
        case _:
            return reading.shown(agency, found)


async def _results(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await reading.results(agency, wire.parse_items(envelope, reading.RESULT_ITEM))


async def _endings(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_SKI_90041."""
    return await endings.endings(agency, wire.parse_items(envelope, endings.ENDINGS_ITEM))


async def _provisions(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await provision.provide(agency, wire.parse_items(envelope, messages.PROVISION_ITEM), agency.clock())


def _late(server: Server) -> Handle:
    async def handle(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
        items = wire.parse_items(envelope, messages.LATE_OUTCOME)
        return await take_late(agency, server.refusals[agency.id], items)

    return handle


async def take_late(
    agency: HostedAgency, refusals: Refusals[Stranger], items: Sequence[messages.LateOutcome]
) -> list[dict[str, Any]]:
    """IF_SKI_90005: outcomes that were held or lost; one that has ended here already is received, not recorded twice.

    What is not believed is on record before it is answered; however often such come, once a minute for each reason, with a count.
    """
    found = await reading.receive_late(agency, items)
    answers: list[dict[str, Any]] = []
    for item in items:
        if item.permit_id not in found:
            answers.append({"refused": {"reason": "permit_unknown"}})
            continue
        mine = found[item.permit_id]
        if mine.state in ENDED:
            await driving.note_mark(agency, mine, item.outcome, item.signature)
            answers.append({"received": True})
            continue
        if agency.bars.suspends(mine.integrated_number, mine.information):
            answers.append({"retry": USE_SUSPENDED})
            continue
        doubt = None
        if mine.state in (State.HELD, State.PERMITTED):
            doubt = await driving.receive_pushed(agency, mine, item)
        if doubt is not None:
            await refusals.record(doubt, ("none", _OUTCOMES))
            answers.append({"refused": {"reason": doubt}})
        else:
            answers.append({"received": True} if mine.state in ENDED else {"retry": NOT_YET})
    return answers


async def _acquisition_numbers(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await binding.request_numbers(agency, wire.parse_items(envelope, binding.NUMBER_ITEM), agency.clock())


async def _codes(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await binding.bind_codes(agency, wire.parse_items(envelope, binding.CODE_ITEM), agency.clock())


async def _code_status(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await ending.code_status(agency, wire.parse_items(envelope, binding.NUMBER_ITEM))


async def _code_cancellations(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await ending.cancel_codes(agency, wire.parse_items(envelope, ending.CANCEL_ITEM), agency.clock())


async def _person_splits(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await carrying.take_splits(agency, wire.parse_items(envelope, carrying.SPLIT_ITEM), agency.clock())


async def _code_replacements(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await ending.replace_codes(agency, wire.parse_items(envelope, ending.REPLACE_ITEM), agency.clock())


async def _code_holders(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_FGU_90185."""
    return await ending.code_holders(agency, wire.parse_items(envelope, ending.HOLDERS_ITEM))


async def _code_counts(agency: HostedAgency, _peer: Peer, _envelope: wire.Envelope) -> list[Any]:
    return await ending.code_counts(agency)


async def _notices(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_SCM_90137."""
    return [await notices.listed(agency) for _ in wire.parse_items(envelope, counterparts.NOTHING_ASKED)]


async def _replicas(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    return await registration.register(agency, wire.parse_items(envelope, registration.REPLICA_ITEM), agency.clock())


async def _replica_export(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, replica_export.EXPORT_ITEM)
    return await replica_export.export(agency, items, agency.clock())


async def _held_checkpoints(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_TKM_90182."""
    items = wire.parse_items(envelope, held_checkpoints.ORIGIN_ITEM)
    return await held_checkpoints.held(agency, items)


async def _recipients(agency: HostedAgency, _peer: Peer, envelope: wire.Envelope) -> list[Any]:
    """IF_TKM_90020."""
    return await recipients.recipients(agency, wire.parse_items(envelope, recipients.RECIPIENTS_ITEM))


def add_routes(app: web.Application, server: Server) -> None:
    """All paths of docs/openapi/intermediate.yaml."""
    post = app.router.add_post
    post("/{agency}/inquiries", _listed(server, _inquiries(server), Use.LINKAGE))
    post("/{agency}/inquiry-results", _listed(server, _results, Use.LINKAGE))
    post("/{agency}/inquiry-endings", _listed(server, _endings, Use.LINKAGE))
    post("/{agency}/provisions", _listed(server, _provisions, Use.NETWORK))
    post(_OUTCOMES, _listed(server, _late(server), Use.NETWORK))
    post("/{agency}/acquisition-numbers", _listed(server, _acquisition_numbers, Use.LINKAGE))
    post("/{agency}/codes", _listed(server, _codes, Use.NETWORK))
    post("/{agency}/code-status", _listed(server, _code_status, Use.LINKAGE))
    post("/{agency}/code-holders", _listed(server, _code_holders, Use.LINKAGE))
    post("/{agency}/code-cancellations", _listed(server, _code_cancellations, Use.LINKAGE))
    post("/{agency}/code-replacements", _listed(server, _code_replacements, Use.LINKAGE))
    post("/{agency}/person-splits", _listed(server, _person_splits, Use.LINKAGE))
    post("/{agency}/code-counts", _listed(server, _code_counts, Use.LINKAGE, Use.STAFF))
    post("/{agency}/replicas", _listed(server, _replicas, Use.LINKAGE))
    post("/{agency}/replica-export", _listed(server, _replica_export, Use.LINKAGE))
    post("/{agency}/recipients", _listed(server, _recipients, Use.LINKAGE))
    post("/{agency}/held-checkpoints", _listed(server, _held_checkpoints, Use.LINKAGE))
    post("/{agency}/notices", _listed(server, _notices, Use.LINKAGE))
    add_staff_routes(app, _desk(server))
    openapi.add_route(app, "intermediate")
