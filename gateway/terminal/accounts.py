"""職員の期限 at the screen: what ends soon and who can grant, extensions proposed, and approved with both factors for exactly what was shown (IS-9, SC-11)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from aiohttp import web

from codebook.identifiers import new_sortable_id
from gateway.intermediate_server.staff.extending import EXTENSION_PREFIX
from gateway.intermediate_server.staff.rights import Function
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
    seat,
)
from gateway.terminal.sessions import Seat
from transport.clock import JST, Clock

_ROOM: Final = "accounts"
_ACCOUNTS: Final[Templates] = load("gateway.terminal", "accounts.html")
_WITHIN_DAYS: Final = 90
_CAN: Final = {
    Function.STAFF_APPROVE.value: "権限を承認する",
    Function.STAFF_ADMINISTER.value: "職員を管理し、権限を申請する",
}
_WHAT: Final = {"account": "アカウント", "card": "職員証", "grant": "権限"}
_STATES: Final = {"proposed": ("承認待ち", "open"), "approved": ("延長した", "good"), "rejected": ("却下", "")}
_EVENTS: Final = (("approve", "承認する", ""), ("reject", "却下する", "stop"))
_DONE: Final = {
    "proposed": "提案しました。別の職員が承認すると延びます",
    "approved": "承認しました。期限が延びました",
    "rejected": "却下しました",
}
_NO_RIGHT: Final = "right_missing"


async def get_accounts(request: web.Request) -> web.Response:
    return await _list(request, seat(request), {}, Html(""), 200)


async def _page(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    return await _list(request, whose, fields, said, 400 if said else 200)


async def _asked(request: web.Request, whose: Seat, path: str, items: list[Any]) -> list[Any] | RefusedError:
    """The answer, or that this person has no right to that part of the page."""
    try:
        return list(await request.app[TERMINAL].behind.ask(path, items, whose.token))
    except RefusedError as refused:
        if refused.reason != _NO_RIGHT:
            raise
        return refused


async def _list(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, status: int) -> web.Response:
    endings = await _asked(request, whose, "/staff/endings", [{"within_days": _WITHIN_DAYS}])
    extensions = await _asked(request, whose, "/staff/extensions", [])
    if isinstance(endings, RefusedError) and isinstance(extensions, RefusedError):
        raise endings
    missing = PAGES.fill("empty", text="この部分を見る権限がありません")
    found = [] if isinstance(extensions, RefusedError) else extensions
    waiting, decided = (
        missing
        if isinstance(extensions, RefusedError)
        else _table(whose, [one for one in found if (one["state"] == "proposed") is open_])
        for open_ in (True, False)
    )
    body = _ACCOUNTS.fill(
        "page",
        form_key=whose.form_key,
        able=missing if isinstance(endings, RefusedError) else _able(endings[0]["able"]),
        endings=missing if isinstance(endings, RefusedError) else _endings(endings[0]["endings"]),
        waiting=waiting,
        decided=decided,
        extension_id=fields.get("extension_id")
        or new_sortable_id(EXTENSION_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10)),
        **{name: fields.get(name, "") for name in ("staff_id", "cards", "until")},
    )
    return frame(request, "職員の期限", body, room=_ROOM, said=said, status=status)


def _able(able: Iterable[Mapping[str, Any]]) -> Html:
    rows = [
        _ACCOUNTS.fill(
            "able_row",
            function=_CAN.get(one["function"], one["function"]),
            people="、".join(one["people"]) or "いません",
            needed=one["needed"],
            until=local_time(one["enough_until"]) if one["enough_until"] else "足りません",
            tone="" if one["enough_until"] else "bad",
        )
        for one in able
    ]
    return _ACCOUNTS.fill("able", rows=joined(rows))


def _endings(endings: Iterable[Mapping[str, Any]]) -> Html:
    rows = [
        _ACCOUNTS.fill(
            "ending",
            until=local_time(one["valid_until"]),
            what=" ".join(text for text in (_WHAT.get(one["what"], one["what"]), one["function"]) if text),
            staff_id=one["staff_id"],
            id=one["id"],
        )
        for one in endings
    ]
    return _ACCOUNTS.fill("endings", rows=joined(rows)) if rows else PAGES.fill("empty", text="ありません")


def _state(one: Mapping[str, Any]) -> tuple[str, str]:
    if one["stale"]:
        return "アカウントが変わった・提案し直し", "bad"
    return _STATES.get(one["state"], (one["state"], ""))


def _table(whose: Seat, extensions: Iterable[Mapping[str, Any]]) -> Html:
    rows = []
    for one in extensions:
        state, tone = _state(one)
        named = {name: one[name] for name in ("staff_id", "proposed_by", "extension_id")}
        until = local_time(one["valid_until"])
        rows.append(_ACCOUNTS.fill("row", form_key=whose.form_key, until=until, state=state, tone=tone, **named))
    return _ACCOUNTS.fill("table", rows=joined(rows)) if rows else PAGES.fill("empty", text="ありません")


# --- one extension


async def _one(request: web.Request, whose: Seat, extension_id: str, said: Html, status: int = 200) -> web.Response:
    found = await request.app[TERMINAL].behind.ask("/staff/extensions", [], whose.token)
    one = next((each for each in found if each["extension_id"] == extension_id), None)
    if one is None:
        return await _list(request, whose, {}, said or bad("その延長はありません"), 404)
    state, tone = _state(one)
    facts = (
        ("いまの期限", local_time(one["account_until"])),
        ("この期限にする職員証", "、".join(one["cards"]) or "なし（アカウントだけ）"),
        ("提案した職員", one["proposed_by"]),
        ("決めた職員", one["decided_by"]),
        ("内容のハッシュ", one["content_hash"]),
    )
    buttons = joined(_ACCOUNTS.fill("event", event=event, text=text, tone=tone) for event, text, tone in _EVENTS)
    shown = {"form_key": whose.form_key, "extension_id": extension_id, "content_hash": one["content_hash"]}
    body = _ACCOUNTS.fill(
        "one",
        staff_id=one["staff_id"],
        until=local_time(one["valid_until"]),
        state=state,
        tone=tone,
        rows=joined(_ACCOUNTS.fill("fact", name=name, value=value) for name, value in facts if value),
        decide=_ACCOUNTS.fill("decide", buttons=buttons, **shown) if one["state"] == "proposed" else Html(""),
    )
    return frame(request, "延長の内容", body, room=_ROOM, said=said, status=status)


async def post_show(request: web.Request) -> web.Response:
    whose, fields = await form(request)
    return await _one(request, whose, fields.get("extension_id", ""), Html(""))


def _purpose(fields: Mapping[str, Any]) -> str:
    """What both factors are shown for. Raises AskedWrongError."""
    event = str(fields.get("event", ""))
    if event not in {name for name, _, _ in _EVENTS}:
        raise AskedWrongError("承認するか却下するかを選んでください")
    return f"{event}_extension/{fields.get('extension_id', '')}/{fields.get('content_hash', '')}"


async def post_challenge(request: web.Request) -> web.Response:
    """For a browser's card: a challenge for one decision about exactly the content that was shown."""
    whose, given = seat(request), await entrance.own_json(request)
    return await entrance.challenge_for_card(request, whose.staff_id, _purpose(given))


