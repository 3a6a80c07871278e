"""A vendor must not take silence for a pass: every call that a partner makes or serves is judged by a run, or the run says why not."""

from __future__ import annotations

import re

from gateway.conformance.by_list import CHECKS as BY_LIST
from gateway.conformance.by_list import OWN_ASSESSMENT
from gateway.conformance.checks import CHECKS
from gateway.conformance.delegated import CHECKS as DELEGATED
from gateway.conformance.late import CHECKS as LATE
from gateway.conformance.late import PATH as LATE_PATH
from gateway.conformance.not_judged import AS_INQUIRER, AS_PROVIDER
from gateway.conformance.other_calls import CALLS
from gateway.conformance.other_calls import RULES as OF_OTHER_CALLS
from gateway.conformance.taking import CHECKS as TAKING
from tests.house.sources import ROOT

BY_PROVIDER = {"/{agency}/provisions", "/{agency}/codes", "/{agency}/outcomes", LATE_PATH}
BY_INQUIRER = {"/permits", "/inquiries", "/{agency}/outcomes", *CALLS.values()}


def calls_of_the_page() -> set[str]:
    """Paths of the table of what to implement."""
    page = (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
    rows = page[page.index("| | 道 / path |") :].split("\n\n")[0].splitlines()[2:]
    found = set()
    for row in rows:
        kind, paths, _ = row.strip("|").split("|")
        for path in re.findall(r"`(?:POST )?(/[^`]*)`", paths):
            found.add(path if "call" in kind or path.startswith("/{agency}") else f"/{{agency}}{path}")
    return found


def said(lines) -> set[str]:
    return {one.id.removeprefix("POST ") for one in lines}


def test_every_call_is_judged_or_it_is_said_why_not():
    calls = calls_of_the_page()
    assert len(calls) == 13
    assert BY_PROVIDER | said(AS_PROVIDER) == calls
    assert BY_INQUIRER | said(AS_INQUIRER) == calls
    assert not BY_PROVIDER & said(AS_PROVIDER)
    assert not BY_INQUIRER & said(AS_INQUIRER)
    assert all(one.why and " / " in one.title for one in (*AS_PROVIDER, *AS_INQUIRER))


def test_every_rule_of_another_call_names_the_call_that_shows_it():
    assert list(CALLS) == [rule.id for rule in OF_OTHER_CALLS]


def test_every_check_that_a_run_may_lack_something_for_says_what():
    always = CHECKS[0].possible
    for check in (*CHECKS, *BY_LIST, OWN_ASSESSMENT, *DELEGATED, *TAKING, *LATE):
        assert bool(check.lacking) == (check.possible is not always), check.id
