"""Whom a record is about (IS-5): a commitment in the entry, and beside it what only this agency opens, until the fiscal year's key goes.

Salt and number lie sealed under `personal/<fiscal year>`; a keyed index under the same key finds a person's records of that year. After
seven years (番号法施行令30条) the key is destroyed: then nobody opens the one or computes the other, whatever copy of the database they have.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from asyncpg import Record

from evidence.entry import SALT_BYTES, commit_subject
from gateway.intermediate_server.agency import HostedAgency
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from keys.ring import State
from storage.committer import fiscal_year

PERSONAL: Final = "personal/"
INDEX_BYTES: Final = 16


class About(NamedTuple):
    """`commitment` (hex) for the entry; `personal` (sealed) and `keyed` (index, 16 bytes) to lie beside it."""

    commitment: str
    personal: bytes
    keyed: bytes


class Opened(NamedTuple):
    """Salt and integrated number of one record."""

    salt: bytes
    number: str


def purpose_of(at: datetime) -> str:
    return f"{PERSONAL}{fiscal_year(at)}"


def _bound(agency: HostedAgency, entry_id: str) -> bytes:
    return bind(labels.PERSONAL_PART, agency.id, entry_id)


def seal(agency: HostedAgency, entry_id: str, at: datetime, number: str) -> About:
    """What an entry of this id and time says of this integrated number, and keeps of it."""
    purpose, salt = purpose_of(at), secrets.token_bytes(SALT_BYTES)
    ring = agency.keys.ensure(purpose)
    personal = ring.encrypt(purpose, salt + number.encode(), _bound(agency, entry_id))
    return About(commit_subject(salt, number), personal, _index(agency, purpose, number))


def _index(agency: HostedAgency, purpose: str, number: str, version: int | None = None) -> bytes:
    found = agency.keys.ring.index(purpose, bind(labels.RECORD_SUBJECT, agency.id, number), version=version)
    return found[:INDEX_BYTES]


def index_of(agency: HostedAgency, at: datetime, number: str) -> bytes | None:
    """The index of a record of this time, or None when its key is gone."""
    try:
        return _index(agency, purpose_of(at), number)
    except KeyUnusable:
        return None


def indexes(agency: HostedAgency, number: str) -> list[bytes]:
    """What a person's records can be found by: one index for each version of each fiscal year's key that is left."""
    ring = agency.keys.ring
    return [
        _index(agency, purpose, number, version)
        for purpose in ring.purposes()
        if purpose.startswith(PERSONAL)
        for version, state in ring.versions(purpose).items()
        if state in (State.PRIMARY, State.ENABLED)
    ]


def open_personal(agency: HostedAgency, row: Record) -> Opened | None:
    """Salt and number of an entry (`at`, `entry_id`, `body`, `personal`); None when its key is gone or the two do not belong together."""
    if row["personal"] is None or row["body"] is None:
        return None
    try:
        opened = agency.keys.ring.decrypt(purpose_of(row["at"]), row["personal"], _bound(agency, row["entry_id"]))
    except (SealBroken, KeyUnusable):
        return None
    salt, number = opened[:SALT_BYTES], opened[SALT_BYTES:].decode("ascii", "replace")
    said = msgspec.json.decode(row["body"])
    subject = said.get("subject") or said.get("facts", {}).get("subject")
    return Opened(salt, number) if hmac.compare_digest(commit_subject(salt, number), str(subject)) else None
