"""データ標準レイアウト: what a replica of one kind of information holds, and whether a record keeps to it (IS-6).

Reads the text of `layout_data/*.yaml`; refuses a layout that names an item twice, an unknown type or an absent parent.
A record names every required item, gives each item either a value or a reason of null (未設定事由), and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

import yaml

from codebook.errors import CodebookError
from codebook.item_values import ItemType, fits


class NullReason(StrEnum):
    """未設定事由: why an item has no value. The words are ours but for `NotAcceptable`, which is seen in the field."""

    NOT_APPLICABLE = "NotApplicable"
    NOT_ACCEPTABLE = "NotAcceptable"
    NOT_COVERED = "NotCovered"
    UNKNOWN = "Unknown"


class Why(StrEnum):
    """What is wrong with an item of a record."""

    UNKNOWN_DATA_SET = "unknown_data_set"
    UNKNOWN_ITEM = "unknown_item"
    MISSING = "missing"
    NEITHER_VALUE_NOR_REASON = "neither_value_nor_reason"
    VALUE_NOT_IN_FORM = "value_not_in_form"
    NULL_REASON_NOT_ALLOWED = "null_reason_not_allowed"

    @property
    def explanation(self) -> str:
        """For people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS: Final = {
    Why.UNKNOWN_DATA_SET: "レイアウトにないデータセットです",
    Why.UNKNOWN_ITEM: "レイアウトにない項目です",
    Why.MISSING: "必須の項目がありません",
    Why.NEITHER_VALUE_NOR_REASON: "値か未設定事由のどちらか一つが必要です",
    Why.VALUE_NOT_IN_FORM: "値の形式がレイアウトと異なります",
    Why.NULL_REASON_NOT_ALLOWED: "この項目に許されない未設定事由です",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. `item` is a name of the layout, or empty when the name is not one (it is then not repeated)."""

    item: str
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`width`: characters; exact for digits and codes, at most for amount, text and kana, unused for dates."""

    name: str
    type: ItemType
    width: int
    required: bool
    null_reasons: frozenset[NullReason]
    codes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A group of items that travel as one record; `parent` names the data set whose record it belongs to."""

    name: str
    parent: str | None
    items: Mapping[str, Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One version of the layout of one 特定個人情報名. `code_is_ours`: made-up TM code, the real one is not public."""

    information: str
    code: str
    code_is_ours: bool
    version: str
    valid_from: date
    valid_to: date | None
    data_sets: Mapping[str, DataSet]


def parse(text: str) -> tuple[Layout, ...]:
    """All layouts of one YAML text, in its order. Raises CodebookError."""
    try:
        return tuple(_layout(raw) for raw in yaml.safe_load(text)["layouts"])
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        raise CodebookError("not a text of layouts") from None


def in_force(layouts: Iterable[Layout], information: str, on: date) -> Layout | None:
    """The layout of this information on that day: the latest version whose window holds it."""
    holding = [
        layout
        for layout in layouts
        if layout.information == information
        and layout.valid_from <= on
        and (layout.valid_to is None or on <= layout.valid_to)
    ]
    return max(holding, key=lambda layout: layout.valid_from, default=None)


def check_record(layout: Layout, data_set: str, items: Mapping[str, Mapping[str, object]]) -> list[Problem]:
    """Problems of one record, in the layout's order, then unknown items; empty when it keeps to the layout.

    Each item is `{"value": text}` or `{"null_reason": text}`.
    """
    found = layout.data_sets.get(data_set)
    if found is None:
        return [Problem(item="", why=Why.UNKNOWN_DATA_SET)]
    problems = []
    for item in found.items.values():
        why = _check_item(item, items.get(item.name))
        if why is not None:
            problems.append(Problem(item=item.name, why=why))
    return problems + [Problem(item="", why=Why.UNKNOWN_ITEM) for name in items if name not in found.items]


def _check_item(item: Item, given: Mapping[str, object] | None) -> Why | None:
    match given:
        case None:
            return Why.MISSING if item.required else None
        case {"value": str(value)} if len(given) == 1:
            return None if fits(item.type, item.width, item.codes, value) else Why.VALUE_NOT_IN_FORM
        case {"null_reason": str(reason)} if len(given) == 1:
            return None if reason in item.null_reasons else Why.NULL_REASON_NOT_ALLOWED
        case _:
            return Why.NEITHER_VALUE_NOR_REASON


def _layout(raw: Mapping[str, Any]) -> Layout:
    data_sets = [_data_set(inner) for inner in raw["data_sets"]]
    by_name = {data_set.name: data_set for data_set in data_sets}
    if len(by_name) != len(data_sets) or any(one.parent is not None and one.parent not in by_name for one in data_sets):
        raise CodebookError("a data set stands twice or its parent is not there")
    return Layout(
        information=_text(raw["information"]),
        code=_text(raw["code"]),
        code_is_ours=bool(raw.get("code_is_ours", False)),
        version=_text(raw["version"]),
        valid_from=_day(raw["valid_from"]),
        valid_to=None if raw.get("valid_to") is None else _day(raw["valid_to"]),
        data_sets=by_name,
    )


def _data_set(raw: Mapping[str, Any]) -> DataSet:
    items = [_item(inner) for inner in raw["items"]]
    by_name = {item.name: item for item in items}
    if len(by_name) != len(items):
        raise CodebookError("an item stands twice")
    return DataSet(name=_text(raw["name"]), parent=raw.get("parent"), items=by_name)


def _item(raw: Mapping[str, Any]) -> Item:
    return Item(
        name=_text(raw["name"]),
        type=ItemType(raw["type"]),
        width=int(raw.get("width", 0)),
        required=bool(raw.get("required", False)),
        null_reasons=frozenset(NullReason(reason) for reason in raw.get("null_reasons", ())),
        codes=frozenset(_text(code) for code in raw.get("codes", {})),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise CodebookError("a name or code in a layout is not text")
    return value


def _day(value: object) -> date:
    if type(value) is not date:
        raise CodebookError("a day in a layout is not a date")
    return value
