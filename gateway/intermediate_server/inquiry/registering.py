"""Registering an 情報照会 (SKI, IS-2): decided against our own list first, recorded before anything leaves, refusals too (PL-2, SC-6)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from codebook import periods
from codebook.errors import CodebookError
from codebook.identifiers import INQUIRY_PREFIX, IntegratedAddresseeNumber
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency, hour_of
from gateway.intermediate_server.codes.binding import CODE_UNREADABLE, PURPOSE, read_code
from gateway.intermediate_server.codes.ending import why_no_code
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock, entry_of, private_aad
from gateway.intermediate_server.metrics import INQUIRIES, item_label
from gateway.intermediate_server.network.wire import Asked, hexdigest
from gateway.intermediate_server.outcomes import outcome_of
from gateway.intermediate_server.records.exchange_entries import said_of
from keys import labels
from keys.binding import bind
from keys.sealing import key_hash
from permission_lists.decide import Refused
from permission_lists.versions import VersionRefusal
from storage import sql
from storage.committer import Commit, Lost, Statement, Write, commit_step
from storage.database import Database
from storage.shared_look import TenantLook
from transport.refusal_metrics import REFUSALS
from transport.register import Side

_SQL = sql.load("gateway.intermediate_server.inquiry")
_REGISTER = Statement("register_inquiry", _SQL["register_inquiry"])
_REGISTERED = commit_step("intermediate", "inquiry.registered")
_PERSON, _MESSAGE = "person", "message"


class DeskItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SKI_90012. `message_id`: the desk's retry identity; `actor`: the person at the business system; `basis` None: that of today.

    `non_disclosure`: 照会側不開示 (番号法23条2項); `period`: `YYYY-MM-DD/YYYY-MM-DD`; `inquirer_for`, `provider_for`: 委任元.
    """

    message_id: str
    system: str
    actor: str
    purpose: str
    integrated_number: str
    provider: str
    item: str
    information: str
    items: list[str]
    basis: str | None = None
    non_disclosure: bool = False
    period: str | None = None
    inquirer_for: str | None = None
    provider_for: str | None = None


DESK_ITEM = msgspec.json.Decoder(DeskItem)


def _basis(agency: HostedAgency, item: DeskItem, now: datetime) -> str:
    return item.basis if item.basis is not None else agency.lists.basis_on(agency.today(now))


def _own_no(agency: HostedAgency, item: DeskItem, basis: str, no_code: str | None, now: datetime) -> str | None:
    """Our own check before anything is asked; None: ask.

    Suspension (SC-27), a list that is kept from us (docs/adr/0071), delegations, the list (PL-2), then why the person has no code (IS-1).
    """
    if agency.bars.suspends(item.integrated_number, item.information):
        return "use_suspended"
    today, register = agency.today(now), agency.register()
    if agency.lists.overdue(today) is not None:
        return VersionRefusal.OVERDUE.value
    sides = (Side.INQUIRER, item.inquirer_for, agency.id), (Side.PROVIDER, item.provider_for, item.provider)
    if not all(register.delegated(*side, item.information, today) for side in sides):
        return "delegation_not_on_file"
    asking, answering = item.inquirer_for or agency.id, item.provider_for or item.provider
    if not {item.provider, asking, answering} <= register.agencies.keys():
        return "agency_unknown"
    answer = agency.lists.on(today).decide(asking, answering, basis, item.item, item.information)
    if isinstance(answer, Refused):
        return answer.reason.value
    return no_code


def _well_formed(item: DeskItem) -> bool:
    try:
        IntegratedAddresseeNumber.parse(item.integrated_number)
        if item.period is not None:
            periods.parse(item.period)
    except CodebookError:
        return False
    texts = (
        item.message_id,
        item.system,
        item.actor,
        item.purpose,
        item.provider,
        item.item,
        item.information,
        "-" if item.basis is None else item.basis,
        "-" if item.inquirer_for is None else item.inquirer_for,
        "-" if item.provider_for is None else item.provider_for,
        *item.items,
    )
    return len(item.items) <= 64 and all(0 < len(text) <= 200 and text.isprintable() for text in texts)


