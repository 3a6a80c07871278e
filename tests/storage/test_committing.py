"""Several tenants' commits in one transaction: each under its own role, and no tenant's trouble is another's (SC-8, SC-21)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from evidence import checkpoint
from keys.signing import Signer, generate_seed
from keys.windows import PublicKeys
from storage.committer import Applied, Lost, Statement, Write
from storage.committing import Committing, commit
from storage.database import NUL_IN_TEXT, Database, StorageUnavailableError, enter
from storage.log_metrics import COMMIT_SECONDS
from storage.pace import Pace
from tests.storage.conftest import act
from transport.checkpoints import peer_notes
from transport.clock import Clock
from transport.register import Register

LIMITS = {"statement_s": 1.0, "patience_s": 5.0}
BROKEN = Statement("broken", "insert into no_such_table (id) select * from unnest($1::text[]) returning id")


@asynccontextmanager
async def committing(*committers):
    task = asyncio.ensure_future(commit(committers))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def transactions() -> float:
    return next(one.value for one in COMMIT_SECONDS.collect()[0].samples if one.name.endswith("_count"))


async def test_tenants_that_wait_together_share_a_transaction_and_each_writes_under_its_own_role(logs):
    committers = [log.committer() for log in logs]
    waiting = [asyncio.ensure_future(committer.apply(act("together"))) for committer in committers]
    await asyncio.sleep(0)
    before = transactions()
    async with committing(*committers):
        assert await asyncio.gather(*waiting) == [Applied(0)] * len(logs)
    assert transactions() - before == 1
    for log in logs:
        assert [row["done_by"] for row in await log.fetch("select done_by from act")] == [log.tenant]
        assert len(await log.fetch("select 1 from log_entry")) == 1


async def test_commits_go_by_one_connection_whatever_else_is_read_meanwhile(logs):
    first = logs[0]
    committer = first.committer()
    async with committing(committer), AsyncExitStack() as readers:
        for nth in range(3):
            assert await committer.apply(act(f"act-{nth}")) == Applied(nth)
            await readers.enter_async_context(first.database.inside(first.tenant))
    assert len({row["backend"] for row in await first.fetch("select backend from act")}) == 1


async def test_a_tenant_that_joins_later_shares_transactions_too_and_nothing_that_waited_is_lost(logs):
    first, later = logs[0].committer(), logs[1].committer()
    work = Committing()
    work.join([first])
    task = asyncio.ensure_future(work.run())
    try:
        assert await first.apply(act("alone")) == Applied(0)
        waiting = asyncio.ensure_future(later.apply(act("before it joined")))
        await asyncio.sleep(0)
        work.join([later])
        assert await waiting == Applied(0)
        before = transactions()
        both = [asyncio.ensure_future(one.apply(act("together"))) for one in (first, later)]
        assert await asyncio.gather(*both) == [Applied(1)] * 2
        assert transactions() - before == 1
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_commit_that_breaks_harms_neither_its_tenant_nor_another(logs):
    committers = [log.committer() for log in logs]
    broken = replace(act("broken"), guard=Write(BROKEN, ("broken",)))
    async with committing(*committers):
        told = await asyncio.gather(
            committers[0].apply(act("a")),
            committers[1].apply(act("b")),
            committers[1].apply(broken),
            committers[2].apply(act("c")),
            committers[2].apply(act("with a \0")),
            return_exceptions=True,
        )
        assert isinstance(told[2], StorageUnavailableError)
        assert isinstance(told[4], NUL_IN_TEXT)  # the caller's fault, and told as such
        assert [type(one) for at, one in enumerate(told) if at not in {2, 4}] == [Applied] * 3
        assert await committers[1].apply(act("afterwards")) == Applied(1)


async def test_a_tenant_whose_log_is_locked_keeps_no_other_waiting_for_long(logs):
    committers = [log.committer(**LIMITS) for log in logs]
    async with committing(*committers):
        await asyncio.gather(*(committer.apply(act("before")) for committer in committers))
        other = await asyncpg.connect(logs[0].admin_dsn)
        try:
            async with other.transaction():
                await other.execute(f"select * from {logs[0].tenant}.log_head for update")
                told = await asyncio.gather(
                    *(committer.apply(act("meanwhile")) for committer in committers), return_exceptions=True
                )
        finally:
            await other.close()
        assert isinstance(told[0], StorageUnavailableError)
        assert told[1:] == [Applied(1)] * 3


async def test_one_act_that_was_done_before_loses_and_the_others_of_its_batch_win(logs):
    committer = logs[0].committer()
    async with committing(committer):
        assert await committer.apply(act("old")) == Applied(0)
        told = await committer.apply_all([act("new 1"), act("old"), act("new 2")])
        assert told == [Applied(1), Lost(act("old").guard), Applied(2)]
    assert [row["idx"] for row in await logs[0].fetch("select idx from log_entry order by idx")] == [0, 1, 2]


async def test_two_processes_append_to_one_log_without_a_gap_or_a_fork(logs, cluster):
    log = logs[0]
    first, second = log.committer(), log.committer()
    async with committing(first), committing(second):
        await asyncio.gather(*(one.apply(act(f"{at}")) for at in range(60) for one in (first, second)))
    entries = await log.fetch("select idx from log_entry order by idx")
    assert [row["idx"] for row in entries] == list(range(60))
    assert len(await log.fetch("select 1 from act")) == 60


async def test_entering_another_tenant_leaves_the_first_one(logs):
    """In one transaction too, a tenant's role sees its own schema and nothing else."""
    one, other = logs[:2]
    database: Database = one.database
    async with database.inside(one.tenant) as connection:
        await enter(connection, other.tenant)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"select * from {one.tenant}.act")


