"""decide: the 19 items of the report (PL-1), dates, the two bases, each reason, the steps."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from permission_lists import decide as decide_module
from permission_lists.decide import EXPLANATIONS, Level, Party, Permitted, Question, Reason, Refused, decide
from permission_lists.model import Period, PermissionList, parse

MEDICAL = "医療保険給付関係情報"
OCTOBER_2022 = date(2022, 10, 1)
Named = Callable[[str], Party]

# 提供先1-18 of Ⅱ-5 of the report, each with an agency that is such a recipient.
RECIPIENTS = {
    "1": "厚生労働大臣",
    "2": "全国健康保険協会",
    "3": "東京都架空健康保険組合",
    "4": "厚生労働大臣",
    "5": "全国健康保険協会",
    "9": "東京都知事",
    "26": "東京都知事",
    "27": "目黒区長",
    "30": "東京都社会福祉協議会",
    "33": "日本私立学校振興・共済事業団",
    "39": "財務省共済組合",
    "42": "目黒区長",
    "58": "公立学校共済組合",
    "62": "目黒区長",
    "80": "東京都後期高齢者医療広域連合",
    "87": "横浜市長",
    "93": "目黒区長",
    "120": "神奈川県知事",
}
# Old item → row of the 2024 order (meirei2024.md); 30 has none.
NEW_ROWS = {
    "1": "1", "2": "2", "3": "3", "4": "5", "5": "6", "9": "13", "26": "42", "27": "48", "33": "56", "39": "65",
    "42": "69", "44": "71", "58": "83", "62": "87", "80": "115", "87": "125", "93": "131", "120": "158",
}  # fmt: skip


@pytest.fixture
def question(party: Named) -> Question:
    """A question that is permitted: item 2 on 2022-10-01."""
    return Question(
        on=OCTOBER_2022,
        inquirer=party("全国健康保険協会"),
        provider=party("世田谷区長"),
        item="2",
        information=MEDICAL,
    )


def reason(answer: Permitted | Refused) -> Reason | None:
    return answer.reason if isinstance(answer, Refused) else None


@pytest.mark.parametrize(("item", "recipient"), RECIPIENTS.items())
def test_every_recipient_of_the_report_is_permitted_in_october_2022(
    law: PermissionList, party: Named, question: Question, item: str, recipient: str
) -> None:
    answer = decide(law, replace(question, item=item, inquirer=party(recipient)))

    assert isinstance(answer, Permitted)
    assert answer.legal_basis == f"番号法第19条第8号 別表第二の{item}の項"
    assert answer.row.id == f"beppyo2-2022:{item}"


def test_exactly_eighteen_items_let_the_ward_give_medical_insurance_information(
    law: PermissionList, party: Named
) -> None:
    ward = party("世田谷区長")
    giving = {
        row.item
        for row in law.rows.values()
        if row.basis.id == "beppyo2-2022" and not isinstance(decide_module.grant_for(row, ward, MEDICAL), Reason)
    }

    assert giving == set(RECIPIENTS)


def test_item_44_is_the_wards_own_to_ask_under(law: PermissionList, party: Named, question: Question) -> None:
    asked = replace(
        question,
        item="44",
        inquirer=party("世田谷区長"),
        provider=party("厚生労働大臣"),
        information="失業等給付関係情報",
    )

    assert isinstance(decide(law, asked), Permitted)
    assert reason(decide(law, replace(asked, information=MEDICAL))) is Reason.INFORMATION_NOT_IN_ROW


@pytest.mark.parametrize(("old", "new"), NEW_ROWS.items())
def test_items_map_to_the_rows_of_2024(law: PermissionList, old: str, new: str) -> None:
    row = law.rows["meirei-2024", new]

    assert row.old_item == old
    assert row.inquirer.kinds == law.rows["beppyo2-2022", old].inquirer.kinds


def test_item_30_has_no_row_in_2024(law: PermissionList) -> None:
    assert "30" not in {row.old_item for row in law.rows.values()}


@pytest.mark.parametrize(("old", "new"), [pair for pair in NEW_ROWS.items() if pair[0] not in {"1", "4", "44"}])
def test_the_ward_still_provides_under_the_row_of_2024(
    law: PermissionList, party: Named, question: Question, old: str, new: str
) -> None:
    asked = replace(question, on=date(2024, 5, 27), item=new, inquirer=party(RECIPIENTS[old]))

    assert isinstance(decide(law, asked), Permitted)


@pytest.mark.parametrize("new", ["1", "5"])
def test_rows_1_and_5_of_2024_no_longer_have_medical_insurers_as_providers(
    law: PermissionList, party: Named, question: Question, new: str
) -> None:
    asked = replace(question, on=date(2024, 5, 27), item=new, inquirer=party("厚生労働大臣"))

    assert reason(decide(law, asked)) is Reason.INFORMATION_NOT_IN_ROW
    assert reason(decide(law, replace(asked, provider=party("東京都架空健康保険組合")))) is Reason.PROVIDER_NOT_IN_ROW


def test_refund_accounts_are_asked_of_the_prime_minister(law: PermissionList, party: Named, question: Question) -> None:
    asked = replace(
        question,
        item="42",
        inquirer=party("世田谷区長"),
        provider=party("内閣総理大臣"),
        information="公的給付支給等口座登録簿関係情報",
    )

    assert isinstance(decide(law, asked), Permitted)
    assert isinstance(decide(law, replace(asked, on=date(2024, 5, 27), item="69")), Permitted)


@pytest.mark.parametrize(
    ("on", "basis"),
    [
        (date(2022, 6, 16), None),
        (date(2022, 6, 17), "beppyo2-2022"),
        (date(2024, 5, 26), "beppyo2-2022"),
        (date(2024, 5, 27), "meirei-2024"),
        (date(2060, 1, 1), "meirei-2024"),
    ],
)
def test_the_basis_is_the_one_in_force_on_the_day(
    law: PermissionList, question: Question, on: date, basis: str | None
) -> None:
    answer = decide(law, replace(question, on=on))

    found = answer.row.basis.id if answer.row is not None else None
    assert found == basis
    assert (reason(answer) is Reason.BASIS_NOT_IN_FORCE) == (basis is None)


@pytest.mark.parametrize(
    ("on", "noted"),
    [
        (date(2022, 12, 15), False),
        (date(2022, 12, 16), True),
        (date(2024, 5, 26), True),
        (date(2024, 5, 27), True),
        (date(2026, 2, 1), False),
        (date(2026, 2, 3), True),
    ],
)
def test_a_permission_on_wording_of_another_day_says_so(
    law: PermissionList, question: Question, on: date, noted: bool
) -> None:
    answer = decide(law, replace(question, on=on))

    assert isinstance(answer, Permitted)
    assert (answer.row.basis.text_note in answer.notes) is noted


@pytest.mark.parametrize(
    ("named", "on", "expected"),
    [
        ("meirei-2024", OCTOBER_2022, Reason.BASIS_NOT_IN_FORCE),
        ("beppyo2-2022", date(2024, 5, 27), Reason.BASIS_NOT_IN_FORCE),
        ("beppyo2-2022", OCTOBER_2022, None),
        ("no-such-basis", OCTOBER_2022, Reason.BASIS_NOT_IN_FORCE),
    ],
)
def test_a_named_basis_must_be_in_force(
    law: PermissionList, question: Question, named: str, on: date, expected: Reason | None
) -> None:
    assert reason(decide(law, replace(question, basis=named, on=on))) is expected


def test_an_item_outside_the_list_is_refused(law: PermissionList, question: Question) -> None:
    assert reason(decide(law, replace(question, item="999"))) is Reason.AFFAIR_NOT_LISTED


def test_a_deleted_item_is_not_listed(law: PermissionList, question: Question) -> None:
    assert reason(decide(law, replace(question, item="157", on=date(2024, 5, 27)))) is Reason.AFFAIR_NOT_LISTED


@pytest.mark.parametrize(
    ("inquirer", "provider", "information", "expected"),
    [
        ("目黒区長", "世田谷区長", MEDICAL, Reason.INQUIRER_NOT_IN_ROW),
        ("全国健康保険協会", "東京都知事", MEDICAL, Reason.PROVIDER_NOT_IN_ROW),
        ("全国健康保険協会", "世田谷区長", "戸籍関係情報", Reason.INFORMATION_NOT_IN_ROW),
        ("全国健康保険協会", "厚生労働大臣", MEDICAL, Reason.INFORMATION_NOT_IN_ROW),
        ("全国健康保険協会", "全国健康保険協会", MEDICAL, Reason.INQUIRES_OF_ITSELF),
    ],
)
def test_one_column_off_is_refused(
    law: PermissionList, party: Named, question: Question, inquirer: str, provider: str, information: str,
    expected: Reason,
) -> None:  # fmt: skip
    asked = replace(question, inquirer=party(inquirer), provider=party(provider), information=information)

    assert reason(decide(law, asked)) is expected


ASKED_ON, ONE_DAY = date(2022, 10, 1), timedelta(days=1)
BEFORE = Period(first=date.min, last=ASKED_ON - ONE_DAY)
AFTER = Period(first=ASKED_ON + ONE_DAY, last=None)


@pytest.mark.parametrize("side", ["inquirer", "provider"])
@pytest.mark.parametrize("assessed", [(), (BEFORE,), (AFTER,), (BEFORE, AFTER)])
def test_a_party_without_its_assessment_neither_asks_nor_is_asked(
    law: PermissionList, question: Question, side: str, assessed: tuple[Period, ...]
) -> None:
    unmet = replace(getattr(question, side), assessed=assessed)

    assert reason(decide(law, replace(question, on=ASKED_ON, **{side: unmet}))) is Reason.PIA_DUTY_NOT_MET


@pytest.mark.parametrize("side", ["inquirer", "provider"])
def test_a_party_that_is_assessed_on_the_day_takes_part(law: PermissionList, question: Question, side: str) -> None:
    met = replace(getattr(question, side), assessed=(BEFORE, Period(first=ASKED_ON, last=ASKED_ON)))

    assert isinstance(decide(law, replace(question, on=ASKED_ON, **{side: met})), Permitted)


def test_a_provider_that_other_law_must_settle_is_refused(law: PermissionList, question: Question) -> None:
    other_law = "健康保険法第五十五条又は第百二十八条に規定する他の法令による給付の支給に関する情報"

    assert reason(decide(law, replace(question, information=other_law))) is Reason.TERM_UNDETERMINED


def test_an_inquirer_that_may_or_may_not_be_meant_is_refused_only_if_all_else_fits(
    law: PermissionList, party: Named, question: Question
) -> None:
    asked = replace(
        question, item="31", inquirer=party("目黒区長"), provider=party("世田谷区長"), information="地方税関係情報"
    )

    assert law.rows["beppyo2-2022", "31"].inquirer.unresolved
    assert reason(decide(law, asked)) is Reason.TERM_UNDETERMINED
    assert reason(decide(law, replace(asked, information="戸籍関係情報"))) is Reason.INFORMATION_NOT_IN_ROW
    assert reason(decide(law, replace(asked, inquirer=party("厚生労働大臣")))) is Reason.INQUIRER_NOT_IN_ROW


def test_detail_level_lists_the_affairs_that_name_the_information(
    law: PermissionList, party: Named, question: Question
) -> None:
    asked = replace(question, item="26", inquirer=party("東京都知事"), level=Level.DETAIL)
    answer = decide(law, asked)

    assert isinstance(answer, Permitted)
    assert [detail.number for detail in answer.details] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(("affair", "expected"), [("2", None), ("1", Reason.NO_DETAIL), ("99", Reason.NO_DETAIL)])
def test_a_named_affair_must_itself_name_the_information(
    law: PermissionList, party: Named, question: Question, affair: str, expected: Reason | None
) -> None:
    asked = replace(question, item="42", inquirer=party("目黒区長"), level=Level.DETAIL, affair=affair)

    assert reason(decide(law, asked)) is expected


def test_item_30_is_permitted_by_the_table_and_refused_in_detail(
    law: PermissionList, party: Named, question: Question
) -> None:
    asked = replace(question, item="30", inquirer=party("東京都社会福祉協議会"))
    answer = decide(law, asked)

    assert isinstance(answer, Permitted)
    assert answer.notes
    assert reason(decide(law, replace(asked, level=Level.DETAIL))) is Reason.NO_DETAIL


def test_the_refund_of_premiums_is_a_detailed_affair_of_row_69(
    law: PermissionList, party: Named, question: Question
) -> None:
    answer = decide(
        law,
        replace(
            question,
            on=date(2026, 2, 1),
            item="69",
            inquirer=party("世田谷区長"),
            provider=party("内閣総理大臣"),
            information="公的給付支給等口座登録簿関係情報",
            level=Level.DETAIL,
        ),
    )

    assert isinstance(answer, Permitted)
    assert any("保険料の還付に関する事務" in detail.affair for detail in answer.details)


ORDINANCE = """
basis:
  id: setagaya-ordinance
  kind: ordinance
  title: 架空の条例
  citation: 番号法第19条第9号 架空の条例別表の{item}の項
  in_force: {from: '2023-01-01', to: null}
