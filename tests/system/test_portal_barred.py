"""閲覧不可: what is frozen after a wrong link is not shown at the portal, looks like nothing, and is there again when it is lifted (SC-27)."""

from __future__ import annotations

import asyncio
import secrets

from codebook.identifiers import new_sortable_id
from gateway.data_folder import STAFF
from gateway.demonstration.stage import WARD
from synthetic.business import MEDICAL_INSURANCE
from tests.support.citizens import card_of, device_of, see, suginami
from tests.support.running_system import entries

RECORDS = "情報提供等記録"
NOTHING = {"state": "ready", "outcome": "nothing"}
STATED = {"staff": "test-staff", "affair": "resident-changes", "reason": "誤った紐付けの疑い"}


async def integrated_number(job, person) -> str:
    wanted = {"business_system": "juki", "addressee_number": job.system.number("juki", person)}
    async with job.stage.system("juki") as caller:
        (found,) = (await caller.post("/v1/persons/search", {**STATED, **wanted}))["items"]
    return str(found["integrated_number"])


async def bar(job, **named: str) -> str:
    bar_id = new_sortable_id("B", 0, secrets.token_bytes(10))
    async with job.system.provider_staff(WARD) as staff:
        (made,) = await staff.items(f"/{WARD}/bars/set", [{"bar_id": bar_id, **named}])
    assert made["bar_id"] == bar_id
    return bar_id


async def lift(job, bar_id: str) -> None:
    for staff_id in (STAFF[1], *STAFF):
        async with job.system.provider_staff(WARD, staff_id) as staff:
            (now,) = (await staff.items(f"/{WARD}/bars", [{"bar_id": bar_id}]))[0]["bars"]
            if now["state"] == "lifted":
                return
            event = "check" if now["state"] == "unchecked" else "lift"
            await staff.items(f"/{WARD}/bars/change", [{"bar_id": bar_id, "event": event}])


def test_a_frozen_person_s_records_look_like_nothing_until_the_freeze_is_lifted(job):
    device, person = device_of(job), suginami(job)[20].person
    token = device.sign_in(card_of(job, person))
    assert see(device, token, WARD, RECORDS)["outcome"] == "answered"

    number = asyncio.run(integrated_number(job, person))
    frozen = asyncio.run(bar(job, place="person", effect="freeze", cause="wrong_link", integrated_number=number))
    assert see(device, token, WARD, RECORDS) == NOTHING
    assert (
        entries(asyncio.run(job.system.export(WARD)), kind="provision.refused")[-1]["reason"]
        == "disclosed_at_the_counter"
    )

    asyncio.run(lift(job, frozen))
    again = see(device, token, WARD, RECORDS)
    assert again["outcome"] == "answered"
    assert again["file"].count('"not_given') == 1


def test_where_somebody_must_look_first_records_are_not_shown_and_not_held(job):
    device, person = device_of(job), suginami(job)[21].person
    token = device.sign_in(card_of(job, person))
    closed = asyncio.run(bar(job, place="inquirer", inquirer="portal", cause="incident"))

    assert see(device, token, WARD, RECORDS) == NOTHING
    process_id = device.request(token, WARD, MEDICAL_INSURANCE, [])
    assert device.wait(token, process_id, 1.0) == {"state": "pending"}

    asyncio.run(lift(job, closed))
    assert see(device, token, WARD, RECORDS)["outcome"] == "answered"
