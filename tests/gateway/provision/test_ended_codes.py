"""A code that was another person's names nobody, nor does any that it had replaced, in whatever order and after a restore (IS-1, SC-9, SC-18)."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from evidence.entry import EntryKind
from gateway.intermediate_server import routes
from gateway.intermediate_server.codes import binding, ending, renewing
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.inquiry import driving, reading, registering
from gateway.intermediate_server.inquiry.under_way import KeyStock
from gateway.intermediate_server.network.wire import LateOutcome
from gateway.intermediate_server.operations import restoring
from gateway.intermediate_server.provision import answering, deadlines, deciding, held
from permission_lists.permit import read_stored_permit
from storage.committer import Commit, Lost, commit_step
from tests.gateway.provision.test_inquiry_machine import ITEMS, standing
from tests.gateway.provision.test_inquiry_machine import PROVIDER as ASKED
from tests.support.copies import qualified
from tests.support.provider_world import BASIS, INFORMATION, LIMITS, ProviderWorld
from transport.channel import ChannelError
from transport.problem import ProblemError

MOVED = timedelta(hours=1)
RENEWED = commit_step("test", "renewed")


def code(epoch: int = 1) -> bytes:
    return bytes([1, epoch]) + secrets.token_bytes(binding.CODE_SIZE - 2)


async def bound(world: ProviderWorld, number: str, fresh: bytes, given: dict) -> None:
    world.codes[number] = fresh
    item = binding.CodeItem(acquisition_number=given["acquisition_number"], code=fresh)
    assert await binding.bind_codes(world.agency, [item], world.now) == [{"bound": True}]
    world.now += MOVED


async def given_one(world: ProviderWorld, number: str, fresh: bytes) -> None:
    item = binding.NumberItem(integrated_number=number)
    await bound(world, number, fresh, (await binding.request_numbers(world.agency, [item], world.now))[0])


async def replaced(world: ProviderWorld, number: str, fresh: bytes, reason: Ending) -> None:
    item = ending.ReplaceItem(integrated_number=number, message_id=secrets.token_hex(4), reason=reason)
    await bound(world, number, fresh, (await ending.replace_codes(world.agency, [item], world.now))[0])


async def renewed(world: ProviderWorld, number: str, fresh: bytes) -> None:
    """As a new epoch of the core renews it."""
    [row] = await world.fetch("select * from person_code where integrated_number = $1", number)
    write = renewing._renewal(world.agency, row, fresh, fresh[1], world.now)
    await world.agency.committer.apply(Commit(step=RENEWED, follow=(write,)))
    world.codes[number] = fresh
    world.now += MOVED


async def cancelled(world: ProviderWorld, number: str, reason: Ending = Ending.NUMBER_CORRECTED) -> None:
    item = ending.CancelItem(integrated_number=number, reason=reason)
    assert await ending.cancel_codes(world.agency, [item], world.now) == [{"cancelled": True}]
    world.now += MOVED


async def told(world: ProviderWorld, number: str, under: bytes) -> tuple[str, str | None]:
    """What a question under some code is answered."""
    world.codes["somebody"] = under
    answer = await world.ask(world.question("somebody"))
    return answer.disposition, answer.reason


async def somebody(world: ProviderWorld) -> tuple[str, bytes]:
    """Somebody with a copy and, by a wrong link, another person's code."""
    number = f"94{secrets.randbelow(10**13):013d}"
    await qualified(world, number)
    wrong = code()
    await given_one(world, number, wrong)
    assert await told(world, number, wrong) == ("provided", None)
    return number, wrong


