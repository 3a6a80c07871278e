"""An evidence log that takes nothing more, as on a full disk: the database refuses what is appended (simulation only)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import asyncpg

from gateway.topology import NETWORK, Program, Topology

_AGENCYS: Final = re.compile(r"a_([a-z0-9_]+)_intermediate")


def tenant_of(party: str) -> str:
    """The schema of an agency's intermediate server, or of the core."""
    return "core" if party == NETWORK else f"a_{party.replace('-', '_')}_intermediate"


def parties(topology: Topology) -> list[str]:
    """Whose logs there are: every agency whose intermediate server is ours, and the network."""
    return [NETWORK, *(one for one in topology.agencies if topology.hosting(Program.INTERMEDIATE, one) is not None)]


async def there(administrator: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Whose logs there are in this database by now: agencies (of their intermediate servers) and the network."""
    rows = await administrator.fetch(
        "select schemaname from pg_tables where tablename = 'log_entry' order by schemaname"
    )
    schemas = [row["schemaname"] for row in rows]
    named = {_AGENCYS.fullmatch(one) for one in schemas}
    agencies = sorted(found[1].replace("_", "-") for found in named if found is not None)
    return [*([NETWORK] if tenant_of(NETWORK) in schemas else []), *agencies]


async def fill(administrator: asyncpg.Connection[asyncpg.Record], party: str, *, full: bool) -> None:
    """`party`: an agency id or `network`, as the topology names it. Raises asyncpg.PostgresError when it has no schema yet."""
    tenant = tenant_of(party)
    change = (
        f"revoke insert on {tenant}.log_entry from {tenant}"
        if full
        else f"grant insert on {tenant}.log_entry to {tenant}"
    )
    await administrator.execute(change)


async def free_all(administrator: asyncpg.Connection[asyncpg.Record], parties: Iterable[str]) -> None:
    """Every log of these parties that is full takes entries again."""
    for party in parties:
        if await is_full(administrator, party):
            await fill(administrator, party, full=False)


async def is_full(administrator: asyncpg.Connection[asyncpg.Record], party: str) -> bool:
    """False also for one that has no log yet."""
    tenant = tenant_of(party)
    table = await administrator.fetchval("select to_regclass($1)", f"{tenant}.log_entry")
    return table is not None and not await administrator.fetchval(
        "select has_table_privilege($1, $2, 'insert')", tenant, f"{tenant}.log_entry"
    )
