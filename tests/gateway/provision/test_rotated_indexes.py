"""IS-8: the keys of blind indexes change under traffic. What was written under the earlier key is found and approved until it is made anew, and after it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from codebook.identifiers import ACQUISITION_PREFIX
from evidence.access_analysis import Rule
from evidence.entry import EntryKind
from gateway.batch import jobs as batch
from gateway.intermediate_server.bars import whose
from gateway.intermediate_server.codes import binding, ending
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.inquiry import registering
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock
from gateway.intermediate_server.operations import jobs
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.resealing.job import CODES, STAFF, resealing_of
from gateway.intermediate_server.retention import erasing
from gateway.intermediate_server.staff import barring, enrolling, reporting
from gateway.intermediate_server.staff.rights import Function
from storage.committer import Commit, commit_step
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, NOON, ProviderWorld, provider_world
from tests.support.running_system import until
from transport.problem import ProblemError

RELATED = commit_step("test", "rotated-indexes.related")
_MARKS = itertools.count(1)


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own: a re-sealing reads every row of the schema, and those of another world's ring open under no key of this one."""
    async with provider_world(tmp_path, cluster, mark=f"_index{next(_MARKS)}") as found:
        found.now = NOON
        yield found


def rotate(world: ProviderWorld, purpose: str) -> None:
    with world.agency.keys.changing() as ring:
        ring.rotate(purpose)


def destroy(world: ProviderWorld, purpose: str, version: int = 1) -> None:
    with world.agency.keys.changing() as ring:
        ring.destroy(purpose, version)


async def made_anew(world: ProviderWorld, purpose: str) -> int:
    """The job runs until it is through; how many rows it has done."""
    job = replace(resealing_of(world.agency), settle_s=0)
    working = asyncio.create_task(job.run())
    try:
        found = await until(
            lambda: world.fetch("select * from resealing where purpose = $1 and finished_at is not null", purpose), bool
        )
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    assert found[0]["reason"] is None
    return found[0]["done"]


async def marks(world: ProviderWorld) -> int:
    """Rows of staff that bear one: they are made anew together with what else lies under the key of staff."""
    tables = ("staff_member", "staff_card", "staff_grant", "staff_session")
    counts = [await world.fetch(f"select count(*) from {table} where mark is not null") for table in tables]
    return sum(rows[0]["count"] for rows in counts)


async def answers(world: ProviderWorld, number: str) -> bool:
    return (await world.ask(world.question(number))).disposition == "provided"


async def test_a_code_is_found_under_both_keys_and_under_the_new_one_when_the_old_one_is_gone(world):
    before, later = await world.person(), await world.person()
    await qualified(world, before)
    await qualified(world, later)
    rotate(world, CODES)
    after = await world.person()
    await qualified(world, after)
    kept = {row["integrated_number"]: row["code_index"] for row in await world.fetch("select * from person_code")}
    assert [len(kept[one]) for one in (before, after)] == [32, 36]
    assert [await answers(world, one) for one in (before, later, after)] == [True] * 3
    assert await made_anew(world, CODES) == 2
    assert [await answers(world, one) for one in (before, later, after)] == [True] * 3
    destroy(world, CODES)
    assert [await answers(world, one) for one in (before, later, after)] == [True] * 3
    for row in await world.fetch("select * from person_code"):
        assert (
            binding.open_code(world.agency, row["integrated_number"], row["code_sealed"])
            == world.codes[row["integrated_number"]]
        )


async def test_is_10_a_re_sealing_of_which_nothing_is_left_is_not_done_again_and_stays_done(world):
    """Nobody would come to its end: it was told as running for ever."""
    [source] = [one for one in jobs._sources(world.agency) if one.kind == "resealing"]
    since, named = NOON - timedelta(days=1), batch.JobNamed(kind="resealing", id=f"{CODES}-2")
    await qualified(world, await world.person())
    rotate(world, CODES)
    await made_anew(world, CODES)
    assert (await batch.again([source], named, since, "J"))["id"] == named.id
    assert await made_anew(world, CODES) > 0
    destroy(world, CODES)
    [told] = await batch.listed([source], batch.JobsWanted(), since)
    assert (told["state"], told["may_retry"]) == ("done", False)
    with pytest.raises(ProblemError, match="job_not_repeatable"):
        await batch.again([source], named, since, "J")
    [told] = await batch.listed([source], batch.JobsWanted(), since)
    assert told["state"] == "done"


