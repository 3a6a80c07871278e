"""What an approved decision makes of people: in one transaction, under the counter's row lock (LS-1.3, SC-18).

Changes are re-applied by the fold of people.state: those of an addressee number that goes to another person are undone where they were and put
anew there, each under a key made of the decision and the old key, so that nothing is applied twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.business_information import repointing
from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.state import NOTHING, Event, Items, Says, reading_that_is_lacking
from gateway.linkage_server.people.state import Kind as EventKind
from gateway.linkage_server.people.store import Held, NewEvent
from gateway.linkage_server.pushes import store as pushes
from gateway.linkage_server.review import store
from gateway.linkage_server.review.beginning import beginning
from gateway.linkage_server.review.decision import Content, Kind
from gateway.linkage_server.review.forgetting import forget_earlier_rows
from gateway.linkage_server.review.parting import Parted, part
from gateway.linkage_server.review.refolding import refold
from gateway.linkage_server.review.store import Came, Decision, Hold, Pair
from gateway.linkage_server.review.whose import Repoints, repoint
from gateway.linkage_server.tenant import Agency
from storage.database import Connection

_NO_PAIR: Final[Pair] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Work:
    """One decision's effect, inside its transaction."""

    agency: Agency
    connection: Connection
    decision: Decision
    hold: Hold | None

    @property
    def content(self) -> Content:
        return self.decision.content


def given_up(one: Decision) -> int:
    """The number that a link or merge gives up, a split divides, or that is frozen. Raises RuntimeError when the decision names nobody."""
    if one.content.person is None:
        raise RuntimeError("a decision of this kind names a person")
    return one.content.person


def _lives_on(one: Decision) -> int:
    if one.content.other is None:
        raise RuntimeError("a decision of this kind names who lives on")
    return one.content.other


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Given:
    """A 個人番号 that a decision about a split or a hold gives, and to whom."""

    number: str
    to: int


async def carry_out(work: Work) -> Given | None:
    """The number that is given, if any. Raises NumberTakenError, and RuntimeError for a decision that `assess` would have refused."""
    match work.decision.kind:
        case Kind.FREEZE:
            await store.set_frozen(work.connection, [given_up(work.decision)], work.agency.clock(), frozen=True)
            await repointing.withdraw(work.agency, given_up(work.decision), connection=work.connection)
        case Kind.RELEASE:
            await store.set_frozen(work.connection, [given_up(work.decision)], work.agency.clock(), frozen=False)
            await repointing.register_anew(work.agency, given_up(work.decision), connection=work.connection)
        case Kind.LINK | Kind.MERGE:
            await _merge(work, given_up(work.decision), _lives_on(work.decision))
        case Kind.SPLIT:
            return await _split(work, given_up(work.decision))
        case _:
            return await _close_hold(work)
    return None


# --- links and merges


async def _merge(work: Work, old: int, survivor: int) -> None:
    """Everything of `old` goes to the survivor; the old number stays, frozen, and points there for ever."""
    connection = work.connection
    held = await people.read_held(connection, work.agency.keys, [old, survivor])
    await people.keep_bases(connection, [old, survivor])
    pairs = await store.all_addressees(connection, old)
    await repoint(connection, old, survivor, pairs, Repoints.MERGE)
    number = "" if held[survivor].person.individual_number else held[old].person.individual_number
    parted = await _replay(work, held[old], survivor, pairs, number)
    if number:
        await _forget_base_number(work, held[old], number)
        await _tell_from_the_start(work, held[survivor], number, told=parted)
    await _note(work, old, EventKind.MERGED)
    await _note(work, survivor, EventKind.LINKED)
    await _refold(work, [old, survivor], gave_number=[old] if number else [])
    await store.set_merged(connection, old, survivor)
    await repointing.withdraw(work.agency, old, connection=connection)
    await repointing.register_anew(work.agency, survivor, connection=connection)


# --- splits


async def _split(work: Work, wrong: int) -> Given | None:
    """The named addressee numbers, with what they have told, go to the other person or to somebody new.

    Whoever was frozen for this thaws; another who is frozen for a reason of their own stays so.
    """
    connection, content = work.connection, work.content
    known = await people.read_held(
        connection, work.agency.keys, [wrong, *([content.other] if content.other is not None else [])]
    )
    held = known[wrong]
    right = content.other if content.other is not None else await _new_person_beside(work, held)
    thaw = [wrong] if right in known and known[right].merged_into is None else [wrong, right]
    await people.keep_bases(connection, [wrong, right])
    await store.unmerge(connection, right)
    how = Repoints.NEW if content.other is None else Repoints.SPLIT
    await repoint(connection, wrong, right, content.addressees, how)
    typed = content.says.individual_number if content.says is not None else ""
    number = typed or (held.person.individual_number if content.number_goes else "")
    parted = await _replay(work, held, right, content.addressees, number)
    await _forget_base_number(work, held, number)
    if number and not typed:
        to = (await people.read_held(connection, work.agency.keys, [right]))[right]
        await _tell_from_the_start(work, to, number, told=parted)
    if content.says is not None:
        await _say(work, right, EventKind.CORRECTION, content.says, work.agency.today())
    await _note(work, wrong, EventKind.SPLIT)
    await _note(work, right, EventKind.REGISTERED if content.other is None else EventKind.LINKED)
    await _refold(work, [wrong, right])
    await store.set_frozen(connection, thaw, work.agency.clock(), frozen=False)
    await repointing.register_anew(work.agency, wrong, connection=connection)
    await repointing.register_anew(work.agency, right, connection=connection)
    return Given(number=number, to=right) if number else None


