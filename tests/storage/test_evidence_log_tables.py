"""The tables of a log go forward only: for its tenant, and by triggers for the administrator too."""

from __future__ import annotations

import asyncpg
import pytest

from tests.storage.conftest import act
from tests.storage.test_committer import running

REFUSED = asyncpg.InsufficientPrivilegeError
PEER = "insert into peer_checkpoint (origin, size, note, seen_at) values ('sekisho.example/other/core/2026', 7, 'note', now())"
BACKWARDS = [
    "update log_head set size = size - 1",
    "update log_head set size = 0, peaks = ''",
    "update log_head set note = 'another'",
    "update log_head set origin = 'sekisho.example/another', size = size + 1",
    "update log_head set year = year + 1, size = size + 1",
    "delete from log_head where size >= 0",
    "truncate log_head cascade",
    "update peer_checkpoint set size = 6",
    "update peer_checkpoint set origin = 'sekisho.example/another', size = 8",
    "delete from peer_checkpoint",
    "truncate peer_checkpoint",
]


@pytest.fixture
async def filled(log):
    async with running(log.committer()) as committer:
        await committer.apply(act("a"))
        await committer.apply(act("b"))
    async with log.database.inside(log.tenant) as connection:
        await connection.execute(PEER)
    return log


@pytest.mark.parametrize("statement", BACKWARDS)
async def test_the_tenant_takes_nothing_back(filled, statement):
    with pytest.raises(REFUSED):
        async with filled.database.inside(filled.tenant) as connection:
            await connection.execute(statement)


@pytest.mark.parametrize("statement", BACKWARDS)
async def test_the_administrator_takes_nothing_back_by_a_plain_statement(filled, statement):
    admin = await asyncpg.connect(filled.admin_dsn)
    try:
        await admin.execute(f"set search_path to {filled.tenant}")
        with pytest.raises(REFUSED):
            await admin.execute(statement)
    finally:
        await admin.close()


async def test_forward_is_allowed(filled):
    async with filled.database.inside(filled.tenant) as connection:
        await connection.execute("update peer_checkpoint set size = 8, note = 'later'")
    async with running(filled.committer()) as committer:
        await committer.apply(act("c"))
    assert [row["size"] for row in await filled.fetch("select size from log_head")] == [3]
