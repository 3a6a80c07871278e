"""What is out of form, by whomever, is refused on record and stops nobody else's (PL-4, IS-6, SC-7, SC-4)."""

from __future__ import annotations

import json
import secrets
from datetime import date, timedelta
from hashlib import sha256

import pytest

from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from evidence import canonical
from evidence.canonical import timestamp
from gateway.intermediate_server.network.wire import ProvisionItem
from gateway.intermediate_server.provision import flow
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import ReplicaItem
from gateway.intermediate_server.staff import enrolling
from gateway.intermediate_server.staff.rights import Function
from keys import labels
from tests.support.copies import QUALIFICATION, qualification, qualified
from tests.support.provider_world import INFORMATION, LIMITS
from tests.support.staff_in_person import at_work
from transport.problem import ProblemError

SECOND = timedelta(seconds=1)


async def test_pl_4_a_period_that_is_none_is_refused_on_record(world):
    number, other = await world.person(), await world.person()
    await qualified(world, number)
    await qualified(world, other)
    bad, good = world.question(number, period="2022-02-30/2022-03-31"), world.question(other)
    answers = await flow.provide(world.agency, [bad.item, good.item], world.now)
    assert json.loads(answers[0]["outcome"])["disposition"] == "refused"
    assert json.loads(answers[1]["outcome"])["disposition"] == "provided"


async def test_pl_4_a_deadline_that_is_none_is_refused_on_record(world):
    number, other = await world.person(), await world.person()
    await qualified(world, number)
    await qualified(world, other)
    made, good = world.question(number), world.question(other)
    asked = json.loads(made.item.request) | {"expires_at": "tomorrow"}
    request = canonical.encode(asked)
    said = {name: value for name, value in asked.items() if name not in ("v", "expires_at")}
    claims = PermitClaims(
        **said, permit_id=world._id("K"), request_digest=sha256(request).hexdigest(), code_binding=sha256(made.item.nonce + made.item.code).hexdigest(),
        issued_at=timestamp(world.now), redeem_by=timestamp(world.now), answer_by=timestamp(world.now + timedelta(days=1)),
    )  # fmt: skip
    bad = ProvisionItem(
        permit=write_permit(claims, world.core), public_key=made.item.public_key, request=request,
        signature=world.signers[made.asked.inquirer].sign(labels.INQUIRY, request), code=made.item.code, nonce=made.item.nonce,
    )  # fmt: skip
    answers = await flow.provide(world.agency, [bad, good.item], world.now)
    assert json.loads(answers[0]["outcome"])["disposition"] == "refused"
    assert json.loads(answers[1]["outcome"])["disposition"] == "provided"


def record(number: str, record_id: str) -> ReplicaItem:
    return ReplicaItem(
        record_id=record_id, operation="register", integrated_number=number, information=INFORMATION, data_set=QUALIFICATION, version="0001",
        public_from=date(2020, 4, 1), auto_response="allowed",
        items={name: {"value": value} if value else {"null_reason": "NotApplicable"} for name, value in qualification().items()},
    )  # fmt: skip


async def test_is_6_a_record_id_that_no_export_could_name_is_refused_and_the_good_ones_of_the_list_go_on(world):
    number = await world.person()
    fine = f"fine-{secrets.token_hex(4)}"
    ids = ("bad\x00id", f"副本-{fine}", "", "x" * 65, fine)
    answers = await registration.register(world.agency, [record(number, one) for one in ids], world.now)
    assert answers == [{"refused": {"reason": "field_malformed", "item": ""}}] * 4 + [{"registered": True}]


@pytest.mark.parametrize("taken", ["auto", "set-up", "unknown", "operator"])
async def test_sc_7_nobody_has_the_id_by_which_records_name_the_server_itself(world, taken):
    who = await at_work(world.desk, Function.STAFF_ADMINISTER)
    item = enrolling.AddItem(
        staff_id=taken, office="o1", valid_until=world.now + timedelta(days=30), password=secrets.token_urlsafe(18), card_key=secrets.token_bytes(32)
    )  # fmt: skip
    with pytest.raises(ProblemError):
        await enrolling.change(await who.let_in(Function.STAFF_ADMINISTER), item)


async def test_sc_4_a_refusal_behind_the_deadline_is_refused_as_a_release_is(world):
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    world.now += LIMITS.answer_within + SECOND
    with pytest.raises(ProblemError, match="deadline_passed"):
        await world.decide(question.permit_id)
