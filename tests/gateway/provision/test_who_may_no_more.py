"""What staff do is committed together with that they still may: whose session or right has ended since they were let in does nothing (SC-10, SC-11)."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from codebook.identifiers import new_sortable_id
from gateway.intermediate_server import staff_routes
from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.correction.correcting import Field, ProposeItem, Reason
from gateway.intermediate_server.operations import notices
from gateway.intermediate_server.operations.notices import NoticeKind, PostItem
from gateway.intermediate_server.provision import deciding
from gateway.intermediate_server.provision.deciding import HeldDecision
from gateway.intermediate_server.staff import barring
from gateway.intermediate_server.staff.operating import LOOK_AGAIN_S, NotActingError, lasting
from gateway.intermediate_server.staff.rights import Function
from tests.support import staff_at_work
from tests.support.copies import qualified
from tests.support.provider_world import INQUIRER, ITEM, NOON, OTHER, ProviderWorld
from transport.problem import ProblemError


async def somebody(world: ProviderWorld) -> str:
    who = f"new-{secrets.token_hex(6)}"
    await staff_at_work.enter(world.desk, [who], NOON)
    return who


def fresh(prefix: str) -> str:
    return new_sortable_id(prefix, int(NOON.timestamp() * 1000), secrets.token_bytes(10))


async def sets_a_bar(world: ProviderWorld, who: str) -> None:
    item = barring.SetItem(
        bar_id=fresh("B"), place=barring.Place.PERSON, cause=barring.Cause.OTHER, integrated_number=await world.person()
    )
    await barring.set_bar(world.staff(who, Function.BARS_CHANGE), item, world.now)


async def posts_a_notice(world: ProviderWorld, who: str) -> None:
    first, last = (world.now + timedelta(days=days) for days in (900, 901))
    item = PostItem(notice_id=fresh("N"), kind=NoticeKind.OTHER, text="お知らせ", shown_from=first, shown_until=last)
    await notices.post(world.staff(who, Function.OPERATIONS), item, world.now)


async def proposes_a_correction(world: ProviderWorld, who: str) -> None:
    number = await world.person()
    question = world.question(number)
    await world.ask(question)
    record = (await world.entries(question.asked.inquiry_number))[-1]
    item = ProposeItem(
        correction_id=fresh("C"), entry_id=record["id"], field=Field.INQUIRER, value=OTHER, reason=Reason.FOUND_BY_STAFF
    )
    await correcting.propose(world.staff(who, Function.RECORDS_CORRECT), item, world.now)


async def refuses(world: ProviderWorld, who: str) -> None:
    await refuse(world, who, await held(world))


async def held(world: ProviderWorld, inquirer: str = INQUIRER) -> str:
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number, inquirer=inquirer)
    await world.ask(question)
    return question.permit_id


async def refuse(world: ProviderWorld, who: str, permit_id: str, acting=None) -> None:
    decision = HeldDecision(permit_id=permit_id, approve=False, content_hash="", reason="refused_by_staff")
    by = staff_routes.decider(acting or world.staff(who, Function.HELD_DECIDE))
    await deciding.decide(world.agency, decision, by, world.now)


ACTS = [
    (sets_a_bar, Function.BARS_CHANGE),
    (posts_a_notice, Function.OPERATIONS),
    (proposes_a_correction, Function.RECORDS_CORRECT),
    (refuses, Function.HELD_DECIDE),
]


async def acts_of(world: ProviderWorld, who: str) -> list[str]:
    return [one["kind"] for one in await world.entries() if one.get("actor") == who]


@pytest.mark.parametrize(("act", "function"), ACTS)
async def test_sc_11_whose_session_or_right_has_ended_since_does_nothing(world, act, function):
    who = await somebody(world)
    await act(world, who)
    done = await acts_of(world, who)
    assert done
    await staff_at_work.revoke(world.desk, who, function, NOON)
    with pytest.raises(NotActingError) as refused:
        await act(world, who)
    assert (refused.value.status, refused.value.reason) == (403, "right_missing")
    await staff_at_work.end_session(world.desk, who, world.now)
    with pytest.raises(NotActingError) as refused:
        await act(world, who)
    assert (refused.value.status, refused.value.reason) == (401, "session_ended")
    assert [kind for kind in await acts_of(world, who) if kind != "staff.refused"] == done


@pytest.mark.parametrize(
    ("table", "until", "reason"),
    [
        ("staff_session", "until", "session_ended"),
        ("staff_member", "valid_until", "session_ended"),
        ("staff_card", "valid_until", "session_ended"),
        ("staff_grant", "valid_until", "right_missing"),
    ],
)
async def test_sc_10_what_is_over_by_its_time_counts_no_more(world, table, until, reason):
    who, permit_id = await somebody(world), await held(world)
    await world.execute(f"update {table} set {until} = $2 where staff_id = $1", who, world.now + timedelta(seconds=1))
    await staff_at_work.mark_anew(world.desk)
    await refuse(world, who, await held(world))
    world.now += timedelta(seconds=1)
    with pytest.raises(NotActingError, match=reason):
        await refuse(world, who, permit_id)


async def test_sc_24_of_two_rights_the_one_that_is_left_goes_on(world):
    who = await somebody(world)
    await staff_at_work.revoke(world.desk, who, Function.HELD_DECIDE, NOON)
    for affair in ITEM.values():
        await staff_at_work.grant(world.desk, who, Function.HELD_DECIDE, NOON, affair)
    acting = staff_at_work.acting(world.desk, who, NOON, Function.HELD_DECIDE, affairs=ITEM.values())
    near, far = await held(world), await held(world, OTHER)
    await staff_at_work.revoke(world.desk, who, Function.HELD_DECIDE, NOON, ITEM[INQUIRER])
    with pytest.raises(ProblemError) as refused:
        await refuse(world, who, near, acting)
    assert (type(refused.value), refused.value.status, refused.value.reason) == (ProblemError, 403, "right_missing")
    await refuse(world, who, far, acting)
    states = await world.fetch("select permit_id, state from provision where permit_id = any($1)", [near, far])
    assert {row["permit_id"]: row["state"] for row in states} == {near: "held", far: "rejected"}


async def test_sc_11_what_leaves_in_parts_ends_with_the_right(world, monkeypatch):
    monkeypatch.setattr("gateway.intermediate_server.staff.operating.LOOK_AGAIN_S", 0.0)
    who = await somebody(world)

    async def parts():
        for part in (b"one", b"two", b"three"):
            yield part

    leaving = lasting(world.staff(who, Function.LOG_EXPORT), parts())
    assert [await anext(leaving), await anext(leaving)] == [b"one", b"two"]
    await staff_at_work.revoke(world.desk, who, Function.LOG_EXPORT, NOON)
    with pytest.raises(NotActingError, match="right_missing"):
        await anext(leaving)
    assert LOOK_AGAIN_S <= 5