async def _new_person_beside(work: Work, held: Held) -> int:
    """A fresh number, with what was sent for the addressee numbers that go."""
    found = await beginning(work.connection, work.agency.keys, held, work.content)
    if found is None:
        raise RuntimeError("a decision about somebody new knows what they begin with")
    [number] = await addressees.issue_numbers(work.connection, work.agency.keys, work.agency.marks, 1)
    sealed = work.agency.keys.seal_four_items(msgspec.json.encode(found.items), number)
    await store.new_person(work.connection, number, sealed, found.since)
    return number


# --- holds


async def _close_hold(work: Work) -> Given | None:
    hold, given = work.hold, None
    if hold is None:
        raise RuntimeError("a decision of this kind is about a hold")
    if hold.row is not None and work.decision.kind is not Kind.HOLD_REFUSE:
        number = (
            given_up(work.decision) if work.decision.kind is Kind.HOLD_LINK else await _new_person_of_hold(work, hold)
        )
        given = await _register(work, hold, number)
    state = {Kind.HOLD_LINK: "linked", Kind.HOLD_KEEP: "kept", Kind.HOLD_REFUSE: "refused"}[work.decision.kind]
    now = work.agency.clock()
    await store.close_hold(work.connection, hold.id, state, now)
    if hold.row is not None and work.decision.kind is not Kind.HOLD_REFUSE:
        await forget_earlier_rows(work.connection, hold.id, now)
    return given


async def _new_person_of_hold(work: Work, hold: Hold) -> int:
    """Somebody new as the row says, with the integrated number that an earlier system gave them, if any, and without its 個人番号: one that is theirs
    comes as a change.
    """
    if hold.row is None:
        raise RuntimeError("only a row names somebody new")
    migrated = hold.row.integrated_number
    if migrated:
        number = int(migrated)
    else:
        [number] = await addressees.issue_numbers(work.connection, work.agency.keys, work.agency.marks, 1)
    sealed = work.agency.keys.seal_four_items(msgspec.json.encode(hold.row.four_items()), number)
    person = (number, None, None, sealed, hold.of_day, bool(migrated))
    await addressees.insert_persons(work.connection, [person])
    return number


async def _register(work: Work, hold: Hold, number: int) -> Given | None:
    """The addressee number of a held row means this person from now on. What it had told of another goes along, unless it had ended there: then it
    was theirs, and is given anew.
    """
    connection, row = work.connection, hold.row
    if row is None:
        raise RuntimeError("only a row names an addressee")
    known = await people.addressee_persons(connection, hold.system, [hold.addressee_number])
    before, ended_on = known.get(hold.addressee_number, (None, None))
    concerned = [one for one in (before, number) if one is not None]
    await people.keep_bases(connection, concerned)
    if before is not None and before != number:
        # they name an addressee number that means somebody else from now on
        await pushes.supersede(connection, [before], work.agency.clock())
        if ended_on is None:
            await _take_along(work, hold.pair, before, number)
    if before == number:
        await people.undo_addressee_end(connection, hold.pair, work.decision.id)
    is_new = work.decision.kind is Kind.HOLD_KEEP
    since = (hold.of_day, work.agency.clock()) if is_new else None
    await store.put_addressee(connection, hold, number, since)
    told = Says(*row.four_items())
    says = told if work.content.items_go else reading_that_is_lacking(await _items(work, number), told)
    if work.content.number_goes:
        says = msgspec.structs.replace(says, individual_number=row.individual_number)
    if says != NOTHING:
        await _say(work, number, EventKind.CORRECTION, says, work.agency.today(), pair=hold.pair)
    kind = EventKind.LINKED if work.decision.kind is Kind.HOLD_LINK else EventKind.REGISTERED
    await _note(work, number, kind, pair=hold.pair)
    await _refold(work, concerned)
    return Given(number=says.individual_number, to=number) if says.individual_number else None


async def _items(work: Work, number: int) -> Items:
    return (await people.read_held(work.connection, work.agency.keys, [number]))[number].person.items


