"""POST /v1/inquiries and /v1/inquiry-results (LS-3.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.api.authorization import CALLER, DOORS, idempotency_key, require, scope_missing
from gateway.linkage_server.inquiry_desk import flow, matching, whose
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.inquiry import INQUIRY, RESULT_WANTED, shown, wanted_message
from gateway.linkage_server.inquiry_desk.online import ONLINE
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

DESKS: web.AppKey[Mapping[str, Desk]] = web.AppKey("desks", Mapping[str, Any])
_MOST: Final = 1_000


def _unavailable() -> ProblemError:
    return ProblemError(
        503,
        "intermediate_server_unavailable",
        "The intermediate server gave no answer; ask again with the same Idempotency-Key.",
    )


def _items(answers: list[dict[str, Any]]) -> web.Response:
    return web.Response(body=msgspec.json.encode({"items": answers}), content_type="application/json")


async def post_inquiries(request: web.Request) -> web.Response:
    caller = request[CALLER]
    key = idempotency_key(request)
    envelope = wire.read_envelope(await request.read())
    inquiries = wire.parse_items(envelope, INQUIRY)
    if len(inquiries) > _MOST:
        raise ProblemError(413, "too_many_items", "Ask about up to 1,000 people at once.")
    desk = request.app[DESKS][caller.agency]
    desk.agency.release.check()
    request.app[ONLINE][caller.agency].note()
    if not caller.may("inquiries", "create"):
        await request.app[DOORS].refuse(caller.agency, "scope_missing", caller.client_id)
        await asyncio.gather(
            *(
                flow.refuse(
                    desk,
                    caller.system,
                    inquiry,
                    identity=f"{flow.message_id(desk, caller, key, at)}/scope",
                    reason="scope_missing",
                )
                for at, inquiry in enumerate(inquiries)
            )
        )
        raise scope_missing()
    try:
        answers = await flow.inquire(desk, caller, inquiries, key=key, wait_ms=envelope.wait_ms)
    except ChannelError:
        raise _unavailable() from None
    numbers = [inquiry.addressee_number for inquiry in inquiries]
    return _items(await matching.with_match(desk.agency, caller.system, numbers, answers))


async def post_inquiry_results(request: web.Request) -> web.Response:
    """Who reads what, and what for, is on the intermediate server's record before it answers (SC-7; docs/adr/0077)."""
    caller = await require(request, "inquiries", "create")
    wanted = wire.parse_items(wire.read_envelope(await request.read()), RESULT_WANTED)
    desk = request.app[DESKS][caller.agency]
    numbers = [one.addressee_number for one in wanted]
    people = await whose.behind(desk.agency, caller.system, [number for number in numbers if number is not None])
    try:
        answers = await desk.forwarding.results(
            [wanted_message(one, caller.system, people.get(one.addressee_number or "")) for one in wanted]
        )
    except ChannelError:
        raise _unavailable() from None
    shown_to_caller = [shown(answer) for answer in answers]
    return _items(await matching.with_match(desk.agency, caller.system, numbers, shown_to_caller))
