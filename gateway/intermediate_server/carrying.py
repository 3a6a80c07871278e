"""A person's bars follow the person to another number: after a merge, a split or another link (SC-4, IS-6, LS-1.3; docs/adr/0083, 0098).

A copy that is registered anew under another integrated number takes with it every bar that works at its number of before, and so does a number that
was merged into another, whether it has copies or not: nothing is answered that would have been held. The bars of before stay. What was carried works,
and waits for one of the staff to check it (`unchecked`, set by `auto`); a suspension is ended by two, checked or not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.states import BAR_PREFIX, Bar, BarState
from gateway.intermediate_server.bars.writing import MOVED, SET, set_row
from gateway.intermediate_server.records.exchange_entries import note_about
from storage import sql
from storage.committer import Applied, Commit, NewEntry, Statement, Write

_SQL = sql.load("gateway.intermediate_server.bars")
_SAME: Final = Statement("same_bars", _SQL["same_bars"])
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Carried:
    """What commits with the move: `guard` loses when bars came or went since they were looked at here."""

    guard: Write
    writes: tuple[Write, ...]
    entries: tuple[NewEntry, ...]


async def commit(agency: HostedAgency, moves: Collection[tuple[str, str]], moved: Commit, now: datetime) -> None:
    """What moves people to other numbers, and the bars that follow them; looked for anew when bars came or went meanwhile.

    `moves`: integrated numbers, of before and of now. `moved` has no guard of its own.
    """
    done = False
    while not done:
        carried = _carry(agency, moves, now)
        both = replace(
            moved,
            guard=carried.guard,
            follow=(*moved.follow, *carried.writes),
            entries=(*moved.entries, *carried.entries),
        )
        try:
            done = isinstance(await agency.committer.apply(both), Applied)
        finally:
            if carried.writes or not done:
                await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)


def _carry(agency: HostedAgency, moves: Collection[tuple[str, str]], now: datetime) -> _Carried:
    """Bars for the numbers of now. They are looked at from this call on.

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
    return _Carried(
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
    bar_id = agency.new_id(BAR_PREFIX, now)
    fresh = replace(bar, bar_id=bar_id, integrated_number=number, state=BarState.UNCHECKED, set_by=AUTO)
    return replace(fresh, set_at=now, version=1, asked_by=None, changed_by=None, changed_at=None)


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
