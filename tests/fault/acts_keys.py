"""Acts of the kill test for keys: wherever a server dies, every row comes under the new version, once, and opens (IS-8); and what two people had destroyed goes."""

from __future__ import annotations

import secrets
from typing import Any

from codebook.identifiers import new_sortable_id
from gateway.demonstration.stage import WARD
from gateway.intermediate_server.destruction.destroying import DESTRUCTION_PREFIX, content_hash
from keys.ring import State
from storage.database import Database
from tests.fault.acts import Act, Prepare, Trial, the_ward_asks, the_ward_is_asked
from tests.fault.acts_records import proved
from tests.fault.acts_staff import first
from tests.support.running_system import System, entries, until

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


async def a_version_is_destroyed(trial: Trial) -> Act:
    """Whatever dies on the way: two people are on record, once each, before the version goes, and then it goes (SC-20)."""
    system, purpose = trial.system, f"result/2030-01-01T{trial.nth}"
    system.running.kill("intermediate")
    store = system.running.role("intermediate").open_keys(WARD)
    store.ensure(purpose)

    async def act(_: Trial) -> None:
        one, other = first(trial, "admin-1"), first(trial, "admin-2")
        drawn = new_sortable_id(DESTRUCTION_PREFIX, 0, secrets.token_bytes(10))
        asked = {"server": "intermediate", "purpose": purpose, "version": 1, "cause": "erasure"}
        digest = content_hash(WARD, drawn, *asked.values())
        await proved(one, "keys/destructions/ask", {"destruction_id": drawn, **asked}, f"destroy_key/{drawn}/{digest}")
        decided = {"destruction_id": drawn, "content_hash": digest, "approve": True}
        shown = await proved(other, "keys/destructions/decide", decided, f"approve_destruction/{drawn}/{digest}")
        said = {name: shown[name] for name in ("state", "asked_by", "decided_by", "done")}
        assert said == {"state": "approved", "asked_by": "admin-1", "decided_by": "admin-2", "done": True}
        store.look()
        assert store.ring.versions(purpose) == {1: State.DESTROYED, 2: State.PRIMARY}
        log = entries(await system.export(WARD))
        events = [row["facts"]["event"] for row in log if row.get("facts", {}).get("destruction_id") == drawn]
        assert events == ["asked", "destroyed"]

    return act


KEY_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        ("intermediate.commit.key.destruction_asked", "intermediate.commit.key.destruction_decided"),
        a_version_is_destroyed,
    ),
    **dict.fromkeys(
        ("intermediate.commit.keys.resealed", "intermediate.commit.keys.resealed_rows"), copies_under_a_new_key
    ),
    **dict.fromkeys(("linkage.commit.keys.resealed", "linkage.commit.keys.resealed_rows"), people_under_a_new_key),
}
