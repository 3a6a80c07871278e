"""権限 at the screen: what waits for the second person, approved with both factors for exactly what was shown; asking and revoking (SC-11, SC-24)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from aiohttp import web

from codebook.identifiers import new_sortable_id
from gateway.intermediate_server.staff.granting import GRANT_PREFIX
from gateway.intermediate_server.staff.rights import EVERYTHING, File, Function, GrantState
from gateway.pages.templates import Html, Templates, joined, load
from gateway.staff_calls import RefusedError
from gateway.terminal import entrance
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    bad,
    form,
    frame,
    good,
    keeping,
    local_time,
    options,
    seat,
)
from gateway.terminal.sessions import Seat
from transport.clock import JST, Clock

_ROOM: Final = "grants"
_GRANTS: Final[Templates] = load("gateway.terminal", "grants.html")
_FUNCTIONS: Final = {
    Function.HELD_VIEW.value: "保留中の提供を見る",
    Function.HELD_DECIDE.value: "保留中の提供を決める",
    Function.REPLICAS_VIEW.value: "副本を見る",
    Function.BARS_VIEW.value: "制限を見る",
    Function.BARS_CHANGE.value: "制限を付け、外す",
    Function.LOG_SEARCH.value: "証跡を探す",
    Function.LOG_EXPORT.value: "証跡を書き出す",
    Function.RECORDS_SEARCH.value: "提供等記録を探す",
    Function.RECORDS_CORRECT.value: "提供等記録を訂正する",
    Function.RECORDS_EXTRACT.value: "提供等記録を抽出する",
    Function.ERASURES_CONFIRM.value: "消去を確かめる",
    Function.DESK_INQUIRE.value: "端末で照会する",
    Function.DESK_SEARCH.value: "端末で人を探す",
    Function.DESK_REVIEW.value: "端末で同一人を確かめる",
    Function.DESK_BUSINESS_VIEW.value: "端末で業務情報を見る",
    Function.DESK_BUSINESS_CHANGE.value: "端末で業務情報を入れ、変え、消す",
    Function.OPERATIONS.value: "ジョブを見る、やり直す",
    Function.STATISTICS.value: "統計を見る",
    Function.BACKUP.value: "バックアップ",
    Function.KEYS_DESTROY.value: "鍵の版の破棄",
    Function.STAFF_ADMINISTER.value: "職員と権限の管理",
    Function.STAFF_APPROVE.value: "権限の承認",
    Function.STAFF_ANALYSE.value: "アクセスログの分析",
}
_FILES: Final = {
    EVERYTHING: "すべて",
    File.REPLICAS.value: "副本",
    File.EXCHANGE_RECORDS.value: "提供等記録",
    File.STAFF_RECORDS.value: "職員の記録",
    File.ADDRESSEES.value: "宛名",
    File.LEDGERS.value: "業務台帳",
    File.SYSTEM.value: "システム",
}
_STATES: Final = {
    GrantState.REQUESTED.value: ("承認待ち", "open"),
    GrantState.EFFECTIVE.value: ("効いている", "good"),
    GrantState.REVOKED.value: ("失効・確認待ち", "open"),
    GrantState.REJECTED.value: ("却下", ""),
    GrantState.CLOSED.value: ("失効", ""),
    GrantState.UNVOUCHED.value: ("効かない・失効させる", "open"),
}
_WAITING: Final = (GrantState.REQUESTED.value, GrantState.REVOKED.value, GrantState.UNVOUCHED.value)
_TO_BE_REVOKED: Final = (GrantState.REQUESTED.value, GrantState.EFFECTIVE.value, GrantState.UNVOUCHED.value)
_EVENTS: Final = {
    GrantState.REQUESTED.value: (("approve", "承認する", ""), ("reject", "却下する", "stop")),
    GrantState.REVOKED.value: (("check", "失効を確かめた", ""),),
}
_DONE: Final = {
    GrantState.REQUESTED.value: "申請しました。別の職員が承認すると効きます",
    GrantState.EFFECTIVE.value: "承認しました。権限が効いています",
    GrantState.REJECTED.value: "却下しました",
    GrantState.REVOKED.value: "失効させました。別の職員が確かめます",
    GrantState.CLOSED.value: "失効を確かめました",
}
_SCOPE: Final = {"affair": "事務", "information": "情報", "file": "ファイル"}
_ASKED: Final = ("staff_id", "function", "office", "affair", "information", "file", "until")


async def get_grants(request: web.Request) -> web.Response:
    return await _page(request, seat(request), {}, Html(""))


async def _page(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    return await _list(request, whose, fields, said, 400 if said else 200)


async def _list(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, status: int) -> web.Response:
    listed = await request.app[TERMINAL].behind.ask("/staff/grants", [], whose.token)
    found = sorted(listed, key=lambda one: (one["staff_id"], one["function"], one["grant_id"]))
    effective = [one for one in found if one["state"] == GrantState.EFFECTIVE.value]
    waiting = [one for one in found if one["state"] in _WAITING]
    now_ms = int(Clock()().timestamp() * 1000)
    body = _GRANTS.fill(
        "page",
        form_key=whose.form_key,
        waiting=_table(whose, waiting, "待っているものはありません"),
        effective=_table(whose, effective, "効いている権限はありません"),
        ended=_table(whose, [one for one in found if one not in effective + waiting], "ありません"),
        grant_id=fields.get("grant_id") or new_sortable_id(GRANT_PREFIX, now_ms, secrets.token_bytes(10)),
        functions=options(_FUNCTIONS, fields.get("function", "")),
        files=options(_FILES, fields.get("file", "")),
        **{name: fields.get(name, "") for name in _ASKED if name not in ("function", "file")},
    )
    return frame(request, "権限", body, room=_ROOM, said=said, status=status)


def _table(whose: Seat, grants: Iterable[Mapping[str, Any]], empty: str) -> Html:
    rows = [_row(whose, one) for one in grants]
    return _GRANTS.fill("table", rows=joined(rows)) if rows else PAGES.fill("empty", text=empty)


def _row(whose: Seat, one: Mapping[str, Any]) -> Html:
    state, tone = _STATES.get(one["state"], (one["state"], ""))
    limited = [f"{told} {_said(one[name])}" for name, told in _SCOPE.items() if one[name] != EVERYTHING]
    return _GRANTS.fill(
        "row",
        form_key=whose.form_key,
        function=_FUNCTIONS.get(one["function"], one["function"]),
        scope="、".join(limited) or "すべて",
        until=local_time(one["valid_until"]),
        state=state,
        tone=tone,
        **{name: one[name] for name in ("grant_id", "staff_id", "office")},
    )


def _said(text: str) -> str:
    return _FILES.get(text, text)


# --- one grant


async def _one(request: web.Request, whose: Seat, grant_id: str, said: Html, status: int = 200) -> web.Response:
    found = await request.app[TERMINAL].behind.ask("/staff/grants", [], whose.token)
    one = next((each for each in found if each["grant_id"] == grant_id), None)
    if one is None:
        return await _list(request, whose, {}, said or bad("その権限はありません"), 404)
    state, tone = _STATES.get(one["state"], (one["state"], ""))
    events = _EVENTS.get(one["state"], ())
    key = {"form_key": whose.form_key, "grant_id": grant_id}
    buttons = joined(_GRANTS.fill("event", event=event, text=text, tone=tone) for event, text, tone in events)
    may_revoke = one["state"] in _TO_BE_REVOKED
    body = _GRANTS.fill(
        "one",
        staff_id=one["staff_id"],
        function=_FUNCTIONS.get(one["function"], one["function"]),
        state=state,
        tone=tone,
        rows=joined(_GRANTS.fill("fact", name=name, value=value) for name, value in _facts(one)),
        decide=_GRANTS.fill("decide", content_hash=one["content_hash"], buttons=buttons, **key) if events else Html(""),
        revoke=_GRANTS.fill("revoke", **key) if may_revoke else Html(""),
    )
    return frame(request, "権限の内容", body, room=_ROOM, said=said, status=status)


def _facts(one: Mapping[str, Any]) -> list[tuple[str, Any]]:
    scope = [(told, _said(one[name])) for name, told in _SCOPE.items()]
    told = (
        ("部署", one["office"]),
        *((name, "すべて" if value == EVERYTHING else value) for name, value in scope),
        ("効く期間", f"{local_time(one['valid_from'])} から {local_time(one['valid_until'])} まで"),
        ("申請した職員", one["requested_by"]),
        ("承認した職員", one["approved_by"]),
        ("失効させた職員", one["revoked_by"]),
        ("失効を確かめた職員", one["checked_by"]),
        ("内容のハッシュ", one["content_hash"]),
    )
    return [(name, value) for name, value in told if value]


async def post_show(request: web.Request) -> web.Response:
    whose, fields = await form(request)
    return await _one(request, whose, fields.get("grant_id", ""), Html(""))


async def post_challenge(request: web.Request) -> web.Response:
    """For a browser's card: a challenge for one event of exactly the content that was shown."""
    whose, given = seat(request), await entrance.own_json(request)
    parts = (str(given.get(name, "")) for name in ("event", "grant_id", "content_hash"))
    return await entrance.challenge_for_card(request, whose.staff_id, "/".join(parts))


