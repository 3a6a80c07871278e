"""情報照会 at the screen: by the business system's own 宛名番号, with the answer on the same page (LS-3.1)."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import date
from itertools import groupby
from typing import Any, Final

from aiohttp import web

from gateway.pages.templates import Html, joined
from gateway.staff_calls import RefusedError
from gateway.terminal import choices
from gateway.terminal.choices import Choice
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    NotOursError,
    checked,
    form,
    frame,
    keeping,
    records,
    seat,
)
from gateway.terminal.sessions import Asked, Seat

_ROOM: Final = "inquiry"
_WAIT_MS: Final = 3_000
_STATES: Final = {
    "answered": ("回答がありました", "good"),
    "not_provided": ("提供される情報はありません", "open"),
    "held": ("提供者の職員が確かめています（保留）", "open"),
    "refused": ("拒否されました", "bad"),
    "aborted": ("中止しました", "bad"),
}
_OUTCOMES: Final = {
    "no_such_person": "提供者に該当する人がいません",
    "no_replica": "提供者にこの情報の副本がありません",
    "none_in_period": "提供者に、この年度・期間の情報がありません",
    "empty_by_reason": "項目に値がありません",
}
_MATCHES: Final = {
    "agree": ("台帳の人と一致", "good"),
    "differ": ("台帳の人と違います。使う前に確かめてください", "bad"),
    "not_comparable": ("比べる項目なし", ""),
}
_ONCE: Final = re.compile(r"[0-9a-f]{32}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_YEAR: Final = re.compile(r"([12][0-9]{3})?")
_DAYS: Final = ("fiscal_year", "period_first", "period_last")
_ENDED: Final = frozenset({"answered", "not_provided", "refused", "aborted"})


async def get_inquiry(request: web.Request) -> web.Response:
    return await _form(request, seat(request), {}, Html(""))


async def post_about(request: web.Request) -> web.Response:
    """From a person who was found: the form with their 宛名番号. By POST, so that it stands in no address."""
    whose, fields = await form(request)
    return await _form(request, whose, {"addressee_number": fields.get("addressee_number", "")}, Html(""))


async def _form(request: web.Request, whose: Seat, given: Mapping[str, str], said: Html) -> web.Response:
    terminal = request.app[TERMINAL]
    chosen = given.get("choice", "")
    groups = joined(
        PAGES.fill("option_group", provider=group, options=joined(_option(one, chosen) for one in of_group))
        for group, of_group in groupby(_choices(request), key=lambda one: one.group)
    )
    body = PAGES.fill(
        "inquiry",
        form_key=whose.form_key,
        once=once if _ONCE.fullmatch(once := given.get("once", "")) else secrets.token_hex(16),
        system=terminal.behind.client.id,
        agency=terminal.agency_name,
        choices=groups,
        checked=checked(given, "non_disclosure"),
        **{name: given.get(name, "") for name in ("addressee_number", "items", "purpose", *_DAYS)},
    )
    return frame(request, "照会", body, room=_ROOM, said=said, status=400 if said else 200)


@keeping(_form)
async def post_inquiry(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Ask. The act is on the intermediate server's record, under this person's session, before the desk is asked (SC-7, SC-10)."""
    terminal = request.app[TERMINAL]
    chosen = next((one for one in _choices(request) if one.key == fields.get("choice")), None)
    number, once = fields.get("addressee_number", "").strip(), fields.get("once", "")
    if chosen is None or not _NUMBER.fullmatch(number) or not _ONCE.fullmatch(once):
        raise AskedWrongError("宛名番号は 1〜15 桁の数字で、照会は一覧から選んでください")
    days = _days(fields)
    await terminal.behind.first(
        "/staff/desk/inquiries", {"affair": chosen.item, "information": chosen.information}, whose.token
    )
    asked: dict[str, Any] = {
        "addressee_number": number,
        "provider": chosen.provider,
        "item": chosen.item,
        "information": chosen.information,
        "items": [line.strip() for line in fields.get("items", "").splitlines() if line.strip()],
        "purpose": fields.get("purpose", "").strip(),
        "staff": whose.staff_id,
        **days,
    }
    said = {"basis": chosen.basis, "inquirer_for": chosen.inquirer_for, "provider_for": chosen.provider_for}
    asked |= {name: value for name, value in said.items() if value}
    asked |= {"non_disclosure": True} if fields.get("non_disclosure") else {}
    body = {"wait_ms": _WAIT_MS, "items": [asked]}
    key = whose.same_act(once, json.dumps(asked, sort_keys=True).encode())
    answer = _one(await terminal.behind.post("/v1/inquiries", body, key=key))
    if "retry" in answer:
        raise AskedWrongError(
            "中間サーバーから答えがありません。少し待って、もう一度「照会する」を押してください（二度は照会されません）"
        )
    if isinstance(answer.get("inquiry_number"), str):
        about = Asked(addressee_number=number, item=chosen.item, information=chosen.information)
        whose.remember(answer["inquiry_number"], about)
    return _shown(request, whose, answer)


