"""LS-1.2, LS-1.3, SC-18: loads, changes, cancellations, merges and splits in any order end where a small model ends, in a real database, and any day can be
looked back at.

The model knows six rules: an addressee number means one person; a person is a base and the changes that came under their addressee numbers, in
the order of their days, and on a day in that in which they were put; an 個人番号 is one person's, on whatever day; one that somebody had before makes nobody
new, and nobody else had it; what is taken back never was; somebody new who is split off begins with what was sent for them.
Everything else is the server's business.
"""

from __future__ import annotations

import asyncio
import itertools
import os

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

from tests.support.people_clerk import Clerk
from tests.support.people_model import EVENTS, Came, Pair, People, Someone
from tests.support.replica_world import build_both
from tests.support.review_world import SYSTEMS, Desk, individual, row, with_clients

_NUMBERS = itertools.count(1_000)
_ADDRESSEES = itertools.count(1_000_001)  # of one length: in the same order in every run
_DAYS = itertools.cycle((-1, -25, -3, -31, -10))
PICK = st.integers(min_value=0, max_value=10_000)


class PeopleMachine(RuleBasedStateMachine):
    """`clerk`: the class's own; one server for all runs, new people for each."""

    clerk: Clerk

    @initialize()
    def begin(self) -> None:
        self.clerk.desk.tokens.clear()  # a token lives five minutes, the runs together longer
        self.people = People()
        self.means: dict[Pair, str] = {}
        self.replaced: dict[Pair, Pair] = {}
        self.said: list[tuple[Pair, str, str]] = []
        self.can_be_taken_back: list[tuple[Pair, str]] = []
        self.somebody_new_is_loaded_or_moves_in("juki", has_number=True, days=-30)
        self.somebody_known_is_loaded_by_another_addressee_number("kokuho", pick=0)
        self.somebody_new_is_loaded_or_moves_in("juki", has_number=True, days=0)

    # --- what the model says

    def alive(self) -> list[Someone]:
        return [one for one in self.people.values() if one.merged_into is None]

    def held_by(self, one: Someone) -> list[Pair]:
        return sorted(pair for pair, number in self.means.items() if number == one.number)

    def with_replaced(self, pairs: list[Pair]) -> list[Pair]:
        """These addressee numbers and those whose place they took."""
        found = list(pairs)
        for pair in found:
            found += [old for old, new in self.replaced.items() if new == pair]
        return sorted(found)

    def meant_by(self, pair: Pair) -> Someone:
        """Also of an addressee number whose place another took."""
        while pair in self.replaced:
            pair = self.replaced[pair]
        return self.people[self.means[pair]]

    def of_several(self) -> list[Someone]:
        return [one for one in self.alive() if self.held_by(one)]

    def merged_with_number(self) -> list[tuple[Someone, list[Pair]]]:
        """Who was merged and has a number of their own still, with the addressee numbers of who lives on."""
        merged = [one for one in self.people.values() if one.merged_into and one.individual]
        return [(one, pairs) for one in merged if (pairs := self.held_by(self.people.lives_on(one.number)))]

    # --- loads and changes

    @rule(system=st.sampled_from(SYSTEMS), has_number=st.booleans(), days=st.sampled_from([0, -30]))
    def somebody_new_is_loaded_or_moves_in(self, system: str, has_number: bool, days: int) -> None:
        nth = next(_ADDRESSEES)
        number = individual(next(_NUMBERS)) if has_number else None
        line = row(nth, address=f"架空県見本市{nth}番", name=f"架空　{nth}子", individual_number=number or "")
        said = {name: text for name, text in line.items() if text and name != "addressee_number"}
        pair = (system, f"{nth}")
        result = self.clerk.changed(pair, "move_in", days=days, **said) if days else self.clerk.registered(system, line)
        assert result["outcome"] == "issued"
        assert result["integrated_number"] not in self.people
        someone = self.people[result["integrated_number"]] = Someone(
            number=result["integrated_number"], base=line["address"], base_name=line["name"], since=days
        )
        if days:
            someone.tells(pair, days, line["address"], line["name"], registers=True)
        else:
            self.people.came[pair] = Came(0, next(EVENTS))
        if number:
            someone.has(number, days)
        if number and days:
            someone.has(number, days, pair)
        self.means[(system, f"{nth}")] = result["integrated_number"]

    @precondition(lambda self: any(one.individual for one in self.alive()))
    @rule(system=st.sampled_from(SYSTEMS), pick=PICK)
    def somebody_known_is_loaded_by_another_addressee_number(self, system: str, pick: int) -> None:
        known = [one for one in self.alive() if one.individual]
        one = known[pick % len(known)]
        nth = next(_ADDRESSEES)
        line = row(nth, address=one.address, name=one.name, individual_number=one.individual or "")
        result = self.clerk.registered(system, line)
        assert (result["outcome"], result["integrated_number"]) == ("linked", one.number)
        self.means[(system, f"{nth}")] = one.number
        self.people.came[(system, f"{nth}")] = Came(0, next(EVENTS))

    @precondition(lambda self: any(self.people[number].individual for number in self.means.values()))
    @rule(pick=PICK, days=st.sampled_from([0, -5, -20]))
    def somebody_gets_another_individual_number(self, pick: int, days: int) -> None:
        having = sorted(pair for pair, number in self.means.items() if self.people[number].individual)
        pair = having[pick % len(having)]
        new, event = individual(next(_NUMBERS)), f"e{next(EVENTS)}"
        changed = self.clerk.changed(pair, "individual_number_change", event, days=days, individual_number=new)
        assert changed["outcome"] == "applied"
        self.people[self.means[pair]].has(new, days, pair, event)
        self.can_be_taken_back.append((pair, event))

    @precondition(lambda self: self.merged_with_number())
    @rule(pick=PICK, of=PICK)
    def somebody_gets_the_number_of_whom_they_were_merged_with(self, pick: int, of: int) -> None:
        old, pairs = self.merged_with_number()[pick % len(self.merged_with_number())]
        pair, number, event = pairs[of % len(pairs)], old.individual, f"e{next(EVENTS)}"
        changed = self.clerk.changed(pair, "individual_number_change", event, individual_number=number)
        assert changed["outcome"] == "applied"
        self.people[self.means[pair]].has(number, 0, pair, event)
        self.can_be_taken_back.append((pair, event))
        old.gave_number = old.since_taken_over = True

    @precondition(lambda self: self.means)
    @rule(pick=PICK, days=st.sampled_from([0, -5, -20]), new=st.booleans())
    def somebody_returns(self, pick: int, days: int, new: bool) -> None:
        pair = sorted(self.means)[pick % len(self.means)]
        one = self.people[self.means[pair]]
        number = individual(next(_NUMBERS)) if new else one.individual or ""
        line = row(0, address=f"架空県帰来市{next(_ADDRESSEES)}番", name=one.name, individual_number=number)
        said = {name: text for name, text in line.items() if text and name != "addressee_number"}
        result = self.clerk.changed(pair, "move_in", days=days, **said)
        if new and one.individual and one.would_have(days):
            assert (result["outcome"], result["reason"]) == ("held", "individual_number_differs")
            hold = self.clerk.hold_of(pair[0], int(pair[1]), "individual_number_differs")
            self.clerk.decide("holds/decide", hold_id=hold, action="link")
        else:
            assert result["outcome"] == "applied"
        one.tells(pair, days, line["address"], line["name"])
        if number:
            one.has(number, days, pair)

    @precondition(lambda self: self.means and any(one.numbers for one in self.people.values()))
    @rule(pick=PICK, whose=PICK, of=PICK, days=st.sampled_from([0, -5, -20]))
    def somebody_is_told_to_have_had_another_persons_number(self, pick: int, whose: int, of: int, days: int) -> None:
        pair = sorted(self.means)[pick % len(self.means)]
        having = [one for one in self.people.values() if one.numbers]
        one = having[whose % len(having)]
        number = one.numbers[of % len(one.numbers)]
        taken = any(number == each.individual for each in self.people.values())
        theirs = self.people.family(self.people[self.means[pair]])
        if one in theirs or any(number in each.numbers for each in theirs):
            return
        result = self.clerk.changed(pair, "individual_number_change", days=days, individual_number=number)
        assert result["outcome"] == "held"
        assert result["reason"] == ("individual_number_taken" if taken else "individual_number_former")

    @precondition(lambda self: any(one.formers and not one.since_taken_over for one in self.people.values()))
    @rule(system=st.sampled_from(SYSTEMS), pick=PICK, of=PICK, accepted=st.booleans())
    def somebody_comes_with_a_number_of_before(self, system: str, pick: int, of: int, accepted: bool) -> None:
        having = [one for one in self.people.values() if one.formers and not one.since_taken_over]
        had = having[pick % len(having)]
        now = self.people.lives_on(had.number)
        nth = next(_ADDRESSEES)
        number = had.formers[of % len(had.formers)]
        came = row(nth, address=now.address, individual_number=number)
        result = self.clerk.registered(system, came)
        assert (result["outcome"], result["reason"]) == ("held", "individual_number_former")
        if accepted:
            self.clerk.decide("holds/decide", hold_id=self.clerk.hold_of(system, nth), action="link")
            self.means[(system, f"{nth}")] = now.number
            self.people.seen[(system, f"{nth}")] = (came["name"], came["address"])

    @precondition(lambda self: self.means)
    @rule(pick=PICK)
    def somebody_moves(self, pick: int) -> None:
        pair = sorted(self.means)[pick % len(self.means)]
        event, address = f"e{next(EVENTS)}", f"架空県移転市{next(_ADDRESSEES)}番"
        assert self.clerk.changed(pair, "address_change", event, address=address)["outcome"] == "applied"
        self.said.append((pair, event, address))
        self.can_be_taken_back.append((pair, event))
        self.people[self.means[pair]].tells(pair, 0, address, event=event)

    @precondition(lambda self: self.means)
    @rule(pick=PICK)
    def an_addressee_number_takes_the_place_of_another(self, pick: int) -> None:
        pair = sorted(self.means)[pick % len(self.means)]
        new = (pair[0], f"{next(_ADDRESSEES)}")
        assert self.clerk.changed(pair, "addressee_end", replaced_by=new[1])["outcome"] == "applied"
        self.means[new] = self.means.pop(pair)
        self.replaced[pair] = new
        self.people.takes_place(new, pair)

    @precondition(lambda self: self.said)
    @rule(pick=PICK)
    def a_change_comes_again(self, pick: int) -> None:
        pair, event, address = self.said[pick % len(self.said)]
        assert self.clerk.changed(pair, "address_change", event, address=address)["outcome"] == "unchanged"

    @precondition(lambda self: self.can_be_taken_back)
    @rule(pick=PICK, days=st.sampled_from([0, -3]))
    def a_change_is_taken_back(self, pick: int, days: int) -> None:
        pair, event = self.can_be_taken_back[pick % len(self.can_be_taken_back)]
        stands_with = [
            one for one in self.people.values() if any(each.event == event for each in (*one.events, *one.told))
        ]
        if not stands_with:
            return  # a decision has said that it was never so
        [one] = stands_with
        theirs = self.people.family(self.meant_by(pair))
        result = self.clerk.changed(pair, "cancellation", days=days, cancels=event)
        if one not in theirs:
            assert (result["outcome"], result["reason"]) == ("rejected", "cancels_another_persons")
            return
        assert (result["outcome"], result["reason"]) == ("applied", None)
        one.takes_back(event)
        if one.merged_into and any(one.individual == each.individual for each in theirs if each is not one):
            one.gave_number = one.since_taken_over = one.individual is not None or one.gave_number

    # --- reviews

    @precondition(lambda self: len(self.alive()) > 1)
    @rule(pick=PICK, other=PICK)
    def two_numbers_are_one_person(self, pick: int, other: int) -> None:
        alive = self.alive()
        old = alive.pop(pick % len(alive))
        survivor = alive[other % len(alive)]
        if not (old.individual and survivor.individual) and old.shown != survivor.shown:
            body = {"integrated_number": old.number, "other_integrated_number": survivor.number}
            refused = self.clerk.ask(self.clerk.desk.say("links/merge", **body))
            assert (refused.status, refused.body["reason"]) == (409, "fewer_than_four_items")
            return
        self.clerk.decide("links/merge", integrated_number=old.number, other_integrated_number=survivor.number)
        held = self.held_by(old)
        for pair in held:
            self.means[pair] = survivor.number
        self.people.merge(old, survivor, self.with_replaced(held))

    @precondition(lambda self: self.of_several())
    @rule(pick=PICK, count=PICK, to=PICK, number_goes=st.booleans(), new=st.booleans(), last=st.booleans())
    def somebody_is_two_people(self, pick: int, count: int, to: int, number_goes: bool, new: bool, last: bool) -> None:
        several = self.of_several()
        wrong = several[pick % len(several)]
        held = self.held_by(wrong)
        moving = held[-1:] if last else held[: 1 + count % len(held)]
        others = [
            one
            for one in self.people.values()
            if one is not wrong and self.people.lives_on(one.number) in (one, wrong) and not one.since_taken_over
        ]
        right = others[to % len(others)] if others and not new else None
        replaces = right is not None and right.individual is not None
        leaving = self.with_replaced(moving)
        told = wrong.told_under(wrong.individual, leaving)
        goes = number_goes and wrong.individual is not None and (bool(told) or not replaces)
        body = {
            "integrated_number": wrong.number,
            "other_integrated_number": right.number if right else "",
            "addressees": [{"business_system": pair[0], "addressee_number": pair[1]} for pair in moving],
            "individual_number_goes": goes,
        }
        begins, is_new = self.people.beginning(wrong, leaving), right is None
        if is_new and begins is None:
            refused = self.clerk.ask(self.clerk.desk.say("links/split", **body))
            assert (refused.status, refused.body["reason"]) == (409, "items_not_known")
            return
        self.clerk.decide("links/split", **body)
        if right is None and begins is not None:
            number = self.clerk.ask(self.clerk.desk.person_of(*moving[0]))
            assert number not in self.people
            since, (name, base) = begins
            right = self.people[number] = Someone(number=number, base=base, base_name=name, since=since)
        assert right is not None
        self.people.part(wrong, right, leaving, is_new=is_new)
        for pair in moving:
            self.means[pair] = right.number
        if goes:
            wrong.gives(right, leaving)

    @precondition(lambda self: self.alive())
    @rule(pick=PICK, system=st.sampled_from(SYSTEMS))
    def somebody_is_frozen_and_gets_another_addressee_number_once_released(self, pick: int, system: str) -> None:
        one = self.alive()[pick % len(self.alive())]
        frozen = self.clerk.ask(self.clerk.desk.propose("links/freeze", integrated_number=one.number))
        assert frozen["state"] == "done"
        pair, line = (system, f"{next(_ADDRESSEES)}"), None
        if one.individual:
            line = row(pair[1], address=one.address, name=one.name, individual_number=one.individual)
            result = self.clerk.registered(system, line)
            assert (result["outcome"], result["reason"]) == ("held", "person_frozen")
        self.clerk.decide("links/release", integrated_number=one.number)
        if line is not None:
            hold = self.clerk.hold_of(system, int(pair[1]), "person_frozen")
            self.clerk.decide("holds/decide", hold_id=hold, action="link", integrated_number=one.number)
            self.means[pair] = one.number
            self.people.seen[pair] = (line["name"], line["address"])

    # --- what must hold after every step

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        if not getattr(self, "people", None):
            return
        rows = self.clerk.ask(
            self.clerk.desk.world.linkage.rows(
                "select integrated_number, merged_into, frozen, individual_number_index is not null as has_number, "
                "(select count(*) from former_individual_number f where f.integrated_number = p.integrated_number) as formers from person p "
                "where integrated_number = any($1::bigint[])",
                [int(number) for number in self.people],
            )
        )
        held = {f"{one['integrated_number']:015d}": one for one in rows}
        assert set(held) == set(self.people)
        for number, one in self.people.items():
            merged = held[number]["merged_into"]
            assert (f"{merged:015d}" if merged is not None else None) == one.merged_into
            assert held[number]["frozen"] == (one.merged_into is not None)
            assert held[number]["has_number"] == (one.individual is not None)
            assert held[number]["formers"] == len(one.formers)
        means = {each: number for pair, number in self.means.items() for each in self.with_replaced([pair])}
        assert self.clerk.people_of(means) == means
        for one in self.alive():
            assert self.clerk.shown(one.number) == (one.address, one.individual)

    @invariant()
    def any_day_can_be_looked_back_at(self) -> None:
        day = next(_DAYS)
        for pair, found in self.clerk.as_of(getattr(self, "means", {}), day).items():
            one = self.people[self.means[pair]]
            expected = self.people.as_of(one, pair, day)
            assert (found["name"], found["address"]) == expected if found["known"] else expected is None
            if day >= one.since:
                assert (found.get("individual_number") or None) == (one.numbers_on(day) or [None])[-1]