async def test_a_checkpoint_is_kept_under_the_name_of_the_log_that_signed_it_and_of_no_other(logs):
    """One agency's signed history never stands for another's (SC-21), and an older one never for a newer one."""
    ours, theirs, root = Signer(generate_seed()), Signer(generate_seed()), bytes(32)
    known = {f"sekisho.example/{name}/intermediate": PublicKeys.of(one.public_key) for name, one in (("a", ours), ("b", theirs))}  # fmt: skip
    register = Register(agencies={}, peers={}, logs=known, permit_keys=PublicKeys(()))
    committer = logs[0].committer()
    keep = peer_notes(lambda: register, committer, Clock())
    a, b, nobody = (f"sekisho.example/{name}/intermediate/2026" for name in ("a", "b", "nobody"))
    for origin, signer in ((b, ours), (a, theirs), (nobody, ours)):
        keep(checkpoint.sign(origin, 3, root, signer))
        assert committer.kept_of(origin) is None
    newest = checkpoint.sign(a, 5, root, ours)
    keep(newest)
    keep(checkpoint.sign(a, 4, root, ours))
    assert committer.kept_of(a) == newest


def test_nobody_waits_at_rest_and_a_full_batch_goes_at_once():
    pace = Pace()
    for at in range(10):
        pace.came(at * 0.5)
    assert pace.wait_s(1, 0.0) == 0.0
    for at in range(200):
        pace.came(10 + at / 200)
    assert 0.0 < pace.wait_s(1, 0.0) <= 0.01
    assert pace.wait_s(8, 0.0) == 0.0


def test_what_the_oldest_has_waited_already_is_taken_off():
    pace = Pace()
    for at in range(200):
        pace.came(at / 200)
    whole = pace.wait_s(1, 0.0)
    assert pace.wait_s(1, 0.005) == pytest.approx(whole - 0.005)
    assert pace.wait_s(1, 0.5) == 0.0


def test_who_comes_fast_but_alone_is_hardly_ever_made_to_wait():
    pace, now, waits = Pace(), 0.0, 0
    for _ in range(400):  # comes again when the answer is there, four milliseconds after
        pace.came(now)
        pause = pace.wait_s(1, 0.0)
        waits += pause > 0
        now += pause + 0.004
    assert 0 < waits < 20
    for _ in range(400):  # others come meanwhile
        pace.came(now)
        pace.came(now + 0.001)
        waits += pace.wait_s(1, 0.0) > 0
        now += 0.005
    assert waits > 300
