"""Routes for staff: each names the function for which a right is needed, and every call is recorded before it does anything (IS-9, SC-7).

A certificate of use `staff` is a terminal's. The person shows themselves by log-in, and then by the session (`Authorization: Bearer`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from codebook.errors import CodebookError
from codebook.identifiers import InquiryNumber, parse_inquiry_number
from evidence.entry import EntryKind
from evidence.export import LogParty
from gateway.intermediate_server.bars_routes import BAR_ROUTES
from gateway.intermediate_server.desk_routes import DESK_ROUTES
from gateway.intermediate_server.key_routes import KEY_ROUTES
from gateway.intermediate_server.operations import backing_up, jobs, statistics
from gateway.intermediate_server.operations_routes import OPERATION_ROUTES
from gateway.intermediate_server.provision import deciding, held
from gateway.intermediate_server.provision.deciding import Decider
from gateway.intermediate_server.records.subjects import add_purposes
from gateway.intermediate_server.records_routes import RECORD_ROUTES
from gateway.intermediate_server.replica_routes import REPLICA_ROUTES
from gateway.intermediate_server.staff import enrolling, entering, extending, granting, own_account, reporting
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.operating import Acting, First, NotActingError, admit, lasting, only, still_may
from gateway.intermediate_server.staff.rights import EVERYTHING, Function
from storage.committer import Commit
from storage.database import CommitUnknownError, StorageUnavailableError
from storage.evidence_log import store as log_store
from transport import wire
from transport.listener import fingerprint
from transport.problem import ProblemError, problem_for
from transport.streaming import stream

Addressed: TypeAlias = Callable[[web.Request], Awaitable[StaffDesk]]
"""The desk of the agency in the path, for a terminal of that agency; anybody else is refused and recorded."""
Answer: TypeAlias = Callable[[Acting, wire.Envelope], Awaitable[list[Any]]]
Route: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def admitted(request: web.Request, desk: StaffDesk, function: Function | None) -> Acting:
    """Whoever calls, with the right for this function; recorded. Raises ProblemError."""
    resource = request.match_info.route.resource
    call = resource.canonical if resource else ""
    return await admit(desk, request.headers, fingerprint(request) or b"", function, call=call)


def _listed(addressed: Addressed, function: Function | None, answer: Answer) -> Route:
    """A list in, a list out, in order. The body is read before anybody's right is looked at, which must not be as old as a body that takes its time."""

    async def route(request: web.Request) -> web.Response:
        desk = await addressed(request)
        body = await request.read()
        acting = await admitted(request, desk, function)
        answers = await answer(acting, wire.read_envelope(body))
        return _answered(desk, answers)

    return route


def _answered(desk: StaffDesk, answers: list[Any]) -> web.Response:
    return web.Response(body=wire.write_envelope(answers, desk.agency.committer.note), content_type="application/json")


# --- coming and going


def _challenges(addressed: Addressed) -> Route:
    async def route(request: web.Request) -> web.Response:
        """IF_STF_90030."""
        desk = await addressed(request)
        items = wire.parse_items(wire.read_envelope(await request.read()), entering.CHALLENGE_ITEM)
        certificate, now = fingerprint(request) or b"", desk.agency.clock()
        return _answered(desk, [entering.challenge(desk, item, certificate, now) for item in items])

    return route


def _log_in(addressed: Addressed) -> Route:
    async def route(request: web.Request) -> web.Response:
        """IF_STF_90031: one person at a time."""
        desk = await addressed(request)
        items = wire.parse_items(wire.read_envelope(await request.read()), entering.LOG_IN_ITEM)
        only(items)
        return _answered(
            desk, [await entering.log_in(desk, items[0], fingerprint(request) or b"", desk.agency.clock())]
        )

    return route


async def _log_out(acting: Acting, _envelope: wire.Envelope) -> list[Any]:
    return [await entering.log_out(acting.desk, acting.session, acting.desk.agency.clock())]


# --- staff and rights


async def _members(acting: Acting, _envelope: wire.Envelope) -> list[Any]:
    return await enrolling.listed(acting.desk)


async def _change_member(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, enrolling.MEMBER_ITEM)
    only(items)
    return [await enrolling.change(acting, items[0])]


async def _grants(acting: Acting, _envelope: wire.Envelope) -> list[Any]:
    return await granting.listed(acting)


async def _ask_grant(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, granting.ASKING_ITEM)
    only(items)
    return [await granting.change(acting, items[0])]


async def _check_grant(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, granting.CHECKING_ITEM)
    only(items)
    return [await granting.change(acting, items[0])]


async def _extensions(acting: Acting, _envelope: wire.Envelope) -> list[Any]:
    return await extending.listed(acting)


async def _propose_extension(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, extending.PROPOSE_ITEM)
    only(items)
    return [await extending.propose(acting, items[0])]


