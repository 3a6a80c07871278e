"""The agencies of one linkage server: each with what runs for it, opened when it is in use, closed when it has left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from evidence.access_analysis import measures_from
from gateway.api.authorization import Door
from gateway.api.clients import ClientStore, client_ids
from gateway.api.standings import Standings
from gateway.batch.resealing import source_of
from gateway.linkage_server import jobs, waiting_work
from gateway.linkage_server.affairs import read_affairs
from gateway.linkage_server.backups import standing
from gateway.linkage_server.backups.routes import Backups
from gateway.linkage_server.bulk_inquiries.runner import open_bulk
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.code_requests.runner import CodeRequests
from gateway.linkage_server.file_layouts import read_file_layouts
from gateway.linkage_server.inquiry_desk.finder import AddresseeFinder
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.forwarding import Forwarding
from gateway.linkage_server.inquiry_desk.online import Online
from gateway.linkage_server.outbound import Outbound
from gateway.linkage_server.parts import Part
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.plausibility import LoadLimits
from gateway.linkage_server.pushes.loop import open_pushes
from gateway.linkage_server.registration import prepare_spool, ready_ring
from gateway.linkage_server.resealing.job import open_resealing
from gateway.linkage_server.running import RunningAgency, start
from gateway.linkage_server.supervision import supervised
from gateway.linkage_server.tenant import Agency, clients_that_decide_alone
from gateway.linkage_server.waiting_work import WaitingWork
from gateway.opening import Openings
from gateway.own_files import layouts_with_own, own_file
from storage.committer import Committer, commit_step
from storage.committing import Committing
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.key_changes import finish_destructions
from storage.key_store import KeyStore
from storage.marks import Marks
from storage.shared_look import TenantLook
from storage.tenancy import in_use, open_tenant
from transport import channel, tls
from transport.backups import public_key
from transport.checkpoints import peer_notes
from transport.refusals import Refusals
from transport.register_records import RegisterRecords
from transport.renewal import Renewal
from transport.role import Hosted, RoleConfig

_REGISTER: Final = commit_step("linkage", "register.looked")
_NEWCOMERS_S: Final = 2.0
"""Seconds between two looks for an agency whose schema is there now: set-up or `sekisho clients add` made it at its first use."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What every call looks at, looked at for all agencies at once."""

    standings: TenantLook
    desk: TenantLook


async def _open(
    config: RoleConfig,
    hosted: Hosted,
    keys: KeyStore,
    database: Database,
    looks: Looks,
    renewal: Renewal,
    group: asyncio.TaskGroup,
    stack: AsyncExitStack,
    together: int,
) -> RunningAgency:
    """`together`: how many agencies are open in this process."""
    own = partial(own_file, config.folder, config.options, agency=hosted.id)
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
        layouts=layouts_with_own(own("layouts")),
        affairs=read_affairs(own("affairs")),
        clock=config.clock,
        hosted_together=together,
        compare_with_resident_network=bool(config.options.get("compare_with_resident_network", True)),
        log_key=lambda: ring.signer("log").public_key,
        erasures=ErasureJournal.beside(hosted.keys, ring),
        marks=Marks.beside(hosted.keys),
        backup_key=partial(public_key, config.folder, hosted.id),
        earlier_log_keys=lambda key: renewal.register().log_keys_before(f"sekisho.example/{hosted.id}/linkage", key),
        limits=LoadLimits.parse(dict(config.options.get("load_limits", {})).get(hosted.id, {})),
        measures=measures_from(config.options),
        clients_that_decide_alone=clients_that_decide_alone(config.options, hosted.id),
        file_layouts=read_file_layouts(own("file_layouts")),
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
    return RunningAgency(
        agency=agency,
        door=door,
        desk=desk,
        codes=codes,
        online=online,
        bulk=open_bulk(config, desk, online, renewal.register),
        runs=runs,
        pushes=await stack.enter_async_context(open_pushes(config, hosted, agency, renewal)),
        refusals=Refusals(agency.record_access_refused, others=None, now=lambda: config.clock().timestamp()),
        jobs=jobs.Jobs(
            agency=agency, codes=codes, runs=runs, spool_root=config.spool, keep=keep, resealing=source_of(resealing)
        ),
        resealing=resealing,
        standing=standing.log_standing(agency, renewal.register),
        backups=Backups(agency=agency, register=renewal.register, signer=partial(ring.signer, "log")),
    )


@dataclass(slots=True, kw_only=True)
class Hosting:
    """Opens agencies into `running`: those in use at the start, others when their schema appears (docs/adr/0048); and closes those that have left.

    `recording`: whose log has the registers on its record.
    """

    config: RoleConfig
    database: Database
    looks: Looks
    renewal: Renewal
    group: asyncio.TaskGroup
    stack: AsyncExitStack
    openings: Openings
    running: dict[str, RunningAgency] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    committing: Committing = field(default_factory=Committing)
    recording: str | None = None
    _loops: dict[str, list[asyncio.Task[None]]] = field(default_factory=dict)

    async def open_those_in_use(self) -> None:
        """And always the first one hosted, whose log has the refusals that are nobody's. Raises StorageUnavailableError, KeyStoreError."""
        self.renewal.on_change(self.openings.opened.set)
        first = next(iter(self.config.hosted.values()))
        await open_tenant(self.database, first.tenant)
        self.tasks.append(self.group.create_task(supervised("committer", "all", self.committing.run)))
        looking = partial(waiting_work.watch, self.database, Part(self.running, lambda one: one.agency.work))
        self.tasks.append(self.group.create_task(supervised("waiting_work", "all", looking)))
        await self._open(await self._newcomers())

    async def watch(self) -> None:
        """Open newcomers and close those that have left, for ever: who is hosted here changes while this runs (docs/adr/0080)."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_NEWCOMERS_S):
                    await self.openings.opened.wait()
            self.openings.opened.clear()
            for hosted in await self._newcomers():
                await self._open([hosted])
            for name in [name for name in self.running if name not in self.config.hosted]:
                await self._close(name)

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
        there = await in_use(self.database, [hosted.tenant for hosted in closed]) if closed else frozenset()
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
            if self.recording is None:  # the first that is open has the registers on its record
                await self._record(one)
            self._loops[one.agency.id] = start(self.group, one, self.config, self.openings)
            self.tasks.extend(self._loops[one.agency.id])

    async def _record(self, one: RunningAgency) -> None:
        """Registers are on this agency's record from now on. Raises StorageUnavailableError."""
        await self.renewal.recorded(
            RegisterRecords(committer=one.agency.committer, step=_REGISTER, clock=self.config.clock)
        )
        self.recording = one.agency.id

    async def _close(self, name: str) -> None:
        """It is hosted here no longer: nothing runs for it, nobody is let in. Raises StorageUnavailableError: then it is tried again."""
        if name == self.recording:
            other = next((one for other, one in self.running.items() if other in self.config.hosted), None)
            if other is None:
                return  # the last one that is open: whoever comes next takes the record over
            await self._record(other)
        one = self.running.pop(name)
        for task in self._loops.pop(name):
            task.cancel()
        one.desk.forwarding.stop()
        self.committing.leave([one.agency.committer])
