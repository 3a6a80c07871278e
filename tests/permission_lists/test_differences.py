"""What two versions permit differently: rows of days that are past or to come are told too, with their days."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.list_texts import differences_document, differences_text
from permission_lists.differences import compare_on
from permission_lists.model import PermissionRow, parse

TEXT = (Path(__file__).parent / "ordinance.yaml").read_text(encoding="utf-8")
FIRST, SECOND = date(2022, 11, 1), date(2026, 12, 1)
DAYS = "in_force: {from: '2022-10-01', to: '2024-05-26'}"


def rows(old: str = "", new: str = "") -> list[PermissionRow]:
    assert old in TEXT
    return list(parse([TEXT.replace(old, new) if old else TEXT]).rows.values())


def test_the_ordinance_has_a_row_with_days_of_its_own() -> None:
    assert DAYS in TEXT


def test_a_row_that_is_not_in_force_on_the_versions_first_day_is_told_with_its_days() -> None:
    added, removed = compare_on([], SECOND, rows(), SECOND), compare_on(rows(), SECOND, [], SECOND)

    assert [row.id for row in added.added] == [row.id for row in removed.removed] == [row.id for row in rows()]
    assert "(2022-10-01–2024-05-26)" in differences_text(added)
    assert differences_document(added)["not_in_force"] == [row.id for row in rows()]


def test_a_row_whose_days_end_is_changed_and_not_taken_out() -> None:
    ended = rows(DAYS, DAYS.replace("2024-05-26", "2022-10-31"))
    found = compare_on(rows(), FIRST, ended, FIRST)

    assert (found.removed, found.added) == ((), ())
    assert [[change.column for change in one.changes] for one in found.changed] == [["in_force"]]
    back = compare_on(ended, FIRST, rows(), FIRST)
    assert [[change.column for change in one.changes] for one in back.changed] == [["in_force"]]


def test_what_is_changed_of_a_row_to_come_is_told() -> None:
    later = DAYS.replace("2022-10-01", "2023-04-01")
    other = rows(DAYS, later.replace("2023-04-01", "2023-05-01"))
    (changed,) = compare_on(rows(DAYS, later), FIRST, other, FIRST).changed

    assert [(change.before, change.after) for change in changed.changes] == [
        (("2023-04-01–2024-05-26",), ("2023-05-01–2024-05-26",))
    ]


@given(st.dates(date(2021, 1, 1), date(2030, 1, 1)))
def test_a_list_differs_from_itself_on_no_day(day: date) -> None:
    assert compare_on(rows(), day, rows(), day).none
    assert compare_on(rows(), FIRST, rows(), day).changed == ()
