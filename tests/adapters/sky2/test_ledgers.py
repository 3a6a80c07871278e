"""The ledgers hold every record item of 別添２, and the tables one column for each.

appendix2.txt is the report's own text of 別添２, line by line; only its layout (line breaks, spaces) was lost.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from adapters.sky2.ledgers import SQL_TYPES, ItemType, LedgerError, column_definitions, create_table, parse

PACKAGE = files("adapters.sky2")
TEXTS = {
    name: PACKAGE.joinpath("ledger_data", f"{name}.yaml").read_text(encoding="utf-8")
    for name in ("receipts_ledger", "arrears_ledger")
}
LEDGERS = {name: parse(text) for name, text in TEXTS.items()}
SQL = PACKAGE.joinpath("migrations", "0001_sky2.sql").read_text(encoding="utf-8")
#: The report prints these two items without a space between them.
RUN_TOGETHER = {"最終収入日本税調定額": "最終収入日　本税調定額"}


def report_items(title: str) -> list[tuple[str, str]]:
    """(group, item) of one ledger, in the report's order."""
    text = (Path(__file__).parent / "appendix2.txt").read_text(encoding="utf-8")
    section = re.split(r"（[０-９]）", text)[1:]
    body = next(part for part in section if part.startswith(title))
    for printed, meant in RUN_TOGETHER.items():
        body = body.replace(printed, meant)
    groups = re.split(r"＜(.+?)＞", body)[1:]
    return [(group, item) for group, items in zip(groups[::2], groups[1::2], strict=True) for item in items.split()]


@pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)
def test_the_layout_has_every_record_item_of_the_report_in_its_order(ledger):
    assert [(item.group, item.name) for item in ledger.items] == report_items(ledger.title)


def test_there_are_over_a_hundred_record_items():
    assert {name: len(ledger.items) for name, ledger in LEDGERS.items()} == {
        "receipts_ledger": 129,
        "arrears_ledger": 119,
    }


@pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)
def test_the_migration_holds_the_table_that_the_layout_gives(ledger):
    assert create_table(ledger) in SQL


@pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)
def test_numbers_and_accounts_are_sealed(ledger):
    sealed = {item.name for item in ledger.items if item.type is ItemType.SEALED}
    personal = {item.name for item in ledger.items if item.name == "個人番号" or item.name.startswith("口座")}
    assert sealed >= personal - {"口座振替区分", "口座振替日"}


@pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)
def test_column_definitions_follow_the_items(ledger):
    definitions = column_definitions(ledger)
    assert definitions[0] == "addressee_number text not null"
    assert len(definitions) == len(ledger.items)
    assert [definition.split()[0] for definition in definitions] == [item.column for item in ledger.items]


@pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)
def test_amounts_dates_and_compound_items_have_their_types(ledger):
    by_name = {item.name: item.type for item in ledger.items}
    assert {item.type for item in ledger.items if item.name.endswith("月日")} == {ItemType.DATE}
    assert {item.type for item in ledger.items if item.name.endswith("額")} == {ItemType.AMOUNT}
    assert by_name["現住所情報"] is ItemType.RECORD


def test_every_type_has_its_sql_type():
    assert set(SQL_TYPES) == set(ItemType)


def test_the_sql_names_no_schema():
    assert not re.search(r"\b(create table|create index on|references)\s+\w+\.\w+", SQL)


def layout(items: str, prefix: str = "addressee") -> str:
    return f"ledger: x\ntitle: x\ngroups:\n  - name: x\n    prefix: {prefix}\n    items: [{items}]\n"


ONE = "{number: 1, name: x, column: addressee_number, type: number}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "ledger: x",
        layout(ONE.replace("type: number", "type: nonsense")),
        layout(ONE.replace("addressee_number", "other_number")),
        layout(ONE.replace("addressee_number", "addressee_x; drop table")),
        layout(f"{ONE}, {ONE.replace('1', '2')}"),
        layout(ONE.replace("1", "2")),
    ],
    ids=["empty", "not yaml", "no groups", "type", "prefix", "injection", "column twice", "numbering"],
)
def test_what_is_no_layout_is_refused(text):
    with pytest.raises(LedgerError):
        parse(text)
