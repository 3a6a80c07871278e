"""PL-2 to PL-4 in an assessment: whom the list is asked about once more, and when it cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from evidence.export import LogParty
from gateway.assessing import logs as log_reading
from gateway.assessing import records, telling
from gateway.assessing.logs import ASKED, Said
from gateway.assessing.measures import requirements
from gateway.assessing.verdicts import Verdict
from gateway.tracing.sources import Source
from permission_lists.model import Period
from permission_lists.versions import legal_day
from tests.evidence.exchanges import START
from tests.gateway.assessing.test_telling import logs
from tests.gateway.tracing.test_judged_parties import ANSWERED_FOR, DELEGATED
from tests.gateway.tracing.test_page import LIBRARY, K, known, parties


def asked(kind=K.PERMIT_ISSUED, known_parties=None, **changes):
    """What an assessment says of one record."""
    entry = {"kind": kind.value, **parties(**changes)}
    question = (START.isoformat()[:13], *(entry.get(name) or "" for name in ASKED))
    found = logs([])
    found.said["w"] = Said(asked={question: "2026/3"})
    return records.list_again(found, LIBRARY, known() if known_parties is None else known_parties)


@pytest.mark.parametrize("said", [DELEGATED, ANSWERED_FOR], ids=["asks", "answers"])
def test_an_inquiry_in_anothers_stead_is_judged_again_as_that_others(said):
    assert asked(**said).verdict is Verdict.KEPT
    assert asked(**said | {"inquirer_for": None, "provider_for": None}).verdict is Verdict.BROKEN


def test_a_provider_is_judged_by_the_day_of_the_permit_and_not_by_that_of_its_record():
    """Down over night, while the basis changes: what it provides in the morning was permitted the day before."""
    entry = {"kind": K.PROVISION_MADE.value, "permit_id": "P1", **parties()}
    other = (START - timedelta(days=1_000)).isoformat()[:13]  # the basis was not in force
    question = (other, *(entry.get(name) or "" for name in ASKED))
    verdicts = []
    for issued in ({"P1": START.isoformat()[:13]}, {"P1": other}, {}):
        found = logs([])
        found.said["w"], found.said["core"] = Said(asked={question: "2026/3"}), Said(issued=issued)
        verdicts.append(records.list_again(found, LIBRARY, known()).verdict)
    assert verdicts == [Verdict.KEPT, Verdict.BROKEN, Verdict.UNVERIFIED]


@pytest.mark.parametrize(
    ("kind", "reason"), [(K.PERMIT_ISSUED, None), (K.PERMIT_REFUSED, "information_not_in_row")], ids=["yes", "no"]
)
def test_an_inquiry_of_somebody_of_whom_no_kind_is_known_cannot_be_judged_again(kind, reason):
    told = asked(kind, known(suginami=None), reason=reason)
    assert told.verdict is Verdict.UNVERIFIED
    assert told.what == ("2026/3: 法令の区分を知らない機関 (unknown agency)",)


@pytest.mark.parametrize("then", ["assessed then", "not assessed then"])
def test_a_standing_is_judged_as_it_was_on_the_day_of_the_record(then):
    """PL-6, SC-28: what the register says of later days counts nothing; on the day of a change it does not tell before from after."""
    day, one_day = legal_day(START), timedelta(days=1)
    till = Period(first=date.min, last=day - one_day if then == "not assessed then" else day)
    ward = replace(known()["setagaya"], assessed=(till,))
    permitted, refused = (
        asked(kind, known(setagaya=ward), reason=reason)
        for kind, reason in ((K.PERMIT_ISSUED, None), (K.PERMIT_REFUSED, "pia_duty_not_met"))
    )
    met = then == "assessed then"
    assert (permitted.verdict, refused.verdict) == (
        (Verdict.KEPT, Verdict.BROKEN) if met else (Verdict.UNVERIFIED, Verdict.KEPT)
    )
    assert met or "standing changed that day" in permitted.what[0]


def test_nothing_that_rests_on_logs_is_kept_while_one_is_unread():
    """SC-28: seven of eight agencies whose logs were not read say nothing of what stands in them."""
    entry = {"kind": K.PERMIT_ISSUED.value, **parties()}
    question = (START.isoformat()[:13], *(entry.get(name) or "" for name in ASKED))
    said = Said(
        asked={question: "2026/3"}, staff=1, log_ins=1, exchanges=1, left=1, refusals=1, analysed_at=START.isoformat()
    )
    said.released, said.deciders = {"2026/3": "staff-1"}, {"staff-1"}
    said.backups = [("2026/1", "admin-1", "begun", "B1"), ("2026/2", "admin-1", "made", "B1")]
    whole = replace(logs([]), said={"w": said})

    def looked(found):
        return {
            one.check: one.verdict
            for one in (
                records.staff_recorded(found),
                records.exchanges_named(found),
                records.sealed_under_permit(found),
                records.released_by_people(found),
                records.analysed_within_a_year(found, START),
                records.refusals_recorded(found, {}),
                records.list_again(found, LIBRARY, known()),
                telling.backups_by_right(found, {"ward": ["admin-1"]}),
            )
        }

    assert set(looked(whole).values()) == {Verdict.KEPT}
    assert set(looked(replace(whole, unread={"v": "接続できない (not reachable)"})).values()) == {Verdict.UNVERIFIED}


def test_a_year_without_a_log_does_not_hide_the_years_before_it(tmp_path):
    """SC-28, SC-6: after two years in which nothing happened, the logs of before are read still; so is the oldest year that is kept."""
    asked_for = []

    def download(year, path):
        asked_for.append(year)
        return path.write_bytes(b"x") if year in {2034, 2031, 2027} else 0

    source = Source(agency="ward", server=LogParty.INTERMEDIATE, search=lambda _: [], download=download)
    found = log_reading._years(source, tmp_path, datetime(2034, 6, 1, tzinfo=UTC))
    assert [year for year, _ in found] == [2034, 2031, 2027]
    assert asked_for == list(range(2034, 2026, -1))


def test_provision_by_ordinance_rests_on_the_list_as_well():
    """PL-5: a yes that the list does not say breaks it, not only a no that is not on record."""
    (found,) = (one for one in requirements() if one.id == "PL-5")
    assert "list_again" in found.checks
