"""A part of a held provision is released: exactly what was approved, with what was withheld named and why not (SC-4)."""

from __future__ import annotations

from hashlib import sha256

import pytest

from gateway.intermediate_server.covering import EVERYTHING
from gateway.intermediate_server.network.wire import encode_payload
from gateway.intermediate_server.provision import held
from gateway.intermediate_server.provision.withholding import StrikeRefusal, WhyWithheld, Withheld, strike
from keys.binding import bind
from keys.sealing import new_one_time_key
from tests.support.copies import paid, qualified
from tests.support.provider_world import ProviderWorld, Question
from transport.problem import ProblemError

AMOUNT = Withheld(item="支給額", reason=WhyWithheld.PROTECTION_OF_PERSON)


async def asked(world: ProviderWorld) -> Question:
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    for amount in ("1000", "2000"):
        await paid(world, number, "2022-04-01", "2022-04-30", amount)
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    return question


async def test_the_inquirer_sees_which_items_were_withheld_and_never_why(world):
    question = await asked(world)
    whole, seen = await world.held(question.permit_id), await world.held(question.permit_id, [AMOUNT])
    assert seen["content_hash"] != whole["content_hash"]
    with pytest.raises(ProblemError, match="content_changed"):
        await world.decide(question.permit_id, whole["content_hash"], withheld=[AMOUNT])
    with pytest.raises(ProblemError, match="content_changed"):
        await world.decide(question.permit_id, seen["content_hash"])
    assert await world.decide(question.permit_id, seen["content_hash"], withheld=[AMOUNT]) == {"released": True}
    payload = (await world.later(question)).payload
    assert payload.records == seen["would_leave"]
    amounts = [record["items"]["支給額"] for record in payload.records if "支給額" in record["items"]]
    assert amounts == [{"null_reason": "Withheld"}] * 2
    assert "protection" not in str(payload)
    log = await world.entries()
    told = [one for one in log if one["kind"] == "staff.operated" and one["facts"].get("released") == "part"]
    assert [one["facts"]["permit_id"] for one in told if "protection_of_person" in one["facts"]["withheld"]] == [
        question.permit_id
    ]


async def test_a_decision_is_on_record_with_its_permit_and_inquiry(world):
    released, refused = await asked(world), await asked(world)
    seen = await world.held(released.permit_id)
    assert await world.decide(released.permit_id, seen["content_hash"]) == {"released": True}
    assert await world.decide(refused.permit_id) == {"refused": True}
    decided = [one["facts"] for one in await world.entries() if one["kind"] == "staff.operated"]
    told = {
        one["permit_id"]: (one["inquiry_number"], one.get("released") or one.get("refused"))
        for one in decided
        if one["function"] == "held.decide"
    }
    assert told[released.permit_id] == (released.asked.inquiry_number, "whole")
    assert told[refused.permit_id] == (refused.asked.inquiry_number, "refused_by_staff")


async def test_is_5_a_release_for_a_key_that_cannot_be_used_is_recorded_and_told_as_a_refusal(world):
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number, public_key=new_one_time_key().public[:-32] + bytes(32))
    assert (await world.ask(question)).disposition == "held"
    seen = await world.held(question.permit_id)
    answer = await world.decide(question.permit_id, seen["content_hash"])
    assert answer == {"refused": True, "reason": "public_key_unusable"}
    assert (await world.later(question)).reason == "public_key_unusable"
    [row] = await world.fetch("select state from provision where permit_id = $1", question.permit_id)
    assert row["state"] == "rejected"
    log = await world.entries(question.asked.inquiry_number)
    assert [one["kind"] for one in log] == ["provision.held", "provision.refused"]
    [own] = [
        one["facts"]
        for one in await world.entries()
        if one["kind"] == "staff.operated" and one["facts"].get("permit_id") == question.permit_id
    ]
    assert own["refused"] == "public_key_unusable"


async def test_one_record_of_several_can_be_struck(world):
    question = await asked(world)
    seen = await world.held(question.permit_id)
    place = next(
        at for at, record in enumerate(seen["would_leave"]) if record["items"].get("支給額") == {"value": "2000"}
    )
    seen = await world.held(question.permit_id, [Withheld(item="支給額", reason=WhyWithheld.NOT_NEEDED, record=place)])
    amounts = [record["items"]["支給額"] for record in seen["would_leave"] if "支給額" in record["items"]]
    assert sorted(amounts, key=str) == [{"null_reason": "Withheld"}, {"value": "1000"}]


async def test_two_people_must_have_struck_the_same(two):
    question = await asked(two)
    whole, part = await two.held(question.permit_id), await two.held(question.permit_id, [AMOUNT], by="staff-2")
    assert await two.decide(question.permit_id, whole["content_hash"], by="staff-1") == {"approved": True}
    assert await two.decide(question.permit_id, part["content_hash"], by="staff-2", withheld=[AMOUNT]) == {
        "approved": True
    }
    seen = await two.held(question.permit_id)
    assert seen["approved_by"] == "staff-2"
    assert seen["approved_withheld"] == [{"item": "支給額", "reason": "protection_of_person", "record": None}]
    with pytest.raises(ProblemError, match="second_person_needed"):
        await two.decide(question.permit_id, part["content_hash"], by="staff-2", withheld=[AMOUNT])
    part = await two.held(question.permit_id, [AMOUNT])
    assert await two.decide(question.permit_id, part["content_hash"], by="staff-1", withheld=[AMOUNT]) == {
        "released": True
    }


