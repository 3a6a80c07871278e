"""情報提供 (TKY, IS-3): from what arrived under a permit to the outcome that is recorded and sealed. Pure but for the key ring's arithmetic.

The check, in order:

1. The permit is the core's, whole and unchanged (番号法21条2項; PL-3).
2. The request is in canonical form and signed by the key that the agency register holds for its inquirer — the core cannot stand in for an inquirer (SC-1).
3. The permit fits agency, inquirer, request, key, time, person and list (permission_lists.permit.check_permit; PL-4, SC-5, SC-9),
   and its deadline is the one that the inquirer signed: a core cannot keep a request alive.
4. Our own copy of the list permits it today, whatever the core has permitted (PL-4).
5. The items asked are items of the layout (SC-5).
6. The code names a person here, and replicas that are public today: else no such person, no replica (IS-3).
7. Barred information is held until a person has seen it (自動応答不可, SC-4).
8. What is left is exactly what was asked; it is sealed to the key of the permit (SC-1, SC-5).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from codebook import layouts
from evidence.canonical import timestamp
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.network.wire import (
    Asked,
    MessageBrokenError,
    Outcome,
    ProvisionItem,
    encode_payload,
    hexdigest,
    instant,
    payload_info,
    read_asked,
)
from gateway.intermediate_server.replica.registration import open_record
from keys import labels
from keys.errors import KeyUnusable, SealBroken
from keys.masked import Plaintext
from keys.sealing import PublicKeyBroken, seal
from keys.signing import verify
from permission_lists.barring import AutoResponse, HoldGround, hold_ground
from permission_lists.decide import Refused
from permission_lists.permit import Permit, PermitBroken, PermitRefusal, check_permit, read_permit

PROVIDED = "provided"
NOT_PROVIDED = "not_provided"
HELD = "held"
REFUSED = "refused"
UNREADABLE = "replica_unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One decided provision, ready to be committed. `permit` None: what arrived was no permit of the core, so nothing is kept but the record."""

    permit: Permit | None
    disposition: str
    reason: str | None
    outcome: bytes
    signature: bytes
    sealed: bytes | None
    integrated_number: str | None
    content_digest: str | None
    ground: HoldGround | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who the code names here (None: nobody) and the replicas of the information asked that are public today."""

    integrated_number: str | None
    replicas: Sequence[Record]


def check(  # noqa: PLR0911 (one return for each numbered step)
    agency: HostedAgency, item: ProvisionItem, now: datetime
) -> tuple[Permit | None, Asked | None, str | None]:
    """Steps 1 to 5. Returns permit and request as far as they could be read, and the reason of a refusal or None."""
    # 1
    try:
        permit = read_permit(item.permit, agency.register.permit_key)
    except PermitBroken:
        return None, None, PermitRefusal.PERMIT_SIGNATURE.value
    # 2
    try:
        asked = read_asked(item.request)
    except MessageBrokenError:
        return permit, None, PermitRefusal.PERMIT_REQUEST_DIFFERS.value
    inquirer = agency.register.agencies.get(asked.inquirer)
    if inquirer is None or not verify(inquirer.signing_key, labels.INQUIRY, item.request, item.signature):
        return permit, asked, "inquirer_signature"
    # 3
    wrong = check_permit(
        permit,
        provider=agency.id,
        signed_by=asked.inquirer,
        request=item.request,
        public_key=item.public_key,
        now=now,
        releasing=True,  # answer_by is what the inquirer signed; redeem_by is the network's own rule, and the network keeps it
        nonce=item.nonce,
        code=item.code,
        known_lists=(agency.lists.source.digest,),
    )
    if wrong is not None:
        return permit, asked, wrong.value
    if instant(asked.expires_at) != permit.answer_by:
        return permit, asked, PermitRefusal.PERMIT_REQUEST_DIFFERS.value
    if now > permit.answer_by:
        return permit, asked, "request_expired"
    # 4
    answer = agency.lists.on(agency.today(now)).decide(
        permit.inquirer, agency.id, permit.basis, permit.item, permit.information
    )
    if isinstance(answer, Refused):
        return permit, asked, answer.reason.value
    # 5
    return permit, asked, None if items_exist(agency, permit.information, permit.items, now) else "item_not_in_layout"


def items_exist(agency: HostedAgency, information: str, items: Sequence[str], now: datetime) -> bool:
    """Whether every item asked is one of the layout in force; no items means all of them."""
    if not items:
        return True
    layout = layouts.in_force(agency.layouts, information, agency.today(now))
    return layout is not None and all(
        any(name in data_set.items for data_set in layout.data_sets.values()) for name in items
    )


def answer(
    agency: HostedAgency, permit: Permit, exchange: bytes, public_key: bytes, person: Person, now: datetime
) -> Answer:
    """Steps 6 to 8 for a request that passed the checks."""
    # 6
    if person.integrated_number is None:
        return conclude(agency, permit, exchange, public_key, now, NOT_PROVIDED, "no_such_person", [], None)
    if not person.replicas:
        return conclude(
            agency, permit, exchange, public_key, now, NOT_PROVIDED, "no_replica", [], person.integrated_number
        )
    try:
        records = [_record(agency, row, permit.items) for row in person.replicas]
    except (SealBroken, KeyUnusable):  # somebody changed the row, or its key is gone: nothing of it may leave
        return refuse(agency, permit, exchange, now, UNREADABLE, person.integrated_number)
    records = [record for record in records if record["items"]]
    # 7
    flags = [AutoResponse(row["auto_response"]) for row in person.replicas]
    ground = hold_ground(person=AutoResponse.ALLOWED, inquirer=AutoResponse.ALLOWED, items=flags)
    if ground is not None:
        return _hold(agency, permit, exchange, now, records, person.integrated_number, ground)
    # 8
    return conclude(agency, permit, exchange, public_key, now, PROVIDED, None, records, person.integrated_number)


def _record(agency: HostedAgency, row: Record, wanted: Sequence[str]) -> dict[str, Any]:
    items = open_record(agency, row)
    kept = {name: value for name, value in items.items() if not wanted or name in wanted}
    return {"data_set": row["data_set"], "version": row["version"], "items": kept}


def payload_of(disposition: str, reason: str | None, records: Sequence[dict[str, Any]]) -> bytes:
    """The payload of a concluded provision: answered, empty by reason (未設定事由 alone), or why nothing is there."""
    if disposition != PROVIDED:
        return encode_payload(reason or "no_replica", [])
    empty = all("value" not in value for record in records for value in record["items"].values())
    return encode_payload("empty_by_reason" if empty else "answered", records)


def conclude(
    agency: HostedAgency,
    permit: Permit,
    exchange: bytes,
    public_key: bytes,
    now: datetime,
    disposition: str,
    why: str | None,
    records: Sequence[dict[str, Any]],
    integrated_number: str | None,
) -> Answer:
    """Seal and sign. Only the inquirer learns more than `provided` or `not_provided`: who has what is in the sealed part."""
    payload = payload_of(disposition, why, records)
    info = payload_info(permit)
    try:
        sealed = seal(public_key, info, Plaintext(payload))
    except PublicKeyBroken:
        return refuse(agency, permit, exchange, now, "public_key_unusable", integrated_number)
    return _signed(agency, permit, exchange, now, disposition, None, info, sealed, integrated_number)


def refuse(
    agency: HostedAgency,
    permit: Permit,
    exchange: bytes,
    now: datetime,
    reason: str,
    integrated_number: str | None = None,
) -> Answer:
    """A refusal says its reason in clear: it holds nothing of the person, and everybody on the way may know it."""
    return _signed(agency, permit, exchange, now, REFUSED, reason, payload_info(permit), None, integrated_number)


def _hold(
    agency: HostedAgency,
    permit: Permit,
    exchange: bytes,
    now: datetime,
    records: Sequence[dict[str, Any]],
    number: str,
    ground: HoldGround,
) -> Answer:
    held = _signed(agency, permit, exchange, now, HELD, None, payload_info(permit), None, number)
    return Answer(
        permit=permit,
        disposition=HELD,
        reason=None,
        outcome=held.outcome,
        signature=held.signature,
        sealed=None,
        integrated_number=number,
        content_digest=hexdigest(payload_of(PROVIDED, None, records)),
        ground=ground,
    )


def _signed(
    agency: HostedAgency,
    permit: Permit,
    exchange: bytes,
    now: datetime,
    disposition: str,
    reason: str | None,
    info: bytes,
    sealed: bytes | None,
    number: str | None,
) -> Answer:
    outcome = Outcome(
        at=timestamp(now),
        disposition=disposition,
        exchange_digest=exchange.hex(),
        info_digest=hexdigest(info),
        inquirer=permit.inquirer,
        inquiry_number=permit.inquiry_number,
        permit_id=permit.permit_id,
        provider=agency.id,
        reason=reason,
        sealed_digest=hexdigest(sealed) if sealed is not None else None,
    ).encode()
    return Answer(
        permit=permit,
        disposition=disposition,
        reason=reason,
        outcome=outcome,
        signature=agency.signer.sign(labels.OUTCOME, outcome),
        sealed=sealed,
        integrated_number=number,
        content_digest=None,
        ground=None,
    )


def same_content(digest: str | None, records: Sequence[dict[str, Any]]) -> bool:
    """Whether what would leave now is what was held (its hash was bound when it was held)."""
    return digest is not None and hmac.compare_digest(digest, hexdigest(payload_of(PROVIDED, None, records)))
