"""IF_DBM_90019: the copies as they lie here, to be compared with the originals (IS-6, SC-17): digests first, contents of those that are named.

Every copy is opened for its digest, so one that does not open is found too; nothing of a copy's content stands in the answer unless it is asked for by
record id. How many contents leave is an entry before they do: whoever has the linkage server's certificate takes none unseen (SC-7).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record
from msgspec import Meta

from codebook.replica_content import replica_digest
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import REPLICAS
from gateway.intermediate_server.records.exchange_entries import note_event
from gateway.intermediate_server.replica.registration import open_record
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.committer import Commit, commit_step

_SQL = sql.load("gateway.intermediate_server.replica")
_EXPORTED: Final = commit_step("intermediate", "replicas.exported")
_MOST = 1_000
RecordId = Annotated[str, Meta(max_length=65, pattern=r"^[!-~]*\Z")]
"""Up to 64 characters; a bound may be one longer: the next id after the longest."""


class ExportItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_DBM_90019. Either a page (`after`, `before`: record ids, both exclusive, empty = no bound; `limit`) or `record_ids`, then with contents.

    `digest_key`: 32 bytes that the asker drew for this question.
    """

    digest_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    after: RecordId = ""
    before: RecordId = ""
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = 500
    record_ids: Annotated[list[RecordId], Meta(max_length=_MOST)] = []


EXPORT_ITEM = msgspec.json.Decoder(ExportItem)


async def export(agency: HostedAgency, items: list[ExportItem], now: datetime) -> list[dict[str, Any]]:
    """Each answer: `records` in the order of their ids, and `next`, the id to go on after (null: this was the last page)."""
    pages = [await _page(agency, item) for item in items]
    contents = sum("items" in record for page in pages for record in page["records"])
    if contents:
        entry = note_event(agency, now, EntryKind.REPLICAS_EXPORTED, count=contents)
        await agency.committer.apply(Commit(step=_EXPORTED, entries=(entry,)))
    return pages


async def _page(agency: HostedAgency, item: ExportItem) -> dict[str, Any]:
    async with agency.database.inside(agency.tenant) as connection:
        if item.record_ids:
            rows = await connection.fetch(_SQL["exported_by_id"], item.record_ids)
        else:
            rows = await connection.fetch(_SQL["exported"], item.after, item.before, item.limit)
    REPLICAS.labels("exported").inc(len(rows))
    records = [_shown(agency, row, item) for row in rows]
    full = not item.record_ids and len(rows) == item.limit
    return {"records": records, "next": rows[-1]["record_id"] if full else None}


def _shown(agency: HostedAgency, row: Record, item: ExportItem) -> dict[str, Any]:
    said: dict[str, str | date | None] = {
        name: row[name]
        for name in (
            "integrated_number", "information", "data_set", "version", "public_from", "public_to", "delegator",
        )
    }  # fmt: skip
    shown = {"record_id": row["record_id"], "revision": row["revision"], **said}
    try:
        opened = open_record(agency, row)
    except (SealBroken, KeyUnusable):  # somebody changed the row, or its key is gone
        REPLICAS.labels("unreadable").inc()
        return shown | {"unreadable": True}
    flag = opened.auto_response.value
    digest = replica_digest(item.digest_key, auto_response=flag, items=opened.items, **said)  # type: ignore[arg-type]  # columns by name, as they are typed there
    shown |= {"auto_response": flag, "digest": digest}
    return shown | {"items": opened.items} if item.record_ids else shown
