"""What the pages about business information show: records with how far their copies have come, and the form of one (LS-2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from codebook.item_values import ItemType
from codebook.layouts import DataSet, Item, Layout
from gateway.pages.templates import Html, Templates, joined, load
from gateway.terminal import record_form
from gateway.terminal.record_form import NULL, NULLS, VALUE, Wrong
from gateway.terminal.rooms import PAGES, TERMINAL, item_rows, local_time, name_of, options
from gateway.terminal.sessions import Seat

BUSINESS: Final[Templates] = load("gateway.terminal", "business.html")
HELD: Final = (
    "record_id", "edition", "data_set", "version", "parent_record_id", "public_from", "public_to", "auto_response", "delegator",
)  # fmt: skip
"""What a form keeps of the record that it was opened with."""
_CONTEXT: Final = ("affair", "reason", "addressee_number", "information", "editions")
_TRANSFERS: Final = {
    "awaiting_first": ("初回の一括連携を待っています", "open"),
    "due": ("中間サーバーへ送るところ", "open"),
    "registered": ("中間サーバーにあります", "good"),
    "deleted": ("中間サーバーから消えました", ""),
    "withheld": ("中間サーバーに置けません", "open"),
    "refused": ("中間サーバーが受け付けませんでした", "bad"),
}
_WHY: Final = {
    "no_individual_number": "個人番号のない人",
    "person_frozen": "凍結中の人",
    "person_cancelled": "取り消された人",
    "addressee_unknown": "宛名番号が外された",
}
_WIDE: Final = 60
"""Texts that may be longer than this are written in several lines' room."""


def context(whose: Seat, fields: Mapping[str, str]) -> Html:
    """Form key, affair, reason and about whom, for the next form."""
    return BUSINESS.fill("context", form_key=whose.form_key, **{name: fields.get(name, "") for name in _CONTEXT})


def back(fields: Mapping[str, str]) -> dict[str, str]:
    """What the list is asked for, without what was typed about one record."""
    return {name: fields.get(name, "") for name in _CONTEXT}


# --- records


def found(
    request: web.Request, whose: Seat, fields: Mapping[str, str], answer: Mapping[str, Any], layout: Layout
) -> Html:
    """Records of one person: deleted ones only with the earlier contents."""
    said = context(whose, fields)
    wanted = [one for one in answer["items"] if fields.get("editions") or not one["deleted"]]
    shown = record_form.in_order(wanted, layout)
    more = BUSINESS.fill("more", context=said, after=answer["next"]) if answer["next"] else Html("")
    none = PAGES.fill("empty", text="この人のこの情報の記録はありません")
    return BUSINESS.fill(
        "found",
        records=joined(record(request, one, _buttons(said, one, layout)) for one in shown) if shown else none,
        more=more,
        enter=BUSINESS.fill("enter", context=said, data_sets=options({name: name for name in layout.data_sets})),
        **{name: fields.get(name, "") for name in ("information", "addressee_number")},
    )


def record(request: web.Request, one: Mapping[str, Any], buttons: Html | None = None) -> Html:
    text, tone = _TRANSFERS.get(one["transfer"]["state"], (one["transfer"]["state"], ""))
    why = one["transfer"]["reason"]
    more = {
        "属する記録": _short(one["parent_record_id"]),
        "委任元": name_of(request, one["delegator"]) if one["delegator"] else "",
        "変えた人": _who(one["changed_by"]),
    }
    return BUSINESS.fill(
        "record",
        transfer=text + (f"（{_WHY.get(why, why)}{_at(one['transfer']['item'])}）" if why else ""),
        tone=tone,
        chips=joined(_chips(one)),
        record_id=_short(one["record_id"]),
        public=_public(one),
        changed_at=local_time(one["changed_at"]),
        more=joined(BUSINESS.fill("fact", name=name, text=said) for name, said in more.items() if said),
        rows=_rows(request, one),
        buttons=(buttons or Html("")) if not one["deleted"] else Html(""),
        past=_past(request, one.get("past") or []),
        **{name: one[name] for name in ("data_set", "version", "edition")},
    )


def _rows(request: web.Request, one: Mapping[str, Any]) -> Html:
    made_in = (one["information"], one["version"], one["data_set"])
    data_set = record_form.data_set_of(request.app[TERMINAL].layouts, *made_in)
    return item_rows(record_form.told(data_set, one["items"]))


def _who(changed_by: str) -> str:
    """A file's line, or client, member of staff and affair."""
    by, _, rest = changed_by.partition("/")
    staff, _, _affair = rest.partition("/")
    return f"ファイル（受付 {rest}）" if by == "file" else f"{staff}（{by}）"


def _at(item: str | None) -> str:
    return f": {item}" if item else ""


def _chips(one: Mapping[str, Any]) -> Iterable[Html]:
    if one["deleted"]:
        yield BUSINESS.fill("chip", tone="bad", text="消された記録")
    if one["auto_response"] == "barred":
        yield BUSINESS.fill("chip", tone="open", text="職員が確かめるまで保留")


def _short(record_id: str | None) -> str:
    """Without the business system's name before it, which every record here has."""
    return (record_id or "").rpartition("/")[2]


