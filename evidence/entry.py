"""Entries of the evidence log: what one line says, for exchanges (情報提供等記録) and for everything else.

An entry names parties, list row, items, permit and digests. It never holds a number, a code, a name or a
value of a person: the person appears as a salted commitment only (番号法23条 記録, kept 7 years).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from evidence.canonical import encode, timestamp

VERSION: Final = 1
SALT_BYTES: Final = 32


class EntryKind(StrEnum):
    """Every kind of entry, by who writes it (docs/architecture.md)."""

    INQUIRY_REGISTERED = "inquiry.registered"
    INQUIRY_REFUSED = "inquiry.refused"
    INQUIRY_PERMITTED = "inquiry.permitted"
    INQUIRY_DENIED = "inquiry.denied"
    INQUIRY_ANSWERED = "inquiry.answered"
    INQUIRY_HELD = "inquiry.held"
    INQUIRY_NOT_PROVIDED = "inquiry.not_provided"
    INQUIRY_REFUSED_BY_PROVIDER = "inquiry.refused_by_provider"
    INQUIRY_REFUSED_BY_NETWORK = "inquiry.refused_by_network"
    INQUIRY_ABORTED = "inquiry.aborted"

    PERMIT_ISSUED = "permit.issued"
    PERMIT_REFUSED = "permit.refused"
    PROVISION_RELAYED = "provision.relayed"
    CODES_ISSUED = "codes.issued"
    CODES_RENEWED = "codes.renewed"
    CODES_EPOCH = "codes.epoch"

    PROVISION_MADE = "provision.made"
    PROVISION_HELD = "provision.held"
    PROVISION_NOT_PROVIDED = "provision.not_provided"
    PROVISION_REFUSED = "provision.refused"
    PROVISION_RELEASED = "provision.released"
    PROVISION_EXPIRED = "provision.expired"

    RESULT_READ = "inquiry.result_read"
    INQUIRY_MARKED = "inquiry.marked"
    RECORD_CORRECTED = "record.corrected"
    ERASURE_BEGUN = "erasure.begun"
    ERASURE_CERTIFIED = "erasure.certified"
    ERASURE_CONFIRMED = "erasure.confirmed"

    BARS_CHANGED = "bars.changed"
    HELD_ESCALATED = "held.escalated"
    CODES_BOUND = "codes.bound"
    CODES_ENDED = "codes.ended"
    CODES_ORDERED = "codes.ordered"
    REPLICAS_REGISTERED = "replicas.registered"
    REPLICAS_EXPORTED = "replicas.exported"
    ADDRESSEES_LOADED = "addressees.loaded"
    ACCESS_REFUSED = "access.refused"
    CLIENT_ADMINISTERED = "client.administered"
    LIST_PUBLISHED = "list.published"
    LIST_TAKEN = "list.taken"
    LIST_REFUSED = "list.refused"
    REGISTER_TAKEN = "register.taken"
    REGISTER_REFUSED = "register.refused"
    KEY_ROTATED = "key.rotated"
    KEY_DESTROYED = "key.destroyed"
    KEY_DESTRUCTION = "key.destruction"
    CERTIFICATE_CHANGED = "certificate.changed"
    KEY_ANNOUNCED = "key.announced"
    AGENCY_CHANGED = "agency.changed"

    STAFF_FOUNDED = "staff.founded"
    STAFF_LOGGED_IN = "staff.logged_in"
    STAFF_LOGGED_OUT = "staff.logged_out"
    STAFF_SESSION_ENDED = "staff.session_ended"
    STAFF_REFUSED = "staff.refused"
    STAFF_OPERATED = "staff.operated"
    STAFF_CHANGED = "staff.changed"
    GRANT_CHANGED = "staff.grant_changed"
    PERSONS_SEEN = "persons.seen"
    PERSONS_REVIEWED = "persons.reviewed"
    PUSHES_SENT = "pushes.sent"
    PUSHES_CONFIGURED = "pushes.configured"
    LOG_REOPENED = "log.reopened"
    BACKUP_MADE = "backup.made"
    BACKUP_ORDERED = "backup.ordered"
    RESTORE_LIFTED = "restore.lifted"
    KEYS_RESEALED = "keys.resealed"
    KEYS_OPENED = "keys.opened"


OTHER_KINDS: Final = frozenset(
    {
        EntryKind.RESULT_READ,
        EntryKind.INQUIRY_MARKED,
        EntryKind.RECORD_CORRECTED,
        EntryKind.ERASURE_BEGUN,
        EntryKind.ERASURE_CERTIFIED,
        EntryKind.ERASURE_CONFIRMED,
        EntryKind.CODES_ISSUED,
        EntryKind.CODES_RENEWED,
        EntryKind.CODES_EPOCH,
        EntryKind.BARS_CHANGED,
        EntryKind.HELD_ESCALATED,
        EntryKind.CODES_BOUND,
        EntryKind.CODES_ENDED,
        EntryKind.CODES_ORDERED,
        EntryKind.REPLICAS_REGISTERED,
        EntryKind.REPLICAS_EXPORTED,
        EntryKind.ADDRESSEES_LOADED,
        EntryKind.ACCESS_REFUSED,
        EntryKind.CLIENT_ADMINISTERED,
        EntryKind.LIST_PUBLISHED,
        EntryKind.LIST_TAKEN,
        EntryKind.LIST_REFUSED,
        EntryKind.REGISTER_TAKEN,
        EntryKind.REGISTER_REFUSED,
        EntryKind.KEY_ROTATED,
        EntryKind.KEY_DESTROYED,
        EntryKind.KEY_DESTRUCTION,
        EntryKind.CERTIFICATE_CHANGED,
        EntryKind.KEY_ANNOUNCED,
        EntryKind.AGENCY_CHANGED,
        EntryKind.STAFF_FOUNDED,
        EntryKind.STAFF_LOGGED_IN,
        EntryKind.STAFF_LOGGED_OUT,
        EntryKind.STAFF_SESSION_ENDED,
        EntryKind.STAFF_REFUSED,
        EntryKind.STAFF_OPERATED,
        EntryKind.STAFF_CHANGED,
        EntryKind.GRANT_CHANGED,
        EntryKind.PERSONS_SEEN,
        EntryKind.PERSONS_REVIEWED,
        EntryKind.PUSHES_SENT,
        EntryKind.PUSHES_CONFIGURED,
        EntryKind.LOG_REOPENED,
        EntryKind.BACKUP_MADE,
        EntryKind.BACKUP_ORDERED,
        EntryKind.RESTORE_LIFTED,
        EntryKind.KEYS_RESEALED,
        EntryKind.KEYS_OPENED,
    }
)
EXCHANGE_KINDS: Final = frozenset(EntryKind) - OTHER_KINDS

Entry = dict[str, Any]


def commit_subject(salt: bytes, integrated_number: str) -> str:
    """Hex HMAC-SHA256(salt, 団体内統合宛名番号): says who, only to a holder of salt and number.

    `salt` is 32 random bytes, new for every entry. Raises ValueError for another length.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt of the wrong length")
    return hmac.digest(salt, integrated_number.encode(), "sha256").hex()


