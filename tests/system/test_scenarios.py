"""The scenarios of scenarios/: each comes out as it says, and says the same bytes whenever it is played."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.demonstration.stage import SEED, WARD
from gateway.exit_codes import BAD_INPUT, OK
from gateway.first_people import Known, bring_in
from gateway.launcher import ROOT, Running
from gateway.scenario_command import read, with_lines
from gateway.scenarios.driver import RESIDENTS, Driver
from gateway.scenarios.playing import Outcome, play, system
from gateway.scenarios.reading import parse
from gateway.scenarios.sharing import systems
from gateway.scenarios.words import known
from synthetic.business import LOCAL_TAX, MEDICAL_INSURANCE
from synthetic.people import MOST_RESIDENTS, population

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
WRITTEN = {
    json.loads(line)["file"]: line
    for line in (Path(__file__).parent / "scenarios.ndjson").read_bytes().splitlines(keepends=True)
}
"""What `sekisho scenario run --json scenarios/*.yaml` has said of each; whoever changes a scenario writes its line anew (`git diff` shows what changed)."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """File name → each outcome of it. `LEFT_WRONG` are played first."""
    as_shipped, findings = read(FILES)
    assert findings == []
    scenarios = [with_lines(one, LINES) for one in as_shipped]
    found: dict[str, list[Outcome]] = {}

    def tell(outcome: Outcome) -> None:
        found.setdefault(Path(outcome.scenario.file).name, []).append(outcome)

    wrong = [parse(name, text, known()) for name, text in LEFT_WRONG.items()]
    for group in systems([*wrong, *scenarios]):
        topology = group[0].topology
        with system(tmp_path_factory.mktemp("scenarios"), key_profile="cheapest", topology=topology) as driver:
            if not said:
                said.extend(faults_by_command(driver.running.data.root))
            asyncio.run(play(driver, group, tell))
            if topology == "whole":
                first_people.append(asked_as_printed(driver.running))
    return found


ON_ANOTHER_DAY = {
    "days-pass.yaml": f"""\
