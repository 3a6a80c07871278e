"""An agency that nobody uses costs nothing: its schema, keys and loops come with the first call that is its own."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gateway.launcher import Running
from storage.migrations import create_database
from storage.postgres import discard
from transport import channel, tls
from transport.channel import RefusedByPeerError

ROLE = "neighbours-intermediate"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Running(
        tmp_path_factory.mktemp("use"), roles=(ROLE,), ports="free", key_profile="cheapest", durable=False
    ) as started:
        yield started
    discard(started.data.root)


def ask(running, caller: str, agency: str) -> bytes:
    async def post() -> bytes:
        identity = running.role("neighbours-linkage").hosted[caller].identity
        async with channel.session(tls.client_context(identity, identity.ca)) as client:
            url = f"{running.url(ROLE)}/{agency}/code-counts"
            return await channel.post(client, url, b'{"items": [{}]}', timeout_s=30)

    return asyncio.run(post())


def select(running, statement: str) -> list:
    async def fetch() -> list:
        connection = await asyncpg.connect(await create_database(running.admin_dsn))
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def in_use(running) -> set[str]:
    found = select(running, "select nspname from pg_namespace where nspname ~ '^a_.*_intermediate$'")
    return {name for (name,) in found}


def test_only_the_first_agency_of_a_server_is_in_use_before_anybody_calls(running):
    assert in_use(running) == {"a_kyokai_kenpo_intermediate"}


def test_whoever_is_turned_away_brings_no_agency_into_use_and_is_on_record(running):
    with pytest.raises(RefusedByPeerError, match="not_for_this_caller"):
        ask(running, "suginami", "tokyo")
    assert "a_tokyo_intermediate" not in in_use(running)
    [(count,)] = select(
        running, "select count(*) from a_kyokai_kenpo_intermediate.log_entry where kind = 'access.refused'"
    )
    assert count == 1


def test_an_agencys_own_call_brings_it_into_use_whole_and_a_restart_finds_it_so(running):
    assert b"items" in ask(running, "tokyo", "tokyo")
    assert "a_tokyo_intermediate" in in_use(running)
    statement = "select kind from a_tokyo_intermediate.log_entry order by idx"
    begun = [kind for (kind,) in select(running, statement)]
    assert {"list.taken", "staff.founded"} == set(begun)
    running.restart(ROLE)
    assert b"items" in ask(running, "tokyo", "tokyo")
    assert [kind for (kind,) in select(running, statement)] == begun


def test_many_first_calls_at_once_bring_it_into_use_once(running):
    async def calls() -> list[bytes]:
        identity = running.role("neighbours-linkage").hosted["naikaku"].identity
        async with channel.session(tls.client_context(identity, identity.ca), connections=8) as client:
            url = f"{running.url(ROLE)}/naikaku/code-counts"
            return await asyncio.gather(
                *(channel.post(client, url, b'{"items": [{}]}', timeout_s=30) for _ in range(8))
            )

    assert len(set(asyncio.run(calls()))) == 1
    [(founded,)] = select(running, "select count(*) from a_naikaku_intermediate.log_entry where kind = 'staff.founded'")
    assert founded == 1
