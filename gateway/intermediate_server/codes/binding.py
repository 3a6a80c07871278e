"""符号管理 (FGU, IS-1): 団体内統合宛名番号 ⇔ 符号. A code is used for information linkage alone (SC-9): it leaves this module sealed, or to the network.

The acquisition number (処理通番) ties a request to the code that comes back; it is bound to this agency and a time window, unlike any person's number,
and after use only a keyed tombstone stays, so that a redelivery is told from a forgery (番号法21条の2).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from codebook.errors import CodebookError
from codebook.identifiers import ACQUISITION_PREFIX, IntegratedAddresseeNumber, parse_acquisition_number
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import CODES
from gateway.intermediate_server.records.exchange_entries import note_event
from keys import labels
from keys.binding import bind
from storage import sql
from storage.committer import Applied, Commit, Statement, Write, commit_step

_SQL = sql.load("gateway.intermediate_server.codes")
_REQUEST = Statement("request_code", _SQL["request_code"])
_BIND = Statement("bind_code", _SQL["bind_code"])
_REQUESTED = commit_step("intermediate", "codes.requested")
_BOUND = commit_step("intermediate", "codes.bound")

CODE_SIZE = 34
PURPOSE = "codes"


class NumberItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90006 and 90010."""

    integrated_number: str


class CodeItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_FGU_90009."""

    acquisition_number: str
    code: bytes


NUMBER_ITEM = msgspec.json.Decoder(NumberItem)
CODE_ITEM = msgspec.json.Decoder(CodeItem)


def _known(item: NumberItem) -> bool:
    try:
        IntegratedAddresseeNumber.parse(item.integrated_number)
    except CodebookError:
        return False
    return True


def index_of_code(agency: HostedAgency, code: bytes) -> bytes:
    """The blind index by which a code that arrives is found."""
    return agency.keys.ring.index(PURPOSE, bind(labels.LINKAGE_CODE_INDEX, code))


def open_code(agency: HostedAgency, integrated_number: str, sealed: bytes) -> bytes:
    return agency.keys.ring.decrypt(PURPOSE, sealed, bind(labels.LINKAGE_CODE, agency.id, integrated_number))


def _acquisition_index(agency: HostedAgency, number: str) -> bytes:
    return agency.keys.ring.index(PURPOSE, bind(labels.ACQUISITION_TOMBSTONE, number))


def _acquisition_aad(agency: HostedAgency, integrated_number: str) -> bytes:
    return bind(labels.ACQUISITION_TOMBSTONE, agency.id, integrated_number)


async def request_numbers(agency: HostedAgency, items: list[NumberItem], now: datetime) -> list[dict[str, object]]:
    """IF_FGU_90006: give one acquisition number per person without a code; asked again within the window, the same number."""
    wanted = {item.integrated_number for item in items if _known(item)}
    async with agency.database.inside(agency.tenant) as connection:
        held = {row["integrated_number"]: row for row in await connection.fetch(_SQL["codes_of"], sorted(wanted))}
    ring = agency.keys.ring
    answers: dict[str, dict[str, object]] = {}
    writes = []
    for number in sorted(wanted):
        row = held.get(number)
        if row is not None and row["bound"]:
            answers[number] = {"bound": True}
        elif row is not None and row["expires_at"] > now:
            answers[number] = {
                "acquisition_number": ring.decrypt(
                    PURPOSE, row["acquisition_sealed"], _acquisition_aad(agency, number)
                ).decode()
            }
        else:
            fresh = agency.new_id(ACQUISITION_PREFIX, now)
            sealed = ring.encrypt(PURPOSE, fresh.encode(), _acquisition_aad(agency, number))
            writes.append(
                Write(
                    _REQUEST,
                    (number, _acquisition_index(agency, fresh), sealed, now + agency.limits.acquisition_within),
                )
            )
            answers[number] = {"acquisition_number": fresh}
    if writes:
        await agency.committer.apply(Commit(step=_REQUESTED, follow=tuple(writes)))
        CODES.labels("requested").inc(len(writes))
    return [
        answers.get(item.integrated_number, {"refused": {"reason": "integrated_number_malformed"}}) for item in items
    ]


async def bind_codes(agency: HostedAgency, items: list[CodeItem], now: datetime) -> list[dict[str, object]]:
    """IF_FGU_90009: store codes that come from the core. A redelivery is `bound`; an unknown, late or second code is refused."""
    indexes = [_acquisition_index(agency, item.acquisition_number) for item in items]
    code_indexes = [index_of_code(agency, item.code) for item in items]
    async with agency.database.inside(agency.tenant) as connection:
        rows = {row["acquisition_index"]: row for row in await connection.fetch(_SQL["by_acquisition"], indexes)}
        taken = {
            row["code_index"]: row["integrated_number"]
            for row in await connection.fetch(_SQL["bound_already"], code_indexes)
        }
    answers: list[dict[str, object]] = []
    writes = []
    numbers: set[str] = set()
    for item, index, code_index in zip(items, indexes, code_indexes, strict=True):
        row = rows.get(index)
        reason = _why_not(
            item,
            row["bound"] and row["code_index"] != code_index if row else None,
            row is not None and (row["bound"] or row["expires_at"] > now),
        )
        if row is not None and row["bound"] and reason is None:
            answers.append({"bound": True})
            continue
        number = row["integrated_number"] if row else ""
        if reason is None and number in numbers:
            reason = "acquisition_number_twice"
        numbers.add(number)
        if reason is None and taken.setdefault(code_index, number) != number:
            reason = "code_of_another_person"
        if reason is not None:
            CODES.labels(reason).inc()
            answers.append({"refused": {"reason": reason}})
            continue
        sealed = agency.keys.ring.encrypt(PURPOSE, item.code, bind(labels.LINKAGE_CODE, agency.id, number))
        writes.append(Write(_BIND, (number, code_index, sealed, now)))
        answers.append({"bound": True})
    if writes:
        entry = note_event(agency, now, EntryKind.CODES_BOUND, count=len(writes))
        done = await agency.committer.apply(Commit(step=_BOUND, follow=tuple(writes), entries=(entry,)))
        if isinstance(done, Applied):
            CODES.labels("bound").inc(len(writes))
    return answers


def _why_not(item: CodeItem, other_code: bool | None, in_time: bool) -> str | None:  # noqa: FBT001 (two facts about one row)
    """Why a delivered code is not stored; None when it may be. `other_code` None: the acquisition number is unknown."""
    try:
        parse_acquisition_number(item.acquisition_number)
    except CodebookError:
        return "acquisition_number_unknown"
    if other_code is None:
        return "acquisition_number_unknown"
    if other_code:
        return "code_differs"
    if len(item.code) != CODE_SIZE:
        return "code_malformed"
    return None if in_time else "acquisition_number_expired"


async def code_status(agency: HostedAgency, items: list[NumberItem]) -> list[dict[str, object]]:
    """IF_FGU_90010: none, requested or bound, per person."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["codes_of"], [item.integrated_number for item in items])
    held = {row["integrated_number"]: "bound" if row["bound"] else "requested" for row in rows}
    return [{"status": held.get(item.integrated_number, "none")} for item in items]
