"""お知らせ at the screen: what the operator has posted, and what the servers tell of themselves (IS-10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.notice_words import KINDS
from gateway.pages.templates import Html, joined
from gateway.terminal.rooms import PAGES, TERMINAL, frame, local_time, seat

_ROOM: Final = "notices"


async def get_notices(request: web.Request) -> web.Response:
    whose = seat(request)
    answer = await request.app[TERMINAL].behind.first("/staff/notices", {}, whose.token)
    found = [one for one in answer.get("notices", []) if isinstance(one, Mapping)]
    body = joined(_row(one) for one in found) if found else PAGES.fill("no_notice")
    return frame(request, "お知らせ", body, room=_ROOM)


def _row(one: Mapping[str, Any]) -> Html:
    since, until = one.get("shown_from") or one.get("posted_at"), one.get("shown_until")
    return PAGES.fill(
        "notice",
        kind=KINDS.get(str(one.get("kind")), str(one.get("kind"))),
        text=one.get("text") or "",
        time=f"{local_time(since) if since else '現在'}{f' から {local_time(until)} まで' if until else ''}",
    )
