"""The committer when PostgreSQL is there and does not answer: every caller gets an answer, and nothing is recorded twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from storage.committer import Applied, Lost, Statement, Write
from storage.committing import commit
from storage.database import CommitUnknownError, Database, StorageUnavailableError
from storage.log_metrics import LOG_WRITE_FAILURES, OLDEST_WAITING
from tests.storage.conftest import act
from tests.support.stopped_postgres import stopped
from transport.problem import problem_for

LIMITS = {"statement_s": 0.5, "patience_s": 1.5}
AT_MOST_S = 15.0
DONE = Statement("done", "select id from act where id = any($1::text[])")


@asynccontextmanager
async def running(committer):
    task = asyncio.ensure_future(commit([committer]))
    try:
        yield committer
    finally:
        task.cancel()
        await asyncio.wait([task])


async def insisting(committer, key):
    """The same act again until the log can be written, as a caller does after a 503."""
    for _ in range(60):
        try:
            return await committer.apply(act(key))
        except StorageUnavailableError:
            await asyncio.sleep(0.2)
    raise AssertionError("the log cannot be written although PostgreSQL works again")


async def test_an_act_is_done_once_and_the_second_loses(log):
    async with running(log.committer()) as committer:
        assert await committer.apply(act("a")) == Applied(0)
        assert await committer.apply(act("a")) == Lost(act("a").guard)
        assert await committer.apply(act("b")) == Applied(1)


async def test_a_loser_says_which_guard_lost_and_an_act_under_one_that_lost_changes_nothing(log):
    async with running(log.committer()) as committer:
        assert await committer.apply(act("allowed")) == Applied(0)
        under, none = Write(DONE, ("allowed",)), Write(DONE, ("nobody",))
        told = await committer.apply_all(
            [replace(act("a"), under=none), replace(act("b"), under=under), replace(act("a"), under=under)]
        )
        assert told == [Lost(none), Applied(1), Applied(2)]
        assert await committer.apply(replace(act("a"), under=under)) == Lost(act("a").guard)
        assert await committer.apply(replace(act("c"), under=none, guard=None)) == Lost(none)
    assert {row["id"] for row in await log.fetch("select id from act")} == {"allowed", "a", "b"}
    assert [row["idx"] for row in await log.fetch("select idx from log_entry order by idx")] == [0, 1, 2]


async def test_what_an_act_is_provided_is_looked_at_before_it_changes_anything(log):
    async with running(log.committer()) as committer:
        assert await committer.apply(act("there")) == Applied(0)
        there, missing = Write(DONE, ("there",)), Write(DONE, ("missing",))
        told = await committer.apply_all([replace(act("a"), provided=missing), replace(act("b"), provided=there)])
        assert told == [Lost(missing), Applied(1)]
        assert await committer.apply(replace(act("c"), under=missing, provided=there)) == Lost(missing)
        assert await committer.apply(replace(act("b"), provided=there)) == Lost(act("b").guard)
    assert {row["id"] for row in await log.fetch("select id from act")} == {"there", "b"}


async def test_what_somebody_does_is_judged_on_what_another_process_has_put_before_it(log):
    """It looks before the other has committed and appends behind it: it looks again."""
    looks = Statement(
        "looks",
        "with held as materialized (select pg_advisory_xact_lock(7)) select id from held, unnest($1::text[]) as id"
        " where not exists (select from act where act.id = 'taken away')",
    )
    admin, elsewhere = await asyncpg.connect(log.admin_dsn), await Database.open(log.database._dsn, connections=2)
    try:
        async with running(log.committer()) as here, running(replace(log, database=elsewhere).committer()) as there:
            assert await here.apply(act("allowed")) == Applied(0)
            await admin.execute("select pg_advisory_lock(7)")
            provided = Write(looks, ("done",))
            judged = asyncio.ensure_future(
                there.apply(replace(act("done"), under=Write(DONE, ("allowed",)), provided=provided))
            )
            async with asyncio.timeout(AT_MOST_S):
                while not await admin.fetchval(
                    "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                ):
                    await asyncio.sleep(0.01)
            assert await here.apply(act("taken away")) == Applied(1)
            await admin.execute("select pg_advisory_unlock(7)")
            assert await judged == Lost(provided)
    finally:
        await admin.close()
        await elsewhere.close()


async def test_a_stopped_database_is_refused_in_time_and_nothing_is_recorded_twice(log):
    failures = LOG_WRITE_FAILURES.labels(log.tenant)
    async with running(log.committer(**LIMITS)) as committer:
        assert await committer.apply(act("before")) == Applied(0)
        before = failures._value.get()
        with stopped(log.server.pid):
            async with asyncio.timeout(AT_MOST_S):
                outcomes = await asyncio.gather(
                    *(committer.apply(act(f"meanwhile {n}")) for n in range(5)), return_exceptions=True
                )
            assert {type(outcome) for outcome in outcomes} == {StorageUnavailableError}
            assert failures._value.get() - before == 5
        for n in range(5):
            await insisting(committer, f"meanwhile {n}")
        assert isinstance(await insisting(committer, "afterwards"), Applied)
    entries = await log.fetch("select idx from log_entry order by idx")
    acts = await log.fetch("select id from act")
    assert len(acts) == 7
    assert [row["idx"] for row in entries] == list(range(7))


async def test_a_database_that_stops_while_it_commits_is_settled_when_it_answers_again(log):
    """Stopped at any moment of busy traffic: each act is told as done, lost or unknown, and stands in the log once."""
    async with running(log.committer(**LIMITS)) as committer:
        for turn in range(3):
            acts = [asyncio.ensure_future(committer.apply(act(f"{turn}-{n}"))) for n in range(40)]
            await asyncio.sleep(0.004 * turn)
            with stopped(log.server.pid):
                async with asyncio.timeout(AT_MOST_S):
                    outcomes = await asyncio.gather(*acts, return_exceptions=True)
            for n, outcome in enumerate(outcomes):
                assert isinstance(outcome, Applied | StorageUnavailableError)
                await insisting(committer, f"{turn}-{n}")
    entries = await log.fetch("select idx from log_entry order by idx")
    assert [row["idx"] for row in entries] == list(range(120))
    assert len(await log.fetch("select id from act")) == 120


async def test_a_commit_whose_confirmation_was_lost_is_found_by_its_entry(log):
    """The server commits and its answer does not come in time: the caller is told so once the log can be read."""
    async with running(log.committer(statement_s=0.5, patience_s=AT_MOST_S)) as committer:
        assert await committer.apply(act("first")) == Applied(0)
        await _slow_commit(log)
        async with asyncio.timeout(AT_MOST_S):
            assert await committer.apply(act("slow")) == Applied(None)
    assert len(await log.fetch("select 1 from log_entry")) == 2


async def test_a_commit_without_entries_whose_confirmation_was_lost_is_told_as_unknown(log):
    """It shares its transaction with one that an entry tells of; of its own nothing tells, and it was done."""
    async with running(log.committer(statement_s=0.5, patience_s=AT_MOST_S)) as committer:
        await _slow_commit(log)
        acts = (act("noted"), replace(act("silent"), entries=()))
        async with asyncio.timeout(AT_MOST_S):
            told = await asyncio.gather(*map(committer.apply, acts), return_exceptions=True)
        assert told[0] == Applied(None)
        assert isinstance(told[1], CommitUnknownError)
        assert problem_for(told[1]).reason == "outcome_unknown"
    assert {row["id"] for row in await log.fetch("select id from act")} == {"noted", "silent"}


async def test_what_was_still_queued_was_not_done_and_what_was_under_way_may_have_been(log):
    async with running(log.committer(patience_s=0.5)) as committer:
        await _slow_commit(log)
        under_way = asyncio.ensure_future(committer.apply(act("under way")))
        await asyncio.sleep(0.2)
        told = await asyncio.gather(under_way, committer.apply(act("queued")), return_exceptions=True)
        assert [type(one) for one in told] == [CommitUnknownError, StorageUnavailableError]
        assert [problem_for(one).reason for one in told] == ["outcome_unknown", "storage_unavailable"]
        assert await insisting(committer, "under way") == Lost(act("under way").guard)
    assert {row["id"] for row in await log.fetch("select id from act")} == {"under way"}


async def _slow_commit(log):
    """Every commit of an act now takes longer than the committer waits for it."""
    admin = await asyncpg.connect(log.admin_dsn)
    try:
        await admin.execute(
            f"create function {log.tenant}.slow() returns trigger language plpgsql as "
            "$$ begin perform pg_sleep(2); return null; end $$"
        )
        await admin.execute(
            f"create constraint trigger slow after insert on {log.tenant}.act deferrable initially deferred "
            f"for each row execute function {log.tenant}.slow()"
        )
    finally:
        await admin.close()


async def test_the_age_of_the_oldest_waiting_commit_is_measured(log):
    gauge = OLDEST_WAITING.labels(log.tenant)
    async with running(log.committer(**LIMITS)) as committer:
        await committer.apply(act("before"))
        assert gauge.collect()[0].samples[0].value == 0.0
        with stopped(log.server.pid):
            waiting = asyncio.ensure_future(committer.apply(act("waits")))
            await asyncio.sleep(0.3)
            assert gauge.collect()[0].samples[0].value > 0.2
            with pytest.raises(StorageUnavailableError):
                await waiting
        assert gauge.collect()[0].samples[0].value == 0.0