BEFORE = {
    "replaced": lambda world, number, fresh: replaced(world, number, fresh, Ending.RESIDENT_RECORD_CHANGED),
    "renewed": renewed,
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("end", ["cancelled", "number changed"])
async def test_is_1_what_a_cancelled_code_had_replaced_names_nobody_when_its_holder_has_another(world, before, end):
    """Whoever has not replaced theirs yet asks under the old one, about whom the wrong code was of."""
    number, first = await somebody(world)
    second, right = code(2), code(2)
    await BEFORE[before](world, number, second)
    assert await told(world, number, first) == ("provided", None)
    if end == "cancelled":
        await cancelled(world, number)
        await given_one(world, number, right)
    else:
        await replaced(world, number, right, Ending.NUMBER_CHANGED)
    assert await told(world, number, right) == ("provided", None)
    assert await told(world, number, second) == ("refused", "code_cancelled")
    assert await told(world, number, first) == ("refused", "code_cancelled")


async def test_is_1_what_was_replaced_before_it_was_cancelled_can_be_the_right_persons(world):
    """The wrong code is free for whom it is of, also under the epoch of before."""
    number, first = await somebody(world)
    await renewed(world, number, code(2))
    await cancelled(world, number)
    await given_one(world, number, code(2))
    other = f"95{secrets.randbelow(10**13):013d}"
    await given_one(world, other, first)
    assert world.codes[other] == first


async def test_is_1_the_same_code_again_is_renewed_and_answered_to_as_before(world):
    """Who moves out and comes back has the code of before: nothing of it stays cancelled once it is renewed anew."""
    number, first = await somebody(world)
    second = code(2)
    await renewed(world, number, second)
    await cancelled(world, number, Ending.MOVED_OUT)
    await given_one(world, number, first)
    await renewed(world, number, second)
    assert await told(world, number, first) == ("provided", None)


async def test_sc_15_no_restore_brings_back_what_a_cancelled_code_had_replaced(world):
    """A backup of before the replacement has the first code as bound, one of after it as replaced: either way it names nobody."""
    number, first = await somebody(world)
    [row] = await world.fetch("select acquisition_index from person_code where integrated_number = $1", number)
    await replaced(world, number, code(), Ending.RESIDENT_RECORD_CHANGED)
    [after] = await world.fetch("select acquisition_index from person_code where integrated_number = $1", number)
    snapshot = world.now
    world.now += MOVED
    await cancelled(world, number)
    journal = world.agency.erasures
    for one in (row, after):
        named = journal.digests("person_code", one["acquisition_index"])
        assert not journal.erased_since(snapshot, "B").isdisjoint(named)
    # the database as the backup of after the replacement has it, and what a restore does to it
    await world.execute("delete from former_code where integrated_number = $1", number)
    await world.execute(
        "insert into former_code (acquisition_index, integrated_number, code_index, state, reason, ended_at)"
        " values ($1, $2, $3, 'replaced', 'resident_record_changed', $4)",
        row["acquisition_index"], number, next(iter(binding.indexes_of_codes(world.agency, [first]))), snapshot,
    )  # fmt: skip
    second = after["acquisition_index"]
    await world.execute(
        "insert into person_code (acquisition_index, integrated_number, expires_at, code_index, code_sealed, bound_at) values ($1, $2, $3, $4, $5, $3)",
        second, number, snapshot, *binding.kept_code(world.agency, number, code()),
    )  # fmt: skip
    await world.execute(restoring._SQL["leave_out_of_person_code"], [second], world.now)
    await given_one(world, number, code())
    assert await told(world, number, first) == ("refused", "code_cancelled")


# --- what was asked by a code that was cancelled since


async def test_sc_4_nothing_held_is_released_to_whom_a_cancelled_code_was_asked_by(world):
    """Staff see the copy of whom the code named when it was asked: that of another person than was asked about."""
    number, _ = await somebody(world)
    bar = await world.bar(integrated_number=number)
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    seen = await world.held(question.permit_id)
    await cancelled(world, number)
    await given_one(world, number, code())
    for content_hash in (seen["content_hash"], (await world.held(question.permit_id))["content_hash"]):
        with pytest.raises(ProblemError, match="code_cancelled"):
            await world.decide(question.permit_id, content_hash)
    assert await world.decide(question.permit_id) == {"refused": True}
    assert [one["kind"] for one in await world.entries(question.asked.inquiry_number)] == [
        "provision.held", "provision.refused",
    ]  # fmt: skip
    later = world.question(number)
    assert (await world.ask(later)).disposition == "held"
    seen = await world.held(later.permit_id)
    assert await world.decide(later.permit_id, seen["content_hash"]) == {"released": True}
    await world.change_bar(bar["bar_id"], "lift")


async def test_sc_4_a_code_that_is_cancelled_while_staff_decide_is_seen_by_the_release(world):
    number, _ = await somebody(world)
    bar = await world.bar(integrated_number=number)
    question = world.question(number)
    await world.ask(question)
    row = await held.one(world.agency, question.permit_id, lambda *_: True)
    permit = read_stored_permit(row["permit"])
    made = answering.conclude(
        world.agency, permit, row["exchange_digest"], row["public_key"], world.now, "provided", None, [], number
    )
    await cancelled(world, number)
    commit = deciding.concluding(
        world.agency, permit, made, "released", EntryKind.PROVISION_RELEASED, "staff-1", world.now, revision=row["revision"]
    )  # fmt: skip
    assert isinstance(await world.agency.committer.apply(commit), Lost)
    await world.change_bar(bar["bar_id"], "lift")


async def test_sc_18_an_answer_that_was_lost_does_not_leave_again_once_its_code_is_cancelled(world):
    number, _ = await somebody(world)
    question = world.question(number)
    assert (await world.ask(question)).disposition == "provided"
    assert (await world.told(question))["sealed"] is not None
    await cancelled(world, number)
    assert await world.told(question) == {"retry": "not_yet"}


async def test_sc_18_what_was_released_and_has_not_arrived_stays_here_once_its_code_is_cancelled(world):
    number, _ = await somebody(world)
    bar = await world.bar(integrated_number=number)
    question = world.question(number)
    await world.ask(question)
    seen = await world.held(question.permit_id)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}
    await cancelled(world, number)
    sent: list[dict] = []

    class Away:
        async def ask(self, item: dict) -> dict:
            sent.append(item)
            return {"received": True}

    await deadlines.push(replace(world.agency, late_outcomes=Away()), world.now)
    assert question.permit_id not in {one["permit_id"] for one in sent}
    await world.change_bar(bar["bar_id"], "lift")


