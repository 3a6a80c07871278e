"""`decide --explain`: the column that failed is the one the refusal is for, and the rows said to allow it do."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from permission_lists.decide import Party, Permitted, Question, Reason, decide
from permission_lists.explain import Column, Verdict, explain
from permission_lists.model import PermissionList

COLUMN_OF = {
    Reason.BASIS_NOT_IN_FORCE: Column.BASIS,
    Reason.PIA_DUTY_NOT_MET: Column.ASSESSMENT,
    Reason.INQUIRES_OF_ITSELF: Column.PARTIES,
    Reason.AFFAIR_NOT_LISTED: Column.ITEM,
    Reason.NOT_IN_FORCE: Column.IN_FORCE,
    Reason.INQUIRER_NOT_IN_ROW: Column.INQUIRER,
}
NAMES = (
    "世田谷区長",
    "横浜市長",
    "東京都知事",
    "厚生労働大臣",
    "全国健康保険協会",
    "法務大臣",
    "架空町長",
    "国税庁長官",
)


@pytest.fixture
def asked(party: Callable[[str], Party]) -> Question:
    return Question(
        on=date(2022, 10, 1), inquirer=party("全国健康保険協会"), provider=party("世田谷区長"), item="2",
        information="医療保険給付関係情報",
    )  # fmt: skip


def verdicts(law: PermissionList, question: Question) -> dict[Column, Verdict]:
    return {one.column: one.verdict for one in explain(law, question).columns}


def test_every_column_of_a_permitted_question_fits_and_its_row_is_among_those_that_allow_it(
    law: PermissionList, asked: Question
) -> None:
    assert set(verdicts(law, asked).values()) == {Verdict.FITS}
    assert "beppyo2-2022:2" in [row.id for row in explain(law, asked).allowing]


@pytest.mark.parametrize(
    ("column", "change"),
    [
        (Column.BASIS, {"on": date(2022, 6, 16)}),
        (Column.ASSESSMENT, {"inquirer": Party(name="甲", kinds=frozenset({"全国健康保険協会"}), assessed=())}),
        (Column.PARTIES, {"provider": Party(name="全国健康保険協会", kinds=frozenset({"市長"}))}),
        (Column.ITEM, {"item": "999"}),
        (Column.INQUIRER, {"inquirer": Party(name="国税庁長官", kinds=frozenset({"国税庁長官"}))}),
        (Column.PROVIDER, {"provider": Party(name="国税庁長官", kinds=frozenset({"国税庁長官"}))}),
        (Column.INFORMATION, {"information": "無い情報"}),
    ],
)
def test_one_column_off_is_the_column_that_fails(
    law: PermissionList, asked: Question, column: Column, change: dict[str, object]
) -> None:
    found = verdicts(law, replace(asked, **change))  # type: ignore[arg-type]

    assert [each for each, verdict in found.items() if verdict is Verdict.FAILS] == [column]


def test_a_party_that_other_law_settles_is_unsettled(law: PermissionList, asked: Question) -> None:
    governor = Party(name="東京都知事", kinds=frozenset({"都道府県知事"}))
    benefits = "健康保険法第五十五条又は第百二十八条に規定する他の法令による給付の支給に関する情報"

    assert verdicts(law, replace(asked, provider=governor, information=benefits))[Column.PROVIDER] is Verdict.UNSETTLED


def test_explanations_agree_with_decisions(law: PermissionList, party: Callable[[str], Party]) -> None:
    draw = random.Random("explain")  # noqa: S311 - seeded, so that a failure repeats
    rows = list(law.rows.values())
    reasons: Counter[str] = Counter()
    for _ in range(600):
        row = draw.choice(rows)
        grant = draw.choice(row.grants)
        question = Question(
            on=draw.choice([date(2022, 10, 1), date(2026, 2, 1)]), inquirer=party(draw.choice(NAMES)),
            provider=party(draw.choice(NAMES)), item=row.item, basis=draw.choice([None, row.basis.id]),
            information=draw.choice(sorted(grant.information)),
        )  # fmt: skip
        answer = decide(law, question)
        explained = explain(law, question)
        found = {one.column: one.verdict for one in explained.columns}
        if isinstance(answer, Permitted):
            reasons["permitted"] += 1
            assert set(found.values()) == {Verdict.FITS}
            assert answer.row in explained.allowing
        else:
            reasons[answer.reason] += 1
            column = COLUMN_OF.get(answer.reason)
            bad = [each for each, verdict in found.items() if verdict is not Verdict.FITS]
            assert bad
            assert column is None or found[column] is Verdict.FAILS
            assert all(
                isinstance(decide(law, replace(question, basis=one.basis.id, item=one.item)), Permitted)
                for one in explained.allowing
            )
    assert {"permitted", Reason.INQUIRER_NOT_IN_ROW, Reason.PROVIDER_NOT_IN_ROW} <= set(reasons)