scenario: 日が過ぎる
says: 令和6年の命令の日まで時計を進める。
people:
  hanako: {{at: [{WORDS}}}
steps:
  - clock: {{to: "2024-05-27T00:00:05"}}
  - ask: {{from: suginami, about: hanako, item: "48", basis: meirei-2024}}
    expect: {{state: answered, values: as_loaded}}
""",
    "of-today.yaml": f"""\
scenario: 今日
says: 令和6年の命令はまだない。
people:
  taro: {{at: [{WORDS}}}
steps:
  - ask: {{from: suginami, about: taro, item: "48", basis: meirei-2024}}
    expect: {{state: refused, reason: basis_not_in_force}}
""",
}


def test_a_scenario_says_the_same_bytes_by_itself_and_in_company(tmp_path, capsys):
    """One whose answer depends on the day, beside one that moves the clock and is named first."""
    for name, text in ON_ANOTHER_DAY.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def played(*names: str) -> list[str]:
        assert main(["scenario", "run", "--json", *(str(tmp_path / name) for name in names)]) == OK
        return capsys.readouterr().out.splitlines()

    assert sorted(played(*ON_ANOTHER_DAY)) == sorted(played("days-pass.yaml") + played("of-today.yaml"))


first_people: list[tuple[Known, str]] = []
"""Who `sekisho up --topology whole --residents 3` brings in, and what comes of the command that it prints."""


def asked_as_printed(running: Running) -> tuple[Known, str]:
    brought = [asyncio.run(bring_in(running, 3)) for _ in range(2)]
    assert brought[0] == brought[1], "the same again changes nothing"
    words = brought[0].question.replace(" sekisho ", f" {sys.executable} -m gateway ")
    done = subprocess.run(["bash", "-c", words], cwd=ROOT, capture_output=True, text=True, check=False)
    both_ways.extend(asyncio.run(asked_both_ways(Driver(running=running))))
    return brought[0], done.stdout


ANSWERED_BY = {
    ("suginami", MEDICAL_INSURANCE), ("suginami", LOCAL_TAX), ("yokohama", MEDICAL_INSURANCE), ("yokohama", LOCAL_TAX),
    ("kyokai-kenpo", MEDICAL_INSURANCE), ("koiki-rengo", MEDICAL_INSURANCE),
}  # fmt: skip
both_ways: list[tuple[str, str, str]] = []
"""Provider, information, and the outcome of what the ward, or 杉並区, asks about the first of those people under the item of the resident tax."""


async def asked_both_ways(driver: Driver) -> list[tuple[str, str, str]]:
    person = next(filter(driver.business.is_insured, population(SEED, MOST_RESIDENTS)))
    wanted = [(RESIDENTS, provider, information) for provider, information in sorted(ANSWERED_BY)]
    wanted += [("suginami-gyomu", WARD, LOCAL_TAX), ("suginami-gyomu", "kyokai-kenpo", MEDICAL_INSURANCE)]
    asked = [
        driver.to_the_ward(person, system, provider=provider, information=information)
        for system, provider, information in wanted
    ]
    answers = [await driver.ask(system, question) for (system, _, _), question in zip(wanted, asked, strict=True)]
    return [
        (provider, information, one["outcome"]) for (_, provider, information), one in zip(wanted, answers, strict=True)
    ]


said: list[tuple[int, dict]] = []
"""What `sekisho faults` said, on the first system."""


def faults_by_command(data: Path) -> list[tuple[int, dict]]:
    """Exit code and words of one command after another."""
    found = []
    for words in (
        ["set", "swap_key", "--times", "3"], ["set", "cut", "--line", "network:intermediate"], ["set", "cut", "--line", "nobody:knows"],
        ["set", "cut", "--times", "-1", "--line", "network:intermediate"], ["set", "explode"],
        ["set", "swap_key", "--times", "-1"], ["set", "swap_key", "--share", "0"], ["set", "delay"],
        ["set", "core_down", "--each", "1"], ["set", "cut", "--line", "network:intermediate", "--each", "1"],
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_scenario_says_the_bytes_that_are_written_down(outcomes, file):
    """Said on another day, by another machine, in another company and order, and by one command for all of them."""
    for outcome in outcomes[file.name]:
        assert outcome.line() == WRITTEN[file.name]


def test_nothing_is_written_down_that_is_not_shipped():
    assert set(WRITTEN) == {file.name for file in FILES}


def test_what_a_scenario_leaves_hanging_ended_or_full_does_not_harm_the_next(outcomes):
    for file in LEFT_WRONG:
        (outcome,) = outcomes[file]
        assert outcome.ok, outcome.line().decode()


def test_somebody_who_starts_the_whole_topology_asks_at_once_by_the_command_that_is_printed(outcomes):
    ((known, answer),) = first_people
    assert (known.people, known.agencies) == (3, 13)
    [item] = json.loads(answer)["items"]
    assert (item["state"], [sorted(one["items"]) for one in item["values"]]) == ("answered", [["被保険者番号"]])


def test_the_ward_and_others_are_asked_about_those_people_both_ways(outcomes):
    """Every agency that may has something of them: insurance, and at municipalities the resident tax (SK-9)."""
    assert {(provider, information) for provider, information, _ in both_ways} == ANSWERED_BY | {(WARD, LOCAL_TAX)}
    assert {outcome for _, _, outcome in both_ways} == {"answered"}


def test_faults_are_set_listed_and_cleared_by_command_and_a_mistake_sets_none(outcomes):
    codes = [code for code, _ in said]
    assert codes == [OK, OK, *[BAD_INPUT] * 9, OK, BAD_INPUT, OK, OK, OK]
    listed, cleared = said[-2][1], said[-1][1]
    assert listed["switches"]["swap_key"] == 3
    assert {name: set(bad) for name, bad in listed["lines"].items() if bad} == {"network:intermediate": {"cut"}}
    assert (listed["clocks"], listed["full_logs"]) == ({"intermediate": -60}, ["setagaya"])
    assert (cleared["clocks"], cleared["full_logs"]) == ({}, [])
    assert not any(cleared["switches"].values())
    assert not any(cleared["lines"].values())
