"""異動の反映: lists of changes are judged and taken in one transaction each, with their results (LS-1.2).

Judging needs answers of the resident network, and writing needs the counter's lock; so a list is judged under the lock, and when an answer is missing
nothing is written, the lock is given back, the network is asked, and the list is judged anew with what is held by then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from codebook.four_items import Field
from evidence.entry import EntryKind, other_entry
from gateway.api.clients import SystemRights
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import resident_network
from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.intake import Intake, Said
from gateway.linkage_server.people import store, waiting
from gateway.linkage_server.people import taken as taken_up
from gateway.linkage_server.people.changes import Change, ChangeReason, ParsedChange
from gateway.linkage_server.people.holding import KnownHold, known_holds, write_holds
from gateway.linkage_server.people.judged import ChangeOutcome, Judged
from gateway.linkage_server.people.judging import Court
from gateway.linkage_server.people.rehearsed import Rehearsed
from gateway.linkage_server.people.snapshot import Snapshot
from gateway.linkage_server.people.state import numbers_said
from gateway.linkage_server.people.store import Held, KnownEvent
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from gateway.linkage_server.ways_of_writing import counts_of, folds_of
from storage.committer import Commit, commit_step
from storage.database import Connection, StorageUnavailableError

CHANGES_STEP: Final = commit_step("linkage", "people.changes")
CHANGED_STEP: Final = commit_step("linkage", "people.changed")
CHUNK: Final = 2_000
_ROUNDS: Final = 40
_ENCODE: Final = msgspec.json.encode
CHANGES = Counter("sekisho_person_changes", "Changes of people by what became of them", ["outcome"])

Verdicts = dict[int, frozenset[Field] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of one change; `integrated_number` of the person it led to."""

    line: int
    outcome: ChangeOutcome
    reason: str | None
    integrated_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeList:
    """One list on its way. `approved`: event keys that a review has decided just now to take as they are; `last_line` of the file that it stands for;
    `stored`: results of the chunk of the file whose lines these are, when they are judged anew; `said`: by whom it came.
    """

    changes: Sequence[ParsedChange]
    rights: SystemRights
    last_line: int
    approved: Collection[str] = frozenset()
    stored: Sequence[intake.Result] | None = None
    said: Said | None = None


async def take(
    agency: Agency, taken: Intake, one: ChangeList, verdicts: Verdicts, rehearsed: Rehearsed | None = None
) -> Intake:
    """Take one list of an intake; returns the intake after it. `verdicts` grows by what the network was asked.

    Raises StorageUnavailableError, ChannelError; then nothing of the list is there.
    """
    for _ in range(_ROUNDS):
        CHANGES_STEP.before.reached()
        async with agency.database.inside(agency.tenant) as connection:
            had_lock = await addressees.lock_counter(connection)
            judged = rehearsed.take(one.last_line, had_lock, agency.today()) if rehearsed is not None else None
            court = None
            if judged is None:
                court = await convene(connection, agency, one, verdicts)
                judged = court.judge(one.changes)
                if rehearsed is not None:
                    rehearsed.touch(court, judged)
            if court is None or not court.missing:
                await _write(connection, agency, one, judged, taken)
                if one.said is not None:
                    await intake.keep_said(connection, agency.keys, taken, one.said)
                folds = await folds_of([each.folds for each in judged])
                results = [_result(each, took, one.rights) for each, took in zip(judged, folds, strict=True)]
                if one.stored is None:
                    advanced = await intake.keep_results(
                        connection, taken, results, one.last_line, also=counts_of(folds)
                    )
                else:
                    advanced = await intake.change_results(
                        connection, taken, one.stored, results, also=counts_of(folds)
                    )
                break
        await ask(agency, court, verdicts)
    else:
        raise StorageUnavailableError("what is held about these people changed again and again")
    CHANGES_STEP.after.reached()
    for outcome in ChangeOutcome:
        CHANGES.labels(outcome.value).inc(max(0, advanced.counts.get(outcome, 0) - taken.counts.get(outcome, 0)))
    return advanced


async def ask(agency: Agency, court: Court, verdicts: Verdicts, *, pauses: Sequence[float] = ()) -> bool:
    """Ask the resident network about what a court misses; the answers go into `verdicts`. Whether it agrees to everything."""
    missing = dict(court.missing)
    answers = await resident_network.compare(agency, list(missing.values()), pauses=pauses)
    verdicts.update(zip(missing, answers, strict=True))
    return all(answer is not None and not answer for answer in answers)


