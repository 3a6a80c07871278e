"""The measures as data, how findings add up, and what is made of a test run; no server."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from gateway.assessing import measures, test_runs
from gateway.assessing.assess import Assessment, document
from gateway.assessing.measures import CHECKS, Requirement, of_measure, of_requirement
from gateway.assessing.page import page
from gateway.assessing.test_runs import Outcome, Run, RunUnreadableError, Stated, named_tests, read_page, read_run
from gateway.assessing.verdicts import Result, Verdict, judged, unverified, worst
from tests.gateway.tracing.test_page import Elements
from tests.gateway.tracing.test_page_text import HOSTILE
from tests.house.sources import ROOT
from tests.house.test_documents import REQUIREMENT_IDS

PAGE = ROOT / "docs" / "requirements.md"
TEST = ("tests/a/test_b.py", "test_c")
WORKING = Stated(state="working", missing="", tests=(TEST,))
KEPT, BROKEN, UNVERIFIED = Verdict.KEPT, Verdict.BROKEN, Verdict.UNVERIFIED


def result(check: str, verdict: Verdict) -> Result:
    return Result(check=check, verdict=verdict, what=() if verdict is KEPT else (f"{check} says why",))


def requirement(*checks: str, besides=()) -> Requirement:
    return Requirement(id="SC-1", words="", checks=checks, besides=besides)


# --- the data


def test_every_requirement_of_the_report_is_there_and_no_other():
    assert [one.id for one in measures.requirements()] == REQUIREMENT_IDS


def test_every_security_requirement_belongs_to_a_measure_of_the_report():
    named = {name for one in measures.measures() for name in one.requirements}
    assert {name for name in REQUIREMENT_IDS if name.startswith("SC-")} - named == set()
    assert named <= set(REQUIREMENT_IDS)


def test_a_measure_goes_to_requirements_or_says_why_no_program_can_see_it():
    for one in measures.measures():
        assert bool(one.requirements) != bool(one.outside), one.id
        assert re.fullmatch(r"[ⅡⅢⅣⅤ]-\d(-\d[⑤⑥⑩]?)?", one.place), one.place
    numbers = [one.id for one in measures.measures()]
    assert numbers == [f"M{number:02}" for number in range(1, len(numbers) + 1)]


def test_every_check_is_used_and_every_check_that_is_named_exists():
    named = {name for one in measures.requirements() for name in (*one.checks, *one.besides)}
    assert named == set(CHECKS) - {test_runs.CHECK}


def test_the_page_of_requirements_is_read_whole():
    page_ = read_page(PAGE)
    assert list(page_) == REQUIREMENT_IDS
    assert page_["SC-8"].state == "working"
    assert ("tests/system/test_isolation.py", "test_a_login_reads_no_table_that_its_process_does_not_host") in page_["SC-8"].tests  # fmt: skip


# --- how findings add up


@pytest.mark.parametrize(
    ("first", "second", "tests", "stated", "verdict"),
    [
        (KEPT, KEPT, KEPT, WORKING, KEPT),
        (KEPT, KEPT, UNVERIFIED, WORKING, KEPT),
        (KEPT, KEPT, BROKEN, WORKING, BROKEN),
        (KEPT, UNVERIFIED, KEPT, WORKING, UNVERIFIED),
        (KEPT, BROKEN, KEPT, WORKING, BROKEN),
        (UNVERIFIED, BROKEN, UNVERIFIED, WORKING, BROKEN),
        (KEPT, KEPT, KEPT, Stated(state="partly", missing="no lock", tests=(TEST,)), UNVERIFIED),
        (KEPT, BROKEN, KEPT, Stated(state="partly", missing="no lock", tests=(TEST,)), BROKEN),
        (KEPT, KEPT, KEPT, None, KEPT),
    ],
)
def test_a_requirement_is_kept_only_if_everything_that_decides_says_so(first, second, tests, stated, verdict):
    results = {"one": result("tls", first), "two": result("options", second)}
    found = of_requirement(requirement("one", "two"), results, result("tests", tests), stated)
    assert found.verdict is verdict
    assert bool(found.because) == (verdict is not KEPT)


def test_what_breaks_it_is_named_and_a_check_besides_can_only_break():
    results = {"one": result("tls", KEPT), "two": result("options", UNVERIFIED), "three": result("options", BROKEN)}
    kept = of_requirement(requirement("one", besides=("two",)), results, unverified("tests", ""), WORKING)
    broken = of_requirement(requirement("one", besides=("three",)), results, unverified("tests", ""), WORKING)
    assert (kept.verdict, broken.verdict, broken.because) == (KEPT, BROKEN, ("options says why",))


def test_a_measure_is_as_good_as_its_worst_requirement():
    found = {
        "SC-1": of_requirement(requirement("one"), {"one": result("tls", KEPT)}, unverified("tests", ""), WORKING),
        "SC-2": of_requirement(requirement("one"), {"one": result("tls", BROKEN)}, unverified("tests", ""), WORKING),
    }
    both = measures.Measure(id="M1", place="Ⅲ-6", words="", requirements=("SC-1", "SC-2"), outside=None)
    outside = measures.Measure(id="M2", place="Ⅲ-4", words="", requirements=(), outside="研修")
    assert (of_measure(both, found).verdict, of_measure(both, found).because) == (BROKEN, ("tls says why",))
    assert of_measure(outside, found).verdict is UNVERIFIED


def test_nothing_is_kept_because_nobody_looked():
    assert worst([]) is UNVERIFIED
    assert judged("tls", [], seen="", looked=False).verdict is UNVERIFIED
    assert judged("tls", [], seen="", unverified=["away"]).verdict is UNVERIFIED
    assert judged("tls", ["bad"], seen="", looked=False, unverified=["away"]).verdict is BROKEN


# --- a test run

CASE = '<testcase classname="tests.a.test_b" name="test_c[{}]">{}</testcase>'


TODAY = datetime(2026, 11, 30, 3, tzinfo=UTC)
RAN = "2026-11-01T09:00:00.000+09:00"


def run_of(tmp_path, *cases: str, ran: str = f'timestamp="{RAN}"'):
    file = tmp_path / "run.xml"
    file.write_text(f"<testsuites><testsuite {ran}>{''.join(cases)}</testsuite></testsuites>")
    return read_run(file, TODAY)


@pytest.mark.parametrize(
    ("inside", "outcome", "verdict"),
    [
        ("", Outcome.PASSED, KEPT),
        ('<failure message="m">x</failure>', Outcome.FAILED, BROKEN),
        ("<error/>", Outcome.FAILED, BROKEN),
        ("<skipped/>", Outcome.SKIPPED, UNVERIFIED),
    ],
)
def test_a_run_says_of_each_named_test_what_became_of_it(tmp_path, inside, outcome, verdict):
    run = run_of(tmp_path, CASE.format("1", ""), CASE.format("2", inside), CASE.format("3", ""))
    assert run == Run(outcomes={TEST: outcome}, day="2026-11-01")
    found = named_tests(WORKING, run)
    assert found.verdict is verdict
    assert all("tests/a/test_b.py::test_c" in what for what in found.what)


@pytest.mark.parametrize(
    ("ran", "why"),
    [
        ('timestamp="2026-10-29T09:00:00+09:00"', "older than 31 days: 2026-10-29"),
        ('timestamp="2026-12-03T09:00:00+09:00"', "a day to come: 2026-12-03"),
        ("", "says no time"),
    ],
)
def test_a_run_of_another_time_keeps_nothing_and_still_breaks(tmp_path, ran, why):
    """SC-28: what is kept is dated, so a run of long ago verifies nothing of today."""
    found = named_tests(WORKING, run_of(tmp_path, CASE.format("1", ""), ran=ran))
    assert (found.verdict, [why in what for what in found.what]) == (UNVERIFIED, [True])
    assert named_tests(WORKING, run_of(tmp_path, CASE.format("1", "<error/>"), ran=ran)).verdict is BROKEN


def test_a_test_that_was_not_run_and_a_run_that_was_not_given_verify_nothing(tmp_path):
    assert named_tests(WORKING, Run(outcomes={})).verdict is UNVERIFIED
    assert named_tests(WORKING, None).verdict is UNVERIFIED
    assert named_tests(None, Run(outcomes={})).verdict is UNVERIFIED
    assert named_tests(Stated(state="not yet", missing="", tests=()), Run(outcomes={})).verdict is UNVERIFIED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<nothing/>",
        "<testsuite",
        '<!DOCTYPE t [<!ENTITY a "aaaa">]><testsuite><testcase classname="&a;" name="b"/></testsuite>',
        '<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite>&a;</testsuite>',
    ],
)
def test_what_is_no_result_file_is_refused(tmp_path, text):
    file = tmp_path / "run.xml"
    file.write_text(text)
    with pytest.raises(RunUnreadableError):
        read_run(file, TODAY)


# --- the page


def assessment(what: str) -> Assessment:
    from datetime import UTC, datetime

    broken = Result(check="tls", verdict=BROKEN, what=(what,), seen=what)
    found = of_requirement(requirement("one"), {"one": broken}, unverified("tests", ""), WORKING)
    one = measures.Measure(id="M1", place="Ⅲ-6", words="words", requirements=("SC-1",), outside=None)
    return Assessment(
        now=datetime(2026, 11, 29, tzinfo=UTC),
        results=(broken,),
        measures=((one, of_measure(one, {"SC-1": found})),),
        requirements=(found,),
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_broke_a_measure_is_text_on_its_page(hostile):
    assert Elements(page(assessment(hostile))).tags == Elements(page(assessment("harmless"))).tags


def test_what_is_broken_is_linked_on_top_of_the_page():
    text = page(assessment("a door was open"))
    assert text.index('href="#M1"') < text.index('id="M1"')


def test_the_document_for_programs_names_what_broke():
    found = document(assessment("a door was open"))
    assert found["counts"] == {"broken": 1, "unverified": 0, "kept": 0}
    assert found["measures"][0]["because"] == ["a door was open"]
    assert found["measures"][0]["checks"] == {"tls": "broken", "tests": "unverified"}
