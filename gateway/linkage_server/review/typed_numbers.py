"""A 個人番号 that staff type for whom addressees are split off: what the resident network must agree to before it is theirs (LS-1.3, SC-18).

The network is asked outside every transaction: when the split is proposed, when it is approved, and once more before it is carried out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from gateway.linkage_server.addressees import resident_network
from gateway.linkage_server.addressees.resident_network import Account
from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import Event, Items, Kind, Person, Says, State, fold
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.review import store
from gateway.linkage_server.review.decision import Content, No
from gateway.linkage_server.tenant import Agency
from storage.database import Connection

_LAST: Final = 1 << 62


async def first_items(connection: Connection, keys: PersonalKeys, content: Content, wrong: Held) -> Items:
    """What somebody new is split off with: what staff saw sent for the addressee number, or else what the wrong person was first."""
    rows = [await store.row_that_was_linked(connection, keys, pair) for pair in content.addressees]
    name, kana, sex, birth_date, address = next((row.four_items() for row in rows if row is not None), wrong.base.items)
    return name, kana, sex, birth_date, address


def going_along(wrong: Held, moving: Collection[str]) -> list[Event]:
    """Of the changes that came under addressee numbers that leave a person, those that leave too, as they do.

    A 個人番号 that was told stays: whose it is was decided. One to come goes along, and is judged on its day.
    """
    return [
        msgspec.structs.replace(event, says=msgspec.structs.replace(event.says, individual_number=""))
        if event.applied
        else event
        for event in wrong.events
        if event.event_key in moving and not (event.applied and event.kind is Kind.INDIVIDUAL_NUMBER_CHANGE)
    ]


async def problem_of_typed_number(connection: Connection, keys: PersonalKeys, content: Content) -> No | None:
    """A number that another person has, or had, is not theirs. That the wrong person had it once may come from the wrong link."""
    number = content.says.individual_number if content.says is not None else ""
    if not number:
        return None
    if await store.person_of_index(connection, keys.indexes_of(number)) not in (None, content.other):
        return No.INDIVIDUAL_NUMBER_TAKEN
    formerly = (await people.formerly_by_number(connection, keys, [number])).get(number)
    return No.INDIVIDUAL_NUMBER_FORMER if formerly not in (None, content.person) else None


async def account_of(agency: Agency, content: Content) -> Account | None:
    """The typed number with the four items of its holder as the split will leave them; None when none is typed, or nobody is there to be split."""
    says, wrong_number, other = content.says, content.person, content.other
    if says is None or not says.individual_number or wrong_number is None:
        return None
    async with agency.database.inside(agency.tenant) as connection:
        known = await people.read_held(connection, agency.keys, [wrong_number, *([other] if other is not None else [])])
        wrong, right = known.get(wrong_number), known.get(other) if other is not None else None
        if wrong is None or (other is not None and right is None):
            return None
        moving = await store.moving_events(connection, wrong_number, content.addressees)
        base = (
            right.base
            if right is not None
            else Person(
                items=await first_items(connection, agency.keys, content, wrong),
                individual_number="",
                state=State.LIVING,
                state_since=None,
                registered_on=wrong.base.registered_on,
            )
        )
    events: Sequence[Event] = [*(right.events if right is not None else ()), *going_along(wrong, moving)]
    today = max(agency.today(), base.registered_on)
    correction = Event(
        event_no=_LAST, event_key="", kind=Kind.CORRECTION, effective_on=today, recorded_at=agency.clock(), applied=True, says=Says(*says.items()),
    )  # fmt: skip
    after = fold(base, [*events, correction], on=today) or base
    return says.individual_number, list(after.items)


async def refused_by_network(agency: Agency, content: Content) -> No | None:
    """Why a typed number is not bound: the resident network does not know it, or disagrees. Raises ChannelError, StorageUnavailableError."""
    account = await account_of(agency, content) if resident_network.is_asked(agency) else None
    if account is None:
        return None
    [fields] = await resident_network.compare(agency, [account])
    if fields is None:
        return No.NOT_IN_RESIDENT_NETWORK
    return No.FOUR_ITEMS_DIFFER if fields else None
