"""自動応答不可と凍結 at the screen: who and what is barred, set at once, checked and lifted by a second person where the agency says so (SC-4, IS-6)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from codebook.identifiers import new_sortable_id
from gateway.intermediate_server.bars.states import BAR_PREFIX, EVERYTHING, BarEvent, BarState, Cause, Effect, Place
from gateway.pages.templates import Html, Templates, joined, load
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    form,
    frame,
    good,
    keeping,
    local_time,
    name_of,
    options,
    seat,
)
from gateway.terminal.sessions import Seat
from transport.clock import Clock

_ROOM: Final = "bars"
_BARS: Final[Templates] = load("gateway.terminal", "bars.html")
_PLACES: Final = {
    Place.PERSON.value: "人",
    Place.INQUIRER.value: "照会者",
    Place.ITEM.value: "情報の項目",
    Place.AGENCY.value: "この機関のすべて",
}
_EFFECTS: Final = {
    Effect.HOLD.value: "職員の確認まで保留",
    Effect.FREEZE.value: "凍結（解除まで保留）",
    Effect.REFUSE.value: "凍結（拒否）",
    Effect.NON_DISCLOSURE.value: "本人に開示しない",
    Effect.SUSPEND.value: "利用停止（人か、この機関のすべて）",
}
_CAUSES: Final = {
    Cause.SUPPORT_MEASURES.value: "支援措置",
    Cause.WRONG_LINK.value: "誤った紐付け",
    Cause.UNDER_CORRECTION.value: "訂正中",
    Cause.INCIDENT.value: "事故",
    Cause.SUSPENSION_REQUESTED.value: "利用停止請求",
    Cause.OTHER.value: "その他",
}
_STATES: Final = {
    BarState.ASKED.value: ("まだ効いていない・承認待ち", "open"),
    BarState.UNCHECKED.value: ("効いている・確認待ち", "open"),
    BarState.STANDING.value: ("効いている", "good"),
    BarState.LIFT_ASKED.value: ("効いている・外す申請中", "open"),
    BarState.UNCHECKED_LIFT_ASKED.value: ("効いている・確認前に外す申請中", "open"),
    BarState.LIFTED.value: ("外された", ""),
}
_EVENTS: Final = {
    BarState.ASKED.value: ((BarEvent.CHECK, "承認する"), (BarEvent.LIFT, "やめる")),
    BarState.UNCHECKED.value: ((BarEvent.CHECK, "確かめた"), (BarEvent.LIFT, "外す")),
    BarState.STANDING.value: ((BarEvent.LIFT, "外す"),),
    BarState.LIFT_ASKED.value: ((BarEvent.LIFT, "外す"), (BarEvent.KEEP, "外さない")),
    BarState.UNCHECKED_LIFT_ASKED.value: ((BarEvent.LIFT, "外す"), (BarEvent.KEEP, "外さない")),
    BarState.LIFTED.value: (),
}
"""What may be done in a state; whether this person may do it alone, the server says."""
_DONE: Final = {
    BarState.ASKED.value: "申請しました。別の職員が承認すると効きます",
    BarState.UNCHECKED.value: "付けました。もう効いています。別の職員が確かめます",
    BarState.STANDING.value: "記録しました。制限は効いています",
    BarState.LIFT_ASKED.value: "外す申請を記録しました。別の職員が外すまで効いています",
    BarState.UNCHECKED_LIFT_ASKED.value: "外す申請を記録しました。別の職員が外すまで効いています",
    BarState.LIFTED.value: "外しました",
}
_PAGES_OF_LIST: Final = 20


async def get_bars(request: web.Request) -> web.Response:
    return await _page(request, seat(request), {}, Html(""))


async def _page(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    terminal = request.app[TERMINAL]
    now_ms = int(Clock()().timestamp() * 1000)
    body = _BARS.fill(
        "entrance",
        form_key=whose.form_key,
        bar_id=fields.get("bar_id") or new_sortable_id(BAR_PREFIX, now_ms, secrets.token_bytes(10)),
        bars=_table(request, whose, await _all(request, whose), looking=True),
        places=options(_PLACES, fields.get("place", "")),
        effects=options(_EFFECTS, fields.get("effect", "")),
        causes=options(_CAUSES, fields.get("cause", "")),
        inquirers=options(
            {one.id: one.name for one in terminal.topology.agencies.values() if one.id != terminal.agency},
            fields.get("inquirer", ""),
        ),
        **{name: fields.get(name, "") for name in ("integrated_number", "information", "data_item")},
    )
    return frame(request, "自動応答の制限", body, room=_ROOM, said=said, status=400 if said else 200)


async def _all(request: web.Request, whose: Seat) -> list[Mapping[str, Any]]:
    """Every bar that has not been lifted, without anybody's number."""
    found: list[Mapping[str, Any]] = []
    after: str | None = ""
    for _ in range(_PAGES_OF_LIST):
        answer = await request.app[TERMINAL].behind.first("/bars", {"after": after}, whose.token)
        found += answer["bars"]
        after = answer["next"]
        if after is None:
            break
    return found


