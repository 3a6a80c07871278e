"""The evidence logs of agencies that have left: no server hands them out any more, and this folder's database keeps them for as long as records are kept.

They are read as the database's administrator, and only read: their agency has no certificate and no staff here any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evidence.export import LogParty
from gateway import own_topology
from gateway.administrator import administrator_dsn
from gateway.data_folder import DataFolder
from gateway.key_records import origin_of
from gateway.list_sources import register
from gateway.staff_calls import NotReachableError
from gateway.topology import Program
from gateway.topology_fields import TopologyError
from storage.database import Database, StorageUnavailableError
from storage.evidence_log import store
from storage.postgres import EmbeddedPostgresError
from storage.tenancy import in_use

_PARTIES: Final = {Program.LINKAGE: LogParty.LINKAGE, Program.INTERMEDIATE: LogParty.INTERMEDIATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartedLog:
    """One log of an agency that has left. `left_on`: the day, YYYY-MM-DD; `tenant`: its schema, None where its server was its own: then its log is with it.

    Both calls raise NotReachableError when the database does not answer, or the log is not here.
    """

    data: DataFolder
    agency: str
    server: LogParty
    left_on: str
    origin: str
    tenant: str | None

    def search(self, inquiry_number: str) -> list[dict[str, Any]]:
        """The entries under an inquiry number, oldest first, each with its place `log`."""
        with self._database() as (runner, database, tenant):
            return runner.run(store.search(database, tenant, inquiry_number)) if tenant else []

    def download(self, year: int | None, target: Path) -> int:
        """The export of a fiscal year, the latest unless told, into a file; its size. Raises SourceWrongError, OSError."""
        keys = register(self.data).logs[self.origin].all()
        part, size = target.with_name(f".{target.name}.part"), 0
        with self._database() as (runner, database, tenant), part.open("wb") as file:
            if tenant:
                blocks = store.export(
                    database,
                    tenant,
                    agency=self.agency,
                    party=self.server,
                    public_key=keys[-1],
                    earlier=keys[:-1],
                    year=year,
                )
                while block := runner.run(_next(blocks)):
                    size += file.write(block)
        part.replace(target)
        return size

    @contextmanager
    def _database(self) -> Iterator[tuple[asyncio.Runner, Database, str | None]]:
        """The database, and the schema if the agency was ever in use."""
        if self.tenant is None:
            raise NotReachableError
        with ExitStack() as stack:
            try:
                dsn = stack.enter_context(administrator_dsn(self.data))
                runner = stack.enter_context(asyncio.Runner())
                database = runner.run(Database.open(dsn, connections=2))
                stack.callback(lambda: runner.run(database.close()))
                there = runner.run(in_use(database, [self.tenant]))
            except (OSError, StorageUnavailableError, EmbeddedPostgresError):
                raise NotReachableError from None
            try:
                yield runner, database, self.tenant if there else None
            except StorageUnavailableError:
                raise NotReachableError from None


def departed_logs(data: DataFolder) -> list[DepartedLog]:
    """Of every agency that has left; none where the folder's topology cannot be read."""
    try:
        topology = own_topology.read(data)
    except TopologyError:
        return []
    found = []
    for gone in topology.departed.values():
        tenants: dict[Program, str | None] = {
            program: topology.roles[name].tenant(gone.agency.id) for program, name in gone.hosted_by.items()
        }
        found += [
            DepartedLog(
                data=data,
                agency=gone.agency.id,
                server=_PARTIES[program],
                left_on=gone.left_on,
                origin=origin_of(program, gone.agency.id),
                tenant=tenant,
            )
            for program, tenant in tenants.items() or [(Program.INTERMEDIATE, None)]
        ]
    return found


async def _next(blocks: AsyncIterator[bytes]) -> bytes:
    """The next block; none when there is no more."""
    return await anext(blocks, b"")