async def post_decide(request: web.Request) -> web.Response:
    """Both factors anew, for this event of exactly the content that was shown. What was typed is kept nowhere."""
    whose, fields = await form(request)
    grant_id, event = fields.get("grant_id", ""), fields.get("event", "")
    shown = {"grant_id": grant_id, "content_hash": fields.get("content_hash", "")}
    if event not in {name for events in _EVENTS.values() for name, _, _ in events}:
        raise AskedWrongError("承認するか却下するかを選んでください")
    try:
        proof = await entrance.proof(request, whose.staff_id, fields, f"{event}/{grant_id}/{shown['content_hash']}")
        item = {"event": event, **shown, "proof": proof}
        made = await request.app[TERMINAL].behind.first("/staff/grants/check", item, whose.token)
    except AskedWrongError as wrong:
        return await _one(request, whose, grant_id, bad(str(wrong)), 400)
    except RefusedError as refused:
        return await _one(request, whose, grant_id, bad(str(refused)), 400)
    return await _list(request, whose, {}, good(_DONE[made["state"]]), 200)


async def post_revoke(request: web.Request) -> web.Response:
    """At once; a second person checks it afterwards."""
    whose, fields = await form(request)
    item = {"event": "revoke", "grant_id": fields.get("grant_id", "")}
    made = await request.app[TERMINAL].behind.first("/staff/grants/ask", item, whose.token)
    return await _list(request, whose, {}, good(_DONE[made["state"]]), 200)


@keeping(_page)
async def post_ask(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """The grant's id is the form's: sent twice it is one request."""
    try:
        until = datetime.combine(date.fromisoformat(fields.get("until", "")), time(), JST).isoformat()
    except ValueError:
        raise AskedWrongError("期限の日付は 2022-10-03 のように書いてください") from None
    if fields.get("function") not in _FUNCTIONS:
        raise AskedWrongError("機能を選んでください")
    named = {name: fields.get(name, "").strip() or EVERYTHING for name in ("affair", "information", "file")}
    scope = {"function": fields["function"], "office": fields.get("office", "").strip(), **named, "valid_until": until}
    item = {"event": "request", "grant_id": fields.get("grant_id", ""), "staff_id": fields.get("staff_id", "").strip()}
    made = await request.app[TERMINAL].behind.first("/staff/grants/ask", {**item, "scope": scope}, whose.token)
    return await _list(request, whose, {}, good(_DONE[made["state"]]), 200)
