"""業務情報の一件 as a form: a field for each item of its layout, and what was typed as the record that the API takes (LS-2.3). Pure.

Fields are `value-<item>` and `null-<item>`; what is wrong is told at the field. The API judges all of it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from codebook import layouts
from codebook.item_values import Characters, ItemType
from codebook.layouts import DataSet, Item, Layout, NullReason, Why

VALUE: Final = "value-"
NULL: Final = "null-"
Items = dict[str, dict[str, str]]
Wrong = dict[str, str]
"""Name of an item or a field → what is wrong with it, for people."""

NULLS: Final[Mapping[NullReason, str]] = {
    NullReason.NOT_APPLICABLE: "該当なし",
    NullReason.NOT_ACCEPTABLE: "設定できない（NotAcceptable）",
    NullReason.NOT_COVERED: "対象外",
    NullReason.UNKNOWN: "不明",
}
_CHARACTERS: Final = {
    Characters.ANY: "",
    Characters.ASCII: "半角の英数字と記号で",
    Characters.HALF_WIDTH: "半角で",
    Characters.FULL_WIDTH: "全角で",
    Characters.JIS: "JIS の第二水準までの漢字で",
}
_RECORD_ID: Final = re.compile(r"[!-~]{1,40}")
_ADDRESSEE_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_DAYS: Final = ("public_from", "public_to")
_REFUSALS: Final = {
    **{why.value: why.explanation for why in Why},
    "addressee_unknown": "この宛名番号の人は登録されていません",
    "record_id_reused": "この番号の記録は、別の内容でもうあります。変えるときは一覧から開いてください",
    "record_unknown": "この記録はもうありません。一覧で確かめてください",
    "parent_unknown": "この人の、親のデータセットの記録の番号ではありません",
    "parent_not_expected": "このデータセットに親の記録はありません",
    "record_has_children": "この記録に属する記録があります。先にそれを消してください",
    "addressee_differs": "ほかの宛名番号の記録です",
    "overtaken": "これより後の変更が、もう届いています",
    "public_window_reversed": "公開の終わりが初めより前です",
    "record_id_too_long": "記録の番号が長すぎます",
    "record_id_holds_individual_number": "記録の番号に個人番号になる並びがあります",
    "layout_version_not_in_force": "この版では、もう入れられません",
    "information_not_listed": "この情報はレイアウトにありません",
}


def is_addressee_number(text: str) -> bool:
    return _ADDRESSEE_NUMBER.fullmatch(text) is not None


def layout_for(found: tuple[Layout, ...], information: str, version: str, today: date) -> Layout | None:
    """The layout in which a record of this version is written today: its own while that takes new records, else the latest in force."""
    own = layouts.version_of(found, information, version, today) if version else None
    if own is not None and layouts.is_valid(own, today):
        return own
    return layouts.in_force(found, information, today)


def form_of(item: Item) -> str:
    """What the layout wants of a value, in words."""
    wanted = {
        ItemType.DIGITS: f"{item.width} 桁の数字",
        ItemType.CODE: "一覧から" if item.codes else f"{item.width} 字の英大文字か数字",
        ItemType.DATE: "年月日",
        ItemType.AMOUNT: f"円。{item.width} 桁まで",
        ItemType.TEXT: f"{_CHARACTERS[item.characters]} {item.width} 字まで".strip(),
        ItemType.KANA: f"カナ {item.width} 字まで",
    }
    return wanted[item.type]


def told(data_set: DataSet | None, items: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """What a record says, in the order of its layout, codes with what they mean; as it is where no layout is known."""
    known = data_set.items if data_set is not None else {}
    names = [name for name in known if name in items] + sorted(name for name in items if name not in known)
    return {name: _meant(known.get(name), items[name]) for name in names}


def _meant(item: Item | None, said: Mapping[str, str]) -> Mapping[str, str]:
    value = said.get("value", "")
    return {"value": f"{value} {item.codes[value]}"} if item is not None and value in item.codes else said


def data_set_of(found: tuple[Layout, ...], information: str, version: str, name: str) -> DataSet | None:
    """The data set of the very version that a record was made in."""
    made_in = (information, version)
    layout = next((one for one in found if (one.information, one.version) == made_in), None)
    return None if layout is None else layout.data_sets.get(name)


def in_order(records: Iterable[Mapping[str, Any]], layout: Layout | None) -> list[Mapping[str, Any]]:
    """Records by their data sets as the layout has them, then by their ids."""
    places = {name: at for at, name in enumerate(layout.data_sets)} if layout is not None else {}
    return sorted(records, key=lambda one: (places.get(one["data_set"], len(places)), one["record_id"]))


def typed(items: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The fields that say what a record says."""
    fields = {}
    for name, said in items.items():
        if "value" in said:
            fields[VALUE + name] = said["value"]
        elif "null_reason" in said:
            fields[NULL + name] = said["null_reason"]
    return fields


