"""People with their history in the database. Whoever writes here holds the counter's row lock (`addressees.store.lock_counter`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.people import waiting
from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.people.state import Addressee, AddresseeEnd, Event, Items, Kind, Person, Says, State
from gateway.linkage_server.personal_keys import PersonalKeys
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.people")
_SAYS = msgspec.json.Decoder(Says)
_ENCODE = msgspec.json.encode


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Held:
    """A person as held: `person` as of the last change that was applied, `base` as first registered, and every event between."""

    integrated_number: int
    index: bytes | None
    person: Person
    base: Person
    frozen: bool
    merged_into: int | None
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewEvent:
    """One event to put into the history. `applied_at`: None while it waits for its day; `digest`: keyed, 32 bytes."""

    event_key: str
    integrated_number: int
    system: str
    addressee_number: str
    kind: Kind
    effective_on: date
    recorded_at: datetime
    applied_at: datetime | None
    says: Says
    digest: bytes
    cancels: str | None = None
    replaced_by: str = ""
    registers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEvent:
    """An event that came before: its digest tells whether it is the same one. `key`: under which it counts now, another than it came under once a
    decision has put it anew for another person; what it says of the person is said under that key.

    `lives_on`: the person to whom their number leads since a merge, or they themselves; `to_come`: a registration that waits for its day, and is
    nobody's until then; `withdrawn`: it was taken back before, or is what took it back.
    """

    key: str
    digest: bytes
    integrated_number: int | None
    applied: bool
    undone: bool
    lives_on: int | None = None
    to_come: Change | None = None
    withdrawn: bool = False


def _items(texts: Sequence[str]) -> Items:
    name, kana, sex, birth_date, address = texts
    return (name, kana, sex, birth_date, address)


def _number(row: Any, keys: PersonalKeys) -> str:
    sealed = row["individual_number_sealed"]
    # opened to be compared with a change and with the resident network
    return keys.open_individual_number(sealed, row["integrated_number"]) if sealed is not None else ""


def _event(row: Any, keys: PersonalKeys) -> Event:
    return Event(
        event_no=row["event_no"],
        event_key=row["event_key"],
        kind=Kind(row["kind"]),
        effective_on=row["effective_on"],
        recorded_at=row["recorded_at"],
        applied=row["applied_at"] is not None,
        says=_SAYS.decode(keys.open_event(row["sealed"], row["integrated_number"], row["event_key"])),
        cancels=row["cancels"],
        undone_by=row["undone_by"],
        addressee=(row["business_system_id"], row["addressee_number"]),
        replaced_by=row["replaced_by"] or "",
        registers=row["registers"],
    )


def _held(row: Any, base: Any, events: Sequence[Event], keys: PersonalKeys) -> Held:
    number = row["integrated_number"]
    person = Person(
        items=_items(keys.open_four_items(row["four_items_sealed"], number)),
        individual_number=_number(row, keys),
        state=State(row["state"]),
        state_since=row["state_since"],
        registered_on=row["registered_on"],
    )
    first = person
    if base is not None:
        first = Person(
            items=_items(keys.open_four_items(base["four_items_sealed"], number)),
            individual_number=_number(base, keys),
            state=State.LIVING,
            state_since=None,
            registered_on=row["registered_on"],
        )
    return Held(
        integrated_number=number,
        index=row["individual_number_index"],
        person=person,
        base=first,
        frozen=row["frozen"],
        merged_into=row["merged_into"],
        events=tuple(events),
    )


async def read_held(connection: Connection, keys: PersonalKeys, numbers: Sequence[int]) -> dict[int, Held]:
    """Integrated number → the person with history; absent when nobody has the number. Opens everything: not for a whole population."""
    if not numbers:
        return {}
    wanted = list(dict.fromkeys(numbers))
    bases = {row["integrated_number"]: row for row in await connection.fetch(_SQL["bases"], wanted)}
    events: dict[int, list[Event]] = defaultdict(list)
    for row in await connection.fetch(_SQL["events"], wanted):
        events[row["integrated_number"]].append(_event(row, keys))
    return {
        (number := row["integrated_number"]): _held(row, bases.get(number), events[number], keys)
        for row in await connection.fetch(_SQL["persons"], wanted)
    }


async def addressee_persons(
    connection: Connection, system: str, numbers: Sequence[str]
) -> dict[str, tuple[int, date | None]]:
    """Addressee number of a system → integrated number, and since when it means nobody; None while it is held."""
    found = await connection.fetch(_SQL["addressee_persons"], system, numbers)
    return {row["addressee_number"]: (row["integrated_number"], row["ended_on"]) for row in found}


async def held_by_others(connection: Connection, numbers: Sequence[int], system: str) -> set[int]:
    """Those of these people whom another business system holds."""
    return {row["integrated_number"] for row in await connection.fetch(_SQL["held_by_others"], numbers, system)}


async def merged_from(connection: Connection, system: str, numbers: Sequence[str]) -> dict[str, int]:
    """Addressee number of a system → the integrated number that it meant before merges, where another lives on since."""
    found = await connection.fetch(_SQL["merged_from"], system, numbers)
    return {row["addressee_number"]: row["merged_from"] for row in found}


async def persons_by_index(connection: Connection, indexes: Sequence[bytes]) -> dict[bytes, int]:
    """Blind index → integrated number of whoever has the 個人番号, or lives on from one who had it."""
    found = await connection.fetch(_SQL["persons_by_index"], indexes) if indexes else ()
    return {row["individual_number_index"]: row["integrated_number"] for row in found}


async def by_number(connection: Connection, keys: PersonalKeys, numbers: Collection[str]) -> dict[str, int]:
    """個人番号 → integrated number of its holder."""
    indexes = {index: number for number in numbers for index in keys.indexes_of(number)}
    holders = await persons_by_index(connection, list(indexes))
    return {indexes[index]: number for index, number in holders.items()}


async def rows_by_number(connection: Connection, keys: PersonalKeys, numbers: Collection[str]) -> dict[str, int]:
    """個人番号 → integrated number of whom it stands with: its holder, or somebody who was merged into them."""
    indexes = {index: number for number in numbers for index in keys.indexes_of(number)}
    found = await connection.fetch(_SQL["rows_by_index"], list(indexes)) if indexes else ()
    return {indexes[row["individual_number_index"]]: row["integrated_number"] for row in found}


async def formerly_by_number(connection: Connection, keys: PersonalKeys, numbers: Collection[str]) -> dict[str, int]:
    """個人番号 → integrated number, as `addressees.store.former_holders`."""
    indexes = {index: number for number in numbers for index in keys.indexes_of(number)}
    holders = await addressees.former_holders(connection, list(indexes))
    return {indexes[index]: number for index, number in holders.items()}


async def write_former_numbers(
    connection: Connection, keys: PersonalKeys, people: Mapping[int, Mapping[str, bool]]
) -> None:
    """Integrated number → `former_numbers` of the person; others of them are forgotten."""
    for number, formers in people.items():
        indexes = {individual: list(keys.indexes_of(individual)) for individual in formers}
        await connection.execute(
            _SQL["drop_former_numbers"], number, [one for each in indexes.values() for one in each]
        )
        for individual, known_by in indexes.items():
            sealed = keys.seal_individual_number(individual, number)
            by_law = formers[individual]
            await connection.execute(
                _SQL["put_former_number"], number, keys.index_of(individual), sealed, known_by, by_law
            )


def key_anew(keys: PersonalKeys, system: str, decision_id: str, event_key: str) -> str:
    """Under which key a decision, which a business system's staff made, puts an event anew for another person."""
    return keys.event_key(system, f"{decision_id}/{event_key}")


