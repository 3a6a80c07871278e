"""副本 at the screen: what the intermediate server holds of one person, of one kind of information (IS-6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from codebook import layouts
from gateway.intermediate_server.staff.entering import REFERENCE
from gateway.pages.templates import Html, Templates, joined, load
from gateway.staff_calls import stated
from gateway.terminal import record_form
from gateway.terminal.entrance import REASONS
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    Terminal,
    bad,
    form,
    frame,
    item_rows,
    keeping,
    name_of,
    options,
    seat,
)
from gateway.terminal.sessions import Seat
from permission_lists.barring import AutoResponse

_ROOM: Final = "copies"
_COPIES: Final[Templates] = load("gateway.terminal", "copies.html")
_STANDING: Final = {
    "suspended": "利用停止中です。この人のこの情報は、照会にも提供にも使われません",
    "frozen": "凍結中です。解除されるまで、この人のこの情報は何も提供されません",
    "barred": "人の制限があります。職員が確かめるまで提供されません",
    "non_disclosure": "提供の記録は本人に開示されません",
}
_ALL: Final = "*"


async def get_copies(request: web.Request) -> web.Response:
    return await _page(request, seat(request), {}, Html(""))


async def post_about(request: web.Request) -> web.Response:
    """From a person who was found: the form with their number. By POST, so that it stands in no address."""
    whose, fields = await form(request)
    return await _page(request, whose, {"integrated_number": fields.get("integrated_number", "")}, Html(""))


async def _page(
    request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, found: Html | None = None
) -> web.Response:
    body = _COPIES.fill(
        "entrance",
        form_key=whose.form_key,
        choices=_choices(request.app[TERMINAL], fields.get("choice", "")),
        reasons=options({"": "ログインのときの目的", **REASONS}, fields.get("reason", "")),
        found=found or Html(""),
        **{name: fields.get(name, "") for name in ("integrated_number", "reference")},
    )
    return frame(request, "副本", body, room=_ROOM, said=said, status=400 if said else 200)


def _choices(terminal: Terminal, chosen: str) -> Html:
    """Kinds of information that a layout has, each with the items of today's list that name it; a choice permits nothing."""
    return joined(
        PAGES.fill("option_group", provider=information, options=options(dict(items), chosen))
        for information, items in _affairs(terminal)
        if items
    )


def _affairs(terminal: Terminal) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    today = terminal.today()
    listed = terminal.listed(today)
    for information in sorted({layout.information for layout in terminal.layouts}):
        named = listed.naming(information, today)
        yield information, [(f"{information}|{row.item}", f"{row.item} {row.affair}") for row in named]


@keeping(_page)
async def post_copies(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    information, _, affair = fields.get("choice", "").partition("|")
    reason, reference = fields.get("reason", ""), fields.get("reference", "").strip()
    if not affair:
        raise AskedWrongError("情報と事務を選んでください")
    if reference and not REFERENCE.fullmatch(reference):
        raise AskedWrongError("案件の番号は英数字と / - で 40 字まで、10 桁以上続く数字は書けません")
    item = {
        "integrated_number": fields.get("integrated_number", "").strip(),
        "information": information,
        "affair": affair,
        "after": fields.get("after", ""),
    }
    said = stated(reason if reason in REASONS else "", reference)
    seen = await request.app[TERMINAL].behind.first("/replicas/view", item, whose.token, said)
    return await _page(request, whose, fields, Html(""), _found(request, whose, fields, item, seen))


def _found(
    request: web.Request, whose: Seat, fields: Mapping[str, str], item: Mapping[str, str], seen: Mapping[str, Any]
) -> Html:
    barred_items = frozenset(seen["standing"]["barred_items"])
    layout = layouts.in_force(request.app[TERMINAL].layouts, item["information"], request.app[TERMINAL].today())
    copies = [
        _copy(request, item["information"], one, barred_items) for one in record_form.in_order(seen["replicas"], layout)
    ]
    more = Html("")
    if seen["next"] is not None:
        kept = {name: fields.get(name, "") for name in ("integrated_number", "choice", "reason", "reference")}
        more = _COPIES.fill("more", form_key=whose.form_key, after=seen["next"], **kept)
    none = "ほかにはありません" if item["after"] else "この人のこの情報の副本はありません"
    return _COPIES.fill(
        "found",
        information=item["information"],
        integrated_number=item["integrated_number"],
        standing=joined(
            _COPIES.fill("standing", text=text) for name, text in _STANDING.items() if _says(seen["standing"], name)
        ),
        copies=joined(copies) if copies else PAGES.fill("empty", text=none),
        more=more,
    )


def _says(standing: Mapping[str, Any], name: str) -> bool:
    """Whoever is frozen or suspended is barred as well; that needs no saying."""
    more = standing["frozen"] or standing["suspended"]
    return bool(standing[name]) and not (name == "barred" and more)


def _copy(request: web.Request, information: str, one: Mapping[str, Any], barred_items: frozenset[str]) -> Html:
    items = one.get("items") or {}
    made_in = record_form.data_set_of(request.app[TERMINAL].layouts, information, one["version"], one["data_set"])
    touched = items if _ALL in barred_items else barred_items.intersection(items)
    chips = ["職員の確認まで保留"] if one.get("auto_response") == AutoResponse.BARRED.value else []
    chips += [f"項目の制限: {'すべて' if _ALL in barred_items else '、'.join(sorted(touched))}"] if touched else []
    delegator = _COPIES.fill("delegator", name=name_of(request, one["delegator"])) if one["delegator"] else Html("")
    shown = (
        bad("この副本は開けません。業務システムから登録し直してください")
        if one.get("unreadable")
        else _COPIES.fill("items", rows=item_rows(record_form.told(made_in, items)))
    )
    return _COPIES.fill(
        "copy",
        public="公開中" if one["public"] else "公開していない",
        tone="good" if one["public"] else "",
        barred=joined(_COPIES.fill("chip", tone="open", text=text) for text in chips),
        public_to=one["public_to"] or "（終わりなし）",
        delegator=delegator,
        items=shown,
        **{name: one[name] for name in ("data_set", "record_id", "version", "revision", "public_from")},
    )
