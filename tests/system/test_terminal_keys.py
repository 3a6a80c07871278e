"""A version of a key is destroyed at the terminal, by real HTTP, as it is by the command (SC-20; tests/system/test_key_destruction.py)."""

from __future__ import annotations

import asyncio
import json
import re

from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from keys.ring import State
from tests.support.browser import Browser, at_the_terminal, by_card, enter, enter_by_card, known, with_card
from tests.support.running_system import entries


def factors(job, who: str) -> dict[str, str]:
    return {"password": known(job, who).password, "passphrase": known(job, who).passphrase}


async def asked(browser: Browser, job, **what: str) -> dict[str, str]:
    """By the first administrator, as soon as the running server has taken the rotated ring."""
    await browser.get("/keys")
    found = re.search(r'/keys/ask".*?name="destruction_id" value="([^"]+)"', browser.text, re.DOTALL)
    drawn = {"destruction_id": found.group(1)}
    for _ in range(100):
        if await browser.post("/keys/ask", **drawn, **what, **factors(job, "admin-1")) == 200:
            break
        await asyncio.sleep(0.2)
    assert "申請しました" in browser.said
    return drawn


async def test_sc_20_a_version_of_a_key_goes_by_two_people_at_the_terminal(job):
    """docs/adr/0073: asked for and approved with both factors each, for exactly what is shown; for another server an order comes as a file."""
    place = ["--role", "intermediate", "--agency", WARD, "--data", str(job.system.running.data.root)]
    for _ in range(2):  # the first new version has sealed nothing, or nothing for long
        assert await asyncio.to_thread(main, ["keys", "rotate", "replicas", "--lead", "0", *place]) == OK
    version = job.system.running.role("intermediate").open_keys(WARD).ring.primary("replicas") - 1
    wanted = {"server": "intermediate", "purpose": "replicas", "version": str(version), "cause": "replaced"}
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        await browser.get("/keys")
        assert "権限がありません" in browser.said
        await enter(browser, job, "admin-1")
        await browser.get("/keys")
        assert await browser.post("/keys/ask", destruction_id="D", **wanted, **factors(job, "admin-2")) == 400
        assert (browser.field("purpose"), browser.field("version")) == ("replicas", str(version))
        assert known(job, "admin-2").password not in browser.text
        own = await asked(browser, job, **wanted)
        other = await asked(browser, job, **{**wanted, "server": "linkage"})
        await browser.post("/keys/show", **own)
        shown = {**own, "content_hash": browser.field("content_hash")}
        assert await browser.post("/keys/decide", event="approve", **shown, **factors(job, "admin-1")) == 400
        assert "別の職員" in browser.said
        await enter(browser, job, "admin-2")
        await browser.get("/keys")
        wrong = {**shown, "content_hash": "0" * 64}
        assert await browser.post("/keys/decide", event="approve", **wrong, **factors(job, "admin-2")) == 400
        mistyped = {**factors(job, "admin-2"), "passphrase": "x"}
        assert await browser.post("/keys/decide", event="approve", **shown, **mistyped) == 400
        assert await browser.post("/keys/decide", **shown, **factors(job, "admin-2")) == 400  # neither of the two
        card = await with_card(browser, factors(job, "admin-2"))
        await enter_by_card(browser, card, "admin-2", known(job, "admin-2").password)
        signed = await by_card(browser, card, {"event": "reject", **shown}, "/keys/challenge")
        password = {"password": known(job, "admin-2").password}
        assert await browser.post("/keys/decide", event="approve", **shown, **signed, **password) == 400
        signed = await by_card(browser, card, {"event": "approve", **shown}, "/keys/challenge")
        assert await browser.post("/keys/decide", event="approve", **shown, **signed, **password) == 200
        assert "破棄しました" in browser.said
        await browser.post("/keys/show", **other)
        ordered = {**other, "content_hash": browser.field("content_hash")}
        signed = await by_card(browser, card, {"event": "approve", **ordered}, "/keys/challenge")
        assert await browser.post("/keys/decide", event="approve", **ordered, **signed, **password) == 200
        order = browser.text
        assert json.loads(json.loads(order)["order"])["people"] == ["admin-1", "admin-2"]
        await browser.get("/keys")
        await browser.post("/keys/show", **other)
        signed = await by_card(browser, card, {"event": "approve", **ordered}, "/keys/challenge")
        await browser.post("/keys/decide", event="approve", **ordered, **signed, **password)
        assert browser.text == order  # once more the same
    ring = job.system.running.role("intermediate").open_keys(WARD).ring
    assert ring.versions("replicas")[version] is State.DESTROYED
    [gone] = entries(await job.system.export(WARD), kind="key.destroyed")
    assert (gone["actor"], gone["facts"]["asked_by"]) == ("admin-2", "admin-1")