def read(data_set: DataSet, fields: Mapping[str, str]) -> Items:
    """What was typed, item by item; an item of which nothing was said is left out. Blanks at the ends are no part of a value."""
    items: Items = {}
    for name in data_set.items:
        value, reason = fields.get(VALUE + name, "").strip(), fields.get(NULL + name, "")
        said = ({"value": value} if value else {}) | ({"null_reason": reason} if reason else {})
        if said:
            items[name] = said
    return items


def wrong(layout: Layout, data_set: DataSet, items: Items, fields: Mapping[str, str]) -> Wrong:
    """Everything that the form alone tells to be wrong, by field."""
    found: Wrong = {}
    for problem in layouts.check_record(layout, data_set.name, items):
        item = data_set.items.get(problem.item)
        more = f"（{form_of(item)}）" if item is not None and problem.why is Why.VALUE_NOT_IN_FORM else ""
        found[problem.item] = problem.why.explanation + more
    for name in _DAYS:
        if not _is_day(fields.get(name, "")):
            found[name] = "日付は 2022-10-03 のように書いてください"
    ids = {"record_id": fields.get("record_id", ""), "parent_record_id": fields.get("parent_record_id", "").strip()}
    for name, text in ids.items():
        if not _RECORD_ID.fullmatch(text.rpartition("/")[2]) and (text or name == "record_id"):
            found[name] = "記録の番号は、半角の英数字と記号で 40 字までです"
    return found


def _is_day(text: str) -> bool:
    if not text:
        return True
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def record(data_set: DataSet, layout: Layout, items: Items, fields: Mapping[str, str]) -> dict[str, Any]:
    """The item of IF_DBM_90110 that a form without mistakes says."""
    said = {
        "addressee_number": fields.get("addressee_number", ""),
        "record_id": fields.get("record_id", ""),
        "information": layout.information,
        "data_set": data_set.name,
        "version": layout.version,
        "items": items,
        "auto_response": "barred" if fields.get("auto_response") == "barred" else "allowed",
    }
    others = {name: fields.get(name, "").strip() for name in (*_DAYS, "parent_record_id", "delegator")}
    return said | {name: text for name, text in others.items() if text}


def says_the_same(one: Mapping[str, Any], said: Mapping[str, Any], layout: Layout) -> bool:
    """Whether a record as the API shows it says what a form says (`record`). Ids may be written without the business system's name;

    without a first public day it is that of the layout.
    """
    system = one["record_id"].partition("/")[0]
    ids = {
        name: said[name] if said[name].startswith(f"{system}/") else f"{system}/{said[name]}"
        for name in ("record_id", "parent_record_id")
        if name in said
    }
    bare = {
        "public_from": layout.valid_from.isoformat(),
        "public_to": None,
        "parent_record_id": None,
        "delegator": None,
    }
    return all(one[name] == value for name, value in (bare | dict(said) | ids).items())


def refusal(result: Mapping[str, Any]) -> tuple[str, str]:
    """Of a rejected record: the field at which it is told (empty: none), and the words."""
    reason = str(result.get("reason") or "")
    return str(result.get("item") or ""), _REFUSALS.get(reason, reason)
