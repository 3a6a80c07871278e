"""符号 at the screen: whose code the core did not renew, since when, why, what to do. Never a code (IS-1, SC-9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.code_words import what_to_do, why
from gateway.pages.templates import Html, Templates, joined, load
from gateway.terminal.rooms import PAGES, TERMINAL, frame, good, keeping, local_time, seat
from gateway.terminal.sessions import Seat

_ROOM: Final = "codes"
_OPERATIONS: Final[Templates] = load("gateway.terminal", "operations.html")
_UNDER_WAY: Final = "取り直し中です。新しい符号が届くのを待ってください"


async def get_codes(request: web.Request) -> web.Response:
    return await _list(request, seat(request), {}, Html(""))


async def _page(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    response = await _list(request, whose, fields, said)
    response.set_status(400)
    return response


async def _list(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    item = {"after": fields.get("after", "")}
    found = await request.app[TERMINAL].behind.first("/codes/not-renewed", item, whose.token)
    rows, job = found["not_renewed"], found["job"]
    body = _OPERATIONS.fill(
        "codes",
        again=_OPERATIONS.fill("codes_again", form_key=whose.form_key, id=job["id"]) if rows and job else Html(""),
        note=_OPERATIONS.fill("codes_note") if rows else Html(""),
        table=_OPERATIONS.fill("codes_table", rows=joined(map(_row, rows)))
        if rows
        else PAGES.fill("empty", text="コアが更新しなかった符号はありません"),
        more=_OPERATIONS.fill("codes_more", form_key=whose.form_key, after=found["next"])
        if found["next"]
        else Html(""),
    )
    return frame(request, "更新されなかった符号", body, room=_ROOM, said=said)


def _row(one: Mapping[str, Any]) -> Html:
    return _OPERATIONS.fill(
        "codes_row",
        since=local_time(one["refused_at"]) or "記される前から",
        why=why(one["reason"]).japanese,
        what=_UNDER_WAY if one["replacing"] else what_to_do(one["reason"]).japanese,
        **{name: one[name] for name in ("integrated_number", "epoch")},
    )


async def _show(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _list(request, whose, fields, Html(""))


post_codes: Final = keeping(_page)(_show)


@keeping(_page)
async def post_again(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Every one of them is sent to the core once more."""
    job = {"kind": "code_renewal", "id": fields.get("id", "")}
    await request.app[TERMINAL].behind.first("/jobs/retry", job, whose.token)
    return await _list(request, whose, {}, good("もう一度送ります。なお残るものは、しばらくするとここにまた出ます"))
