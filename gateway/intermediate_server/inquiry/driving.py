"""Driving an 情報照会 (SKI, IS-2): permitted, asked, answered. What leaves was recorded before: the request, with its registration.

A permit that is answered at once is recorded together with the answer: until then the core gives it again to whoever asks with the same
request. A permit whose inquiry has to wait is recorded and kept first (docs/adr/0022).

`drive` carries one inquiry from the state it is in to an end, or to where only time or the provider can move it. The state row is the
outbox: the sweeper drives again what is late, with the stored bytes (DESIGN §4).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.standing import USE_SUSPENDED
from gateway.intermediate_server.codes.binding import CODE_UNREADABLE, read_code
from gateway.intermediate_server.codes.ending import CODE_CANCELLED
from gateway.intermediate_server.inquiry.asking import (
    Believed,
    Doubted,
    believe,
    check_payload,
    read_permit_for,
    told_by,
)
from gateway.intermediate_server.inquiry.states import ENDED, Event, State, move
from gateway.intermediate_server.inquiry.under_way import Inquiry, entry_of, result_aad
from gateway.intermediate_server.metrics import (
    INQUIRIES,
    INQUIRY_SECONDS,
    item_label,
    reason_label,
)
from gateway.intermediate_server.network.wire import (
    LateOutcome,
    MessageBrokenError,
    OutcomeAnswer,
    PermitAnswer,
    exchange_digest,
    hexdigest,
    reason_code,
)
from gateway.intermediate_server.outcomes import DEADLINE_PASSED, outcome_of
from gateway.intermediate_server.records.exchange_entries import note_exchange
from gateway.intermediate_server.records.extracting import marked_at_any_time
from permission_lists.permit import Permit, read_stored_permit
from storage import sql
from storage.committer import Applied, Commit, Statement, Write, commit_step
from transport.channel import ChannelError
from transport.refusal_metrics import REFUSALS

_SQL = sql.load("gateway.intermediate_server.inquiry")
_PERMIT = Statement("permit_inquiry", _SQL["permit_inquiry"])
_MARK = Statement("mark_inquiry", _SQL["mark_inquiry"])
_HOLD = Statement("hold_inquiry", _SQL["hold_inquiry"])
_END = Statement("end_inquiry", _SQL["end_inquiry"])
_PERMITTED = commit_step("intermediate", "inquiry.permitted")
_HELD = commit_step("intermediate", "inquiry.held")
_ENDED = commit_step("intermediate", "inquiry.ended")
Shape = TypeVar("Shape", PermitAnswer, OutcomeAnswer)

_END_KINDS = {
    State.ANSWERED: EntryKind.INQUIRY_ANSWERED,
    State.NOT_PROVIDED: EntryKind.INQUIRY_NOT_PROVIDED,
    State.REFUSED: EntryKind.INQUIRY_REFUSED_BY_PROVIDER,
    State.ABORTED: EntryKind.INQUIRY_ABORTED,
}
_REFUSAL_KINDS = {
    Event.PERMIT_REFUSED: EntryKind.INQUIRY_DENIED,
    Event.REFUSED_BY_NETWORK: EntryKind.INQUIRY_REFUSED_BY_NETWORK,
}


async def drive(agency: HostedAgency, found: Inquiry) -> Inquiry:
    """Carry one inquiry as far as it goes now. Raises ChannelError or StorageUnavailableError: the sweeper tries again."""
    if found.number in agency.driving:
        return found
    agency.driving.add(found.number)
    try:
        now = agency.clock()
        if found.state not in ENDED and now > found.answer_by:
            await _end(agency, found, Event.DEADLINE_PASSED, DEADLINE_PASSED, now)
            return found
        if found.state not in ENDED and (broken := _broken(found)) is not None:
            await _end(agency, found, Event.BROKEN, broken, now)
            return found
        if agency.bars.suspends(found.integrated_number, found.information):
            raise ChannelError(USE_SUSPENDED)  # it waits in its row until that ends, or its deadline
        if found.state is State.REGISTERED:
            await _ask_permit(agency, found)
        if found.state is State.PERMITTED:
            try:
                await _ask_provider(agency, found)
            except ChannelError:
                await _keep_permit(agency, found)
                raise
    finally:
        agency.driving.discard(found.number)
    return found


def _broken(found: Inquiry) -> str | None:
    """Why no answer to this inquiry can be taken in any more: it would not open, or be about another person than it was asked about."""
    if found.code_was_anothers:
        return CODE_CANCELLED
    return "one_time_key_unreadable" if found.private is None else None


async def _ask_permit(agency: HostedAgency, found: Inquiry) -> None:
    """IF_SKI_90001: no inquiry before the permit is received (PL-3)."""
    code = found.code or await _code_of(agency, found)
    if isinstance(code, str):
        await _end(agency, found, Event.BROKEN, code, agency.clock())
        return
    answer = _typed(
        await agency.permits.ask({"request": found.request, "signature": found.signature, "code": code}), PermitAnswer
    )
    now = agency.clock()
    if answer.refused is not None:
        await _end(agency, found, Event.PERMIT_REFUSED, reason_code(answer.refused.reason), now)
        return
    if answer.permit is None:
        raise ChannelError(answer.retry or "peer_answer_malformed")
    permit = read_permit_for(agency.register(), answer.permit, found.request, agency.clock())
    if isinstance(permit, Doubted):
        await _end(agency, found, Event.BROKEN, permit.reason, now)
        return
    entry = entry_of(
        agency,
        now,
        EntryKind.INQUIRY_PERMITTED,
        found,
        permit_id=permit.permit_id,
        request_digest=permit.request_digest,
    )
    found.state = move(found.state, Event.PERMIT_ISSUED)
    found.permit, found.permit_id, found.unrecorded = answer.permit, permit.permit_id, (entry,)


async def _keep_permit(agency: HostedAgency, found: Inquiry) -> None:
    """Record a permit whose inquiry has to be sent again: from now on the stored bytes go (DESIGN §4)."""
    if found.kept is State.REGISTERED:
        row = (found.number, found.permit, found.permit_id)
        commit = Commit(step=_PERMITTED, guard=Write(_PERMIT, row), entries=found.unrecorded)
        if isinstance(await agency.committer.apply(commit), Applied):
            found.kept, found.unrecorded = State.PERMITTED, ()


async def _code_of(agency: HostedAgency, found: Inquiry) -> bytes | str:
    """The code that it was registered with, or why there is none any more."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["codes_for"], [found.integrated_number])
    if row is None:
        return CODE_CANCELLED
    return read_code(agency, found.integrated_number, row["code_sealed"]) or CODE_UNREADABLE


