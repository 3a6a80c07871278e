"""Acts of the kill test for re-encryption: wherever a server dies, every row comes under the new version, once, and opens (IS-8)."""

from __future__ import annotations

from typing import Any

from gateway.demonstration.stage import WARD
from storage.database import Database
from tests.fault.acts import Act, Prepare, Trial, the_ward_asks, the_ward_is_asked
from tests.support.running_system import System, until

OPTIONS = {"reseal_settle_s": 0}


async def _rows(system: System, role: str, query: str, *arguments: Any) -> list[Any]:
    database = await Database.open(system.running.role(role).dsn, connections=1)
    try:
        async with database.inside(f"a_setagaya_{role}") as connection:
            return list(await connection.fetch(query, *arguments))
    finally:
        await database.close()


def _rotate(system: System, role: str, purpose: str) -> int:
    """While the role is down: it finds the new version when it comes back."""
    system.running.kill(role)
    store = system.running.role(role).open_keys(WARD)
    with store.changing() as ring:
        return ring.rotate(purpose)


async def _sealed_anew(system: System, role: str, purpose: str, version: int, count: str) -> None:
    ended = "select * from resealing where purpose = $1 and version = $2 and finished_at is not null"
    [row] = await until(lambda: _rows(system, role, ended, purpose, version), bool)
    assert (row["reason"], row["unreadable"]) == (None, 0)
    assert row["done"] >= row["total"] > 0
    [left] = await _rows(system, role, count, version)
    assert left["count"] == 0
    began = "select count(*) from log_entry where kind = 'keys.resealed' and convert_from(body, 'UTF8') like $1"
    for event in ("begun", "ended"):
        said = f'%"event":"{event}","purpose":"{purpose}"%"version":{version}%'
        assert [one["count"] for one in await _rows(system, role, began, said)] == [1]


async def copies_under_a_new_key(trial: Trial) -> Act:
    version = _rotate(trial.system, "intermediate", "replicas")

    async def act(_: Trial) -> None:
        count = "select count(*) from person_key where substring(wrapped from 2 for 4) <> int4send($1)"
        await _sealed_anew(trial.system, "intermediate", "replicas", version, count)
        await the_ward_is_asked(trial)

    return act


async def people_under_a_new_key(trial: Trial) -> Act:
    version = _rotate(trial.system, "linkage", "four-items")

    async def act(_: Trial) -> None:
        count = "select count(*) from person where substring(four_items_sealed from 2 for 4) <> int4send($1)"
        await _sealed_anew(trial.system, "linkage", "four-items", version, count)
        await the_ward_asks(trial)

    return act


KEY_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        ("intermediate.commit.keys.resealed", "intermediate.commit.keys.resealed_rows"), copies_under_a_new_key
    ),
    **dict.fromkeys(("linkage.commit.keys.resealed", "linkage.commit.keys.resealed_rows"), people_under_a_new_key),
}
