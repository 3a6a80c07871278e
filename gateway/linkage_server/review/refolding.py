"""What `person` says after a decision: the fold of its base and events as of today (LS-1.2, LS-1.3)."""

from __future__ import annotations

from datetime import date

import msgspec

from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import fold, former_numbers
from gateway.linkage_server.personal_keys import PersonalKeys
from storage.database import Connection


class NumberTakenError(Exception):
    """The 個人番号 that a person would have is another's by now."""


async def refold(
    connection: Connection, keys: PersonalKeys, number: int, today: date, *, gave_number: bool = False
) -> None:
    """`person` becomes the fold, under a new revision where that changes anything. Raises NumberTakenError.

    `gave_number`: whoever lives on has their 個人番号 since a merge, so those of before are no more than former ones.
    Under the counter's lock, in the transaction that changed the events.
    """
    held = (await people.read_held(connection, keys, [number]))[number]
    person = fold(held.base, held.events, on=max(today, held.base.registered_on)) or held.base
    formers = former_numbers(held.base, held.events, on=today)
    if gave_number and person.individual_number:
        formers |= {person.individual_number: False}
        person = msgspec.structs.replace(person, individual_number="")
    individual_number = person.individual_number
    holders = await people.by_number(connection, keys, [individual_number] if individual_number else [])
    if holders.get(individual_number, number) != number:
        raise NumberTakenError
    if person != held.person:
        await people.write_persons(connection, keys, {number: person})
    await people.write_former_numbers(connection, keys, {number: formers})