class Unregistered(StrEnum):
    """Why an item was not registered at all; stable codes. Nothing of it is kept."""

    MALFORMED = "field_malformed"
    REUSED = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class _Known:
    """An inquiry that was registered before under the same message id."""

    number: str
    digest: bytes


def _digests(agency: HostedAgency, item: DeskItem) -> tuple[bytes, ...]:
    """What was asked under a message id, by whom and what for, keyed: the same again is a retry, something else is a mistake of the caller.

    One under each version of the key that opens; the primary one's is kept.
    """
    asker = (item.system, item.actor, item.purpose)
    asked = (item.integrated_number, item.provider, item.basis, item.item, item.information, sorted(item.items))
    more = ("不開示" if item.non_disclosure else "", item.period, item.inquirer_for, item.provider_for)
    said = (*asker, *asked, more) if any(more) else (*asker, *asked)
    return agency.keys.ring.named_indexes(PURPOSE, bind(labels.REQUEST_HASH, item.message_id, said))


def look_of(database: Database) -> TenantLook:
    """The look that all agencies of a process share."""
    return TenantLook(database, _SQL["before_registering"])


async def _look(agency: HostedAgency, items: list[DeskItem]) -> tuple[dict[str, bytes], dict[str, _Known]]:
    """Our sealed codes of the people asked about, and what is registered under the message ids already."""
    people, messages = (
        [(_PERSON, item.integrated_number) for item in items],
        [(_MESSAGE, item.message_id) for item in items],
    )
    rows = await agency.known.find(agency.tenant, (*people, *messages))
    codes = {key: row["sealed"] for (kind, key), row in rows.items() if kind == _PERSON}
    known = {key: _Known(row["inquiry_number"], row["sealed"]) for (kind, key), row in rows.items() if kind == _MESSAGE}
    return codes, known


async def register(
    agency: HostedAgency, stock: KeyStock, items: list[DeskItem], now: datetime
) -> list[Inquiry | str | Unregistered]:
    """IF_SKI_90012, first half: register and record each item.

    Answers in order: an Inquiry to drive, the inquiry number of one that was registered before or refused at once, or why not registered.
    """
    good = [item for item in items if _well_formed(item)]
    asked = {id(item): _digests(agency, item) for item in good}
    codes, known = await _look(agency, good)
    without = await why_no_code(agency, [one.integrated_number for one in good if one.integrated_number not in codes])
    made: dict[str, Inquiry] = {}
    commits: list[Commit] = []
    for item in good:
        if item.message_id not in known and item.message_id not in made:
            sealed = codes.get(item.integrated_number)
            code = None if sealed is None else read_code(agency, item.integrated_number, sealed)
            no_code = None
            if code is None:
                no_code = (
                    without.get(item.integrated_number, "code_not_obtained") if sealed is None else CODE_UNREADABLE
                )
            reason = _own_no(agency, item, _basis(agency, item, now), no_code, now)
            made[item.message_id], commit = _new(agency, stock, item, asked[id(item)][0], code, reason, now)
            commits.append(commit)
    results = await agency.committer.apply_all(commits)
    if any(
        isinstance(result, Lost) for result in results
    ):  # the same message came twice at once: join the one that won
        _, known = await _look(agency, good)
    return _in_order(items, asked, {message: found for message, found in made.items() if message not in known}, known)


