"""還付 into a 公金受取口座 as acts: ask for the accounts of open claims, settle what comes back, show claims (SK-8, SC-22)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.sky2.asking import Asking, Failures, among
from adapters.sky2.linkage_desk import inquiry_body
from adapters.sky2.received import Answer, account_outcome
from adapters.sky2.refund import Ask, Event, RefundClaim, State, decide_inquiry, move
from adapters.sky2.seals import Seals
from adapters.sky2.store import Asked, ListedClaim, Store
from storage.committer import commit_step

ASKED_STEP: Final = commit_step("sky2", "refund.asked")
NUMBERED_STEP: Final = commit_step("sky2", "refund.numbered")
SETTLED_STEP: Final = commit_step("sky2", "refund.settled")

PROVIDER: Final = "naikaku"
INFORMATION: Final = "公的給付支給等口座登録簿関係情報"
PURPOSE: Final = "保険料還付金の公金受取口座への支払"
WAIT_MS: Final = 5_000
NO_SUCH_CLAIM: Final = "no_such_claim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunds:
    """What the acts need. `item`: the row of the list in force that permits the inquiry. One act at a time holds `turn`."""

    store: Store
    seals: Seals
    asking: Asking
    item: str
    clock: Callable[[], datetime]
    turn: asyncio.Lock


async def ask_accounts(refunds: Refunds, claim_ids: Sequence[str] | None, staff: str) -> dict[str, Any]:
    """Ask for every open claim that may be asked for (or the named ones), and settle what ends in time."""
    claims = await refunds.store.claims(claim_ids)
    known = {claim.claim_id for claim in claims}
    not_asked = [{"claim_id": name, "reason": NO_SUCH_CLAIM} for name in claim_ids or () if name not in known]
    asked: list[str] = []
    inquiries: dict[str, bytes] = {}
    for claim in claims:
        match decide_inquiry(claim):
            case Ask():
                move(claim.state, Event.INQUIRED)
                inquiries[claim.claim_id] = _inquiry(refunds, claim, staff)
                asked.append(claim.claim_id)
            case refused:
                not_asked.append({"claim_id": claim.claim_id, "reason": refused.reason.value})
    if inquiries:
        await refunds.store.mark_claims_asked(inquiries, refunds.clock(), ASKED_STEP)
    failures = await follow_up(refunds)
    return {
        "asked": asked,
        "not_asked": not_asked,
        "unanswered": [{"claim_id": key, "reason": reason} for key, reason in sorted(failures.items())],
    }


def _inquiry(refunds: Refunds, claim: RefundClaim, staff: str) -> bytes:
    return inquiry_body(
        # reveal: the linkage server knows SKY2's people by this number
        addressee_number=claim.addressee_number.reveal(),
        provider=PROVIDER,
        item=refunds.item,
        information=INFORMATION,
        purpose=PURPOSE,
        staff=staff,
        wait_ms=WAIT_MS,
    )


async def follow_up(refunds: Refunds, told: frozenset[str] | None = None) -> Failures:
    """Bring every claim in state ASKED on, as far as its inquiry has come: also those that a crash left. `told`: only these inquiries."""

    async def number(one: Asked, inquiry_number: str) -> None:
        await refunds.store.write("number_claim", NUMBERED_STEP, one.key, inquiry_number)

    async def settle(one: Asked, answer: Answer) -> None:
        await _settle(refunds, one, answer)

    async with refunds.turn:
        asked = among(await refunds.store.asked("asked_claims"), told)
        return await refunds.asking.ask(asked, number=number, settle=settle)


async def _settle(refunds: Refunds, one: Asked, answer: Answer) -> None:
    # reveal: SKY2's own key of a person
    addressee = one.addressee_number.reveal()
    sealed = (await refunds.store.people([addressee]))[addressee]
    outcome = account_outcome(answer, refunds.seals.open_kana(sealed, addressee))
    state = move(State.ASKED, outcome.event)
    matched = {State.MATCHED: True, State.MISMATCHED: False}.get(state)
    account = None if outcome.account is None else refunds.seals.account(outcome.account, one.key)
    await refunds.store.write(
        "settle_claim",
        SETTLED_STEP,
        one.key,
        state.value,
        answer.inquiry_number,
        account,
        matched,
        sorted(part.value for part in outcome.differing),
        outcome.reason,
        refunds.clock(),
    )


async def list_claims(refunds: Refunds, claim_ids: Sequence[str] | None, after: str, most: int) -> list[dict[str, Any]]:
    return [_shown(refunds, listed) for listed in await refunds.store.list_claims(claim_ids, after, most)]


def _shown(refunds: Refunds, listed: ListedClaim) -> dict[str, Any]:
    """A claim for the screen. An account shows only when it is the person's own, and then without its last digits."""
    claim = listed.claim
    return {
        "claim_id": claim.claim_id,
        # reveal: staff of SKY2 know people by this number
        "addressee_number": claim.addressee_number.reveal(),
        "fiscal_year": claim.fiscal_year,
        "amount": claim.amount,
        "chose_receiving_account": claim.chose_receiving_account,
        "individual_number_written": claim.individual_number_written,
        "state": claim.state.value,
        "matched": listed.matched,
        "differing_parts": sorted(part.value for part in listed.differing),
        "account": _account(refunds, listed),
        "inquiry_number": listed.inquiry_number,
        "reason": listed.reason,
    }


def _account(refunds: Refunds, listed: ListedClaim) -> dict[str, str] | None:
    if listed.account is None or listed.claim.state is not State.MATCHED:
        return None
    account = refunds.seals.open_account(listed.account, listed.claim.claim_id)
    return {
        "bank": account.bank,
        "branch": account.branch,
        "kind": account.kind,
        "number": account.masked_number(),
    }
