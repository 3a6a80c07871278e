"""Who loses the right, leaves or gets other credentials while their factors are examined does nothing with them (SC-10, SC-11, SC-20)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from fido2.utils import websafe_decode

from evidence.orders import OrderKind
from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.destruction import destroying
from gateway.intermediate_server.operations import backing_up, ordering
from gateway.intermediate_server.retention import certificates
from gateway.intermediate_server.staff import enrolling, entering, granting, own_account
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.rights import Function
from keys.ring import State
from keys.signing import Signer, generate_seed
from storage.backups.form import BackedUp
from tests.support.copies import qualified
from tests.support.provider_world import OTHER, ProviderWorld
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.staff_in_person import OFFICE, TERMINAL, InPerson, at_work, enrol, factors_wait
from transport.problem import ProblemError


class Act(NamedTuple):
    """What somebody does with both factors anew, with a right to `function` (None: to their own account); `first`: whoever asked for it."""

    by: InPerson
    function: Function | None
    does: Coroutine[Any, Any, Any]
    first: InPerson | None = None


async def approves_a_grant(world: ProviderWorld) -> Act:
    one, two = await at_work(world.desk, Function.STAFF_ADMINISTER), await at_work(world.desk, Function.STAFF_APPROVE)
    scope = granting.ScopeItem(function=Function.BACKUP, office=OFFICE, valid_until=world.now + timedelta(days=9))
    holder = await enrol(world.desk)
    wanted = granting.RequestItem(grant_id=world.agency.new_id("G", world.now), staff_id=holder.staff_id, scope=scope)
    asked = await granting.change(await one.let_in(Function.STAFF_ADMINISTER), wanted)
    proof = two.proof(f"approve/{asked['grant_id']}/{asked['content_hash']}")
    item = granting.ApproveItem(grant_id=asked["grant_id"], content_hash=asked["content_hash"], proof=proof)
    return Act(two, Function.STAFF_APPROVE, granting.change(await two.let_in(Function.STAFF_APPROVE), item), one)


async def has_a_key_destroyed(world: ProviderWorld) -> Act:
    one, two = [await at_work(world.desk, Function.KEYS_DESTROY) for _ in range(2)]
    purpose, destruction_id = f"result/{secrets.token_hex(4)}", world.agency.new_id("D", world.now)
    world.agency.keys.ensure(purpose)
    server, cause = destroying.Server.INTERMEDIATE, destroying.Cause.ERASURE
    digest = destroying.content_hash(world.agency.id, destruction_id, server, purpose, 1, cause)
    wanted = destroying.AskItem(
        destruction_id=destruction_id, server=server, purpose=purpose, version=1, cause=cause,
        proof=one.proof(f"destroy_key/{destruction_id}/{digest}"),
    )  # fmt: skip
    await destroying.ask(await one.let_in(Function.KEYS_DESTROY), wanted, world.now)
    proof = two.proof(f"approve_destruction/{destruction_id}/{digest}")
    item = destroying.DecideItem(destruction_id=destruction_id, content_hash=digest, approve=True, proof=proof)
    acting = await two.let_in(Function.KEYS_DESTROY)
    return Act(two, Function.KEYS_DESTROY, destroying.decide(acting, item, world.now), one)


async def corrects_a_record(world: ProviderWorld) -> Act:
    one, two = [await at_work(world.desk, Function.RECORDS_CORRECT) for _ in range(2)]
    number = await world.person()
    await qualified(world, number)
    question = world.question(number)
    await world.ask(question)
    [entry] = await world.entries(question.asked.inquiry_number)
    wanted = correcting.ProposeItem(
        correction_id=world.agency.new_id("C", world.now), entry_id=entry["id"], field=correcting.Field.INQUIRER, value=OTHER,
        reason=correcting.Reason.FOUND_BY_STAFF,
    )  # fmt: skip
    proposed = await correcting.propose(await one.let_in(Function.RECORDS_CORRECT), wanted, world.now)
    correction_id, content_hash = proposed["correction_id"], proposed["content_hash"]
    proof = two.proof(f"correct/{correction_id}/{content_hash}")
    item = correcting.DecideItem(correction_id=correction_id, content_hash=content_hash, approve=True, proof=proof)
    acting = await two.let_in(Function.RECORDS_CORRECT)
    return Act(two, Function.RECORDS_CORRECT, correcting.decide(acting, item, world.now), one)


async def orders_a_backup(world: ProviderWorld) -> Act:
    one = await at_work(world.desk, Function.BACKUP)
    act, database = OrderKind.BACKUP_MAKE, BackedUp.LINKAGE
    item = ordering.BackupOrderItem(act=act, database=database, proof=one.proof(ordering.purpose(act, database, "")))
    return Act(one, Function.BACKUP, ordering.order(await one.let_in(Function.BACKUP), item, world.now))


async def makes_a_backup(world: ProviderWorld) -> Act:
    one = await at_work(world.desk, Function.BACKUP)
    item, acting = backing_up.BackupItem(proof=one.proof(backing_up.PURPOSE)), await one.let_in(Function.BACKUP)

    async def begin() -> None:
        async with backing_up.begun(acting, item, world.now):
            pass

    return Act(one, Function.BACKUP, begin())


async def confirms_an_erasure(world: ProviderWorld) -> Act:
    one, content_hash = await at_work(world.desk, Function.ERASURES_CONFIRM), secrets.token_hex(32)
    await world.execute(
        "insert into erasure (key_purpose, kind, rule, state, begun_at, certified_at, certificate, key_file, content_hash)"
        " values ($1, 'results', 'SC-3', 'certified', $2, $2, 'E', 'f', $3)",
        f"result/{secrets.token_hex(4)}", world.now, content_hash,
    )  # fmt: skip
    proof = one.proof(f"confirm_erasure/{certificates.together([content_hash])}")
    item = certificates.ConfirmItem(content_hashes=[content_hash], proof=proof)
    acting = await one.let_in(Function.ERASURES_CONFIRM)
    return Act(one, Function.ERASURES_CONFIRM, certificates.confirm(acting, item, world.now))


async def sets_a_password(world: ProviderWorld) -> Act:
    one = await at_work(world.desk)
    item = own_account.PasswordItem(proof=one.proof(own_account.PASSWORD), new_password=secrets.token_urlsafe(18))
    return Act(one, None, own_account.set_password(await one.let_in(None), item))


async def registers_a_card(world: ProviderWorld) -> Act:
    one = await at_work(world.desk)
    return Act(one, None, (await web_card(world, one))[1])


async def web_card(world: ProviderWorld, one: InPerson) -> tuple[SoftAuthenticator, Coroutine[Any, Any, Any]]:
    """A browser's card, and its registration."""
    acting = await one.let_in(None)
    options = (await own_account.register_card(acting, own_account.CardItem()))["options"]["publicKey"]
    card = SoftAuthenticator(origin=next(iter(world.desk.rules.origins)))
    registration = card.register(websafe_decode(options["challenge"]))
    item = own_account.CardItem(proof=one.proof(own_account.REGISTER), registration=registration)
    return card, own_account.register_card(acting, item)


