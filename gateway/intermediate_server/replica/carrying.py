"""A person's bars follow their copies to another number: after a merge, a split or another link (SC-4, IS-6, LS-1.3; docs/adr/0083).

A copy that is registered anew under another integrated number takes with it every bar that works at its number of before, so that nothing is answered
of it that would have been held. The bars of before stay. What was carried waits for one of the staff to check it (`unchecked`, set by `auto`);
a suspension stands as it did, and is ended by two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.states import BAR_PREFIX, Bar, BarState, Effect
from gateway.intermediate_server.bars.writing import MOVED, SET, set_row
from gateway.intermediate_server.records.exchange_entries import note_about
from storage import sql
from storage.committer import NewEntry, Statement, Write

_SQL = sql.load("gateway.intermediate_server.bars")
_SAME: Final = Statement("same_bars", _SQL["same_bars"])
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What commits with the copies: `guard` loses when bars came or went since they were looked at here."""

    guard: Write
    writes: tuple[Write, ...]
    entries: tuple[NewEntry, ...]


def carry(agency: HostedAgency, moves: Collection[tuple[str, str]], now: datetime) -> Carried:
    """Bars for those to whom copies move. `moves`: integrated numbers, of before and of now. They are looked at from this call on.

    A bar of the same effect, cause and kind of information that works there already is enough.
    """
    guard = Write(_SAME, (agency.new_id(BAR_PREFIX, now), agency.bars.epoch))
    made: list[Bar] = []
    froms: list[str] = []
    for before, number in sorted(moves):
        there = {(bar.effect, bar.cause, bar.information) for bar in agency.bars.of_person(number)}
        for bar in agency.bars.of_person(before):
            if (bar.effect, bar.cause, bar.information) not in there:
                made.append(_carried(agency, bar, number, now))
                froms.append(bar.bar_id)
                agency.bars.hold_to(made[-1])
    return Carried(
        guard=guard,
        writes=tuple(
            write
            for bar in made
            for write in (
                Write(SET, set_row(agency.keys.ring, agency.id, bar)),
                Write(MOVED, (bar.bar_id, bar.integrated_number)),
            )
        ),
        entries=tuple(_entry(agency, bar, origin, now) for bar, origin in zip(made, froms, strict=True)),
    )


def _carried(agency: HostedAgency, bar: Bar, number: str, now: datetime) -> Bar:
    state = BarState.STANDING if bar.effect is Effect.SUSPEND else BarState.UNCHECKED
    bar_id = agency.new_id(BAR_PREFIX, now)
    fresh = replace(bar, bar_id=bar_id, integrated_number=number, state=state, set_by=AUTO, set_at=now, version=1)
    return replace(fresh, asked_by=None, changed_by=None, changed_at=None)


def _entry(agency: HostedAgency, bar: Bar, origin: str, now: datetime) -> NewEntry:
    facts = {
        "event": "carried",
        "bar_id": bar.bar_id,
        "carried_from": origin,
        "place": bar.place.value,
        "effect": bar.effect.value,
        "cause": bar.cause.value,
        "information": bar.information,
        "data_item": bar.data_item,
        "state": bar.state.value,
    }
    return note_about(agency, now, EntryKind.BARS_CHANGED, bar.integrated_number, facts, actor=AUTO)
