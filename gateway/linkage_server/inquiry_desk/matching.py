"""突合 (SC-22): does what came back agree with the person that is held here? A finding beside the result; it changes nothing of it.

Compared are items that name a person: name, reading (of an account holder too), birth date. Banks write a reading in half-width kana
without small letters, and ledgers a day by its era: only such differences of writing are folded, and which it took is told with the finding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from codebook import folding
from codebook.days_written import read_day
from codebook.folding import Fold
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.inquiry_desk")


class Agreement(StrEnum):
    """`not_comparable`: nothing in the result names a person, or nothing is held to compare it with."""

    AGREE = "agree"
    DIFFER = "differ"
    NOT_COMPARABLE = "not_comparable"


_NAME: Final = 0
_KANA: Final = 1
_BIRTH_DATE: Final = 3
ITEMS: Final[Mapping[str, int]] = {
    "氏名": _NAME, "氏名カナ": _KANA, "フリガナ": _KANA, "名義人氏名": _NAME, "名義人氏名カナ": _KANA, "生年月日": _BIRTH_DATE,
}  # fmt: skip
"""Items of results that name a person, and where the same stands among the four items."""
_KANA_FOLDS: Final = folding.KANA - {Fold.LONG_VOWELS}
_MARKS: Final = str.maketrans({"゛": "\u3099", "゜": "\u309a"})

FourItems = Sequence[str]
"""name, kana, sex, birth date, address."""


def names_a_person(records: Any) -> bool:
    """Whether a result has an item to compare; a peer's values in any form."""
    return any(name in ITEMS for _, name, _ in _values(records))


def compare(records: Any, held: FourItems | None) -> dict[str, Any]:
    """`{"result": …, "items": {item: …}, "folds": {item: […]}}`; names no value. `folds`: of items that agree although they are written otherwise."""
    seen: dict[str, set[Agreement]] = {}
    took: dict[str, set[str]] = {}
    for _, name, value in _values(records):
        if name in ITEMS:
            found, folds = _agreement(ITEMS[name], value, held)
            seen.setdefault(name, set()).add(found)
            took.setdefault(name, set()).update(map(str, folds))
    items = {name: _first_of(some, Agreement.DIFFER, Agreement.NOT_COMPARABLE) for name, some in seen.items()}
    told = {name: sorted(took[name]) for name, one in items.items() if one is Agreement.AGREE and took[name]}
    return {
        "result": _first_of(items.values(), Agreement.DIFFER, Agreement.AGREE).value,
        "items": {name: one.value for name, one in items.items()},
    } | ({"folds": told} if told else {})


def _first_of(found: Collection[Agreement], *weightiest: Agreement) -> Agreement:
    """Of several findings the weightiest: an item agrees when it does in every record, a result when some items do and none differs."""
    return next((one for one in weightiest if one in found), next(iter(found), Agreement.NOT_COMPARABLE))


def _agreement(place: int, value: str | None, held: FourItems | None) -> tuple[Agreement, Iterable[str]]:
    """Whether a value agrees, and which folds it took."""
    known = held[place] if held is not None else ""
    if not value or not value.strip() or not known.strip():
        return Agreement.NOT_COMPARABLE, ()
    match place:
        case 0:
            took: Iterable[str] | None = folding.needed(value, known, folding.NAME)
        case 1:
            took = folding.needed(value.translate(_MARKS), known.translate(_MARKS), _KANA_FOLDS)
        case _:
            took = _days(value, known)
    return (Agreement.DIFFER, ()) if took is None else (Agreement.AGREE, took)


def _days(value: str, known: str) -> Iterable[str] | None:
    """As `folding.needed`. `known` is a day as it is held."""
    found = read_day(value)
    return found[1] if found is not None and found[0].isoformat() == known else None


def _values(records: Any) -> Iterable[tuple[int, str, str | None]]:
    """Record, item and value (None: no value) of whatever has the form of a result."""
    for nth, record in enumerate(records if isinstance(records, list) else ()):
        items = record.get("items") if isinstance(record, dict) else None
        for name, given in items.items() if isinstance(items, dict) else ():
            value = given.get("value") if isinstance(given, dict) else None
            yield nth, name, value if isinstance(value, str) else None


async def with_match(
    agency: Agency, system: str, numbers: Sequence[str | None], answers: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The answers, each that has values with `match` beside them. One look-up for all that can be compared, none when nothing can."""
    wanted = [
        number
        for number, answer in zip(numbers, answers, strict=True)
        if number and names_a_person(answer.get("values"))
    ]
    held: dict[str, FourItems] = {}
    if wanted:
        async with agency.database.inside(agency.tenant) as connection:
            held = await four_items_by_addressee(connection, agency.keys, system, wanted)
    return [
        answer | {"match": compare(answer["values"], held.get(number or ""))}
        if answer.get("values") is not None
        else answer
        for number, answer in zip(numbers, answers, strict=True)
    ]


async def four_items_by_addressee(
    connection: Connection, keys: PersonalKeys, system: str, numbers: Sequence[str]
) -> dict[str, FourItems]:
    """Addressee number → four items of the person whom this system holds under it."""
    rows = await connection.fetch(_SQL["four_items"], system, numbers)
    return {
        row["addressee_number"]: keys.open_four_items(row["four_items_sealed"], row["integrated_number"])
        for row in rows
    }


async def four_items_by_person(
    connection: Connection, keys: PersonalKeys, numbers: Sequence[int]
) -> dict[int, FourItems]:
    """Integrated number → four items."""
    rows = await connection.fetch(_SQL["four_items_by_person"], numbers)
    return {
        row["integrated_number"]: keys.open_four_items(row["four_items_sealed"], row["integrated_number"])
        for row in rows
    }
