"""What somebody begins with who is split off as somebody new: what was sent for their addressee numbers, and since when (LS-1.3, SC-18)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import REGISTERING, Items, fold, standing
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.review import store
from gateway.linkage_server.review.decision import Content
from gateway.linkage_server.review.store import Pair
from gateway.linkage_server.review.whose import Since, addressees_since
from storage.database import Connection
from transport.clock import JST


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Beginning:
    items: Items
    since: date


async def beginning(connection: Connection, keys: PersonalKeys, wrong: Held, content: Content) -> Beginning | None:
    """By the row that staff saw when they linked one of the addressee numbers that go, else by the move-in or birth that came under one, else by the load
    that registered one first: its row agreed in the four items with whom it meant then. Else by what staff say. None: then they have to say it.
    """
    said = content.says
    found = (
        await _of_row(connection, keys, content)
        or _of_registration(wrong, content)
        or await _of_load(connection, keys, wrong, content)
    )
    if found is None and said is not None and said.name and said.sex and said.birth_date and said.address:
        return Beginning(items=said.items(), since=wrong.base.registered_on)
    return found


async def _of_row(connection: Connection, keys: PersonalKeys, content: Content) -> Beginning | None:
    for pair in content.addressees:
        if (found := await store.row_that_was_linked(connection, keys, pair)) is not None:
            row, of_day = found
            name, kana, sex, birth_date, address = row.four_items()
            return Beginning(items=(name, kana, sex, birth_date, address), since=of_day)
    return None


def _of_registration(wrong: Held, content: Content) -> Beginning | None:
    came = (
        event
        for event in standing(wrong.events)
        if event.registers and event.kind in REGISTERING and event.addressee in content.addressees
    )
    first = next(came, None)
    return Beginning(items=first.says.items(), since=first.effective_on) if first is not None else None


async def _of_load(connection: Connection, keys: PersonalKeys, wrong: Held, content: Content) -> Beginning | None:
    since = await addressees_since(connection, wrong.integrated_number)
    loaded = {pair: one for pair in content.addressees if (one := since[pair]).known_since is not None}
    merged = [one.merged_from for one in loaded.values() if one.merged_from is not None]
    people_then = await people.read_held(connection, keys, merged) | {wrong.integrated_number: wrong}
    found = [
        _on_the_day(people_then[one.merged_from or wrong.integrated_number], wrong, since, one)
        for one in loaded.values()
    ]
    return min(found, key=lambda each: each.since, default=None)


def _on_the_day(meant: Held, wrong: Held, since: Mapping[Pair, Since], one: Since) -> Beginning:
    """Whom an addressee number meant when it came, by what had come under the numbers of that person alone: with what they were then its row agreed,
    whichever day it was of.
    """
    own = [
        event
        for event in wrong.events
        if (came := since.get(event.addressee)) is None or came.merged_from == one.merged_from
    ]
    day = max(one.known_since or meant.base.registered_on, meant.base.registered_on)
    came_on = one.came_at.astimezone(JST).date() if one.came_at is not None else day
    events = own if meant is wrong else (*meant.events, *own)
    person = fold(meant.base, events, on=max(day, came_on), known_at=one.came_at)
    return Beginning(items=(person or meant.base).items, since=day)
