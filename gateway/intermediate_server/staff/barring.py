"""Staff set, check and lift bars, and look at them (SC-4; freeze and release of one person's data, IS-6). Each act is an entry with the fact."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server import carrying, merges
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars import standing, whose, writing
from gateway.intermediate_server.bars.states import (
    EVERYTHING,
    TO_BE_LIFTED,
    WORKING,
    Bar,
    BarEvent,
    BarRefusal,
    BarState,
    Cause,
    Effect,
    Place,
    step,
)
from gateway.intermediate_server.staff.operating import Acting, First, FirstMayNotError, still_may
from gateway.intermediate_server.staff.rights import Function
from storage import sql
from storage.committer import Commit, NewEntry, Statement, Write, commit_step
from transport.problem import ProblemError

BarId = Annotated[str, Meta(pattern=r"^B[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
Word = Annotated[str, Meta(min_length=1, max_length=100)]
_SQL = sql.load("gateway.intermediate_server.bars")
_CHANGE = Statement("change_bar", _SQL["change_bar"])
_CHANGED = commit_step("intermediate", "bars.changed")
_MOST: Final = 2_000


class SetItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SYM_90092. `bar_id`: drawn by the caller, so that a repetition is the same bar. Exactly what `place` names is given."""

    bar_id: BarId
    place: Place
    cause: Cause
    effect: Effect = Effect.HOLD
    integrated_number: str | None = None
    inquirer: str | None = None
    information: Word = EVERYTHING
    data_item: Word = EVERYTHING

    def __repr__(self) -> str:
        return "<SetItem>"


class ChangeItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SYM_90093. `lift` asks for it or carries it out, as the rules and the bar's state want."""

    bar_id: BarId
    event: Literal["check", "lift", "keep"]


class ViewItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SYM_90091: one bar, one person's bars (lifted ones too), or a page of all without anybody's number."""

    bar_id: BarId | None = None
    integrated_number: str | None = None
    after: Annotated[str, Meta(max_length=27)] = ""
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = 500
    lifted: bool = False

    def __repr__(self) -> str:
        return "<ViewItem>"


SET_ITEM = msgspec.json.Decoder(SetItem)
CHANGE_ITEM = msgspec.json.Decoder(ChangeItem)
VIEW_ITEM = msgspec.json.Decoder(ViewItem)


# --- setting and lifting


async def set_bar(acting: Acting, item: SetItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90092: works for the next answer; a suspension when a second person has agreed. Raises ProblemError 400, 403, 409."""
    agency = acting.desk.agency
    _right(acting, Function.BARS_CHANGE, item.information)
    _check(agency, item)
    two = acting.desk.rules.two_people_for_a_bar(item.information)
    first = BarState.ASKED if item.effect is Effect.SUSPEND else BarState.UNCHECKED if two else BarState.STANDING
    bar = Bar(
        bar_id=item.bar_id,
        place=item.place,
        effect=item.effect,
        cause=item.cause,
        integrated_number=item.integrated_number,
        inquirer=item.inquirer,
        information=item.information,
        data_item=item.data_item,
        state=first,
        set_by=acting.staff_id,
        set_at=now,
    )
    agency.bars.hold_to(bar)  # whoever is answered while this is on its way is answered under it
    done = await _commit(
        acting,
        Write(writing.SET, writing.set_row(agency.keys.ring, agency.id, bar)),
        bar,
        _entry(acting, bar, "set", now),
        begins=bar.state in WORKING,
    )
    if done:
        return shown(bar)
    before = await _one(agency, item.bar_id)
    if _same(before, bar):
        return shown(before)
    raise ProblemError(409, "bar_id_taken", "Another bar has this id; draw a new one.")


def _same(before: Bar, bar: Bar) -> bool:
    """Whether a bar that is there already is what was asked for again."""
    said = ("place", "effect", "cause", "integrated_number", "inquirer", "information", "data_item", "set_by")
    return all(getattr(before, name) == getattr(bar, name) for name in said)


