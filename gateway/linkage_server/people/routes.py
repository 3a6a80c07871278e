"""POST /v1/person-changes, /v1/persons/as-of, /v1/persons/history (LS-1.2). POSTs all: no number and no name stands in a URL."""

from __future__ import annotations

import hmac
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.api.authorization import idempotency_key
from gateway.batch.text_forms import refused_in
from gateway.linkage_server import intake
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight, Stated, enter
from gateway.linkage_server.file_layouts import CHANGE_COLUMNS as COLUMNS
from gateway.linkage_server.file_layouts import REPLACED_BY
from gateway.linkage_server.people import flow, store
from gateway.linkage_server.people.before_merges import before, read_merged
from gateway.linkage_server.people.changes import BadChange, ChangeReason, ParsedChange, check
from gateway.linkage_server.people.flow import ChangeList
from gateway.linkage_server.people.state import ITEMS, Event, Person, addressee_ends, fold, standing
from gateway.linkage_server.people.store import Held
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

_MOST: Final = 1_000
_MOST_SHOWN: Final = 100
_Text = Annotated[str, msgspec.Meta(max_length=400)]
_Fields = Annotated[dict[_Text, _Text], msgspec.Meta(max_length=len(COLUMNS) + 1)]
_Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
_Addressee = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}\Z")]


class _Changes(Stated, frozen=True, kw_only=True):
    items: Annotated[list[_Fields], msgspec.Meta(min_length=1, max_length=_MOST)]


class _AsOf(Stated, frozen=True, kw_only=True):
    as_of: _Day
    addressee_numbers: Annotated[list[_Addressee], msgspec.Meta(min_length=1, max_length=_MOST_SHOWN)]
    with_waiting: bool = False


class _History(Stated, frozen=True, kw_only=True):
    addressee_number: _Addressee


_CHANGES: Final = msgspec.json.Decoder(_Changes)
_AS_OF: Final = msgspec.json.Decoder(_AsOf)
_HISTORY: Final = msgspec.json.Decoder(_History)


def _parsed(sight: Sight, nth: int, fields: dict[str, str]) -> ParsedChange:
    """One change of the body; what the affair does not need is refused at entry (SC-14)."""
    if not set(fields) <= {*COLUMNS, REPLACED_BY} - {"system"}:
        return BadChange(nth, ChangeReason.FIELD_MALFORMED, "")
    for name, text in fields.items():
        if (refused := refused_in(text)) is not None:
            return BadChange(nth, refused[1], name)
    not_needed = sight.not_needed(name for name, text in fields.items() if text)
    if not_needed:
        return BadChange(nth, ChangeReason.ITEM_NOT_NEEDED, not_needed[0])
    return check(
        nth,
        fields,
        system=sight.system,
        may_use_individual_number=sight.shows_individual_number,
        today=sight.agency.today(),
    )


async def post_person_changes(request: web.Request) -> web.Response:
    body = await request.read()
    wanted = wire.read_body(body, _CHANGES)
    sight = await enter(request, wanted, "persons", "change")
    agency = sight.agency
    digest = agency.keys.digest_of_request(body)
    key = intake.request_key(agency, sight.client_id, "person-changes", idempotency_key(request))
    taken = await intake.open_intake(agency, key, channel="api", system=sight.system, sha256=digest)
    if not hmac.compare_digest(taken.sha256, digest):
        raise ProblemError(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body before; a retry repeats key and body.",
        )
    # reveal: sealed before it is kept
    said = intake.Said(
        client_id=sight.client_id, staff=sight.staff, affair=sight.affair.code, reason=sight.reason.reveal()
    )
    if not taken.done:
        if not taken.lines_done:
            changes = [_parsed(sight, nth, fields) for nth, fields in enumerate(wanted.items, start=1)]
            try:
                one = ChangeList(changes=changes, rights=sight.rights, last_line=len(changes), said=said)
                taken = await flow.take(agency, taken, one, {})
            except ChannelError:
                raise ProblemError(
                    503,
                    "resident_network_unavailable",
                    "The resident network did not answer; nothing was changed. Ask again with the same key.",
                ) from None
        await flow.close(agency, taken, system=sight.system, said=said)
    return web.json_response({"items": [_answer(one) for one in await intake.read_results(agency, taken)]})


def _answer(result: list[Any]) -> dict[str, Any]:
    _, outcome, reason, *more = result
    named = zip(("integrated_number", "where", "folds"), more, strict=False)
    return {"outcome": outcome, "reason": reason} | {name: text for name, text in named if text}


async def _read(sight: Sight, numbers: list[str], *, ended: bool = False) -> dict[str, Held]:
    """The people whom the caller's own system holds under these addressee numbers. `ended`: or held under one that has ended."""
    async with sight.agency.database.inside(sight.agency.tenant) as connection:
        held = await store.addressee_persons(connection, sight.system, numbers)
        wanted = {number: one for number, (one, ended_on) in held.items() if ended or ended_on is None}
        people = await store.read_held(connection, sight.agency.keys, list(wanted.values()))
    return {number: people[one] for number, one in wanted.items()}


