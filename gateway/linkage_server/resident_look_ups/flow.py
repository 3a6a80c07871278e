"""照会 of the resident network by staff: the 個人番号 of somebody whose four items are all known, and what has changed of people held (LS-1.2, SC-18).

A look is on record before its answer leaves. What is asked for is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from codebook.four_items import Field
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.outbound import SEND_CHANGE_NOTICES, SEND_FOUR_ITEMS, SEND_NUMBER_LOOK_UPS
from gateway.linkage_server.people import store
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.resident_look_ups.candidates import candidates
from storage.database import as_away
from transport.channel import ChannelError

_NAMES: Final = tuple(name.value for name in Field)
_REFUSALS: Final = frozenset({"four_items_incomplete", "four_items_malformed", "several_residents"})


async def numbers(sight: Sight, asked: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """In order: `individual_number`, `unknown`, or `refused`. Raises ChannelError, StorageUnavailableError: then nothing leaves."""
    agency = sight.agency
    answers = await agency.outbound.ask_list(
        agency.outbound.resident_network("number-look-ups"), list(asked), step=SEND_NUMBER_LOOK_UPS
    )
    found = [_number(answer) for answer in answers]
    numbers = [one["individual_number"] for one in found if "individual_number" in one]
    indexes = [index for number in numbers for index in agency.keys.indexes_of(number)]
    with as_away("people could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            held = await store.persons_by_index(connection, indexes)
    await record_look_up(sight, Look.NUMBER_LOOK_UP, held.values(), keys=_NAMES)
    return found


def _number(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ChannelError when this is none of the documented forms."""
    match answer:
        case {"individual_number": str(number)}:
            return {"individual_number": number}
        case {"unknown": True}:
            return {"unknown": True}
        case {"refused": {"reason": str(reason), **more}} if reason in _REFUSALS:
            listed = more.get("missing")
            missing = [name for name in _NAMES if isinstance(listed, list) and name in listed]
            return {"refused": {"reason": reason, **({"missing": missing} if missing else {})}}
    raise ChannelError("peer_answer_malformed")


async def changes(sight: Sight, addressee_numbers: Sequence[str], since: date) -> list[dict[str, Any]]:
    """In order: `state` and `candidates` of each person. Raises ChannelError, StorageUnavailableError: then nothing leaves."""
    people = await _people(sight, addressee_numbers)
    with_number = {number: held for number, held in people.items() if held.person.individual_number}
    said = await _notices(sight, with_number, since)
    changed = {number: one for number, one in said.items() if one.get("changes")}
    items = await _items(sight, changed)
    await record_look_up(sight, Look.CHANGE_NOTICES, {held.integrated_number for held in people.values()})
    answers = []
    for number in addressee_numbers:
        held, notice = people.get(number), said.get(number)
        answer: dict[str, Any] = {"addressee_number": number, "state": _state(held, notice), "candidates": []}
        if held is not None and notice is not None and number in changed:
            digest_of = sight.agency.keys.digest_of_candidate
            answer["candidates"] = candidates(held.person, number, notice, items.get(number), digest_of=digest_of)
        answers.append(answer)
    return answers


def _state(held: Held | None, notice: Mapping[str, Any] | None) -> str:
    if held is None:
        return "not_held"
    if notice is None:
        return "no_individual_number"
    if notice.get("unknown"):
        return "not_in_resident_network"
    return "changed" if notice["changes"] else "unchanged"


async def _people(sight: Sight, addressee_numbers: Sequence[str]) -> dict[str, Held]:
    """Those whom the caller's own system holds."""
    agency = sight.agency
    with as_away("people could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            known = await store.addressee_persons(connection, sight.system, addressee_numbers)
            wanted = {number: one for number, (one, ended_on) in known.items() if ended_on is None}
            held = await store.read_held(connection, agency.keys, list(wanted.values()))
    return {number: held[one] for number, one in wanted.items()}


async def _notices(sight: Sight, people: Mapping[str, Held], since: date) -> dict[str, Mapping[str, Any]]:
    asks = [
        {"individual_number": held.person.individual_number, "since": since.isoformat()} for held in people.values()
    ]
    outbound = sight.agency.outbound
    answers = await outbound.ask_list(outbound.resident_network("change-notices"), asks, step=SEND_CHANGE_NOTICES)
    if not all(_is_notice(answer) for answer in answers):
        raise ChannelError("peer_answer_malformed")
    return dict(zip(people, answers, strict=True))


def _is_notice(answer: Mapping[str, Any]) -> bool:
    if answer.get("unknown") is True:
        return True
    changed = answer.get("changes")
    if not isinstance(answer.get("individual_number"), str) or not isinstance(changed, list):
        return False
    try:
        return all(isinstance(one["kind"], str) and date.fromisoformat(one["changed_on"]) for one in changed)
    except (KeyError, TypeError, ValueError):
        return False


async def _items(sight: Sight, changed: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, str]]:
    """The four items that the network holds now of people whose items have changed."""
    outbound = sight.agency.outbound
    asked = [number for number, one in changed.items() if any(each["kind"] == "four_items" for each in one["changes"])]
    asks = [{"individual_number": changed[number]["individual_number"]} for number in asked]
    answers = await outbound.ask_list(outbound.resident_network("four-items"), asks, step=SEND_FOUR_ITEMS)
    return {
        number: answer
        for number, answer in zip(asked, answers, strict=True)
        if all(isinstance(answer.get(name), str) for name in _NAMES)
    }
