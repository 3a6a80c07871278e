"""失業等給付関係情報の照会 for the reduction of a premium: ask 厚生労働大臣, keep the answer sealed, show it to who asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from adapters.sky2.asking import Asking, Failures, among
from adapters.sky2.linkage_desk import inquiry_body
from adapters.sky2.received import ANSWERED, REFUSED, UNUSABLE, Answer
from adapters.sky2.rows import NO_SUCH_PERSON
from adapters.sky2.seals import Seals
from adapters.sky2.store import Asked, ListedInquiry, Store
from codebook.identifiers import AddresseeNumber
from storage.committer import commit_step, fiscal_year

ASKED_STEP: Final = commit_step("sky2", "unemployment.asked")
NUMBERED_STEP: Final = commit_step("sky2", "unemployment.numbered")
SETTLED_STEP: Final = commit_step("sky2", "unemployment.settled")

PROVIDER: Final = "kosei-rodo"
INFORMATION: Final = "失業等給付関係情報"
PURPOSE: Final = "特例対象被保険者等の保険料軽減の確認"
WAIT_MS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnemploymentInquiries:
    """What the acts need, as in Refunds."""

    store: Store
    seals: Seals
    asking: Asking
    item: str
    clock: Callable[[], datetime]
    turn: asyncio.Lock


async def inquire(
    inquiries: UnemploymentInquiries, numbers: Sequence[AddresseeNumber], *, idempotency_key: str, staff: str
) -> dict[str, Any]:
    """One inquiry per person and request: the same request again meets the same inquiries."""
    # reveal: SKY2's own keys of people, also towards the linkage server
    addressees = list(dict.fromkeys(number.reveal() for number in numbers))
    known = await inquiries.store.known_people(addressees)
    rows = [
        (inquiries.seals.inquiry_key(idempotency_key, addressee), addressee, _inquiry(inquiries, addressee, staff))
        for addressee in addressees
        if addressee in known
    ]
    now = inquiries.clock()
    await inquiries.store.put_unemployment_inquiries(rows, fiscal_year(now), now, ASKED_STEP)
    failures = await follow_up(inquiries)
    keys = [key for key, _, _ in rows]
    listed = await inquiries.store.list_unemployment_inquiries(keys, "", len(keys))
    return {
        "items": [_shown(inquiries, one, opened=False) for one in listed],
        "not_asked": [
            {"addressee_number": addressee, "reason": NO_SUCH_PERSON}
            for addressee in addressees
            if addressee not in known
        ],
        "unanswered": [{"inquiry_key": key, "reason": reason} for key, reason in sorted(failures.items())],
    }


def _inquiry(inquiries: UnemploymentInquiries, addressee_number: str, staff: str) -> bytes:
    return inquiry_body(
        addressee_number=addressee_number,
        provider=PROVIDER,
        item=inquiries.item,
        information=INFORMATION,
        purpose=PURPOSE,
        staff=staff,
        wait_ms=WAIT_MS,
    )


async def follow_up(inquiries: UnemploymentInquiries, told: frozenset[str] | None = None) -> Failures:
    """Bring every inquiry that has not ended on: also those that a crash left. `told`: only these."""

    async def number(one: Asked, inquiry_number: str) -> None:
        await inquiries.store.write("number_unemployment_inquiry", NUMBERED_STEP, one.key, inquiry_number)

    async def settle(one: Asked, answer: Answer) -> None:
        state, reason = _state(answer)
        provided = state == "provided" and answer.values is not None
        benefit = inquiries.seals.benefit(answer.values or (), one.key) if provided else None
        arguments = (one.key, state, answer.inquiry_number, benefit, reason, inquiries.clock())
        await inquiries.store.write("settle_unemployment_inquiry", SETTLED_STEP, *arguments)

    async with inquiries.turn:
        asked = among(await inquiries.store.asked("asked_unemployment_inquiries"), told)
        return await inquiries.asking.ask(asked, number=number, settle=settle)


def _state(answer: Answer) -> tuple[str, str | None]:
    """State of the table, and the reason; `answer` has ended."""
    if answer.state in REFUSED:
        return "refused", answer.why_not
    if answer.outcome != ANSWERED:
        return "not_provided", answer.why_not
    return ("provided", None) if answer.values else ("not_provided", UNUSABLE)


async def list_inquiries(
    inquiries: UnemploymentInquiries, keys: Sequence[str] | None, after: str, most: int
) -> list[dict[str, Any]]:
    """States; and what was provided, opened, only for those asked for by their key."""
    listed = await inquiries.store.list_unemployment_inquiries(keys, after, most)
    return [_shown(inquiries, one, opened=keys is not None) for one in listed]


def _shown(inquiries: UnemploymentInquiries, one: ListedInquiry, *, opened: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "inquiry_key": one.key,
        # reveal: staff of SKY2 know people by this number
        "addressee_number": one.addressee_number.reveal(),
        "fiscal_year": one.fiscal_year,
        "state": one.state,
        "inquiry_number": one.inquiry_number,
        "reason": one.reason,
    }
    if opened:
        values = None if one.benefit is None else inquiries.seals.open_benefit(one.benefit, one.key)
        shown["values"] = msgspec.to_builtins(values)
    return shown
