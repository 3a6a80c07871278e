"""Business information keeps to the layouts and has its odd cases."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from importlib.resources import files

import pytest

from codebook.layouts import NullReason, check_record, in_force, parse
from synthetic.bank_kana import as_banks_write
from synthetic.business import VERSIONS, AccountCase, Business
from synthetic.people import AGES_COUNTED_ON, age_on, population

BUSINESS = Business(7)
PEOPLE = list(population(7, 3000))
LAYOUTS = [
    layout
    for path in sorted(files("codebook").joinpath("layout_data").iterdir(), key=str)
    for layout in parse(path.read_text(encoding="utf-8"))
]


def insurance(person):
    return BUSINESS.medical_insurance(person, system="sky2", addressee_number="0000000001")


def account(person):
    return (BUSINESS.receiving_account(person, system="register", addressee_number="0000000002"),)


def unemployment(person):
    return BUSINESS.unemployment(person, system="benefits", addressee_number="0000000003")


def notices(person):
    return [BUSINESS.notice(person, system="insurance", addressee_number="0000000001", nth=nth) for nth in range(2)]


def taxes(person):
    return [BUSINESS.local_tax(person, system="tax", addressee_number="0000000004")]


RECORDS = [
    record
    for make in (insurance, account, unemployment, notices, taxes)
    for person in PEOPLE
    for record in make(person)
]


@pytest.mark.parametrize("information", VERSIONS)
def test_every_record_keeps_to_the_layout_in_force(information):
    layout = in_force(LAYOUTS, information, AGES_COUNTED_ON)
    assert layout.version == VERSIONS[information]
    records = [record for record in RECORDS if record.information == information]
    assert [check_record(layout, record.data_set, record.wire_items()) for record in records] == [[]] * len(records)
    assert {record.version for record in records} == {layout.version}
    assert {record.data_set for record in records} == set(layout.data_sets)


@pytest.mark.parametrize("information", VERSIONS)
def test_reasons_of_null_occur(information):
    items = [item for r in RECORDS if r.information == information for item in r.items.values()]
    assert 0 < sum(isinstance(item, NullReason) for item in items) / len(items) < 0.4


def test_the_same_seed_gives_the_same_records():
    assert [record for person in PEOPLE for record in insurance(person)] == [
        record
        for person in PEOPLE
        for record in Business(7).medical_insurance(person, system="sky2", addressee_number="0000000001")
    ]


def test_only_the_insured_have_insurance_records_and_nobody_of_75():
    assert [bool(insurance(person)) for person in PEOPLE] == [BUSINESS.is_insured(person) for person in PEOPLE]
    insured = [person for person in PEOPLE if BUSINESS.is_insured(person)]
    assert 0.2 < len(insured) / len(PEOPLE) < 0.3
    assert max(age_on(person.birth_date, AGES_COUNTED_ON) for person in insured) < 75


def test_the_records_of_a_barred_person_bar_the_automatic_answer():
    marked = {record.auto_response == "barred" for p in PEOPLE if BUSINESS.is_barred(p) for record in insurance(p)}
    others = {record.auto_response == "barred" for p in PEOPLE if not BUSINESS.is_barred(p) for record in insurance(p)}
    assert (marked, others) == ({True}, {False})


def test_record_ids_come_once_and_name_nobody():
    ids = [record.record_id for record in insurance(next(p for p in PEOPLE if BUSINESS.is_insured(p)))]
    assert len(set(ids)) == len(ids) >= 3
    assert all(re.fullmatch("[0-9a-f]{32}", record_id) for record_id in ids)


def test_all_account_cases_occur_and_most_accounts_are_in_the_own_name():
    cases = Counter(BUSINESS.account_case(person) for person in PEOPLE)
    assert set(cases) == set(AccountCase)
    assert cases[AccountCase.OWN_NAME] / len(PEOPLE) > 0.9


def test_banks_are_fictional():
    codes = [record.items["金融機関コード"] for person in PEOPLE for record in account(person)]
    assert all(code is NullReason.NOT_APPLICABLE or code.startswith("9") for code in codes)


@pytest.mark.parametrize("case", AccountCase)
def test_the_holder_is_the_person_unless_the_case_says_otherwise(case):
    of_case = [person for person in PEOPLE if BUSINESS.account_case(person) is case]
    holders = [account(person)[0].items["名義人氏名カナ"] for person in of_case]
    own = [as_banks_write(person.kana) for person in of_case]
    assert [holder == expected for holder, expected in zip(holders, own, strict=True)] == [
        case is AccountCase.OWN_NAME
    ] * len(own)


def test_banks_write_half_width_kana_without_small_letters():
    assert as_banks_write("モギガッキョウ　パーヴ") == "ﾓｷﾞｶﾞﾂｷﾖｳ ﾊﾟ-ｳﾞ"
    assert unicodedata.normalize("NFKC", as_banks_write("モギヤマモト　ダイゴ")) == "モギヤマモト ダイゴ"
