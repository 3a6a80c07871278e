"""The agencies of one intermediate server: those in use are opened at the start, any other when it is first addressed.

An agency is in use when its schema is there. Opening makes the schema, opens the agency's keys, takes the permission list and the founding
document, and starts its loops; what an agency costs is paid by those in use alone (docs/adr/0048).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import SIGNING, HostedAgency
from gateway.intermediate_server.bars.standing import StandingBars, seal_those_in_clear
from gateway.intermediate_server.codes import renewing
from gateway.intermediate_server.following import follow
from gateway.intermediate_server.limits import limits_of
from gateway.intermediate_server.lists.in_force import Lists, ListShelf
from gateway.intermediate_server.lists.taking import FAILURES as LIST_FAILURES
from gateway.intermediate_server.lists.taking import ListTaking
from gateway.intermediate_server.operations import jobs
from gateway.intermediate_server.operations.watching import watch
from gateway.intermediate_server.provision import grounds
from gateway.intermediate_server.records.exchange_entries import note_about
from gateway.intermediate_server.replica import flags
from gateway.intermediate_server.resealing.job import resealing_of
from gateway.intermediate_server.routes import Server, refusals_of
from gateway.intermediate_server.staff import founding
from gateway.intermediate_server.staff.desk import StaffDesk, open_desk
from gateway.intermediate_server.staff.founding import Founded
from gateway.intermediate_server.staff.people import rules_from
from gateway.intermediate_server.sweeping import sweep
from gateway.opening import Openings
from gateway.own_files import layouts_with_own, own_file
from permission_lists.versions import SignedVersion
from storage.committer import Committer, commit_step
from storage.committing import Committing
from storage.database import Database, StorageUnavailableError
from storage.erasure_journal import PURPOSE as ERASED
from storage.erasure_journal import ErasureJournal
from storage.fault_points import Step, declare
from storage.key_changes import finish_destructions
from storage.key_store import KeyStore, KeyStoreError
from storage.shared_look import TenantLook
from storage.tenancy import in_use, open_tenant
from transport import tls
from transport.backups import public_key
from transport.channel import Channel, session
from transport.checkpoints import peer_notes
from transport.circuit import Circuit
from transport.log_standing import LogStanding
from transport.register_records import RegisterRecords
from transport.renewal import Renewal
from transport.role import Hosted, RoleConfig

_LOG = structlog.get_logger()
_REGISTER = commit_step("intermediate", "register.looked")
_REOPENED = commit_step("founding", "log.reopened")
SEND_PERMITS = declare("intermediate", "send.permits")
SEND_INQUIRIES = declare("intermediate", "send.inquiries")
SEND_LATE = declare("intermediate", "send.late_outcomes")
SEND_LISTS = declare("intermediate", "send.list_versions")
SEND_EPOCHS = declare("intermediate", "send.code_epochs")
SEND_RENEWALS = declare("intermediate", "send.code_renewals")
_OF_THE_INTERFACE: Final = frozenset({"inquiries", "late_outcomes"})
_FIRST_LOOK_S: Final = 1.0
_CLOSED_LOOK_S: Final = 2.0
_APART_S: Final = 0.01
"""Seconds to the first look for a new permission list, and from one agency's to the next agency's."""
PURPOSES: Final = (SIGNING, "log", "codes", "replicas", "staff", ERASED)

Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True, kw_only=True)
class Hosting:
    """Opens agencies into `server`, and closes those that have left (docs/adr/0080).

    `given`: the versions of the permission list that set-up gave; `tasks`: every loop that runs.
    """

    config: RoleConfig
    database: Database
    known: TenantLook
    renewal: Renewal
    shelf: ListShelf
    given: tuple[SignedVersion, ...]
    server: Server
    stack: AsyncExitStack
    openings: Openings
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _committing: Committing = field(default_factory=Committing)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _recording: str | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _loops: dict[str, list[asyncio.Task[None]]] = field(default_factory=dict)

    async def open_those_in_use(self) -> None:
        """And always the first one hosted, whose log has the refusals that are nobody's. Raises StorageUnavailableError, KeyStoreError."""
        tenants = {hosted.tenant: name for name, hosted in self.config.hosted.items()}
        there = await in_use(self.database, tenants)
        self._start([self._committing.run])
        first = next(iter(self.config.hosted))
        wanted = [name for tenant, name in tenants.items() if tenant in there or name == first]
        ready = [name for name in wanted if await self.openings.is_open(name)]
        await self._open(ready)
        self.renewal.on_change(self._changed.set)
        self._start([partial(self._open_later, set(wanted) - set(ready)), self._let_go])

    async def _open_later(self, closed: set[str]) -> None:
        """Those whose rings were closed, when their people have come or their module is back."""
        while closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSED_LOOK_S):
                    await self.openings.opened.wait()
            self.openings.opened.clear()
            for name in sorted(closed):
                with contextlib.suppress(KeyStoreError, StorageUnavailableError):
                    await self.open(name)
                    closed.discard(name)

    async def _let_go(self) -> None:
        """Close whoever is hosted here no longer, when the role's file has changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for name in [name for name in self.server.agencies if name not in self.config.hosted]:
                    await self._close(name)
            except (StorageUnavailableError, KeyStoreError):
                _LOG.warning("agency:not_closed")
                await asyncio.sleep(_CLOSED_LOOK_S)
                self._changed.set()

    async def _close(self, name: str) -> None:
        """Nothing runs for it any more, and nobody is let in. Raises StorageUnavailableError, KeyStoreError."""
        if name == self._recording:
            await self._record(await self.open(next(iter(self.config.hosted))))
        self.server.staff.pop(name)
        self.server.refusals.pop(name)
        for task in self._loops.pop(name):
            task.cancel()
        self._committing.leave([self.server.agencies.pop(name).committer])

    async def _record(self, agency: HostedAgency) -> None:
        """Registers are on this agency's record from now on. Raises StorageUnavailableError."""
        await self.renewal.recorded(
            RegisterRecords(committer=agency.committer, step=_REGISTER, clock=self.config.clock)
        )
        self._recording = agency.id

    async def open(self, name: str) -> HostedAgency:
        """An agency that is hosted here, opened now if it was not in use. Raises StorageUnavailableError, KeyStoreError."""
        async with self._opening:
            if name not in self.server.agencies:
                await self._open([name])
            return self.server.agencies[name]

    async def _open(self, names: Iterable[str]) -> None:
        """Whenever they are opened, all agencies of the process share transactions."""
        for name in names:
            await open_tenant(self.database, self.config.hosted[name].tenant)
        async with AsyncExitStack() as opening:
            agencies = [
                await _open_agency(
                    self.config,
                    self.config.hosted[name],
                    await self.openings.store(name),
                    self.database,
                    self.known,
                    self.shelf,
                    self.renewal,
                    opening,
                )
                for name in names
            ]
            openings = await asyncio.gather(*(_log_standing(agency).begin() for agency in agencies))
            for agency, opened_at in zip(agencies, openings, strict=True):
                agency.standing.opened_at = opened_at
            await asyncio.gather(*(finish_destructions(one.database, one.tenant, one.keys) for one in agencies))
            committers = [agency.committer for agency in agencies]
            self._committing.join(committers)
            opening.callback(self._committing.leave, committers)
            await asyncio.gather(*(self.openings.record(agency.id, agency.committer) for agency in agencies))
            takings = [_taking(agency) for agency in agencies]
            await asyncio.gather(*(taking.begin(self.given) for taking in takings))
            await asyncio.gather(*(jobs.interrupt(agency) for agency in agencies))
            await asyncio.gather(*(renewing.load(agency) for agency in agencies))
            desks = [_open_desk(self.config, agency) for agency in agencies]
            for desk in desks:
                await founding.begin(desk, _founding(self.config, desk.agency.id))
            await self.stack.enter_async_context(opening.pop_all())
        for nth, (desk, taking) in enumerate(zip(desks, takings, strict=True)):
            self._take_in(desk, taking, nth)
        if agencies and self._recording is None:
            await self._record(agencies[0])

    def _take_in(self, desk: StaffDesk, taking: ListTaking, nth: int) -> None:
        """From now on the agency is addressed."""
        agency = desk.agency
        every_s = float(self.config.options.get("list_poll_s", 60))
        epochs_every_s = float(self.config.options.get("code_epochs_poll_s", 60))
        first_s = min(every_s, _FIRST_LOOK_S) + nth * _APART_S
        refusals = refusals_of(agency)
        self.server.refusals[agency.id] = refusals
        self.server.staff[agency.id] = desk
        self.server.agencies[agency.id] = agency
        followed = partial(follow, clock=agency.clock, first_s=first_s)
        self._loops[agency.id] = self._start(
            [
                agency.permits.run,
                agency.inquiries.run,
                agency.late_outcomes.run,
                agency.held_checkpoints.run,
                agency.code_epochs.run,
                agency.code_renewals.run,
                partial(self.openings.stand, _log_standing(agency)),
                refusals.run,
                desk.refusals.run,
                taking.core.run,
                partial(followed, taking.fetch, every_s=every_s, failures=LIST_FAILURES, failed="list_fetch_failed"),
                partial(
                    followed,
                    partial(renewing.turn, agency),
                    every_s=epochs_every_s,
                    failures=renewing.FAILURES,
                    failed="code_renewal_failed",
                ),
                lambda: sweep(self.server, agency),
                partial(watch, agency),
                resealing_of(agency).run,
            ]
        )

    def _start(self, loops: Iterable[Loop]) -> list[asyncio.Task[None]]:
        started = [self.server.group.create_task(loop()) for loop in loops]
        self.tasks += started
        return started


