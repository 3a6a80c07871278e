"""A scenario with any mistake is refused whole, with file, line, what is wrong and how to mend it; nothing is started for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, OK
from gateway.scenarios.playing import ROLES
from gateway.scenarios.scenario import DEFAULT, MOST_STEPS, Scenario, parse
from gateway.scenarios.words import VERBS, known

SHIPPED = sorted((Path(__file__).parents[3] / "scenarios").glob("*.yaml"))
GOOD = """\
scenario: 見本
says: 一件尋ねる。
people:
  hanako: {at: [setagaya, suginami], insurance: given}
steps:
  - ask: {from: suginami, about: hanako, item: "27"}
    as: first
    expect: {state: answered}
  - recorded:
      of: first
      by: network
    expect:
      kinds: [permit.issued]
"""


def findings(text: str) -> list[tuple[int, str]]:
    found = parse("x.yaml", text, known())
    assert not isinstance(found, Scenario)
    assert all(one.file == "x.yaml" and one.what and one.mend for one in found)
    return [(one.line, one.code) for one in found]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_is_well_formed_and_expects_something(path):
    found = parse(path.name, path.read_text(encoding="utf-8"), known())
    assert isinstance(found, Scenario), found
    assert found.cites
    assert sum(bool(step.expect) for step in found.steps) >= 1


def test_every_verb_and_every_case_of_the_table_is_in_some_shipped_scenario():
    text = "\n".join(path.read_text(encoding="utf-8") for path in SHIPPED)
    assert [verb for verb in VERBS if f"  - {verb}" not in text] == []
    assert [case for case in known()[DEFAULT].names["case"] if f"case: {case}}}" not in text] == []
    assert [bend for bend in known()[DEFAULT].names["bend"] if f"act: {bend}," not in text] == []
    assert [act for act in known()[DEFAULT].names["act"] if f"act: {act}" not in text] == []


def test_a_good_one_is_read_with_the_lines_of_its_steps():
    found = parse("x.yaml", GOOD, known())
    assert isinstance(found, Scenario)
    assert [(step.line, step.verb, step.name) for step in found.steps] == [(6, "ask", "first"), (9, "recorded", None)]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("says: 一件尋ねる。\n", "", [(1, "form")]),
        ("says:", "sais:", [(2, "name_unknown")]),
        ("insurance: given", "insurance: lots", [(4, "form")]),
        ("at: [setagaya, suginami]", "at: [setagaya, sugunami]", [(4, "name_unknown")]),
        ("at: [setagaya, suginami]", "at: [suginami]", [(4, "holder_missing")]),
        ("hanako: {", "Hanako-さん: {", [(4, "name_form"), (6, "name_unknown")]),
        ("- ask:", "- aks:", [(6, "name_unknown"), (10, "name_unknown")]),
        ("about: hanako", "about: hanoko", [(6, "name_unknown")]),
        ("from: suginami, ", "", [(6, "form"), (10, "name_unknown")]),
        ('item: "27"', "item: 27", [(6, "form"), (10, "name_unknown")]),
        ('item: "27"', 'item: "27", colour: red', [(6, "name_unknown"), (10, "name_unknown")]),
        ("expect: {state: answered}", "expect: {stat: answered}", [(8, "name_unknown")]),
        ("expect: {state: answered}", "expect: answered", [(6, "form"), (10, "name_unknown")]),
        ("    as: first\n", "", [(9, "name_unknown")]),
        ("as: first", "as: 一", [(7, "name_form"), (10, "name_unknown")]),
        ("of: first", "of: second", [(10, "name_unknown")]),
        ("by: network", "by: net work", [(11, "name_unknown")]),
        ("      by: network\n", "      by: network\n    pause: {}\n", [(9, "one_verb")]),
        ("says:", "begins: someday\nsays:", [(2, "instant")]),
        ("says:", "topology: hole\nsays:", [(2, "name_unknown")]),
        ("insurance: given", "insurance: given, insured_by: suginami", [(4, "name_unknown")]),
        ("from: suginami", "from: naikaku", [(6, "name_unknown")]),
        ("says:", "seed: many\nsays:", [(2, "form")]),
        ("  - recorded:", "  - clock: {by: 9z}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {to: someday}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {}\n  - recorded:", [(9, "form")]),
        ("steps:", "scenario: again\nsteps:", [(5, "not_yaml")]),
        ("people:\n", "people:\n\t", [(4, "not_yaml")]),
    ],
)
def test_a_mistake_is_named_by_its_line(old, new, where):
    assert GOOD.count(old) == 1
    assert findings(GOOD.replace(old, new)) == where


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "form"), ("- 1\n", "form"), ("[" * 5_000, "not_yaml"), ("\x00", "not_yaml"), ("# " + "x" * 300_000, "too_large"),
        ("scenario: a\nsays: b\nsteps: []\n", "steps_count"),
        ("scenario: a\nsays: b\nsteps:\n" + "  - pause: {}\n" * (MOST_STEPS + 1), "steps_count"),
        ("scenario: a\nsays: b\nsteps: [1]\n", "form"), ("scenario: &a [*a]\nsays: b\nsteps: []\n", "not_yaml"),
        ("scenario: a\nsays: b\nsteps:\n  - {1: 2}\n", "form"),
    ],
)  # fmt: skip
def test_what_is_no_scenario_is_refused_and_breaks_nothing(text, code):
    assert code in {found for _, found in findings(text)}


def test_one_mistake_in_one_file_keeps_all_files_from_being_played(tmp_path, capsys):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD, encoding="utf-8")
    bad.write_text(GOOD.replace("about: hanako", "about: hanoko"), encoding="utf-8")
    assert main(["scenario", "run", str(good), str(bad), str(tmp_path / "absent.yaml")]) == BAD_INPUT
    said = capsys.readouterr()
    assert f"{bad}:6: " in said.err
    assert "hanako" in said.err
    assert f"{tmp_path / 'absent.yaml'}:1: " in said.err
    assert said.out == ""
    assert main(["scenario", "check", str(good)]) == OK


def test_the_roles_that_a_scenario_may_name_are_those_that_are_started():
    assert set(known()[DEFAULT].names["role"]) == set(ROLES)
    assert all(set(line.split(":")) <= set(ROLES) for line in known()[DEFAULT].names["line"])