async def _decide_extension(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, extending.DECIDE_ITEM)
    only(items)
    return [await extending.decide(acting, items[0])]


async def _endings(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, extending.ENDINGS_ITEM)
    only(items)
    return [await extending.endings(acting, items[0])]


async def _password(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, own_account.PASSWORD_ITEM)
    only(items)
    return [await own_account.set_password(acting, items[0])]


async def _cards(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, own_account.CARD_ITEM)
    only(items)
    return [await own_account.register_card(acting, items[0])]


async def _analysis(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, reporting.ANALYSIS_ITEM)
    only(items)
    return [await reporting.report(acting.desk, items[0], acting.desk.agency.clock())]


# --- held provisions


async def _held(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90015: without items the first page of the list; with items the content of those, each on record before it is shown."""
    agency, covered = acting.desk.agency, acting.covered(Function.HELD_VIEW)
    items = wire.parse_items(envelope, held.HELD_ITEM)
    if not items:
        first: list[Any] = (await held.page(agency, held.PageItem(limit=held.MOST), covered))["held"]
        return first
    now = agency.clock()
    rows = [await held.one(agency, item.permit_id, covered) for item in items]
    facts: list[dict[str, str | int]] = [
        {name: row[name] for name in ("permit_id", "inquiry_number", "information")} | {"affair": row["item"]}
        for row in rows
    ]
    await acting.record(Function.HELD_VIEW, facts, now)
    return [
        await held.shown(agency, row, item.withheld, acting.staff_id, now)
        for row, item in zip(rows, items, strict=True)
    ]


async def _held_page(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90094."""
    items = wire.parse_items(envelope, held.PAGE_ITEM)
    only(items)
    return [await held.page(acting.desk.agency, items[0], acting.covered(Function.HELD_VIEW))]


def decider(acting: Acting) -> Decider:
    """Whoever acts as one who decides, for as long as they may."""
    desk = acting.desk

    async def commit(what: Commit, affair: str, information: str, first: First | None) -> bool:
        return await acting.commit(what, lambda grant: grant.covers(Function.HELD_DECIDE, affair, information), first)

    return Decider(
        staff_id=acting.staff_id,
        covers=acting.covered(Function.HELD_DECIDE),
        two_people=desk.rules.two_people,
        still_may=partial(still_may, desk),
        entry=lambda **facts: acting.entry(
            desk.agency.clock(), EntryKind.STAFF_OPERATED, Function.HELD_DECIDE, **facts
        ),
        commit=commit,
    )


async def _decide_held(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90016: of several decisions each has its own answer; a single one that cannot be carried out is a problem.

    What keeps all that are left from being carried out (the session or the right has ended, the log cannot be written) is told of each of them; it
    is a problem of the call when none was carried out before. Those behind one of which it is not known whether it was are not.
    """
    agency, by = acting.desk.agency, decider(acting)
    items = wire.parse_items(envelope, deciding.HELD_DECISION)
    answers: list[Any] = []
    for item in items:
        try:
            answers.append(await deciding.decide(agency, item, by, agency.clock()))
        except (NotActingError, StorageUnavailableError) as error:
            if all("problem" in one for one in answers):
                raise
            behind = StorageUnavailableError("not tried") if isinstance(error, CommitUnknownError) else error
            return [*answers, _of_item(error), *[_of_item(behind)] * (len(items) - len(answers) - 1)]
        except ProblemError as problem:
            if len(items) == 1:
                raise
            answers.append(_of_item(problem))
    return answers


def _of_item(error: Exception) -> dict[str, Any]:
    problem = problem_for(error)
    return {"problem": {"status": problem.status, "reason": problem.reason}}


# --- the log


def _export(addressed: Addressed) -> Route:
    async def route(request: web.Request) -> web.StreamResponse:
        """IF_TKM_90017: one fiscal year's log (`?year=`), the latest unless told, as NDJSON, streamed."""
        desk = await addressed(request)
        acting, agency = await admitted(request, desk, Function.LOG_EXPORT), desk.agency
        key = agency.keys.ring.signer("log").public_key
        blocks = log_store.export(
            agency.database,
            agency.tenant,
            agency=agency.id,
            party=LogParty.INTERMEDIATE,
            public_key=key,
            earlier=agency.register().log_keys_before(f"sekisho.example/{agency.id}/intermediate", key),
            year=wire.read_year(request.query.get("year")),
        )
        return await stream(request, lasting(acting, blocks))

    return route


class LogSearchItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_TKM_90018."""

    inquiry_number: str


_LOG_SEARCH_ITEM = msgspec.json.Decoder(LogSearchItem)


async def _search(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_TKM_90018: entries of the affairs and kinds of information that the right covers; each number is on record."""
    agency = acting.desk.agency
    numbers = [_inquiry_number(item.inquiry_number) for item in wire.parse_items(envelope, _LOG_SEARCH_ITEM)]
    found = {number: await log_store.search(agency.database, agency.tenant, number) for number in numbers}
    seen = {number: [entry for entry in entries if _may_see(acting, entry)] for number, entries in found.items()}
    await acting.record(
        Function.LOG_SEARCH, [_looked_up(number, entries) for number, entries in seen.items()], agency.clock()
    )
    await add_purposes(agency, [entry for entries in seen.values() for entry in entries])
    return [{"entries": seen[number]} for number in numbers]


def _looked_up(number: str, entries: list[dict[str, Any]]) -> dict[str, str | int]:
    """What the record says of one number: its affair and kind of information, as far as something was found."""
    first = entries[0] if entries else {}
    return {
        "inquiry_number": number,
        "affair": first.get("item", ""),
        "information": first.get("information", ""),
        "entries": len(entries),
    }


def _inquiry_number(text: str) -> InquiryNumber:
    """Nothing else gets into the access log: whoever types a person's number here has not put it there."""
    try:
        return parse_inquiry_number(text)
    except CodebookError:
        raise ProblemError(400, "malformed_item", "An inquiry number is Q and 26 characters.") from None


def _may_see(acting: Acting, entry: dict[str, Any]) -> bool:
    fields = entry.get("facts", entry)
    affair, information = fields.get("item", EVERYTHING), fields.get("information", EVERYTHING)
    return acting.may(Function.LOG_SEARCH, affair, information)


# --- operations


async def _statistics(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, statistics.STATISTICS_ITEM)
    only(items)
    return [await statistics.told(acting, items[0], acting.desk.agency.clock())]


async def _jobs(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90061: each item asks for a list of jobs."""
    return [await jobs.listed(acting, item) for item in wire.parse_items(envelope, jobs.JOBS_WANTED)]


async def _retry_job(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, jobs.JOB_NAMED)
    only(items)
    return [await jobs.again(acting, items[0], acting.desk.agency.clock())]


def _backup(addressed: Addressed) -> Route:
    async def route(request: web.Request) -> web.StreamResponse:
        """IF_SYM_90076: a backup of the agency, streamed; one that breaks off has no end and is good for nothing."""
        desk = await addressed(request)
        body = await request.read()
        acting = await admitted(request, desk, Function.BACKUP)
        items = wire.parse_items(wire.read_envelope(body), backing_up.BACKUP_ITEM)
        only(items)
        async with backing_up.begun(acting, items[0], desk.agency.clock()) as writer:
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            await response.prepare(request)
            await backing_up.write(acting, writer, response.write)
        await response.write_eof()
        return response

    return route


def add_staff_routes(app: web.Application, addressed: Addressed) -> None:
    """The staff's part of docs/openapi/intermediate.yaml."""
    post = app.router.add_post
    post("/{agency}/staff/challenges", _challenges(addressed))
    post("/{agency}/staff/log-in", _log_in(addressed))
    for path, function, answer in (
        ("staff/log-out", None, _log_out),
        ("staff/password", None, _password),
        ("staff/cards", None, _cards),
        ("staff/members", Function.STAFF_ADMINISTER, _members),
        ("staff/members/change", Function.STAFF_ADMINISTER, _change_member),
        ("staff/grants", Function.STAFF_APPROVE, _grants),
        ("staff/grants/ask", Function.STAFF_ADMINISTER, _ask_grant),
        ("staff/grants/check", Function.STAFF_APPROVE, _check_grant),
        ("staff/extensions", Function.STAFF_APPROVE, _extensions),
        ("staff/extensions/ask", Function.STAFF_ADMINISTER, _propose_extension),
        ("staff/extensions/check", Function.STAFF_APPROVE, _decide_extension),
        ("staff/endings", Function.STAFF_ADMINISTER, _endings),
        ("staff/analysis", Function.STAFF_ANALYSE, _analysis),
        *DESK_ROUTES,
        ("held-provisions", Function.HELD_VIEW, _held),
        ("held-provisions/page", Function.HELD_VIEW, _held_page),
        ("held-provisions/decide", Function.HELD_DECIDE, _decide_held),
        *REPLICA_ROUTES,
        *BAR_ROUTES,
        ("log/search", Function.LOG_SEARCH, _search),
        *RECORD_ROUTES,
        ("statistics", Function.STATISTICS, _statistics),
        ("jobs", Function.OPERATIONS, _jobs),
        ("jobs/retry", Function.OPERATIONS, _retry_job),
        *OPERATION_ROUTES,
        *KEY_ROUTES,
    ):
        post(f"/{{agency}}/{path}", _listed(addressed, function, answer))
    post("/{agency}/backups", _backup(addressed))
    app.router.add_get("/{agency}/log", _export(addressed))
