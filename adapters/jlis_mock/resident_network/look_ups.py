"""照会 of the resident network beyond the four items of a number: the number of somebody's four items, and what has changed.

A number is given for all four items or not at all: in 2021 to 2023 thousands of wrong links came of look-ups by fewer, contrary to the
notice (DOMAIN §6.1). Whoever asks for changes names the number: an agency learns of nobody whom it does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from adapters.jlis_mock.resident_network.messages import ChangesRequest, NumberLookUp, ResidentChange
from adapters.jlis_mock.resident_network.residents import Residents, parse_number
from codebook.errors import CodebookError
from codebook.four_items import FourItems

NEEDED: Final = ("name", "sex", "birth_date", "address")


def refused(reason: str, **more: Any) -> dict[str, Any]:
    return {"refused": {"reason": reason, **more}}


def _items(given: NumberLookUp) -> FourItems | dict[str, Any]:
    """The four items, or why there is no look-up by them."""
    missing = [name for name in NEEDED if not getattr(given, name).strip()]
    if missing:
        return refused("four_items_incomplete", missing=missing)
    try:
        return FourItems.parse({name: getattr(given, name) for name in (*NEEDED, "kana")})
    except CodebookError:
        return refused("four_items_malformed")


async def numbers(residents: Residents, asks: Sequence[NumberLookUp]) -> list[dict[str, Any]]:
    """In order: the number, `unknown`, or a refusal: items that are missing or malformed, or several people. Raises StorageUnavailableError."""
    read = [_items(ask) for ask in asks]
    found = iter(await residents.numbers_of([one for one in read if isinstance(one, FourItems)]))
    return [_answer(next(found)) if isinstance(one, FourItems) else one for one in read]


def _answer(found: list[str]) -> dict[str, Any]:
    match found:
        case []:
            return {"unknown": True}
        case [number]:
            return {"individual_number": number}
        case _:
            return refused("several_residents")


async def changes(residents: Residents, asks: Sequence[ChangesRequest]) -> list[dict[str, Any]]:
    """In order: the present number with what changed, or `unknown`. Raises StorageUnavailableError."""
    found = await residents.changes_of(
        [parse_number(ask.individual_number) for ask in asks], [ask.since for ask in asks]
    )
    return [
        {"unknown": True}
        if one is None
        else {
            "individual_number": one.individual_number,
            "changes": [{"kind": kind, "changed_on": on.isoformat()} for kind, on in one.changed],
        }
        for one in found
    ]


async def change(residents: Residents, asked: ResidentChange) -> dict[str, Any]:
    """One change of the simulated outside world, whole or not at all. Raises StorageUnavailableError."""
    number = parse_number(asked.individual_number)
    to = None if asked.new_individual_number is None else parse_number(asked.new_individual_number)
    items = None if asked.four_items is None else _items(asked.four_items)
    if number is None or (to is None and asked.new_individual_number is not None):
        return refused("number_malformed")
    if isinstance(items, dict):
        return items
    if to is None and items is None:
        return refused("nothing_changes")
    reason = await residents.change(number, to, items, asked.changed_on)
    return {"changed": True} if reason is None else refused(reason)
