"""A 個人番号 for whom addressees are split off, typed by staff or going along: what the resident network must agree to before it is theirs (LS-1.3, SC-18).

The network is asked outside every transaction: when the split is proposed, when it is approved, and once more before it is carried out.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.linkage_server.addressees import resident_network
from gateway.linkage_server.addressees.resident_network import Account
from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import NOTHING, Event, Items, Kind, Person, Says, State, fold
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.review import store
from gateway.linkage_server.review.decision import Content, No
from gateway.linkage_server.review.parting import part
from gateway.linkage_server.tenant import Agency
from storage.database import Connection

_LAST: Final = 1 << 61


async def first_items(connection: Connection, keys: PersonalKeys, content: Content, wrong: Held) -> Items:
    """What somebody new is split off with: what staff saw sent for the addressee number, or else what the wrong person was first."""
    rows = [await store.row_that_was_linked(connection, keys, pair) for pair in content.addressees]
    name, kana, sex, birth_date, address = next((row.four_items() for row in rows if row is not None), wrong.base.items)
    return name, kana, sex, birth_date, address


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
    """The number that a split gives with the four items of its holder as the split will leave them; None when it gives none, or nobody is there."""
    says, wrong_number, other = content.says or NOTHING, content.person, content.other
    splits = content.addressees and (says.individual_number or content.number_goes)
    if wrong_number is None or not splits:
        return None
    async with agency.database.inside(agency.tenant) as connection:
        known = await people.read_held(connection, agency.keys, [wrong_number, *([other] if other is not None else [])])
        wrong, right = known.get(wrong_number), known.get(other) if other is not None else None
        if wrong is None or (other is not None and right is None):
            return None
        moving = await store.events_that_came(connection, wrong_number, content.addressees)
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
    today = max(agency.today(), base.registered_on)
    along = [
        msgspec.structs.replace(event, event_no=_LAST + nth)
        for nth, event in enumerate(part(wrong, moving).along, start=1)
    ]
    correction = Event(
        event_no=_LAST << 1, event_key="", kind=Kind.CORRECTION, effective_on=today, recorded_at=agency.clock(), applied=True, says=Says(*says.items()),
    )  # fmt: skip
    after = fold(base, [*(right.events if right is not None else ()), *along, correction], on=today) or base
    number = says.individual_number or wrong.person.individual_number
    return (number, list(after.items)) if number else None


async def refused_by_network(agency: Agency, content: Content) -> No | None:
    """Why a number that a split gives is not bound: the resident network does not know it, or disagrees. Raises ChannelError, StorageUnavailableError."""
    account = await account_of(agency, content) if resident_network.is_asked(agency) else None
    if account is None:
        return None
    [fields] = await resident_network.compare(agency, [account])
    if fields is None:
        return No.NOT_IN_RESIDENT_NETWORK
    return No.FOUR_ITEMS_DIFFER if fields else None
