"""SC-4, SC-15 and SC-23 in an assessment: bars as the log says, backups by those with the right and on record first, statistics in classes only."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from evidence.export import LogParty
from evidence.findings import Agreement, Report
from gateway.assessing import records, telling
from gateway.assessing.logs import Logs, Said
from gateway.assessing.logs import _read as logs_read
from gateway.assessing.verdicts import Verdict

MADE = [("w 2022/5", "admin-1", "begun", "B1"), ("w 2022/6", "admin-1", "made", "B1")]


def logs(backups) -> Logs:
    report = Report(findings=(), logs=(), peers_checked=0, peers_unchecked=0)
    return Logs(
        said={"w": Said(backups=list(backups))}, agencies={"w": ("ward", LogParty.INTERMEDIATE)}, report=report,
        agreement=Agreement(findings=(), inquiries=0, compared=0, alone=0, open=0, unreceived=0), unread={},
    )  # fmt: skip


def row(outcome: str, exchanges: int, partner: str = "p", day: date = date(2022, 4, 1)) -> dict:
    return {
        "month": day, "basis": "b", "item": "27", "partner": partner, "inquirer_for": "", "provider_for": "", "information": "i",
        "kind": "inquiry.answered", "outcome": outcome, "exchanges": exchanges,
    }  # fmt: skip


def test_a_backup_by_somebody_with_the_right_that_was_on_record_first_is_kept():
    assert telling.backups_by_right(logs(MADE), {"ward": ["admin-1"]}).verdict is Verdict.KEPT


@pytest.mark.parametrize(
    ("backups", "holders", "named"),
    [
        (MADE, ["admin-2"], "バックアップの権限がない者による"),
        (MADE[1:], ["admin-1"], "取得前の記録がない"),
    ],
)
def test_a_backup_without_right_or_record_is_named(backups, holders, named):
    found = telling.backups_by_right(logs(backups), {"ward": holders})
    assert found.verdict is Verdict.BROKEN
    assert any(named in what for what in found.what)


def test_without_a_backup_nothing_is_claimed():
    assert telling.backups_by_right(logs([]), {"ward": ["admin-1"]}).verdict is Verdict.UNVERIFIED


def test_statistics_above_the_threshold_are_kept_and_a_lower_threshold_is_named():
    counts = {"ward": [row("answered", 40), row("refused", 2), row("aborted", 11)]}
    kept = telling.statistics_in_classes({"ward": 10}, counts)
    assert (kept.verdict, kept.seen) == (Verdict.KEPT, "下限 1 機関、数えた月 1")
    low = telling.statistics_in_classes({"ward": 1}, counts)
    assert (low.verdict, low.what) == (Verdict.BROKEN, ("ward: 統計の下限が 1 (below 3)",))


@pytest.mark.parametrize(
    ("told", "named"),
    [([40, 2, 9], "下限より小さい数を示す"), ([40], "示さない数が合計から分かる"), ([40, 11], ""), ([], "")],
)
def test_numbers_that_single_out_are_named(told, named):
    finest = {
        (("b", "27"), "p", "i", outcome): count for outcome, count in (("answered", 40), ("refused", 2), ("x", 9))
    }
    found = telling.wrong(told, finest, 10)
    assert [what.partition(" ")[0] for what in found] == ([named] if named else [])


BAR = {"place": "person", "effect": "hold", "information": "*", "data_item": "*"}


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([{"bar_id": "B1", "inquirer": "", **BAR}], ""),
        ([], "B1"),
        ([{"bar_id": "B1", "inquirer": "", **BAR, "information": "i"}], "B1"),
    ],
)
def test_sc_4_a_bar_whose_row_is_not_as_the_log_says_is_named(rows, named):
    said = Said()
    for bar_id, state in (
        ("B1", "unchecked"),
        ("B1", "standing"),
        ("B2", "standing"),
        ("B2", "lifted"),
        ("B3", "asked"),
    ):
        facts = {"bar_id": bar_id, "state": state, "inquirer": "", **BAR}
        logs_read(said, "ward 2022/5", {"kind": "bars.changed", "at": "2022-10-03T03:00:00Z", "facts": facts})
    found = records.bars_recorded(replace(logs([]), said={"ward": said}), {"ward": rows})
    assert [named in one for one in found.what] == ([True] if named else [])
    assert found.verdict is (Verdict.BROKEN if named else Verdict.KEPT)