def _shown(sight: Sight, held: Held, person: Person) -> dict[str, Any]:
    """What this member of staff may see in this affair, of the living and the dead alike (SC-13, SC-14, SC-19)."""
    shown: dict[str, Any] = {
        "state": person.state.value,
        "state_since": person.state_since.isoformat() if person.state_since else None,
        **sight.only(dict(zip(ITEMS, person.items, strict=True))),
    }
    if sight.shows_individual_number:
        shown["individual_number"] = person.individual_number
    if sight.shows_integrated_number:
        shown["integrated_number"] = f"{held.integrated_number:015d}"
    return shown


async def post_persons_as_of(request: web.Request) -> web.Response:
    wanted = wire.read_body(await request.read(), _AS_OF)
    sight = await enter(request, wanted, "persons", "read")
    try:
        on = date.fromisoformat(wanted.as_of)
    except ValueError:
        raise ProblemError(400, "date_malformed", "`as_of` is a day, YYYY-MM-DD.") from None
    people = await _read(sight, wanted.addressee_numbers, ended=True)
    async with sight.agency.database.inside(sight.agency.tenant) as connection:
        later = [held.integrated_number for held in people.values() if on < held.base.registered_on]
        merged = await read_merged(connection, sight.agency.keys, later)
        merged_from = await store.merged_from(connection, sight.system, wanted.addressee_numbers)

    def then(number: str, held: Held) -> Person | None:
        if on < held.base.registered_on:
            those = merged.get(held.integrated_number, [])
            return before(held, those, merged_from.get(number), on=on, with_waiting=wanted.with_waiting)
        return fold(held.base, held.events, on=on, with_waiting=wanted.with_waiting)

    found = {
        number: (held, person)
        for number, held in people.items()
        if (person := then(number, held)) is not None
        and addressee_ends(held.events, on=on, with_waiting=wanted.with_waiting).get((sight.system, number)) is None
    }
    await record_look_up(sight, Look.PERSON, {held.integrated_number for held, _ in found.values()}, keys=["as_of"])
    return web.json_response(
        {
            "items": [
                {"addressee_number": number, "known": True, **_shown(sight, *found[number])}
                if number in found
                else {"addressee_number": number, "known": False}
                for number in wanted.addressee_numbers
            ]
        }
    )


async def post_persons_history(request: web.Request) -> web.Response:
    wanted = wire.read_body(await request.read(), _HISTORY)
    sight = await enter(request, wanted, "persons", "read")
    people = await _read(sight, [wanted.addressee_number])
    held = people.get(wanted.addressee_number)
    await record_look_up(sight, Look.HISTORY, [held.integrated_number] if held else [])
    if held is None:
        return web.json_response({"known": False})
    async with sight.agency.database.inside(sight.agency.tenant) as connection:
        undone = [event for event in held.events if event.undone_by is not None]
        holds = await store.hold_states(connection, {event.undone_by or "" for event in undone})
        own = {number for system, number in (event.addressee for event in undone) if system == sight.system}
        means = await store.addressee_persons(connection, sight.system, list(own))
    counting = {event.event_key for event in standing(held.events)}
    still_own = {(sight.system, number) for number, (one, _) in means.items() if one == held.integrated_number}
    return web.json_response(
        {
            "known": True,
            "registered_on": held.base.registered_on.isoformat(),
            "first": _shown(sight, held, held.base),
            "events": [
                _event(
                    sight,
                    event,
                    status=_status(event, counts=event.event_key in counting, hold=holds.get(event.undone_by or "")),
                    with_items=event.undone_by is None or event.addressee in still_own,
                )
                for event in held.events
            ],
        }
    )


def _status(event: Event, *, counts: bool, hold: str | None) -> str:
    """`hold`: the state of the hold that took it out of what counts; what no hold took out, a decision about links did."""
    if event.undone_by is not None and hold is None:
        return "moved"
    if hold == "open":
        return "held"
    if not counts:
        return "taken_back"
    return "applied" if event.applied else "waiting"


def _event(sight: Sight, event: Event, *, status: str, with_items: bool) -> dict[str, Any]:
    """`with_items`: not of what a decision or a hold took out. It may be somebody else's, and is told only to whom it is still said to be of this
    person: the system that sent it, while its addressee number means them.
    """
    shown: dict[str, Any] = {
        "kind": event.kind.value,
        "effective_on": event.effective_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "status": status,
    }
    if with_items:
        shown |= sight.only({name: text for name in ITEMS if (text := getattr(event.says, name))})
        if sight.shows_individual_number and event.says.individual_number:
            shown["individual_number"] = event.says.individual_number
    return shown
