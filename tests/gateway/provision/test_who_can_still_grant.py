"""Two people who can approve grants and one who can administer staff are always left, whoever takes rights away, and whenever (IS-9, SC-11)."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime, timedelta
from functools import partial

import pytest
from prometheus_client import REGISTRY

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.operations import notices
from gateway.intermediate_server.staff import enrolling, entering, founding, granting, remaining, store
from gateway.intermediate_server.staff.founding import FirstMember, Founded
from gateway.intermediate_server.staff.rights import Function, GrantState
from keys.signing import Signer, generate_seed
from tests.support.provider_world import NOON, PROVIDER, ProviderWorld, provider_world
from tests.support.staff_in_person import OFFICE, InPerson, at_work, mark_anew
from transport.problem import ProblemError

BOTH = (Function.STAFF_ADMINISTER, Function.STAFF_APPROVE)


@pytest.fixture
async def alone(tmp_path, cluster):
    """An agency in which nobody works yet."""
    async with provider_world(tmp_path, cluster, mark="_p6") as found:
        found.now = NOON
        await found.execute(
            "update staff_member set state = 'left', password_hash = '', mark = null where state = 'active'"
        )
        await found.execute("delete from staff_founding")
        yield found


@pytest.fixture
async def elsewhere(tmp_path, cluster, alone):
    """The same agency at another process, with connections and a committer of its own."""
    (tmp_path / "other").mkdir()
    async with provider_world(tmp_path / "other", cluster, mark="_p6") as found:
        found.now = NOON
        found.agency.keys.ring.become(alone.agency.keys.ring.copied())
        yield found


async def revoke(by: InPerson, whose: InPerson, function: Function, *, emergency: entering.Proof | None = None) -> dict:
    item = granting.RevokeItem(grant_id=whose.grants[function].grant_id, emergency=emergency)
    return await granting.change(await by.let_in(Function.STAFF_ADMINISTER), item)


async def leave(by: InPerson, who: str, *, emergency: entering.Proof | None = None) -> dict:
    item = enrolling.LeaveItem(staff_id=who, emergency=emergency)
    return await enrolling.change(await by.let_in(Function.STAFF_ADMINISTER), item)


async def approvers(world: ProviderWorld) -> set[str]:
    return set((await remaining.able(world.agency, world.now))[Function.STAFF_APPROVE])


async def told(call) -> str:
    try:
        await call
    except ProblemError as problem:
        return problem.reason
    return "done"


async def test_is_9_nothing_takes_away_the_last_two_who_can_approve(alone):
    one, two = [await at_work(alone.desk, *BOTH) for _ in range(2)]
    fresh = {"password": secrets.token_urlsafe(18), "card_key": Signer(generate_seed()).public_key}
    acts = (
        enrolling.LeaveItem(staff_id=two.staff_id),
        enrolling.LeaveItem(staff_id=one.staff_id),
        enrolling.TransferItem(staff_id=two.staff_id, office="zeimu"),
        enrolling.ResetItem(staff_id=two.staff_id, **fresh),
    )
    for act in acts:
        with pytest.raises(ProblemError, match="too_few_left"):
            await enrolling.change(await one.let_in(Function.STAFF_ADMINISTER), act)
    with pytest.raises(ProblemError, match="too_few_left"):
        await revoke(one, two, Function.STAFF_APPROVE)
    scope = granting.ScopeItem(function=Function.STAFF_APPROVE, office=OFFICE, valid_until=NOON + timedelta(days=900))
    edit = granting.EditItem(grant_id=one.grants[Function.STAFF_APPROVE].grant_id, scope=scope)
    with pytest.raises(ProblemError, match="too_few_left"):
        await granting.change(await one.let_in(Function.STAFF_ADMINISTER), edit)
    assert await approvers(alone) == {one.staff_id, two.staff_id}
    ended = await alone.fetch(
        "select staff_id from staff_grant where staff_id = any($1) and state <> 'effective'",
        [one.staff_id, two.staff_id],
    )
    assert not ended
    assert not await asyncio.to_thread(
        alone.agency.erasures.names, "staff_member", two.staff_id
    )  # no restore ends what did not end


async def test_is_9_nor_the_last_administrator_and_with_a_successor_everybody_may_go(alone):
    last, one, two = (
        await at_work(alone.desk, *BOTH),
        *[await at_work(alone.desk, Function.STAFF_APPROVE) for _ in range(2)],
    )
    with pytest.raises(ProblemError, match="too_few_left"):
        await revoke(last, last, Function.STAFF_ADMINISTER)
    with pytest.raises(ProblemError, match="too_few_left"):
        await leave(last, last.staff_id)
    successor = await at_work(alone.desk, *BOTH)
    assert (await leave(successor, last.staff_id))["state"] == "left"
    assert await approvers(alone) == {one.staff_id, two.staff_id, successor.staff_id}


@pytest.mark.parametrize(
    "change",
    [
        "update staff_member set valid_until = $2 where staff_id = $1",
        "update staff_member set password_initial = true where staff_id = $1 and valid_until <> $2",
        "update staff_card set valid_until = $2 where staff_id = $1",
        "update staff_grant set valid_from = $2::timestamptz - interval '1 day', valid_until = $2 where staff_id = $1",
        "update staff_grant set office = 'zeimu' where staff_id = $1 and valid_until <> $2",
        "update staff_grant set affair = '27' where staff_id = $1 and valid_until <> $2",
    ],
    ids=["account over", "first password", "card over", "grant over", "other office", "limited"],
)
async def test_is_9_whoever_could_not_approve_now_is_none_of_the_two(alone, change):
    one, two, third = [await at_work(alone.desk, *BOTH) for _ in range(3)]
    await alone.execute(change, third.staff_id, NOON)
    await mark_anew(alone.desk)
    with pytest.raises(ProblemError, match="too_few_left"):
        await leave(one, two.staff_id)
    assert (await leave(one, third.staff_id))["state"] == "left"  # who is none of them may go


async def test_is_9_of_two_revocations_at_once_by_two_processes_one_is_refused(alone, elsewhere):
    """Each alone would leave two; looked at before both, both would go."""
    for _ in range(5):
        await alone.execute(
            "update staff_member set state = 'left', password_hash = '', mark = null where state = 'active'"
        )
        here = await at_work(alone.desk, Function.STAFF_ADMINISTER)
        there = await at_work(elsewhere.desk, Function.STAFF_ADMINISTER)
        one, two, _third = [await at_work(alone.desk, Function.STAFF_APPROVE) for _ in range(3)]
        calls = revoke(here, one, Function.STAFF_APPROVE), revoke(there, two, Function.STAFF_APPROVE)
        assert sorted(await asyncio.gather(*map(told, calls))) == ["done", "too_few_left"]
        assert len(await approvers(alone)) == 2


async def test_is_9_of_two_administrators_who_end_one_another_at_once_one_stays(alone):
    for _ in range(5):
        await alone.execute(
            "update staff_member set state = 'left', password_hash = '', mark = null where state = 'active'"
        )
        one, two, third = [await at_work(alone.desk, *BOTH) for _ in range(3)]
        calls = leave(one, two.staff_id), leave(two, one.staff_id)
        said = await asyncio.gather(*map(told, calls))
        assert said.count("done") == 1
        assert set(said) <= {"done", "too_few_left", "session_ended", "right_missing"}
        assert third.staff_id in await approvers(alone)
        assert len(await approvers(alone)) == 2


async def test_is_9_somebody_compromised_goes_at_once_with_both_factors_and_loudly(alone):
    one, two = [await at_work(alone.desk, *BOTH) for _ in range(2)]
    with pytest.raises(ProblemError, match="login_refused"):
        await leave(one, two.staff_id, emergency=one.proof(f"emergency/{one.staff_id}"))
    with pytest.raises(ProblemError, match="login_refused"):
        await leave(one, two.staff_id, emergency=two.proof(f"emergency/{two.staff_id}"))
    assert len(await approvers(alone)) == 2
    await leave(one, two.staff_id, emergency=one.proof(f"emergency/{two.staff_id}"))
    assert await approvers(alone) == {one.staff_id}
    with pytest.raises(ProblemError, match="session_ended"):
        await two.let_in(Function.STAFF_APPROVE)
    [entry] = [one for one in await alone.entries() if one.get("facts", {}).get("holder") == two.staff_id]
    facts = entry["facts"]
    assert (entry["kind"], facts["emergency"], facts["operation"]) == (EntryKind.STAFF_CHANGED, "yes", "leave")
    assert facts["signature"]
    grant_id = one.grants[Function.STAFF_APPROVE].grant_id
    await revoke(one, one, Function.STAFF_APPROVE, emergency=one.proof(f"emergency/{grant_id}"))
    assert (await store.grant(alone.agency, grant_id)).state is GrantState.REVOKED


def document(world: ProviderWorld, at: datetime, functions: tuple[Function, ...] = BOTH, **ids: Signer) -> Founded:
    """Signed by two new people, as set-up does, or by those who are named."""
    signers = ids or {f"f{secrets.token_hex(6)}": Signer(generate_seed()) for _ in range(2)}
    members = [
        FirstMember(
            staff_id=name, office=OFFICE, password_hash="$argon2id$none", card_key=signer.public_key.hex(), functions=functions
        )
        for name, signer in signers.items()
    ]  # fmt: skip
    founders: tuple[str, str] = tuple(signers)  # type: ignore[assignment]
    made = founding.new(
        PROVIDER, profile="cheapest", at=at, valid_until=at + timedelta(days=900), founders=founders, members=members
    )
    return founding.read(founding.write(made, signers), PROVIDER)


@pytest.mark.parametrize(
    "change",
    [
        "update staff_member set version = version + length($2) where staff_id = $1",
        "update staff_member set mark = null where staff_id = $1 and office <> $2",
        "update staff_card set public_key = $2::text::bytea where staff_id = $1",
        "update staff_grant set approved_digest = $2 where staff_id = $1",
    ],
    ids=["account", "account without", "card", "grant"],
)
async def test_sc_20_whose_mark_does_not_hold_is_none_of_the_two(alone, change):
    """Whoever writes the database puts nobody there who keeps the agency from being told, founded anew or held at two."""
    one, two, third = [await at_work(alone.desk, *BOTH) for _ in range(3)]
    await alone.execute(change, third.staff_id, "written beside the server")
    assert await approvers(alone) == {one.staff_id, two.staff_id}
    with pytest.raises(ProblemError, match="too_few_left"):
        await leave(one, two.staff_id)
    await leave(one, third.staff_id)
    assert await approvers(alone) == {one.staff_id, two.staff_id}


def name(document: Founded, *worlds: ProviderWorld) -> Founded:
    """As `sekisho keys vouch --founding` does, at each process."""
    for world in worlds:
        world.agency.keys.ensure(founding.naming(document))
    return document


async def test_is_9_where_too_few_are_left_two_new_people_found_the_agency_anew(alone, elsewhere):
    first = document(alone, NOON)
    await founding.found(alone.desk, first)
    one, two = [await at_work(alone.desk, *BOTH) for _ in range(2)]
    names = {member.staff_id for member in first.founding.members}
    assert await approvers(alone) == {one.staff_id, two.staff_id, *names}
    for each in first.founding.members:
        await leave(one, each.staff_id)
    await founding.found(alone.desk, name(document(alone, NOON), alone))
    assert await approvers(alone) == {one.staff_id, two.staff_id}  # enough are left: nobody comes by a file
    await leave(one, two.staff_id, emergency=one.proof(f"emergency/{two.staff_id}"))
    taken = Signer(generate_seed())
    for refused in (
        first,
        document(alone, NOON - timedelta(days=31)),
        document(alone, NOON + timedelta(days=1)),
        document(alone, NOON, (*BOTH, Function.HELD_VIEW)),
        document(alone, NOON, **{one.staff_id: Signer(generate_seed()), "fresh-one": taken}),
        document(alone, NOON, **{two.staff_id: Signer(generate_seed()), "fresh-one": taken}),
        document(alone, NOON, **{f"f{secrets.token_hex(6)}": two.card, f"f{secrets.token_hex(7)}": taken}),
    ):
        await founding.found(alone.desk, name(refused, alone))
        assert await approvers(alone) == {one.staff_id}
    anew = document(alone, NOON - timedelta(days=1))
    await founding.begin(alone.desk, anew)
    assert await approvers(alone) == {one.staff_id}  # whoever writes the disk has put it there (SC-20)
    name(anew, alone, elsewhere)
    await asyncio.gather(founding.found(alone.desk, anew), founding.found(elsewhere.desk, anew))
    founders = {member.staff_id for member in anew.founding.members}
    assert await approvers(alone) == {one.staff_id, *founders}
    founded = [one["facts"] for one in await alone.entries() if one.get("facts", {}).get("digest") == anew.digest]
    assert [(facts["anew"], set(facts["founders"].split())) for facts in founded] == [("yes", founders)]
    await founding.begin(alone.desk, anew)  # as at each start from now on
    assert len([one for one in await alone.entries() if one.get("facts", {}).get("digest") == anew.digest]) == 1
    assert founding.naming(anew) not in alone.agency.keys.ring.purposes()
    await alone.execute("delete from staff_founding")
    await alone.execute("update staff_member set mark = null where staff_id = any($1)", list(founders))
    await founding.begin(alone.desk, anew)
    assert await approvers(alone) == {
        one.staff_id
    }  # what named it is spent: a document is taken once, whatever the database says


async def test_is_10_staff_are_told_before_too_few_are_left(alone):
    async def told() -> list[str | None]:
        found = (await notices.listed(alone.agency, to_staff=True))["notices"]
        return [one["text"] for one in found if one["kind"] == "granting_ends"]

    assert await told() == []  # nobody works here yet
    await founding.found(alone.desk, document(alone, NOON))
    assert await told() == []
    await remaining.watch(alone.agency)
    value = partial(REGISTRY.get_sample_value, labels={"agency": PROVIDER, "function": "staff.approve"})
    assert value("sekisho_staff_able") == 2
    assert value("sekisho_staff_enough_until") == (NOON + timedelta(days=900)).timestamp()
    alone.now = NOON + timedelta(days=830)
    assert await told() == [timestamp(NOON + timedelta(days=900))]
    assert (await notices.listed(alone.agency))["notices"] == []  # of nobody outside
    alone.now = NOON + timedelta(days=901)
    assert await told() == [None]
    await remaining.watch(alone.agency)
    assert (value("sekisho_staff_able"), value("sekisho_staff_enough_until")) == (0, 0)