@pytest.mark.parametrize("by", ["staff-1", "staff-2"])
async def test_whichever_of_two_people_says_so_the_release_is_marked_as_not_to_be_disclosed(two, by):
    """番号法23条2項."""
    question = await asked(two)
    for who in ("staff-1", "staff-2"):
        seen = await two.held(question.permit_id, by=who)
        if who == "staff-2":
            assert (
                seen["approved_non_disclosure"]
                is (await listed(two, question))["approved_non_disclosure"]
                is (by == "staff-1")
            )
        await two.decide(question.permit_id, seen["content_hash"], by=who, non_disclosure=who == by)
    assert (await two.later(question)).outcome["non_disclosure"] is True
    [*_, entry] = await two.entries(question.asked.inquiry_number)
    assert (entry["kind"], entry["non_disclosure"]) == ("provision.released", True)
    facts = [one["facts"] for one in await two.entries() if one["kind"] == "staff.operated"]
    said = [one.get("non_disclosure", False) for one in facts if one.get("permit_id") == question.permit_id]
    assert said == [by == "staff-1", True]


async def listed(world: ProviderWorld, question: Question) -> dict:
    """Its line in the list."""
    rows = (await held.page(world.agency, held.PageItem(), EVERYTHING))["held"]
    return next(row for row in rows if row["permit_id"] == question.permit_id)


async def test_what_the_list_says_releases_nothing_and_neither_does_the_hash_of_somebody_else(two):
    question = await asked(two)
    assert "content_hash" not in await listed(two, question)
    seen = await two.held(question.permit_id, by="staff-1")
    assert await two.decide(question.permit_id, seen["content_hash"], by="staff-1") == {"approved": True}
    told = (await listed(two, question)).values()
    for guess in (seen["content_hash"], *(value for value in told if isinstance(value, str))):
        with pytest.raises(ProblemError, match="content_changed"):
            await two.decide(question.permit_id, guess, by="staff-2")
    seen = await two.held(question.permit_id, by="staff-2")
    assert await two.decide(question.permit_id, seen["content_hash"], by="staff-2") == {"released": True}


async def test_what_is_held_stands_nowhere_as_a_hash_that_can_be_tried_out(two):
    questions = [await asked(two), await asked(two)]
    hashes = []
    for question in questions:
        seen = await two.held(question.permit_id)
        await two.decide(question.permit_id, seen["content_hash"])
        payload = encode_payload("answered", seen["would_leave"])
        hashes += [seen["content_hash"], (await two.held(question.permit_id))["approved_hash"]]
    assert len(set(hashes)) == 4  # of the same content
    digest = sha256(payload).hexdigest()
    known = {digest, *(sha256(bind(b"sekisho/held-content/v1", digest, revision)).hexdigest() for revision in range(3))}
    kept = [
        str(dict(row))
        for table in ("provision", "held_approval", "log_entry")
        for row in await two.fetch(f"select * from {table}")
    ] + [str(one) for one in await two.entries()]
    assert not [text for text in kept if any(one in text for one in known)]


async def test_a_copy_that_changed_is_looked_at_again_and_can_then_be_released(world):
    number = await world.person()
    record_id = await qualified(world, number, auto_response="barred")
    question = world.question(number)
    await world.ask(question)
    before = await world.held(question.permit_id)
    await qualified(world, number, since="2021-04-01", auto_response="barred", record_id=record_id, revision=1)
    with pytest.raises(ProblemError, match="content_changed"):
        await world.decide(question.permit_id, before["content_hash"])
    seen = await world.held(question.permit_id)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}
    assert (await world.later(question)).payload.records == seen["would_leave"]


async def test_what_strikes_nothing_or_leaves_nothing_is_refused(world):
    question = await asked(world)
    nothing = [Withheld(item="無い項目", reason=WhyWithheld.NOT_NEEDED)]
    with pytest.raises(ProblemError, match="withheld_item_not_there"):
        await world.held(question.permit_id, nothing)
    names = {name for record in (await world.held(question.permit_id))["would_leave"] for name in record["items"]}
    with pytest.raises(ProblemError, match="nothing_left"):
        await world.held(question.permit_id, [Withheld(item=name, reason=WhyWithheld.NOT_NEEDED) for name in names])


def test_an_item_that_has_no_value_may_be_all_that_is_left():
    records = [
        {"data_set": "x", "version": "0001", "items": {"a": {"value": "1"}, "b": {"null_reason": "NotApplicable"}}}
    ]
    assert strike(records, [Withheld(item="a", reason=WhyWithheld.NOT_NEEDED)]) is StrikeRefusal.NOTHING_LEFT
    struck = strike(records, [Withheld(item="b", reason=WhyWithheld.NOT_NEEDED)])
    assert struck[0]["items"] == {"a": {"value": "1"}, "b": {"null_reason": "Withheld"}}
    assert records[0]["items"]["b"] == {"null_reason": "NotApplicable"}
