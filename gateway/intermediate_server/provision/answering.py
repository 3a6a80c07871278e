"""情報提供 (TKY, IS-3): from what arrived under a permit to the outcome that is recorded and sealed. Pure but for the key ring's arithmetic.

The check, in order:

1. The permit is the core's, whole and unchanged (番号法21条2項; PL-3).
2. The request is in canonical form and signed by the key that the agency register holds for its inquirer — the core cannot stand in for an inquirer (SC-1).
3. The permit fits agency, inquirer, request, key, time, person and list (permission_lists.permit.check_permit; PL-4, SC-5, SC-9),
   and its deadline is the one that the inquirer signed: a core cannot keep a request alive. It is younger than this log, if that
   was opened anew after a loss: what was answered under an older one may be lost (SC-15).
4. Our own copy of the list permits it, whatever the core has permitted: the version in force when the permit was issued (PL-4), which no
   core has kept from us: the signed register names it (docs/adr/0071). Who asks
   or answers for another must have a delegation in our own copy of the register; the other one's rows count then.
5. The items asked are items of the layout (SC-5).
6. The code names a person here, and replicas that are public today, have some of the items asked and are ours, or the delegator's when we
   answer for another (委任): else no such person, no replica (IS-3); and some of those meet the
   period asked about: else none in the period. A code that was cancelled or replaced long ago is refused with that reason (IS-1).
7. Barred information is held until a person has seen it (自動応答不可, SC-4): the flag of a copy of which something would leave, a bar
   at the person, at who asks or has delegated asking, or at an item. Of somebody at whom a bar stands nothing is answered automatically, not even
   that there is nothing: by asking for one period or item after another an inquirer would learn what is held. Of who is frozen nothing leaves (IS-6).
8. What is left is exactly what was asked; it is sealed to the key of the permit (SC-1, SC-5).

情報提供等記録 has no copies: in place of steps 6 and 7 the person's records are put together (records.disclosing; SC-27), unless a bar stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from asyncpg import Record

from codebook import layouts, periods
from codebook.periods import Period
from evidence.canonical import timestamp
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.standing import FREE, USE_SUSPENDED, Barred
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
from gateway.intermediate_server.records import disclosing
from gateway.intermediate_server.replica.registration import open_record
from keys import labels
from keys.errors import KeyUnusable, SealBroken
from keys.masked import Plaintext
from keys.sealing import PublicKeyBroken, seal
from permission_lists.barring import AutoResponse, HoldGround, hold_ground
from permission_lists.decide import Refused
from permission_lists.permit import Permit, PermitBroken, PermitRefusal, check_permit, read_permit
from permission_lists.versions import VersionRefusal
from transport.register import Side

PROVIDED = "provided"
NOT_PROVIDED = "not_provided"
HELD = "held"
REFUSED = "refused"
UNREADABLE = "replica_unreadable"
OLDER_THAN_LOG = "permit_older_than_log"
AT_THE_COUNTER = "disclosed_at_the_counter"


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
    ground: HoldGround | None
    marked: bool = False
    """不開示, by the provider (番号法23条2項)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who the code names here (None: nobody) and the replicas of the information asked that are public today.

    `ended`: why a code that named this person is no longer answered to (codes.ending). `disclosed`: the person's own records, if those were
    asked for and are not too large. `barred`: what the bars say of them to this inquirer.
    """

    integrated_number: str | None
    replicas: Sequence[Record]
    ended: str | None = None
    disclosed: list[dict[str, Any]] | None = None
    barred: Barred = FREE


def check(  # noqa: PLR0911 (one return for each numbered step)
    agency: HostedAgency, item: ProvisionItem, now: datetime
) -> tuple[Permit | None, Asked | None, str | None]:
    """Steps 1 to 5. Returns permit and request as far as they could be read, and the reason of a refusal or None."""
    # 1
    try:
        permit = read_permit(item.permit, *agency.register().permit_keys.accepted(now))
    except PermitBroken:
        return None, None, PermitRefusal.PERMIT_SIGNATURE.value
    # 2
    try:
        asked = read_asked(item.request)
    except MessageBrokenError:
        return permit, None, PermitRefusal.PERMIT_REQUEST_DIFFERS.value
    inquirer = agency.register().agencies.get(asked.inquirer)
    if inquirer is None or not inquirer.signing_keys.verify(labels.INQUIRY, item.request, item.signature, now=now):
        return permit, asked, "inquirer_signature"
    # 3
    wrong = check_permit(
        permit,
        provider=agency.id,
        signed_by=asked.inquirer,
        request=item.request,
        public_key=item.public_key,
        now=now,
        releasing=True,  # answer_by is what the inquirer signed; redeem_by is the network's own rule, and the network keeps it (docs/adr/0063)
        nonce=item.nonce,
        code=item.code,
        known_lists=agency.lists.digests,
    )
    if wrong is not None:
        return permit, asked, wrong.value
    if agency.standing.refuses(permit.issued_at):
        return permit, asked, OLDER_THAN_LOG
    if not _is_of_form(asked, permit):
        return permit, asked, PermitRefusal.PERMIT_REQUEST_DIFFERS.value
    if now > permit.answer_by:
        return permit, asked, "request_expired"
    # 4
    no = _own_no(agency, permit, now)
    if no is not None:
        return permit, asked, no
    # 5
    return permit, asked, None if items_exist(agency, permit.information, permit.items, now) else "item_not_in_layout"


def _is_of_form(asked: Asked, permit: Permit) -> bool:
    """Whether what was signed and permitted can be read: its deadline, which both name, and the period asked about."""
    try:
        same = instant(asked.expires_at) == permit.answer_by
        return same and (permit.period is None or periods.parse(permit.period) is not None)
    except (MessageBrokenError, periods.PeriodMalformedError):
        return False


def _own_no(agency: HostedAgency, permit: Permit, now: datetime) -> str | None:
    """What our own copies of list and register say against a permit."""
    day = agency.today(permit.issued_at)
    if agency.lists.overdue(day) is not None:
        return VersionRefusal.OVERDUE.value
    counting = agency.lists.of_permit(permit, now)
    if counting is None:
        return PermitRefusal.LIST_NOT_IN_FORCE.value
    if not delegated(agency, permit, day):
        return "delegation_not_on_file"
    found = counting.decide(*rows_of(agency, permit), permit.basis, permit.item, permit.information)
    return found.reason.value if isinstance(found, Refused) else None


def rows_of(agency: HostedAgency, permit: Permit) -> tuple[str, str]:
    """Whose rows of the list count: those who have delegated asking or answering, or the parties themselves."""
    return permit.inquirer_for or permit.inquirer, permit.provider_for or agency.id


def delegated(agency: HostedAgency, permit: Permit, day: date) -> bool:
    """Whether the delegations that a permit names are on file, by our own copy of the register."""
    asking, answering = (Side.INQUIRER, permit.inquirer_for), (Side.PROVIDER, permit.provider_for)
    register = agency.register()
    return register.delegated(*asking, permit.inquirer, permit.information, day) and register.delegated(
        *answering, agency.id, permit.information, day
    )


def items_exist(agency: HostedAgency, information: str, items: Sequence[str], now: datetime) -> bool:
    """Whether every item asked is one of the layout in force; no items means all of them."""
    if not items:
        return True
    layout = layouts.in_force(agency.layouts, information, agency.today(now))
    return layout is not None and all(
        any(name in data_set.items for data_set in layout.data_sets.values()) for name in items
    )


def answer(  # noqa: PLR0911 (one return for each way a step ends)
    agency: HostedAgency, permit: Permit, exchange: bytes, public_key: bytes, person: Person, now: datetime
) -> Answer:
    """Steps 6 to 8 for a request that passed the checks."""
    # 6
    barred, number = person.barred, person.integrated_number
    marked = barred.marked
    if barred.suspended:
        return refuse(agency, permit, exchange, now, USE_SUSPENDED, number, marked=marked)
    if person.ended is not None:
        return refuse(agency, permit, exchange, now, person.ended, number, marked=marked)
    if number is None:
        return conclude(agency, permit, exchange, public_key, now, NOT_PROVIDED, "no_such_person", [], None)
    if barred.refused:
        return refuse(agency, permit, exchange, now, HoldGround.PERSON_FROZEN.value, number, marked=marked)
    if permit.information == disclosing.INFORMATION:
        return _disclose(agency, permit, exchange, public_key, now, person)
    person = replace(person, replicas=copies_for(permit, person.replicas))
    try:
        chosen = leaving_of(agency, person.replicas, permit)
    except (SealBroken, KeyUnusable):  # somebody changed the row, or its key is gone: nothing of it may leave
        return refuse(agency, permit, exchange, now, UNREADABLE, number, marked=marked)
    disposition, why = chosen.conclusion()
    if disposition == NOT_PROVIDED and barred.person is AutoResponse.ALLOWED:
        return conclude(agency, permit, exchange, public_key, now, disposition, why, [], number, marked=marked)
    # 7
    flags = list(chosen.flags)
    if any(barred.bars_one_of(record["items"]) for record in chosen.records):
        flags.append(AutoResponse.BARRED)
    ground = hold_ground(frozen=barred.frozen, person=barred.person, inquirer=barred.inquirer, items=flags)
    if ground is not None:
        return _hold(agency, permit, exchange, now, person, ground)
    # 8
    return conclude(agency, permit, exchange, public_key, now, disposition, why, chosen.records, number, marked=marked)


def _disclose(
    agency: HostedAgency, permit: Permit, exchange: bytes, public_key: bytes, now: datetime, person: Person
) -> Answer:
    """Barred in any place, at any kind of information, or frozen, or too large: refused, not held. It is shown at the counter, by staff with a right of
    their own. A file without the records of one kind would tell whoever knows of an inquiry about it that they were kept back.

    One reason for all of these: a refusal is read in clear on the way and kept by the inquirer, and by it nobody may know who is under support measures;
    nor may whoever holds the citizen's card (docs/adr/0106, 個人情報保護法81条).
    """
    barred, number = person.barred, person.integrated_number
    flags = [AutoResponse.BARRED] if barred.bars_one_of([disclosing.FILE]) else []
    ground = hold_ground(frozen=barred.frozen, person=barred.person, inquirer=barred.inquirer, items=flags)
    if ground is not None or barred.elsewhere or person.disclosed is None:
        return refuse(agency, permit, exchange, now, AT_THE_COUNTER, number, marked=barred.marked)
    return conclude(
        agency, permit, exchange, public_key, now, PROVIDED, None, person.disclosed, number, marked=barred.marked
    )


def copies_for(permit: Permit, copies: Sequence[Record]) -> list[Record]:
    """Those that may be answered from under a permit: our own, or those of the one agency for which we are asked to answer (委任)."""
    return [copy for copy in copies if copy["delegator"] == permit.provider_for]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Of one person's public copies: those that meet the period asked about and have some of the items asked, and of each exactly those.

    `flags`: 自動応答不可フラグ of each; `held`: whether any copy, of whatever period, has some of the items asked.
    """

    flags: Sequence[AutoResponse]
    records: list[dict[str, Any]]
    held: bool

    def conclusion(self) -> tuple[str, str | None]:
        """Disposition and why when these records are released, at once or by staff (docs/outcomes.md)."""
        if self.records:
            return PROVIDED, None
        return NOT_PROVIDED, "none_in_period" if self.held else "no_replica"