def _in_order(
    items: list[DeskItem], asked: dict[int, tuple[bytes, ...]], made: dict[str, Inquiry], known: dict[str, _Known]
) -> list[Inquiry | str | Unregistered]:
    """One answer an item; an inquiry is handed out to be driven once, however often its message stands in the list.

    `asked`: digests of each well-formed item, by the item's identity.
    """
    first = {item.message_id: asked[id(item)][0] for item in reversed(items) if id(item) in asked}
    answers: list[Inquiry | str | Unregistered] = []
    handed_out: set[str] = set()
    for item in items:
        before, fresh = known.get(item.message_id), made.get(item.message_id)
        if id(item) not in asked:
            answers.append(Unregistered.MALFORMED)
        elif not _is_one_of(before.digest if before else first[item.message_id], asked[id(item)]):
            answers.append(Unregistered.REUSED)
        elif before is not None:
            answers.append(before.number)
        elif fresh is not None and fresh.state is State.REGISTERED and item.message_id not in handed_out:
            handed_out.add(item.message_id)
            answers.append(fresh)
        else:
            answers.append(fresh.number if fresh is not None else Unregistered.MALFORMED)
    return answers


def _is_one_of(digest: bytes, digests: tuple[bytes, ...]) -> bool:
    return any(hmac.compare_digest(digest, one) for one in digests)


def _new(
    agency: HostedAgency,
    stock: KeyStock,
    item: DeskItem,
    digest: bytes,
    code: bytes | None,
    reason: str | None,
    now: datetime,
) -> tuple[Inquiry, Commit]:
    """Build one new inquiry and the commit that registers it, or that records our own refusal of it (`reason`)."""
    number = agency.new_id(INQUIRY_PREFIX, now)
    basis = _basis(agency, item, now)
    answer_by = now + agency.limits.answer_within
    until = answer_by + agency.limits.keep_result
    pair = stock.take()
    asked = Asked(
        basis=basis,
        expires_at=timestamp(answer_by),
        information=item.information,
        inquirer=agency.id,
        inquiry_number=number,
        item=item.item,
        items=tuple(sorted(set(item.items))),
        key_hash=key_hash(pair.public).hex(),
        list_digest=agency.lists.on(agency.today(now)).digest,
        provider=item.provider,
        non_disclosure=item.non_disclosure,
        period=item.period,
        inquirer_for=item.inquirer_for,
        provider_for=item.provider_for,
    )
    request = asked.encode()
    found = Inquiry(
        number=number,
        state=State.REFUSED if reason else State.REGISTERED,
        integrated_number=item.integrated_number,
        provider=item.provider,
        basis=basis,
        item=item.item,
        information=item.information,
        items=asked.items,
        list_digest=asked.list_digest,
        said=said_of(asked),
        request=request,
        signature=agency.signer.sign(labels.INQUIRY, request),
        public_key=pair.public,
        private=pair.private,
        key_purpose=f"result/{hour_of(until)}",
        permit=None,
        permit_id=None,
        actor=f"{item.system}/{item.actor}",
        registered_at=now,
        answer_by=answer_by,
        code=code,
        reason=reason,
    )
    ring = agency.keys.ensure(found.key_purpose)
    # reveal: the one-time key goes into the database sealed under a key that is destroyed at its hour
    private_sealed = (
        None if reason else ring.encrypt(found.key_purpose, pair.private.reveal(), private_aad(agency, number))
    )
    row = (
        item.message_id, digest, number, item.system, item.actor, item.integrated_number, item.provider,
        basis, item.item, item.information,
        "\n".join(asked.items), found.state.value, reason, asked.list_digest, request, found.signature, pair.public, private_sealed,
        found.key_purpose, now, answer_by, until, None if reason else now + agency.limits.resend_after,
    )  # fmt: skip
    kind = EntryKind.INQUIRY_REFUSED if reason else EntryKind.INQUIRY_REGISTERED
    if reason:
        label = item_label(agency, basis, item.item)
        REFUSALS.labels("inquirer", reason, label).inc()
        INQUIRIES.labels(outcome_of(kind, reason), label).inc()
    entry = entry_of(agency, now, kind, found, request_digest=hexdigest(request), reason=reason, what_for=item.purpose)
    return found, Commit(step=_REGISTERED, guard=Write(_REGISTER, row), entries=(entry,))
