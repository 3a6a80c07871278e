"""情報提供等記録 (exchange records, IS-5): what one step of an exchange leaves in the evidence log (番号法23条; SC-6, SC-7).

The entry names parties, row, items, permit and digests. The person is a salted commitment; salt and number lie beside the entry,
sealed under the key of the fiscal year, so that after 7 years (施行令30条) the key goes and the entry stays.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from evidence.entry import EntryKind, commit_subject, encode_entry, exchange_entry, other_entry
from gateway.intermediate_server.agency import HostedAgency
from keys import labels
from keys.binding import bind
from storage.committer import NewEntry, fiscal_year

ENTRY_PREFIX = "E"


def record(
    agency: HostedAgency,
    now: datetime,
    kind: EntryKind,
    *,
    inquiry_number: str,
    inquirer: str,
    provider: str,
    basis: str | None,
    item: str,
    information: str,
    items: Sequence[str],
    list_digest: str,
    integrated_number: str | None = None,
    permit_id: str | None = None,
    request_digest: str | None = None,
    sealed_digest: str | None = None,
    disposition: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
) -> NewEntry:
    """Build one exchange record. `integrated_number` is None only where the person could not be told."""
    entry_id = agency.new_id(ENTRY_PREFIX, now)
    subject: str | None = None
    personal: bytes | None = None
    if integrated_number is not None:
        salt = secrets.token_bytes(32)
        subject = commit_subject(salt, integrated_number)
        purpose = f"personal/{fiscal_year(now)}"
        ring = agency.keys.ensure(purpose)
        personal = ring.encrypt(
            purpose, salt + integrated_number.encode(), bind(labels.PERSONAL_PART, agency.id, entry_id)
        )
    body = encode_entry(
        exchange_entry(
            id=entry_id,
            at=now,
            kind=kind,
            inquiry_number=inquiry_number,
            permit_id=permit_id,
            inquirer=inquirer,
            provider=provider,
            basis=basis,
            item=item,
            information=information,
            items=items,
            list_digest=list_digest,
            request_digest=request_digest,
            sealed_digest=sealed_digest,
            disposition=disposition,
            reason=reason,
            actor=actor,
            subject=subject,
        )
    )
    return NewEntry(
        entry_id=entry_id, at=now, kind=kind.value, inquiry_number=inquiry_number, body=body, personal=personal
    )


def note_event(
    agency: HostedAgency,
    now: datetime,
    kind: EntryKind,
    *,
    reason: str | None = None,
    actor: str | None = None,
    **facts: str | int,
) -> NewEntry:
    """An entry that is no step of an exchange: counts, digests and ids, nobody's number."""
    entry_id = agency.new_id(ENTRY_PREFIX, now)
    body = encode_entry(other_entry(id=entry_id, at=now, kind=kind, reason=reason, actor=actor, facts=facts))
    return NewEntry(entry_id=entry_id, at=now, kind=kind.value, inquiry_number=None, body=body, personal=None)
