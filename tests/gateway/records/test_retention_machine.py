"""Retention (SC-3, SC-6, SC-16): records, corrections, results and time in any order; a small model knows what may be read when.

The model knows two rules: a record may be read until its fiscal year is seven years over, a result until its hour is over. The log is the server's.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from evidence.erasure import erasable_from
from evidence.proven_records import verify_records
from gateway.intermediate_server.agency import hour_of
from gateway.intermediate_server.records import extracting, searching
from keys.errors import KeyUnusable
from storage.committer import fiscal_year
from tests.support.records_world import Records, records_world
from transport.clock import JST

PEOPLE = ("100000000000001", "100000000000002")
_RUNS = itertools.count(1)
PICK = st.integers(min_value=0, max_value=10_000)


@dataclass(frozen=True)
class Known:
    """A record or a correction, as the model has it."""

    entry_id: str
    person: str
    at: datetime
    correction: bool = False

    @property
    def until(self) -> datetime:
        return erasable_from(fiscal_year(self.at))


@dataclass(frozen=True)
class Result:
    purpose: str
    sealed: bytes
    until: datetime


class RetentionMachine(RuleBasedStateMachine):
    """`run` and `begin` are the class's own; each run has an agency and a log of its own."""

    run: asyncio.Runner
    begin: Callable[[], Awaitable[tuple[asyncio.Task[None], asyncio.Event, Records]]]

    @initialize()
    def an_agency_begins(self) -> None:
        self.serving, self.over, self.world = self.run.run(type(self).begin())
        self.known: list[Known] = []
        self.results: list[Result] = []
        self.proofs: list[bytes] = []
        self.sizes: dict[int, int] = {}

    @property
    def now(self) -> datetime:
        return self.world.clock.now

    @rule(person=st.sampled_from(PEOPLE))
    def somebody_asks(self, person: str) -> None:
        entry = self.run.run(self.world.put(person))
        self.known.append(Known(entry.entry_id, person, self.now))

    def correctable(self) -> list[Known]:
        return [one for one in self.known if one.until > self.now and not one.correction]

    @precondition(lambda self: self.correctable())
    @rule(pick=PICK, person=st.sampled_from(PEOPLE))
    def a_record_turns_out_to_be_another_persons(self, pick: int, person: str) -> None:
        alive = self.correctable()
        entry_id = self.run.run(self.world.corrected(alive[pick % len(alive)].entry_id, person))
        self.known.append(Known(entry_id, person, self.now, correction=True))

    @rule(hours=st.integers(1, 30))
    def an_answer_is_kept(self, hours: int) -> None:
        until = self.now + timedelta(hours=hours)
        purpose = f"result/{hour_of(until)}"
        sealed = self.world.agency.keys.ensure(purpose).encrypt(purpose, b"answer", b"")
        self.results.append(Result(purpose, sealed, until))

    @precondition(lambda self: any(one.until > self.now for one in self.known))
    @rule(pick=PICK)
    def a_proof_is_kept(self, pick: int) -> None:
        alive = [one for one in self.known if one.until > self.now]
        item = searching.ShowItem(entry_id=alive[pick % len(alive)].entry_id, proof=True)
        answer = self.run.run(searching.show(self.world.agency, item, lambda _a, _i: True, self.now))
        self.proofs.append(answer["proof"].encode())

    @rule(hours=st.integers(1, 60))
    def hours_pass(self, hours: int) -> None:
        self._pass(self.now + timedelta(hours=hours))

    @rule(years=st.integers(0, 5), seconds=st.sampled_from([-1, 0, 1]))
    def years_pass(self, years: int, seconds: int) -> None:
        """To about the beginning of a fiscal year in Japan."""
        local = self.now.astimezone(JST)
        turn = datetime(local.year + 1 + years, 4, 1, tzinfo=JST).astimezone(UTC)
        self._pass(turn + timedelta(seconds=seconds))

    def _pass(self, now: datetime) -> None:
        self.run.run(self.world.years_pass(now))
        self.run.run(self.world.sweep())

    @invariant()
    def what_is_shown_is_what_may_be_read(self) -> None:
        for one in self.known:
            item = searching.ShowItem(entry_id=one.entry_id)
            answer = self.run.run(searching.show(self.world.agency, item, lambda _a, _i: True, self.now))
            assert bool(answer["record"].get("erased")) == (one.until <= self.now)

    @invariant()
    def a_person_is_found_by_what_may_be_read_and_nothing_else(self) -> None:
        for person in PEOPLE:
            right = {one.entry_id for one in self.known if one.person == person and one.until > self.now}
            found = self.run.run(self.world.search(person=person))
            assert {one["id"] for one in found} == right
            shown = self.run.run(extracting.extract(self.world.agency, extracting.ExtractItem(person=person), self.now))
            assert len(shown) == len(right)

    @invariant()
    def a_result_opens_until_its_hour_is_over(self) -> None:
        for one in self.results:
            if one.until > self.now:
                assert self.world.agency.keys.ring.decrypt(one.purpose, one.sealed, b"") == b"answer"
            elif f"result/{hour_of(self.now)}" > one.purpose:
                try:
                    self.world.agency.keys.ring.decrypt(one.purpose, one.sealed, b"")
                except KeyUnusable:
                    continue
                raise AssertionError("a result opens after its hour")

    @invariant()
    def the_log_only_grows_and_every_kept_proof_holds(self) -> None:
        rows = self.run.run(self.world.inside("select year, size from log_head where size > 0"))
        sizes = {row["year"]: row["size"] for row in rows}
        assert all(sizes[year] >= size for year, size in self.sizes.items())
        self.sizes = sizes
        for proof in self.proofs[-5:]:
            assert verify_records("kept", proof.splitlines(keepends=True), self.world.trusted()).clean

    def teardown(self) -> None:
        """Every year's export verifies with the others, whatever is gone from it; every proof that was ever kept holds."""
        if not hasattr(self, "world"):
            return
        try:
            report = self.run.run(self.world.verified(*sorted(self.sizes)))
            assert report.findings == ()
            for proof in self.proofs:
                assert verify_records("kept", proof.splitlines(keepends=True), self.world.trusted()).clean
        finally:
            self.over.set()
            self.run.run(asyncio.wait_for(self.serving, 30))


async def _stand(folder: Path, cluster: str, standing: asyncio.Future[Records], over: asyncio.Event) -> None:
    nth = next(_RUNS)
    (folder / f"{nth}").mkdir()
    async with records_world(folder / f"{nth}", cluster) as world:
        standing.set_result(world)
        await over.wait()


async def _begin(folder: Path, cluster: str) -> tuple[asyncio.Task[None], asyncio.Event, Records]:
    standing, over = asyncio.get_running_loop().create_future(), asyncio.Event()
    serving = asyncio.get_running_loop().create_task(_stand(folder, cluster, standing, over))
    await asyncio.wait([serving, standing], return_when=asyncio.FIRST_COMPLETED)
    if not standing.done():
        await serving
    return serving, over, standing.result()


def test_records_results_and_time_in_any_order_keep_what_may_be_read_and_nothing_else(tmp_path, cluster):
    with asyncio.Runner() as runner:
        RetentionMachine.run, RetentionMachine.begin = runner, lambda: _begin(tmp_path, cluster)
        run_state_machine_as_test(
            RetentionMachine,
            settings=settings(
                max_examples=10,
                stateful_step_count=12,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
