"""検索 at the screen: people whom the business system holds, for an affair and with a reason (LS-1.4, SC-14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.pages.templates import Html, joined
from gateway.terminal.rooms import PAGES, TERMINAL, AskedWrongError, bad, frame, keeping, options, seat
from gateway.terminal.sessions import Seat

_ROOM: Final = "people"
_KEYS: Final = ("kana", "name", "birth_date", "address", "addressee_number")
_STATES: Final = {"living": "在住", "moved_out": "転出", "dead": "死亡", "cancelled": "取消"}


async def get_people(request: web.Request) -> web.Response:
    return await _page(request, seat(request), {}, Html(""))


async def _page(
    request: web.Request, whose: Seat, given: Mapping[str, str], said: Html, found: Html | None = None
) -> web.Response:
    affairs = (await request.app[TERMINAL].behind.get("/v1/affairs"))["items"]
    if not affairs:
        told = bad("この業務システムには、人を探す事務がありません")
        return frame(request, "人を探す", Html(""), said=told, room=_ROOM, status=403)
    body = PAGES.fill(
        "search",
        form_key=whose.form_key,
        affairs=options({one["affair"]: one["name"] for one in affairs}, given.get("affair", "")),
        reason=given.get("reason", ""),
        found=found or Html(""),
        **{name: given.get(name, "") for name in _KEYS},
    )
    return frame(request, "人を探す", body, room=_ROOM, said=said, status=400 if said else 200)


@keeping(_page)
async def post_people(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Search. On record at both servers: here with the person's session, there with affair and reason (SC-7)."""
    affair, reason = fields.get("affair", ""), fields.get("reason", "").strip()
    keys = {name: fields[name].strip() for name in _KEYS if fields.get(name, "").strip()}
    if not affair or not reason or not keys:
        raise AskedWrongError("事務と理由、そして手掛かりを書いてください")
    behind = request.app[TERMINAL].behind
    await behind.first("/staff/desk/searches", {"affair": affair}, whose.token)
    stated = {"affair": affair, "reason": reason}
    wanted = {**keys, **stated, "staff": whose.staff_id}
    cursor = fields.get("cursor", "")
    found = await behind.post("/v1/persons/search", {**wanted, **({"cursor": cursor} if cursor else {})})
    more = Html("")
    if found.get("cursor"):
        blank = dict.fromkeys(_KEYS, "")
        more = PAGES.fill("more_people", form_key=whose.form_key, cursor=found["cursor"], **{**blank, **keys}, **stated)
    return await _page(request, whose, fields, Html(""), _found(request, whose, stated, found["items"], more))


def _found(
    request: web.Request, whose: Seat, stated: Mapping[str, str], items: list[Mapping[str, Any]], more: Html
) -> Html:
    if not items:
        return PAGES.fill("empty", text="この手掛かりに合う人はいません")
    behind = request.app[TERMINAL].behind
    systems = (behind.client.id, behind.business.system if behind.business else "")
    return PAGES.fill("people", rows=joined(_person(whose, stated, one, systems) for one in items), more=more)


def _person(whose: Seat, stated: Mapping[str, str], one: Mapping[str, Any], systems: tuple[str, str]) -> Html:
    """`systems`: the terminal's own, and the one whose business information it may see."""
    held = {place["business_system"]: place["addressee_number"] for place in one["addressees"]}
    number, business = (held.get(system, "") for system in systems)
    shown = {name: one.get(name, "") for name in ("name", "kana", "birth_date", "address")}
    state = "確認中（凍結）" if one.get("frozen") else _STATES.get(one["state"], one["state"])
    more = Html("")
    if one.get("integrated_number"):
        more = PAGES.fill("about_person", form_key=whose.form_key, integrated_number=one["integrated_number"], **stated)
    if business:
        more = joined((PAGES.fill("about_business", form_key=whose.form_key, addressee_number=business), more))
    return PAGES.fill("person", form_key=whose.form_key, addressee_number=number, state=state, more=more, **shown)