# --- what was asked here


async def asked_of(world: ProviderWorld, agency, number: str, network, mood: tuple[str, str]):
    item = registering.DeskItem(
        message_id=secrets.token_hex(8), system="kokuho", actor="tanto-1", purpose="確認", integrated_number=number, provider=ASKED,
        item="27", information=INFORMATION, items=list(ITEMS), basis=BASIS,
    )  # fmt: skip
    [found] = await registering.register(agency, KeyStock(), [item], world.now)
    network.mood = mood
    with contextlib.suppress(ChannelError):
        await driving.drive(agency, found)
    return found


@pytest.mark.parametrize(("ground", "state"), [(Ending.LINK_UNDONE, "aborted"), (Ending.MOVED_OUT, "answered")])
@pytest.mark.parametrize("comes", ["pushed", "asked again"])
async def test_sc_18_no_answer_is_taken_in_about_whom_a_wrong_code_named(world, ground, state, comes):
    """It would be another person's, under this one's number."""
    number, _ = await somebody(world)
    async with standing(world) as (agency, network):
        found = await asked_of(world, agency, number, network, ("permits", "holds" if comes == "pushed" else "away"))
        await cancelled(world, number, ground)
        network.mood = ("permits", "answers")
        if comes == "pushed":
            made = network.outcome(found.permit, found.request, found.public_key, found.signature, "answers")
            late = LateOutcome(permit_id=found.permit_id, **made)
            assert await routes.take_late(agency, routes.refusals_of(agency), [late]) == [{"received": True}]
        else:
            world.now += LIMITS.resend_after
            [again] = [one for one in await reading.due(agency, world.now) if one.number == found.number]
            await driving.drive(agency, again)
    [row] = await world.fetch(
        "select state, reason, result_sealed from inquiry where inquiry_number = $1", found.number
    )
    assert (row["state"], row["reason"]) == (state, "code_cancelled" if state == "aborted" else None)
    assert (row["result_sealed"] is None) is (state == "aborted")
