"""POST /v1/persons/search (LS-1.4). A POST: what somebody is searched by stands in no URL."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from codebook import individual_number
from gateway.api.authorization import DOORS
from gateway.linkage_server.access.sight import Stated, enter
from gateway.linkage_server.search import flow, tokens
from gateway.linkage_server.search.flow import Question, Refused
from gateway.linkage_server.search.tokens import Keys
from transport import wire
from transport.problem import ProblemError

_Text = Annotated[str, msgspec.Meta(max_length=300)]


class _Wanted(Stated, frozen=True, kw_only=True):
    integrated_number: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{15})?\Z")] = ""
    individual_number: Annotated[str, msgspec.Meta(max_length=12)] = ""
    business_system: Annotated[str, msgspec.Meta(max_length=40)] = ""
    addressee_number: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,15}\Z")] = ""
    kana: _Text = ""
    name: _Text = ""
    birth_date: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")] = ""
    address: _Text = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, msgspec.Meta(max_length=4_000)] = ""


_WANTED = msgspec.json.Decoder(_Wanted)
_TOO_WEAK: Final = (
    "Search by a number, or by two of name or kana, birth date, address: one weak key finds other people too. "
    "An address needs eight letters after the prefecture, and beside it three of the kana or two of the name; kana beside a birth date two."
)
_PROBLEMS: Final = {
    one.reason: one
    for one in (
        ProblemError(
            403,
            "individual_number_not_allowed",
            "Neither this client nor this affair may use an individual number; search by other keys.",
        ),
        ProblemError(
            403,
            "integrated_number_not_allowed",
            "This client may not learn integrated numbers (integrated-numbers:read); search by another key.",
        ),
        ProblemError(
            403, "people_of_another_system", "This affair sees only the people whom the caller's own system holds."
        ),
        ProblemError(403, "item_not_needed", "This affair does not need an item that is searched by; leave it out."),
        ProblemError(400, "too_few_keys", _TOO_WEAK),
        ProblemError(400, "keys_too_short", _TOO_WEAK),
        ProblemError(400, "cursor_malformed", "The cursor is not of this search; begin again without one."),
        ProblemError(
            422, "too_many_found", "More than 1,000 people share these keys; add another key, or a longer one."
        ),
    )
}


def _question(wanted: _Wanted) -> Question:
    """Raises ProblemError 400 for an individual number or a pair of fields that cannot be."""
    if wanted.individual_number and not individual_number.is_valid(wanted.individual_number):
        raise ProblemError(400, "keys_malformed", "An individual number is 12 digits with a right check digit.")
    if wanted.business_system and not wanted.addressee_number:
        raise ProblemError(400, "keys_malformed", "`business_system` says whose addressee_number it is; give both.")
    return Question(
        keys=Keys(
            kana=tokens.fold_kana(wanted.kana),
            name=tokens.fold_name(wanted.name),
            birth_date=wanted.birth_date,
            address=tokens.fold_address(wanted.address),
        ),
        integrated_number=wanted.integrated_number,
        individual_number=wanted.individual_number,
        business_system=wanted.business_system,
        addressee_number=wanted.addressee_number,
    )


async def post_persons_search(request: web.Request) -> web.Response:
    wanted = wire.read_body(await request.read(), _WANTED)
    sight = await enter(request, wanted, "persons", "search")
    answer = await flow.search(sight, _question(wanted), limit=wanted.limit, cursor=wanted.cursor)
    if isinstance(answer, Refused):
        problem = _PROBLEMS[answer.reason]
        if problem.status == 403:
            await request.app[DOORS].refuse(sight.agency.id, answer.reason, sight.client_id)
        raise problem
    return web.json_response(
        {
            "items": answer.people,
            "cursor": answer.cursor,
            "indexed_revision": answer.indexed_revision,
            "newest_revision": answer.newest_revision,
        }
    )
