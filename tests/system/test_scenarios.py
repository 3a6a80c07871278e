"""The scenarios of scenarios/: each comes out as it says, and says the same bytes whenever it is played."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, OK
from gateway.scenario_command import read, with_lines
from gateway.scenarios.playing import Outcome, in_order, play, system
from gateway.scenarios.reading import parse
from gateway.scenarios.words import known

FILES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
LINES = 400
"""Of a bulk inquiry here; `make scenarios` plays the file as it stands."""
WORDS = "setagaya, suginami], insurance: given"
LEFT_WRONG = {
    "left-wrong.yaml": f"""\
scenario: 黙ったまま、満ちたままで終わる
says: 役割は止まり、証跡は書けないまま。
people:
  hanako: {{at: [{WORDS}}}
steps:
  - log: {{agency: setagaya, does: full}}
  - role: {{name: intermediate, does: hang}}
  - role: {{name: neighbours-linkage, does: kill}}
""",
    "after-that.yaml": f"""\
scenario: その次
says: 何も残っていない。
people:
  taro: {{at: [{WORDS}}}
steps:
  - ask: {{from: suginami, about: taro, item: "27"}}
    expect: {{state: answered, values: as_loaded}}
""",
}
"""Played in this order, in one call with the others: a role that is restarted in between ends with the call."""
TWICE = (
    "one-inquiry.yaml",
    "held-and-released.yaml",
    "dishonest-core.yaml",
    "records.yaml",
    "two-people-for-a-right.yaml",
)
"""Played once more, in another company."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """File name → each outcome of it. `TWICE` are played first, and once more among the others; `LEFT_WRONG` before those."""
    as_shipped, findings = read(FILES)
    assert findings == []
    scenarios = [with_lines(one, LINES) for one in as_shipped]
    found: dict[str, list[Outcome]] = {}

    def tell(outcome: Outcome) -> None:
        found.setdefault(Path(outcome.scenario.file).name, []).append(outcome)

    groups = in_order(scenarios)
    wrong = [parse(name, text, known()) for name, text in LEFT_WRONG.items()]
    groups[0] = [one for one in scenarios if Path(one.file).name in TWICE], [*wrong, *groups[0]]
    for group in groups:
        topology = (group[0] if isinstance(group, tuple) else group)[0].topology
        with system(tmp_path_factory.mktemp("scenarios"), key_profile="cheapest", topology=topology) as driver:
            if not said:
                said.extend(faults_by_command(driver.running.data.root))
            for some in group if isinstance(group, tuple) else [group]:
                asyncio.run(play(driver, some, tell))
    return found


said: list[tuple[int, dict]] = []
"""What `sekisho faults` said, on the first system."""


def faults_by_command(data: Path) -> list[tuple[int, dict]]:
    """Exit code and words of one command after another."""
    found = []
    for words in (
        ["set", "swap_key", "--times", "3"], ["set", "cut", "--line", "network:intermediate"], ["set", "cut", "--line", "nobody:knows"],
        ["set", "cut", "--times", "-1", "--line", "network:intermediate"], ["set", "explode"],
        ["skew", "nobody", "1"], ["skew", "intermediate", "-60"], ["log", "full", "nobody"], ["log", "full", "setagaya"], ["list"], ["clear"],
    ):  # fmt: skip
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            code = main(["faults", *words, "--json", "--data", str(data)])
        found.append((code, json.loads(printed.getvalue() or "{}")))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_comes_out_as_it_says(outcomes, file):
    for outcome in outcomes[file.name]:
        assert outcome.ok, outcome.line().decode()


@pytest.mark.parametrize("file", TWICE)
def test_the_same_seed_gives_the_same_bytes(outcomes, file):
    first, second = outcomes[file]
    assert first.line() == second.line()


def test_what_a_scenario_leaves_hanging_ended_or_full_does_not_harm_the_next(outcomes):
    for file in LEFT_WRONG:
        (outcome,) = outcomes[file]
        assert outcome.ok, outcome.line().decode()


def test_faults_are_set_listed_and_cleared_by_command_and_a_mistake_sets_none(outcomes):
    codes = [code for code, _ in said]
    assert codes == [OK, OK, BAD_INPUT, BAD_INPUT, BAD_INPUT, BAD_INPUT, OK, BAD_INPUT, OK, OK, OK]
    listed, cleared = said[-2][1], said[-1][1]
    assert listed["switches"]["swap_key"] == 3
    assert {name: set(bad) for name, bad in listed["lines"].items() if bad} == {"network:intermediate": {"cut"}}
    assert (listed["clocks"], listed["full_logs"]) == ({"intermediate": -60}, ["setagaya"])
    assert (cleared["clocks"], cleared["full_logs"]) == ({}, [])
    assert not any(cleared["switches"].values())
    assert not any(cleared["lines"].values())
