"""POST /v1/access-log/search: who looked at one person, when, in which affair and why (SC-13); /v1/access-log/analysis: what of all looks is
remarkable (SC-12). POST /v1/affairs: what the list says of the caller.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.api.authorization import require
from gateway.linkage_server.access import analysis
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight, Stated, enter
from gateway.linkage_server.tenant import AGENCIES, Agency
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.database import as_away
from transport import wire
from transport.problem import ProblemError

_SQL = sql.load("gateway.linkage_server.access")
_LAST: Final = "F"  # after every entry id


class _Wanted(Stated, frozen=True, kw_only=True):
    integrated_number: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{15})?\Z")] = ""
    business_system: Annotated[str, msgspec.Meta(max_length=40)] = ""
    addressee_number: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,15}\Z")] = ""
    before: Annotated[str, msgspec.Meta(pattern=r"^(E[0-9A-HJKMNP-TV-Z]{26})?\Z")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class _Period(Stated, frozen=True, kw_only=True):
    """Days in Japan, both included."""

    since: date
    until: date


_WANTED = msgspec.json.Decoder(_Wanted)
_PERIOD = msgspec.json.Decoder(_Period)
_EARLIEST, _LATEST = date(1900, 1, 1), date(9000, 1, 1)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v1/affairs", get_affairs)
    app.router.add_post("/v1/access-log/search", post_access_log_search)
    app.router.add_post("/v1/access-log/analysis", post_access_log_analysis)


async def post_access_log_search(request: web.Request) -> web.Response:
    """The looks at one person, the newest first; looks at numbers that were merged into this one are among them."""
    wanted = wire.read_body(await request.read(), _WANTED)
    sight = await _enter(request, wanted)
    if bool(wanted.integrated_number) == bool(wanted.addressee_number):
        raise ProblemError(
            400, "keys_malformed", "Name the person by integrated_number, or by business_system and addressee_number."
        )
    numbers = await _numbers(sight.agency, wanted)
    looks, disagreeing = await _looks(sight.agency, numbers, wanted)
    await record_look_up(sight, Look.ACCESS_LOG, numbers)
    more = looks[-1]["id"] if len(looks) + disagreeing == wanted.limit and looks else None
    return web.json_response({"items": looks, "before": more, "disagreeing": disagreeing})


async def post_access_log_analysis(request: web.Request) -> web.Response:
    """A dated report of who looked at people outside hours, unusually often, or again and again. That it was made is on record."""
    period = wire.read_body(await request.read(), _PERIOD)
    sight = await _enter(request, period)
    if not _EARLIEST <= period.since <= period.until <= _LATEST:
        raise ProblemError(400, "period_malformed", "A period begins on or before the day on which it ends.")
    made = await analysis.report(sight.agency, period.since, period.until)
    await record_look_up(sight, Look.ANALYSIS, ())
    return web.json_response(made)


async def _enter(request: web.Request, stated: Stated) -> Sight:
    """Raises ProblemError 403 for an affair that sees only the people of its system."""
    sight = await enter(request, stated, "access-log", "read")
    if not sight.sees_all_people:
        raise ProblemError(403, "affair_not_for_this", "Only an affair that sees all people may ask who looked at one.")
    return sight


async def get_affairs(request: web.Request) -> web.Response:
    """The affairs in which the caller's system may act, for its screens."""
    caller = await require(request, "persons", "search")
    found = request.app[AGENCIES][caller.agency].affairs.of_system(caller.system)
    return web.json_response(
        {
            "items": [
                {
                    "affair": affair.code,
                    "name": affair.name,
                    "individual_number": affair.individual_number and caller.may_use_individual_number,
                    "items": sorted(affair.items),
                    "all_people": affair.all_people,
                }
                for affair in found
            ]
        }
    )


async def _numbers(agency: Agency, wanted: _Wanted) -> list[int]:
    """The person's number and those that were merged into it; none when nobody is known by what was asked."""
    with as_away("people could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            if wanted.integrated_number:
                number = int(wanted.integrated_number)
            else:
                number = await connection.fetchval(_SQL["addressee"], wanted.business_system, wanted.addressee_number)
            return [row["integrated_number"] for row in await connection.fetch(_SQL["numbers_of"], number)]


async def _looks(agency: Agency, numbers: list[int], wanted: _Wanted) -> tuple[list[dict[str, Any]], int]:
    """The entries with their reasons, and how many rows of the table name an entry that does not name the person."""
    subjects = {agency.keys.access_subject(number): number for number in numbers}
    with as_away("the evidence log could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["looks"], list(subjects), wanted.before or _LAST, wanted.limit)
    looks: list[dict[str, Any]] = []
    disagreeing = 0
    for row in rows:
        entry = msgspec.json.decode(row["body"])
        committed = {agency.keys.access_commitment(subjects[one], row["entry_id"]) for one in row["subjects"]}
        if not committed <= set(entry["facts"]["subjects"]):
            disagreeing += 1
            continue
        facts = {name: value for name, value in entry["facts"].items() if name != "subjects"}
        looks.append(
            {
                "id": entry["id"],
                "at": entry["at"],
                "client": entry["actor"],
                **facts,
                "reason": _reason(agency, row["personal"], row["entry_id"]),
                "log": {"year": row["year"], "index": row["idx"]},
            }
        )
    return looks, disagreeing


def _reason(agency: Agency, sealed: bytes | None, entry_id: str) -> str | None:
    """The words of the member of staff; None when they were changed or their key was destroyed."""
    try:
        return agency.keys.open_access_reason(sealed, entry_id) if sealed is not None else None
    except (SealBroken, KeyUnusable):
        return None
