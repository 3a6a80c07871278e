"""Codes by API (LS-4): POST /v1/code-requests hastens everybody and reports counts, GET reports them; who has none and why; orders of staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.api.authorization import idempotency_key, require
from gateway.linkage_server import intake
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Stated, enter
from gateway.linkage_server.code_requests import ordering, store
from gateway.linkage_server.code_requests.runner import CodeRequests
from gateway.linkage_server.code_requests.standing import Ground, State
from gateway.linkage_server.tenant import Agency
from transport import wire
from transport.problem import ProblemError

CODE_REQUESTS: web.AppKey[Mapping[str, CodeRequests]] = web.AppKey("code_requests", Mapping[str, Any])
_LONGEST_WAIT_MS: Final = 600_000
_WITHOUT_CODE: Final = tuple(state for state in State if state is not State.BOUND)
AddresseeNumberText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}\Z")]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_WAIT_MS)] = 0


class _Report(Stated, frozen=True, kw_only=True):
    """`limit` 0: counts alone. `after`: the last 宛名番号 of the page before."""

    states: Annotated[tuple[State, ...], msgspec.Meta(max_length=8)] = ()
    after: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,15}\Z")] = ""
    limit: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0


class _Order(Stated, frozen=True, kw_only=True):
    ground: Ground
    addressee_numbers: Annotated[list[AddresseeNumberText], msgspec.Meta(min_length=1, max_length=1_000)]


_BODY = msgspec.json.Decoder(_Body)
_REPORT = msgspec.json.Decoder(_Report)
_ORDER = msgspec.json.Decoder(_Order)


async def _people(agency: Agency) -> dict[str, int]:
    """Counts by state alone."""
    found = dict.fromkeys((state.value for state in State), 0)
    for state, _, people in await store.counts(agency):
        found[state.value] += people
    return found


async def post_code_requests(request: web.Request) -> web.Response:
    caller = await require(request, "code-requests", "create")
    requests = request.app[CODE_REQUESTS][caller.agency]
    key = intake.request_key(requests.agency, caller.client_id, "code-requests", idempotency_key(request))
    body = await request.read()
    wanted = wire.read_body(body, _BODY) if body else _Body()
    await requests.start(key)
    done = (
        await requests.wait(key, wanted.wait_ms / 1000) if wanted.wait_ms else await store.is_done(requests.agency, key)
    )
    return web.json_response(
        {"state": "done" if done else "running", "people": await _people(requests.agency)},
        status=200 if done else 202,
        headers={"Location": "/v1/code-requests"},
    )


async def get_code_requests(request: web.Request) -> web.Response:
    caller = await require(request, "code-requests", "create")
    agency = request.app[CODE_REQUESTS][caller.agency].agency
    running = bool(await store.open_runs(agency))
    return web.json_response({"state": "running" if running else "done", "people": await _people(agency)})


async def post_report(request: web.Request) -> web.Response:
    """Who has no code, and why: counts of the agency by state and reason, and the system's own people by 宛名番号. The look is on record."""
    wanted = wire.read_body(await request.read(), _REPORT)
    sight = await enter(request, wanted, "code-requests", "report")
    counts = await ordering.counted(sight.agency)
    people: list[dict[str, Any]] = []
    shown: list[int] = []
    if wanted.limit:
        people, shown = await ordering.listed(
            sight.agency, sight.system, wanted.after, wanted.states or _WITHOUT_CODE, wanted.limit
        )
        await record_look_up(sight, Look.CODE_REPORT, shown)
    else:
        total = sum(one["people"] for one in counts)
        await record_look_up(sight, Look.CODE_REPORT, (), system_wide_count=total)
    more = people[-1]["addressee_number"] if people and len(people) == wanted.limit else None
    return web.json_response({"counts": counts, "people": people, "after": more})


async def post_replace(request: web.Request) -> web.Response:
    """Another code for these people, for a ground that the residents' office knows of."""
    return await _ordered(request, "replace", ordering.REPLACING_GROUNDS)


async def post_cancel(request: web.Request) -> web.Response:
    """No code any more for these people."""
    return await _ordered(request, "cancel", ordering.CANCELLING_GROUNDS)


async def _ordered(request: web.Request, operation: str, grounds: frozenset[Ground]) -> web.Response:
    wanted = wire.read_body(await request.read(), _ORDER)
    sight = await enter(request, wanted, "code-requests", operation)
    key = idempotency_key(request)
    if wanted.ground not in grounds:
        raise ProblemError(
            400, "ground_not_for_this", "This ground does not lead to that; /openapi.json has the grounds of each."
        )
    requests = request.app[CODE_REQUESTS][sight.agency.id]
    path = f"code-requests/{operation}"
    identities = [
        sight.agency.keys.retry_identity(sight.client_id, path, key, position)
        for position in range(len(wanted.addressee_numbers))
    ]
    done = await ordering.order(sight, wanted.addressee_numbers, wanted.ground, identities, sight.agency.clock())
    requests.wake()
    items = [
        {"state": one.state.value if one.state else None, "refused": {"reason": one.no.value} if one.no else None}
        for one in done
    ]
    return web.json_response({"items": items})
