"""From changes to deliveries: what changed is taken in hand, and what leaves is written and on record before it leaves (LS-1.5, LS-1.6).

Nothing here is in the way of a load: changes are followed by their revisions. A crash anywhere is taken up where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codebook.four_items import Field
from evidence.entry import EntryKind, other_entry
from gateway.api.clients import SystemRights
from gateway.linkage_server.access.look_ups import subjects
from gateway.linkage_server.people.state import Kind
from gateway.linkage_server.pushes import bodies, store
from gateway.linkage_server.pushes.bodies import NotCarried, Person
from gateway.linkage_server.pushes.store import WRITE_DELIVERY, DeliveryState, ToWrite
from gateway.linkage_server.pushes.targets import Target, TargetKind
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from storage.committer import Commit, Write, commit_step
from storage.fault_points import declare

TAKEN_STEP: Final = declare("linkage", "commit.pushes.taken")
SENT_STEP: Final = commit_step("linkage", "pushes.sent")
INTEGRATED_NUMBER: Final = "integrated_number"
INDIVIDUAL_NUMBER: Final = "individual_number"
_MOST_TAKEN: Final = 2_000
MOST_WRITTEN: Final = 1_000
"""Deliveries in one record, and in one file."""
_NUMBER_STAYS: Final = frozenset({Kind.MOVE_OUT, Kind.DEATH, Kind.NAME_CHANGE, Kind.ADDRESS_CHANGE, Kind.ADDRESSEE_END})
"""Changes that neither bring a 個人番号 nor take one away; after any other one it is told, also that there is none."""


async def take(agency: Agency, rights: SystemRights) -> int:
    """Take the next changes in hand for one system; how many were looked at. Raises StorageUnavailableError."""
    learns = rights.may("integrated-numbers", "read")
    async with agency.database.inside(agency.tenant) as connection:
        taken = await store.take_changes(
            connection, rights.system, learns_numbers=learns, now=agency.clock(), most=_MOST_TAKEN
        )
        if taken:
            TAKEN_STEP.before.reached()
    if taken:
        TAKEN_STEP.after.reached()
    return taken


def may_see(agency: Agency, rights: SystemRights) -> frozenset[str]:
    """What a push to the system may show: items by name, and numbers by right and need."""
    may_use = rights.may_use_individual_number and agency.affairs.uses_individual_number(rights.system)
    return frozenset(
        (
            *(field.value for field in agency.affairs.items_of(rights.system)),
            *((INTEGRATED_NUMBER,) if rights.may("integrated-numbers", "read") else ()),
            *((INDIVIDUAL_NUMBER,) if may_use else ()),
        )
    )


def _shown(person: Person) -> str:
    """What a push shows, as it is kept with it: as `may_see`, one after the other."""
    return " ".join(
        (
            *person.items,
            *((INTEGRATED_NUMBER,) if person.integrated_number else ()),
            *((INDIVIDUAL_NUMBER,) if person.individual_number is not None else ()),
        )
    )


def _person(agency: Agency, sees: frozenset[str], one: ToWrite) -> Person:
    """Cut to what the system may see: its own 宛名番号, its affairs' items, numbers only by right and need."""
    items = dict(zip(Field, agency.keys.open_four_items(one.four_items_sealed, one.integrated_number), strict=True))
    individual_number = None
    if INDIVIDUAL_NUMBER in sees and any(kind not in _NUMBER_STAYS for kind, _ in one.changes):
        sealed = one.individual_number_sealed
        individual_number = agency.keys.open_individual_number(sealed, one.integrated_number) if sealed else ""
    return Person(
        addressee_numbers=one.addressee_numbers,
        items={field.value: text for field, text in items.items() if field.value in sees},
        integrated_number=f"{one.integrated_number:015d}" if INTEGRATED_NUMBER in sees else "",
        individual_number=individual_number,
        state=one.state,
        state_since=one.state_since,
        changes=one.changes,
    )


def _row(agency: Agency, rights: SystemRights, target: Target, one: ToWrite, file: str | None) -> Write:
    """What becomes of one delivery: ready with its bytes, dead when its file cannot carry them, dropped when nobody there holds the person."""
    now = agency.clock()
    if not one.addressee_numbers:
        dropped = (one.delivery_id, DeliveryState.DROPPED.value, None, None, "not_held", None, now, None)
        return Write(WRITE_DELIVERY, dropped)
    person = _person(agency, may_see(agency, rights), one)
    state, reason, where = DeliveryState.READY, None, None
    if target.kind is TargetKind.WEBHOOK:
        body = bodies.as_json(person, delivery_id=one.delivery_id, system=target.system, at=now)
    else:
        lines = bodies.as_lines(person, delivery_id=one.delivery_id, encoding=target.encoding)
        if isinstance(lines, NotCarried):
            state, reason, where, file, lines = DeliveryState.DEAD, lines.reason.value, lines.where, None, b""
        body = lines
    sealed = agency.keys.seal_push(body, one.delivery_id)
    return Write(WRITE_DELIVERY, (one.delivery_id, state.value, file, sealed, reason, where, now, _shown(person)))


async def write(agency: Agency, rights: SystemRights, target: Target) -> int:
    """Write deliveries whose turn it is and put on record that they leave; how many. Raises StorageUnavailableError."""
    async with agency.database.inside(agency.tenant) as connection:
        await store.write_again(connection, target)
        waiting = await store.read_to_write(connection, target, MOST_WRITTEN)
    if not waiting:
        return 0
    file = f"changes-{waiting[0].place:015d}.csv" if target.kind is TargetKind.FOLDER else None
    rows = [_row(agency, rights, target, one, file) for one in waiting]
    await agency.committer.apply(_commit(agency, target, waiting, rows))
    return len(waiting)


def _commit(agency: Agency, target: Target, waiting: Sequence[ToWrite], rows: Sequence[Write]) -> Commit:
    """All rows or none: a row that another process wrote meanwhile makes the whole be decided anew."""
    now = agency.clock()
    entry_id = new_entry_id(now)
    leaving = [
        one.integrated_number for one, row in zip(waiting, rows, strict=True) if row.row[1] == DeliveryState.READY
    ]
    committed, found_by = subjects(agency, entry_id, set(leaving))
    entry = other_entry(
        id=entry_id,
        at=now,
        kind=EntryKind.PUSHES_SENT,
        actor=target.system,
        facts={
            "system": target.system,
            "kind": target.kind.value,
            "count": len(leaving),
            "first": waiting[0].delivery_id,
            "subjects": committed,
        },
    )
    return Commit(step=SENT_STEP, guard=rows[0], follow=(*rows[1:], *found_by), entries=(new_entry(entry, now),))
