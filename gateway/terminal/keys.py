"""鍵の版の破棄 at the screen: asked for by one person and approved by another, each with both factors for exactly what is shown (SC-20; docs/adr/0073).

A version of this agency's own ring goes with the approval. For another server of the agency the approval is an order, which comes as a file and
is carried out on that server's machine within minutes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from codebook.identifiers import new_sortable_id
from gateway.intermediate_server.destruction.destroying import DESTRUCTION_PREFIX, Cause, Server, content_hash
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
    local_time,
    options,
    seat,
)
from gateway.terminal.sessions import Seat
from keys.ring import State
from transport.clock import Clock

_ROOM: Final = "keys"
_KEYS: Final[Templates] = load("gateway.terminal", "keys.html")
_SERVERS: Final = {
    Server.INTERMEDIATE.value: "中間サーバー",
    Server.LINKAGE.value: "番号連携サーバー",
    Server.SKY2.value: "業務システム (SKY2)",
    Server.PORTAL.value: "ポータル",
}
_CAUSES: Final = {
    Cause.REPLACED.value: "新しい版に替わった",
    Cause.DISCLOSED.value: "ほかの者に知られたおそれがある",
    Cause.ERASURE.value: "封をしたものを消す",
    Cause.USE_ENDED.value: "利用をやめる",
}
_RING: Final = {
    State.PRIMARY.value: "使用中（封をする）",
    State.ENABLED.value: "開けるだけ",
    State.DISABLED.value: "止めてある",
    State.DESTROYED.value: "破棄した",
}
_STATES: Final = {
    "asked": ("承認待ち", "open"),
    "approved": ("承認された", "good"),
    "rejected": ("却下された", ""),
}
_EVENTS: Final = (("approve", "承認して破棄する", "stop"), ("reject", "却下する", ""))
_AGAIN: Final = (("approve", "命令をもう一度受け取る", ""),)
_HERE: Final = "承認すると、この版はただちに破棄され、元に戻せません。この版で封をしたものは二度と開けられません。"
_ELSEWHERE: Final = "承認すると、命令のファイルが届きます。10 分以内に、そのサーバーの機械で sekisho keys destroy に --order で渡してください。"


async def get_keys(request: web.Request) -> web.Response:
    return await _list(request, seat(request), {}, Html(""), 200)


async def _found(request: web.Request, whose: Seat) -> Mapping[str, Any]:
    found: Mapping[str, Any] = await request.app[TERMINAL].behind.first("/keys", {}, whose.token)
    return found


async def _list(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, status: int) -> web.Response:
    found = await _found(request, whose)
    waiting = [one for one in found["destructions"] if one["state"] == "asked"]
    decided = [one for one in found["destructions"] if one["state"] != "asked"]
    now_ms = int(Clock()().timestamp() * 1000)
    body = _KEYS.fill(
        "page",
        form_key=whose.form_key,
        waiting=_table(whose, waiting, "待っているものはありません"),
        decided=_table(whose, decided, "ありません"),
        destruction_id=fields.get("destruction_id")
        or new_sortable_id(DESTRUCTION_PREFIX, now_ms, secrets.token_bytes(10)),
        servers=options(_SERVERS, fields.get("server", "")),
        causes=options(_CAUSES, fields.get("cause", "")),
        purposes=options({one["purpose"]: one["purpose"] for one in found["keys"]}),
        keys=_ring(found["keys"]),
        **{name: fields.get(name, "") for name in ("purpose", "version")},
    )
    return frame(request, "鍵の破棄", body, room=_ROOM, said=said, status=status)


def _table(whose: Seat, destructions: Iterable[Mapping[str, Any]], empty: str) -> Html:
    rows = [_KEYS.fill("row", form_key=whose.form_key, **_told(one)) for one in destructions]
    return _KEYS.fill("table", rows=joined(rows)) if rows else PAGES.fill("empty", text=empty)


def _ring(keys: Iterable[Mapping[str, Any]]) -> Html:
    rows = [
        _KEYS.fill("key", purpose=one["purpose"], version=one["version"], state=_RING.get(one["state"], one["state"]))
        for one in keys
    ]
    return _KEYS.fill("keys", rows=joined(rows))


def _told(one: Mapping[str, Any]) -> dict[str, Any]:
    """`done` false: on record as destroyed, and in the ring still."""
    state, tone = _STATES.get(one["state"], (one["state"], ""))
    if one["state"] == "approved" and one["done"] is not None:
        state, tone = ("破棄した", "good") if one["done"] else ("記録では破棄・鍵束に戻っている", "bad")
    return {
        **{name: one[name] for name in ("destruction_id", "purpose", "version", "asked_by")},
        "server": _SERVERS.get(one["server"], one["server"]),
        "cause": _CAUSES.get(one["cause"], one["cause"]),
        "decided_by": one["decided_by"] or "",
        "asked_at": local_time(one["asked_at"]),
        "decided_at": local_time(one["decided_at"]),
        "state": state,
        "tone": tone,
    }


# --- one destruction


async def _one(request: web.Request, whose: Seat, destruction_id: str, said: Html, status: int = 200) -> web.Response:
    found = (await _found(request, whose))["destructions"]
    one = next((each for each in found if each["destruction_id"] == destruction_id), None)
    if one is None:
        return await _list(request, whose, {}, said or bad("その申請はありません"), 404)
    told = _told(one)
    facts = (
        ("理由", told["cause"]),
        ("申請した職員", f"{told['asked_by']} {told['asked_at']}"),
        ("決めた職員", f"{told['decided_by']} {told['decided_at']}".strip()),
        ("申請の番号", destruction_id),
        ("内容のハッシュ", one["content_hash"]),
    )
    body = _KEYS.fill(
        "one",
        rows=joined(_KEYS.fill("fact", name=name, value=value) for name, value in facts if value),
        decide=_decision(whose, one),
        **{name: told[name] for name in ("purpose", "version", "server", "state", "tone")},
    )
    return frame(request, "鍵の破棄の内容", body, room=_ROOM, said=said, status=status)


def _decision(whose: Seat, one: Mapping[str, Any]) -> Html:
    """What may be done about it: decided once, or the same order for whoever has approved it."""
    ordered = (one["state"], one["decided_by"]) == ("approved", whose.staff_id) and one["done"] is None
    events = _EVENTS if one["state"] == "asked" else _AGAIN if ordered else ()
    if not events:
        return Html("")
    return _KEYS.fill(
        "decide",
        form_key=whose.form_key,
        what=_HERE if one["server"] == Server.INTERMEDIATE else _ELSEWHERE,
        buttons=joined(_KEYS.fill("event", event=event, text=text, tone=tone) for event, text, tone in events),
        **{name: one[name] for name in ("destruction_id", "content_hash")},
    )


async def post_show(request: web.Request) -> web.Response:
    whose, fields = await form(request)
    return await _one(request, whose, fields.get("destruction_id", ""), Html(""))


def _purpose(request: web.Request, fields: Mapping[str, Any]) -> str:
    """What both factors are shown for. Raises AskedWrongError."""
    event, destruction_id = str(fields.get("event", "")), str(fields.get("destruction_id", ""))
    if event == "ask":
        item = _asked(fields)
        digest = content_hash(request.app[TERMINAL].agency, **item)
        return f"destroy_key/{destruction_id}/{digest}"
    if event not in {name for name, _, _ in _EVENTS}:
        raise AskedWrongError("承認するか却下するかを選んでください")
    return f"{event}_destruction/{destruction_id}/{fields.get('content_hash', '')}"


def _asked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Raises AskedWrongError."""
    said = {
        name: str(fields.get(name, "")).strip() for name in ("destruction_id", "server", "purpose", "version", "cause")
    }
    if said["server"] not in _SERVERS or said["cause"] not in _CAUSES or not said["purpose"]:
        raise AskedWrongError("どのサーバーの、何の鍵を、なぜ破棄するかを選んでください")
    if not (said["version"].isascii() and said["version"].isdecimal() and len(said["version"]) <= 9):
        raise AskedWrongError("版は数字で書いてください")
    return {**said, "version": int(said["version"])}


