"""The end of a 符号 (FGU, IS-1): cancelled for good, or replaced by another code of the same person; and how codes stand.

A cancelled code names nobody from then on, nor does any that it had replaced: all were somebody else's if it was. A replaced one still names its
person for a while, since other agencies replace theirs later.
The code itself goes with its end; its blind index stays, so that a question under it is answered with the reason. Exchange records stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server import carrying, merges
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes.binding import (
    Answer,
    NumberItem,
    fresh_number,
    is_number,
    is_replaced_of,
    keep_numbers,
    living_codes,
    number_given,
    refused,
    replaced_before,
)
from gateway.intermediate_server.codes.states import REPLACING, Ending, Event, State, move
from gateway.intermediate_server.metrics import CODES
from gateway.intermediate_server.records.exchange_entries import note_event
from storage import sql
from storage.committer import Commit, NewEntry, Statement, Write, commit_step
from storage.database import Connection

_SQL = sql.load("gateway.intermediate_server.codes")
_CANCEL = Statement("cancel_code", _SQL["cancel_code"])
_CANCELLED = commit_step("intermediate", "codes.cancelled")
CODE_REPLACED = "code_replaced"
CODE_CANCELLED = "code_cancelled"


class CancelItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90021. `lives_on`: the number that this one was merged into, whatever became of that one since; there only
    when it was (docs/adr/0039, 0115).
    """

    integrated_number: str
    reason: Ending
    lives_on: str | msgspec.UnsetType = msgspec.UNSET


class ReplaceItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90022. `message_id`: of this replacement; asked again under it, the same answer."""

    integrated_number: str
    message_id: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,160}\Z")]
    reason: Ending


class HoldersItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90185: the next people with a code, after an integrated number."""

    after: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{15})?\Z")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1_000


HOLDERS_ITEM = msgspec.json.Decoder(HoldersItem)
CANCEL_ITEM = msgspec.json.Decoder(CancelItem)
REPLACE_ITEM = msgspec.json.Decoder(ReplaceItem)


async def cancel_codes(agency: HostedAgency, items: list[CancelItem], now: datetime) -> list[Answer]:
    """IF_FGU_90021: whatever lives of a person's codes ends. Who has none, or none any more, is `cancelled` as well.

    The bars of whoever was merged are set at the number that lives on, before they are `cancelled`; who that is is remembered for later ones (SC-4).
    """
    good = [
        item for item in items if is_number(item.integrated_number) and (not item.lives_on or is_number(item.lives_on))
    ]
    wanted = {item.integrated_number: item.reason for item in good}
    told = {item.integrated_number: item.lives_on for item in good if item.lives_on}
    held = await living_codes(agency, sorted(wanted))
    writes = []
    for number, codes in held.items():
        for state, row in codes.items():
            move(state, Event.CANCELLED)
            writes.append(Write(_CANCEL, (row["acquisition_index"], wanted[number].value, now)))
    entries: tuple[NewEntry, ...] = ()
    if writes:
        gone = [("person_code", write.row[0]) for write in writes] + await replaced_before(agency, held)
        await asyncio.to_thread(agency.erasures.write, gone, now)
        entries = (note_event(agency, now, EntryKind.CODES_ENDED, count=len(writes), people=len(held)),)
    commit = Commit(step=_CANCELLED, follow=(*writes, *merges.remembered(told)), entries=entries)
    if told:
        await carrying.commit(agency, await merges.live_on(agency, told), commit, now)
    elif writes:
        await agency.committer.apply(commit)
    CODES.labels("cancelled").inc(len(writes))
    return [
        {"cancelled": True} if item.integrated_number in wanted else refused("integrated_number_malformed")
        for item in items
    ]


