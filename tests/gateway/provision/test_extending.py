"""An account, and its cards, are extended by two: nobody extends their own, and nothing is approved that was not shown (IS-9, SC-11)."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.intermediate_server.staff import enrolling, extending, own_account, store
from gateway.intermediate_server.staff.people import CardState, MemberState
from gateway.intermediate_server.staff.rights import Function
from keys.signing import Signer, generate_seed
from tests.support.provider_world import ProviderWorld
from tests.support.staff_in_person import InPerson, at_work, enrol, mark_anew
from transport.problem import ProblemError

BOTH = (Function.STAFF_ADMINISTER, Function.STAFF_APPROVE)
YEAR = timedelta(days=365)


@pytest.fixture
async def people(world):
    """Two administrators, and somebody whose account and card end in a month."""
    one, two, holder = [await at_work(world.desk, *BOTH) for _ in range(3)]
    soon = world.now + timedelta(days=30)
    await ends(world, holder, soon)
    return one, two, holder


async def ends(world: ProviderWorld, who: InPerson, at: datetime) -> None:
    for table in ("staff_member", "staff_card"):
        await world.execute(f"update {table} set valid_until = $2 where staff_id = $1", who.staff_id, at)
    await mark_anew(world.desk)


async def until(world: ProviderWorld, who: InPerson) -> tuple[datetime, datetime]:
    """The ends of the account and of its card."""
    member, [card] = await store.member(world.agency, who.staff_id), await store.cards(world.agency, who.staff_id)
    return member.valid_until, card.valid_until


async def propose(by: InPerson, whose: InPerson, at: datetime, *cards: str, extension_id: str = "") -> dict:
    drawn = extension_id or by.desk.agency.new_id(extending.EXTENSION_PREFIX, by.now)
    item = extending.ProposeItem(extension_id=drawn, staff_id=whose.staff_id, valid_until=at, cards=cards)
    return await extending.propose(await by.let_in(Function.STAFF_ADMINISTER), item)


async def decide(by: InPerson, shown: dict, *, approve: bool = True, **changes) -> dict:
    name, content_hash = shown["extension_id"], shown["content_hash"]
    purpose = changes.pop("purpose", f"{'approve' if approve else 'reject'}_extension/{name}/{content_hash}")
    item = extending.DecideItem(extension_id=name, content_hash=content_hash, approve=approve, proof=by.proof(purpose))
    return await extending.decide(await by.let_in(Function.STAFF_APPROVE), item)


async def told(call) -> str:
    try:
        await call
    except ProblemError as problem:
        return problem.reason
    return "done"


async def test_is_9_an_account_and_its_card_last_longer_when_a_second_has_approved(world, people):
    one, two, holder = people
    before, later = await until(world, holder), world.now + 2 * YEAR
    shown = await propose(one, holder, later, holder.card_id)
    assert await until(world, holder) == before  # a proposal alone does nothing
    grants = await store.grants(world.agency, holder.staff_id)
    made = await decide(two, shown)
    assert (made["state"], made["decided_by"]) == ("approved", two.staff_id)
    assert await until(world, holder) == (later, later)
    assert await store.grants(world.agency, holder.staff_id) == grants  # no right is widened
    world.now += timedelta(days=60)
    await holder.log_in()
    facts = [
        one["facts"]
        for one in await world.entries()
        if one.get("facts", {}).get("extension_id") == shown["extension_id"]
    ]
    assert [one["event"] for one in facts] == ["propose", "approve"]
    assert facts[1]["signature"]


async def test_sc_20_who_was_extended_is_vouched_for_and_acts(world, people):
    """Account and card bear marks of what they are afterwards."""
    one, two, third = people[0], people[1], await at_work(world.desk, *BOTH)
    await ends(world, one, world.now + timedelta(days=30))
    await decide(two, await propose(third, one, world.now + 2 * YEAR, one.card_id))
    member, [card] = await store.member(world.agency, one.staff_id), await store.cards(world.agency, one.staff_id)
    assert (member.state, card.state) == (MemberState.ACTIVE, CardState.ACTIVE)
    world.now += timedelta(days=60)
    for each in (one, two):
        await each.log_in()
    await decide(one, await propose(two, people[2], world.now + YEAR, people[2].card_id))


async def test_is_9_an_account_that_is_over_comes_back_and_one_without_its_card_does_not_extend_the_card(world, people):
    one, two, holder = people
    world.now += timedelta(days=60)
    for each in (one, two):
        await each.log_in()
    with pytest.raises(ProblemError, match="login_refused"):
        await holder.log_in()
    card = (await until(world, holder))[1]
    later = world.now + YEAR
    await decide(two, await propose(one, holder, later))
    assert await until(world, holder) == (later, card)
    with pytest.raises(ProblemError, match="login_refused"):
        await holder.log_in()
    await decide(two, await propose(one, holder, later, holder.card_id))
    await holder.log_in()


async def test_is_9_nobody_extends_their_own(world, people):
    one, two, holder = people
    later, before = world.now + YEAR, await until(world, holder)
    for shown, by in (
        (await propose(holder, holder, later, holder.card_id), holder),  # asks and approves
        (await propose(one, holder, later, holder.card_id), holder),  # approves what another one proposed for them
        (await propose(one, holder, later, holder.card_id), one),  # proposes and approves
    ):
        with pytest.raises(ProblemError, match="second_person_needed"):
            await decide(by, shown)
    assert await until(world, holder) == before
    own = await propose(holder, holder, later)
    await decide(two, own)  # who works alone with one other may ask
    assert (await until(world, holder))[0] == later
    rows = "insert into staff_extension select 'X' || $2, staff_id, '{}', valid_until, 1, 'approved', 1, $1, $3, $4, $5 from staff_member where staff_id = $6"
    for decider, card in ((one.staff_id, two.card_id), (holder.staff_id, holder.card_id), (two.staff_id, one.card_id)):
        with pytest.raises(Exception, match="staff_extension_two_people"):
            await world.execute(rows, one.staff_id, secrets.token_hex(4), one.card_id, decider, card, holder.staff_id)


async def test_is_9_an_edit_voids_what_was_shown(world, people):
    one, two, holder = people
    shown = await propose(one, holder, world.now + YEAR)
    edited = await propose(one, holder, world.now + 2 * YEAR, extension_id=shown["extension_id"])
    assert (edited["version"], edited["state"]) == (2, "proposed")
    with pytest.raises(ProblemError, match="content_changed"):
        await decide(two, shown)
    by_two = await propose(two, holder, world.now + YEAR, extension_id=shown["extension_id"])  # who edits proposes
    with pytest.raises(ProblemError, match="second_person_needed"):
        await decide(two, by_two)
    assert (await decide(one, by_two))["state"] == "approved"
    assert (
        await told(propose(one, holder, world.now + 3 * YEAR, extension_id=shown["extension_id"])) == "extension_state"
    )
    assert await told(decide(two, by_two)) == "extension_state"


@pytest.mark.parametrize("change", ["password", "reset", "transfer", "extended"])
async def test_is_9_what_is_changed_at_the_account_makes_a_proposal_stale(world, people, change):
    one, two, holder = people
    shown = await propose(one, holder, world.now + YEAR)
    match change:
        case "password":
            item = own_account.PasswordItem(proof=holder.proof("password"), new_password=secrets.token_urlsafe(18))
            await own_account.set_password(await holder.let_in(None), item)
        case "reset":
            card = Signer(generate_seed()).public_key
            reset = enrolling.ResetItem(staff_id=holder.staff_id, password=secrets.token_urlsafe(18), card_key=card)
            await enrolling.change(await one.let_in(Function.STAFF_ADMINISTER), reset)
        case "transfer":
            move = enrolling.TransferItem(staff_id=holder.staff_id, office="zeimu")
            await enrolling.change(await one.let_in(Function.STAFF_ADMINISTER), move)
        case "extended":
            await decide(two, await propose(one, holder, world.now + YEAR / 2))
    listed = await extending.listed(await two.let_in(Function.STAFF_APPROVE))
    assert next(one["stale"] for one in listed if one["extension_id"] == shown["extension_id"])
    with pytest.raises(ProblemError, match="account_changed"):
        await decide(two, shown)
    assert (await decide(two, shown, approve=False))["state"] == "rejected"


async def test_is_9_an_approval_needs_both_factors_for_exactly_this_and_the_first_still_may(world, people):
    one, two, holder = people
    shown = await propose(one, holder, world.now + YEAR)
    another = await propose(one, holder, world.now + YEAR)
    name, content_hash = shown["extension_id"], shown["content_hash"]
    for purpose in (
        f"approve_extension/{another['extension_id']}/{another['content_hash']}",
        f"reject_extension/{name}/{content_hash}",
        f"approve/{name}/{content_hash}",
    ):
        with pytest.raises(ProblemError, match="login_refused"):
            await decide(two, shown, purpose=purpose)
    before = await until(world, holder)
    gone = enrolling.LeaveItem(staff_id=one.staff_id)
    await enrolling.change(await two.let_in(Function.STAFF_ADMINISTER), gone)
    with pytest.raises(ProblemError, match="asker_may_not"):
        await decide(two, shown)
    assert await until(world, holder) == before


async def test_is_9_an_end_is_bounded_and_lengthens(world, people):
    one, _two, holder = people
    most = world.now + world.desk.rules.account_for
    for at in (most + timedelta(seconds=1), world.now, world.now - YEAR):
        assert await told(propose(one, holder, at)) == "end_too_far"
    assert await told(propose(one, holder, world.now + timedelta(days=30))) == "nothing_to_extend"
    assert await told(propose(one, holder, world.now + YEAR, one.card_id)) == "card_unknown"
    assert await told(propose(one, holder, world.now + YEAR, holder.card_id, holder.card_id)) == "card_unknown"
    assert await told(propose(one, holder, most, extension_id="nothing")) == "malformed_item"
    world.desk.rules = replace(world.desk.rules, card_for=YEAR)
    assert await told(propose(one, holder, most, holder.card_id)) == "end_too_far"
    assert await told(propose(one, holder, most)) == "done"
    late = enrolling.AddItem(
        staff_id=f"s{secrets.token_hex(6)}", office="zeimu", valid_until=most + timedelta(seconds=1), password=secrets.token_urlsafe(18),
        card_key=Signer(generate_seed()).public_key,
    )  # fmt: skip
    assert await told(enrolling.change(await one.let_in(Function.STAFF_ADMINISTER), late)) == "end_too_far"


async def test_is_9_of_decisions_and_edits_at_once_one_counts(world, people):
    one, two, holder = people
    for _ in range(4):
        before = (await until(world, holder))[0]
        first, second = before + timedelta(days=10), before + timedelta(days=20)
        shown = await propose(one, holder, first)
        said = await asyncio.gather(
            told(propose(one, holder, second, extension_id=shown["extension_id"])), told(decide(two, shown)), told(decide(two, shown))
        )  # fmt: skip
        assert said.count("done") == 1
        assert (await until(world, holder))[0] in (before, first)  # never what nobody was shown


async def test_is_9_what_ends_soon_is_listed_and_who_can_grant(world, people):
    one, _two, holder = people
    rested = await enrol(world.desk)
    found = await extending.endings(await one.let_in(Function.STAFF_ADMINISTER), extending.EndingsItem(within_days=60))
    of_holder = [(one["what"], one["id"]) for one in found["endings"] if one["staff_id"] == holder.staff_id]
    assert sorted(of_holder) == [("account", holder.staff_id), ("card", holder.card_id)]
    assert rested.staff_id not in {one["staff_id"] for one in found["endings"]}
    approve = next(one for one in found["able"] if one["function"] == "staff.approve")
    assert (approve["needed"], {one.staff_id, holder.staff_id} <= set(approve["people"])) == (2, True)
    assert approve["enough_until"] > found["endings"][0]["valid_until"]
