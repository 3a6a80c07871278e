"""委任: whose row of the list counts and whose names stand in the record; nothing without a delegation on file, whatever the core has permitted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pytest

from gateway.intermediate_server.covering import EVERYTHING
from gateway.intermediate_server.records import extracting, searching
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import ReplicaItem
from tests.support.copies import QUALIFICATION, qualified
from tests.support.provider_world import INFORMATION, NOON, provider_world

REGISTER = {
    "delegations": [
        {"delegator": "koiki-rengo", "delegate": "suginami", "side": "inquirer", "valid_from": "2022-04-01", "valid_to": "2022-10-03"},
        {"delegator": "tokyo", "delegate": "suginami", "side": "provider", "valid_from": "2022-04-01"},
        {"delegator": "koiki-rengo", "delegate": "setagaya", "side": "provider", "valid_from": "2022-04-01"},
        {"delegator": "naikaku", "delegate": "suginami", "side": "inquirer", "valid_from": "2022-04-01", "information": ["ほかの情報"]},
    ]
}  # fmt: skip


@pytest.fixture
async def delegating(tmp_path, cluster):
    async with provider_world(tmp_path, cluster, mark="_p3", register=REGISTER) as found:
        found.now = NOON
        yield found


async def said(world, **question) -> tuple[str, str | None]:
    number = await world.person()
    await qualified(world, number)
    answer = await world.ask(world.question(number, **question))
    return answer.disposition, answer.reason


async def test_the_delegators_row_counts_and_both_names_are_on_record(delegating):
    number = await delegating.person()
    await qualified(delegating, number)
    question = delegating.question(number, item="80", inquirer_for="koiki-rengo")
    assert (await delegating.ask(question)).disposition == "provided"
    [entry] = await delegating.entries(question.asked.inquiry_number)
    assert (entry["inquirer"], entry["inquirer_for"]) == ("suginami", "koiki-rengo")


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"item": "80"}, "inquirer_not_in_row"),
        ({"item": "27", "inquirer_for": "koiki-rengo"}, "inquirer_not_in_row"),
        ({"item": "80", "inquirer_for": "tokyo"}, "delegation_not_on_file"),
        ({"item": "27", "inquirer_for": "naikaku"}, "delegation_not_on_file"),
        ({"item": "27", "inquirer_for": "nobody"}, "delegation_not_on_file"),
        ({"item": "27", "provider_for": "tokyo"}, "delegation_not_on_file"),
        ({"item": "2", "inquirer": "kyokai-kenpo", "inquirer_for": "koiki-rengo"}, "delegation_not_on_file"),
    ],
)
async def test_what_is_not_on_file_is_refused_although_the_core_has_permitted_it(delegating, question, reason):
    assert await said(delegating, **question) == ("refused", reason)


async def test_what_our_own_list_refuses_is_a_record_of_its_person(delegating):
    """PL-4, SC-27: the core has permitted it, so the person finds it here; what the permit was not issued for is nobody's."""
    number = await delegating.person()
    await qualified(delegating, number)
    question = delegating.question(number, item="80")
    assert (await delegating.ask(question)).reason == "inquirer_not_in_row"
    found = await searching.search(delegating.agency, searching.SearchItem(person=number), EVERYTHING, delegating.now)
    assert [one["inquiry_number"] for one in found["records"]] == [question.asked.inquiry_number]
    [shown] = await extracting.extract(delegating.agency, extracting.ExtractItem(person=number), delegating.now)
    assert json.loads(shown.view)["outcome"] == "not_given"
    other = await delegating.person()
    swapped = delegating.question(number, item="80")
    carried = replace(swapped, item=msgspec.structs.replace(swapped.item, code=delegating.codes[other]))
    assert (await delegating.ask(carried)).reason == "permit_other_person"
    for somebody, records in ((number, 1), (other, 0)):
        item = extracting.ExtractItem(person=somebody)
        assert len(await extracting.extract(delegating.agency, item, delegating.now)) == records


async def test_a_copy_is_answered_from_for_the_agency_alone_whose_it_is(delegating):
    """The ward's own copy and one that 広域連合 has delegated, about the same person; then a held one, as staff see it."""
    number = await delegating.person()
    await qualified(delegating, number, since="2020-04-01")
    await qualified(delegating, number, since="2021-04-01", delegator="koiki-rengo")

    async def since(**question) -> list[str]:
        answer = await delegating.ask(delegating.question(number, **question))
        return [record["items"]["資格取得年月日"]["value"] for record in answer.payload.records]

    assert await since() == ["2020-04-01"]
    assert await since(provider_for="koiki-rengo") == ["2021-04-01"]
    await delegating.bar(integrated_number=number)
    question = delegating.question(number, provider_for="koiki-rengo")
    await delegating.ask(question)
    told = await delegating.held(question.permit_id)
    assert (told["provider_for"], told["inquirer_for"], told["period"]) == ("koiki-rengo", None, None)
    [seen] = told["would_leave"]
    assert seen["items"]["資格取得年月日"] == {"value": "2021-04-01"}


async def test_without_a_copy_of_its_own_the_delegator_has_none(delegating):
    number = await delegating.person()
    await qualified(delegating, number)
    answer = await delegating.ask(delegating.question(number, provider_for="koiki-rengo"))
    assert (answer.disposition, answer.payload.kind) == ("not_provided", "no_replica")


async def test_a_copy_of_an_agency_that_has_not_delegated_answering_is_refused(delegating):
    number = await delegating.person()
    for delegator in ("tokyo", "nobody"):
        item = ReplicaItem(
            record_id="r-x", operation="register", integrated_number=number, information=INFORMATION, data_set=QUALIFICATION, version="0001",
            public_from=date(2020, 4, 1), auto_response="allowed", items={}, delegator=delegator,
        )  # fmt: skip
        [answer] = await registration.register(delegating.agency, [item], delegating.now)
        assert answer == {"refused": {"reason": "delegation_not_on_file", "item": ""}}


async def test_whose_a_copy_is_cannot_be_changed_in_the_database(delegating):
    number = await delegating.person()
    await qualified(delegating, number, delegator="koiki-rengo")
    await delegating.execute("update replica set delegator = null")
    assert (await delegating.ask(delegating.question(number))).reason == "replica_unreadable"


async def test_a_delegation_counts_to_the_end_of_its_last_day_in_japan(delegating):
    assert delegating.agency.today(NOON) == date(2022, 10, 3)
    delegating.now = NOON + timedelta(hours=12) - timedelta(seconds=1)
    assert await said(delegating, item="80", inquirer_for="koiki-rengo") == ("provided", None)
    delegating.now += timedelta(seconds=1)
    assert await said(delegating, item="80", inquirer_for="koiki-rengo") == ("refused", "delegation_not_on_file")


async def test_what_was_held_under_a_delegation_that_has_ended_is_not_released(delegating):
    from transport.problem import ProblemError

    number = await delegating.person()
    await qualified(delegating, number, auto_response="barred")
    question = delegating.question(number, item="80", inquirer_for="koiki-rengo")
    await delegating.ask(question)
    delegating.now += timedelta(days=1)
    seen = await delegating.held(question.permit_id)
    assert (seen["inquirer"], seen["inquirer_for"]) == ("suginami", "koiki-rengo")
    with pytest.raises(ProblemError, match="delegation_not_on_file"):
        await delegating.decide(question.permit_id, seen["content_hash"])
    assert seen["information"] == INFORMATION
