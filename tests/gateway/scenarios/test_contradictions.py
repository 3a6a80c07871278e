"""What a scenario says twice, for nothing, or against what it said before is refused before anything starts."""

from __future__ import annotations

import pytest

from gateway.scenarios.reading import parse
from gateway.scenarios.scenario import Scenario
from gateway.scenarios.words import known
from tests.gateway.scenarios.test_scenario_forms import STEPS, findings


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("line: {between: 'network:intermediate', does: cut, ms: 5}", "says_nothing"),
        ("faults: {share: 30}", "says_nothing"),
        ("faults: {each: 1}", "says_nothing"),
        ("rotate: {key: sealing, role: intermediate, agency: setagaya, overlap_days: 3}", "says_nothing"),
        ("held: {of: first, does: show, why: non_disclosure}", "says_nothing"),
        ("held: {of: first, does: release, why: refused_by_staff}", "says_nothing"),
        ("bring: {about: hanako, numbered: hanako, without_number: true}", "says_nothing"),
        ("notice: {of: first}", "says_nothing"),
        ("insider: {act: gives-rights, about: hanako}", "says_nothing"),
        ("insider: {act: asks-about-a-stranger, of: first}", "says_nothing"),
        ("extract: {about: hanako, shown_to: hanako}", "says_nothing"),
        ("agree: {parties: [setagaya, suginami, setagaya]}", "stands_twice"),
        ("agree: {parties: []}", "form"),
        ("find: {about: hanako, by: [name, name]}", "form"),
        ("log: {agency: setagaya, does: free}", "form"),
        ("skew: {role: intermediate, seconds: 0}", "form"),
        ("line: {between: 'network:intermediate', does: cut, times: 0}", "form"),
        ("faults: {set: {swap_key: 0}}", "form"),
    ],
)
def test_what_says_nothing_or_ends_what_was_not_begun_is_refused(step, code):
    found = findings(STEPS.replace("STEP", step))
    assert code in {each for _, each in found}
    assert {line for line, _ in found} == {9}


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (["log: {agency: setagaya, does: full}", "log: {agency: setagaya, does: free}"], []),
        (["log: {agency: setagaya, does: full}", "log: {agency: suginami, does: free}"], [7]),
        (["log: {agency: setagaya, does: full}", "log: {agency: setagaya, does: full}"], [7]),
        (["skew: {role: network, seconds: 60}", "skew: {role: network, seconds: 0}", "skew: {role: network, seconds: 0}"], [8]),
        (["faults: {set: {swap_key: 3}}", "faults: {set: {swap_key: 0}}"], []),
        (["sekisho: {run: faults log full setagaya}", "log: {agency: setagaya, does: free}"], []),
    ],
)  # fmt: skip
def test_a_fault_is_ended_that_was_begun_by_a_step_or_may_have_been_by_a_command(steps, wrong):
    text = "scenario: 障害\nsays: 起きて終わる。\ncites: [SC-6]\nbegins: '2022-11-01T10:00'\nsteps:\n"
    found = parse("x.yaml", text + "".join(f"  - {step}\n" for step in steps), known())
    assert ([] if isinstance(found, Scenario) else [one.line for one in found]) == wrong


@pytest.mark.parametrize(
    ("begins", "first", "second", "where"),
    [
        ("2022-11-01T10:00", "{to: '2022-11-01T09:59'}", "{by: 1d}", [(6, "form")]),
        ("2022-11-01T10:00", "{by: 1d}", "{to: '2022-11-02T09:59'}", [(7, "form")]),
        ("2022-11-01T10:00", "{to: '2022-11-03T00:00'}", "{to: '2022-11-02T00:00'}", [(7, "form")]),
        ("2022-11-01T10:00", "{by: 1d}", "{to: '2022-11-02T10:01'}", []),
        ("2022-11-01T10:00", "{to: '2122-12-30T00:00'}", "{by: 2d}", [(7, "form")]),
        ("2022-11-01T10:00", "{to: '2123-01-01T00:00'}", "{by: 1d}", [(6, "form")]),
    ],
)
def test_the_clock_of_a_scenario_goes_forwards_only_and_not_without_end(begins, first, second, where):
    text = f"scenario: 時\nsays: 進む。\nbegins: {begins!r}\nsteps:\n  - pause: {{}}\n  - clock: {first}\n  - clock: {second}\n"
    found = parse("x.yaml", text, known())
    assert ([] if isinstance(found, Scenario) else [(one.line, one.code) for one in found]) == where


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ("stop start stop kill", [9]),
        ("kill hang", [7]),
        ("kill restart hang wake", []),
        ("hang stop", [7]),
        ("hang start", [7]),
        ("hang kill start start", [9]),
    ],
)
def test_a_role_that_does_not_run_is_started_and_one_that_runs_is_not(steps, wrong):
    done = "".join(f"  - role: {{name: network, does: {one}}}\n" for one in steps.split())
    found = parse(
        "x.yaml", f"scenario: 役割\nsays: 止まる。\nbegins: '2022-11-01T10:00'\ncites: [SC-6]\nsteps:\n{done}", known()
    )
    assert ([] if isinstance(found, Scenario) else [one.line for one in found]) == wrong
