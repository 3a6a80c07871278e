"""What staff order about the codes of their own system's people: another code, or none any more; and who has none, and why (LS-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from evidence.entry import EntryKind, other_entry
from gateway.linkage_server.access.look_ups import Look, look_up_commit
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.code_requests import store
from gateway.linkage_server.code_requests.standing import Ground, Standing, State
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from storage.committer import Applied, Commit, commit_step

ORDERED: Final = commit_step("linkage", "codes.ordered")
REPLACING_GROUNDS: Final = frozenset({Ground.RESIDENT_RECORD_CHANGED, Ground.NEW_EPOCH})
_ROUNDS: Final = 5
CANCELLING_GROUNDS: Final = frozenset({Ground.MOVED_OUT, Ground.DECEASED, Ground.RECORD_CANCELLED})


class No(StrEnum):
    UNKNOWN = "addressee_unknown"
    NOT_BOUND = "code_not_bound"
    NOT_LOOKED_AT = "code_not_looked_at"
    UNDER_WAY = "code_under_way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One person's answer: where the person stands now, or why nothing was ordered."""

    state: State | None
    no: No | None


def _replaced(held: Standing, ground: Ground, message_id: str, now: datetime) -> Standing | No | None:
    """Another code; for somebody whose code staff had cancelled, one again. None: this very order was given before."""
    if held.message_id == message_id:
        return None
    if held.state is State.CANCELLED and held.by_hand:
        state = State.NONE if held.number_index is not None else State.WITHOUT_INDIVIDUAL_NUMBER
        return replace(held, state=state, reason=None, message_id=message_id, by_hand=False, next_at=now)
    if held.state is State.REPLACING:
        return No.UNDER_WAY
    if held.state is not State.BOUND:
        return No.NOT_BOUND
    return replace(held, state=State.REPLACING, reason=ground, message_id=message_id, next_at=now)


def _cancelled(held: Standing, ground: Ground, now: datetime) -> Standing | No | None:
    if held.state in {State.CANCELLING, State.CANCELLED}:
        return None if held.by_hand else replace(held, by_hand=True, next_at=now)
    state = State.CANCELLED if held.state is State.WITHOUT_INDIVIDUAL_NUMBER else State.CANCELLING
    return replace(held, state=state, reason=ground, by_hand=True, next_at=now)


async def order(
    sight: Sight, addressee_numbers: Sequence[str], ground: Ground, message_ids: Sequence[str], now: datetime
) -> list[Ordered]:
    """Replace or cancel, as the ground says, with one entry; answers in order. Raises StorageUnavailableError.

    Whose code the server has moved on meanwhile is looked at anew; where it does so again and again, nothing was ordered: `code_under_way`.
    """
    rounds = 0
    while True:
        held = await store.standings_of(sight.agency, sight.system, addressee_numbers)
        answers, orders = _decided(held, addressee_numbers, ground, message_ids, now)
        if not orders or isinstance(await sight.agency.committer.apply(_commit(sight, ground, orders, now)), Applied):
            return answers
        rounds += 1
        if rounds == _ROUNDS:
            break
    moving = {number: Ordered(state=before.state, no=No.UNDER_WAY) for number, before, _ in orders}
    numbers = (held[one][0] if one in held else None for one in addressee_numbers)
    return [moving.get(number or -1, answer) for number, answer in zip(numbers, answers, strict=True)]


def _decided(
    held: Mapping[str, tuple[int, Standing | None]],
    addressee_numbers: Sequence[str],
    ground: Ground,
    message_ids: Sequence[str],
    now: datetime,
) -> tuple[list[Ordered], list[store.Order]]:
    answers: list[Ordered] = []
    orders: dict[int, store.Order] = {}
    for addressee_number, message_id in zip(addressee_numbers, message_ids, strict=True):
        if addressee_number not in held:
            answers.append(Ordered(state=None, no=No.UNKNOWN))
            continue
        number, before = held[addressee_number]
        if before is None:
            answers.append(Ordered(state=State.NONE, no=No.NOT_LOOKED_AT))
            continue
        replaces = ground in REPLACING_GROUNDS
        after = _replaced(before, ground, message_id, now) if replaces else _cancelled(before, ground, now)
        if isinstance(after, No):
            answers.append(Ordered(state=before.state, no=after))
            continue
        if after is not None:
            orders.setdefault(number, (number, before, after))
        answers.append(Ordered(state=(after or before).state, no=None))
    return answers, list(orders.values())


def _commit(sight: Sight, ground: Ground, orders: Sequence[store.Order], now: datetime) -> Commit:
    """The order, and for whom it was: the access log finds it by person."""
    entry = other_entry(
        id=new_entry_id(now),
        at=now,
        kind=EntryKind.CODES_ORDERED,
        actor=sight.client_id,
        facts={
            "system": sight.system,
            "staff": sight.staff,
            "affair": sight.affair.code,
            "ground": ground.value,
            "count": len(orders),
        },
    )
    seen = look_up_commit(sight, Look.CODE_ORDER, [number for number, _, _ in orders])
    guard, follow = store.ordering(orders)
    return Commit(
        step=ORDERED, guard=guard, follow=(*follow, *seen.follow), entries=(new_entry(entry, now), *seen.entries)
    )


# --- the report


async def counted(agency: Agency) -> list[dict[str, Any]]:
    """People by state and reason."""
    return [
        {"state": state.value, "reason": reason, "people": people}
        for state, reason, people in await store.counts(agency)
    ]


async def listed(
    agency: Agency, system: str, after: str, states: Sequence[State], limit: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """The system's own people in these states by 宛名番号, and whose they are (for the record of the look)."""
    rows = await store.people_of_system(agency, system, after, states, limit)
    people = [
        {
            "addressee_number": row["addressee_number"],
            "state": row["state"],
            "reason": row["reason"],
            "since": row["changed_at"].isoformat() if row["changed_at"] else None,
        }
        for row in rows
    ]
    return people, [row["integrated_number"] for row in rows]
