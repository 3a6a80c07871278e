"""符号管理 (FGU, IS-1): 団体内統合宛名番号 ⇔ 符号. A code is used for information linkage alone (SC-9): it leaves this module sealed, or to the network.

The acquisition number (処理通番) ties a request to the code that comes back; it is bound to this agency and a time window, unlike any person's number,
and after use only a keyed tombstone stays, so that a redelivery is told from a forgery (番号法21条の2).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from asyncpg import Record

from codebook.errors import CodebookError
from codebook.identifiers import ACQUISITION_PREFIX, IntegratedAddresseeNumber, parse_acquisition_number
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes.states import Ending, Event, State, move
from gateway.intermediate_server.metrics import CODES
from gateway.intermediate_server.records.exchange_entries import note_event
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from keys.ring import version_of_index
from storage import sql
from storage.committer import Applied, Commit, Statement, Write, commit_step
from storage.database import Connection

_LOG = structlog.get_logger()
_SQL = sql.load("gateway.intermediate_server.codes")
_REQUEST = Statement("request_code", _SQL["request_code"])
_SUCCEED = Statement("succeed_code", _SQL["succeed_code"])
_BIND = Statement("bind_code", _SQL["bind_code"])
_REQUESTED = commit_step("intermediate", "codes.requested")
_BOUND = commit_step("intermediate", "codes.bound")

CODE_SIZE = 34
_EPOCH_AT = 1
"""Which byte of a code says its epoch (docs/architecture.md)."""
PURPOSE = "codes"
CODE_UNREADABLE: Final = "own_code_unreadable"
Answer = dict[str, object]


class NumberItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90006 and 90010."""

    integrated_number: str


class CodeItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90009."""

    acquisition_number: str
    code: bytes


NUMBER_ITEM = msgspec.json.Decoder(NumberItem)
CODE_ITEM = msgspec.json.Decoder(CodeItem)


def is_number(text: str) -> bool:
    try:
        IntegratedAddresseeNumber.parse(text)
    except CodebookError:
        return False
    return True


def retry(reason: str) -> Answer:
    return {"retry": reason}


def epoch_of(code: bytes) -> int:
    """Of a code of the right size."""
    return code[_EPOCH_AT]


def refused(reason: str) -> Answer:
    return {"refused": {"reason": reason}}


def kept_code(agency: HostedAgency, integrated_number: str, code: bytes) -> tuple[bytes, bytes]:
    """How a code is kept: the index that finds it, and sealed; both under the primary version."""
    sealed = agency.keys.ring.encrypt(PURPOSE, code, bind(labels.LINKAGE_CODE, agency.id, integrated_number))
    return agency.keys.ring.named_index(PURPOSE, bind(labels.LINKAGE_CODE_INDEX, code)), sealed


def indexes_of_codes(agency: HostedAgency, codes: Iterable[bytes]) -> dict[bytes, bytes]:
    """What codes that arrive are looked for by → the code; several lead to one while their key is being changed."""
    return {
        index: code
        for code in codes
        for index in agency.keys.ring.named_indexes(PURPOSE, bind(labels.LINKAGE_CODE_INDEX, code))
    }


def open_code(agency: HostedAgency, integrated_number: str, sealed: bytes) -> bytes:
    """Raises SealBroken, KeyUnusable."""
    return agency.keys.ring.decrypt(PURPOSE, sealed, bind(labels.LINKAGE_CODE, agency.id, integrated_number))


def read_code(agency: HostedAgency, integrated_number: str, sealed: bytes) -> bytes | None:
    """None: it does not open any more, since somebody changed the row or its key is gone; that it was so stands in the operational log."""
    try:
        return open_code(agency, integrated_number, sealed)
    except (SealBroken, KeyUnusable) as failure:
        _LOG.error("codes:unreadable", agency=agency.id, error=type(failure).__name__)
        return None


def is_code_of(agency: HostedAgency, integrated_number: str, sealed: bytes, code: bytes) -> bool:
    """Whether this is the code that was kept for this person: what finds a row says nothing of whose it is."""
    kept = read_code(agency, integrated_number, sealed)
    return kept is not None and hmac.compare_digest(kept, code)


def mark_of_replaced(agency: HostedAgency, row: Record) -> bytes | None:
    """What a bound code (`row`) bears once another takes its place: that it was this person's. None where it is not: it is answered to no more."""
    code = read_code(agency, row["integrated_number"], row["code_sealed"])
    if code is None or row["code_index"] not in indexes_of_codes(agency, [code]):
        return None
    return _replaced_mark(agency, row)


def is_replaced_of(agency: HostedAgency, row: Record) -> bool:
    """As `is_code_of` of one that was replaced, which is kept no more: by its mark, good as long as the version of its index."""
    try:
        return row["mark"] is not None and hmac.compare_digest(_replaced_mark(agency, row), row["mark"])
    except KeyUnusable:
        return False


