"""Whether what a record is found by, and the columns beside its body, say what its entry says (SC-6, SC-7).

The entry's body is under the log's signature, the rows that a search reads are not: whoever has the rights of the database's owner could change
them, so that a search shows a record under another name than its own. Each record that is shown is held against its entry first; what differs is
said by name and the entry is what counts. Whether the entry itself is the one that was appended, its proof says (`records.show` with `proof`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from asyncpg import Record

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from evidence.merkle import leaf_hash
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.outcomes import outcome_of
from gateway.intermediate_server.records import subjects
from gateway.intermediate_server.records.exchange_entries import parties


class Differs(StrEnum):
    """What of a record is not what its entry says."""

    BODY = "body"
    """The body has not the hash that stands in the tree's place."""
    ID = "id"
    AT = "at"
    KIND = "kind"
    INQUIRY_NUMBER = "inquiry_number"
    PARTNER = "partner"
    ITEM = "item"
    INFORMATION = "information"
    ACTOR = "actor"
    INQUIRER_FOR = "inquirer_for"
    PROVIDER_FOR = "provider_for"
    OUTCOME = "outcome"
    PERSON = "person"
    """Whom it is found by, or whose number lies beside it, is not whom the entry commits to."""
    ROW = "row"
    """Nothing finds it."""


def of_entry(row: Record, entry: Mapping[str, Any]) -> set[Differs]:
    """The columns of `log_entry` against its body; nothing of a record whose body is gone by rule."""
    if row["body"] is None:
        return set()
    said = entry.get("facts", entry)
    same = {
        Differs.BODY: hmac.compare_digest(leaf_hash(row["body"]), row["leaf"]),
        Differs.ID: row["entry_id"] == entry["id"],
        Differs.AT: timestamp(row["at"]) == entry["at"],
        Differs.KIND: row["kind"] == entry["kind"],
        Differs.INQUIRY_NUMBER: row["inquiry_number"] in (said.get("inquiry_number"), entry.get("inquiry_number")),
    }
    return {name for name, holds in same.items() if not holds}


def of_row(agency: HostedAgency, found: Record, row: Record, entry: Mapping[str, Any]) -> set[Differs]:
    """The columns of `log_record` (`found`) against the entry of the same place (`row`, with its personal part)."""
    said = entry.get("facts", entry)
    if row["body"] is None or "inquirer" not in said:
        return set()
    under = parties(agency.id, said)
    same = {
        Differs.AT: timestamp(found["found_at"]) == entry["at"],
        Differs.KIND: found["found_kind"] == entry["kind"],
        Differs.PARTNER: found["partner"] == under["partner"],
        Differs.ITEM: found["item"] == said["item"],
        Differs.INFORMATION: found["information"] == said["information"],
        Differs.ACTOR: found["actor"] == entry["actor"],
        Differs.INQUIRER_FOR: found["inquirer_for"] == under["inquirer_for"],
        Differs.PROVIDER_FOR: found["provider_for"] == under["provider_for"],
        Differs.OUTCOME: found["outcome"] == outcome_of(EntryKind(entry["kind"]), entry["reason"]),
        Differs.PERSON: _is_about(agency, found["subject"], row, said.get("subject")),
    }
    return {name for name, holds in same.items() if not holds}


def _is_about(agency: HostedAgency, subject: bytes | None, row: Record, committed: str | None) -> bool:
    """Whether a keyed index is of whom an entry commits to; nobody can tell any more once the year's key is gone."""
    if committed is None or subject is None:
        return committed is None and subject is None
    purpose = subjects.purpose_of(row["at"])
    if purpose not in agency.keys.ring.purposes():
        return True
    opened = subjects.open_personal(agency, row)
    return opened is not None and subject in subjects.indexes(agency, opened.number)
