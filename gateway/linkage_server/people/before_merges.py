"""What a person was before the day since which the one who lives on from a merge is known (LS-1.2, LS-1.3).

Their changes lie in the history of who lives on, as far as they are still this person's; their base is with the number that was merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import msgspec

from gateway.linkage_server.people import store
from gateway.linkage_server.people.state import Addressee, Kind, Person, fold, standing
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.personal_keys import PersonalKeys
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.people")


async def read_merged(connection: Connection, keys: PersonalKeys, numbers: Sequence[int]) -> dict[int, list[Held]]:
    """Integrated number → those who were merged into it, also by way of others."""
    rows = await connection.fetch(_SQL["merged"], numbers) if numbers else ()
    people = await store.read_held(connection, keys, [row["integrated_number"] for row in rows])
    found: dict[int, list[Held]] = defaultdict(list)
    for row in rows:
        found[row["lives_on"]].append(people[row["integrated_number"]])
    return found


def before(
    held: Held, merged: Sequence[Held], addressee: Addressee, *, on: date, with_waiting: bool = False
) -> Person | None:
    """Who the addressee number meant on a day before `held` is known: the one of `merged` under whom something came by it, or by one whose place it
    took; of several the one of the latest day. None when none of them was registered by then.

    `merged`: all who were merged into `held`.
    """
    own = {addressee}
    for event in reversed(standing(held.events)):
        if event.kind is Kind.ADDRESSEE_END and (event.addressee[0], event.replaced_by) in own:
            own.add(event.addressee)
    theirs = [
        one for one in merged if one.base.registered_on <= on and any(event.addressee in own for event in one.events)
    ]
    if not theirs:
        return None
    one = max(theirs, key=lambda each: each.base.registered_on)
    person = fold(one.base, (*one.events, *held.events), on=on, with_waiting=with_waiting)
    if person is not None and not person.individual_number:
        return msgspec.structs.replace(person, individual_number=_from_the_start(one, held))
    return person


def _from_the_start(one: Held, held: Held) -> str:
    """The 個人番号 that a decision told of who lives on since they are known, and no change told: theirs always. Empty when there is none."""
    told = {event.says.individual_number for event in (*one.events, *held.events) if event.addressee[1]}
    for event in standing(held.events):
        number = event.says.individual_number
        if number and not event.addressee[1] and event.effective_on == held.base.registered_on and number not in told:
            return number
    return ""
