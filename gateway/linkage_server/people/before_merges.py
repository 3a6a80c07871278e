"""What a person was before the day since which the one who lives on from a merge is known (LS-1.2, LS-1.3).

Their changes lie in the history of who lives on, as far as they are still this person's; their base is with the number that was merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import msgspec

from gateway.linkage_server.people import store
from gateway.linkage_server.people.state import Person, fold, standing
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.personal_keys import PersonalKeys
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.people")


async def merged_into(connection: Connection, number: int) -> list[int]:
    """Integrated numbers that were merged into one, also by way of others."""
    return sorted(row["integrated_number"] for row in await connection.fetch(_SQL["merged"], [number]))


async def read_merged(connection: Connection, keys: PersonalKeys, numbers: Sequence[int]) -> dict[int, list[Held]]:
    """Integrated number → those who were merged into it, also by way of others."""
    rows = await connection.fetch(_SQL["merged"], numbers) if numbers else ()
    people = await store.read_held(connection, keys, [row["integrated_number"] for row in rows])
    found: dict[int, list[Held]] = defaultdict(list)
    for row in rows:
        found[row["lives_on"]].append(people[row["integrated_number"]])
    return found


def before(
    held: Held, merged: Sequence[Held], merged_from: int | None, *, on: date, with_waiting: bool = False
) -> Person | None:
    """Who an addressee number meant on a day before `held` is known. None when nobody was known by then.

    `merged`: all who were merged into `held`; `merged_from`: the one whom the number meant before the merges. When that one was merged into another of
    them first, it meant the other from the day on since which the other is known.
    """
    of = {one.integrated_number: one for one in merged}
    meant, number = None, merged_from
    while number is not None and (one := of.get(number)) is not None:
        meant = one if one.base.registered_on <= on else meant
        number = one.merged_into
    if meant is None:
        return None
    person = fold(meant.base, (*meant.events, *held.events), on=on, with_waiting=with_waiting)
    if person is not None and not person.individual_number:
        return msgspec.structs.replace(person, individual_number=_from_the_start(meant, held))
    return person


def _from_the_start(one: Held, held: Held) -> str:
    """The 個人番号 that a decision told of who lives on since they are known, and no change told: theirs always. Empty when there is none."""
    told = {event.says.individual_number for event in (*one.events, *held.events) if event.addressee[1]}
    for event in standing(held.events):
        number = event.says.individual_number
        if number and not event.addressee[1] and event.effective_on == held.base.registered_on and number not in told:
            return number
    return ""
