"""What an inquiry says beyond the rest (不開示, year or period, delegation) through the real servers: in the records of all three parties."""

from __future__ import annotations

from gateway.demonstration.stage import WARD
from tests.support.running_system import entries


async def test_period_non_disclosure_and_delegation_stand_in_the_records_of_all_three(system):
    said = {"inquirer_for": "koiki-rengo", "non_disclosure": True}
    question = system.to_the_ward(system.insured[3], item="80", fiscal_year=2022, **said)
    answer = await system.ask("suginami-gyomu", question)
    assert answer["state"] == "answered"
    exports = await system.exports(WARD, "suginami")
    wanted = {**said, "period": "2022-04-01/2023-03-31", "inquirer": "suginami"}
    for party, count in ((WARD, 1), ("suginami", 3), ("network", 2)):
        found = entries(exports[party], number=answer["inquiry_number"])
        assert [{name: one[name] for name in wanted} for one in found] == [wanted] * count, party
    assert system.findings(exports) == []


async def test_a_period_without_records_and_a_delegation_that_is_not_on_file_say_so(system):
    question = system.to_the_ward(system.insured[3], period={"first": "1950-01-01", "last": "1950-12-31"})
    answer = await system.ask("suginami-gyomu", question)
    assert (answer["state"], answer["outcome"]) == ("not_provided", "none_in_period")
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[3], item="80"))
    assert (answer["state"], answer["reason"]) == ("refused", "inquirer_not_in_row")
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[3], provider_for="tokyo"))
    assert (answer["state"], answer["reason"]) == ("refused", "delegation_not_on_file")
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[3], provider="nobody"))
    assert (answer["state"], answer["reason"]) == ("refused", "agency_unknown")


async def test_what_staff_mark_when_they_decide_is_marked_by_all(system):
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0]))
    held = await system.held(WARD, answer["inquiry_number"])
    decision = {
        "permit_id": held["permit_id"], "approve": False, "content_hash": "", "reason": "non_disclosure", "non_disclosure": True,
    }  # fmt: skip
    async with system.provider_staff(WARD) as staff:
        assert await staff.items(f"/{WARD}/held-provisions/decide", [decision]) == [{"refused": True}]
    assert (await system.settled("suginami-gyomu", answer))["reason"] == "non_disclosure"
    exports = await system.exports(WARD, "suginami")
    for party in (WARD, "suginami", "network"):
        found = entries(exports[party], number=answer["inquiry_number"])
        assert [one.get("non_disclosure", False) for one in found] == [
            one["disposition"] == "refused" for one in found
        ], party
    assert system.findings(exports) == []
