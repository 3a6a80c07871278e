"""SKY2 killed at every commit and every send that it declares: after a restart each claim has one inquiry and one end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import aiohttp
import pytest

from adapters.sky2 import server
from storage.fault_points import REGISTRY
from synthetic.business import AccountCase
from tests.adapters.sky2.linkage_peer import under_way
from tests.adapters.sky2.surroundings import ADDRESSEES, account_answer, claim_row, people, person_row

[ANN] = people(AccountCase.OWN_NAME, 1)
[OTHER] = people(AccountCase.ANOTHER_NAME, 1)
POINTS = sorted(name for name, kind in REGISTRY.items() if kind == "sky2")
REQUESTS = (
    ("/insured-persons", {"items": [person_row(ANN), person_row(OTHER)]}),
    ("/ledger/receipts", {"items": [{"addressee_number": "1", "levy_amount": 5}]}),
    ("/refund-claims", {"items": [claim_row(ANN, "claim-1"), claim_row(OTHER, "claim-2")]}),
    ("/refund-claims/ask-accounts", {}),
    ("/unemployment-inquiries", {"addressee_numbers": [ADDRESSEES.number(ANN), ADDRESSEES.number(OTHER)]}),
)


async def go_through(sky2) -> bool:
    """Send every request under a key of its own; False when the server died on the way."""
    for number, (path, body) in enumerate(REQUESTS):
        try:
            await sky2.ok(path, body, key=f"request-{number}")
        except aiohttp.ClientError:
            return False
    try:
        await sky2.ok("/push-target", {}, key="push-target")
        moved = {"addressee_numbers": [ADDRESSEES.number(ANN)], "items": {"address": "東京都世田谷区見本町1-1"}}
        assert await sky2.push(moved, delivery="sky2-p1") == (200, {"updated": 1})
    except aiohttp.ClientError:
        return False
    return await under_a_new_key(sky2)


async def under_a_new_key(sky2) -> bool:
    """Rotate a key once, and wait until the rows are sealed under the new one; False when the server died on the way."""
    with sky2.keys().changing() as ring:
        if len(ring.versions("insured-person")) == 1:
            ring.rotate("insured-person")
    while sky2.processes[-1].returncode is None:
        if await sky2.fetch("select 1 from resealing where finished_at is not null"):
            return True
        await asyncio.sleep(0.05)
    return False


def test_every_commit_and_send_is_declared():
    assert server.AGENCY
    assert len(POINTS) == 2 * 18


@pytest.mark.parametrize("unstarted", [{"reseal_settle_s": 0}], indirect=True)
@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_leaves_one_inquiry_and_one_end_for_each_claim(unstarted, point):
    sky2 = unstarted
    for person in (ANN, OTHER):
        sky2.peer.scripts[ADDRESSEES.number(person)] = [under_way("registered"), account_answer(person)]
    victim = await sky2.start(fault=point)
    await sky2.ready()
    assert not await go_through(sky2)
    assert await victim.wait() == -signal.SIGKILL
    await sky2.start()
    await sky2.ready()
    while not await go_through(sky2):
        with suppress(aiohttp.ClientError):
            await sky2.ready()
    states = {claim_id: claim["state"] for claim_id, claim in (await sky2.claims()).items()}
    assert states == {"claim-1": "matched", "claim-2": "mismatched"}
    assert len(sky2.peer.kept) == 4
    assert sky2.peer.conflicts == 0
    assert len(await sky2.fetch("select 1 from receipts_ledger")) == 1
    assert await sky2.fetch("select 1 from insured_person where substring(personal from 2 for 4) <> int4send(2)") == []
    assert len(await sky2.fetch("select 1 from unemployment_inquiry where state <> 'asked'")) == 2