async def _ask_provider(agency: HostedAgency, found: Inquiry) -> None:
    """IF_SKI_90002: permit, one-time key and signature; the answer rides back."""
    message = {
        "permit": found.permit,
        "public_key": found.public_key,
        "request": found.request,
        "signature": found.signature,
    }
    answer = _typed(await agency.inquiries.ask(message), OutcomeAnswer)
    if agency.bars.suspends(
        found.integrated_number, found.information
    ):  # since it was asked: what came back is not read
        raise ChannelError(USE_SUSPENDED)
    await receive(agency, found, answer)


def _typed(answer: Any, shape: type[Shape]) -> Shape:
    """A peer's answer as the documented shape. Raises ChannelError: what is not as documented is no answer."""
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError:
        raise ChannelError("peer_answer_malformed") from None


async def receive(agency: HostedAgency, found: Inquiry, answer: OutcomeAnswer) -> None:
    """Judge an answer, however it came (in the response or pushed), and end or hold the inquiry.

    Behind the deadline nobody's data is taken in: the inquiry ends as the sweeper would have ended it a moment later.
    """
    now = agency.clock()
    if answer.sealed is not None and now > found.answer_by:
        await _end(agency, found, Event.DEADLINE_PASSED, DEADLINE_PASSED, now)
        await note_mark(agency, found, answer.outcome, answer.signature)
        return
    if answer.refused is not None:
        await _end(agency, found, Event.REFUSED_BY_NETWORK, reason_code(answer.refused.reason), now)
        return
    if answer.outcome is None or answer.signature is None:
        raise ChannelError(answer.retry or "peer_answer_malformed")
    permit, judged = _judge(agency, found, answer.outcome, answer.signature, answer.sealed)
    if isinstance(judged, Doubted):
        await _end(agency, found, Event.BROKEN, judged.reason, now)
        return
    await _conclude(agency, found, permit, judged, now)


async def receive_pushed(agency: HostedAgency, found: Inquiry, late: LateOutcome) -> str | None:
    """A pushed outcome (IF_SKI_90005). One that is not believed changes nothing, since the real one may still come; why is returned."""
    if found.code_was_anothers:
        await _end(agency, found, Event.BROKEN, CODE_CANCELLED, agency.clock())
        return None
    if late.sealed is None or agency.clock() <= found.answer_by:
        _, judged = _judge(agency, found, late.outcome, late.signature, late.sealed)
        if isinstance(judged, Doubted):
            return judged.reason
    await receive(agency, found, OutcomeAnswer(outcome=late.outcome, signature=late.signature, sealed=late.sealed))
    return None