async def replace_codes(agency: HostedAgency, items: list[ReplaceItem], now: datetime) -> list[Answer]:
    """IF_FGU_90022: an acquisition number for another code of a person who has one; the old one is good until the new one comes."""
    held = await living_codes(agency, sorted({item.integrated_number for item in items}))
    answers: list[Answer] = []
    writes: dict[str, tuple[str, Write]] = {}
    for item in items:
        codes = held.get(item.integrated_number, {})
        bound, requested = codes.get(State.BOUND), codes.get(State.REQUESTED)
        if item.reason not in REPLACING:
            answers.append(refused("reason_replaces_nothing"))
        elif bound is None:
            answers.append(refused("code_not_bound"))
        elif bound["message_id"] == item.message_id:
            answers.append({"bound": True})
        else:
            given = number_given(agency, requested, now) if requested else None
            if given is None or (requested and requested["message_id"] != item.message_id):
                known = writes.get(item.integrated_number) or fresh_number(
                    agency, item.integrated_number, now, message_id=item.message_id, reason=item.reason.value
                )
                writes[item.integrated_number] = known
                given = known[0]
            answers.append({"acquisition_number": given})
    await keep_numbers(agency, [write for _, write in writes.values()])
    return answers


async def code_status(agency: HostedAgency, items: list[NumberItem]) -> list[Answer]:
    """IF_FGU_90010: how each person's code stands; `replacing`: bound, and another one is on its way; `not_renewed`: bound, and the core did not renew it."""
    numbers = [item.integrated_number for item in items]
    held = await living_codes(agency, numbers)
    ended = await why_no_code(agency, [number for number in numbers if number not in held])
    return [{"status": _status(held.get(number, {}), ended.get(number))} for number in numbers]


def _status(codes: Mapping[State, Record], why_none: str | None) -> str:
    if State.BOUND in codes:
        not_renewed = codes[State.BOUND]["renewal_refused"] is not None
        return "replacing" if State.REQUESTED in codes else "not_renewed" if not_renewed else State.BOUND.value
    if State.REQUESTED in codes:
        return State.REQUESTED.value
    return State.CANCELLED.value if why_none == CODE_CANCELLED else State.NONE.value


async def code_counts(agency: HostedAgency) -> list[Answer]:
    """IF_FGU_90023: codes by state and epoch, the ended ones by reason too, the bound ones by why they were not renewed."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["code_counts"])
    return [dict(row) for row in rows]


async def why_no_code(agency: HostedAgency, numbers: Sequence[str]) -> dict[str, str]:
    """Of people without a living code: those whose code was cancelled → that reason."""
    if not numbers:
        return {}
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["latest_ends"], list(numbers))
    return {row["integrated_number"]: CODE_CANCELLED for row in rows if row["state"] == State.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """Whom a code named that lives no more. `refusal` None: a replaced one that is still answered to. `integrated_number` None: a replaced one
    whose mark does not say that it was this person's; it is refused.
    """

    integrated_number: str | None
    refusal: str | None


async def former_codes(
    agency: HostedAgency, connection: Connection, code_indexes: Mapping[bytes, bytes], now: datetime
) -> dict[bytes, Former]:
    """What is known of codes that name nobody now (`binding.indexes_of_codes`), in the caller's transaction; of several ends the latest."""
    found = {}
    rows = await connection.fetch(_SQL["former_by_code"], list(code_indexes))
    for row in sorted(rows, key=lambda one: one["ended_at"]):
        replaced, number = row["state"] == State.REPLACED and row["living"], row["integrated_number"]
        in_time = replaced and now < row["ended_at"] + agency.limits.replaced_code_for
        theirs = in_time and is_replaced_of(agency, row)
        refusal = None if theirs else CODE_REPLACED if replaced else CODE_CANCELLED
        found[code_indexes[row["code_index"]]] = Former(
            integrated_number=None if in_time and not theirs else number, refusal=refusal
        )
    return found


async def expire_requests(agency: HostedAgency, now: datetime) -> None:
    """Requests whose window has passed: the acquisition number is forgotten but for its tombstone (番号法21条の2第3項)."""
    async with agency.database.inside(agency.tenant) as connection:
        gone = await connection.fetch(_SQL["expire_requests"], now)
    for _ in gone:
        move(State.REQUESTED, Event.WINDOW_PASSED)
    CODES.labels("expired").inc(len(gone))


async def code_holders(agency: HostedAgency, items: list[HoldersItem]) -> list[Answer]:
    """IF_FGU_90185: integrated numbers, and no code; what the linkage server does not know any more it can have cancelled."""
    answers: list[Answer] = []
    async with agency.database.inside(agency.tenant) as connection:
        for item in items:
            rows = await connection.fetch(_SQL["code_holders"], item.after, item.limit)
            answers.append({"integrated_numbers": [row["integrated_number"] for row in rows]})
    return answers
