"""副本 (replica) registration (DBM, IS-6): format check first, then sealed under the person's own key.

Record id and revision are the retry identity: the same again is registered already, another content under them is refused
(「レコード識別番号」が既に存在). A higher revision replaces the copy in one step, under whatever number, or stands in the place of one that was
withdrawn; the bars of the number of before follow it (carrying). A lower one is out of date.
A bad record is answered with item and reason; good ones of the same list go on (LS-2).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
import structlog
from asyncpg import Record

from codebook import layouts
from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from evidence.entry import EntryKind
from gateway.intermediate_server import carrying
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import REPLICAS
from gateway.intermediate_server.records.exchange_entries import note_event
from gateway.intermediate_server.replica import erasure, withdrawn
from keys import labels
from keys.binding import bind
from keys.box import Box, new_box_key
from keys.errors import KeyUnusable, SealBroken
from keys.masked import Secret
from keys.ring import Keyring
from permission_lists.barring import AutoResponse
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step
from storage.turns import with_turns
from transport.register import Side

_LOG = structlog.get_logger()
_SQL = sql.load("gateway.intermediate_server.replica")
_KEEP_KEY = Statement("keep_person_key", _SQL["keep_person_key"])
_REGISTER = Statement("register_replica", _SQL["register_replica"])
_DELETE = Statement("delete_replica", _SQL["delete_replica"])
_REMEMBER = Statement("remember_withdrawn", _SQL["remember_withdrawn"])
_REGISTERED = commit_step("intermediate", "replicas.registered")
PURPOSE = "replicas"
_EXPIRED_AT_ONCE = 1_000
RECORD_ID: Final = re.compile(r"[!-~]{1,64}")
_FLAGS = frozenset(flag.value for flag in AutoResponse)
_FLAG_BYTES: Final = {AutoResponse.ALLOWED: b"0", AutoResponse.BARRED: b"1"}
_FLAG_OF: Final = {byte: flag for flag, byte in _FLAG_BYTES.items()}


class ReplicaItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_DBM_90011. `items`: item name → {"value": text} or {"null_reason": text}. `revision`: rises with each sending of the record.

    `delegator`: whose the copy is when it is not the agency's own (委任元); as in a request, it is there only when it says something (docs/adr/0039).
    """

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
    revision: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    delegator: Annotated[str, msgspec.Meta(max_length=31)] | msgspec.UnsetType = msgspec.UNSET

    @property
    def whose(self) -> str | None:
        return None if isinstance(self.delegator, msgspec.UnsetType) else self.delegator


REPLICA_ITEM = msgspec.json.Decoder(ReplicaItem)
_Refusal = dict[str, Any]


def _refused(reason: str, item: str = "", **more: int) -> _Refusal:
    REPLICAS.labels(reason).inc()
    return {"refused": {"reason": reason, "item": item, **more}}


def _problem(agency: HostedAgency, record: ReplicaItem, today: date) -> _Refusal | None:
    """The format check (IS-6): layout, version, data set, each item; None when the record keeps to all of it."""
    try:
        IntegratedAddresseeNumber.parse(record.integrated_number)
    except CodebookError:
        return _refused("integrated_number_malformed")
    match record.operation:
        case "register" if RECORD_ID.fullmatch(record.record_id):
            return _problem_of_content(agency, record, today)
        case "delete" if (
            1 <= len(record.record_id) <= 64 and "\0" not in record.record_id
        ):  # any that was ever registered
            return None
    return _refused("field_malformed")


def _problem_of_content(agency: HostedAgency, record: ReplicaItem, today: date) -> _Refusal | None:
    layout = layouts.version_of(agency.layouts, record.information, record.version, today)
    if layout is None:
        known = any(one.information == record.information for one in agency.layouts)
        return _refused("field_malformed" if known else "information_not_in_layouts")
    if record.auto_response not in _FLAGS or (record.public_to and record.public_to < record.public_from):
        return _refused("field_malformed")
    if not agency.register().delegated(Side.PROVIDER, record.whose, agency.id, record.information, today):
        return _refused("delegation_not_on_file")
    problems = layouts.check_record(layout, record.data_set, record.items)
    return _refused(problems[0].why.value, problems[0].item) if problems else None


def record_aad(agency_id: str, record: ReplicaItem | Record) -> bytes:
    """Everything that stands in clear beside what is sealed: whoever changes a date or takes another row's seal in the database breaks the seal."""
    if isinstance(record, ReplicaItem):
        number, revision, whose = record.integrated_number, record.revision, record.whose
        named = (record.record_id, number, record.information, record.data_set, record.version)
        first, last = record.public_from, record.public_to
    else:
        number, revision, whose = record["integrated_number"], record["revision"], record["delegator"]
        named = (record["record_id"], number, record["information"], record["data_set"], record["version"])
        first, last = record["public_from"], record["public_to"]
    return bind(
        labels.REPLICA_SAID, agency_id, *named, first.isoformat(), last.isoformat() if last else None, revision, whose
    )


