"""The analysis of the access log (SC-12): each rule finds what it is for, and leaves ordinary work alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from codebook.holidays import closed_days
from evidence.access_analysis import Access, Finding, Measures, Rule, analyse

MONDAY = datetime(2022, 10, 3, 1, 0, tzinfo=UTC)
"""10:00 in Japan."""
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
LONG_AGO = MONDAY - 365 * DAY


def looks(staff_id: str, count: int, start: datetime, affair: str = "27", **more) -> list[Access]:
    return [
        Access(at=start + MINUTE * nth, staff_id=staff_id, function="held.view", affair=affair, **more)
        for nth in range(count)
    ]


def found(accesses, *, related=None, since=LONG_AGO, **measures) -> list[Finding]:
    return analyse(accesses, Measures(**measures), related or {}, since)


def rules(findings) -> set[Rule]:
    return {finding.rule for finding in findings}


def workdays(count: int) -> list[datetime]:
    days = (MONDAY + DAY * nth for nth in range(count * 2))
    return [day for day in days if day.weekday() < 5 and day.date() not in closed_days(day.year)][:count]


def test_ordinary_work_has_no_finding():
    accesses = [one for day in workdays(8) for who in ("ann", "ben") for one in looks(who, 12, day)]
    assert found(accesses) == []


@pytest.mark.parametrize(
    ("hour", "minute", "outside"),
    [(7, 59, True), (8, 0, False), (18, 59, False), (19, 0, True), (0, 0, True)],
)
def test_office_hours_are_those_of_japan_to_the_minute(hour, minute, outside):
    at = datetime(2022, 10, 3, tzinfo=UTC) - timedelta(hours=9) + timedelta(hours=hour, minutes=minute)
    assert rules(found(looks("ann", 1, at))) == ({Rule.OUTSIDE_HOURS} if outside else set())


@pytest.mark.parametrize("day", [date(2022, 10, 8), date(2022, 10, 9)])
def test_saturday_and_sunday_are_outside(day):
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    assert rules(found(looks("ann", 1, at))) == {Rule.OUTSIDE_HOURS}


def test_a_holiday_is_outside():
    """スポーツの日 2022; the agency's own closed days are beside those of the law."""
    assert rules(found(looks("ann", 1, MONDAY + 7 * DAY))) == {Rule.OUTSIDE_HOURS}
    assert rules(found(looks("ann", 1, MONDAY), closed=frozenset({MONDAY.date()}))) == {Rule.OUTSIDE_HOURS}


def test_the_hours_outside_are_counted_by_person_and_day():
    late = MONDAY + timedelta(hours=11)
    findings = found([*looks("ann", 3, late), *looks("ann", 2, late + DAY), *looks("ben", 1, late)])
    assert [(one.staff_id, one.day, one.count) for one in findings] == [
        ("ann", date(2022, 10, 3), 3),
        ("ben", date(2022, 10, 3), 1),
        ("ann", date(2022, 10, 4), 2),
    ]


def test_a_day_far_above_ones_own_history_is_found_for_its_affair_alone():
    days = workdays(7)
    usual = [one for day in days[:-1] for one in looks("ann", 4, day)]
    many = looks("ann", 30, days[-1])
    other_affair = looks("ann", 5, days[-1], affair="42")
    findings = [one for one in found([*usual, *many, *other_affair]) if one.rule is Rule.MORE_THAN_BEFORE]
    assert [(one.affair, one.count, one.usual) for one in findings] == [("27", 30, 4.0)]


def test_without_history_nobody_is_above_it():
    days = workdays(3)
    accesses = [*looks("ann", 4, days[0]), *looks("ann", 30, days[1])]
    assert Rule.MORE_THAN_BEFORE not in rules(found(accesses))


def test_far_more_than_the_others_on_that_day_is_found():
    accesses = [*looks("ann", 31, MONDAY), *looks("ben", 9, MONDAY), *looks("cho", 11, MONDAY)]
    findings = found(accesses)
    assert [(one.rule, one.staff_id, one.usual) for one in findings] == [(Rule.MORE_THAN_PEERS, "ann", 10.0)]
    assert found([*looks("ann", 30, MONDAY), *looks("ben", 10, MONDAY)]) == []


def test_few_are_never_many():
    assert found([*looks("ann", 9, MONDAY), *looks("ben", 1, MONDAY)]) == []


def test_the_same_person_again_and_again_is_found_and_one_occasion_is_one():
    again = [one for day in workdays(3) for one in looks("ann", 5, day, person="p", handle="Q1")]
    findings = found(again)
    assert [(one.rule, one.count, one.person, one.handles) for one in findings] == [
        (Rule.REPEATED_PERSON, 3, "person-1", ("Q1",))
    ]
    assert found(looks("ann", 20, MONDAY, person="p")) == []


def test_people_looked_up_have_a_name_of_this_report_alone():
    again = [one for day in workdays(3) for one in looks("ann", 1, day, person="a secret index")]
    assert "secret" not in str(found(again))


def test_own_record_household_and_colleague_are_told_apart():
    related = {"p": {"ann": "self"}, "q": {"ann": "household"}}
    accesses = [
        *looks("ann", 1, MONDAY, person="p"),
        *looks("ann", 2, MONDAY, person="q"),
        *looks("ben", 1, MONDAY, person="p"),
        *looks("ben", 1, MONDAY, person="q"),
        *looks("ben", 1, MONDAY, person="r"),
    ]
    findings = found(accesses, related=related)
    assert [(one.rule, one.staff_id, one.count) for one in findings] == [
        (Rule.HOUSEHOLD, "ann", 2),
        (Rule.OWN_RECORD, "ann", 1),
        (Rule.COLLEAGUE, "ben", 1),
    ]


def test_many_refused_log_ins_are_found_and_are_no_accesses():
    refused = looks("ann", 5, MONDAY + timedelta(hours=12), refused=True)
    findings = found(refused)
    assert [(one.rule, one.count) for one in findings] == [(Rule.REFUSED_ENTRANCES, 5)]
    assert found(refused[:4]) == []


def test_what_lies_before_the_period_is_history_alone():
    late = [one for day in workdays(2) for one in looks("ann", 1, day + timedelta(hours=11))]
    assert len(found(late, since=MONDAY + DAY)) == 1


def test_the_order_of_entries_does_not_matter():
    accesses = [
        *looks("ann", 31, MONDAY),
        *looks("ben", 9, MONDAY),
        *[one for day in workdays(3) for one in looks("ann", 1, day, person="p")],
    ]
    assert found(accesses) == found(list(reversed(accesses)))