async def known_events(connection: Connection, keys: PersonalKeys, event_keys: Sequence[str]) -> dict[str, KnownEvent]:
    """Key of an event as it was sent → the event, wherever decisions have put it since; also those that wait for their day."""
    found: dict[str, KnownEvent] = {}
    looked_for = {key: key for key in event_keys}
    while looked_for:
        anew: dict[str, str] = {}
        for row in await connection.fetch(_SQL["known_events"], list(looked_for)):
            key = row["event_key"]
            sent = looked_for[key]
            found[sent] = KnownEvent(
                key=key,
                digest=found[sent].digest if sent in found else row["digest"],
                integrated_number=row["integrated_number"],
                applied=row["applied_at"] is not None,
                undone=row["undone_by"] is not None,
                lives_on=row["lives_on"],
            )
            if row["decided_by"] is not None:
                anew[key_anew(keys, row["decided_by"], row["undone_by"], key)] = sent
        looked_for = anew
    for one in await waiting.named(connection, keys, [key for key in event_keys if key not in found]):
        found[one.event_key] = KnownEvent(
            key=one.event_key,
            digest=one.digest,
            integrated_number=None,
            applied=False,
            undone=False,
            to_come=one.change if isinstance(one.change, Change) else None,
        )
    for row in await connection.fetch(_SQL["withdrawn_registrations"], event_keys):
        key = row["event_key"]
        found[key] = KnownEvent(
            key=key, digest=row["digest"], integrated_number=None, applied=False, undone=True, withdrawn=True
        )
    return found


