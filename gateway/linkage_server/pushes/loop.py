"""Runs the pushes of one agency: every target by itself, so that one that is away holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import aiohttp
import asyncpg
import structlog
from prometheus_client import Gauge

from gateway.linkage_server.pushes import results, sending, store, writing
from gateway.linkage_server.pushes.sending import Rules
from gateway.linkage_server.pushes.store import DeliveryState
from gateway.linkage_server.pushes.targets import Target, TargetKind, TargetState
from gateway.linkage_server.supervision import supervised
from gateway.linkage_server.tenant import Agency
from gateway.linkage_server.waiting_work import Work
from storage.database import StorageUnavailableError
from transport import channel, tls
from transport.renewal import Renewal
from transport.role import Hosted, RoleConfig

_LOG = structlog.get_logger()
_PAUSE_S: Final = 1.0
_CONNECTIONS: Final = 16
_ATTEMPTS: Final = 16
"""With waits from 5 seconds, doubled up to an hour: given up after about seven hours."""
_FIRST_WAIT_S: Final = 5.0
_KEPT: Final = timedelta(days=30)
_FORGET_EVERY_S: Final = 3_600.0
_MOST_FORGOTTEN: Final = 1_000
OPEN = Gauge("sekisho_pushes_open", "Pushes that are not delivered", ["agency", "system", "state"])
DEAD = Gauge(
    "sekisho_pushes_dead", "Pushes that were given up and wait for somebody to send them again", ["agency", "system"]
)


@asynccontextmanager
async def open_pushes(config: RoleConfig, hosted: Hosted, agency: Agency, renewal: Renewal) -> AsyncIterator[Pushes]:
    """Options: `push_hosts` (agency → hosts that webhooks may reach; none unless told), `push_attempts`, `push_first_wait_s`."""
    rules = Rules(
        hosts=frozenset(dict(config.options.get("push_hosts", {})).get(agency.id, ())),
        attempts=int(config.options.get("push_attempts", _ATTEMPTS)),
        first_wait_s=float(config.options.get("push_first_wait_s", _FIRST_WAIT_S)),
        spool=config.spool,
    )
    context = renewal.of_certificate(hosted.identity, tls.client_context(hosted.identity, hosted.identity.ca))
    async with channel.session(
        context, connections=_CONNECTIONS
    ) as client:  # its own: a slow receiver keeps no inquiry waiting
        yield Pushes(agency, client, rules)


class Pushes:
    """`run()` must be running. `client`: a session that shows the agency's certificate and trusts its authority alone."""

    def __init__(self, agency: Agency, client: aiohttp.ClientSession, rules: Rules) -> None:
        self.agency = agency
        self.rules = rules
        self._client = client
        self._forgotten_at = 0.0

    async def run(self) -> None:
        """Until cancelled. Targets that are configured meanwhile are found within a second."""
        working: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                targets = await self._targets()
                for target in targets:
                    task = working.get(target.system)
                    if target.state is TargetState.ON and (task is None or task.done()):
                        turn = self._turn_of(target)
                        working[target.system] = group.create_task(turn)
                if targets:
                    await self._count([target.system for target in targets])
                    await self._forget()
                if any(target.state is TargetState.ON for target in targets):
                    await asyncio.sleep(self.agency.look_s(_PAUSE_S))
                else:
                    await self.agency.work.rest(Work.PUSHES)

    async def _targets(self) -> list[Target]:
        try:
            async with self.agency.database.inside(self.agency.tenant) as connection:
                return await store.read_targets(connection, self.agency.keys)
        except (StorageUnavailableError, asyncpg.PostgresError):
            return []

    async def _turn_of(self, target: Target) -> None:
        """One turn; what breaks in it is told once and tried again after a pause, and ends nobody else's."""

        async def turn() -> None:
            try:
                await self.turn(target)
            except (StorageUnavailableError, asyncpg.PostgresError):
                return  # the database's own alarms say so; the next turn finds everything where it was
            except OSError as failure:
                _LOG.error("pushes:folder_not_written", agency=self.agency.id, error=type(failure).__name__)

        await supervised("pushes", self.agency.id, turn)

    async def turn(self, target: Target) -> None:
        """Take changes and results in hand, write them, send them, until nothing more can be done now."""
        while True:
            rights = await self.agency.clients.rights(target.system)  # what is written is judged anew before it leaves
            if rights is None or not rights.may("pushes", "configure"):
                return  # no client of the system may be pushed to any more, or for now: what it would learn waits
            done = await writing.take(self.agency, rights)
            done += await results.take(self.agency, rights, target, self.rules.spool)
            done += await writing.write(self.agency, rights, target)
            if target.kind is TargetKind.WEBHOOK:
                done += await sending.send_webhooks(self.agency, self._client, target, self.rules)
            else:
                done += await sending.put_files(self.agency, target, self.rules)
            if not done:
                return

    async def _count(self, systems: Sequence[str]) -> None:
        try:
            async with self.agency.database.inside(self.agency.tenant) as connection:
                found = await store.counts(connection)
        except (StorageUnavailableError, asyncpg.PostgresError):
            return
        for system in systems:
            counts: Mapping[str, int] = found.get(system, {})
            for state in (DeliveryState.WAITING, DeliveryState.READY):
                OPEN.labels(self.agency.id, system, state.value).set(counts.get(state.value, 0))
            DEAD.labels(self.agency.id, system).set(counts.get(DeliveryState.DEAD.value, 0))

    async def _forget(self) -> None:
        now = self.agency.clock()
        if now.timestamp() - self._forgotten_at < _FORGET_EVERY_S:
            return
        try:
            looked_at = _MOST_FORGOTTEN
            while looked_at == _MOST_FORGOTTEN:
                async with self.agency.database.inside(self.agency.tenant) as connection:
                    looked_at = await store.forget(connection, now - _KEPT, _MOST_FORGOTTEN)
        except (StorageUnavailableError, asyncpg.PostgresError):
            return
        self._forgotten_at = now.timestamp()
