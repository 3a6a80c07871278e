"""What `person` says after a decision, or after a migration that changed the rules: the fold of its base and events as of today (LS-1.2, LS-1.3)."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Final

import msgspec

from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import fold, former_numbers
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.review.store import SQL
from gateway.linkage_server.tenant import Agency
from keys.errors import KeyUnusable, SealBroken
from storage.database import Connection

_AT_ONCE: Final = 200


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


async def catch_up(agency: Agency) -> None:
    """Fold everybody once more of whom a migration says so. One who cannot be folded stays as they are. Raises StorageUnavailableError."""
    taken = [0]
    while taken:
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(SQL["take_to_refold"], _AT_ONCE)
            taken = [row["integrated_number"] for row in rows]
            if taken:
                await addressees.lock_counter(connection)
            for number in taken:
                with suppress(SealBroken, KeyUnusable, NumberTakenError):
                    await refold(connection, agency.keys, number, agency.today())
