"""副本の連携 (LS-2.4, LS-2.5): from originals that are due to messages IF_DBM_90011, and from their answers back to the rows.

Each row that is due is sent until it is answered: record id and revision are the retry identity, so an outage or a crash in between costs a repetition
and nothing else. Whether a copy may stand is judged when it is sent (LS-2.6); when it may not, it is deleted over there.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from gateway.linkage_server.business_information.originals import Original, Transfer
from gateway.linkage_server.business_information.store import SQL, may_not_stand, read_row
from gateway.linkage_server.outbound import SEND_REPLICAS, Answer
from gateway.linkage_server.tenant import Agency
from keys.errors import KeyUnusable, SealBroken
from storage.committer import commit_step
from storage.database import Connection
from transport.channel import ChannelError

_LOG = structlog.get_logger()
ANSWERED_STEP: Final = commit_step("linkage", "business_information.answered")
RECORDS = Counter(
    "sekisho_business_records", "Records of business information by what became of them", ["information", "outcome"]
)
_SLICE: Final = 200
UNREADABLE: Final = "original_unreadable"
NEEDS_NEWER: Final = frozenset({"revision_outdated", "record_id_reused"})
"""Answers that say that the other side knows a later sending, or another one under this revision: the record is sent again above it."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row to be transferred. `message` None: nothing is to be sent, `reason` says why; `number`: the person it is about now."""

    record_id: str
    revision: int
    information: str
    replica_number: int | None
    replica_revision: int | None
    number: int | None
    message: dict[str, Any] | None
    reason: str | None