def _days(fields: Mapping[str, str]) -> dict[str, Any]:
    """The fiscal year or the days that are asked about, as the desk takes them. Raises AskedWrongError."""
    year, first, last = (fields.get(name, "").strip() for name in _DAYS)
    if not _YEAR.fullmatch(year):
        raise AskedWrongError("年度は西暦 4 桁で書くか、空にしてください")
    if not first and not last:
        return {"fiscal_year": int(year)} if year else {}
    try:
        in_order = date.fromisoformat(first) <= date.fromisoformat(last)
    except ValueError:
        in_order = False
    if year or not in_order:
        raise AskedWrongError("期間は初日と末日を順に両方書いてください。年度と期間は、どちらか一方だけです")
    return {"period": {"first": first, "last": last}}


async def post_result(request: web.Request) -> web.Response:
    """Look again at an inquiry of one's own that had no answer yet. Which one is on record first, and its own affair decides the right."""
    whose, fields = await form(request)
    number = fields.get("inquiry_number", "")
    about = whose.asked.get(number)
    if about is None:
        raise NotOursError
    behind = request.app[TERMINAL].behind
    act = {"affair": about.item, "information": about.information, "inquiry_number": number}
    await behind.first("/staff/desk/inquiries", act, whose.token)
    wanted = {"inquiry_number": number, "addressee_number": about.addressee_number, "staff": whose.staff_id}
    answer = _one(await behind.post("/v1/inquiry-results", {"items": [wanted]}))
    return _shown(request, whose, {"inquiry_number": number, **answer})


def _one(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    items = answer.get("items")
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise RefusedError("peer_answer_malformed")
    return items[0]


def _choices(request: web.Request) -> list[Choice]:
    terminal = request.app[TERMINAL]
    day = terminal.today()
    topology = terminal.topology
    return choices.permitted(
        terminal.listed(day), topology.agencies.values(), topology.delegations, terminal.agency, day
    )


def _option(one: Choice, chosen: str) -> Html:
    affair = one.affair if len(one.affair) <= 44 else f"{one.affair[:43]}…"
    return PAGES.fill(
        "option",
        value=one.key,
        text=f"{one.information} ― {one.item}の項 {affair}",
        selected=Html("selected") if one.key == chosen else Html(""),
    )


def _shown(request: web.Request, whose: Seat, answer: Mapping[str, Any]) -> web.Response:
    state = answer.get("state")
    text, tone = _STATES.get(str(state), ("照会中です", "open"))
    if answer.get("inquiry_number") is None:
        text, tone = "照会は受け付けられませんでした", "bad"
    if "retry" in answer:
        text, tone = "まだ分かりません。中間サーバーから答えがありませんでした", "open"
    text = _OUTCOMES.get(str(answer.get("outcome")), text)
    match, match_tone = _MATCHES.get((answer.get("match") or {}).get("result", "not_comparable"), ("", ""))
    again = Html("")
    if state not in _ENDED and answer.get("inquiry_number"):
        again = PAGES.fill(
            "again",
            form_key=whose.form_key,
            inquiry_number=answer["inquiry_number"],
        )
    body = PAGES.fill(
        "answer",
        state=text,
        tone=tone,
        inquiry_number=answer.get("inquiry_number") or "―",
        match=match,
        match_tone=match_tone,
        reason=PAGES.fill("reason", text=answer["reason"]) if answer.get("reason") else Html(""),
        records=records(answer.get("values") or []),
        again=again,
    )
    return frame(request, "照会の結果", body, room=_ROOM)
