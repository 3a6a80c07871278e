"""Whom a record is about, and what for (IS-5, SC-7): commitments in the entry, and beside it what only this agency opens, until the fiscal year's key goes.

What for is free text of a business system: it may name somebody, so it stands in no entry. Salts, number and text lie sealed under
`personal/<fiscal year>`; a keyed index under the same key finds a person's records of that year. After seven years (番号法施行令30条) the
key is destroyed: then nobody opens the one or computes the other, whatever copy of the database they have.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from asyncpg import Record

from evidence.entry import SALT_BYTES, commit_purpose, commit_subject
from gateway.intermediate_server.agency import HostedAgency
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from storage.committer import fiscal_year
from storage.evidence_log import store as log_store

PERSONAL: Final = "personal/"
INDEX_BYTES: Final = 16
_END_OF_NUMBER: Final = b"\n"


class About(NamedTuple):
    """`commitment` (hex) and `purpose` (hex) for the entry; `personal` (sealed) and `keyed` (index, 16 bytes) to lie beside it."""

    commitment: str
    personal: bytes
    keyed: bytes
    purpose: str | None


class Opened(NamedTuple):
    """Salt and integrated number of one record, and what it was for where the record commits to that."""

    salt: bytes
    number: str
    purpose: str | None


def purpose_of(at: datetime) -> str:
    return f"{PERSONAL}{fiscal_year(at)}"


def _bound(agency: HostedAgency, entry_id: str) -> bytes:
    return bind(labels.PERSONAL_PART, agency.id, entry_id)


def seal(agency: HostedAgency, entry_id: str, at: datetime, number: str, what_for: str | None = None) -> About:
    """What an entry of this id and time says of this integrated number and of what it was for, and keeps of them."""
    purpose, salt = purpose_of(at), secrets.token_bytes(SALT_BYTES)
    kept, committed = salt + number.encode(), None
    if what_for is not None:
        other = secrets.token_bytes(SALT_BYTES)
        kept, committed = kept + _END_OF_NUMBER + other + what_for.encode(), commit_purpose(other, what_for)
    ring = agency.keys.ensure(purpose)
    personal = ring.encrypt(purpose, kept, _bound(agency, entry_id))
    return About(commit_subject(salt, number), personal, _index(agency, purpose, number), committed)


def _index(agency: HostedAgency, purpose: str, number: str, version: int | None = None) -> bytes:
    found = agency.keys.ring.index(purpose, bind(labels.RECORD_SUBJECT, agency.id, number), version=version)
    return found[:INDEX_BYTES]


def index_of(agency: HostedAgency, at: datetime, number: str) -> bytes | None:
    """The index of a record of this time, or None when its key is gone."""
    try:
        return _index(agency, purpose_of(at), number)
    except KeyUnusable:
        return None


def indexes(agency: HostedAgency, *numbers: str) -> list[bytes]:
    """What a person's records can be found by: of each of their numbers one index for each version of each fiscal year's key that is left."""
    ring = agency.keys.ring
    return [
        _index(agency, purpose, number, version)
        for purpose in ring.purposes()
        if purpose.startswith(PERSONAL)
        for version in ring.opening(purpose)
        for number in numbers
    ]


def open_personal(agency: HostedAgency, row: Record) -> Opened | None:
    """Salt and number of an entry (`at`, `entry_id`, `body`, `personal`); None when its key is gone or the two do not belong together."""
    if row["personal"] is None or row["body"] is None:
        return None
    try:
        opened = agency.keys.ring.decrypt(purpose_of(row["at"]), row["personal"], _bound(agency, row["entry_id"]))
    except (SealBroken, KeyUnusable):
        return None
    salt, (text, _, rest) = opened[:SALT_BYTES], opened[SALT_BYTES:].partition(_END_OF_NUMBER)
    number, said = text.decode("ascii", "replace"), msgspec.json.decode(row["body"])
    fields = said.get("facts", said)
    if not hmac.compare_digest(commit_subject(salt, number), str(fields.get("subject"))):
        return None
    return Opened(salt, number, _what_for(rest, str(fields.get("purpose"))))


def _what_for(kept: bytes, committed: str) -> str | None:
    """The text that the entry commits to; None when there is none, or another one."""
    salt, text = kept[:SALT_BYTES], kept[SALT_BYTES:].decode("utf-8", "replace")
    if len(salt) != SALT_BYTES or not hmac.compare_digest(commit_purpose(salt, text), committed):
        return None
    return text


async def add_purposes(agency: HostedAgency, entries: Sequence[dict[str, Any]]) -> None:
    """Beside each entry that commits to it, what the inquiry was for: `purpose_text`, None when its key is gone. Raises StorageUnavailableError."""
    committing = [entry for entry in entries if "purpose" in entry.get("facts", entry)]
    parts = await log_store.personal_parts(agency.database, agency.tenant, [entry["id"] for entry in committing])
    for entry in committing:
        opened = open_personal(agency, parts[entry["id"]]) if entry["id"] in parts else None
        entry["purpose_text"] = opened and opened.purpose
