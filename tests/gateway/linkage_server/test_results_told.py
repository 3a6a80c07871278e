"""LS-3.1, LS-3.2: a business system that wants it is told that results are there, once each, and is told nothing else."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from tests.support.bulk_world import deposit, file_of, request, result_bytes, with_agencies
from tests.support.push_ward import SCOPES, row, ward_of

DIGEST = "0" * 64
ASKS = (*SCOPES, "inquiries:create", "inquiry-files:spool")


def end(ward, message_id, system, state="answered"):
    """An inquiry comes to an end, as an entry of the intermediate server's log; returns its number."""
    ended = ward.world.neighbours.ended
    number = f"Q{len(ended):026d}"
    one = {"inquiry_number": number, "message_id": message_id, "state": state, "at": "2026-11-24T05:06:07.123Z"}
    ended.append({"system": system, "ending": one})
    return number


def of_the_desk(nth, client="sky2"):
    return f"{client}/desk/{nth:064x}"


@asynccontextmanager
async def asking_ward(world):
    await world.register("asks", system="sky2", scopes=ASKS)
    async with ward_of(world) as ward:
        await ward.load(row("81"), client="sky2")
        yield ward


@pytest.fixture
async def ward(world):
    async with asking_ward(world) as made:
        yield made


async def told(ward, **wanted):
    answer = await ward.target(client="asks", inquiry_results=True, **wanted)
    assert answer.body["inquiry_results"] is True, answer
    return answer


async def test_an_end_is_told_once_with_number_and_state_and_nothing_else(ward):
    await told(ward)
    number = end(ward, of_the_desk(1), "sky2")
    (notice,) = await ward.pushed(1)
    assert notice["genuine"]
    assert json.loads(notice["bytes"]) == {
        "delivery_id": f"sky2-{number}-answered",
        "business_system": "sky2",
        "about": "inquiry",
        "at": "2026-11-24T05:06:07.123Z",
        "inquiry_number": number,
        "state": "answered",
    }
    await ward.quiet()
    assert len(ward.receiver.got) == 1


async def test_what_ended_before_is_not_told_and_what_ends_while_the_target_is_off_is_told_later(ward):
    end(ward, of_the_desk(1), "sky2")
    await told(ward)
    await told(ward, state="off")
    numbers = [end(ward, of_the_desk(nth), "sky2") for nth in range(2, 14)]
    await asyncio.sleep(1.2)
    assert ward.receiver.got == []
    await told(ward)
    notices = await ward.pushed(12)
    assert [one["inquiry_number"] for one in notices] == numbers


async def test_a_held_inquiry_is_told_when_it_is_held_and_when_it_ends(ward):
    await told(ward)
    for state in ("held", "not_provided"):
        end(ward, of_the_desk(1), "sky2", state)
    assert [one["state"] for one in await ward.pushed(2)] == ["held", "not_provided"]


async def test_lines_of_files_and_inquiries_of_other_systems_are_not_told(ward):
    await told(ward)
    end(ward, f"sky2/{DIGEST}", "sky2")
    end(ward, of_the_desk(1, "kokuho"), "kokuho")
    mine = end(ward, of_the_desk(2), "sky2")
    (notice,) = await ward.pushed(1)
    await ward.quiet()
    assert [one["inquiry_number"] for one in ward.receiver.got] == [notice["inquiry_number"]] == [mine]


async def test_a_system_that_did_not_ask_to_be_told_is_not_told(ward):
    assert (await ward.target(client="asks")).body["inquiry_results"] is False
    end(ward, of_the_desk(1), "sky2")
    await asyncio.sleep(1.2)
    assert ward.receiver.got == []
    assert ("inquiry-endings", 1) not in ward.world.neighbours.lists


async def test_who_does_not_want_it_any_more_gets_not_even_what_waits(ward):
    await told(ward)
    ward.receiver.statuses = [500] * 3
    end(ward, of_the_desk(1), "sky2")
    await ward.until(lambda: ward.receiver.got, "an attempt")
    assert (await ward.target(client="asks")).body["ready"] == 0
    await asyncio.sleep(0.6)
    assert ward.receiver.taken == []


async def test_a_receiver_that_was_away_gets_the_same_notice_and_the_last_attempt_waits_for_somebody(ward):
    await told(ward)
    ward.receiver.statuses = [500] * 4
    end(ward, of_the_desk(1), "sky2", "aborted")

    async def given_up():
        return (await ward.get("/v1/pushes/dead", client="asks"))["items"]

    (dead,) = await ward.until(given_up, "a notice that was given up")
    assert (await ward.post("/v1/pushes/resend", {"staff": "s-1"}, client="asks")).body == {"revived": 1}
    (notice,) = await ward.pushed(1)
    assert notice["delivery"] == dead["delivery_id"]
    assert len({one["bytes"] for one in ward.receiver.got}) == 1


async def test_an_intermediate_server_that_is_away_or_talks_nonsense_holds_up_no_change_and_loses_no_end(ward):
    ends = ward.world.neighbours
    await told(ward)
    ends.away.add("inquiry-endings")
    await ward.load(row("1"))
    end(ward, of_the_desk(1), "sky2")
    await ward.change(address="東京都世田谷区見本町9-9")
    (change,) = await ward.pushed(1)
    assert change["about"] == "person"
    ends.away.clear()
    said = ends.ended[0]["ending"]
    ends.ended[0]["ending"] = {"inquiry_number": 5}
    await asyncio.sleep(1.2)
    ends.ended[0]["ending"] = said
    assert (await ward.pushed(2))[1]["inquiry_number"] == said["inquiry_number"]


async def test_a_wish_that_cannot_be_kept_is_refused(ward):
    ward.world.neighbours.away.add("inquiry-endings")
    answer = await ward.target(client="asks", inquiry_results=True)
    assert (answer.status, answer.body["reason"]) == (503, "intermediate_server_unavailable")
    ward.world.neighbours.away.clear()
    answer = await ward.target(client="asks", inquiry_results=True, kind="folder")
    assert (answer.status, answer.body["reason"]) == (400, "results_need_a_webhook")
    answer = await ward.target(client="sky2", inquiry_results=True)
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")
    assert await ward.world.rows("select 1 from push_target") == []


async def test_the_wish_is_on_record(ward):
    await told(ward)
    (entry,) = await ward.world.rows("select body from log_entry where kind = 'pushes.configured'")
    assert json.loads(entry["body"])["facts"]["inquiry_results"] is True


async def test_a_system_that_may_not_ask_any_more_is_not_told(ward):
    await told(ward)
    await ward.world.rows("update oauth_client set state = 'removed' where client_id = 'asks'")
    await asyncio.sleep(1.2)  # the turn that may have begun before
    end(ward, of_the_desk(1), "sky2")
    await asyncio.sleep(1.5)
    assert ward.receiver.got == []


async def test_a_file_is_told_once_when_its_result_lies_there(world):
    with_agencies(world)
    async with asking_ward(world) as ward:
        await told(ward)
        data = file_of([request(1, addressee_number="81".zfill(15)), request(2)])
        folder = world.config.spool / "setagaya" / "sky2" / "inquiries"
        deposit(folder, data, "a.dat", count=2)
        (notice,) = await ward.pushed(1)
        assert (folder / "done" / "a.dat.result.csv").exists()
        assert {name: notice[name] for name in ("delivery_id", "about", "file", "supplement")} == {
            "delivery_id": "sky2-f1-0", "about": "inquiry_file", "file": "a.dat", "supplement": 0,
        }  # fmt: skip
        assert await result_bytes(folder, "a.dat")
        await ward.quiet()
        assert len(ward.receiver.got) == 1