async def convene(connection: Connection, agency: Agency, one: ChangeList, verdicts: Verdicts) -> Court:
    """Read what is held about a list and whom its numbers lead to."""
    keys, system = agency.keys, one.rights.system
    good = [change for change in one.changes if isinstance(change, Change)]
    sent_as = lru_cache(maxsize=4 * CHUNK)(partial(keys.event_key, system))
    event_keys = [sent_as(change.event_id) for change in good]
    cancelled = [sent_as(change.cancels) for change in good if change.cancels]
    events = await store.known_events(connection, keys, event_keys + cancelled)
    now_as = {sent: event.key for sent, event in events.items()}

    def key_of(event_id: str) -> str:
        return now_as.get(sent := sent_as(event_id), sent)

    cancels = {*cancelled, *(now_as[key] for key in cancelled if key in now_as)}
    holds = await known_holds(connection, keys, list({*event_keys, *now_as.values(), *cancels}), cancels)

    addressees_named = [number for change in good for number in (change.addressee_number, change.replaced_by) if number]
    held = await store.addressee_persons(connection, system, addressees_named)
    said = {change.says.individual_number for change in good if change.says.individual_number}
    by_number = await store.by_number(connection, keys, said)
    formerly = await store.formerly_by_number(connection, keys, said)
    concerned = [number for number, _ in held.values()] + list(by_number.values()) + list(formerly.values())
    merged = [
        event.integrated_number for event in events.values() if event.integrated_number not in (None, event.lives_on)
    ]
    people = await store.read_held(connection, keys, concerned + merged)
    back = await store.by_number(connection, keys, _may_come_back(people.values()) - said)
    by_number |= back
    people |= await store.read_held(connection, keys, [number for number in back.values() if number not in people])
    concerns_others = any(change.takes_out or change.may_name_another for change in good)
    return Court(
        snapshot=Snapshot(
            addressees=held,
            people=people,
            by_number=by_number,
            formerly=formerly,
            rows=await store.rows_by_number(connection, keys, list(by_number)) if merged else {},
            events={event.key: event for event in events.values()},
            holds=holds,
            held_by_others=await store.held_by_others(connection, list(people), system) if concerns_others else (),
        ),
        verdicts=verdicts,
        system=system,
        key_of=key_of,
        digest_of=partial(_digest, keys),
        today=agency.today(),
        now=agency.clock(),
        asks=resident_network.is_asked(agency),
        approved={*one.approved, *_decided_before_their_day(events, holds)},
        ages=agency.limits.ages.get(system),
    )


def _decided_before_their_day(events: Mapping[str, KnownEvent], holds: Mapping[str, KnownHold]) -> Iterator[str]:
    """Keys of changes that wait and were held when they came: that they are taken as they are was decided then. A decided hold keeps its key."""
    for sent, event in events.items():
        hold = holds.get(event.key) or holds.get(sent)
        if not event.applied and not event.undone and hold is not None and hold.state == "linked":
            yield event.key


def _may_come_back(people: Iterable[Held]) -> set[str]:
    """個人番号 that a cancellation may bring back."""
    return {
        number
        for held in people
        if held.events
        for number in numbers_said(held.base, held.events) - {held.person.individual_number}
    }


def _digest(keys: PersonalKeys, change: Change) -> bytes:
    """What the event says, whatever line it stands in."""
    said = (
        change.addressee_number,
        change.kind,
        change.effective_on,
        change.cancels,
        change.resident_kind,
        change.says,
    )
    return keys.event_digest(_ENCODE((*said, change.replaced_by) if change.replaced_by else said))


async def _write(
    connection: Connection, agency: Agency, one: ChangeList, judged: Sequence[Judged], taken: Intake
) -> None:
    """People first, when the numbers that they take are free, then their addressee numbers, then what happened to them, then what `person` says because of it."""
    keys, now = agency.keys, agency.clock()
    await store.free_numbers(connection, taken_up.giving_up(judged, agency.today()))
    await _register(connection, agency, one.rights.system, judged, taken)
    recorded = list(taken_up.recorded(judged))
    numbers = list(dict.fromkeys(number for _, number in recorded))
    if numbers:
        await store.keep_bases(connection, numbers)
        reinstated = {
            each.key: each.event is not None and each.event.registers for each, _ in recorded if each.reinstates
        }
        await store.reinstate_events(connection, reinstated, now)
        await store.put_events(
            connection,
            keys,
            [_new_event(one.rights.system, each, number, now) for each, number in recorded if not each.reinstates],
        )
        await store.write_persons(connection, keys, taken_up.changed(judged, agency.today()))
        await store.write_former_numbers(connection, keys, taken_up.formers(judged, agency.today()))
        await store.put_successors(connection, taken_up.successors(judged, one.rights.system, taken.id))
        await store.write_addressee_ends(connection, taken_up.ends(judged, agency.today()))
    await _write_waiting(connection, keys, one.rights.system, judged)
    await waiting.withdraw_registrations(connection, taken_up.withdrawn(judged))
    over = taken_up.wait_no_longer(judged)
    await waiting.drop(connection, [keys.event_key(one.rights.system, event_id) for event_id in over])
    await write_holds(connection, agency, one.rights.system, judged)