def _public(one: Mapping[str, Any]) -> str:
    return f"{one['public_from']} から {one['public_to'] or '（終わりなし）'}"


def _buttons(said: Html, one: Mapping[str, Any], layout: Layout) -> Html:
    children = [each.name for each in layout.data_sets.values() if each.parent == one["data_set"]]
    return BUSINESS.fill(
        "buttons",
        context=said,
        record_id=_short(one["record_id"]),
        data_set=one["data_set"],
        children=joined(
            BUSINESS.fill("child", context=said, data_set=name, record_id=_short(one["record_id"])) for name in children
        ),
    )


def _past(request: web.Request, editions: list[Mapping[str, Any]]) -> Html:
    if not editions:
        return Html("")
    told = (
        BUSINESS.fill(
            "past_one",
            edition=one["edition"],
            changed_at=local_time(one["changed_at"]),
            changed_by=_who(one["changed_by"]),
            public=_public(one),
            rows=_rows(request, one),
        )
        for one in editions
    )
    return BUSINESS.fill("past", count=len(editions), editions=joined(told))


# --- the form


def edit(whose: Seat, fields: Mapping[str, str], layout: Layout, data_set: DataSet, wrong: Wrong) -> Html:
    """`wrong`: told at its field; what belongs to none stands in the message above."""
    changing = bool(fields.get("edition"))
    moved = changing and fields.get("version") != layout.version
    parent = _field(fields, wrong, "parent_record_id", f"属する{data_set.parent}の記録の番号（あれば）")
    return BUSINESS.fill(
        "edit",
        context=context(whose, fields),
        once=fields.get("once", ""),
        edition=fields.get("edition", ""),
        data_set=data_set.name,
        version=fields.get("version", ""),
        delegator=fields.get("delegator", ""),
        layout_version=layout.version,
        addressee_number=fields.get("addressee_number", ""),
        moved=BUSINESS.fill("moved", version=fields["version"], layout_version=layout.version) if moved else Html(""),
        record_id=_field(
            fields, wrong, "record_id", "記録の番号", more="readonly" if changing else "required maxlength=40"
        ),
        parent=parent if data_set.parent or "parent_record_id" in wrong else Html(""),
        public_from=_field(fields, wrong, "public_from", "公開の初日（空なら、版の初日から）", kind="date"),
        public_to=_field(fields, wrong, "public_to", "公開の末日（空なら、終わりなし）", kind="date"),
        barred=Html("selected") if fields.get("auto_response") == "barred" else Html(""),
        items=joined(_item(fields, wrong, item) for item in data_set.items.values()),
        act="変える" if changing else "入れる",
    )


def _field(
    fields: Mapping[str, str], wrong: Wrong, name: str, text: str, *, kind: str = "text", more: str = ""
) -> Html:
    value = fields.get(name, "")
    return BUSINESS.fill(
        "field",
        name=name,
        text=text,
        type=kind,
        value=_short(value) if name.endswith("record_id") else value,
        more=Html(more),
        **_told(wrong, name, name),
    )


def _item(fields: Mapping[str, str], wrong: Wrong, item: Item) -> Html:
    field = VALUE + item.name
    told = _told(wrong, item.name, field)
    return BUSINESS.fill(
        "item",
        name=item.name,
        required=" *" if item.required else "",
        form=record_form.form_of(item),
        input=_input(item, field, fields.get(field, ""), told["described"]),
        reasons=_reasons(item, fields),
        tone=told["tone"],
        problem=told["problem"],
    )


def _input(item: Item, field: str, value: str, described: Html) -> Html:
    if item.codes:
        choices = {code: f"{code} {meaning}" for code, meaning in item.codes.items()}
        known = choices if not value or value in choices else {**choices, value: value}
        return BUSINESS.fill("choice", field=field, choices=options(known, value), described=described)
    exact = item.type in (ItemType.DIGITS, ItemType.CODE)
    numeric = "inputmode=numeric " if item.type in (ItemType.DIGITS, ItemType.AMOUNT) else ""
    longest = item.width if exact else item.width + 1 if item.type is ItemType.AMOUNT else item.width * 2
    more = Html("" if item.type is ItemType.DATE else f"{numeric}maxlength={longest}")
    block = "area" if item.type is ItemType.TEXT and item.width > _WIDE else "input"
    kind = {} if block == "area" else {"type": "date" if item.type is ItemType.DATE else "text"}
    return BUSINESS.fill(block, field=field, value=value, more=more, described=described, **kind)


def _reasons(item: Item, fields: Mapping[str, str]) -> Html:
    if not item.null_reasons:
        return Html("")
    field = NULL + item.name
    choices = {reason.value: text for reason, text in NULLS.items() if reason in item.null_reasons}
    return BUSINESS.fill("reasons", field=field, choices=options(choices, fields.get(field, "")))


def _told(wrong: Wrong, name: str, field: str) -> dict[str, Html]:
    """What is wrong, for eyes and for a reader of screens."""
    if name not in wrong:
        return {"tone": Html(""), "problem": Html(""), "described": Html("")}
    return {
        "tone": Html("bad"),
        "problem": BUSINESS.fill("problem", field=field, text=wrong[name]),
        "described": BUSINESS.fill("described", field=field),
    }