def _check(agency: HostedAgency, item: SetItem) -> None:
    """1. the place that is named, and no other; 2. freezing is of a person, suspending of a person or the whole agency; 3. number, agency, information and item exist."""
    named = {
        Place.PERSON: item.integrated_number is not None,
        Place.INQUIRER: item.inquirer is not None,
        Place.ITEM: item.information != EVERYTHING,
        Place.AGENCY: item.information == EVERYTHING and item.effect is Effect.SUSPEND,
    }
    strange = (
        (item.place is not Place.PERSON and item.integrated_number is not None)
        or (item.place is not Place.INQUIRER and item.inquirer is not None)
        or (item.place is not Place.ITEM and item.data_item != EVERYTHING)
        or (item.place not in (Place.PERSON, Place.AGENCY) and item.effect is not Effect.HOLD)
    )
    if not named[item.place] or strange:
        raise ProblemError(
            400,
            "bar_malformed",
            "A bar names a person, an inquirer, an item of a kind of information, or the agency; only a person is frozen, only a person or the agency suspended.",
        )
    if item.integrated_number is not None:
        _number(item.integrated_number)
    if item.inquirer is not None and item.inquirer not in agency.register().agencies:
        raise ProblemError(400, "agency_unknown", "The register knows no such agency.")
    layouts = [one for one in agency.layouts if one.information == item.information]
    names = {name for one in layouts for data_set in one.data_sets.values() for name in data_set.items}
    if (item.information != EVERYTHING and not layouts) or (
        item.data_item != EVERYTHING and item.data_item not in names
    ):
        raise ProblemError(400, "information_unknown", "No layout here has this kind of information with this item.")


def _number(text: str) -> None:
    try:
        IntegratedAddresseeNumber.parse(text)
    except CodebookError:
        raise ProblemError(
            400, "integrated_number_malformed", "An integrated addressee number has 15 digits."
        ) from None


