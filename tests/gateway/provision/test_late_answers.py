"""What comes too late is not taken in, however it comes, and what is not believed fills no log (IS-2, SC-5, SC-6)."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from evidence.canonical import timestamp
from gateway.intermediate_server import routes
from gateway.intermediate_server.inquiry import driving, reading, registering
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock
from gateway.intermediate_server.network.wire import (
    LateOutcome,
    Outcome,
    encode_payload,
    exchange_digest,
    hexdigest,
    payload_info,
)
from gateway.intermediate_server.records import extracting
from keys import labels
from keys.masked import Plaintext
from keys.sealing import seal
from permission_lists.permit import read_permit
from tests.gateway.provision.test_inquiry_machine import ITEMS, PROVIDER, standing
from tests.support.provider_world import BASIS, INFORMATION, LIMITS, OTHER

SECOND = timedelta(seconds=1)


async def registered(world, agency) -> Inquiry:
    item = registering.DeskItem(
        message_id=secrets.token_hex(8), system="kokuho", actor="tanto-1", purpose="確認", integrated_number=await world.person(), provider=PROVIDER,
        item="27", information=INFORMATION, items=list(ITEMS), basis=BASIS,
    )  # fmt: skip
    [found] = await registering.register(agency, KeyStock(), [item], world.now)
    return found


@pytest.mark.parametrize(
    ("takes", "state", "reason"),
    [(LIMITS.answer_within, "answered", None), (LIMITS.answer_within + SECOND, "aborted", "deadline_passed")],
)
async def test_an_answer_in_the_response_is_taken_to_the_deadline_and_not_after_it(world, takes, state, reason):
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.takes = takes
        await driving.drive(agency, found)
    [row] = await world.fetch("select * from inquiry where inquiry_number = $1", found.number)
    assert (row["state"], row["reason"], row["result_sealed"] is None) == (state, reason, reason is not None)
    assert [one["kind"] for one in await world.entries(found.number)] == [
        "inquiry.registered", "inquiry.permitted", f"inquiry.{state}",
    ]  # fmt: skip


async def test_outcomes_that_are_not_believed_share_a_record_however_many_come(world):
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.mood = ("permits", "holds")
        await driving.drive(agency, found)
        assert found.permit_id is not None
        forged = LateOutcome(permit_id=found.permit_id, outcome=b"{}", signature=bytes(64), sealed=None)
        refusals = routes.refusals_of(agency)
        for _ in range(50):
            [answer] = await routes.take_late(agency, refusals, [forged])
            assert answer == {"refused": {"reason": "outcome_signature"}}
        world.now += timedelta(minutes=1)
        await refusals.flush()
    counts = [one["facts"]["count"] for one in await world.entries() if one["reason"] == "outcome_signature"]
    assert counts == [1, 49]
    [row] = await world.fetch("select state from inquiry where inquiry_number = $1", found.number)
    assert row["state"] == "held"


def saying(
    world, found: Inquiry, disposition: str, kind: str, records: list, *, marked: bool = False, signer: str = PROVIDER
) -> LateOutcome:
    """What the provider signs and seals, whether the two fit or not."""
    permit = read_permit(found.permit or "", world.core.public_key)
    info = payload_info(permit)
    sealed = seal(found.public_key, info, Plaintext(encode_payload(kind, records)))
    said = Outcome(
        at=timestamp(world.now), disposition=disposition, exchange_digest=exchange_digest(found.permit or "", found.request, found.public_key, found.signature).hex(),
        info_digest=hexdigest(info), inquirer=permit.inquirer, inquiry_number=found.number, permit_id=permit.permit_id, provider=permit.provider,
        reason=None, sealed_digest=hexdigest(sealed), non_disclosure=marked,
    ).encode()  # fmt: skip
    return LateOutcome(
        permit_id=permit.permit_id,
        outcome=said,
        signature=world.signers[signer].sign(labels.OUTCOME, said),
        sealed=sealed,
    )


RECORDS = [{"data_set": "資格情報", "version": "0001", "items": {name: {"value": "1"} for name in ITEMS}}]


@pytest.mark.parametrize(
    ("disposition", "kind", "records", "reason"),
    [
        ("not_provided", "no_replica", RECORDS, "payload_malformed"),
        ("not_provided", "answered", RECORDS, "payload_malformed"),
        ("provided", "no_such_person", [], "payload_malformed"),
        ("provided", "held", RECORDS, "payload_malformed"),
        ("provided", "answered", RECORDS, None),
        ("not_provided", "none_in_period", [], None),
    ],
)
async def test_is_2_what_is_sealed_is_taken_in_only_as_what_the_records_say_of_it(
    world, disposition, kind, records, reason
):
    """Else data comes in while every log, and the extract of whose data it is, says that none was given."""
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.mood = ("permits", "holds")
        await driving.drive(agency, found)
        late = saying(world, found, disposition, kind, records)
        assert await routes.take_late(agency, routes.refusals_of(agency), [late]) == [{"received": True}]
        [told] = await reading.results(agency, [reading.ResultItem(inquiry_number=found.number, system="kokuho")])
    assert (told["reason"], told["outcome"]) == (reason, "aborted" if reason else kind)
    assert (told["values"] or []) == ([] if reason else records)


@pytest.mark.parametrize("ended_by", ["deadline", "its outcome"])
async def test_what_its_provider_marks_after_an_inquiry_was_given_up_is_shown_to_nobody_here_either(world, ended_by):
    """番号法23条2項: what was held without a mark and marked later, by staff or a bar, comes behind the deadline as a rule."""
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.mood = ("permits", "holds")
        await driving.drive(agency, found)
        world.now += LIMITS.answer_within + SECOND
        if ended_by == "deadline":
            await driving.drive(agency, found)
        seen = extracting.ExtractItem(person=found.integrated_number)
        assert await extracting.extract(agency, seen, world.now)
        refusals = routes.refusals_of(agency)
        given = [("provided", "answered", RECORDS)] * 2
        for marked, signer in ((False, PROVIDER), (True, OTHER)) if ended_by == "deadline" else ():
            late = saying(world, found, *given[0], marked=marked, signer=signer)
            assert await routes.take_late(agency, refusals, [late]) == [{"received": True}]
            assert await extracting.extract(agency, seen, world.now)
        for said in given:
            late = saying(world, found, *said, marked=True)
            assert await routes.take_late(agency, refusals, [late]) == [{"received": True}]
        assert await extracting.extract(agency, seen, world.now) == []
    log = await world.entries(found.number)
    assert [one["kind"] for one in log][-2:] == ["inquiry.aborted", "inquiry.marked"]
    assert (log[-1]["actor"], log[-1]["facts"]["non_disclosure"]) == (PROVIDER, True)
