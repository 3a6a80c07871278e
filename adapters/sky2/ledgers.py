"""The two ledgers of 別添２ as layouts, and the tables that hold them.

A layout lists every record item of the report in its order. The tables in migrations/0001_sky2.sql have one column for
each item; `create_table` writes that SQL, and a test holds the two together. No I/O here: callers pass the YAML text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,62}")


class LedgerError(Exception):
    """A ledger's layout is not a layout: our own file is wrong."""


class ItemType(StrEnum):
    """How a record item is kept. RECORD: an item made of several (情報). SEALED: bytes that only the key ring opens."""

    NUMBER = "number"
    CODE = "code"
    TEXT = "text"
    DATE = "date"
    TIME = "time"
    YEAR = "year"
    COUNT = "count"
    AMOUNT = "amount"
    RECORD = "record"
    SEALED = "sealed"


SQL_TYPES = {
    ItemType.NUMBER: "text",
    ItemType.CODE: "text",
    ItemType.TEXT: "text",
    ItemType.DATE: "date",
    ItemType.TIME: "time",
    ItemType.YEAR: "smallint",
    ItemType.COUNT: "integer",
    ItemType.AMOUNT: "bigint",
    ItemType.RECORD: "jsonb",
    ItemType.SEALED: "bytea",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerItem:
    """One record item: its number in the ledger, its name in the report, its group there, its column."""

    number: int
    name: str
    group: str
    column: str
    type: ItemType


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """収納管理台帳 (receipts_ledger) or 滞納整理台帳 (arrears_ledger)."""

    name: str
    title: str
    items: tuple[LedgerItem, ...]

    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.group for item in self.items))


def parse(text: str) -> Ledger:
    """Read one ledger's YAML. Raises LedgerError when it is not a layout or names a number or column twice."""
    try:
        raw = yaml.load(text, Loader=yaml.CSafeLoader)
        items = tuple(_item(item, group) for group in raw["groups"] for item in group["items"])
        ledger = Ledger(name=str(raw["ledger"]), title=str(raw["title"]), items=items)
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise LedgerError("not a ledger layout") from None
    if [item.number for item in items] != list(range(1, len(items) + 1)):
        raise LedgerError("the items are not numbered in order")
    if len({item.column for item in items}) != len(items):
        raise LedgerError("two items share a column")
    return ledger


def _item(raw: dict[str, Any], group: dict[str, Any]) -> LedgerItem:
    column = str(raw["column"])
    if not _COLUMN.fullmatch(column) or not column.startswith(f"{group['prefix']}_"):
        raise LedgerError("a column is not named after its group")
    return LedgerItem(
        number=int(raw["number"]),
        name=str(raw["name"]),
        group=str(group["name"]),
        column=column,
        type=ItemType(raw["type"]),
    )


def column_definitions(ledger: Ledger) -> tuple[str, ...]:
    """`column type` for each item in order; the addressee number, by which rows are found, may not be null."""
    return tuple(
        f"{item.column} {SQL_TYPES[item.type]}{' not null' if item.number == 1 else ''}" for item in ledger.items
    )


def create_table(ledger: Ledger) -> str:
    """The table of a ledger, with the report's group names as comments."""
    lines = [f"create table {ledger.name} (", "  row_id bigint generated always as identity primary key"]
    group = ""
    for item, definition in zip(ledger.items, column_definitions(ledger), strict=True):
        if item.group != group:
            group = item.group
            lines.append(f"  -- ＜{group}＞")
        lines.append(f"  , {definition}  -- {item.name}")
    lines += [");", f"create index {ledger.name}_addressee on {ledger.name} ({ledger.items[0].column});"]
    return "\n".join(lines) + "\n"