async def _serve(tmp_path, cluster, standing: asyncio.Future[Desk], over: asyncio.Event) -> None:
    """Both servers until it is over: the intermediate server is told of every split."""
    world = await with_clients(await build_both(tmp_path, cluster))
    async with world.standing(), world.served() as caller:
        standing.set_result(Desk(world=world, caller=caller))
        await over.wait()


async def _begin(tmp_path, cluster) -> tuple[asyncio.Task[None], asyncio.Event, Desk]:
    standing, over = asyncio.get_running_loop().create_future(), asyncio.Event()
    serving = asyncio.get_running_loop().create_task(_serve(tmp_path, cluster, standing, over))
    await asyncio.wait([serving, standing], return_when=asyncio.FIRST_COMPLETED)
    return serving, over, standing.result() if standing.done() else await _failed(serving)


async def _failed(serving: asyncio.Task[None]) -> Desk:
    await serving
    raise AssertionError("the server ended before it stood")


def test_loads_changes_merges_and_splits_in_any_order_end_where_the_model_ends(tmp_path, linkage_cluster):
    with asyncio.Runner() as runner:
        serving, over, desk = runner.run(_begin(tmp_path, linkage_cluster))
        PeopleMachine.clerk = Clerk(desk, runner)
        try:
            run_state_machine_as_test(
                PeopleMachine,
                settings=settings(
                    max_examples=12,
                    stateful_step_count=14,
                    derandomize="SEKISHO_EXAMPLES" not in os.environ,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            over.set()
            runner.run(asyncio.wait_for(serving, 30))
