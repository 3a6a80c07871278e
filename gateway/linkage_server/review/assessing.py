"""What a decision stands on, read now: the people concerned, in which state of theirs, and whether it may be made (LS-1.3, SC-18)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from codebook.four_items import Field, not_known
from gateway.linkage_server.addressees.decide import differing
from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import ITEMS, Items
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.review import decision, store
from gateway.linkage_server.review.beginning import beginning
from gateway.linkage_server.review.decision import Content, Held, Kind, No, Standing
from gateway.linkage_server.review.parting import part
from gateway.linkage_server.review.store import Hold
from storage.database import Connection

_SEX: Final = ITEMS.index("sex")
_OF_A_HOLD: Final = frozenset({Kind.HOLD_LINK, Kind.HOLD_KEEP, Kind.HOLD_REFUSE})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Assessed:
    """`problem`: why not, or None. `content`: with what was left open filled in. `seen`: the people concerned and their revisions."""

    problem: No | None
    content: Content
    seen: dict[int, int]
    hold: Hold | None = None
    standings: dict[int, Standing] | None = None


async def assess(
    connection: Connection, keys: PersonalKeys, kind: Kind, content: Content, hold_id: str | None
) -> Assessed:
    if kind in _OF_A_HOLD:
        return await _hold(connection, keys, kind, content, hold_id or "")
    people_of = [number for number in (content.person, content.other) if number is not None]
    standings = await store.read_standings(connection, people_of)
    subject = standings.get(content.person) if content.person is not None else None
    other = standings.get(content.other) if content.other is not None else None
    match kind:
        case Kind.LINK | Kind.MERGE:
            fields = await _differing(connection, keys, people_of)
            problem = decision.problem_of_link(kind, subject, other, fields, same=content.person == content.other)
        case Kind.SPLIT:
            if subject is not None:
                content = msgspec.structs.replace(content, addressees=subject.with_replaced(content.addressees))
            came = other is not None and other.has_number and await _number_came_along(connection, keys, content)
            problem = decision.problem_of_split(content.person or -1, subject, content, other, number_came_along=came)
        case Kind.RELEASE:
            problem = decision.problem_of_thawing(subject)
        case _:
            problem = decision.problem_of_freezing(subject)
    problem = problem or await _problem_of_typed_number(connection, keys, content)
    if problem is None and kind is Kind.SPLIT and content.other is None and content.person is not None:
        wrong = (await people.read_held(connection, keys, [content.person]))[content.person]
        if await beginning(connection, keys, wrong, content) is None:
            problem = No.ITEMS_NOT_KNOWN
    return Assessed(
        problem=problem,
        content=content,
        seen={number: one.revision for number, one in standings.items()},
        standings=standings,
    )


async def _problem_of_typed_number(connection: Connection, keys: PersonalKeys, content: Content) -> No | None:
    """A number that another person has, or had, is not theirs. That the wrong person had it once may come from the wrong link."""
    number = content.says.individual_number if content.says is not None else ""
    if not number:
        return None
    if await store.person_of_index(connection, keys.indexes_of(number)) not in (None, content.other):
        return No.INDIVIDUAL_NUMBER_TAKEN
    formerly = (await people.formerly_by_number(connection, keys, [number])).get(number)
    return No.INDIVIDUAL_NUMBER_FORMER if formerly not in (None, content.person) else None


async def _differing(connection: Connection, keys: PersonalKeys, numbers: Collection[int]) -> frozenset[Field]:
    held = await people.read_held(connection, keys, list(numbers))
    if len(held) < 2:
        return frozenset(Field)
    one, other = held.values()
    return _not_agreeing(one.person.items, other.person.items)


def _not_agreeing(held: Items, shown: Sequence[str]) -> frozenset[Field]:
    """In which of the four items two accounts differ, or do not say: where no 個人番号 decides, all four agree or none counts."""
    return differing(held, shown) | not_known(held[_SEX], shown[_SEX])


async def _number_came_along(connection: Connection, keys: PersonalKeys, content: Content) -> bool:
    """Whether the 個人番号 of whom a split divides was told under addressee numbers that leave: theirs changed since the wrong link."""
    wrong = (await people.read_held(connection, keys, [content.person or -1])).get(content.person or -1)
    if not content.number_goes or wrong is None or not wrong.person.individual_number:
        return False
    number = wrong.person.individual_number
    moving = await store.events_that_came(connection, wrong.integrated_number, content.addressees)
    return part(wrong, moving, number).tells(number, date.min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The person who has the 個人番号 that was sent, the one to whom the addressee number belongs, and, when nobody has the number, the one who had
    it; None: nobody.
    """

    number_of: int | None
    registered_to: int | None
    formerly_of: int | None

    @property
    def people(self) -> list[int]:
        found = (self.number_of, self.registered_to, self.formerly_of)
        return [number for number in dict.fromkeys(found) if number is not None]


async def around_hold(connection: Connection, keys: PersonalKeys, hold: Hold) -> Around:
    number = hold.individual_number
    number_of = await store.person_of_index(connection, keys.indexes_of(number)) if number else None
    formerly = await people.formerly_by_number(connection, keys, [number]) if number and number_of is None else {}
    registered_to = await store.person_of_addressee(connection, hold.pair)
    return Around(number_of=number_of, registered_to=registered_to, formerly_of=formerly.get(number))


async def _migrated_is_taken(connection: Connection, hold: Hold) -> bool:
    migrated = int(hold.row.integrated_number) if hold.row is not None and hold.row.integrated_number else None
    return migrated is not None and bool(await store.read_standings(connection, [migrated]))


async def _hold(connection: Connection, keys: PersonalKeys, kind: Kind, content: Content, hold_id: str) -> Assessed:
    hold = await store.read_hold(connection, keys, hold_id)
    if hold is None:
        return Assessed(problem=No.HOLD_UNKNOWN, content=content, seen={})
    around = await around_hold(connection, keys, hold)
    names_somebody = hold.row is not None or around.registered_to is None
    if kind is Kind.HOLD_LINK and content.person is None and names_somebody:
        content = msgspec.structs.replace(content, person=next(iter(around.people), None))
    concerned = {number for number in (content.person, *around.people) if number is not None}
    standings = await store.read_standings(connection, concerned)
    held = Held(
        state=hold.state,
        of_a_change=hold.row is None,
        has_number=bool(hold.individual_number),
        number_of=around.number_of,
        registered_to=around.registered_to,
        formerly_of=around.formerly_of,
        migrated_is_taken=await _migrated_is_taken(connection, hold),
    )
    target = standings.get(content.person) if content.person is not None else None
    fields: frozenset[Field] = frozenset()
    if target is not None and content.person is not None and hold.row is not None:
        found = (await people.read_held(connection, keys, [content.person]))[content.person]
        fields = _not_agreeing(found.person.items, hold.row.four_items())
    return Assessed(
        problem=decision.problem_of_hold(kind, held, content, target, fields),
        content=content,
        seen={number: one.revision for number, one in standings.items()},
        hold=hold,
        standings=standings,
    )
