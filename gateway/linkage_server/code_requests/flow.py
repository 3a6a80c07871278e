"""符号取得 (LS-4): what is due is done, a list at a time. The acquisition number is in memory from one call to the next and nowhere else.

A crash loses nothing: whoever is not bound is asked about again, and each step may be repeated (the intermediate server gives the same or a
new acquisition number, the resident network takes a request again, the state says what is done).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from prometheus_client import Counter

from codebook.individual_number import IndividualNumber
from gateway.linkage_server.code_requests import store
from gateway.linkage_server.code_requests.standing import Rules, Standing, State, follow
from gateway.linkage_server.code_requests.steps import settled
from gateway.linkage_server.code_requests.store import Due
from gateway.linkage_server.code_requests.ways import AcquisitionNumberInHand, Ask, Taken, Way, code
from gateway.linkage_server.outbound import (
    MOST_AT_ONCE,
    SEND_ACQUISITION_NUMBERS,
    SEND_CODE_CANCELLATIONS,
    SEND_CODE_REPLACEMENTS,
    SEND_CODE_STATUS,
    Answer,
)
from gateway.linkage_server.tenant import Agency
from storage.database import Connection
from storage.fault_points import declare

STATES_STEP: Final = declare("linkage", "commit.code_states")
FOLLOWED_STEP: Final = declare("linkage", "commit.code_followed")
HASTENED_STEP: Final = declare("linkage", "commit.code_hastened")
MOVED = Counter("sekisho_code_requests", "People moved on the way to a code", ["state"])
_PAGE: Final = 2_000


# --- a run


async def hasten_page(agency: Agency) -> bool:
    """Everybody without a code is due at once, a page at a time: a ward is more than one statement may take. False: all runs are through with it."""
    async with agency.database.inside(agency.tenant) as connection:
        await store.lock_standings(connection)
        more = await store.hasten_page(connection, _PAGE)
        HASTENED_STEP.before.reached()
    HASTENED_STEP.after.reached()
    return more


# --- people who changed


async def follow_page(agency: Agency, rules: Rules, after: int, now: datetime) -> int | None:
    """Look at the next people who changed, and say where each of them stands; returns how far it got, None: there is nobody."""
    async with agency.database.inside(agency.tenant) as connection:
        await store.lock_standings(connection)
        changed = await store.changed_people(connection, after, _PAGE)
        if not changed:
            return None
        going = {one.number: to for one in changed if (to := follow(one.person, one.held, rules, now)) is not None}
        await store.put_standings(connection, going, now)
        await store.move_cursor(connection, changed[-1].revision)
        FOLLOWED_STEP.before.reached()
    FOLLOWED_STEP.after.reached()
    return changed[-1].revision


async def _look_again(connection: Connection, rules: Rules, numbers: Sequence[int], now: datetime) -> None:
    """Whoever was cancelled and wants a code again, or was merged meanwhile: the number was corrected, the person came back."""
    changed = await store.these_people(connection, numbers)
    going = {one.number: to for one in changed if (to := follow(one.person, one.held, rules, now)) is not None}
    await store.put_standings(connection, going, now)


# --- what is due


async def _keep(
    agency: Agency, moves: Sequence[tuple[int, Standing, Standing]], now: datetime, *, again: Rules | None = None
) -> set[int]:
    """`again`: whoever is cancelled by this is looked at again in the same transaction, since nothing else looks at them until they change."""
    STATES_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        if again is not None:
            await store.lock_standings(connection)
        moved = await store.advance(connection, moves, now)
        if again is not None:
            cancelled = [number for number, _, after in moves if number in moved and after.state is State.CANCELLED]
            await _look_again(connection, again, cancelled, now)
    STATES_STEP.after.reached()
    for number, before, after in moves:
        if number in moved and after.state is not before.state:
            MOVED.labels(after.state.value).inc()
    return moved


def _items(people: Sequence[Due]) -> list[dict[str, Any]]:
    return [{"integrated_number": f"{one.number:015d}"} for one in people]


def _refusal(answer: Answer) -> str:
    refused = answer.get("refused")
    return code(refused.get("reason")) if isinstance(refused, dict) else "answer_malformed"


async def cancel_due(agency: Agency, rules: Rules, now: datetime) -> int:
    """IF_FGU_90021: the intermediate server ends what lives of these people's codes, and is told into whom those were merged who were: which of several merges is
    undone later, that server can then tell (docs/adr/0115).
    """
    people = await store.due(agency, (State.CANCELLING,), now, MOST_AT_ONCE)
    if not people:
        return 0
    items = [
        {
            **item,
            "reason": one.held.reason,
            **({"lives_on": f"{one.merged_into:015d}"} if one.merged_into is not None else {}),
        }
        for item, one in zip(_items(people), people, strict=True)
    ]
    answers = await agency.outbound.ask_list(
        agency.outbound.intermediate("code-cancellations"), items, step=SEND_CODE_CANCELLATIONS
    )
    moves = [
        (
            one.number,
            one.held,
            settled(one.held, State.CANCELLED if answer.get("cancelled") is True else State.CANCELLING, now),
        )
        for one, answer in zip(people, answers, strict=True)
    ]
    await _keep(agency, moves, now, again=rules)
    return len(people)


async def request_due(agency: Agency, way: Way, now: datetime) -> int:
    """IF_FGU_90006, then the request over the agency's way. After a refusal of the resident network's the person is asked about anew."""
    people = await store.due(agency, (State.NONE, State.REFUSED), now, MOST_AT_ONCE)
    if people:
        answers = await agency.outbound.ask_list(
            agency.outbound.intermediate("acquisition-numbers"), _items(people), step=SEND_ACQUISITION_NUMBERS
        )
        await _spend(agency, way, people, answers, now)
    return len(people)


async def replace_due(agency: Agency, way: Way, now: datetime) -> int:
    """IF_FGU_90022, then the same. Asked again under the same message id it says `bound` once the new code is there."""
    people = await store.due(agency, (State.REPLACING,), now, MOST_AT_ONCE)
    if people:
        items = [
            {**item, "message_id": one.held.message_id, "reason": one.held.reason}
            for item, one in zip(_items(people), people, strict=True)
        ]
        answers = await agency.outbound.ask_list(
            agency.outbound.intermediate("code-replacements"), items, step=SEND_CODE_REPLACEMENTS
        )
        await _spend(agency, way, people, answers, now)
    return len(people)


async def _spend(agency: Agency, way: Way, people: Sequence[Due], answers: Sequence[Answer], now: datetime) -> None:
    """Send a request for everybody who was given an acquisition number; the others are bound already, or wait."""
    moves: list[tuple[int, Standing, Standing]] = []
    asks: list[Ask] = []
    for one, answer in zip(people, answers, strict=True):
        given = answer.get("acquisition_number")
        held = one.held
        if answer.get("bound") is True:
            moves.append((one.number, held, settled(held, State.BOUND, now)))
        elif isinstance(given, str) and one.sealed is not None:
            asks.append(_ask(agency, one, given))
        elif held.state is State.REPLACING and _refusal(answer) == "code_not_bound":
            moves.append((one.number, held, replace(held, state=State.NONE, reason=None, next_at=now)))
        else:
            moves.append((one.number, held, settled(held, State.NONE, now, reason=_refusal(answer))))
    taken = await way.send(asks, now) if asks else []
    for ask, found in zip(asks, taken if taken is not None else (), strict=taken is not None):
        moves.append((ask.number, ask.held, _after_request(ask.held, found, now)))
    await _keep(agency, moves, now)


def _ask(agency: Agency, one: Due, acquisition_number: str) -> Ask:
    opened = agency.keys.open_individual_number(one.sealed or b"", one.number)
    return Ask(
        number=one.number,
        held=one.held,
        acquisition_number=AcquisitionNumberInHand(acquisition_number),
        individual_number=IndividualNumber.parse(opened),
    )


def _after_request(held: Standing, taken: Taken, now: datetime) -> Standing:
    if taken.refused is not None:
        return settled(held, State.REFUSED, now, reason=taken.refused)
    if taken.retry is not None:
        return settled(held, State.NONE, now, reason=taken.retry)
    return settled(held, State.REQUESTED, now)


async def confirm_due(agency: Agency, now: datetime) -> int:
    """IF_FGU_90010: has the code arrived? Who is unknown over there is asked for anew."""
    people = await store.due(agency, (State.REQUESTED,), now, MOST_AT_ONCE)
    if not people:
        return 0
    answers = await agency.outbound.ask_list(
        agency.outbound.intermediate("code-status"), _items(people), step=SEND_CODE_STATUS
    )
    moves = [
        (one.number, one.held, settled(one.held, _STATUS.get(str(answer.get("status")), State.REQUESTED), now))
        for one, answer in zip(people, answers, strict=True)
    ]
    await _keep(agency, moves, now)
    return len(people)


_STATUS: Final[Mapping[str, State]] = {
    "bound": State.BOUND,
    "replacing": State.BOUND,
    "not_renewed": State.BOUND,
    "none": State.NONE,
    "cancelled": State.NONE,
}