async def post_decide(request: web.Request) -> web.Response:
    """Both factors anew. What was typed is kept nowhere."""
    whose, fields = await form(request)
    extension_id = fields.get("extension_id", "")
    shown = {"extension_id": extension_id, "content_hash": fields.get("content_hash", "")}
    purpose = _purpose(fields)
    try:
        proof = await entrance.proof(request, whose.staff_id, fields, purpose)
        item = {**shown, "approve": fields["event"] == "approve", "proof": proof}
        made = await request.app[TERMINAL].behind.first("/staff/extensions/check", item, whose.token)
    except (AskedWrongError, RefusedError) as hindrance:
        return await _one(request, whose, extension_id, bad(str(hindrance)), 400)
    return await _list(request, whose, {}, good(_DONE[made["state"]]), 200)


@keeping(_page)
async def post_propose(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """The proposal's id is the form's: sent twice it is one."""
    try:
        until = datetime.combine(date.fromisoformat(fields.get("until", "")), time(), JST).isoformat()
    except ValueError:
        raise AskedWrongError("期限の日付は 2022-10-03 のように書いてください") from None
    item = {
        "extension_id": fields.get("extension_id", ""),
        "staff_id": fields.get("staff_id", "").strip(),
        "valid_until": until,
        "cards": fields.get("cards", "").split(),
    }
    made = await request.app[TERMINAL].behind.first("/staff/extensions/ask", item, whose.token)
    return await _list(request, whose, {}, good(_DONE[made["state"]]), 200)