def _replaced_mark(agency: HostedAgency, row: Record) -> bytes:
    said = bind(labels.REPLACED_CODE, agency.id, row["integrated_number"], row["code_index"])
    return agency.keys.ring.named_index(PURPOSE, said, version=version_of_index(row["code_index"]))


def _acquisition_index(agency: HostedAgency, number: str) -> bytes:
    return agency.keys.ring.named_index(PURPOSE, bind(labels.ACQUISITION_TOMBSTONE, number))


def _acquisition_indexes(agency: HostedAgency, number: str) -> tuple[bytes, ...]:
    return agency.keys.ring.named_indexes(PURPOSE, bind(labels.ACQUISITION_TOMBSTONE, number))


def _acquisition_aad(agency: HostedAgency, integrated_number: str) -> bytes:
    return bind(labels.ACQUISITION_TOMBSTONE, agency.id, integrated_number)


async def living_codes(agency: HostedAgency, numbers: Sequence[str]) -> dict[str, dict[State, Record]]:
    """Person → what lives of their codes: none, one, or a bound and a requested one."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["codes_of"], list(numbers))
    found: dict[str, dict[State, Record]] = {}
    for row in rows:
        found.setdefault(row["integrated_number"], {})[State.BOUND if row["bound"] else State.REQUESTED] = row
    return found


def number_given(agency: HostedAgency, row: Record, now: datetime) -> str | None:
    """The acquisition number of a request whose window is open; None too where it does not open any more: another one is given."""
    return None if row["expires_at"] <= now else _read_number(agency, row)


def _read_number(agency: HostedAgency, row: Record) -> str | None:
    """The acquisition number that was given for this row's person; None as of `read_code`."""
    aad = _acquisition_aad(agency, row["integrated_number"])
    try:
        return agency.keys.ring.decrypt(PURPOSE, row["acquisition_sealed"], aad).decode()
    except (SealBroken, KeyUnusable) as failure:
        _LOG.error("codes:unreadable", agency=agency.id, error=type(failure).__name__)
        return None


def fresh_number(
    agency: HostedAgency, number: str, now: datetime, *, message_id: str | None = None, reason: str | None = None
) -> tuple[str, Write]:
    """A new acquisition number for a person, and the write that keeps it while it is out."""
    fresh = agency.new_id(ACQUISITION_PREFIX, now)
    sealed = agency.keys.ring.encrypt(PURPOSE, fresh.encode(), _acquisition_aad(agency, number))
    until = now + agency.limits.acquisition_within
    return fresh, Write(_REQUEST, (number, _acquisition_index(agency, fresh), sealed, until, message_id, reason))


async def whose(connection: Connection, code_indexes: Mapping[bytes, bytes]) -> dict[bytes, str]:
    """Code → whose it is here already; `code_indexes`: of `indexes_of_codes`."""
    rows = await connection.fetch(_SQL["bound_already"], list(code_indexes))
    return {code_indexes[row["code_index"]]: row["integrated_number"] for row in rows}