definitions:
  information: {}
  terms:
    世田谷区長: {kinds: [], agencies: [世田谷区長]}
    市町村長: {kinds: [市長, 町村長, 特別区の区長]}
rows:
- item: '1'
  inquirer: 世田谷区長
  affair: 架空の医療費助成に関する事務
  in_force: {from: '2023-04-01', to: '2024-03-31'}
  grants:
  - {provider: 市町村長, text: 地方税関係情報, information: [地方税関係情報]}
"""


@pytest.mark.parametrize(
    ("basis", "on", "inquirer", "expected"),
    [
        ("setagaya-ordinance", date(2023, 4, 1), "世田谷区長", None),
        ("setagaya-ordinance", date(2023, 3, 31), "世田谷区長", Reason.NOT_IN_FORCE),
        ("setagaya-ordinance", date(2024, 4, 1), "世田谷区長", Reason.NOT_IN_FORCE),
        ("setagaya-ordinance", date(2022, 12, 31), "世田谷区長", Reason.BASIS_NOT_IN_FORCE),
        ("setagaya-ordinance", date(2023, 4, 1), "渋谷区長", Reason.INQUIRER_NOT_IN_ROW),
        (None, date(2023, 4, 1), "世田谷区長", Reason.BASIS_NOT_IN_FORCE),
    ],
)
def test_ordinance_rows_stand_beside_the_statute_when_named(
    party: Named, basis: str | None, on: date, inquirer: str, expected: Reason | None
) -> None:
    asked = Question(
        on=on, inquirer=party(inquirer), provider=party("目黒区長"), item="1", information="地方税関係情報", basis=basis
    )

    assert reason(decide(parse([ORDINANCE]), asked)) is expected


def test_a_name_that_sounds_like_a_kind_makes_nobody_that_kind(law: PermissionList, question: Question) -> None:
    impostor = Party(name="全国健康保険協会", kinds=frozenset())

    assert reason(decide(law, replace(question, inquirer=impostor))) is Reason.INQUIRER_NOT_IN_ROW


def test_numbered_steps_agree_with_their_list() -> None:
    source = inspect.getsource(decide)
    listed = [int(number) for number in re.findall(r"^    (\d+)\. ", source, re.MULTILINE)]
    blocks = re.findall(r"^    # (\d[\d, ]*)", source, re.MULTILINE)
    numbers = [int(number) for block in blocks for number in block.split(",")]

    assert listed == list(range(1, 11))
    assert numbers == sorted(numbers)
    assert sorted(set(numbers)) == listed


def test_every_reason_is_explained_and_stable() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    assert {member.value for member in Reason} == {
        "basis_not_in_force", "pia_duty_not_met", "inquires_of_itself", "affair_not_listed", "not_in_force",
        "inquirer_not_in_row", "provider_not_in_row", "information_not_in_row", "term_undetermined", "no_detail",
    }  # fmt: skip
