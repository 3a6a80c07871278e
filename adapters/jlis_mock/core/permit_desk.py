"""Permits: who may ask whom for what is decided here, recorded, and only then answered (DESIGN §4 step 3; SC-3, PL-3).

A decision is stored under (inquirer, inquiry number): the same request again gets the same answer, another is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from msgspec import UNSET

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.codes import CodeBook, CodeBroken, CodeOutdated
from adapters.jlis_mock.core.list_shelf import ListShelf
from adapters.jlis_mock.core.messages import InquiryRequest, PermitAsk, digest, instant, read_request, refused, retry
from adapters.jlis_mock.core.metrics import NO_ITEM, PERMITS, permit_refused
from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from adapters.jlis_mock.core.store import PermitStore, StoredPermit, insertion, minting_again
from adapters.jlis_mock.faults import FaultBoard, Switch
from codebook.identifiers import PERMIT_PREFIX
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from keys import labels
from keys.binding import bind
from keys.ring import Keyring
from storage.committer import Commit, Committer, Lost, commit_step
from transport.clock import JST
from transport.register import Agency, Register

ISSUED: Final = commit_step("core", "permit.issued")
REFUSED: Final = commit_step("core", "permit.refused")
SIGNING_PURPOSE: Final = "permit"
CODE_PURPOSE: Final = "permit-code"
NONCE_SIZE: Final = 32
LONGEST_ANSWER: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """One item on its way: either an answer without a commit, or a commit whose answer waits for it."""

    answer: dict[str, Any]
    commit: Commit | None = None
    number: str | None = None
    request_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitDesk:
    """What deciding on permits needs. `redeem_s`: seconds in which a permit must be presented."""

    register: Callable[[], Register]
    lists: ListShelf
    codes: CodeBook
    ring: Keyring
    store: PermitStore
    committer: Committer
    faults: FaultBoard
    redeem_s: int

    async def decide(self, caller: str, asks: Sequence[PermitAsk], now: datetime) -> list[dict[str, Any]]:
        """Answers in order (IF_SKI_90001). Raises StorageUnavailableError: then nothing was decided."""
        requests = [read_request(ask.request) for ask in asks]
        numbers = [request.inquiry_number for request in requests if request is not None]
        known = await self.store.of_inquiries(caller, numbers)
        decided = [self._decide(caller, ask, request, known, now) for ask, request in zip(asks, requests, strict=True)]
        waiting = [one.commit for one in decided if one.commit is not None]
        applied = iter(await self.committer.apply_all(waiting))
        results = [next(applied) if one.commit is not None else None for one in decided]
        lost = [one.number for one, result in zip(decided, results, strict=True) if isinstance(result, Lost)]
        if not lost:
            return [one.answer for one in decided]
        winners = await self.store.of_inquiries(caller, [number for number in lost if number is not None])
        return [
            _as_won(one, winners) if isinstance(result, Lost) else one.answer
            for one, result in zip(decided, results, strict=True)
        ]

    def _decide(
        self,
        caller: str,
        ask: PermitAsk,
        request: InquiryRequest | None,
        known: dict[str, StoredPermit],
        now: datetime,
    ) -> _Decided:
        request_digest = digest(ask.request)
        if request is None:
            return self._without_row(caller, None, "request_malformed", request_digest, now)
        if caller != request.inquirer and not self.faults.take(Switch.ANY_CALLER, request_digest):
            return self._without_row(caller, request, "inquirer_is_not_the_caller", request_digest, now)
        stored = known.get(request.inquiry_number)
        if stored is not None:
            if stored.request_digest == request_digest:
                return self._decided_before(caller, ask, request, stored, now)
            return self._without_row(caller, request, "inquiry_number_reused", request_digest, now)
        reason = self._refusal(ask, request, now)
        if reason is None:
            try:
                code = self.codes.convert(ask.code, request.inquirer, request.provider)
            except CodeBroken as broken:
                reason = _why_broken(broken)
            else:
                return self._issued(caller, request, request_digest, code, now)
        return self._refused(caller, request, request_digest, reason, now)

    def _refusal(  # noqa: PLR0911 (one return for each numbered step)
        self, ask: PermitAsk, request: InquiryRequest, now: datetime
    ) -> str | None:
        """1. parties known  2. A's signature  3. time  4. the list in force now, which the asker used too  5. delegations  6. 28条 and the list itself."""
        # 1
        inquirer = self.register().agencies.get(request.inquirer)
        provider = self.register().agencies.get(request.provider)
        if inquirer is None or provider is None:
            return "agency_unknown"
        # 2
        if not inquirer.signing_keys.verify(labels.INQUIRY, ask.request, ask.signature, now=now):
            return "signature_invalid"
        # 3
        if not now < instant(request.expires_at) <= now + LONGEST_ANSWER:
            return "request_expired" if instant(request.expires_at) <= now else "expiry_too_late"
        if self.faults.take(Switch.PERMIT_ANYTHING, digest(ask.request)):
            return None
        # 4
        today = now.astimezone(JST).date()
        lookup = self.lists.on(today)
        if lookup is None or request.list_digest != lookup.digest:
            return "list_not_in_force" if self.lists.knows(request.list_digest) else "list_digest_unknown"
        # 5
        no = self._refusal_of_delegation(request, inquirer, provider, today)
        asking, answering = self._on_behalf(request)
        if no is not None or asking is None or answering is None:
            return no or "delegation_not_on_file"
        # 6
        return lookup.refusal(
            on=today,
            inquirer=asking,
            provider=answering,
            basis=request.basis,
            item=request.item,
            information=request.information,
        )

    def _on_behalf(self, request: InquiryRequest) -> tuple[Agency | None, Agency | None]:
        """Whose rows of the list count: those who have delegated, or the parties themselves."""
        asking = request.inquirer if request.inquirer_for is UNSET else request.inquirer_for
        answering = request.provider if request.provider_for is UNSET else request.provider_for
        return self.register().agencies.get(asking), self.register().agencies.get(answering)

    def _refusal_of_delegation(
        self, request: InquiryRequest, inquirer: Agency, provider: Agency, today: date
    ) -> str | None:
        """Of a request that names delegations: each is on file today for this kind of information; and what holds for whoever takes part."""
        wanted = [
            (delegator, delegate, side)
            for delegator, delegate, side in (
                (request.inquirer_for, request.inquirer, "inquirer"),
                (request.provider_for, request.provider, "provider"),
            )
            if delegator is not UNSET
        ]
        if not wanted:
            return None
        on_file = {
            (one.delegator, one.delegate, one.side.value)
            for one in self.register().delegations
            if one.valid_from <= today <= (one.valid_to or date.max)
            and (not one.information or request.information in one.information)
        }
        if not on_file.issuperset(wanted):
            return "delegation_not_on_file"
        if inquirer.id == provider.id:
            return "inquires_of_itself"
        return None if inquirer.assessed_on(today) and provider.assessed_on(today) else "pia_duty_not_met"

    def _issued(
        self, caller: str, request: InquiryRequest, request_digest: str, code: bytes, now: datetime
    ) -> _Decided:
        permit_id = records.new_id(PERMIT_PREFIX, now)
        nonce = secrets.token_bytes(NONCE_SIZE)
        answer_by = instant(request.expires_at)
        seconds = self.faults.faults.permit_redeem_s
        redeem_by = min(now + timedelta(seconds=self.redeem_s if seconds is None else seconds), answer_by)
        claims = PermitClaims(
            permit_id=permit_id,
            inquiry_number=request.inquiry_number,
            inquirer=request.inquirer,
            provider=self._named_provider(request, request_digest),
            basis=request.basis,
            item=request.item,
            information=request.information,
            items=request.items,
            list_digest=request.list_digest,
            request_digest=request_digest,
            key_hash=request.key_hash,
            code_binding=digest(nonce + code),
            issued_at=timestamp(now),
            redeem_by=timestamp(redeem_by),
            answer_by=request.expires_at,
            **request.said,
        )
        row = self._row(request, request_digest, permit_id, redeem_by)
        permit = write_permit(claims, self.ring.signer(SIGNING_PURPOSE))
        code_sealed = self.ring.encrypt(CODE_PURPOSE, nonce + code, bind(labels.LINKAGE_CODE, permit_id))
        stored = StoredPermit(**row, permit=permit, code_sealed=code_sealed, state="issued")
        entry = records.asked(
            EntryKind.PERMIT_ISSUED,
            request,
            now=now,
            request_digest=request_digest,
            actor=caller,
            permit_id=permit_id,
        )
        commit = Commit(step=ISSUED, guard=insertion(stored), entries=(entry,))
        PERMITS.labels("issued", self._label(request, now)).inc()
        return _Decided(
            answer={"permit": permit}, commit=commit, number=request.inquiry_number, request_digest=request_digest
        )

    def _decided_before(
        self, caller: str, ask: PermitAsk, request: InquiryRequest, stored: StoredPermit, now: datetime
    ) -> _Decided:
        """The answer as stored; or a dishonest core's second permit, bound to the code that came with it this time."""
        if stored.permit is None or stored.revoked or not self.faults.take(Switch.MINT_FOR_ANOTHER_PERSON):
            return _Decided(answer=_stored_answer(stored))
        try:
            code = self.codes.convert(ask.code, request.inquirer, request.provider)
        except CodeBroken as broken:
            return _Decided(answer=refused(_why_broken(broken)))
        issued = self._issued(caller, request, stored.request_digest, code, now)
        if issued.commit is None or issued.commit.guard is None:
            return issued
        return replace(issued, commit=Commit(step=ISSUED, guard=minting_again(issued.commit.guard)))

    def _named_provider(self, request: InquiryRequest, request_digest: str) -> str:
        if not self.faults.take(Switch.PERMIT_OTHER_PARTY, request_digest):
            return request.provider
        parties = {request.inquirer, request.provider}
        return next((agency for agency in sorted(self.register().agencies) if agency not in parties), request.provider)

    def _refused(
        self, caller: str, request: InquiryRequest, request_digest: str, reason: str, now: datetime
    ) -> _Decided:
        permit_id = records.new_id(PERMIT_PREFIX, now)
        row = self._row(request, request_digest, permit_id, now)
        stored = StoredPermit(**row, permit=None, code_sealed=None, state="refused", reason=reason)
        entry = records.asked(
            EntryKind.PERMIT_REFUSED, request, now=now, request_digest=request_digest, actor=caller, reason=reason
        )
        commit = Commit(step=REFUSED, guard=insertion(stored), entries=(entry,))
        permit_refused(reason, self._label(request, now))
        return _Decided(
            answer=refused(reason), commit=commit, number=request.inquiry_number, request_digest=request_digest
        )

    def _without_row(
        self, caller: str, request: InquiryRequest | None, reason: str, request_digest: str, now: datetime
    ) -> _Decided:
        """A refusal that must not take the inquiry number, nor count as a step of the inquiry under it."""
        number = request.inquiry_number if request is not None else None
        permit_refused(reason, NO_ITEM if request is None else self._label(request, now))
        entry = records.other(
            EntryKind.ACCESS_REFUSED,
            now=now,
            actor=caller,
            reason=reason,
            facts={"inquiry_number": number, "request_digest": request_digest},
            inquiry_number=number,
        )
        return _Decided(answer=refused(reason), commit=Commit(step=REFUSED, entries=(entry,)))

    def _label(self, request: InquiryRequest, now: datetime) -> str:
        return self.lists.item_label(request.basis, request.item, now.astimezone(JST).date())

    def _row(self, request: InquiryRequest, request_digest: str, permit_id: str, redeem_by: datetime) -> dict[str, Any]:
        return {
            "permit_id": permit_id,
            "inquirer": request.inquirer,
            "inquiry_number": request.inquiry_number,
            "provider": request.provider,
            "basis": request.basis,
            "item": request.item,
            "information": request.information,
            "items": tuple(request.items),
            "list_digest": request.list_digest,
            "request_digest": request_digest,
            "redeem_by": redeem_by,
            "answer_by": instant(request.expires_at),
            "said": request.said,
        }


def _why_broken(broken: CodeBroken) -> str:
    return "code_epoch_over" if isinstance(broken, CodeOutdated) else "code_not_of_this_agency"


def _stored_answer(stored: StoredPermit) -> dict[str, Any]:
    given = stored.permit is not None and not stored.revoked
    return {"permit": stored.permit} if given else refused(stored.reason or "refused")


def _as_won(one: _Decided, winners: dict[str, StoredPermit]) -> dict[str, Any]:
    """The answer of a request that came at the same time and was stored first."""
    stored = winners.get(one.number or "")
    if stored is None:
        return retry("decided_elsewhere")
    return _stored_answer(stored) if stored.request_digest == one.request_digest else refused("inquiry_number_reused")
