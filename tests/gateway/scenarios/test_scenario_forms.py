"""A scenario with any mistake is refused whole, with file, line, what is wrong and how to mend it; nothing is started for it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest
import yaml

from gateway.__main__ import main
from gateway.commands import COMMANDS
from gateway.exit_codes import BAD_INPUT, OK
from gateway.scenarios.command_words import ENDING
from gateway.scenarios.play import StepFailedError
from gateway.scenarios.playing import ROLES
from gateway.scenarios.reading import MOST_STEPS, parse
from gateway.scenarios.scenario import DEFAULT, Scenario
from gateway.scenarios.verbs.surroundings import ended
from gateway.scenarios.words import VERBS, known

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "scenarios").glob("*.yaml"))
WAYS = {
    "network": ("/permits", "/inquiries", "/permits/revoke", "/late-outcomes"),
    "intermediate": ("/{agency}/inquiries", "/{agency}/provisions", "/{agency}/outcomes"),
}
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
    found = parse(str(path), path.read_text(encoding="utf-8"), known())
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
        ("insurance: given", "insurance: lots", [(4, "name_unknown")]),
        ("at: [setagaya, suginami]", "at: [setagaya, sugunami]", [(4, "name_unknown")]),
        ("at: [setagaya, suginami]", "at: [suginami]", [(4, "holder_missing")]),
        ("hanako: {", "Hanako-さん: {", [(4, "name_form"), (6, "name_unknown")]),
        ("- ask:", "- aks:", [(6, "name_unknown")]),
        ("about: hanako", "about: hanoko", [(6, "name_unknown")]),
        ("from: suginami, ", "", [(6, "form")]),
        ('item: "27"', "item: 27", [(6, "form")]),
        ('item: "27"', 'item: "27", colour: red, colours: 2', [(6, "name_unknown"), (6, "name_unknown")]),
        ("expect: {state: answered}", "expect: {stat: answered}", [(8, "name_unknown")]),
        ("expect: {state: answered}", "expect: answered", [(8, "form")]),
        ("    as: first\n", "", [(9, "name_unknown")]),
        ("as: first", "as: 一", [(7, "name_form"), (10, "name_unknown")]),
        ("of: first", "of: second", [(10, "name_unknown")]),
        ("by: network", "by: net work", [(11, "name_unknown")]),
        ("      by: network\n", "      by: network\n    pause: {}\n", [(9, "one_verb")]),
        ("says:", "begins: someday\nsays:", [(2, "instant")]),
        ("says:", "begins: '2022-10-02T23:59'\nsays:", [(2, "instant")]),
        ("says: 一件尋ねる。", "says: ' '", [(2, "text_empty")]),
        ("scenario: 見本", "scenario: ''", [(1, "text_empty")]),
        ("says:", "cites: [SC-6, SC-7, SC-6]\nsays:", [(2, "stands_twice")]),
        ("[setagaya, suginami]", "[setagaya, suginami, setagaya]", [(4, "stands_twice")]),
        ("insurance: given", "insurance: given, holder: own", [(4, "says_nothing")]),
        ("insurance: given", "insured_by: setagaya", [(4, "says_nothing")]),
        ("says:", "topology: hole\nsays:", [(2, "name_unknown")]),
        ("insurance: given", "insurance: given, insured_by: tokyo", [(4, "name_unknown"), (4, "holder_missing")]),
        ("from: suginami", "from: naikaku", [(6, "name_unknown")]),
        ("says:", "seed: many\nsays:", [(2, "form")]),
        ("  - recorded:", "  - clock: {by: 9z}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {to: someday}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {to: '2023-01-01T00:00', by: 1d}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {to: '2022-10-02T00:00'}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - clock: {by: 9999y}\n  - recorded:", [(9, "form")]),
        ("  - recorded:", "  - faults: {set: {core_down: 1}, each: 1}\n  - recorded:", [(9, "form")]),
        ("says:", "seed: -1\nsays:", [(2, "form")]),
        ("says:", "seed: 9007199254740993\nsays:", [(2, "form")]),
        ("says:", f"seed: 1{'0' * 40}\nsays:", [(2, "form")]),
        ("{state: answered}", "{state: answered, outcome: held}", [(8, "form")]),
        ("{state: answered}", "{state: answered, outcome: null}", [(8, "form")]),
        ("{state: answered}", "{state: permitted, outcome: answered}", [(8, "form")]),
        ("{state: answered}", "{state: answered, values: none}", [(8, "form")]),
        ("{state: answered}", "{state: held, values: as_loaded}", [(8, "form")]),
        ("{state: answered}", "{state: answered, reason: permit_expired}", [(8, "form")]),
        ("{state: answered}", "{state: not_provided, outcome: answered}", [(8, "form")]),
        ("{state: answered}", "{state: answered, outcome: no_replica}", [(8, "form")]),
        ('"27"}', '"27", items: [被保険者番号, 枝番, 被保険者番号]}', [(6, "form")]),
        ("by: network", "by: suginami", [(13, "form")]),
        ("by: network", "by: linkage", [(13, "form")]),
        ("kinds: [permit.issued]", "kinds: [permit.issued, provision.made]", [(13, "form")]),
        ("says:", "begins: '9999-12-31'\nsays:", [(2, "instant")]),
        ("hanako: {at:", "taro: {at: [], insurance: given}\n  hanako: {at:", [(4, "holder_missing")]),
        ("hanako: {at:", "taro: {at: [], account: given}\n  hanako: {at:", [(4, "holder_missing")]),
        ("steps:", "scenario: again\nsteps:", [(5, "not_yaml")]),
        ("people:\n", "people:\n\t", [(4, "not_yaml")]),
        ("  - recorded:", "  - pause\n  - recorded:", [(9, "form")]),
        ("steps:", "  taro: setagaya\nsteps:", [(5, "form")]),
        ("kinds: [permit.issued]", "kinds: [permit.issued]\n  - ? [a, b]\n    : {}", [(14, "not_yaml")]),
        ("says:", "cites: [番号法２条]\nsays:", [(2, "name_unknown")]),
    ],
)
def test_a_mistake_is_named_by_its_line(old, new, where):
    assert GOOD.count(old) == 1
    assert findings(GOOD.replace(old, new)) == where


STEPS = GOOD.replace("  - recorded:", "  - STEP\n  - recorded:")


@pytest.mark.parametrize(
    ("step", "word", "right"),
    [
        ("result: {of: first}\n    expect: {state: answerd}", "answerd", "answered"),
        ("result: {of: first}\n    expect: {reason: permit_expird}", "permit_expird", "permit_expired"),
        ("result: {of: first}\n    expect: {outcome: no_replca}", "no_replca", "no_replica"),
        ("result: {of: first}\n    expect: {values: as_load}", "as_load", "as_loaded"),
        ("result: {of: first}\n    expect: {match: agrees}", "agrees", "agree"),
        ("recorded: {of: first, by: network}\n    expect: {kinds: [permit.isued]}", "permit.isued", "permit.issued"),
        ("recorded: {of: first, by: network}\n    expect: {reasons: [permit_expird]}", "permit_expird", "permit_expired"),
        ("agree: {parties: [setagaya]}\n    expect: {findings: [disagreements]}", "disagreements", "disagreement"),
        ("held: {of: first, does: releas}", "releas", "release"),
        ("held: {of: first, does: show}\n    expect: {told: relesed}", "relesed", "released"),
        ("role: {name: network, does: kil}", "kil", "kill"),
        ("line: {between: 'network:intermediate', does: dely}", "dely", "delay"),
        ("lines: {}\n    expect: {left: ['network:intermediate dely']}", "network:intermediate dely", "network:intermediate delay"),
        ("faults: {set: {swap_keys: 1}}", "swap_keys", "swap_key"),
        ("faults: {}\n    expect: {left: [swap_keys]}", "swap_keys", "swap_key"),
        ("rotate: {key: singing, role: intermediate, agency: setagaya}", "singing", "signing"),
        ("rotate: {key: permit, role: intermediate, agency: setagaya}", "permit", "signing"),
        ("rotate: {key: signing, role: intermediate, agency: suginami}", "suginami", "setagaya"),
        ("rotate: {key: signing, role: intermediat, agency: setagaya}", "intermediat", "intermediate"),
        ('sekisho: {run: "list show"}', "list", "lists"),
        ("refused: {case: late-permitt}", "late-permitt", "late-permit"),
        ("refused: {case: late-permit}\n    expect: {by: cor}", "cor", "core"),
        ("peer: {act: more-than-ask, about: hanako}", "more-than-ask", "more-than-asked"),
        ("insider: {act: releases-alone}", "", "first"),
        ("insider: {act: release-alone, of: first}", "release-alone", "releases-alone"),
        ("propose: {of: first, does: link}", "first", "none"),
        ("find: {about: hanako, by: [nam]}", "nam", "name"),
        ("recipients: {about: hanako}\n    expect: {agencies: [sugunami]}", "sugunami", "suginami"),
        ("repair: {about: hanako, under: hanako, does: freeze}\n    expect: {state: don}", "don", "done"),
        ("ask: {from: suginami, for: koiki-reng, about: hanako, item: '80'}", "koiki-reng", "koiki-rengo"),
        ("recorded: {of: first, by: network}\n    expect: {for: [sugunami]}", "sugunami", "suginami"),
        ("bring: {about: hanako}\n    expect: {joins: hanakoo}", "hanakoo", "hanako"),
    ],
)  # fmt: skip
def test_a_word_that_is_not_one_is_refused_with_the_word_that_is_meant(step, word, right):
    found = parse("x.yaml", STEPS.replace("STEP", step), known())
    assert not isinstance(found, Scenario)
    (wrong,) = found
    assert (wrong.code, wrong.line) == ("name_unknown", 9 + step.count("\n"))
    assert f"「{word}」" in wrong.what
    assert right in wrong.mend


@pytest.mark.parametrize(
    "step",
    [
        "recorded: {of: first, by: network}\n    expect: {kinds: permit.issued}",
        "ask-again: {of: first}\n    expect: {same: yes please}",
        "sekisho: {run: lists show}\n    expect: {code: none}",
        "faults: {set: {swap_key: -1}}",
        "line: {between: 'network:intermediate', does: cut, times: -1}",
        "line: {between: 'network:intermediate', does: delay, ms: 100000}",
        "rotate: {key: signing, role: intermediate, agency: setagaya, overlap_days: -1}",
        "sekisho: {run: 'lists show \"'}",
        "sekisho: {run: up}",
        "sekisho: {run: serve network}",
        "sekisho: {run: lists publsh}",
        "sekisho: {run: lists publish a.yaml}",
        "sekisho: {run: lists show, args: [a, b]}",
        "sekisho: {run: lists --help}",
        "bulk: {lines: 20000}",
        "find: {about: hanako, by: []}",
        "mislink: {about: hanako, under: hanako}",
        "repair: {about: hanako, under: hanako, does: split}",
        "bring: {about: hanako, but: {birth_date: 2015-7-7}}",
        "bring: {about: hanako, but: {birth_date: '2015-02-30'}}",
        "bring: {about: hanako, but: {sex: male}}",
        "role: {name: network, does: start}",
        "role: {name: network, does: wake}",
        "peer: {from: tokyo, act: more-than-asked, about: hanako}",
        "sekisho: {run: 'lists publish {here}/lists/not-there.yaml --from 2022-11-01'}",
        "sekisho: {run: lists lint, args: ['{here}/not-there.yaml']}",
        "sekisho: {run: 'export --agency setagaya {here}/not-there/log.ndjson'}",
    ],
)
def test_a_value_of_another_form_is_refused_before_anything_starts(step):
    assert findings(STEPS.replace("STEP", step)) == [(9 + step.count("\n"), "form")]


@pytest.mark.parametrize(
    ("person", "word", "right"),
    [
        ("{at: [setagaya, suginami], insurance: barrd}", "barrd", "barred"),
        ("{at: [setagaya, suginami], acount: given}", "acount", "account"),
        ("{at: [naikaku], account: given, holder: anoter}", "anoter", "another"),
        ("{at: [setagaya, portal]}", "portal", "tokyo"),
    ],
)
def test_what_a_person_cannot_be_is_refused_with_the_word_that_is_meant(person, word, right):
    found = parse("x.yaml", GOOD.replace("{at: [setagaya, suginami], insurance: given}", person), known())
    assert not isinstance(found, Scenario)
    assert [(one.line, one.code) for one in found] == [(4, "name_unknown")]
    assert f"「{word}」" in found[0].what
    assert right in found[0].mend


@pytest.mark.parametrize(
    "step",
    [
        "sekisho: {run: lists show}\n    expect: {code: 5}",
        "sekisho: {run: lists show}\n    expect: {code: -1}",
        "rotate: {key: signing, role: intermediate, agency: setagaya}\n    expect: {version: 0}",
    ],
)
def test_a_count_that_can_never_come_is_refused(step):
    assert findings(STEPS.replace("STEP", step)) == [(10, "form")]


def test_words_of_a_command_are_refused_with_what_its_own_parser_says(capfd):
    found = parse("x.yaml", STEPS.replace("STEP", "sekisho: {run: lists publsh}"), known())
    assert not isinstance(found, Scenario)
    assert "publish" in found[0].mend
    assert capfd.readouterr() == ("", "")


def test_every_command_that_a_step_may_not_give_is_one_that_does_not_end_on_a_running_system():
    assert set(COMMANDS) - set(ENDING) == {"up", "serve", "terminal", "migrate", "demo", "scenario"}
    assert set(ENDING) < set(COMMANDS)


def test_a_command_that_does_not_end_is_ended_and_its_step_fails():
    async def waiting() -> int | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; sys.stdin.read()", stdin=asyncio.subprocess.PIPE
        )
        with pytest.raises(StepFailedError):
            await ended(process, 0.0)
        return process.returncode

    assert asyncio.run(waiting()) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("cite", "right"),
    [("SC-99", False), ("SC6", False), ("番号法", False), ("番号法第21条", False), ("番号法21条2項", True), ("Ⅱ-5", True), ("LS-1.4", True), ("DOMAIN 6.1 愛知県", True)],
)  # fmt: skip
def test_what_a_scenario_cites_is_a_requirement_or_an_article(cite, right):
    found = parse("x.yaml", GOOD.replace("says:", f"cites: [SC-6, {cite}]\nsays:"), known())
    assert isinstance(found, Scenario) is right
    if not isinstance(found, Scenario):
        assert [(one.line, one.code) for one in found] == [(2, "name_unknown")]


def test_a_file_beside_the_scenario_is_there_and_one_that_is_written_need_not_be(tmp_path):
    (tmp_path / "people.csv").touch()
    for step in (
        "sekisho: {run: 'send addressees {here}/people.csv --client juki'}",
        "sekisho: {run: 'export --agency setagaya {here}/log.ndjson'}",
        "sekisho: {run: 'portal records --provider setagaya --out {here}/records.ndjson --card {here}/people.csv'}",
    ):
        found = parse(str(tmp_path / "x.yaml"), STEPS.replace("STEP", step), known())
        assert isinstance(found, Scenario), found


def test_a_case_that_needs_somebody_on_stage_is_refused_without_them():
    found = STEPS.replace("STEP", "refused: {case: late-permit}").replace(", insurance: given", "")
    assert findings(found) == [(9, "nobody_on_stage")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "form"), ("- 1\n", "form"), ("scenario: " + "[" * 200_000, "not_yaml"), ("[" * 5_000, "not_yaml"), ("\x00", "not_yaml"), ("# " + "x" * 300_000, "too_large"),
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


def said_on_the_way_of_an_inquiry() -> set[str]:
    """Every reason that a server of the network may refuse an inquiry for, by their documents."""
    found: set[str] = set()
    for name, paths in WAYS.items():
        document = yaml.load(
            (ROOT / "docs/openapi" / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
        )
        for path in paths:
            found |= set(document["paths"][path]["post"]["x-refusals"])
    return found


def expected_by_a_scenario() -> set[str]:
    steps = [step for path in SHIPPED for step in parse(str(path), path.read_text(encoding="utf-8"), known()).steps]
    return {reason for step in steps for reason in (step.expect.get("reason"), *step.expect.get("reasons", ()))}


def test_every_ground_of_a_hold_is_a_reason_that_a_scenario_may_expect():
    document = yaml.load((ROOT / "docs/openapi/intermediate.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    grounds = re.search(r"'ground': {'type': \['string', 'null'\], 'enum': \[(.*?), None\]", str(document))
    assert grounds
    assert {name.strip("'") for name in grounds.group(1).split(", ")} <= set(known()[DEFAULT].names["reason"])


def test_every_refusal_is_in_a_scenario_or_it_is_said_why_not():
    text = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    rows = [line for line in text[text.index("| 理由 / reason |") :].splitlines()[2:] if line.startswith("| `")]
    stated = {reason for row in rows for reason in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert said_on_the_way_of_an_inquiry() - expected_by_a_scenario() == stated
