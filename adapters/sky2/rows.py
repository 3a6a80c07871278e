"""Rows that staff load: people, claims, ledger rows. A bad row is refused by its number and column, never by its content."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

import msgspec

from adapters.sky2.ledgers import ItemType, Ledger, LedgerItem
from codebook.identifiers import AddresseeNumber
from codebook.individual_number import IndividualNumber

Reader = Callable[[Any], Any]
"""Takes a JSON value and returns what is stored; raises ValueError for a value of another type."""

ROW_MALFORMED: Final = "row_malformed"
COLUMN_UNKNOWN: Final = "column_unknown"
COLUMN_MISSING: Final = "column_missing"
WRONG_TYPE: Final = "wrong_type"
REPEATED: Final = "repeated_in_request"
NO_SUCH_PERSON: Final = "no_such_insured_person"
CLAIM_ID_TAKEN: Final = "claim_id_taken"

_COLUMN: Final = re.compile(r"(?!.*[0-9]{4})[a-z][a-z0-9_]{0,62}")
_CLAIM_ID: Final = re.compile(r"(?!.*[0-9]{10})[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_DIGITS: Final = re.compile(r"[0-9A-Za-z-]{1,40}")
_SMALLINT: Final = 2**15
_INTEGER: Final = 2**31
_BIGINT: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRefusal:
    """`row`: its number in the request, from 1. `column` is None when the whole row is bad, or its name is no name of a column."""

    row: int
    column: str | None
    reason: str

    def shown(self) -> dict[str, Any]:
        return {"row": self.row, "column": self.column, "reason": self.reason}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise ValueError("not a text")
    return value


def _number(value: Any) -> str:
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise ValueError("not a number")
    return value


def _addressee(value: Any) -> str:
    # reveal: SKY2's own key of a row; the parse is the check
    return AddresseeNumber.parse(_text(value)).reveal()


def _individual_number(value: Any) -> IndividualNumber:
    return IndividualNumber.parse(_text(value))


def _date(value: Any) -> date:
    return date.fromisoformat(_text(value))


def _time(value: Any) -> time:
    read = time.fromisoformat(_text(value))
    if read.tzinfo is not None:
        raise ValueError("a time of day has no zone")
    return read


def _whole(least: int, beyond: int) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < beyond:
            raise ValueError("not a whole number of this size")
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not true or false")  # noqa: TRY004  one kind of refusal for every reader
    return value


def _record(value: Any) -> Any:
    if not isinstance(value, dict | list) or "\\u0000" in msgspec.json.encode(value).decode():
        raise ValueError("not an object or a list")
    return value


def _claim_id(value: Any) -> str:
    if not isinstance(value, str) or not _CLAIM_ID.fullmatch(value):
        raise ValueError("not a claim id")
    return value


_YEAR: Final = _whole(1900, _SMALLINT)
_BY_TYPE: Final[Mapping[ItemType, Reader]] = {
    ItemType.NUMBER: _number,
    ItemType.CODE: _text,
    ItemType.TEXT: _text,
    ItemType.DATE: _date,
    ItemType.TIME: _time,
    ItemType.YEAR: _YEAR,
    ItemType.COUNT: _whole(0, _INTEGER),
    ItemType.AMOUNT: _whole(-_BIGINT, _BIGINT),
    ItemType.RECORD: _record,
    ItemType.SEALED: _record,
}
ADDRESSEE_COLUMN: Final = "addressee_number"
NUMBER_COLUMN: Final = "addressee_individual_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns a row may have, which it must have, and how each is read; a column that may be absent may be null."""

    readers: Mapping[str, Reader]
    required: frozenset[str]

    def read(self, raw: bytes, row: int) -> dict[str, Any] | RowRefusal:
        """One JSON object as values by column, absent ones as None."""
        try:
            given = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return RowRefusal(row=row, column=None, reason=ROW_MALFORMED)
        if not isinstance(given, dict):
            return RowRefusal(row=row, column=None, reason=ROW_MALFORMED)
        for name in given:
            if name not in self.readers:
                return RowRefusal(row=row, column=name if _COLUMN.fullmatch(name) else None, reason=COLUMN_UNKNOWN)
        values: dict[str, Any] = {}
        for name, reader in self.readers.items():
            value = given.get(name)
            if value is None:
                if name in self.required:
                    return RowRefusal(row=row, column=name, reason=COLUMN_MISSING)
                values[name] = None
                continue
            try:
                values[name] = reader(value)
            except (ValueError, RecursionError):
                return RowRefusal(row=row, column=name, reason=WRONG_TYPE)
        return values


PERSON: Final = Columns(
    readers={
        ADDRESSEE_COLUMN: _addressee,
        "individual_number": _individual_number,
        "name": _text,
        "kana": _text,
        "birth_date": _date,
        "address": _text,
    },
    required=frozenset({ADDRESSEE_COLUMN, "name", "kana", "birth_date", "address"}),
)

CLAIM: Final = Columns(
    readers={
        "claim_id": _claim_id,
        ADDRESSEE_COLUMN: _addressee,
        "fiscal_year": _YEAR,
        "amount": _whole(1, _BIGINT),
        "chose_receiving_account": _flag,
        "individual_number_written": _flag,
    },
    required=frozenset(
        {"claim_id", ADDRESSEE_COLUMN, "fiscal_year", "amount", "chose_receiving_account", "individual_number_written"}
    ),
)


def ledger_columns(ledger: Ledger) -> Columns:
    """The columns of 収納管理台帳 or 滞納整理台帳; only 宛名番号 must be there."""
    return Columns(
        readers={item.column: _reader(item) for item in ledger.items},
        required=frozenset({ADDRESSEE_COLUMN}),
    )


def _reader(item: LedgerItem) -> Reader:
    if item.column == ADDRESSEE_COLUMN:
        return _addressee
    return _individual_number if item.column == NUMBER_COLUMN else _BY_TYPE[item.type]