def _log_standing(agency: HostedAgency) -> LogStanding:
    """The core holds what it was shown of the agency's log."""
    return LogStanding(
        agency=agency.id,
        committer=agency.committer,
        ask=agency.held_checkpoints.ask,
        keys=lambda origin: agency.register().log_keys(origin),
        note=lambda now, by, said: note_about(agency, now, EntryKind.LOG_REOPENED, None, said, actor=by),
        step=_REOPENED,
        clock=agency.clock,
    )


def _taking(agency: HostedAgency) -> ListTaking:
    """The agency's permission list: what is stored, what set-up gave, and from now on what the core has. Its committer is running."""
    return ListTaking(
        agency=agency.id,
        tenant=agency.tenant,
        database=agency.database,
        committer=agency.committer,
        lists=agency.lists,
        keys=lambda: agency.register().list_keys,
        core=agency.list_versions,
        clock=agency.clock,
        new_id=agency.new_id,
    )


async def _open_agency(
    config: RoleConfig,
    hosted: Hosted,
    keys: KeyStore,
    database: Database,
    known: TenantLook,
    shelf: ListShelf,
    renewal: Renewal,
    stack: AsyncExitStack,
) -> HostedAgency:
    register = renewal.register
    renewal.of_keys(keys)
    for purpose in PURPOSES:
        keys.ensure(purpose)
    committer = Committer(
        database,
        hosted.tenant,
        origin=f"sekisho.example/{hosted.id}/intermediate",
        signer=partial(keys.ring.signer, "log"),
        clock=config.clock,
    )
    await committer.load()
    note = peer_notes(register, committer, config.clock)
    context = renewal.of_certificate(hosted.identity, tls.client_context(hosted.identity, hosted.identity.ca))
    client = await stack.enter_async_context(session(context, connections=8))
    core, interface = config.peers["core"], config.peers["interface"]

    to_core, to_interface = Circuit(hosted.id, "core"), Circuit(hosted.id, "interface")

    def channel(path: str, name: str, step: Step | None, most: int = 64) -> Channel:
        """To a path of the core, or of the interface system."""
        base, circuit = (interface, to_interface) if name in _OF_THE_INTERFACE else (core, to_core)
        url = f"{base}/{path}"
        return Channel(
            client,
            url,
            name=name,
            step=step,
            checkpoint=lambda: committer.note,
            on_checkpoint=note,
            most=most,
            circuit=circuit,
        )

    bars = StandingBars()
    await seal_those_in_clear(database, hosted.tenant, keys.ring, hosted.id)
    await grounds.seal_those_of_before(database, hosted.tenant, keys, hosted.id)
    await flags.seal_those_beside(database, hosted.tenant, keys.ring, hosted.id)
    await bars.read_again(database, hosted.tenant, keys.ring, hosted.id)
    return HostedAgency(
        id=hosted.id,
        tenant=hosted.tenant,
        database=database,
        known=known,
        committer=committer,
        keys=keys,
        register=register,
        lists=Lists(shelf, config.clock),
        layouts=layouts_with_own(own_file(config.folder, config.options, "layouts", hosted.id)),
        limits=limits_of(config, hosted.id),
        clock=config.clock,
        permits=channel("permits", "permits", SEND_PERMITS),
        inquiries=channel("inquiries", "inquiries", SEND_INQUIRIES),
        late_outcomes=channel("late-outcomes", "late_outcomes", SEND_LATE),
        list_versions=channel("list-versions", "list_versions", SEND_LISTS),
        held_checkpoints=channel("held-checkpoints", "held_checkpoints", None),
        code_epochs=channel("code-epochs", "code_epochs", SEND_EPOCHS),
        code_renewals=channel("code-renewals", "code_renewals", SEND_RENEWALS, renewing.BATCH),
        circuits=(to_core, to_interface),
        erasures=ErasureJournal.beside(hosted.keys, keys.ring),
        backup_key=partial(public_key, config.folder, hosted.id),
        peer_note=note,
        bars=bars,
    )


def _founding(config: RoleConfig, agency: str) -> Founded | None:
    return founding.read_file(config.folder / "staff" / f"{agency}.json", agency)


def _open_desk(config: RoleConfig, agency: HostedAgency) -> StaffDesk:
    """The staff functions of an agency; passwords cost what set-up has decided."""
    founded = _founding(config, agency.id)
    profile = founding.PROFILES[founded.founding.profile if founded else "normal"]
    return open_desk(agency, rules_from(config.options, profile, config.port))