OF_TWO = [approves_a_grant, has_a_key_destroyed, corrects_a_record]
OF_A_RIGHT = [*OF_TWO, orders_a_backup, makes_a_backup, confirms_an_erasure]
OWN = [sets_a_password, registers_a_card]


async def loses(administrator: InPerson, who: InPerson, function: Function) -> None:
    item = granting.RevokeItem(grant_id=who.grants[function].grant_id)
    await granting.change(await administrator.let_in(Function.STAFF_ADMINISTER), item)


async def leaves(administrator: InPerson, who: InPerson) -> None:
    item = enrolling.LeaveItem(staff_id=who.staff_id)
    await enrolling.change(await administrator.let_in(Function.STAFF_ADMINISTER), item)


async def is_reset(administrator: InPerson, who: InPerson) -> None:
    item = enrolling.ResetItem(
        staff_id=who.staff_id, password=secrets.token_urlsafe(18), card_key=Signer(generate_seed()).public_key
    )
    await enrolling.change(await administrator.let_in(Function.STAFF_ADMINISTER), item)


async def done_by(world: ProviderWorld, who: InPerson) -> int:
    """How many entries of the log are acts of somebody's."""
    return sum(one.get("actor") == who.staff_id and one["kind"] != "staff.refused" for one in await world.entries())


@pytest.mark.parametrize("prepared", [*OF_A_RIGHT, *OWN])
async def test_who_stays_does_it(world, prepared):
    act = await prepared(world)
    before = await done_by(world, act.by)
    async with factors_wait(world.desk, act.does) as told:
        pass
    assert not isinstance(await told, ProblemError)
    assert await done_by(world, act.by) > before