async def hold_states(connection: Connection, hold_ids: Collection[str]) -> dict[str, str]:
    """Hold → its state; absent when the id is not of a hold."""
    found = await connection.fetch(_SQL["hold_states"], list(hold_ids)) if hold_ids else ()
    return {row["hold_id"]: row["state"] for row in found}


async def keep_bases(connection: Connection, numbers: Sequence[int]) -> None:
    """Copy what people are before their first change; again changes nothing. Before their first event is put."""
    await connection.execute(_SQL["keep_bases"], numbers)


async def free_numbers(connection: Connection, numbers: Sequence[int]) -> None:
    """Take the 個人番号 off these people, who are about to be written with another: somebody new may have theirs. Their base is kept before."""
    if numbers:
        await keep_bases(connection, numbers)
        await connection.execute(_SQL["free_numbers"], numbers)


async def put_events(connection: Connection, keys: PersonalKeys, events: Sequence[NewEvent]) -> None:
    if not events:
        return
    rows = [
        (
            one.event_key,
            one.integrated_number,
            one.system,
            one.addressee_number,
            one.kind.value,
            one.effective_on,
            one.recorded_at,
            one.applied_at,
            keys.seal_event(_ENCODE(one.says), one.integrated_number, one.event_key),
            one.digest,
            one.cancels,
            one.replaced_by or None,
            one.registers,
        )
        for one in events
    ]
    await connection.execute(_SQL["put_events"], *(list(column) for column in zip(*rows, strict=True)))


async def undo_events(connection: Connection, event_keys: Sequence[str], by: str) -> None:
    """Take events out of what counts; they stay in the history. `by`: the decision's or the hold's id."""
    await connection.execute(_SQL["undo_events"], event_keys, by)


async def pass_on_held_event(connection: Connection, old: str, new: str, *, hold_id: str, by: str) -> None:
    """An event that a hold took out of what counts was put anew by a decision (`by`): it is the new one that the hold takes out."""
    await connection.execute(_SQL["undo_held_event"], old, by, hold_id)
    await undo_events(connection, [new], hold_id)


async def reinstate_events(connection: Connection, registers: Mapping[str, bool], at: datetime) -> None:
    """Count events that waited, or that a hold had taken out: event key → whether an addressee number is there because of it."""
    await connection.execute(_SQL["reinstate_events"], list(registers), list(registers.values()), at)


async def put_successors(connection: Connection, rows: Sequence[tuple[str, str, str, int]]) -> None:
    """Business system, its addressee number, the one that takes its place, intake: of the same person and kind; one that is there stays."""
    if rows:
        await connection.executemany(_SQL["put_successor"], rows)


async def write_addressee_ends(
    connection: Connection, ends: Mapping[int, Mapping[Addressee, AddresseeEnd | None]]
) -> None:
    """Integrated number → `addressee_ends` of the person; `addressee` says so from now on, under a new revision where that changes anything."""
    rows = [
        (number, *pair, end.on if end is not None else None, (end.replaced_by or None) if end is not None else None)
        for number, of_person in ends.items()
        for pair, end in of_person.items()
    ]
    if rows:
        await connection.execute(_SQL["write_addressee_ends"], *(list(column) for column in zip(*rows, strict=True)))


async def undo_addressee_end(connection: Connection, pair: Addressee, by: str) -> None:
    """The number is held again, as a decision has it; its ends stay in the history. `by`: the decision's id."""
    await connection.execute(_SQL["undo_addressee_end"], *pair, by)


async def write_persons(connection: Connection, keys: PersonalKeys, people: Mapping[int, Person]) -> None:
    """Integrated number → what `person` says from now on, under a new revision. A number that they had before a merge leaves the row of then."""
    if not people:
        return
    having = {number: one.individual_number for number, one in people.items() if one.individual_number}
    has = [(number, index) for number, individual in having.items() for index in keys.indexes_of(individual)]
    await connection.execute(_SQL["take_over_numbers"], [number for number, _ in has], [index for _, index in has])
    rows = [
        (
            number,
            keys.index_of(one.individual_number) if one.individual_number else None,
            keys.seal_individual_number(one.individual_number, number) if one.individual_number else None,
            keys.seal_four_items(_ENCODE(one.items), number),
            one.state.value,
            one.state_since,
        )
        for number, one in people.items()
    ]
    await connection.execute(_SQL["update_persons"], *(list(column) for column in zip(*rows, strict=True)))
