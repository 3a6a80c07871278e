"""The real servers as their own processes, a small cast of synthetic people, and the calls that tests make again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from gateway.demonstration.run import DEMO_DAY
from gateway.launcher import Running
from gateway.scenarios.driver import INSURANCE, RESIDENTS, Driver, entries, insisting, quick_stage, same_values, until
from gateway.topology import shipped
from storage.postgres import discard

__all__ = ["INSURANCE", "RESIDENTS", "entries", "insisting", "quick_stage", "same_values", "until"]

ROLES = ("linkage", "intermediate", "neighbours-linkage", "neighbours-intermediate", "network", "resident-network")


@contextmanager
def started(
    folder: Path,
    *,
    roles: Sequence[str] = ROLES,
    options: Mapping[str, Any] | None = None,
    role_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Running]:
    """Every role on free ports, its clock on a day on which 別表第二 is in force; the folder is gone afterwards."""
    given = {
        role: {
            "continuous_codes": False,
            **(options or {}),
            **(role_options or {}).get(role, {}),
        }
        for role in shipped().roles
    }
    try:
        with Running(
            folder, roles=roles, ports="free", options=given, key_profile="cheapest", durable=False, clock=DEMO_DAY
        ) as running:
            yield running
    finally:
        discard(folder)


@dataclass(kw_only=True)
class System(Driver):
    """A driven system, and what only tests do to it."""

    def option(self, role: str, name: str) -> Any:
        return self.running.role(role).options[name]


def business(export: bytes) -> list[dict[str, Any]]:
    """The entries of an export without the access log: reading a log is an entry too."""
    return [one for one in entries(export) if not one["kind"].startswith("staff.")]


def asked(dsn: str, statement: str, *words: str) -> list[asyncpg.Record]:
    """What the database says to the login of this DSN."""

    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetch(statement, *words)
        finally:
            await connection.close()

    return asyncio.run(ask())
