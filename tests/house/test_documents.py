"""Documents keep their form and their word: decisions have every heading, and a control names only tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from gateway.api.grants import GRANTS
from gateway.topology_options import OPTIONS
from tests.house.sources import ROOT, files, parsed

ADR_HEADINGS = ["Context", "Drivers", "Options", "Outcome", "Negative consequences"]
DECISIONS = [name for name in files() if name.parts[:2] == ("docs", "adr") and re.match(r"\d{4}-", name.name)]
DOCUMENTS = [name for name in files() if name.suffix == ".md"]
THREATS = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
UNVERIFIED = "未検証"
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


REQUIREMENTS = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
STATES = {"working", "partly", "not yet"}
REQUIREMENT_IDS = [
    *(f"LS-{part}.{number}" for part, last in ((1, 6), (2, 6), (3, 2)) for number in range(1, last + 1)),
    "LS-4",
    *(f"IS-{number}" for number in range(1, 11)),
    "NW",
    *(f"PL-{number}" for number in range(1, 7)),
    *(f"SC-{number}" for number in range(1, 29)),
    *(f"SK-{number}" for number in range(1, 10)),
]


def requirements() -> list[list[str]]:
    lines = [line for line in REQUIREMENTS.splitlines() if re.match(r"\|\s*(LS|IS|NW|PL|SC|SK)\b", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def controls() -> list[list[str]]:
    lines = [line for line in THREATS.splitlines() if re.match(r"\|\s*C\d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@cache
def functions(test_file: Path) -> set[str]:
    return {
        node.name for node in ast.walk(parsed(test_file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("decision", DECISIONS, ids=str)
def test_a_decision_has_every_heading_in_order_with_text_under_it(decision):
    parts = re.split(r"^## (.+)$", (ROOT / decision).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert parts[1::2] == ADR_HEADINGS
    assert all(text.strip() for text in parts[2::2])


def test_no_two_decisions_have_one_number():
    """Gaps are numbers that were given to records which came to nothing."""
    numbers = [int(name.name[:4]) for name in DECISIONS]
    assert len(numbers) == len(set(numbers))
    assert min(numbers) == 1


@pytest.mark.parametrize("decision", DECISIONS, ids=str)
def test_a_decision_is_listed_and_titled_with_its_number(decision):
    assert decision.name in (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    assert (ROOT / decision).read_text(encoding="utf-8").startswith(f"# {decision.name[:4]}: ")


def test_every_control_has_a_number_of_its_own():
    numbers = [control[0] for control in controls()]
    assert numbers
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("control", controls(), ids=lambda control: control[0])
def test_a_control_names_tests_or_says_that_it_is_unverified(control):
    assert NAMED_TEST.search(control[-1]) or control[-1].startswith(UNVERIFIED)


@pytest.mark.parametrize("control", controls(), ids=lambda control: control[0])
def test_a_control_names_only_tests_that_exist(control):
    missing = [
        f"{file}::{name}"
        for file, name in NAMED_TEST.findall(control[-1])
        if not (ROOT / file).is_file() or name not in functions(Path(file))
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_link_inside_the_repository_leads_somewhere(document):
    targets = [link for link in LINK.findall((ROOT / document).read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in targets if not (ROOT / document).parent.joinpath(link).exists()] == []


def test_every_requirement_has_its_row_and_a_state():
    assert [row[0] for row in requirements()] == REQUIREMENT_IDS
    assert {row[2] for row in requirements()} <= STATES


@pytest.mark.parametrize("row", requirements(), ids=lambda row: row[0])
def test_a_requirement_that_works_names_tests_and_every_test_named_exists(row):
    named = NAMED_TEST.findall(row[-1])
    assert named or row[2] == "not yet"
    assert [name for file, name in named if not (ROOT / file).is_file() or name not in functions(Path(file))] == []


def test_every_option_of_a_role_stands_in_the_architecture_and_no_other():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("## Options of a role") :].split("\n\n")[1]
    named = set(re.findall(r"`([a-z]+_[a-z0-9_]+|affairs|layouts|connections|clients|agencies|issuer)\b", table))
    parts = {"mismatch_rate", "mismatch_floor"}
    ways = {"existing_residents", "on_command"}
    assert named - parts - ways == {name for options in OPTIONS.values() for name in options}


def test_every_right_of_a_business_system_stands_in_the_document_of_the_linkage_server_and_no_other():
    text = (ROOT / "docs" / "openapi" / "linkage.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"業務ID:([a-z-]+:[a-z-]+)", text)) == set(GRANTS)