def person_key_aad(agency_id: str, integrated_number: str) -> bytes:
    return bind(labels.REPLICA_KEY, agency_id, integrated_number)


def _content(record: ReplicaItem) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(record, revision=0), order="deterministic")


@dataclass(slots=True, kw_only=True)
class _Held:
    """What is held of the records of one list; `writes` and `moves` (numbers of before and of now) grow while the list is judged."""

    copies: dict[str, tuple[int, bytes, str]]
    withdrawn: dict[str, Record]
    wrapped: dict[str, bytes]
    keys: dict[str, Box] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    moves: set[tuple[str, str]] = field(default_factory=set)


async def _read_held(agency: HostedAgency, records: list[ReplicaItem]) -> _Held:
    ids = [record.record_id for record in records]
    numbers = sorted({record.integrated_number for record in records if record.operation == "register"})
    async with agency.database.inside(agency.tenant) as connection:
        copies = await connection.fetch(_SQL["records_by_id"], ids)
        gone = await connection.fetch(_SQL["withdrawn_by_id"], ids)
        wrapped = await connection.fetch(_SQL["keys_of"], numbers) if numbers else []
    return _Held(
        copies={row["record_id"]: (row["revision"], row["content_index"], row["integrated_number"]) for row in copies},
        withdrawn={row["record_id"]: row for row in gone},
        wrapped={row["integrated_number"]: row["wrapped"] for row in wrapped},
    )


async def register(agency: HostedAgency, records: list[ReplicaItem], now: datetime) -> list[dict[str, Any]]:
    """IF_DBM_90011: answer each record; the good ones and the count of them commit together."""
    today = agency.today(now)
    wrong = [_problem(agency, record, today) async for record in with_turns(records)]
    good = [record for record, bad in zip(records, wrong, strict=True) if bad is None]
    async with agency.person_keys.using({record.integrated_number for record in good}):
        return await _register_all(agency, records, wrong, await _read_held(agency, good), now)


async def _register_all(
    agency: HostedAgency, records: list[ReplicaItem], wrong: list[_Refusal | None], held: _Held, now: datetime
) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    seen: set[str] = set()
    async for record, bad in with_turns(zip(records, wrong, strict=True)):
        if bad is not None:
            answers.append(bad)
        elif record.record_id in seen:
            answers.append(_refused("record_id_twice"))
        else:
            seen.add(record.record_id)
            answers.append(
                _delete(agency, record, held, now) if record.operation == "delete" else _register(agency, record, held)
            )
    await _commit(agency, held.writes, now, held.moves)
    return answers


def _delete(agency: HostedAgency, record: ReplicaItem, held: _Held, now: datetime) -> dict[str, Any]:
    known, _, number = held.copies.get(record.record_id, (None, b"", None))
    before = held.withdrawn.get(record.record_id)
    if known is not None and known > record.revision > 0:
        return _refused("revision_outdated", revision=known)
    if known is not None:
        held.writes.append(Write(_DELETE, (record.record_id, max(record.revision, known))))
    if known is not None or record.revision > (0 if before is None else before["revision"]):
        held.writes.append(Write(_REMEMBER, withdrawn.row(agency, record.record_id, record.revision, number, now)))
    return {"registered": True}


def _register(agency: HostedAgency, record: ReplicaItem, held: _Held) -> dict[str, Any]:
    gone = held.withdrawn.get(record.record_id)
    if gone is not None and gone["revision"] >= record.revision:
        return _refused("revision_outdated", revision=gone["revision"])
    known, known_index, before = held.copies.get(record.record_id, (-1, b"", None))
    if known == record.revision:
        same = known_index in _possible_indexes(agency.keys.ring, record)
        return {"registered": True} if same else _refused("record_id_reused", revision=known)
    if known > record.revision:
        return _refused("revision_outdated", revision=known)
    number = record.integrated_number
    if number not in held.keys:
        try:
            held.keys[number] = _person_key(agency, number, held.wrapped.get(number), held.writes)
        except (SealBroken, KeyUnusable) as failure:
            # somebody changed the row: what else is sealed under this key is not given up for it
            _LOG.error("replica:person_key_unreadable", agency=agency.id, error=type(failure).__name__)
            return _refused("person_key_unreadable")
    held.writes.append(_register_write(agency, record, held.keys[number]))
    if before is None and gone is not None:
        before = withdrawn.number_of(agency, gone)
    if before not in (None, number):
        held.moves.add((before, number))
    return {"registered": True}


def _possible_indexes(ring: Keyring, record: ReplicaItem) -> list[bytes]:
    """The content's index under each version that opens: until it is sealed anew, a copy has that of an earlier one."""
    return [content_index(ring, record, version=number) for number in ring.opening(PURPOSE)]


