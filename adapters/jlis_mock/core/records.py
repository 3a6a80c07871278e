"""The core's own lines in its evidence log (番号法23条3項: the network records inquiries and provisions too)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.jlis_mock.core.messages import InquiryRequest
from adapters.jlis_mock.core.store import StoredPermit
from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind, encode_entry, exchange_entry, other_entry
from storage.committer import NewEntry


def new_id(prefix: str, now: datetime) -> str:
    """A sortable id: `K…` for permits, `E…` for entries."""
    return new_sortable_id(prefix, int(now.timestamp() * 1000), secrets.token_bytes(10))


def asked(
    kind: EntryKind,
    request: InquiryRequest,
    *,
    now: datetime,
    request_digest: str,
    actor: str,
    permit_id: str | None = None,
    reason: str | None = None,
) -> NewEntry:
    """An entry about a request for a permit; `actor` is the agency that called."""
    entry_id = new_id("E", now)
    body = exchange_entry(
        id=entry_id,
        at=now,
        kind=kind,
        inquiry_number=request.inquiry_number,
        permit_id=permit_id,
        inquirer=request.inquirer,
        provider=request.provider,
        basis=request.basis,
        item=request.item,
        information=request.information,
        items=request.items,
        list_digest=request.list_digest,
        request_digest=request_digest,
        reason=reason,
        actor=actor,
        **request.said,
    )
    return _new(entry_id, now, kind, request.inquiry_number, body)


def presented(
    kind: EntryKind,
    permit: StoredPermit,
    *,
    now: datetime,
    actor: str,
    disposition: str | None = None,
    sealed_digest: str | None = None,
    reason: str | None = None,
    marked: bool = False,
) -> NewEntry:
    """An entry about a permit that was presented, or about the outcome under it. `marked`: the provider says 不開示 (番号法23条2項)."""
    entry_id = new_id("E", now)
    body = exchange_entry(
        id=entry_id,
        at=now,
        kind=kind,
        inquiry_number=permit.inquiry_number,
        permit_id=permit.permit_id,
        inquirer=permit.inquirer,
        provider=permit.provider,
        basis=permit.basis,
        item=permit.item,
        information=permit.information,
        items=permit.items,
        list_digest=permit.list_digest,
        request_digest=permit.request_digest,
        sealed_digest=sealed_digest,
        disposition=disposition,
        reason=reason,
        actor=actor,
        **{**permit.said, **({"non_disclosure": True} if marked else {})},
    )
    return _new(entry_id, now, kind, permit.inquiry_number, body)


def other(
    kind: EntryKind,
    *,
    now: datetime,
    actor: str | None,
    reason: str | None = None,
    facts: Mapping[str, Any],
    inquiry_number: str | None = None,
) -> NewEntry:
    """An entry that is no step of an exchange: counts, digests and ids only. Found under `inquiry_number` if given."""
    entry_id = new_id("E", now)
    body = other_entry(id=entry_id, at=now, kind=kind, reason=reason, actor=actor, facts=facts)
    return _new(entry_id, now, kind, inquiry_number, body)


def _new(entry_id: str, now: datetime, kind: EntryKind, inquiry_number: str | None, body: dict[str, Any]) -> NewEntry:
    return NewEntry(
        entry_id=entry_id,
        at=now,
        kind=kind.value,
        inquiry_number=inquiry_number,
        body=encode_entry(body),
        personal=None,
    )
