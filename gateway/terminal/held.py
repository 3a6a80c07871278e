"""保留中の提供 at the screen: the list, exactly what would leave, items struck out of it, and the decision about it (SC-4).

What is released is what the page has shown: a strike that was chosen after that is shown first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.intermediate_server.provision.withholding import WhyWithheld
from gateway.pages.templates import Html, joined
from gateway.staff_calls import RefusedError
from gateway.staff_words import IN_JAPANESE
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    bad,
    checked,
    frame,
    good,
    keeping,
    local_time,
    name_of,
    options,
    said_of,
    seat,
)
from gateway.terminal.sessions import Seat
from permission_lists.barring import HoldGround

_ROOM: Final = "held"
_MORE: Final = {"provider_for": "提供の委任元", "period": "尋ねた期間"}
"""What is told of a held provision where its request says it."""
_REASONS: Final = {
    "refused_by_staff": "職員の判断により提供しない",
    "non_disclosure": "不開示の情報にあたる",
    "protection_of_person": "本人の保護のため",
}
_WHY: Final = {
    WhyWithheld.NON_DISCLOSURE.value: "不開示の情報",
    WhyWithheld.PROTECTION_OF_PERSON.value: "本人の保護",
    WhyWithheld.UNDER_CORRECTION.value: "訂正中",
    WhyWithheld.NOT_NEEDED.value: "照会に要らない",
}
_GROUNDS: Final = {
    HoldGround.PERSON_FROZEN.value: "人が凍結中",
    HoldGround.PERSON_BARRED.value: "人の制限",
    HoldGround.INQUIRER_BARRED.value: "照会者の制限",
    HoldGround.ITEM_BARRED.value: "項目の制限",
}
_STRIKE: Final = "strike"
_NOTHING_SHOWN: Final = frozenset({"nothing_left", "withheld_item_not_there"})
Strikes = list[dict[str, Any]]


async def get_held(request: web.Request) -> web.Response:
    return await _list(request, seat(request), Html(""))


async def _page(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    """One held provision with what was chosen about it; the list when it is held no more."""
    behind, permit_id = request.app[TERMINAL].behind, fields.get("permit_id", "")
    try:
        row = await behind.first("/held-provisions", {"permit_id": permit_id}, whose.token)
    except RefusedError as refused:
        if refused.reason != "not_held":
            raise
        return await _list(request, whose, said or bad(str(refused)))
    records = row.get("would_leave") or []
    strikes = _chosen(fields) if "shown" in fields else _expanded(row.get("approved_withheld") or [], records)
    struck: Mapping[str, Any] = row
    if strikes:
        try:
            struck = await behind.first("/held-provisions", {"permit_id": permit_id, "withheld": strikes}, whose.token)
        except RefusedError as refused:
            if refused.reason not in _NOTHING_SHOWN:
                raise
            said, struck = said or bad(str(refused)), {**row, "content_hash": None}
    stead = name_of(request, row.get("provider_for"))
    found = {**row, "content_hash": struck.get("content_hash"), "inquirer": _asker(request, row), "provider_for": stead}
    body = _one(whose, fields, found, strikes)
    return frame(request, "保留中の提供の内容", body, room=_ROOM, said=said, status=400 if said else 200)


def _asker(request: web.Request, row: Mapping[str, Any]) -> str:
    """Who asks, and in whose stead (委任元)."""
    stead = row.get("inquirer_for")
    return name_of(request, row.get("inquirer")) + (f"（委任元 {name_of(request, stead)}）" if stead else "")


def _one(whose: Seat, fields: Mapping[str, str], row: Mapping[str, Any], strikes: Strikes) -> Html:
    would_leave, content_hash = row.get("would_leave"), row.get("content_hash")
    shown = (
        bad(
            IN_JAPANESE["held_unreadable"]
            if row.get("ground") is None
            else "副本を開けません。業務システムから登録し直してください"
        )
        if would_leave is None
        else joined(_record(at, one, strikes) for at, one in enumerate(would_leave) if isinstance(one, Mapping))
    )
    names = ("permit_id", "inquirer", "information", "item")
    return PAGES.fill(
        "held_one",
        form_key=whose.form_key,
        reasons=options(_REASONS, fields.get("reason", "")),
        records=shown,
        before=_before(row),
        ground=_GROUNDS.get(str(row.get("ground")), row.get("ground") or "確かめられません"),
        answer_by=local_time(row.get("answer_by")),
        content_hash=content_hash or "",
        shown=_text(strikes),
        non_disclosure=checked(fields, "non_disclosure"),
        release=PAGES.fill("held_release") if content_hash else Html(""),
        more=joined(
            PAGES.fill("held_more", name=name, text=row[said]) for said, name in _MORE.items() if row.get(said)
        ),
        **{name: row.get(name) or "" for name in names},
    )


def _record(at: int, one: Mapping[str, Any], strikes: Strikes) -> Html:
    items = one.get("items")
    return PAGES.fill(
        "held_record",
        data_set=one.get("data_set", ""),
        version=one.get("version", ""),
        rows=joined(_item(at, name, said, strikes) for name, said in sorted(items.items()))
        if isinstance(items, Mapping)
        else "",
    )


def _item(at: int, name: str, said: Any, strikes: Strikes) -> Html:
    why = next((one["reason"] for one in strikes if (one["record"], one["item"]) == (at, name)), "")
    value, tone = said_of(said)
    reasons = options(_WHY, why)
    strike = (
        PAGES.fill("held_strike", place=f"{_STRIKE}-{at}-{name}", name=name, reasons=reasons) if not tone else Html("")
    )
    return PAGES.fill("held_item", name=name, value=value, tone="struck" if why else tone, strike=strike)


def _chosen(fields: Mapping[str, str]) -> Strikes:
    """The strikes of a form, in one order."""
    found = []
    for name, why in fields.items():
        kind, _, rest = name.partition("-")
        at, _, item = rest.partition("-")
        if kind == _STRIKE and at.isdecimal() and at.isascii() and why in _WHY:
            found.append({"record": int(at), "item": item, "reason": why})
    return sorted(found, key=lambda one: (one["record"], one["item"]))


def _expanded(withheld: list[Mapping[str, Any]], records: list[Any]) -> Strikes:
    """What the first of two people has struck out, record by record."""
    return [
        {"record": at, "item": name, "reason": one["reason"]}
        for at, record in enumerate(records)
        for name in sorted(record["items"])
        for one in withheld
        if one["item"] == name and one.get("record") in (None, at)
    ]


def _text(strikes: Strikes) -> str:
    return json.dumps(strikes, ensure_ascii=False, sort_keys=True)


def _before(row: Mapping[str, Any]) -> Html:
    """What the first of two people has approved."""
    if not row.get("approved_by"):
        return Html("")
    left_out = len(row.get("approved_withheld") or [])
    marked = "、不開示とする" if row.get("approved_non_disclosure") else ""
    return good(f"1 人目の承認: {row['approved_by']}{f'（{left_out} 項目を除く）' if left_out else ''}{marked}")


async def _show(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _page(request, whose, fields, Html(""))


post_show: Final = keeping(_page)(_show)


@keeping(_page)
async def post_decide(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    behind, permit_id = request.app[TERMINAL].behind, fields.get("permit_id", "")
    strikes = _chosen(fields)
    match fields.get("decision"):
        case "look":
            return await _page(request, whose, fields, Html(""))
        case "release":
            if _text(strikes) != fields.get("shown", ""):
                raise AskedWrongError(
                    "出さない項目が変わったので、まだ提供していません。下の内容を確かめて、もう一度押してください"
                )
            decision = {
                "approve": True,
                "content_hash": fields.get("content_hash", ""),
                "reason": "",
                "withheld": strikes,
            }
        case "refuse" if fields.get("reason") in _REASONS:
            decision = {"approve": False, "content_hash": "", "reason": fields["reason"]}
        case "refuse":
            raise AskedWrongError("拒む理由を選んでください")
        case _:
            raise AskedWrongError("許すか拒むかを選んでください")
    decision |= {"permit_id": permit_id, "non_disclosure": bool(fields.get("non_disclosure"))}
    answer = await behind.first("/held-provisions/decide", decision, whose.token)
    return await _list(request, whose, good(_said(answer)))


def _said(answer: dict[str, Any]) -> str:
    if answer.get("released"):
        return "提供を許しました。照会者に届けます"
    if answer.get("approved"):
        return "1 人目の承認を記録しました。別の職員の承認で提供されます"
    if answer.get("reason"):
        return "照会者の鍵が使えないため、提供できませんでした。そのことを照会者に伝えます"
    return "提供を拒みました。理由を照会者に伝えます"


async def _list(request: web.Request, whose: Seat, said: Html) -> web.Response:
    rows = await request.app[TERMINAL].behind.ask("/held-provisions", [], whose.token)
    names = ("permit_id", "information", "item", "approved_by")
    lines = joined(
        PAGES.fill(
            "held_row",
            form_key=whose.form_key,
            inquirer=_asker(request, row),
            held_since=local_time(row["held_since"]),
            answer_by=local_time(row["answer_by"]),
            urgent=PAGES.fill("urgent") if row.get("escalated_at") else Html(""),
            unreadable=PAGES.fill("held_unreadable") if row.get("ground") is None else Html(""),
            **{name: row.get(name) or "" for name in names},
        )
        for row in rows
    )
    body = PAGES.fill("held_list", rows=lines) if rows else PAGES.fill("empty", text="保留中の提供はありません")
    return frame(request, "保留中の提供", body, room=_ROOM, said=said)