async def note_mark(agency: HostedAgency, found: Inquiry, outcome: bytes | None, signature: bytes | None) -> None:
    """That its provider marks an inquiry that was given up here before its outcome came as 不開示 (番号法23条2項): on record here too, once."""
    if found.state is not State.ABORTED or found.permit is None or outcome is None or signature is None:
        return
    exchange = exchange_digest(found.permit, found.request, found.public_key, found.signature)
    now, permit = agency.clock(), read_stored_permit(found.permit)
    said = told_by(agency.register(), permit, exchange, outcome, signature, now)
    if isinstance(said, Doubted) or not said.non_disclosure or await marked_at_any_time(agency, {found.number}):
        return
    of = {
        "inquirer": agency.id, "provider": found.provider, "item": found.item, "information": found.information, "inquiry_number": found.number,
        "inquirer_for": found.said.inquirer_for, "provider_for": found.said.provider_for,
    }  # fmt: skip
    facts = {"non_disclosure": True, "permit_id": permit.permit_id}
    entry = note_exchange(
        agency, now, EntryKind.INQUIRY_MARKED, of, found.integrated_number, facts, actor=found.provider
    )
    await agency.committer.apply(Commit(step=_ENDED, guard=Write(_MARK, (found.number,)), entries=(entry,)))


def _judge(
    agency: HostedAgency, found: Inquiry, outcome: bytes, signature: bytes, sealed: bytes | None
) -> tuple[Permit, Believed | Doubted]:
    permit = read_stored_permit(found.permit or "")
    if found.private is None:
        return permit, Doubted(reason="one_time_key_unreadable")
    exchange = exchange_digest(found.permit or "", found.request, found.public_key, found.signature)
    return permit, believe(
        agency.register(), permit, exchange, outcome, signature, sealed, found.private, agency.clock()
    )


async def _conclude(agency: HostedAgency, found: Inquiry, permit: Permit, judged: Believed, now: datetime) -> None:
    said = judged.outcome
    match said.disposition:
        case "held":
            if found.state is not State.HELD:
                await _hold(agency, found, permit, now, marked=said.non_disclosure)
        case "refused":
            await _end(
                agency,
                found,
                Event.REFUSED,
                reason_code(said.reason),
                now,
                disposition="refused",
                marked=said.non_disclosure,
            )
        case "provided" | "not_provided":
            event = Event.PROVIDED if said.disposition == "provided" else Event.NOT_PROVIDED
            await _end(
                agency,
                found,
                event,
                None,
                now,
                disposition=said.disposition,
                sealed_digest=said.sealed_digest,
                payload=judged.payload,
                marked=said.non_disclosure,
            )
        case _:
            await _end(agency, found, Event.BROKEN, "outcome_malformed", now)


async def _hold(agency: HostedAgency, found: Inquiry, permit: Permit, now: datetime, *, marked: bool) -> None:
    entry = entry_of(
        agency,
        now,
        EntryKind.INQUIRY_HELD,
        found,
        permit_id=permit.permit_id,
        request_digest=permit.request_digest,
        disposition="held",
        marked=marked,
    )
    row = (found.number, found.kept.value, found.permit, permit.permit_id, found.answer_by)
    commit = Commit(step=_HELD, guard=Write(_HOLD, row), entries=(*found.unrecorded, entry))
    if isinstance(await agency.committer.apply(commit), Applied):
        found.state = found.kept = move(found.state, Event.HELD)
        found.unrecorded = ()


async def _end(
    agency: HostedAgency,
    found: Inquiry,
    event: Event,
    reason: str | None,
    now: datetime,
    *,
    disposition: str | None = None,
    sealed_digest: str | None = None,
    payload: bytes | None = None,
    marked: bool = False,
) -> None:
    """End an inquiry: state, result under the hour's key and record commit together."""
    state = move(found.state, event)
    kind = _REFUSAL_KINDS.get(event, _END_KINDS[state])
    if payload is not None and disposition is not None:
        try:
            check_payload(payload, disposition)
        except MessageBrokenError:
            state, kind, reason, payload = State.ABORTED, EntryKind.INQUIRY_ABORTED, "payload_malformed", None
    entry = entry_of(
        agency,
        now,
        kind,
        found,
        permit_id=found.permit_id,
        request_digest=hexdigest(found.request),
        sealed_digest=sealed_digest,
        disposition=disposition,
        reason=reason,
        marked=marked,
    )
    result = None
    if payload is not None:
        result = agency.keys.ring.encrypt(found.key_purpose, payload, result_aad(agency, found.number))
    row = (found.number, found.kept.value, state.value, found.permit, found.permit_id, reason, sealed_digest, result)
    commit = Commit(step=_ENDED, guard=Write(_END, row), entries=(*found.unrecorded, entry))
    if not isinstance(await agency.committer.apply(commit), Applied):
        return
    found.state = found.kept = state
    found.unrecorded, found.reason, found.payload = (), reason, payload
    label = item_label(agency, found.basis, found.item)
    INQUIRIES.labels(outcome_of(kind, reason), label).inc()
    INQUIRY_SECONDS.observe((now - found.registered_at).total_seconds())
    if state is State.REFUSED and reason:
        REFUSALS.labels("core" if event in _REFUSAL_KINDS else "provider", reason_label(reason), label).inc()