async def _register(
    connection: Connection, agency: Agency, system: str, judged: Sequence[Judged], taken: Intake
) -> None:
    """Whoever is new gets a number and a row; whoever came under a new addressee number gets that."""
    new = [one for one in judged if one.outcome is ChangeOutcome.ISSUED and one.someone is not None]
    keys = agency.keys
    numbers = await addressees.issue_numbers(connection, keys, agency.marks, len(new))
    rows: list[addressees.PersonRow] = []
    for one, number in zip(new, numbers, strict=True):
        if one.someone is None:
            continue
        one.someone.number = number
        base = one.someone.base
        individual = base.individual_number
        rows.append(
            (
                number,
                keys.index_of(individual) if individual else None,
                keys.seal_individual_number(individual, number) if individual else None,
                keys.seal_four_items(_ENCODE(base.items), number),
                base.registered_on,
                False,
            )
        )
    await addressees.insert_persons(connection, rows)
    await addressees.insert_addressees(
        connection,
        [
            (
                system,
                one.change.addressee_number,
                number,
                one.change.resident_kind,
                taken.id,
                one.change.effective_on,
                agency.clock(),
            )
            for one, number in taken_up.recorded(judged)
            if one.registers and one.change is not None
        ],
    )


def _new_event(system: str, one: Judged, number: int, now: datetime) -> store.NewEvent:
    if one.change is None or one.event is None:
        raise RuntimeError("only a change that was taken is recorded")
    return store.NewEvent(
        event_key=one.key,
        integrated_number=number,
        system=system,
        addressee_number=one.change.addressee_number,
        kind=one.change.kind,
        effective_on=one.change.effective_on,
        recorded_at=now,
        applied_at=now if one.event.applied else None,
        says=one.event.says,
        digest=one.digest,
        cancels=one.event.cancels,
        replaced_by=one.event.replaced_by,
        registers=one.event.registers,
    )


async def _write_waiting(connection: Connection, keys: PersonalKeys, system: str, judged: Sequence[Judged]) -> None:
    """Changes to come lie as they came until their day, when they are judged."""
    changes = [
        waiting.WaitingChange(
            event_key=one.key,
            system=system,
            effective_on=one.change.effective_on,
            sealed=keys.seal_for_review(_ENCODE(one.change), one.key),
            digest=one.digest,
        )
        for one in judged
        if one.outcome is ChangeOutcome.WAITING and one.reason is ChangeReason.NOT_YET and one.change is not None
    ]
    await waiting.put(connection, changes)


def _result(one: Judged, folds: Sequence[str], rights: SystemRights) -> list[Any]:
    """Line, outcome, reason, the integrated number for a system that may learn it (LS-1.6), where the change is wrong, and the folds by which it agrees."""
    number = one.someone.alive.number if one.someone is not None else None
    shown = f"{number:015d}" if number is not None and rights.may("integrated-numbers", "read") else None
    return [
        one.line,
        one.outcome.value,
        str(one.reason) if one.reason else None,
        shown,
        one.where,
        " ".join(folds) or None,
    ]


async def close(agency: Agency, taken: Intake, *, system: str, said: Said | None = None) -> None:
    """The whole list is in: it goes into the log with its counts and digest, once. `said`: by whom it came."""
    now = agency.clock()
    entry = other_entry(
        id=new_entry_id(now),
        at=now,
        kind=EntryKind.ADDRESSEES_LOADED,
        actor=system if said is None else said.client_id,
        facts={
            "system": system,
            "channel": "person-changes",
            **({} if said is None else {"staff": said.staff, "affair": said.affair}),
            "sha256": taken.sha256.hex(),
            "lines": sum(taken.counts.get(one, 0) for one in ChangeOutcome),
            **dict(taken.counts),
        },
    )
    recorded = new_entry(entry, now)
    if said is not None:
        recorded = replace(recorded, personal=agency.keys.seal_access_reason(said.reason, recorded.entry_id))
    await agency.committer.apply(Commit(step=CHANGED_STEP, guard=intake.closing(agency, taken), entries=(recorded,)))


async def apply(
    agency: Agency, changes: Sequence[Change], *, system: str, approved: Mapping[str, str] = MappingProxyType({})
) -> list[Applied]:
    """Take changes outside a file or a call: those that a review has approved, and registrations whose day has come. Again, it changes nothing.

    `approved`: event key → the decision by which it is taken as it is; another decision about what was refused before is no repetition.
    Raises StorageUnavailableError, ChannelError.
    """
    rights = SystemRights(
        system=system, scopes=frozenset({f"{system}:integrated-numbers:read"}), may_use_individual_number=True
    )
    digest = agency.keys.event_digest(_ENCODE([changes, sorted(approved.items()), agency.today()]))
    taken = await intake.open_intake(
        agency, f"changes/{system}/{digest.hex()}", channel="person-changes", system=system, sha256=digest
    )
    if not taken.done:
        if not taken.lines_done:
            last = max(change.line for change in changes)
            one = ChangeList(changes=changes, rights=rights, last_line=last, approved=approved)
            taken = await take(agency, taken, one, {})
        await close(agency, taken, system=system)
    return [
        Applied(
            line=line,
            outcome=ChangeOutcome(outcome),
            reason=reason,
            integrated_number=int(number) if number else None,
        )
        for line, outcome, reason, number, *_ in await intake.read_results(agency, taken)
    ]
