"""What the README tells people to type exists: make targets, commands of `sekisho` and their actions and options."""

from __future__ import annotations

import argparse
import re
from importlib import import_module

import pytest

from gateway.commands import COMMANDS
from gateway.demonstration.stage import INSURANCE_SYSTEM, SEED
from synthetic.business import Business
from synthetic.neighbours import NEIGHBOURS, acquaintances
from synthetic.people import population
from synthetic.rows import Addressees
from tests.house.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TYPED = [
    *re.findall(r"```sh\n(.*?)```", README, re.DOTALL),
    *re.findall(r"`((?:make|sekisho) [^`]+)`", README),
]
TARGETS = {name for text in TYPED for name in re.findall(r"\bmake ([a-z]+)", text)}
LINES = [line for text in TYPED for line in re.findall(r"\bsekisho ([a-z].*)", text)]


def options(name: str) -> tuple[set[str], set[str]]:
    """Long options of a command and all of its actions, and the actions."""
    module, add, _, _ = COMMANDS[name]
    parser = argparse.ArgumentParser()
    getattr(import_module(module), add)(parser)
    known, actions = set(parser._option_string_actions), set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            actions |= set(action.choices)
            known |= {option for sub in action.choices.values() for option in sub._option_string_actions}
    return known, actions


def test_every_make_target_named_exists():
    assert {"demo", "up", "help"} <= TARGETS
    assert {name for name in TARGETS if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)} == set()


def test_every_command_is_named_in_the_readme():
    assert set(COMMANDS) == {line.split()[0] for line in LINES} & set(COMMANDS)


@pytest.mark.parametrize("line", sorted(set(LINES)))
def test_a_sekisho_line_names_a_command_its_action_and_its_options(line):
    words = line.split()
    assert words[0] in COMMANDS
    known, actions = options(words[0])
    if actions and len(words) > 1:
        assert words[1] in actions
    assert {word for word in words if re.fullmatch(r"--[a-z][a-z-]*", word)} - known == set()


def test_actions_named_in_the_table_exist():
    for name in ("held", "keys"):
        row = next(line for line in README.splitlines() if line.startswith(f"| `sekisho {name}`"))
        named = set(re.findall(r"`([a-z]+)`", row))
        assert named == options(name)[1]


def test_the_people_of_the_worked_inquiry_are_those_of_the_demonstration():
    """杉並's number is somebody whom the ward insures under the number that the answer shows; the other one is barred."""
    residents = int(re.search(r"--residents (\d+)\"` のあと", README)[1])
    asked, *again = re.findall(r"^ask (\d+)$", README, re.MULTILINE)
    people = list(population(SEED, residents))
    known = {one.addressee_number: one.person for one in acquaintances(NEIGHBOURS["suginami"], people, seed=SEED)}
    business = Business(SEED)
    person = known[asked]
    assert business.is_insured(person)
    assert not business.is_barred(person)
    system = INSURANCE_SYSTEM
    records = business.medical_insurance(
        person, system=system, addressee_number=Addressees(SEED, system).number(person)
    )
    held = {name: item for record in records for name, item in record.wire_items().items()}
    shown = re.search(r'"被保険者番号":\{"value":"(\d+)"\}', README)[1]
    assert held["被保険者番号"]["value"] == shown
    assert again
    assert all(business.is_barred(known[number]) and business.is_insured(known[number]) for number in again)
