"""Codes and clients that an earlier version held live on through the migrations: states, seals and secrets."""

from __future__ import annotations

import secrets
from importlib import resources

import asyncpg
import pytest

from storage.migrations import create_database


def texts(package):
    folder = resources.files(package).joinpath("migrations")
    return sorted((one.name, one.read_text(encoding="utf-8")) for one in folder.iterdir() if one.name.endswith(".sql"))


@pytest.fixture
async def schema(linkage_cluster):
    """An empty schema of its own, as the administrator."""
    connection = await asyncpg.connect(await create_database(linkage_cluster))
    name = f"old_{secrets.token_hex(4)}"
    await connection.execute(f"create schema {name}; set search_path to {name}")
    yield connection
    await connection.close()


async def test_the_linkage_servers_clients_keep_their_secrets_and_people_their_standing(schema):
    before = [text for name, text in texts("gateway.linkage_server") if name < "0007"]
    [own] = [text for name, text in texts("gateway.linkage_server") if name.startswith("0007")]
    log = [text for _, text in texts("storage.evidence_log")]
    for text in (*log, *before):
        await schema.execute(text)
    await schema.execute(
        "insert into oauth_client values ('kokuho', 'kokuho', 'sealed', '{kokuho:inquiries:create}', true);"
        "insert into person (integrated_number, individual_number_index, individual_number_sealed, four_items_sealed, code_state)"
        f" values (1, '{'a' * 32}', 's', 'f', 'bound'), (2, null, null, 'f', 'none'), (3, '{'b' * 32}', 's', 'f', 'refused')"
    )
    await schema.execute(own)
    secret = await schema.fetchrow(
        "select s.sealed, s.place, c.state, c.tokens_from from oauth_secret s join oauth_client c using (client_id)"
    )
    standing = await schema.fetch("select state, reason, number_index from code_standing order by integrated_number")
    followed = await schema.fetchval("select revision >= (select max(revision) from person) from code_follower")
    assert (secret["sealed"], secret["place"], secret["state"], secret["tokens_from"].year) == (
        b"sealed",
        1,
        "active",
        1970,
    )
    assert [(row["state"], row["reason"], row["number_index"]) for row in standing] == [
        ("bound", None, b"a" * 32),
        ("without_individual_number", None, None),
        ("refused", "unknown", b"b" * 32),
    ]
    assert followed


async def test_the_intermediate_servers_codes_stay_bound_and_requests_stay_open(schema):
    [(_, first)] = [one for one in texts("gateway.intermediate_server") if one[0].startswith("0001")]
    [(_, codes)] = [one for one in texts("gateway.intermediate_server") if one[0].startswith("0002")]
    await schema.execute(first)
    await schema.execute(
        "insert into person_code (integrated_number, acquisition_index, acquisition_sealed, expires_at, code_index, code_sealed, bound_at)"
        " values ('000000000000001', 'a1', null, now(), 'c1', 's', now()), ('000000000000002', 'a2', 's', now(), null, null, null)"
    )
    await schema.execute(codes)
    rows = await schema.fetch(
        "select integrated_number, bound_at is not null as bound, message_id from person_code order by 1"
    )
    assert [(row["integrated_number"][-1], row["bound"], row["message_id"]) for row in rows] == [
        ("1", True, None),
        ("2", False, None),
    ]
    with pytest.raises(asyncpg.UniqueViolationError):
        await schema.execute(
            "insert into person_code (integrated_number, acquisition_index, acquisition_sealed, expires_at) values ('000000000000002', 'a3', 's', now())"
        )
    with pytest.raises(asyncpg.UniqueViolationError):
        await schema.execute(
            "insert into person_code (integrated_number, acquisition_index, expires_at, code_index, code_sealed, bound_at)"
            " values ('000000000000001', 'a4', now(), 'c4', 's', now())"
        )
