"""Codes follow the core's epochs (IS-1): when a new one is announced, every code is renewed at the core, in batches beside the traffic.

The core gives the new code for the old one; neither the resident network nor the linkage server is asked. The old code stays answered to
for a while, as a replaced one. When no code of an epoch before is left, the core is told, and asks under the new epoch from then on.
Whatever breaks off goes on at the next turn: what is left to do stands in the rows (docs/adr/0046).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record
from prometheus_client import Counter

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes.binding import (
    CODE_SIZE,
    CODE_UNREADABLE,
    PURPOSE,
    epoch_of,
    indexes_of_codes,
    kept_code,
    mark_of_replaced,
    read_code,
    whose,
)
from gateway.intermediate_server.codes.states import Event, State, move
from gateway.intermediate_server.metrics import CODES
from gateway.intermediate_server.network.wire import Refusal, reason_code
from gateway.intermediate_server.records.exchange_entries import note_event
from keys import labels
from keys.binding import bind
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step
from storage.resealing.job import rest_s
from storage.turns import with_turns
from transport.channel import ChannelError

_SQL = sql.load("gateway.intermediate_server.codes")
_RENEW: Final = Statement("renew_code", _SQL["renew_code"])
_REFUSE: Final = Statement("refuse_renewal", _SQL["refuse_renewal"])
_ADVANCE: Final = Statement("advance_renewal", _SQL["advance_renewal"])
_SETTLE: Final = Statement("settle_renewal", _SQL["settle_renewal"])
_RENEWED: Final = commit_step("intermediate", "codes.renewed")
_SETTLED: Final = commit_step("intermediate", "codes.epoch_settled")
BATCH: Final = 64
"""Codes at a time: a longer batch is one that an inquiry beside it waits for."""
FAILURES: Final = Counter("sekisho_code_renewal_failures", "Turns of the renewal of codes that failed", ["reason"])


class _Epoch(msgspec.Struct, frozen=True):
    newest: int


class _Epochs(msgspec.Struct, frozen=True):
    """Answer of IF_FGU_90131: the caller's own."""

    epochs: tuple[_Epoch]


class _Renewed(msgspec.Struct, frozen=True):
    """Answer of IF_FGU_90130: one of the two."""

    code: bytes | None = None
    refused: Refusal | None = None


async def load(agency: HostedAgency) -> None:
    """Know under which epoch all codes are. Raises StorageUnavailableError."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["latest_renewal"])
    if row is not None:
        agency.renewal.settled = row["epoch"] if row["state"] == "settled" else row["epoch"] - 1


async def turn(agency: HostedAgency) -> None:
    """Ask for the newest epoch, renew what is of an epoch before, and say when that is done. Raises ChannelError, StorageUnavailableError."""
    newest = await _told(agency)
    if newest <= agency.renewal.settled:
        if newest > 1:
            await _renew_all(agency, newest)  # a code that was on its way when the epoch was settled
        return
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["begin_renewal"], newest, agency.clock())
    await _renew_all(agency, newest)
    agency.renewal.settled = newest
    await _renew_all(agency, newest)
    now = agency.clock()
    entry = note_event(agency, now, EntryKind.CODES_EPOCH, event="settled", epoch=newest)
    await agency.committer.apply(Commit(step=_SETTLED, guard=Write(_SETTLE, (newest, now)), entries=(entry,)))
    await _told(agency)


async def _told(agency: HostedAgency) -> int:
    """Say which epoch is settled here; the newest one of the core."""
    answer = await agency.code_epochs.ask({"settled": agency.renewal.settled})
    try:
        return msgspec.convert(answer, _Epochs).epochs[0].newest
    except msgspec.ValidationError:
        raise ChannelError("peer_answer_malformed") from None


async def _renew_all(agency: HostedAgency, epoch: int) -> None:
    """Batch after batch until nothing is left; after each the traffic has the time to itself, as beside rows that are sealed anew (`reseal_share`)."""
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["to_renew"], epoch, BATCH)
        if not rows:
            return
        await _renew(agency, rows, epoch)
        await asyncio.sleep(rest_s(loop.time() - begun, agency.limits.reseal_share))


async def _renew(agency: HostedAgency, rows: Sequence[Record], epoch: int) -> None:
    """One batch: asked at the core, and everything that came of it in one commit."""
    codes = [read_code(agency, row["integrated_number"], row["code_sealed"]) async for row in with_turns(rows)]
    asked = iter(await agency.code_renewals.ask_all([{"code": code} for code in codes if code is not None]))
    answers = [CODE_UNREADABLE if code is None else _read(next(asked), epoch) for code in codes]
    indexes = indexes_of_codes(agency, [answer for answer in answers if isinstance(answer, bytes)])
    async with agency.database.inside(agency.tenant) as connection:
        taken = await whose(connection, indexes)
    now = agency.clock()
    renewed: list[Write] = []
    refused: list[Write] = []
    async for row, answer in with_turns(zip(rows, answers, strict=True)):
        number, reason = row["integrated_number"], answer
        if isinstance(answer, bytes):
            if taken.setdefault(answer, number) == number:
                renewed.append(_renewal(agency, row, answer, epoch, now))
                continue
            reason = "code_of_another_person"
        refused.append(Write(_REFUSE, (row["acquisition_index"], row["code_index"], reason, now)))
    advance = Write(_ADVANCE, (epoch, len(renewed), len(refused)))
    entry = note_event(agency, now, EntryKind.CODES_RENEWED, epoch=epoch, count=len(renewed), not_renewed=len(refused))
    await agency.committer.apply(Commit(step=_RENEWED, follow=(*renewed, *refused, advance), entries=(entry,)))
    CODES.labels("renewed").inc(len(renewed))
    CODES.labels("renewal_refused").inc(len(refused))


def _renewal(agency: HostedAgency, row: Record, code: bytes, epoch: int, now: datetime) -> Write:
    move(State.BOUND, Event.SUCCEEDED)
    index, sealed = kept_code(agency, row["integrated_number"], code)
    tombstone = agency.keys.ring.named_index(PURPOSE, bind(labels.RENEWED_CODE_TOMBSTONE, row["code_index"]))
    row_of_it = (row["acquisition_index"], row["code_index"], index, sealed, epoch, tombstone, row["epoch"], now)
    return Write(_RENEW, (*row_of_it, mark_of_replaced(agency, row)))


def _read(answer: Any, epoch: int) -> bytes | str:
    """The new code, or why there is none. Raises ChannelError for what is no answer."""
    try:
        found = msgspec.convert(answer, _Renewed)
    except msgspec.ValidationError:
        raise ChannelError("peer_answer_malformed") from None
    if found.refused is not None:
        return reason_code(found.refused.reason)
    if found.code is None or len(found.code) != CODE_SIZE or epoch_of(found.code) != epoch:
        raise ChannelError("peer_answer_malformed")
    return found.code