async def test_people_are_found_while_the_key_changes_between_a_look_and_its_answer(world):
    number = await world.person()
    await qualified(world, number)

    async def changing() -> bool:
        for _ in range(12):
            rotate(world, CODES)
            await asyncio.sleep(0.005)
        return True

    questions = [world.question(number) for _ in range(60)]
    asked = [world.ask(question) for question in questions]
    _, *found = await asyncio.gather(changing(), *asked)
    assert {one.disposition for one in found} == {"provided"}


async def bound(world: ProviderWorld, number: str, code: bytes, acquisition: str) -> dict:
    item = binding.CodeItem(acquisition_number=acquisition, code=code)
    return (await binding.bind_codes(world.agency, [item], world.now))[0]


async def requested(world: ProviderWorld, number: str) -> str:
    wanted = [binding.NumberItem(integrated_number=number)]
    return (await binding.request_numbers(world.agency, wanted, world.now))[0]["acquisition_number"]


def code() -> bytes:
    return bytes([1, 1]) + secrets.token_bytes(binding.CODE_SIZE - 2)


async def test_what_was_asked_for_before_is_bound_after_and_a_redelivery_is_told(world):
    number, other = "900000000000007", "900000000000008"
    acquisition, first = await requested(world, number), code()
    rotate(world, CODES)
    assert await bound(world, number, first, acquisition) == {"bound": True}
    assert await bound(world, number, first, acquisition) == {"bound": True}
    assert await bound(world, number, code(), acquisition) == {"refused": {"reason": "code_differs"}}
    assert await bound(world, other, first, await requested(world, other)) == {
        "refused": {"reason": "code_of_another_person"}
    }
    assert await bound(world, number, first, f"{ACQUISITION_PREFIX}{'0' * 26}") == {
        "refused": {"reason": "acquisition_number_unknown"}
    }


async def test_another_persons_code_and_a_redelivery_are_told_whatever_key_they_lie_under(world):
    number, other = "900000000000017", "900000000000018"
    acquisition, first = await requested(world, number), code()
    assert await bound(world, number, first, acquisition) == {"bound": True}
    waiting = await requested(world, other)
    rotate(world, CODES)
    assert await bound(world, number, first, acquisition) == {"bound": True}
    assert await bound(world, other, first, waiting) == {"refused": {"reason": "code_of_another_person"}}
    assert await made_anew(world, CODES) >= 1
    assert await bound(world, number, first, acquisition) == {"bound": True}
    assert await bound(world, other, first, waiting) == {"refused": {"reason": "code_of_another_person"}}


async def test_a_replaced_code_is_answered_to_across_the_change(world):
    number = await world.person()
    await qualified(world, number)
    old = world.codes[number]
    replacing = ending.ReplaceItem(integrated_number=number, message_id="m-1", reason=Ending.RESIDENT_RECORD_CHANGED)
    acquisition = (await ending.replace_codes(world.agency, [replacing], world.now))[0]["acquisition_number"]
    rotate(world, CODES)
    new = world.codes[number] = code()
    assert await bound(world, number, new, acquisition) == {"bound": True}
    assert await answers(world, number)
    world.codes[number] = old
    assert await answers(world, number)
    world.now += timedelta(days=31)
    assert (await world.ask(world.question(number))).reason == "code_replaced"


async def test_the_same_inquiry_again_is_the_same_after_the_change(world):
    item = registering.DeskItem(
        message_id="again-1", system="kokuho", actor="tanto-1", purpose="確認", integrated_number="900000000000009", provider="suginami", item="27",
        information=INFORMATION, items=[], basis="beppyo2-2022",
    )  # fmt: skip

    async def number(asked: registering.DeskItem) -> object:
        [found] = await registering.register(world.agency, KeyStock(), [asked], world.now)
        return found.number if isinstance(found, Inquiry) else found

    first = await number(item)
    rotate(world, CODES)
    assert await number(item) == first
    # and whoever of the staff looks at it is in the analysis, which opens whom it was about beside what it was for
    looked = world.staff("staff-1").entry(world.now, EntryKind.STAFF_OPERATED, Function.HELD_VIEW, inquiry_number=first)
    await world.agency.committer.apply(Commit(step=RELATED, entries=(looked,)))
    await own_looks(world)
    changed = registering.DESK_ITEM.decode(registering.msgspec.json.encode(item).replace(b"tanto-1", b"tanto-2"))
    assert await number(changed) is registering.Unregistered.REUSED


