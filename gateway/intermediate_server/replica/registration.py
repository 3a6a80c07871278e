"""副本 (replica) registration (DBM, IS-6): format check first, then sealed under the person's own key.

A record id is the retry identity: the same record again is registered already, another content under the id is refused
(「レコード識別番号」が既に存在). A bad record is answered with item and reason; good ones of the same list go on (LS-2).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
from asyncpg import Record

from codebook import layouts
from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import REPLICAS
from gateway.intermediate_server.records.exchange_entries import note_event
from keys import labels
from keys.binding import bind
from keys.box import Box, new_box_key
from keys.masked import Secret
from permission_lists.barring import AutoResponse
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step

_SQL = sql.load("gateway.intermediate_server.replica")
_KEEP_KEY = Statement("keep_person_key", _SQL["keep_person_key"])
_REGISTER = Statement("register_replica", _SQL["register_replica"])
_DELETE = Statement("delete_replica", _SQL["delete_replica"])
_REGISTERED = commit_step("intermediate", "replicas.registered")
PURPOSE = "replicas"
_FLAGS = frozenset(flag.value for flag in AutoResponse)


class ReplicaItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_DBM_90011. `items`: item name → {"value": text} or {"null_reason": text}."""

    record_id: str
    operation: str
    integrated_number: str
    information: str
    data_set: str
    version: str
    public_from: date
    auto_response: str
    items: dict[str, dict[str, str]]
    public_to: date | None = None


REPLICA_ITEM = msgspec.json.Decoder(ReplicaItem)
_Refusal = dict[str, Any]


def _refused(reason: str, item: str = "") -> _Refusal:
    REPLICAS.labels(reason).inc()
    return {"refused": {"reason": reason, "item": item}}


def _problem(agency: HostedAgency, record: ReplicaItem, today: date) -> _Refusal | None:
    """The format check (IS-6): layout, version, data set, each item; None when the record keeps to all of it."""
    try:
        IntegratedAddresseeNumber.parse(record.integrated_number)
    except CodebookError:
        return _refused("integrated_number_malformed")
    if not 1 <= len(record.record_id) <= 64 or record.operation not in ("register", "delete"):
        return _refused("field_malformed")
    if record.operation == "delete":
        return None
    layout = layouts.in_force(agency.layouts, record.information, today)
    if layout is None:
        return _refused("information_not_in_layouts")
    if (
        record.version != layout.version
        or record.auto_response not in _FLAGS
        or (record.public_to and record.public_to < record.public_from)
    ):
        return _refused("field_malformed")
    problems = layouts.check_record(layout, record.data_set, record.items)
    return _refused(problems[0].why.value, problems[0].item) if problems else None


def record_aad(agency_id: str, record: ReplicaItem | Record) -> bytes:
    """Everything that stands in clear beside the sealed items: whoever changes a flag or a date in the database breaks the seal."""
    said = record if isinstance(record, Record) else msgspec.structs.asdict(record)
    public_to = said["public_to"]
    return bind(
        labels.REPLICA, agency_id, said["record_id"], said["integrated_number"], said["information"], said["data_set"], said["version"],
        said["public_from"].isoformat(), public_to.isoformat() if public_to else "", said["auto_response"],
    )  # fmt: skip


def person_key_aad(agency_id: str, integrated_number: str) -> bytes:
    return bind(labels.REPLICA_KEY, agency_id, integrated_number)


def _content(record: ReplicaItem) -> bytes:
    return msgspec.json.encode(record, order="deterministic")


async def register(agency: HostedAgency, records: list[ReplicaItem], now: datetime) -> list[dict[str, Any]]:
    """IF_DBM_90011: answer each record; the good ones and the count of them commit together."""
    today = agency.today(now)
    answers: list[dict[str, Any] | None] = [_problem(agency, record, today) for record in records]
    numbers = sorted({record.integrated_number for record, bad in zip(records, answers, strict=True) if bad is None})
    async with agency.database.inside(agency.tenant) as connection:
        held = {
            row["record_id"]: row["content_index"]
            for row in await connection.fetch(_SQL["records_by_id"], [record.record_id for record in records])
        }
        wrapped = {row["integrated_number"]: row["wrapped"] for row in await connection.fetch(_SQL["keys_of"], numbers)}
    ring = agency.keys.ring
    seen: set[str] = set()
    person_keys: dict[str, Box] = {}
    writes: list[Write] = []
    for position, record in enumerate(records):
        if answers[position] is not None:
            continue
        if record.record_id in seen:
            answers[position] = _refused("record_id_twice")
            continue
        seen.add(record.record_id)
        if record.operation == "delete":
            if held.pop(record.record_id, None) is not None:
                writes.append(Write(_DELETE, (record.record_id,)))
            answers[position] = {"registered": True}
            continue
        content_index = ring.index(PURPOSE, bind(labels.REPLICA, _content(record)))
        known = held.get(record.record_id)
        if known is not None:
            answers[position] = {"registered": True} if known == content_index else _refused("record_id_reused")
            continue
        number = record.integrated_number
        if number not in person_keys:
            person_keys[number] = _person_key(agency, number, wrapped.get(number), writes)
        writes.append(_register_write(agency, record, content_index, person_keys[number]))
        answers[position] = {"registered": True}
    await _commit(agency, writes, now)
    return [answer for answer in answers if answer is not None]


def _person_key(agency: HostedAgency, number: str, wrapped: bytes | None, writes: list[Write]) -> Box:
    """The key of one person; a new one is written along with its first replica."""
    ring = agency.keys.ring
    if wrapped is not None:
        return Box(Secret(ring.decrypt(PURPOSE, wrapped, person_key_aad(agency.id, number))))
    fresh = new_box_key()
    # reveal: wrapped under the agency's ring
    writes.append(Write(_KEEP_KEY, (number, ring.encrypt(PURPOSE, fresh.reveal(), person_key_aad(agency.id, number)))))
    return Box(fresh)


def _register_write(agency: HostedAgency, record: ReplicaItem, content_index: bytes, key: Box) -> Write:
    aad = record_aad(agency.id, record)
    sealed = key.seal(msgspec.json.encode(record.items, order="deterministic"), aad)
    row = (
        record.record_id, record.integrated_number, record.information, record.data_set, record.version,
        record.public_from, record.public_to, record.auto_response, content_index, sealed,
    )  # fmt: skip
    return Write(_REGISTER, row)


async def _commit(agency: HostedAgency, writes: list[Write], now: datetime) -> None:
    if not writes:
        return
    writes.sort(
        key=lambda write: write.statement is not _KEEP_KEY
    )  # a person's key is there before the first replica refers to it
    registered = sum(write.statement is _REGISTER for write in writes)
    entry = note_event(
        agency,
        now,
        EntryKind.REPLICAS_REGISTERED,
        registered=registered,
        deleted=sum(write.statement is _DELETE for write in writes),
    )
    await agency.committer.apply(Commit(step=_REGISTERED, follow=tuple(writes), entries=(entry,)))
    REPLICAS.labels("registered").inc(registered)


def open_record(agency: HostedAgency, row: Record) -> dict[str, dict[str, str]]:
    """Decrypt one row of `replicas_of` into its items."""
    number = row["integrated_number"]
    key = Box(Secret(agency.keys.ring.decrypt(PURPOSE, row["wrapped"], person_key_aad(agency.id, number))))
    plain = key.open(row["sealed"], record_aad(agency.id, row))
    items: dict[str, dict[str, str]] = msgspec.json.decode(plain)
    return items
