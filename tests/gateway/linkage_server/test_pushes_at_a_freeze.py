"""LS-1.5, SC-18: what was under way when somebody is frozen or thaws says nothing of before afterwards, and nothing twice under one id."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from gateway.linkage_server.review import store
from tests.support.push_ward import TOWN, row, ward_of
from tests.support.resident_files import individual_number
from tests.support.review_world import SCOPES as REVIEW
from tests.support.review_world import Desk

PEOPLE = 10


@pytest.fixture
async def ward(world):
    await world.register("kokuho-care", system="kokuho", scopes=REVIEW)
    async with ward_of(world, push_attempts=50) as made:
        yield made


async def desk_of(ward) -> Desk:
    desk = Desk(world=SimpleNamespace(linkage=ward.world), caller=ward.caller)
    desk.tokens["juki"] = await ward.caller.token("kokuho-care")
    return desk


async def test_who_is_frozen_while_others_are_on_their_way_is_not_sent_any_more(ward):
    """Eight are sent together; the others were due as well when those left."""
    people = range(1, PEOPLE + 1)
    await ward.load(*(row(f"{nth}", individual_number=individual_number(nth)) for nth in people))
    await ward.load(*(row(f"{80 + nth}", individual_number=individual_number(nth)) for nth in people), client="sky2")
    desk = await desk_of(ward)
    await ward.target(state="off")
    for nth in people:
        await ward.change(by="juki", addressee_number=f"{nth}", address=f"{TOWN}{nth}")
    await ward.target(url=f"https://{ward.host}/hangs")
    await ward.until(lambda: len(ward.receiver.hung) == 8, "eight that are on their way")
    last = f"{await ward.number_of(f'{PEOPLE}'):015d}"
    await desk.propose("links/freeze", integrated_number=last)
    ward.receiver.released.set()

    async def nine() -> bool:
        return len(await ward.world.rows("select from push_delivery where state = 'delivered'")) == PEOPLE - 1

    await ward.until(nine, "all but one delivered")
    assert f"{80 + PEOPLE}" not in {one["addressee_numbers"][0] for one in ward.receiver.hung}
    await desk.decided("links/release", integrated_number=last)
    await ward.quiet()
    assert {one["addressee_numbers"][0] for one in ward.receiver.hung[PEOPLE - 1 :]} == {f"{80 + PEOPLE}"}


async def test_a_push_that_is_on_its_way_at_a_freeze_is_followed_after_the_thaw_by_one_of_then_under_another_id(ward):
    await ward.load(row())
    await ward.load(row("81"), client="sky2")
    desk = await desk_of(ward)
    number = f"{await ward.number_of():015d}"
    await ward.target(url=f"https://{ward.host}/hangs")
    await desk.change("juki", 1, "address_change", "before", address=f"{TOWN}4")
    await ward.until(ward.receiver.hanging.is_set, "a push that is on its way")
    await desk.propose("links/freeze", integrated_number=number)
    await desk.change("juki", 1, "address_change", "later", address=f"{TOWN}5")
    ward.receiver.released.set()
    await desk.decided("links/release", integrated_number=number)
    await ward.quiet()
    before, *after = ward.receiver.hung
    assert before["items"]["address"] == f"{TOWN}4"
    assert {one["items"]["address"] for one in after} == {f"{TOWN}5"}
    assert before["delivery_id"] not in {one["delivery_id"] for one in after}
    first, *others = await ward.world.rows("select delivery_id, state, reason from push_delivery order by place")
    assert tuple(first) == (before["delivery_id"], "dropped", "superseded")
    assert "ready" not in {one["state"] for one in others}


async def test_a_body_that_is_put_on_record_after_a_thaw_was_not_made_before_the_freeze(ward):
    """It was read before the freeze; the row is held fast until the person has been frozen, has changed and is thawed."""
    await ward.load(row())
    await ward.load(row("81"), client="sky2")
    ward.receiver.statuses = [500] * 50
    await ward.target()
    await ward.change(address=f"{TOWN}1")
    await ward.until(lambda: ward.receiver.got, "the first attempt")
    await ward.change(on="2026-11-02", address=f"{TOWN}2")

    async def behind() -> list:
        return await ward.world.rows("select delivery_id from push_delivery where state = 'waiting'")

    [second] = await ward.until(behind, "a push that waits behind the first")
    number = await ward.number_of()
    async with ward.world.connected() as admin:
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute("select from push_delivery where delivery_id = $1 for update", second["delivery_id"])
        ward.receiver.statuses = []

        async def is_blocked() -> list:
            return await ward.world.rows(
                "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%push_delivery%'"
            )

        await ward.until(is_blocked, "a body that waits to be put on record")
        for frozen in (True, False):
            await store.set_frozen(admin, [number], datetime.now(UTC), frozen=frozen)
        await transaction.commit()
    await ward.change(on="2026-11-03", address=f"{TOWN}3")
    await ward.quiet()
    told = [one["items"]["address"] for one in ward.receiver.taken]
    assert told[-1] == f"{TOWN}3"
    assert second["delivery_id"] not in {one["delivery"] for one in ward.receiver.got}
    ids = [one["delivery"] for one in ward.receiver.taken]
    assert len(ids) == len(set(ids))