async def test_what_staff_were_shown_before_is_released_after(world, two):
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    seen = await world.held(question.permit_id)
    rotate(world, CODES)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}

    number = await two.person()
    await qualified(two, number, auto_response="barred")
    question = two.question(number)
    await two.ask(question)
    seen = {by: await two.held(question.permit_id, by=by) for by in ("staff-1", "staff-2")}
    assert await two.decide(question.permit_id, seen["staff-1"]["content_hash"], by="staff-1") == {"approved": True}
    rotate(two, CODES)
    assert await two.decide(question.permit_id, seen["staff-2"]["content_hash"], by="staff-2") == {"released": True}


async def own_looks(world: ProviderWorld) -> list[dict]:
    item = reporting.AnalysisItem(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1))
    found = (await reporting.report(world.desk, item, world.now))["findings"]
    return [one for one in found if one["rule"] in (Rule.OWN_RECORD, Rule.HOUSEHOLD)]


async def looks_at(world: ProviderWorld, number: str) -> None:
    """An entry of the access log, as a look at somebody's bars leaves it."""
    person = world.desk.person_index(number).hex()
    entry = world.staff("staff-1").entry(world.now, EntryKind.STAFF_OPERATED, Function.BARS_VIEW, person=person)
    await world.agency.committer.apply(Commit(step=RELATED, entries=(entry,)))


async def relate(world: ProviderWorld, staff_id: str, number: str, relation: str) -> None:
    item = enrolling.RelateItem(staff_id=staff_id, relation=relation, integrated_number=number)
    await world.agency.committer.apply(Commit(step=RELATED, follow=enrolling.related(world.desk, item)))


async def test_own_look_ups_are_noticed_whichever_key_the_access_log_calls_people_by(world):
    one, other = "900000000000031", "900000000000032"
    await relate(world, "staff-1", one, "self")
    await world.execute(
        "update staff_relation set number_sealed = null"
    )  # as it was before numbers were kept beside it
    await relate(world, "staff-1", other, "household")
    for number in (one, other):
        await looks_at(world, number)
    assert len(await own_looks(world)) == 2
    rotate(world, STAFF)
    await looks_at(world, other)
    assert {found["rule"]: found["count"] for found in await own_looks(world)} == {
        Rule.OWN_RECORD: 1,
        Rule.HOUSEHOLD: 2,
    }
    assert await made_anew(world, STAFF) == 1 + await marks(world)
    assert {found["rule"]: found["count"] for found in await own_looks(world)} == {
        Rule.OWN_RECORD: 1,
        Rule.HOUSEHOLD: 2,
    }
    await relate(world, "staff-1", one, "self")
    rows = await world.fetch("select * from staff_relation")
    assert sorted(len(row["person_index"]) for row in rows) == [36, 36]
    destroy(world, STAFF)
    await looks_at(world, one)
    assert {found["rule"]: found["count"] for found in await own_looks(world)} == {
        Rule.OWN_RECORD: 1,
        Rule.HOUSEHOLD: 1,
    }


async def test_a_bar_works_and_is_found_under_either_key_and_the_old_one_may_go(world):
    number, agency = await world.person(), world.agency
    ring, sealed_by = agency.keys.ring, (agency.database, agency.tenant, agency.keys.ring, agency.id)
    await qualified(world, number)
    bar = await world.bar(integrated_number=number)
    rotate(world, STAFF)
    assert not await answers(world, number)
    found = await barring._fetch(agency, "bars_of_person", whose.indexes(ring, number))
    assert [one.bar_id for one in found] == [bar["bar_id"]]
    assert await made_anew(world, STAFF) == 1 + await marks(world)
    destroy(world, STAFF)
    await agency.bars.read_again(*sealed_by)
    assert not await answers(world, number)
    found = await barring._fetch(agency, "bars_of_person", whose.indexes(ring, number))
    assert [one.integrated_number for one in found] == [number]


async def test_a_bar_follows_a_withdrawn_copy_whatever_key_says_whose_it_was(world):
    number, other, agency = await world.person(), await world.person(), world.agency
    record_id = await qualified(world, number, public_to=world.now.date())
    await registration.expire(agency, world.now + timedelta(days=1))
    rotate(world, STAFF)
    await world.bar(integrated_number=number)
    await erasing.erase_ended(agency, world.now + agency.limits.ended_kept_for + timedelta(days=2))
    assert await made_anew(world, STAFF) == 1 + await marks(world)
    destroy(world, STAFF)
    await qualified(world, other, record_id=record_id, revision=5)
    assert not await answers(world, other)