def leaving_of(agency: HostedAgency, rows: Sequence[Record], permit: Permit) -> Chosen:
    """What of a person's copies answers a permit. Raises SealBroken, KeyUnusable."""
    wanted = None if permit.period is None else periods.parse(permit.period)
    opened = [(row, open_record(agency, row)) for row in rows]
    meeting = [
        (row, copy) for row, copy in opened if wanted is None or _validity(agency, row, copy.items).meets(wanted)
    ]
    made = [(copy.auto_response, _record(row, copy.items, permit.items)) for row, copy in meeting]
    leaving = [(flag, record) for flag, record in made if record["items"]]
    return Chosen(
        flags=[flag for flag, _ in leaving],
        records=[record for _, record in leaving],
        held=any(_record(row, copy.items, permit.items)["items"] for row, copy in opened),
    )


def _validity(agency: HostedAgency, row: Record, items: dict[str, dict[str, str]]) -> Period:
    made_in = (row["information"], row["version"])
    layout = next((one for one in agency.layouts if (one.information, one.version) == made_in), None)
    data_set = None if layout is None else layout.data_sets.get(row["data_set"])
    return periods.validity(data_set, items, row["public_from"], row["public_to"])


def _record(row: Record, items: dict[str, dict[str, str]], wanted: Sequence[str]) -> dict[str, Any]:
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
    *,
    marked: bool = False,
) -> Answer:
    """Seal and sign. Only the inquirer learns more than `provided` or `not_provided`: who has what is in the sealed part."""
    payload = payload_of(disposition, why, records)
    info = payload_info(permit)
    try:
        sealed = seal(public_key, info, Plaintext(payload))
    except PublicKeyBroken:
        return refuse(agency, permit, exchange, now, "public_key_unusable", integrated_number, marked=marked)
    return _signed(agency, permit, exchange, now, disposition, None, info, sealed, integrated_number, marked=marked)


def refuse(
    agency: HostedAgency,
    permit: Permit,
    exchange: bytes,
    now: datetime,
    reason: str,
    integrated_number: str | None = None,
    *,
    marked: bool = False,
) -> Answer:
    """A refusal says its reason in clear: it holds nothing of the person, and everybody on the way may know it."""
    info = payload_info(permit)
    return _signed(agency, permit, exchange, now, REFUSED, reason, info, None, integrated_number, marked=marked)


def _hold(
    agency: HostedAgency,
    permit: Permit,
    exchange: bytes,
    now: datetime,
    person: Person,
    ground: HoldGround,
) -> Answer:
    info, number = payload_info(permit), person.integrated_number
    held = _signed(agency, permit, exchange, now, HELD, None, info, None, number, marked=person.barred.marked)
    return replace(held, ground=ground)


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
    *,
    marked: bool,
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
        non_disclosure=marked,
    ).encode()
    return Answer(
        permit=permit,
        disposition=disposition,
        reason=reason,
        outcome=outcome,
        signature=agency.signer.sign(labels.OUTCOME, outcome),
        sealed=sealed,
        integrated_number=number,
        ground=None,
        marked=marked,
    )