def commit_purpose(salt: bytes, purpose: str) -> str:
    """Hex HMAC-SHA256(salt, `purpose:` and the text): what an inquiry was for, told to a holder of salt and text alone. Staff write freely there.

    `salt` is 32 random bytes, another one than that of the subject. Raises ValueError for another length.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt of the wrong length")
    return hmac.digest(salt, b"purpose:" + purpose.encode(), "sha256").hex()


def exchange_entry(
    *,
    id: str,  # noqa: A002 - the entry's own field name
    at: datetime,
    kind: EntryKind,
    inquiry_number: str,
    inquirer: str,
    provider: str,
    item: str,
    information: str,
    basis: str | None = None,
    items: Sequence[str] = (),
    permit_id: str | None = None,
    list_digest: str | None = None,
    request_digest: str | None = None,
    sealed_digest: str | None = None,
    disposition: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    non_disclosure: bool = False,
    period: str | None = None,
    inquirer_for: str | None = None,
    provider_for: str | None = None,
    purpose: str | None = None,
) -> Entry:
    """One step of an inquiry or provision. `items` are sorted, empty for all of the layout; digests are hex SHA-256.

    The last five stand in the entry only when they say something: 不開示 of either side as far as it is known at this step (番号法23条2項), the
    period asked about (`YYYY-MM-DD/YYYY-MM-DD`), the agencies that have delegated asking or answering, the commitment to what it was for
    (何のため; a step of the inquirer that begins an inquiry).

    Raises ValueError if `kind` is not a step of an exchange or `at` has no zone.
    """
    if kind in OTHER_KINDS:
        raise ValueError("this kind is not a step of an exchange")
    optional = {
        "non_disclosure": non_disclosure, "period": period, "inquirer_for": inquirer_for, "provider_for": provider_for,
        "purpose": purpose,
    }  # fmt: skip
    said = {name: value for name, value in optional.items() if value}
    return said | {
        "v": VERSION,
        "id": id,
        "at": timestamp(at),
        "kind": kind.value,
        "inquiry_number": inquiry_number,
        "permit_id": permit_id,
        "inquirer": inquirer,
        "provider": provider,
        "basis": basis,
        "item": item,
        "information": information,
        "items": sorted(items),
        "list_digest": list_digest,
        "request_digest": request_digest,
        "sealed_digest": sealed_digest,
        "disposition": disposition,
        "reason": reason,
        "actor": actor,
        "subject": subject,
    }


def other_entry(
    *,
    id: str,  # noqa: A002 - the entry's own field name
    at: datetime,
    kind: EntryKind,
    reason: str | None = None,
    actor: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Entry:
    """An entry that is no step of an exchange; `facts` are counts, digests and ids, nobody's number.

    Raises ValueError if `kind` is a step of an exchange or `at` has no zone.
    """
    if kind not in OTHER_KINDS:
        raise ValueError("this kind is a step of an exchange")
    return {
        "v": VERSION,
        "id": id,
        "at": timestamp(at),
        "kind": kind.value,
        "reason": reason,
        "actor": actor,
        "facts": dict(facts or {}),
    }


def encode_entry(entry: Entry) -> bytes:
    """Canonical bytes: what is hashed into the tree and stored. Raises NotCanonical."""
    return encode(entry)