async def change(acting: Acting, item: ChangeItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90093: check, lift or keep a bar. Raises ProblemError 403, 404, 409."""
    agency = acting.desk.agency
    bar = await _one(agency, item.bar_id)
    if not acting.may(Function.BARS_CHANGE, information=bar.information):
        raise _unknown()
    two = bar.effect is Effect.SUSPEND or acting.desk.rules.two_people_for_a_bar(bar.information)
    event = BarEvent(item.event)
    if event is BarEvent.LIFT and await _is_asked_for_first(acting, bar, two=two):
        event = BarEvent.ASK_LIFT
    after = step(bar, event, acting.staff_id, now, two_people=two)
    match after:
        case BarRefusal.STATE:
            raise ProblemError(409, after.value, "The bar is not in a state for that; look at it again.")
        case BarRefusal.SECOND_PERSON:
            raise ProblemError(403, after.value, "A second person must do this; nobody checks or lifts their own.")
    agency.bars.hold_to(after)  # as when it was set
    row = (bar.bar_id, bar.version, after.state.value, after.asked_by, after.changed_by, now)
    entry = _entry(acting, after, event.value, now)
    try:
        begins = bar.state not in WORKING and after.state in WORKING
        done = await _commit(acting, Write(_CHANGE, row), after, entry, _first(bar, event), begins=begins)
    except FirstMayNotError:
        if event is BarEvent.CHECK:
            raise
        return await change(acting, item, now)  # of a lifting this one is the first now
    if not done:
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this bar; look at it again.")
    return shown(after)


async def _is_asked_for_first(acting: Acting, bar: Bar, *, two: bool) -> bool:
    """Whether a bar is not lifted by whoever wants it now, but waits for another one."""
    if bar.state in TO_BE_LIFTED:
        first = _first(bar, BarEvent.LIFT)
        return first is None or await still_may(acting.desk, first) is None
    return bar.state is BarState.UNCHECKED or (bar.state is BarState.STANDING and two)


def _first(bar: Bar, event: BarEvent) -> First | None:
    """Whoever asked for what two people do: for the lifting, or for the suspension."""
    asked_by = {
        (BarState.LIFT_ASKED, BarEvent.LIFT): bar.asked_by,
        (BarState.UNCHECKED_LIFT_ASKED, BarEvent.LIFT): bar.asked_by,
        (BarState.ASKED, BarEvent.CHECK): bar.set_by,
    }.get((bar.state, event))
    if asked_by is None:
        return None
    return First(staff_id=asked_by, function=Function.BARS_CHANGE, information=bar.information)


async def _commit(
    acting: Acting, guard: Write, bar: Bar, entry: NewEntry, first: First | None = None, *, begins: bool
) -> bool:
    """Bar, epoch, voided approvals and entries together, or False; whatever came of it, the bars are then those of the database.

    `begins`: the bar begins to work: at a number that was merged, at the one who lives on too. Whose bar is changed is told to the
    analysis of the access log as a look is.
    """
    agency, moved = acting.desk.agency, Write(writing.MOVED, (bar.bar_id, bar.integrated_number))
    number = (bar.integrated_number if begins else None) or ""
    other = await merges.lives_on(agency, number) if number else None
    carried = carrying.carry(agency, bar, other, agency.clock()) if other else carrying.Carried()
    entries: tuple[NewEntry, ...] = (entry, *carried.entries)
    if bar.integrated_number is not None:
        said = {"bar_id": bar.bar_id, "person": acting.desk.person_index(bar.integrated_number).hex()}
        entries += (acting.entry(entry.at, EntryKind.STAFF_OPERATED, Function.BARS_CHANGE, **said),)
    commit = Commit(step=_CHANGED, guard=guard, follow=(*carried.writes, moved), entries=entries)
    try:
        done = await acting.commit(
            commit, lambda grant: grant.covers(Function.BARS_CHANGE, information=bar.information), first
        )
    finally:
        await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    if done and number:
        await carrying.follow_merge(agency, number, other, agency.clock())
    return done


def _entry(acting: Acting, bar: Bar, event: str, now: datetime) -> NewEntry:
    return acting.entry(
        now,
        EntryKind.BARS_CHANGED,
        Function.BARS_CHANGE,
        integrated_number=bar.integrated_number,
        event=event,
        bar_id=bar.bar_id,
        place=bar.place.value,
        effect=bar.effect.value,
        cause=bar.cause.value,
        inquirer=bar.inquirer or "",
        information=bar.information,
        data_item=bar.data_item,
        state=bar.state.value,
    )


# --- looking


async def view(acting: Acting, item: ViewItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90091. Whose bar it is stands on record before it is shown. Raises ProblemError 400, 404."""
    agency = acting.desk.agency
    if item.bar_id is not None:
        bar = await _one(agency, item.bar_id)
        if not acting.may(Function.BARS_VIEW, information=bar.information):
            raise _unknown()
        await _on_record(acting, bar.integrated_number, {"bar_id": bar.bar_id}, now)
        return {"bars": [shown(bar, whose=True)], "next": None}
    if item.integrated_number is not None:
        _number(item.integrated_number)
        found = await _fetch(agency, "bars_of_person", whose.indexes(agency.keys.ring, item.integrated_number))
        await _on_record(acting, item.integrated_number, {"bars": len(found)}, now)
        return {"bars": [shown(bar, whose=True) for bar in _covered(acting, found)], "next": None}
    covered = acting.covered(Function.BARS_VIEW).column()
    found = await _fetch(agency, "bars_page", item.after, item.lifted, item.limit, covered)
    following = found[-1].bar_id if len(found) == item.limit else None
    return {"bars": [shown(bar) for bar in found], "next": following}


def _covered(acting: Acting, bars: list[Bar]) -> list[Bar]:
    return [bar for bar in bars if acting.may(Function.BARS_VIEW, information=bar.information)]


async def _on_record(acting: Acting, number: str | None, facts: dict[str, str | int], now: datetime) -> None:
    """The look, about whom by the keyed index that the analysis of the access log knows (SC-12)."""
    whom = {} if number is None else {"person": acting.desk.person_index(number).hex()}
    await acting.record(Function.BARS_VIEW, [{**facts, **whom}], now)


def _right(acting: Acting, function: Function, information: str) -> None:
    if not acting.may(function, information=information):
        raise ProblemError(403, "right_missing", "Your right does not cover this kind of information.")


async def _fetch(agency: HostedAgency, query: str, *values: Any) -> list[Bar]:
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL[query], *values)
    return [standing.read(row, agency.keys.ring, agency.id) for row in rows]


async def _one(agency: HostedAgency, bar_id: str) -> Bar:
    found = await _fetch(agency, "bar_one", bar_id)
    if not found:
        raise _unknown()
    return found[0]


def _unknown() -> ProblemError:
    return ProblemError(404, "bar_unknown", "There is no such bar; list the bars again.")


def shown(bar: Bar, *, whose: bool = False) -> dict[str, Any]:
    """A bar as staff see it; `whose`: with the person's number."""
    found = {
        name: getattr(bar, name)
        for name in ("bar_id", "inquirer", "information", "data_item", "set_by", "asked_by", "changed_by")
    }
    words = {name: getattr(bar, name).value for name in ("place", "effect", "cause", "state")}
    times = {
        "set_at": timestamp(bar.set_at),
        "changed_at": timestamp(bar.changed_at) if bar.changed_at is not None else None,
    }
    return found | words | times | ({"integrated_number": bar.integrated_number} if whose else {})