async def _take_along(work: Work, pair: Pair, before: int, number: int) -> None:
    """What was told under an addressee number that meant another person goes along, with the numbers whose place it took: its system says that they
    mean one person.
    """
    held = (await people.read_held(work.connection, work.agency.keys, [before]))[before]
    standing = (await store.read_standings(work.connection, [before]))[before]
    pairs = standing.with_replaced([pair])
    await _replay(work, held, number, pairs)
    await repoint(work.connection, before, number, set(pairs) - {pair}, Repoints.SPLIT)


# --- the history


async def _refold(work: Work, numbers: Sequence[int], *, gave_number: Collection[int] = ()) -> None:
    """One after the other: a number is free on the one before the other takes it."""
    for number in dict.fromkeys(numbers):
        await refold(work.connection, work.agency.keys, number, work.agency.today(), gave_number=number in gave_number)
    await store.touch(work.connection, numbers)


async def _replay(work: Work, held: Held, to: int, pairs: Collection[Pair], number: str = "") -> Parted:
    """Changes of one person that came under these addressee numbers, undone there and put anew for another. `number`: as in `part`."""
    everything = {*pairs, *(event.addressee for event in held.events)}
    came = await store.events_that_came(work.connection, held.integrated_number, everything)
    moving = {key for key, one in came.items() if one.pair in pairs}
    parted = part(held, moving, number)
    waiting = [event for event in held.events if event.event_key in moving and came[event.event_key].held_by]
    left = {event.event_key for event in (*parted.along, *waiting)}
    await people.undo_events(work.connection, sorted(parted.undone), work.decision.id)
    leaving = sorted((*parted.along, *waiting), key=lambda event: event.event_no)
    anew = [_anew(work, event, came, to, left) for event in leaving]
    for event in parted.stays:
        key = f"number/{event.event_key}" if event.event_key in left else event.event_key
        anew.append(_anew(work, event, came, held.integrated_number, left, key=key))
    await people.put_events(work.connection, work.agency.keys, anew)
    for event in waiting:
        await _follow(work, event, came[event.event_key].held_by or "")
    return parted


async def _follow(work: Work, event: Event, hold_id: str) -> None:
    """A change that is held waits for its decision where its addressee number is now."""
    key = _key(work, event.event_key)
    await people.pass_on_held_event(work.connection, event.event_key, key, hold_id=hold_id, by=work.decision.id)
    await store.follow_hold(work.connection, hold_id, key)


def _key(work: Work, what: str) -> str:
    return people.key_anew(work.agency.keys, work.decision.system, work.decision.id, what)


def _anew(
    work: Work, event: Event, came: Mapping[str, Came], to: int, moving: Collection[str], *, key: str | None = None
) -> NewEvent:
    cancels = event.cancels
    system, addressee_number = event.addressee
    return NewEvent(
        event_key=_key(work, key or event.event_key),
        integrated_number=to,
        system=system,
        addressee_number=addressee_number,
        kind=event.kind,
        effective_on=event.effective_on,
        recorded_at=event.recorded_at,
        applied_at=came[event.event_key].applied_at,
        says=event.says,
        digest=_digest(work, event.says),
        cancels=_key(work, cancels) if cancels is not None and cancels in moving else cancels,
        replaced_by=event.replaced_by,
        registers=event.registers,
    )


def _digest(work: Work, says: Says) -> bytes:
    return work.agency.keys.digest_of_request(msgspec.json.encode(says))


async def _say(work: Work, number: int, kind: EventKind, says: Says, on: date, *, pair: Pair = _NO_PAIR) -> None:
    now = work.agency.clock()
    event = NewEvent(
        event_key=_key(work, f"{kind.value}/{number}"),
        integrated_number=number,
        system=pair[0] or work.decision.system,
        addressee_number=pair[1],
        kind=kind,
        effective_on=on,
        recorded_at=now,
        applied_at=now,
        says=says,
        digest=_digest(work, says),
        cancels=None,
    )
    await people.put_events(work.connection, work.agency.keys, [event])


async def _note(work: Work, number: int, kind: EventKind, *, pair: Pair = _NO_PAIR) -> None:
    """That a decision touched this person, in the history that business systems are told of."""
    await _say(work, number, kind, NOTHING, work.agency.today(), pair=pair)


async def _forget_base_number(work: Work, held: Held, number: str) -> None:
    """A 個人番号 that one person had from the start is another's."""
    if number and held.base.individual_number == number:
        await store.forget_base_number(work.connection, held.integrated_number)


async def _tell_from_the_start(work: Work, to: Held, number: str, *, told: Parted) -> None:
    """Whose 個人番号 it is had it always, unless what goes along tells since when."""
    since = to.base.registered_on
    if not told.tells(number, since):
        says = Says(individual_number=number)
        await _say(work, to.integrated_number, EventKind.INDIVIDUAL_NUMBER_CHANGE, says, since)