async def replaced_before(agency: HostedAgency, numbers: Iterable[str]) -> list[tuple[str, bytes]]:
    """What these people's codes had replaced, as the journal of erasures names it: it is cancelled with them, and no restore brings it back."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["replaced_of"], list(numbers))
    return [("person_code", row["acquisition_index"]) for row in rows]


async def keep_numbers(agency: HostedAgency, writes: Sequence[Write]) -> None:
    if writes:
        await agency.committer.apply(Commit(step=_REQUESTED, follow=tuple(writes)))
        CODES.labels("requested").inc(len(writes))


async def request_numbers(agency: HostedAgency, items: list[NumberItem], now: datetime) -> list[Answer]:
    """IF_FGU_90006: give one acquisition number per person without a code; asked again within the window, the same number."""
    wanted = sorted({item.integrated_number for item in items if is_number(item.integrated_number)})
    held = await living_codes(agency, wanted)
    answers: dict[str, Answer] = {}
    writes = []
    for number in wanted:
        codes = held.get(number, {})
        requested = codes.get(State.REQUESTED)
        if State.BOUND in codes:
            answers[number] = {"bound": True}
            continue
        given = number_given(agency, requested, now) if requested else None
        if given is None:
            move(State.REQUESTED if requested else State.NONE, Event.NUMBER_GIVEN)
            given, write = fresh_number(agency, number, now)
            writes.append(write)
        answers[number] = {"acquisition_number": given}
    await keep_numbers(agency, writes)
    return [answers.get(item.integrated_number, refused("integrated_number_malformed")) for item in items]


async def bind_codes(agency: HostedAgency, items: list[CodeItem], now: datetime) -> list[Answer]:
    """IF_FGU_90009: store codes that come from the core. A redelivery is `bound`; an unknown, late or second code is refused.

    A code that comes for a replacement takes the place of the one before in the same commit. One of an epoch that is over here is asked for anew.
    """
    indexes = [_acquisition_indexes(agency, item.acquisition_number) for item in items]
    code_indexes = indexes_of_codes(agency, [item.code for item in items])
    async with agency.database.inside(agency.tenant) as connection:
        found = await connection.fetch(_SQL["by_acquisition"], [one for each in indexes for one in each])
        rows = {row["acquisition_index"]: row for row in found}
        taken = await whose(connection, code_indexes)
    held = await living_codes(agency, [row["integrated_number"] for row in rows.values()])
    answers: list[Answer] = []
    succeeding: list[Write] = []
    gone: list[tuple[str, bytes]] = []
    binding: list[Write] = []
    numbers: set[str] = set()
    for item, known_by in zip(items, indexes, strict=True):
        row = next((rows[index] for index in known_by if index in rows), None)
        number = row["integrated_number"] if row else ""
        known = taken.get(item.code)
        reason = _why_not(agency, item, row, now)
        same = row is not None and code_indexes.get(row["code_index"]) == item.code
        if reason is None and row is not None and row["bound"] and not same and known != number:
            reason = "code_differs"
        if row is not None and row["bound"] and reason is None:
            answers.append({"bound": True})
            continue
        if reason is None and number in numbers:
            reason = "acquisition_number_twice"
        numbers.add(number)
        if reason is None and taken.setdefault(item.code, number) != number:
            reason = "code_of_another_person"
        if reason is not None or row is None:
            CODES.labels(reason or "").inc()
            answers.append(refused(reason or ""))
            continue
        before, epoch = held.get(number, {}).get(State.BOUND), epoch_of(item.code)
        later = before is not None and 0 < before["epoch"] < epoch and known != number
        if epoch < agency.renewal.settled or (later and row["reason"] == Ending.NUMBER_CHANGED):
            answers.append(retry("code_renewal_under_way"))
            continue
        move(State.REQUESTED, Event.DELIVERED)
        if before is not None:
            end = _end_of(row["reason"], same=known == number)
            was = (before["code_index"], mark_of_replaced(agency, before))
            succeeding.append(Write(_SUCCEED, (number, end.value, row["reason"], now, *was)))
            if end is State.CANCELLED:
                gone.append(("person_code", before["acquisition_index"]))
                gone += await replaced_before(agency, [number])
        binding.append(Write(_BIND, (row["acquisition_index"], *kept_code(agency, number, item.code), now, epoch)))
        answers.append({"bound": True})
    await _commit(agency, succeeding, gone, binding, now)
    return answers


def _end_of(reason: str, *, same: bool) -> State:
    """What becomes of the code before. A changed 個人番号 leaves the code as it was, but for its epoch: if another comes, the old one was another person's.

    `same`: the code that comes was this person's already.
    """
    event = Event.CANCELLED if reason == Ending.NUMBER_CHANGED and not same else Event.SUCCEEDED
    return move(State.BOUND, event)


async def _commit(
    agency: HostedAgency, succeeding: list[Write], gone: list[tuple[str, bytes]], binding: list[Write], now: datetime
) -> None:
    """The places are made free before they are taken: writes of a commit happen in order. `gone`: codes of other people, which no restore brings back."""
    if not binding:
        return
    if gone:
        await asyncio.to_thread(agency.erasures.write, gone, now)
    entry = note_event(agency, now, EntryKind.CODES_BOUND, count=len(binding), replaced=len(succeeding))
    done = await agency.committer.apply(Commit(step=_BOUND, follow=(*succeeding, *binding), entries=(entry,)))
    if isinstance(done, Applied):
        CODES.labels("bound").inc(len(binding))
        CODES.labels("replaced").inc(len(succeeding))


def _why_not(agency: HostedAgency, item: CodeItem, row: Any, now: datetime) -> str | None:
    """Why a delivered code is not stored; None when it may be. `row`: what the acquisition number was given for, or None."""
    try:
        parse_acquisition_number(item.acquisition_number)
    except CodebookError:
        return "acquisition_number_unknown"
    if row is None:
        return "acquisition_number_unknown"
    if row["state"] is not None:
        return "acquisition_number_expired" if row["state"] == State.EXPIRED else f"code_{row['state']}"
    if len(item.code) != CODE_SIZE:
        return "code_malformed"
    if not row["bound"] and _read_number(agency, row) != item.acquisition_number:
        return "acquisition_number_unknown"  # what finds a row says nothing of whom the number was given for
    return None if row["bound"] or row["expires_at"] > now else "acquisition_number_expired"