def content_index(ring: Keyring, record: ReplicaItem, *, version: int | None = None) -> bytes:
    """Keyed, 32 bytes: what a record says, whatever its revision; by the primary version unless told."""
    return ring.index(PURPOSE, bind(labels.REPLICA, _content(record)), version=version)


def _person_key(agency: HostedAgency, number: str, wrapped: bytes | None, writes: list[Write]) -> Box:
    """The key of one person; a new one is written along with its first replica. Raises SealBroken, KeyUnusable."""
    if wrapped is not None:
        return open_person_key(agency.keys.ring, agency.id, number, wrapped)
    fresh = new_box_key()
    writes.append(Write(_KEEP_KEY, (number, wrap_person_key(agency, number, fresh))))
    return Box(fresh)


def seal_said(agency_id: str, record: ReplicaItem, key: Box) -> bytes:
    items = msgspec.json.encode(record.items, order="deterministic")
    return key.seal(said(AutoResponse(record.auto_response), items), record_aad(agency_id, record))


def said(flag: AutoResponse, items: bytes) -> bytes:
    """What is sealed of a copy: 自動応答不可フラグ in one byte, so that no length tells it (docs/adr/0112), and the items as JSON."""
    return _FLAG_BYTES[flag] + items


def _register_write(agency: HostedAgency, record: ReplicaItem, key: Box) -> Write:
    sealed = seal_said(agency.id, record, key)
    row = (
        record.record_id, record.revision, record.integrated_number, record.information, record.data_set, record.version,
        record.public_from, record.public_to, content_index(agency.keys.ring, record), sealed, record.whose,
    )  # fmt: skip
    return Write(_REGISTER, row)


async def _commit(
    agency: HostedAgency, writes: list[Write], now: datetime, moves: Collection[tuple[str, str]] = ()
) -> None:
    if not writes:
        return
    writes.sort(
        key=lambda write: write.statement is not _KEEP_KEY
    )  # a person's key is there before the first replica refers to it
    gone = [("replica", write.row[0]) for write in writes if write.statement is _DELETE]
    if gone:
        await asyncio.to_thread(agency.erasures.write, gone, now)
        writes.append(erasure.noted(agency, len(gone), now))
    registered = sum(write.statement is _REGISTER for write in writes)
    entry = note_event(
        agency,
        now,
        EntryKind.REPLICAS_REGISTERED,
        registered=registered,
        deleted=len(gone),
    )
    commit = Commit(step=_REGISTERED, follow=tuple(writes), entries=(entry,))
    if moves:
        await carrying.commit(agency, moves, commit, now)
    else:
        await agency.committer.apply(commit)
    REPLICAS.labels("registered").inc(registered)


async def expire(agency: HostedAgency, now: datetime) -> int:
    """Withdraw copies whose last public day is over, some at a time; how many went. An owner that makes one public again sends it anew."""
    async with agency.database.inside(agency.tenant) as connection:
        over = await connection.fetch(_SQL["copies_over"], agency.today(now), _EXPIRED_AT_ONCE)
    writes: list[Write] = []
    async for row in with_turns(over):
        record_id, revision = row["record_id"], row["revision"]
        writes.append(Write(_DELETE, (record_id, revision)))
        writes.append(Write(_REMEMBER, withdrawn.row(agency, record_id, revision, row["integrated_number"], now)))
    await _commit(agency, writes, now)
    return len(over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was sealed of a copy."""

    auto_response: AutoResponse
    items: dict[str, dict[str, str]]


def open_record(agency: HostedAgency, row: Record) -> Opened:
    """Decrypt one row of `replicas_of`. Raises SealBroken, KeyUnusable."""
    key = open_person_key(agency.keys.ring, agency.id, row["integrated_number"], row["wrapped"])
    return read_said(key.open(row["sealed"], record_aad(agency.id, row)))


def read_said(plain: bytes) -> Opened:
    """Of what `said` made."""
    return Opened(auto_response=_FLAG_OF[plain[:1]], items=msgspec.json.decode(plain[1:]))


def open_person_key(ring: Keyring, agency_id: str, number: str, wrapped: bytes) -> Box:
    """Raises SealBroken, KeyUnusable."""
    return Box(Secret(ring.decrypt(PURPOSE, wrapped, person_key_aad(agency_id, number))))


def wrap_person_key(agency: HostedAgency, number: str, fresh: Secret) -> bytes:
    return wrap_person_keys(agency, [(number, fresh)])[0]


def wrap_person_keys(agency: HostedAgency, fresh: Sequence[tuple[str, Secret]]) -> list[bytes]:
    # reveal: wrapped under the agency's ring
    return agency.keys.ring.encrypt_many(
        PURPOSE, [(key.reveal(), person_key_aad(agency.id, number)) for number, key in fresh]
    )
