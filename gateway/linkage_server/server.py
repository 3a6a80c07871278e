"""番号連携サーバー: hosts one or many agencies; business API over TLS with OAuth, spool folders, and the way to the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from evidence.access_analysis import measures_from
from gateway.api import standings as token_standings
from gateway.api.authorization import DOORS, Closed, Door, Doors, authenticate
from gateway.api.clients import ClientStore, client_ids
from gateway.api.standings import Standings
from gateway.linkage_server import jobs, waiting_work
from gateway.linkage_server.affairs import read_affairs
from gateway.linkage_server.backups import routes as backup_routes
from gateway.linkage_server.backups import standing
from gateway.linkage_server.backups.routes import Backups
from gateway.linkage_server.bulk_inquiries import routes as bulk_routes
from gateway.linkage_server.bulk_inquiries.runner import open_bulk
from gateway.linkage_server.business_information import routes as business_routes
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.runs import routes as business_run_routes
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.code_requests import routes as code_routes
from gateway.linkage_server.code_requests.runner import CodeRequests
from gateway.linkage_server.file_layouts import read_file_layouts
from gateway.linkage_server.inquiry_desk import finder as desk_finder
from gateway.linkage_server.inquiry_desk import routes as desk_routes
from gateway.linkage_server.inquiry_desk.finder import AddresseeFinder
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.forwarding import Forwarding
from gateway.linkage_server.inquiry_desk.online import ONLINE, Online
from gateway.linkage_server.outbound import Outbound
from gateway.linkage_server.parts import Part
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.plausibility import LoadLimits
from gateway.linkage_server.pushes import routes as push_routes
from gateway.linkage_server.pushes.loop import open_pushes
from gateway.linkage_server.registration import prepare_spool, ready_ring
from gateway.linkage_server.resealing.job import open_resealing
from gateway.linkage_server.routes import add_routes
from gateway.linkage_server.running import Running, start
from gateway.linkage_server.supervision import supervised
from gateway.linkage_server.tenant import AGENCIES, Agency, clients_that_decide_alone
from gateway.linkage_server.waiting_work import WaitingWork
from gateway.opening import Openings
from storage.committer import Committer, commit_step
from storage.committing import Committing
from storage.database import Database, StorageUnavailableError
from storage.erasure_journal import ErasureJournal
from storage.key_changes import finish_destructions
from storage.key_store import KeyStore
from storage.marks import Marks
from storage.reference_data import read_layouts
from storage.shared_look import TenantLook
from storage.tenancy import in_use, open_tenant
from transport import channel, listener, tls
from transport.checkpoints import peer_notes
from transport.refusals import Refusals
from transport.register_records import RegisterRecords
from transport.renewal import Renewal
from transport.role import Hosted, RoleConfig
from transport.standing_register import StandingRegister

_LOG = structlog.get_logger()
_REGISTER: Final = commit_step("linkage", "register.looked")
_CONNECTIONS: Final = 12
_NEWCOMERS_S: Final = 2.0
"""Seconds between two looks for an agency whose schema is there now: set-up or `sekisho clients add` made it at its first use."""


def _own_file(config: RoleConfig, option: str, agency: str) -> Path | None:
    """The agency's own file, relative to the role's folder, when the option (`affairs`, `file_layouts`) names one."""
    named = dict(config.options.get(option, {})).get(agency)
    return config.folder / named if named else None


@dataclass(frozen=True, slots=True)
class _Looks:
    """What every call looks at, looked at for all agencies at once."""

    standings: TenantLook
    desk: TenantLook


async def _open(
    config: RoleConfig,
    hosted: Hosted,
    keys: KeyStore,
    database: Database,
    looks: _Looks,
    renewal: Renewal,
    group: asyncio.TaskGroup,
    stack: AsyncExitStack,
    together: int,
) -> Running:
    """`together`: how many agencies are open in this process."""
    ring = ready_ring(renewal.of_keys(keys))
    committer = Committer(
        database,
        hosted.tenant,
        origin=f"sekisho.example/{hosted.id}/linkage",
        signer=partial(ring.signer, "log"),
        clock=config.clock,
    )
    await committer.load()
    await finish_destructions(database, hosted.tenant, keys)
    context = renewal.of_certificate(hosted.identity, tls.client_context(hosted.identity, hosted.identity.ca))
    client = await stack.enter_async_context(channel.session(context, connections=16))
    keep_note = peer_notes(renewal.register, committer, config.clock)
    outbound = Outbound(client, hosted.id, config.peers, checkpoint=lambda: committer.note, keep_note=keep_note)
    agency = Agency(
        id=hosted.id,
        tenant=hosted.tenant,
        work=WaitingWork(hosted.tenant),
        database=database,
        committer=committer,
        clients=ClientStore(database, hosted.tenant, hosted.id, ring, clock=config.clock),
        keys=PersonalKeys(ring),
        outbound=outbound,
        layouts=read_layouts(),
        affairs=read_affairs(_own_file(config, "affairs", hosted.id)),
        clock=config.clock,
        hosted_together=together,
        compare_with_resident_network=bool(config.options.get("compare_with_resident_network", True)),
        log_key=lambda: ring.signer("log").public_key,
        erasures=ErasureJournal.beside(hosted.keys, ring),
        marks=Marks.beside(hosted.keys),
        backup_key=standing.backup_key(config.folder, hosted.id),
        earlier_log_keys=lambda key: renewal.register().log_keys_before(f"sekisho.example/{hosted.id}/linkage", key),
        limits=LoadLimits.parse(dict(config.options.get("load_limits", {})).get(hosted.id, {})),
        measures=measures_from(config.options),
        clients_that_decide_alone=clients_that_decide_alone(config.options, hosted.id),
        file_layouts=read_file_layouts(_own_file(config, "file_layouts", hosted.id)),
    )
    forwarding = Forwarding(
        outbound,
        group,
        in_flight=int(config.options.get("desk_requests_in_flight", 6)),
        most=int(config.options.get("desk_items_per_request", 64)),
    )
    desk = Desk(agency=agency, finder=AddresseeFinder(looks.desk, hosted.tenant), forwarding=forwarding)
    door = Door(
        agency=agency.id,
        clients=agency.clients,
        ring=ring,
        standings=Standings(looks.standings, hosted.tenant),
        committer=committer,
    )
    online = Online()
    codes = CodeRequests.configured(agency, config)
    on_command = config.options.get("first_transfer") == "on_command"
    runs = BusinessRuns(Outbox(agency, on_command=on_command))
    keep = timedelta(seconds=float(config.options.get("jobs_keep_s", 90 * 24 * 3600)))
    resealing = open_resealing(agency, ring, config)
    return Running(
        agency=agency,
        door=door,
        desk=desk,
        codes=codes,
        online=online,
        bulk=open_bulk(config, desk, online, renewal.register()),
        runs=runs,
        pushes=await stack.enter_async_context(open_pushes(config, hosted, agency, renewal)),
        refusals=Refusals(agency.record_access_refused, others=None, now=lambda: config.clock().timestamp()),
        jobs=jobs.Jobs(
            agency=agency, codes=codes, runs=runs, spool_root=config.spool, keep=keep, resealing=resealing.source
        ),
        resealing=resealing,
        standing=standing.log_standing(agency, renewal.register),
        backups=Backups(agency=agency, register=renewal.register, signer=partial(ring.signer, "log")),
    )


def _application(running: Mapping[str, Running], config: RoleConfig, closed: Closed) -> web.Application:
    async def record(agency: str, reason: str, client_id: str | None) -> None:
        await running[agency].refusals.record(reason, client_id)

    app = listener.application(authenticate)
    doors = Part(running, lambda one: one.door)
    app[DOORS] = Doors(
        doors,
        clock=config.clock,
        record=record,
        closed=closed,
        made=partial(prepare_spool, config),
        issuer=config.options.get("issuer"),
    )
    app[AGENCIES] = Part(running, lambda one: one.agency)
    app[desk_routes.DESKS] = Part(running, lambda one: one.desk)
    app[ONLINE] = Part(running, lambda one: one.online)
    app[bulk_routes.BULK] = Part(running, lambda one: one.bulk)
    app[business_routes.OUTBOXES] = Part(running, lambda one: one.runs.outbox)
    app[business_run_routes.BUSINESS_RUNS] = Part(running, lambda one: one.runs)
    app[code_routes.CODE_REQUESTS] = Part(running, lambda one: one.codes)
    app[jobs.JOBS] = Part(running, lambda one: one.jobs)
    app[backup_routes.BACKUPS] = Part(running, lambda one: one.backups)
    app[push_routes.PUSHES] = Part(running, lambda one: one.pushes)
    add_routes(app)
    return app


async def _write_last_refusals(running: Mapping[str, Running]) -> None:
    for one in running.values():
        try:
            await one.refusals.flush(all_of_them=True)
        except StorageUnavailableError:
            _LOG.warning("access_refusals:not_written", agency=one.agency.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hosting:
    """Opens agencies into `running`: those in use at the start, others when their schema appears (docs/adr/0048)."""

    config: RoleConfig
    database: Database
    looks: _Looks
    renewal: Renewal
    group: asyncio.TaskGroup
    stack: AsyncExitStack
    openings: Openings
    running: dict[str, Running] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    committing: Committing = field(default_factory=Committing)

    async def open_those_in_use(self) -> None:
        """And always the first one hosted, whose log has the refusals that are nobody's. Raises StorageUnavailableError, KeyStoreError."""
        first = next(iter(self.config.hosted.values()))
        await open_tenant(self.database, first.tenant)
        self.tasks.append(self.group.create_task(supervised("committer", "all", self.committing.run)))
        looking = partial(waiting_work.watch, self.database, Part(self.running, lambda one: one.agency.work))
        self.tasks.append(self.group.create_task(supervised("waiting_work", "all", looking)))
        await self._open(await self._newcomers())

    async def watch(self) -> None:
        """Open newcomers until everybody is open."""
        while len(self.running) < len(self.config.hosted):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_NEWCOMERS_S):
                    await self.openings.opened.wait()
            self.openings.opened.clear()
            for hosted in await self._newcomers():
                await self._open([hosted])

    async def closed_to(self, client_id: str | None, agency: str | None) -> bool:
        """Whether this client's agency, or the one that is named, is in use here and its ring is not open. Raises StorageUnavailableError."""
        closed = [one for name, one in self.config.hosted.items() if name not in self.running]
        there = await in_use(self.database, [one.tenant for one in closed]) if closed else frozenset()
        for one in closed:
            if one.tenant not in there:
                continue
            if one.id == agency or client_id in await client_ids(self.database, one.tenant):
                return True
        return False

    async def _newcomers(self) -> list[Hosted]:
        closed = [hosted for name, hosted in self.config.hosted.items() if name not in self.running]
        there = await in_use(self.database, [hosted.tenant for hosted in closed])
        return [one for one in closed if one.tenant in there and await self.openings.is_open(one.id)]

    async def _open(self, newcomers: Sequence[Hosted]) -> None:
        """Whenever they are opened, all agencies of the process share transactions."""
        together = len(self.running) + len(newcomers)
        async with AsyncExitStack() as opening:
            opened = [
                await _open(
                    self.config,
                    hosted,
                    await self.openings.store(hosted.id),
                    self.database,
                    self.looks,
                    self.renewal,
                    self.group,
                    opening,
                    together,
                )
                for hosted in newcomers
            ]
            committers = [one.agency.committer for one in opened]
            self.committing.join(committers)
            opening.callback(self.committing.leave, committers)
            for one in opened:
                await standing.begin(one.agency, one.standing)
                await self.openings.record(one.agency.id, one.agency.committer)
            await self.stack.enter_async_context(opening.pop_all())
        for one in opened:
            for system in await one.agency.clients.systems():
                await prepare_spool(self.config, one.agency.id, system)
            self.running[one.agency.id] = one
            if len(self.running) == 1:  # the first that is open has the registers on its record
                records = RegisterRecords(committer=one.agency.committer, step=_REGISTER, clock=self.config.clock)
                await self.renewal.recorded(records)
            self.tasks.extend(start(self.group, one, self.config, self.openings))


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises StorageUnavailableError, KeyStoreError, RegisterBrokenError when it cannot start."""
    register = StandingRegister(config.register_path, config.register_root)
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=int(config.options.get("connections", _CONNECTIONS)))
        stack.push_async_callback(database.close)
        looks = _Looks(token_standings.look_of(database), desk_finder.look_of(database))
        openings = Openings(config)
        async with asyncio.TaskGroup() as group:
            running: dict[str, Running] = {}
            renewal = Renewal(register=register)
            hosting = _Hosting(
                config=config,
                database=database,
                looks=looks,
                renewal=renewal,
                group=group,
                stack=stack,
                running=running,
                openings=openings,
            )
            await hosting.open_those_in_use()
            renewing = group.create_task(supervised("renewal", "all", renewal.run))
            watching = group.create_task(supervised("newcomers", "all", hosting.watch))
            async with (
                listener.listening(
                    _application(running, config, hosting.closed_to),
                    host=config.host,
                    port=config.port,
                    context=renewal.of_certificate(
                        config.server, tls.server_context(config.server, require_client=False)
                    ),
                    metrics_port=config.metrics_port,
                ) as port,
                openings.listening(),
            ):
                _LOG.info("role:ready", port=port, count=len(running))
                await stop.wait()
            await _write_last_refusals(running)
            for task in (renewing, watching, *hosting.tasks):
                task.cancel()
            for one in running.values():
                one.desk.forwarding.stop()