@pytest.mark.parametrize("prepared", OF_A_RIGHT)
async def test_sc_11_whose_right_is_revoked_meanwhile_does_nothing(world, prepared):
    administrator, act = await at_work(world.desk, Function.STAFF_ADMINISTER), await prepared(world)
    before = await done_by(world, act.by)
    async with factors_wait(world.desk, act.does) as told:
        await loses(administrator, act.by, act.function)
    assert (await told).reason == "right_missing"
    assert await done_by(world, act.by) == before


@pytest.mark.parametrize("ends", [leaves, is_reset])
@pytest.mark.parametrize("prepared", [*OF_A_RIGHT, *OWN])
async def test_sc_11_who_leaves_or_gets_other_credentials_meanwhile_does_nothing(world, prepared, ends):
    administrator, act = await at_work(world.desk, Function.STAFF_ADMINISTER), await prepared(world)
    before = await done_by(world, act.by)
    async with factors_wait(world.desk, act.does) as told:
        await ends(administrator, act.by)
    assert (await told).reason == "session_ended"
    assert await done_by(world, act.by) == before


@pytest.mark.parametrize("prepared", OF_TWO)
async def test_sc_11_who_asked_and_leaves_meanwhile_is_none_of_two(world, prepared):
    administrator, act = await at_work(world.desk, Function.STAFF_ADMINISTER), await prepared(world)
    before = await done_by(world, act.by)
    async with factors_wait(world.desk, act.does) as told:
        await leaves(administrator, act.first)
    assert (await told).reason == "asker_may_not"
    assert await done_by(world, act.by) == before


async def test_sc_20_a_key_whose_destruction_is_refused_at_the_last_moment_opens_again(world):
    administrator, act = await at_work(world.desk, Function.STAFF_ADMINISTER), await has_a_key_destroyed(world)
    ring, before = world.agency.keys.ring, world.agency.keys.ring.purposes()
    async with factors_wait(world.desk, act.does) as told:
        await leaves(administrator, act.by)
    assert (await told).reason == "session_ended"
    states = {state for purpose in before for state in world.agency.keys.ring.versions(purpose).values()}
    assert states <= {State.PRIMARY, State.ENABLED}, ring


async def test_sc_10_a_log_in_with_the_old_password_opens_no_session_after_the_change(world):
    who = await at_work(world.desk)
    old = InPerson(desk=world.desk, staff_id=who.staff_id, card=who.card, password=who.password)
    item = own_account.PasswordItem(proof=who.proof(own_account.PASSWORD), new_password=secrets.token_urlsafe(18))
    acting = await who.let_in(None)
    async with factors_wait(world.desk, old.log_in()) as told:
        await own_account.set_password(acting, item)
    assert (await told).reason == "login_refused"
    sessions = await world.fetch("select ended_at from staff_session where staff_id = $1", who.staff_id)
    assert all(row["ended_at"] is not None for row in sessions)
    refused = [one for one in await world.entries() if one["kind"] == "staff.refused" and one["actor"] == who.staff_id]
    assert [one["reason"] for one in refused] == ["login_refused/changed_meanwhile"]


async def test_sc_10_a_copied_card_does_not_pass_with_a_counter_that_is_being_examined(world):
    who = await at_work(world.desk)
    card, registering = await web_card(world, who)
    await registering

    def shown() -> Proof:
        challenge = who.proof(entering.LOG_IN).challenge
        card.counter = 7
        return Proof(password=who.password, challenge=challenge, webauthn=card.sign(challenge, step=0))

    first, copy = (
        entering.log_in(
            world.desk,
            entering.LogInItem(staff_id=who.staff_id, proof=shown(), reason="administration"),
            TERMINAL,
            world.now,
        )
        for _ in range(2)
    )
    async with factors_wait(world.desk, first) as told:
        await copy
    assert (await told).reason == "login_refused"


async def test_sc_10_log_ins_that_share_a_commit_end_as_many_sessions_as_are_too_many(world):
    who, most = await enrol(world.desk), world.desk.rules.sessions
    for _ in range(most):
        await who.log_in()
        world.now += timedelta(seconds=1)
    async with world.agency.database.inside(world.agency.tenant) as connection, asyncio.TaskGroup() as group:
        await connection.execute("lock table staff_session in access exclusive mode")
        for _ in range(most - 1):
            group.create_task(who.log_in())
        await asyncio.sleep(0.5)
        await connection.execute("COMMIT")
    rows = await world.fetch("select ended_how from staff_session where staff_id = $1 order by opened_at", who.staff_id)
    assert [row["ended_how"] for row in rows] == ["superseded"] * (most - 1) + [None] * most
