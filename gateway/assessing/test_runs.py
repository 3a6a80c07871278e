"""The tests that docs/requirements.md names for each requirement, held against a result file of the last run (JUnit XML)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from xml.parsers import expat

from gateway.assessing.verdicts import Result, judged, unverified

_ROW: Final = re.compile(r"^\| ((?:LS|IS|PL|SC|SK)-[0-9.]+|NW) \|(.*)\|$", re.MULTILINE)
_NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_LARGEST: Final = 200 * 1024 * 1024
_OLDEST: Final = timedelta(days=31)
_AHEAD: Final = timedelta(days=1)
WORKING: Final = "working"
CHECK: Final = "tests"


class RunUnreadableError(Exception):
    """Not a JUnit result file."""


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """One row of the page of requirements. `missing`: what it says of where the thing is and what is not there."""

    state: str
    missing: str
    tests: tuple[tuple[str, str], ...]


def read_page(path: Path) -> dict[str, Stated]:
    """Requirement id → its row; empty when the page is not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = {}
    for number, rest in _ROW.findall(text):
        cells = [cell.strip() for cell in rest.split("|")]
        found[number] = Stated(state=cells[1], missing=cells[2], tests=tuple(_NAMED.findall(cells[3])))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`outcomes`: (file, test) → what became of it; of a parametrized test the worst. `undated`: why it says nothing of today, or empty."""

    outcomes: Mapping[tuple[str, str], Outcome]
    day: str = ""
    undated: str = ""


def read_run(path: Path, now: datetime) -> Run:
    """`now`: by this machine's clock, as tests run. No entity is expanded. Raises RunUnreadableError, OSError."""
    if path.stat().st_size > _LARGEST:
        raise RunUnreadableError("larger than any result file")
    run = _Reading()
    parser = expat.ParserCreate()
    parser.StartElementHandler = run.start
    parser.EntityDeclHandler = _no_entities
    try:
        parser.Parse(path.read_bytes(), True)  # noqa: FBT003 - expat's own signature
    except expat.ExpatError:
        raise RunUnreadableError("not XML") from None
    if not run.suite:
        raise RunUnreadableError("no test suite in it")
    day = run.ran_at[:10]
    return Run(outcomes=run.found, day=day, undated=_undated(run.ran_at, now))


def _undated(text: str, now: datetime) -> str:
    try:
        age = now - datetime.fromisoformat(text).astimezone()
    except ValueError:
        return "試験の結果に日時がない (the test run says no time)"
    if age < -_AHEAD:
        return f"試験の結果の日付が先の日である (a test run of a day to come: {text[:10]})"
    return (
        f"試験の結果が {_OLDEST.days} 日より古い。試験し直す (a test run older than {_OLDEST.days} days: {text[:10]})"
        if age > _OLDEST
        else ""
    )


def _no_entities(*_: object) -> None:
    raise RunUnreadableError("declares entities")


class _Reading:
    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Outcome] = {}
        self.suite = False
        self.ran_at = ""
        self._case: tuple[str, str] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in ("testsuite", "testsuites"):
            self.suite = True
            self.ran_at = self.ran_at or attributes.get("timestamp", "")
        elif name == "testcase":
            file = attributes.get("classname", "").replace(".", "/") + ".py"
            self._case = (file, attributes.get("name", "").partition("[")[0])
            self.found.setdefault(self._case, Outcome.PASSED)
        elif self._case is not None and name in ("failure", "error"):
            self.found[self._case] = Outcome.FAILED
        elif self._case is not None and name == "skipped" and self.found[self._case] is Outcome.PASSED:
            self.found[self._case] = Outcome.SKIPPED


def named_tests(stated: Stated | None, run: Run | None) -> Result:
    """Whether every test that is named for a requirement was in the run and passed, and the run is of these days."""
    if stated is None:
        return unverified(CHECK, "要件の表がない (docs/requirements.md is not here)")
    if not stated.tests:
        return unverified(CHECK, "試験がない (no test is named)")
    if run is None:
        return unverified(CHECK, "試験の結果が渡されていない (--tests not given)")
    broken = [_shown(test) for test in stated.tests if run.outcomes.get(test) is Outcome.FAILED]
    missing = [_shown(test) for test in stated.tests if run.outcomes.get(test) not in (Outcome.PASSED, Outcome.FAILED)]
    return judged(
        CHECK,
        [f"試験が失敗: {one}" for one in broken],
        seen=f"試験 {len(stated.tests)} 件 ({run.day})",
        unverified=[*([run.undated] if run.undated else []), *(f"結果にない: {one}" for one in missing)],
    )


def _shown(test: Sequence[str]) -> str:
    return "::".join(test)