class Settled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the row says after its answer. `above`: not settled, to be sent again under a revision above this one."""

    record_id: str
    revision: int
    information: str
    transfer: Transfer
    reason: str | None = None
    item: str | None = None
    offered: bool = False
    replica_number: int | None = None
    replica_revision: int | None = None
    above: int | None = None


def _register_message(original: Original, number: int, revision: int) -> dict[str, Any]:
    said = original.said
    whose = {} if said.delegator is None else {"delegator": said.delegator}
    return whose | {
        "record_id": said.record_id,
        "revision": revision,
        "operation": "register",
        "integrated_number": f"{number:015d}",
        "information": said.information,
        "data_set": said.data_set,
        "version": said.layout_version,
        "public_from": said.public_from,
        "public_to": said.public_to,
        "auto_response": said.auto_response,
        "items": said.items,
    }


def delete_message(record_id: str, revision: int, number: int) -> dict[str, Any]:
    """Only record id and revision count; the rest is what the form asks for."""
    return {
        "record_id": record_id,
        "revision": revision,
        "operation": "delete",
        "integrated_number": f"{number:015d}",
        "information": "",
        "data_set": "",
        "version": "",
        "public_from": "1970-01-01",
        "public_to": None,
        "auto_response": "",
        "items": {},
    }


def _prepare(agency: Agency, row: Any) -> Prepared:
    message: dict[str, Any] | None = None
    number, reason = row["integrated_number"], None if row["deleted"] else may_not_stand(row)
    if not row["deleted"] and reason is None:
        try:
            message = _register_message(read_row(agency.keys, row), number, row["revision"])
        except (SealBroken, KeyUnusable):
            reason = UNREADABLE
            _LOG.error("business_information:original_unreadable", agency=agency.id)
    elif row["offered"]:
        message = delete_message(row["record_id"], row["revision"], row["replica_number"] or number or 0)
    return Prepared(
        record_id=row["record_id"],
        revision=row["revision"],
        information=row["information"],
        replica_number=row["replica_number"],
        replica_revision=row["replica_revision"],
        number=number,
        message=message,
        reason=reason,
    )


def as_taken_in(original: Original, revision: int, number: int) -> Prepared:
    """A record that was not held before, as it was committed: as `read_records` would tell of it, with nothing read and nothing opened."""
    return Prepared(
        record_id=original.said.record_id,
        revision=revision,
        information=original.said.information,
        replica_number=None,
        replica_revision=None,
        number=number,
        message=_register_message(original, number, revision),
        reason=None,
    )


async def read_due(agency: Agency, after: int, most: int) -> list[Prepared]:
    """The next rows that are due, by revision."""
    async with agency.database.inside(agency.tenant) as connection:
        ids = [row[0] for row in await connection.fetch(SQL["due"], after, most)]
    return sorted(await read_records(agency, ids), key=lambda one: one.revision)


async def read_records(agency: Agency, record_ids: Sequence[str]) -> list[Prepared]:
    """These records as they are to be transferred now. A register message goes only to rows that are marked as offered before."""
    if not record_ids:
        return []
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(SQL["to_send"], record_ids)
        unmarked = [
            row["record_id"] for row in rows if not row["offered"] and not row["deleted"] and not may_not_stand(row)
        ]
        if unmarked:
            await connection.execute(SQL["mark_offered"], unmarked)
    prepared = []
    for start in range(0, len(rows), _SLICE):
        prepared += [_prepare(agency, row) for row in rows[start : start + _SLICE]]
        await asyncio.sleep(0)
    return prepared


async def ask(agency: Agency, rows: Sequence[Prepared]) -> list[Settled]:
    """Send what is to be sent and read the answers. Raises ChannelError: nothing is known, ask again with the same rows."""
    messages = [one.message for one in rows if one.message is not None]
    url = agency.outbound.intermediate("replicas")
    answers = iter(await agency.outbound.ask_list(url, messages, step=SEND_REPLICAS) if messages else [])
    return [_settled(one, next(answers) if one.message is not None else None) for one in rows]


def _settled(one: Prepared, answer: Answer | None) -> Settled:
    def row(transfer: Transfer, **said: Any) -> Settled:
        return Settled(
            record_id=one.record_id, revision=one.revision, information=one.information, transfer=transfer, **said
        )

    lies = {"offered": True, "replica_number": one.replica_number, "replica_revision": one.replica_revision}
    if one.reason == UNREADABLE:
        return row(Transfer.REFUSED, reason=one.reason, **lies)
    gone = Transfer.WITHHELD if one.reason else Transfer.DELETED
    if answer is None or one.message is None:
        return row(gone, reason=one.reason, replica_revision=one.replica_revision)
    if answer.get("registered") is True:
        if one.message["operation"] == "delete":
            return row(gone, reason=one.reason, replica_revision=one.revision)
        return row(Transfer.REGISTERED, offered=True, replica_number=one.number, replica_revision=one.revision)
    refused = answer.get("refused")
    if not isinstance(refused, dict):
        raise ChannelError("replica_retry" if isinstance(answer.get("retry"), str) else "peer_answer_malformed")
    reason, item, held = str(refused.get("reason") or "refused"), refused.get("item"), refused.get("revision")
    if reason in NEEDS_NEWER and isinstance(held, int):
        return row(Transfer.DUE, above=held)
    return row(Transfer.REFUSED, reason=reason, item=item if isinstance(item, str) and item else None, **lies)


async def write_settled(connection: Connection, settled: Sequence[Settled]) -> None:
    """Answers into their rows; a row that took a newer revision meanwhile keeps its state and learns only what lies over there."""
    rows = [
        (
            one.record_id, one.revision, one.transfer.value, one.reason, one.item, one.offered, one.replica_number,
            one.replica_revision,
        )
        for one in settled
        if one.above is None
    ]  # fmt: skip
    if rows:
        await connection.execute(SQL["settle"], *map(list, zip(*rows, strict=True)))
    again = [(one.record_id, one.revision, one.above) for one in settled if one.above is not None]
    if again:
        await connection.execute(SQL["send_again"], *map(list, zip(*again, strict=True)))


async def keep_settled(agency: Agency, settled: Sequence[Settled]) -> None:
    """Raises StorageUnavailableError; the rows are due then and are asked about again."""
    if not settled:
        return
    ANSWERED_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        await write_settled(connection, settled)
    ANSWERED_STEP.after.reached()
    count(settled)


def count(settled: Sequence[Settled]) -> None:
    found = Tally((one.information, "again" if one.above is not None else one.transfer.value) for one in settled)
    for labels, times in found.items():
        RECORDS.labels(*labels).inc(times)
