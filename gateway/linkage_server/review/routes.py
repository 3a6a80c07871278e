"""POST /v1/holds…, /v1/links…, /v1/persons/recipients: parse, hand over, render (LS-1.3, SC-18). No handler decides anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from gateway.api.authorization import DOORS
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight, Stated, enter
from gateway.linkage_server.review import bodies, candidates, deciding, holds, recipients, store
from gateway.linkage_server.review.carrying_out import advance
from gateway.linkage_server.review.deciding import Refused
from gateway.linkage_server.review.decision import Content, Kind, No, State, Step
from gateway.linkage_server.review.problems import problem_of
from gateway.linkage_server.review.store import Decision
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

OF_HOLDS: Final = (Kind.HOLD_LINK, Kind.HOLD_KEEP, Kind.HOLD_REFUSE)
OF_LINKS: Final = (Kind.LINK, Kind.MERGE, Kind.SPLIT, Kind.RELEASE)
_Body = TypeVar("_Body", bound=Stated)
Route = Callable[[web.Request], Awaitable[web.Response]]


async def _enter(
    request: web.Request, decoder: msgspec.json.Decoder[_Body], resource: str, operation: str
) -> tuple[Sight, _Body]:
    """Those who look after the numbers themselves, and nobody else: a review shows people of several business systems beside one another."""
    body = wire.read_body(await request.read(), decoder)
    sight = await enter(request, body, resource, operation)
    if not sight.sees_all_people:
        await request.app[DOORS].refuse(sight.agency.id, "affair_not_for_this", sight.client_id)
        raise ProblemError(
            403, "affair_not_for_this", "Only an affair that sees people of all systems may review them."
        )
    if not sight.shows_integrated_number:
        await request.app[DOORS].refuse(sight.agency.id, "scope_missing", sight.client_id)
        raise ProblemError(
            403, "scope_missing", "Reviewing names people by integrated number: integrated-numbers:read is needed too."
        )
    return sight, body


async def _show(sight: Sight, decision_id: str, status: int = 200) -> web.Response:
    """A decision as far as it has gone, with those whom it concerns on record as seen."""
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        one = await store.read_decision(connection, agency.keys, decision_id)
        standings = await store.read_standings(connection, one.seen) if one is not None else {}
    if one is None:
        raise problem_of(Refused(reason=No.DECISION_UNKNOWN))
    await record_look_up(sight, Look.PERSON, list(one.seen))
    people = [
        {
            "integrated_number": f"{number:015d}",
            "frozen": standing.frozen,
            "merged_into": f"{standing.merged_into:015d}" if standing.merged_into is not None else None,
            "code_state": standing.code_state,
            "addressees": len(standing.addressees),
        }
        for number, standing in sorted(standings.items())
    ]
    return web.json_response(holds.shown_decision(sight, one) | {"people": people}, status=status)


@contextmanager
def _network_answers() -> Iterator[None]:
    """Raises ProblemError 503 when the resident network has to be asked about a typed number and does not answer."""
    try:
        yield
    except ChannelError:
        raise ProblemError(
            503, "resident_network_unavailable", "The resident network did not answer; nothing was decided. Ask again."
        ) from None


async def _proposed(
    sight: Sight, kind: Kind, content: Content, *, hold_id: str | None = None, edits: tuple[str, int] | None = None
) -> web.Response:
    with _network_answers():
        made = await deciding.propose(sight, kind, content, hold_id=hold_id, edits=edits)
    return await _show(sight, _or_problem(made).id, 201)


def _or_problem(made: Decision | Refused) -> Decision:
    if isinstance(made, Refused):
        raise problem_of(made)
    return made


async def _go_on(sight: Sight, decision_id: str) -> None:
    """Carry on as far as it goes at once; a peer that is away is waited for in the background."""
    try:
        await advance(sight.agency, decision_id)
    except ChannelError:
        return


_HOLDS = msgspec.json.Decoder(bodies.HoldsWanted)
_HOLD = msgspec.json.Decoder(bodies.HoldWanted)
_HOLD_DECISION = msgspec.json.Decoder(bodies.HoldDecision)
_CANDIDATES = msgspec.json.Decoder(bodies.CandidatesWanted)
_TWO = msgspec.json.Decoder(bodies.Two)
_SPLIT = msgspec.json.Decoder(bodies.Split)
_ONE = msgspec.json.Decoder(bodies.One)
_APPROVAL = msgspec.json.Decoder(bodies.Approval)
_DECISION = msgspec.json.Decoder(bodies.DecisionWanted)
_DECISIONS = msgspec.json.Decoder(bodies.DecisionsWanted)
_RECIPIENTS = msgspec.json.Decoder(bodies.RecipientsWanted)


async def post_holds(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _HOLDS, "holds", "read")
    return web.json_response(await holds.page(sight, after=wanted.after, reason=wanted.because, limit=wanted.limit))


async def post_holds_show(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _HOLD, "holds", "read")
    shown = await holds.show(sight, wanted.hold_id)
    if shown is None:
        raise problem_of(Refused(reason=No.HOLD_UNKNOWN))
    return web.json_response(shown)


async def post_holds_decide(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _HOLD_DECISION, "holds", "decide")
    return await _proposed(sight, wanted.kind(), wanted.content(), hold_id=wanted.hold_id, edits=wanted.edited())


async def post_candidates(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _CANDIDATES, "links", "propose")
    person = bodies.number_of(wanted.integrated_number)
    if wanted.addressee_number:
        async with sight.agency.database.inside(sight.agency.tenant) as connection:
            person = await store.person_of_addressee(connection, (wanted.business_system, wanted.addressee_number))
        if person is None:
            raise problem_of(Refused(reason=No.PERSON_UNKNOWN))
    try:
        found = await candidates.find(sight, candidates.Around(person=person, items=wanted.items()))
    except candidates.TooFewKeysError:
        raise ProblemError(
            400,
            "too_few_keys",
            "Look by two of name or kana, birth date, address: one alone finds other people's numbers.",
        ) from None
    except candidates.NobodyError:
        raise problem_of(Refused(reason=No.PERSON_UNKNOWN)) from None
    return web.json_response(found)


def _two(kind: Kind, operation: str) -> Route:
    async def route(request: web.Request) -> web.Response:
        sight, wanted = await _enter(request, _TWO, "links", operation)
        return await _proposed(sight, kind, wanted.content(), edits=wanted.edited())

    return route


async def post_split(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _SPLIT, "links", "split")
    return await _proposed(sight, Kind.SPLIT, wanted.content(sight), edits=wanted.edited())


async def post_release(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _ONE, "links", "split")
    return await _proposed(sight, Kind.RELEASE, wanted.content(), edits=wanted.edited())


async def post_freeze(request: web.Request) -> web.Response:
    """At once, by one person: it stops harm and links nothing."""
    sight, wanted = await _enter(request, _ONE, "links", "split")
    made = _or_problem(await deciding.propose(sight, Kind.FREEZE, wanted.content()))
    await _go_on(sight, made.id)
    return await _show(sight, made.id, 201)


def _approval(kinds: tuple[Kind, ...], resource: str, operation: str) -> Route:
    async def route(request: web.Request) -> web.Response:
        sight, wanted = await _enter(request, _APPROVAL, resource, operation)
        digest = bytes.fromhex(wanted.content_hash)
        with _network_answers():
            made = _or_problem(await deciding.approve(sight, wanted.decision_id, digest, kinds))
        await _go_on(sight, made.id)
        return await _show(sight, made.id)

    return route


def _giving_up(kinds: tuple[Kind, ...], resource: str, operation: str, step: Step) -> Route:
    async def route(request: web.Request) -> web.Response:
        sight, wanted = await _enter(request, _DECISION, resource, operation)
        made = _or_problem(await deciding.give_up(sight, wanted.decision_id, kinds, step))
        return await _show(sight, made.id)

    return route


async def post_decisions(request: web.Request) -> web.Response:
    """Decisions without their contents, in the order in which they were first proposed."""
    sight, wanted = await _enter(request, _DECISIONS, "holds", "read")
    if set(wanted.states) - set(State):
        raise ProblemError(400, "state_unknown", "`states` names states of decisions; see /openapi.json.")
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        rows = await store.page_of_decisions(connection, wanted.after, wanted.states, wanted.limit)
    items = [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in rows
    ]
    return web.json_response(
        {"items": items, "after": items[-1]["decision_id"] if len(items) == wanted.limit else None}
    )


async def post_decision_show(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _DECISION, "holds", "read")
    return await _show(sight, wanted.decision_id)


async def post_recipients(request: web.Request) -> web.Response:
    sight, wanted = await _enter(request, _RECIPIENTS, "links", "split")
    try:
        found = await recipients.report(sight, int(wanted.integrated_number), wanted.since)
    except ChannelError:
        raise ProblemError(
            503, "intermediate_server_unavailable", "The intermediate server did not answer; ask again later."
        ) from None
    return web.json_response(found)


def add_routes(app: web.Application) -> None:
    """All paths of reviews in docs/openapi/linkage.yaml."""
    post = app.router.add_post
    post("/v1/holds", post_holds)
    post("/v1/holds/show", post_holds_show)
    post("/v1/holds/decide", post_holds_decide)
    post("/v1/holds/approve", _approval(OF_HOLDS, "holds", "decide"))
    post("/v1/holds/reject", _giving_up(OF_HOLDS, "holds", "decide", Step.REJECT))
    post("/v1/holds/withdraw", _giving_up(OF_HOLDS, "holds", "decide", Step.WITHDRAW))
    post("/v1/links/candidates", post_candidates)
    post("/v1/links/propose", _two(Kind.LINK, "propose"))
    post("/v1/links/merge", _two(Kind.MERGE, "merge"))
    post("/v1/links/split", post_split)
    post("/v1/links/freeze", post_freeze)
    post("/v1/links/release", post_release)
    post("/v1/links/approve", _approval(OF_LINKS, "links", "approve"))
    post("/v1/links/reject", _giving_up(OF_LINKS, "links", "approve", Step.REJECT))
    post("/v1/links/withdraw", _giving_up(OF_LINKS, "links", "propose", Step.WITHDRAW))
    post("/v1/links/decisions", post_decisions)
    post("/v1/links/show", post_decision_show)
    post("/v1/persons/recipients", post_recipients)
