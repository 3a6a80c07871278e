"""A person's bars follow the person to another number: after a merge, a split or another link (SC-4, IS-6, LS-1.3; docs/adr/0083, 0098, 0108).

A copy that is registered anew under another integrated number takes with it every bar that works at its number of before, and so does a number that
was merged into another or split, whether it has copies or not: nothing is answered that would have been held. A bar that begins to work at a number that
was merged works at the one who lives on as well. The bars of before stay. What was carried works, and waits for one of the staff to check it (`unchecked`,
set by `auto`); a suspension is ended by two, checked or not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from evidence.entry import EntryKind
from gateway.intermediate_server import merges
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.states import BAR_PREFIX, TO_BE_LIFTED, Bar, BarState
from gateway.intermediate_server.bars.writing import MOVED, SET, set_row
from gateway.intermediate_server.records.exchange_entries import note_about
from storage import sql
from storage.committer import Applied, Commit, NewEntry, Statement, Write, commit_step

_SQL = sql.load("gateway.intermediate_server.bars")
_SAME: Final = Statement("same_bars", _SQL["same_bars"])
_FOLLOWED: Final = commit_step("intermediate", "bars.followed")
AUTO: Final = "auto"


_Number = Annotated[str, msgspec.Meta(pattern=r"^(?!0{15})[0-9]{15}\Z")]


class SplitItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90186. `split_off`: the number of whoever was split off from the person of `integrated_number`."""

    integrated_number: _Number
    split_off: _Number


SPLIT_ITEM = msgspec.json.Decoder(SplitItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Bars for other numbers, as they commit with what moves them."""

    writes: tuple[Write, ...] = ()
    entries: tuple[NewEntry, ...] = ()


# --- numbers that were merged or split


async def follow_merge(agency: HostedAgency, number: str, known: str | None, now: datetime) -> None:
    """The bars at a number that was merged while one was being set there; `known`: who lives on, as far as that one knew."""
    other = await merges.lives_on(agency, number)
    if other not in (None, known):
        await commit(agency, {(number, other)}, Commit(step=_FOLLOWED), now)


async def take_splits(agency: HostedAgency, items: list[SplitItem], now: datetime) -> list[dict[str, Any]]:
    """IF_FGU_90186: which of two is barred nobody knows, so both are. Whoever had been merged into the other lives by themselves again."""
    moves = {(item.integrated_number, item.split_off) for item in items}
    if moves:
        apart = await merges.undone(agency, {number for _, number in moves}, now)
        await commit(agency, moves, Commit(step=_FOLLOWED, follow=apart), now)
    return [{"carried": True} for _ in items]


# --- bars


async def commit(agency: HostedAgency, moves: Collection[tuple[str, str]], moved: Commit, now: datetime) -> None:
    """What moves people to other numbers, and the bars that follow them; looked for anew when bars came or went meanwhile.

    `moves`: integrated numbers, of before and of now. `moved` has no guard of its own.
    """
    done = False
    while not done:
        guard = Write(_SAME, (agency.new_id(BAR_PREFIX, now), agency.bars.epoch))
        carried = _carry(agency, moves, now)
        both = replace(
            moved,
            guard=guard,
            follow=(*moved.follow, *carried.writes),
            entries=(*moved.entries, *carried.entries),
        )
        try:
            done = isinstance(await agency.committer.apply(both), Applied)
        finally:
            if carried.writes or not done:
                await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)


def _carry(agency: HostedAgency, moves: Collection[tuple[str, str]], now: datetime) -> Carried:
    """Bars for the numbers of now. They are looked at from this call on."""
    every = [
        carry(agency, bar, number, now) for before, number in sorted(moves) for bar in agency.bars.of_person(before)
    ]
    return Carried(
        writes=tuple(write for one in every for write in one.writes),
        entries=tuple(entry for one in every for entry in one.entries),
    )


def carry(agency: HostedAgency, bar: Bar, number: str, now: datetime) -> Carried:
    """The same for another number, looked at from this call on. A bar of the same effect, cause and kind of information that works there is enough,
    unless its lifting is asked for: that was about the person of that number alone.
    """
    there = {
        (one.effect, one.cause, one.information)
        for one in agency.bars.of_person(number)
        if one.state not in TO_BE_LIFTED
    }
    if (bar.effect, bar.cause, bar.information) in there:
        return Carried()
    made = _carried(agency, bar, number, now)
    agency.bars.hold_to(made)
    writes = (
        Write(SET, set_row(agency.keys.ring, agency.id, made)),
        Write(MOVED, (made.bar_id, made.integrated_number)),
    )
    return Carried(writes=writes, entries=(_entry(agency, made, bar.bar_id, now),))


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
