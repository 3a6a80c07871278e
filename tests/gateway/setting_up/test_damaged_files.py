"""A topology, an agency's file, a scenario or a list that was damaged anywhere is taken whole or refused whole, with file, line, what and how to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from gateway.scenarios.reading import parse as parse_scenario
from gateway.scenarios.scenario import Scenario
from gateway.scenarios.words import known
from gateway.topology import Addition, parse, shipped_text
from gateway.topology_fields import TopologyError
from permission_lists import lint, model
from permission_lists.documents import Document, read
from permission_lists.findings import Finding
from storage.reference_data import read_party_rules

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
ADDITION = """\
agency:
  id: kumiai
  code: "9999000000000102"
  name: 架空市健康保険組合
  systems:
    - {id: kumiai-gyomu, name: 業務, individual_number: true, grants: ["inquiries:create"]}
hosted_by:
  linkage: neighbours-linkage
  intermediate: neighbours-intermediate
"""
DAMAGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("gone", lambda _line: ""),
    ("twice", lambda line: line + line),
    ("cut", lambda line: line[: len(line) // 2] + "\n"),
    ("deeper", lambda line: "    " + line),
    ("other-value", lambda line: line.replace(": ", ": ？", 1)),
    ("other-key", lambda line: line.replace(": ", "x: ", 1)),
    ("no-quotes", lambda line: line.replace('"', "").replace("'", "")),
    ("tab", lambda line: "\t" + line),
    ("empty", lambda line: line.split(":")[0] + ":\n"),
)


def damaged(text: str) -> Iterator[str]:
    """The text with each damage at each line, where that changes something."""
    lines = text.splitlines(keepends=True)
    for nth, line in enumerate(lines):
        for _, damage in DAMAGES:
            if line.strip() and not line.lstrip().startswith("#") and damage(line) != line:
                yield "".join([*lines[:nth], damage(line), *lines[nth + 1 :]])


def of_topology(text: str) -> Sequence[Finding]:
    try:
        parse(text, file="x.yaml")
    except TopologyError as wrong:
        return wrong.findings
    return ()


def of_addition(text: str) -> Sequence[Finding]:
    try:
        parse(shipped_text(), additions=[Addition("x.yaml", text)])
    except TopologyError as wrong:
        return wrong.findings
    return ()


def of_scenario(text: str) -> Sequence[Finding]:
    found = parse_scenario("x.yaml", text, known())
    return () if isinstance(found, Scenario) else found


def of_list(text: str) -> Sequence[Finding]:
    found = read("x.yaml", text)
    if isinstance(found, Finding):
        return [found]
    wrong = lint.errors(lint.lint([found], read_party_rules()))
    if not wrong:
        taken(found)
    return wrong


def taken(document: Document) -> None:
    """A document that has no mistakes can be decided on."""
    assert model.build([document.data])


def judge(texts: Iterator[str], findings: Callable[[str], Sequence[Finding]]) -> None:
    refused = total = 0
    for text in texts:
        found = findings(text)
        total += 1
        refused += bool(found)
        lines = text.count("\n") + 1
        for one in found:
            assert one.file == "x.yaml", one
            assert 1 <= one.line <= lines, one
            assert one.what.strip(), one
            assert one.mend.strip(), one
    assert refused > total / 3


def some(text: str, most: int) -> Iterator[str]:
    """At most so many of the damaged texts, from all over the file."""
    found = list(damaged(text))
    return iter(found[:: max(1, len(found) // most)])


@pytest.mark.parametrize("name", ["topology", "topologies/whole"])
def test_a_damaged_topology_is_refused_whole_with_its_line(name):
    judge(some(shipped_text(name), 250), of_topology)


def test_a_damaged_agency_file_is_refused_whole_with_its_line():
    judge(damaged(ADDITION), of_addition)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_damaged_scenario_is_refused_whole_with_its_line(path):
    judge(some(path.read_text(encoding="utf-8"), 100), of_scenario)


def test_a_damaged_list_is_refused_whole_with_its_line():
    own = ROOT / "permission_lists" / "data" / "own_information.yaml"
    judge(damaged(own.read_text(encoding="utf-8")), of_list)
