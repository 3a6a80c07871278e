"""Scenarios share a system where none of them can tell: what comes behind begins in time, comes upon nothing, and has people of its own."""

from __future__ import annotations

import pytest

from gateway.scenarios.reading import parse
from gateway.scenarios.scenario import Scenario
from gateway.scenarios.sharing import systems
from gateway.scenarios.words import known

ASK = 'ask: {from: suginami, about: hanako, item: "27"}'


def scenario(title: str, *steps: str, begins: str | None = None, topology: str = "default", seed: int = 1) -> Scenario:
    text = f"""\
scenario: "{title}"
says: 何か。
topology: {topology}
seed: {seed}
{"" if begins is None else f'begins: "{begins}"'}
people: {{hanako: {{at: [setagaya, suginami], insurance: given}}}}
steps:
{"".join(f"  - {one}{chr(10)}" for one in steps or (ASK,))}"""
    found = parse(f"{title}.yaml", text, known())
    assert isinstance(found, Scenario), found
    return found


def shared(*scenarios: Scenario) -> list[list[str]]:
    return [[one.title for one in group] for group in systems(scenarios)]


def test_whoever_only_asks_shares_a_system_whenever_it_begins():
    later = scenario("later", begins="2022-10-05T10:00")
    assert shared(later, scenario("one"), scenario("two")) == [["one", "two", "later"]]


def test_nobody_begins_later_than_it_says():
    moves = scenario("moves", "clock: {by: 3h}")
    in_time, too_late = (scenario(hour, begins=f"2022-10-03T{hour}:00") for hour in ("13", "12"))
    assert moves.ends == in_time.begins
    assert shared(scenario("two"), moves, in_time) == [["two", "moves", "13"]]
    assert shared(moves, too_late) == [["moves"], ["12"]]
    assert shared(moves, scenario("moves too", "clock: {to: '2022-10-03T10:05'}")) == [["moves too"], ["moves"]]


@pytest.mark.parametrize(
    "step",
    [
        "sekisho: {run: 'lists lint'}",
        "skew: {role: intermediate, seconds: 5}",
        "grant: {to: staff-1, function: staff.analyse, by: admin-1}",
        "notice: {}",
        "refused: {case: code-epoch-over}",
    ],
)
def test_whoever_leaves_something_is_the_last(step):
    found = shared(scenario("leaves", step), scenario("one"), scenario("two", begins="2022-10-05T10:00"))
    assert [group[-1] for group in found if "leaves" in group] == ["leaves"]


@pytest.mark.parametrize(
    "step",
    [
        "sekisho: {run: 'lists lint'}",
        "analysed: {agency: setagaya}",
        "statistics: {}",
        "job: {kind: statistics}",
        "rotate: {key: signing, role: intermediate, agency: setagaya}",
    ],
)
def test_whoever_tells_what_others_have_done_is_the_first(step):
    assert shared(scenario("one"), scenario("tells", step)) == [["one"], ["tells"]]


def test_what_others_have_done_is_also_who_was_somebody_before():
    assert shared(scenario("one"), scenario("one")) == [["one"], ["one"]]
    assert shared(scenario("one"), scenario("one", seed=2)) == [["one", "one"]]


def test_no_system_is_of_two_topologies():
    assert shared(scenario("one"), scenario("wide", topology="whole"), scenario("two")) == [["one", "two"], ["wide"]]