async def post_challenge(request: web.Request) -> web.Response:
    """For a browser's card: a challenge for exactly what the form says."""
    whose, given = seat(request), await entrance.own_json(request)
    return await entrance.challenge_for_card(request, whose.staff_id, _purpose(request, given))


async def post_ask(request: web.Request) -> web.Response:
    """The id is the form's: sent twice it is one request. Both factors are kept nowhere."""
    whose, fields = await form(request)
    try:
        item = _asked(fields)
        proof = await entrance.proof(request, whose.staff_id, fields, _purpose(request, {**fields, "event": "ask"}))
        await request.app[TERMINAL].behind.first("/keys/destructions/ask", {**item, "proof": proof}, whose.token)
    except (AskedWrongError, RefusedError) as hindrance:
        return await _list(request, whose, fields, bad(str(hindrance)), 400)
    return await _list(request, whose, {}, good("申請しました。別の職員が承認すると破棄します"), 200)


async def post_decide(request: web.Request) -> web.Response:
    """Both factors anew, for this event of exactly the content that was shown. What was typed is kept nowhere."""
    whose, fields = await form(request)
    destruction_id, approve = fields.get("destruction_id", ""), fields.get("event") == "approve"
    shown = {"destruction_id": destruction_id, "content_hash": fields.get("content_hash", "")}
    try:
        proof = await entrance.proof(request, whose.staff_id, fields, _purpose(request, fields))
        item = {**shown, "approve": approve, "proof": proof}
        made = await request.app[TERMINAL].behind.first("/keys/destructions/decide", item, whose.token)
    except (AskedWrongError, RefusedError) as hindrance:
        return await _one(request, whose, destruction_id, bad(str(hindrance)), 400)
    if "order" in made:
        headers = {"Content-Disposition": f'attachment; filename="{destruction_id}.json"'}
        return web.Response(text=made["order"], content_type="application/json", headers=headers)
    said = "破棄しました。二人の名とともに記録してあります" if approve else "却下しました。何も破棄していません"
    return await _list(request, whose, {}, good(said), 200)