def _table(request: web.Request, whose: Seat, bars: Iterable[Mapping[str, Any]], *, looking: bool) -> Html:
    """`looking`: each can be looked at; else each can be changed."""
    rows = [_row(request, whose, bar, looking=looking) for bar in bars]
    return _BARS.fill("table", rows=joined(rows)) if rows else PAGES.fill("empty", text="制限はありません")


def _row(request: web.Request, whose: Seat, bar: Mapping[str, Any], *, looking: bool) -> Html:
    bar_id, state = bar["bar_id"], bar["state"]
    text, tone = _STATES.get(state, (state, ""))
    whom = bar.get("integrated_number") or name_of(request, bar.get("inquirer"))
    events = (
        _BARS.fill("event", event=event.value, bar_id=bar_id, text=told) for event, told in _EVENTS.get(state, ())
    )
    return _BARS.fill(
        "row",
        form_key=whose.form_key,
        bar_id=bar_id,
        place=f"{_PLACES.get(bar['place'], bar['place'])} {whom}",
        effect=_EFFECTS.get(bar["effect"], bar["effect"]),
        cause=_CAUSES.get(bar["cause"], bar["cause"]),
        what=" / ".join("すべて" if bar[name] == EVERYTHING else bar[name] for name in ("information", "data_item")),
        state=text,
        tone=tone,
        asked_by=f" {bar['asked_by']}" if bar.get("asked_by") else "",
        set_by=bar["set_by"],
        set_at=local_time(bar["set_at"]),
        action=Html("/bars/show" if looking else "/bars/change"),
        buttons=_BARS.fill("look", bar_id=bar_id) if looking else joined(events),
    )


async def _one(request: web.Request, whose: Seat, item: Mapping[str, Any], said: Html) -> web.Response:
    """Bars with their person. On record before they are shown."""
    found = await request.app[TERMINAL].behind.first("/bars", item, whose.token)
    body = _BARS.fill("one", bars=_table(request, whose, found["bars"], looking=False))
    return frame(request, "制限の内容", body, room=_ROOM, said=said)


async def post_show(request: web.Request) -> web.Response:
    whose, fields = await form(request)
    return await _one(request, whose, {"bar_id": fields.get("bar_id", "")}, Html(""))


@keeping(_page)
async def post_person(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _one(request, whose, {"integrated_number": fields.get("integrated_number", "").strip()}, Html(""))


@keeping(_page)
async def post_set(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """The bar's id is the form's: sent twice it is one bar."""
    if fields.get("place") not in _PLACES or fields.get("cause") not in _CAUSES or fields.get("effect") not in _EFFECTS:
        raise AskedWrongError("どこに、どう効くか、なぜかを選んでください")
    item = {name: fields[name] for name in ("bar_id", "place", "effect", "cause") if name in fields}
    item |= {name: fields[name].strip() or EVERYTHING for name in ("information", "data_item") if name in fields}
    given = {name: fields.get(name, "").strip() for name in ("integrated_number", "inquirer")}
    bar = await request.app[TERMINAL].behind.first(
        "/bars/set", {**item, **{name: text for name, text in given.items() if text}}, whose.token
    )
    return await _one(request, whose, {"bar_id": bar["bar_id"]}, good(_DONE[bar["state"]]))


async def _shown_again(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    response = await _one(request, whose, {"bar_id": fields.get("bar_id", "")}, said)
    response.set_status(400)
    return response


@keeping(_shown_again)
async def post_change(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    item = {"bar_id": fields.get("bar_id", ""), "event": fields.get("event", "")}
    bar = await request.app[TERMINAL].behind.first("/bars/change", item, whose.token)
    return await _one(request, whose, {"bar_id": bar["bar_id"]}, good(_DONE[bar["state"]]))
