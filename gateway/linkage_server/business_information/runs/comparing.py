"""One part of a comparison: a page of originals, the copies of the same range, what differs, and its repair on command (IS-6, SC-17).

Originals are read before the copies and those that differ once more afterwards: what was changed or sent meanwhile is under way, not a difference.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from prometheus_client import Counter as Metric

from codebook.replica_content import replica_digest
from gateway.linkage_server.business_information.originals import Original
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.runs.differences import (
    Copy,
    Difference,
    Found,
    Page,
    compare,
    differing_fields,
)
from gateway.linkage_server.business_information.runs.store import PART_STEP, SQL, Run, close, keep_part
from gateway.linkage_server.business_information.store import read_row
from gateway.linkage_server.business_information.transfer import UNREADABLE, delete_message
from gateway.linkage_server.outbound import SEND_REPLICAS
from gateway.linkage_server.tenant import Agency
from keys.errors import KeyUnusable, SealBroken
from storage.database import Connection
from storage.fault_points import declare
from transport.channel import ChannelError

SEND_EXPORT: Final = declare("linkage", "send.replica_export")
COLUMNS: Final = ("record_id", "difference", "fields", "repaired")
COMPARED = Metric("sekisho_replica_comparison", "Records compared with their copies, by what was found", ["found"])
_COPIES_AT_ONCE: Final = 500
_LAST: Final = "~"
"""Above every record id."""


async def _export(agency: Agency, item: dict[str, Any]) -> dict[str, Any]:
    [answer] = await agency.outbound.ask_list(agency.outbound.intermediate("replica-export"), [item], step=SEND_EXPORT)
    records = answer.get("records")
    if not isinstance(records, list) or not all(isinstance(one, dict) and _is_copy(one) for one in records):
        raise ChannelError("peer_answer_malformed")
    return {"records": [_decoded(one) for one in records], "next": answer.get("next")}


def _is_copy(one: dict[str, Any]) -> bool:
    return isinstance(one.get("record_id"), str) and type(one.get("revision")) is int and _is_number(one)


def _is_number(one: dict[str, Any]) -> bool:
    number = one.get("integrated_number")
    return isinstance(number, str) and number.isascii() and number.isdigit() and len(number) == 15


def _decoded(one: dict[str, Any]) -> dict[str, Any]:
    try:
        return one | {"digest": base64.b64decode(str(one.get("digest", "")), validate=True)}
    except (binascii.Error, ValueError):
        raise ChannelError("peer_answer_malformed") from None


async def read_copies(agency: Agency, key: bytes, after: str, before: str, most: int | None = None) -> dict[str, Copy]:
    """Copies with ids between the two bounds (exclusive), all of them or the first `most`. Raises ChannelError."""
    found: dict[str, Copy] = {}
    at: str | None = after
    while at is not None and (most is None or len(found) < most):
        limit = min(_COPIES_AT_ONCE, most - len(found)) if most is not None else _COPIES_AT_ONCE
        page = await _export(agency, {"digest_key": key, "after": at, "before": before, "limit": limit})
        found |= {one["record_id"]: one for one in page["records"]}
        at = page["next"] if isinstance(page["next"], str) and page["next"] > at else None
    return found


async def read_contents(agency: Agency, key: bytes, record_ids: Sequence[str]) -> dict[str, Copy]:
    """These copies with their items. Raises ChannelError."""
    found: dict[str, Copy] = {}
    for start in range(0, len(record_ids), _COPIES_AT_ONCE):
        ids = list(record_ids[start : start + _COPIES_AT_ONCE])
        page = await _export(agency, {"digest_key": key, "record_ids": ids})
        found |= {one["record_id"]: one for one in page["records"]}
    return found


async def systems(agency: Agency) -> list[str]:
    """Business systems with a client, an original or a copy. Raises ChannelError, StorageUnavailableError."""
    async with agency.database.inside(agency.tenant) as connection:
        found = {row["business_system_id"] for row in await connection.fetch(SQL["systems"])}
    key, after = secrets.token_bytes(32), ""
    while copies := await read_copies(agency, key, after, _LAST, 1):
        system = next(iter(copies)).partition("/")[0]
        found.add(system)
        after = f"{system}0"  # beyond all records of this system: `/` is followed by `0`
    return sorted(found)


def _expected(original: Original, number: int) -> dict[str, Any]:
    said = original.said
    return {
        "integrated_number": f"{number:015d}",
        "information": said.information,
        "data_set": said.data_set,
        "version": said.layout_version,
        "public_from": said.public_from,
        "public_to": said.public_to,
        "auto_response": said.auto_response,
        "delegator": said.delegator,
        "items": said.items,
    }


async def do_part(outbox: Outbox, run: Run) -> None:
    """The next part of a comparison, or its end. Raises ChannelError, StorageUnavailableError: the same part again."""
    agency = outbox.agency
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(SQL["page_to_compare"], run.after, run.end, run.wanted.per_part)
    last = len(rows) < run.wanted.per_part
    before = (
        run.end if last else f"{rows[-1]['record_id']}!"
    )  # the next id there can be: `!` is the lowest character of an id
    key = secrets.token_bytes(32)
    copies = await read_copies(agency, key, run.after, before)
    page = compare(rows, copies, lambda row: _digest(agency, row, key), agency.today())
    found, changed = await _still_so(agency, page)
    by_id = {row["record_id"]: row for row in rows}
    unreadable = {one.record_id for one in found if _needs_original(one) and not _opens(agency, by_id[one.record_id])}
    results = await _described(agency, found, by_id, key, unreadable)
    gone = await _delete_copies(agency, found) if run.wanted.repair else set()
    PART_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        to_send = [one for one in found if not one.copy_alone and one.record_id not in unreadable]
        repaired = gone | (await _repair(connection, to_send) if run.wanted.repair else set())
        results = [[*result, result[0] in repaired] for result in results]
        counts = _counts(page, found, changed, repaired)
        await keep_part(connection, run, results, counts, run.end if last else rows[-1]["record_id"])
        if last:
            await close(connection, replace(run, parts=run.parts + 1), agency.clock())
    PART_STEP.after.reached()
    for name, count in counts.items():
        COMPARED.labels(name).inc(count)
    if repaired:
        outbox.wake()


def _digest(agency: Agency, row: Any, key: bytes) -> bytes | None:
    try:
        return replica_digest(key, **_expected(read_row(agency.keys, row), row["replica_number"]))
    except (SealBroken, KeyUnusable):
        return None


def _needs_original(one: Found) -> bool:
    """Whether a repair sends what the original says."""
    return not one.copy_alone and one.difference is not Difference.SURPLUS


def _opens(agency: Agency, row: Any) -> bool:
    try:
        read_row(agency.keys, row)
    except (SealBroken, KeyUnusable):
        return False
    return True


def _counts(page: Page, found: Sequence[Found], changed: int, repaired: set[str]) -> Counter[str]:
    return Counter(one.difference.value for one in found) + Counter(
        {"equal": page.equal, "under_way": page.under_way + changed, "repaired": len(repaired)}
    )


async def _still_so(agency: Agency, page: Page) -> tuple[list[Found], int]:
    """What has not been changed or sent anew since it was read, and how many have been."""
    if not page.found:
        return [], 0
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(SQL["originals_by_id"], [one.record_id for one in page.found])
    now = {row["record_id"]: row["revision"] for row in rows}
    same = [one for one in page.found if now.get(one.record_id) == one.revision]
    return same, len(page.found) - len(same)


async def _described(
    agency: Agency, found: Sequence[Found], rows: Mapping[str, Any], key: bytes, unreadable: Collection[str]
) -> list[list[Any]]:
    """Record id, difference, and the names of the fields that differ where both are there and readable; of one that was refused why, and for which item.

    Of an `unreadable` original that it is so: it cannot be sent again, so nothing repairs it but its business system.
    """
    two = {Difference.DIFFERING, Difference.WRONG_VERSION}
    ids = [one.record_id for one in found if one.difference in two]
    contents = await read_contents(agency, key, ids) if ids else {}
    return [
        [
            one.record_id,
            one.difference.value,
            [
                *(
                    _refusal(rows[one.record_id])
                    if one.difference is Difference.REFUSED
                    else _fields(
                        agency, rows.get(one.record_id), contents.get(one.record_id), one.record_id in unreadable
                    )
                ),
                *((UNREADABLE,) if one.record_id in unreadable else ()),
            ],
        ]
        for one in found
    ]


def _refusal(row: Any) -> list[str]:
    return [row["reason"] or "refused", *([row["item"]] if row["item"] else [])]


def _fields(agency: Agency, row: Any, copy: Copy | None, unreadable: bool) -> list[str]:  # noqa: FBT001 (of one call)
    if row is None or copy is None:
        return []
    revision = ["revision"] if copy["revision"] != row["replica_revision"] else []
    if unreadable:
        return revision
    return revision + differing_fields(_expected(read_row(agency.keys, row), row["replica_number"]), copy)


async def _delete_copies(agency: Agency, found: Sequence[Found]) -> set[str]:
    """Copies that no original knows, or one that waits for its first transfer, are deleted at once; a crash before the part is kept finds them gone.

    Returns which are, as the other side says.
    """
    surplus = {one.record_id: one.copy for one in found if one.copy_alone and one.copy is not None}
    if not surplus:
        return set()
    messages = [
        delete_message(name, copy["revision"], int(copy["integrated_number"])) for name, copy in surplus.items()
    ]
    answers = await agency.outbound.ask_list(agency.outbound.intermediate("replicas"), messages, step=SEND_REPLICAS)
    return {name for name, answer in zip(surplus, answers, strict=True) if answer.get("registered") is True}


async def _repair(connection: Connection, found: Sequence[Found]) -> set[str]:
    """Originals whose copies differ are sent again above the copy's revision; a copy that may not stand is deleted on that way."""
    rows = [
        (
            one.record_id, one.revision, one.copy["revision"] if one.copy else 0,
            int(one.copy["integrated_number"]) if one.copy else None,
        )
        for one in found
    ]  # fmt: skip
    if not rows:
        return set()
    changed = await connection.fetch(SQL["repair"], *map(list, zip(*rows, strict=True)))
    return {row[0] for row in changed}
