"""POST /v1/person-changes/to-come: what is to come, whatever its day, and what could not be taken on its day (LS-1.2). Nobody's data stands in it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.linkage_server.access.sight import Sight, Stated, enter
from gateway.linkage_server.people import waiting
from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.people.waiting import Waiting
from transport import wire
from transport.problem import ProblemError

_MOST: Final = 200
_Day = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")]
_Seen = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{1,18})?\Z")]


class _ToCome(Stated, frozen=True, kw_only=True):
    """`since`: from which day on, empty for all; `after`: as the page before said."""

    since: _Day = ""
    after: _Seen = ""
    set_aside: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)] = 50


_TO_COME: Final = msgspec.json.Decoder(_ToCome)


async def post_changes_to_come(request: web.Request) -> web.Response:
    """Of the caller's own business system; of all for those who look after the numbers themselves."""
    wanted = wire.read_body(await request.read(), _TO_COME)
    sight = await enter(request, wanted, "persons", "read")
    day, _, seen = wanted.after.partition("/")
    try:
        since = date.fromisoformat(day or wanted.since) if day or wanted.since else date.min
    except ValueError:
        raise ProblemError(
            400, "date_malformed", "`since` is a day, YYYY-MM-DD; `after` is what the page before said."
        ) from None
    async with sight.agency.database.inside(sight.agency.tenant) as connection:
        found, count = await waiting.page(
            connection,
            sight.agency.keys,
            system=None if sight.sees_all_people else sight.system,
            since=since,
            after=int(seen or 0),
            only_set_aside=wanted.set_aside,
            most=wanted.limit,
        )
    last = found[-1] if len(found) == wanted.limit else None
    return web.json_response(
        {
            "items": [_shown(sight, one) for one in found],
            "count": count,
            "after": f"{last.effective_on.isoformat()}/{last.waiting_no}" if last is not None else None,
        }
    )


def _shown(sight: Sight, one: Waiting) -> dict[str, Any]:
    """`event_id`: to the system that sent it alone, since it may be made of somebody's numbers; kind and what it says, by name, when it can be opened."""
    change = one.change if isinstance(one.change, Change) else None
    return {
        "business_system": one.system,
        "event_id": change.event_id if change is not None and one.system == sight.system else None,
        "kind": change.kind.value if change is not None else None,
        "says": list(change.says.said()) if change is not None else [],
        "effective_on": one.effective_on.isoformat(),
        "set_aside_at": one.set_aside_at.isoformat() if one.set_aside_at is not None else None,
        "set_aside_because": one.set_aside_because,
    }
