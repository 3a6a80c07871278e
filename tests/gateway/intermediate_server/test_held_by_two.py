"""Release of a held provision by two people, and the analysis of who looked at whom, on the whole system (SC-4, SC-7, SC-12)."""

from __future__ import annotations

import asyncio
import io
import json
import secrets

import pytest

from codebook.identifiers import new_sortable_id
from gateway.__main__ import main
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from storage.database import Database
from tests.support.running_system import System, entries, same_values
from tests.support.staff_terminal import first, somebody, terminal

ALL = {"since": "2022-09-01T00:00:00Z", "until": "2022-12-01T00:00:00Z"}
TENANT = "a_setagaya_intermediate"


async def asked(system: System, person: int = 0) -> dict:
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[person]))
    assert answer["state"] == "held"
    return answer


def decision(held: dict, **changes) -> dict:
    """An approval by whoever was shown `held`."""
    return {"permit_id": held["permit_id"], "approve": True, "content_hash": held.get("content_hash", ""), **changes}


async def decide(system: System, staff_id: str, held: dict, **changes) -> dict:
    """A look and a decision by one member of staff."""
    async with system.stage.staff(WARD, "intermediate", staff_id) as staff:
        seen = await system.seen(staff, WARD, held)
        return (await staff.items(f"/{WARD}/held-provisions/decide", [decision(seen, **changes)]))[0]


async def test_nothing_leaves_before_a_second_person_has_approved_it(system):
    answer = await asked(system)
    held = await system.held(WARD, answer["inquiry_number"])
    assert await decide(system, "staff-1", held) == {"approved": True}
    assert (await system.look("suginami-gyomu", answer["inquiry_number"]))["state"] == "held"
    with pytest.raises(UnexpectedAnswerError, match="403 second_person_needed"):
        await decide(system, "staff-1", held)
    assert (await system.held(WARD, answer["inquiry_number"]))["approved_by"] == "staff-1"
    assert await decide(system, "staff-2", held) == {"released": True}
    settled = await system.settled("suginami-gyomu", answer)
    assert settled["state"] == "answered"
    assert same_values(settled, system.insurance(system.insured[0], barred=True))
    log = await system.export(WARD)
    released = entries(log, number=answer["inquiry_number"], kind="provision.released")
    assert [one["actor"] for one in released] == ["staff-2"]
    firsts = [one for one in entries(log, kind="staff.operated") if one["facts"].get("approved") == "first"]
    assert [(one["actor"], one["facts"]["permit_id"]) for one in firsts] == [("staff-1", held["permit_id"])]


async def test_the_second_person_approves_what_the_first_one_saw(system):
    held = await system.held(WARD, (await asked(system))["inquiry_number"])
    assert await decide(system, "staff-2", held) == {"approved": True}
    with pytest.raises(UnexpectedAnswerError, match="409 content_changed"):
        await decide(system, "staff-1", held, content_hash="0" * 64)
    assert await decide(system, "staff-1", held, approve=False, reason="non_disclosure") == {"refused": True}


async def test_two_first_approvals_at_once_are_two_people(system):
    answer = await asked(system)
    held = await system.held(WARD, answer["inquiry_number"])
    found = await asyncio.gather(decide(system, "staff-1", held), decide(system, "staff-2", held))
    assert sorted(found, key=str) == [{"approved": True}, {"released": True}]
    assert (await system.settled("suginami-gyomu", answer))["state"] == "answered"


async def test_one_person_who_approves_twice_at_once_is_one_person(system):
    answer = await asked(system)
    held = await system.held(WARD, answer["inquiry_number"])
    found = await asyncio.gather(*(decide(system, "staff-1", held) for _ in range(4)), return_exceptions=True)
    assert {"released": True} not in found
    assert found.count({"approved": True}) == 1
    assert await decide(system, "staff-2", held) == {"released": True}


async def test_the_approval_of_somebody_whose_right_has_ended_does_not_count(system):
    answer = await asked(system)
    held = await system.held(WARD, answer["inquiry_number"])
    running = system.running
    async with terminal(running) as desk:
        one, other = await desk.entered(first(running, "admin-1")), await desk.entered(first(running, "admin-2"))
        person = somebody()
        await desk.add(one, person)
        grant = await desk.granted(one, other, person, "held.decide")
        await desk.granted(one, other, person, "held.view")
        await desk.entered(person)
        seen = (await desk.call(person, "held-provisions", {"permit_id": held["permit_id"]}))[1]
        assert await desk.call(person, "held-provisions/decide", decision(seen)) == (200, {"approved": True})
        revoke = {"event": "revoke", "grant_id": grant["grant_id"]}
        assert (await desk.call(one, "staff/grants/ask", revoke))[0] == 200
    assert await decide(system, "staff-1", held) == {"approved": True}
    assert await decide(system, "staff-2", held) == {"released": True}


async def test_nobody_approves_what_somebody_else_has_looked_at(system):
    held = await system.held(WARD, (await asked(system))["inquiry_number"])
    async with system.provider_staff(WARD) as staff, system.provider_staff(WARD, "staff-2") as other:
        seen = decision(await system.seen(staff, WARD, held))
        with pytest.raises(UnexpectedAnswerError, match="409 content_changed"):
            await other.items(f"/{WARD}/held-provisions/decide", [seen])
        assert await staff.items(f"/{WARD}/held-provisions/decide", [seen]) == [{"approved": True}]
        with pytest.raises(UnexpectedAnswerError, match="409 content_changed"):
            await other.items(f"/{WARD}/held-provisions/decide", [seen])
    assert await decide(system, "staff-2", held) == {"released": True}


async def test_the_database_keeps_two_people_apart(system):
    held = await system.held(WARD, (await asked(system))["inquiry_number"])
    assert await decide(system, "staff-1", held) == {"approved": True}
    database = await Database.open(system.running.role("intermediate").dsn, connections=1)
    try:
        with pytest.raises(Exception, match="held_approval_two_people"):
            async with database.inside(TENANT) as connection:
                await connection.execute("update held_approval set second_staff = first_staff")
    finally:
        await database.close()
    assert await decide(system, "staff-2", held) == {"released": True}


async def test_a_right_for_one_affair_shows_and_decides_that_affair_alone(system):
    answer = await asked(system)
    held = await system.held(WARD, answer["inquiry_number"])
    running = system.running
    async with terminal(running) as desk:
        one, other = await desk.entered(first(running, "admin-1")), await desk.entered(first(running, "admin-2"))
        near, far = somebody(), somebody()
        for person, affair in ((near, held["item"]), (far, "999")):
            await desk.add(one, person)
            for function in ("held.view", "held.decide", "log.search"):
                await desk.granted(one, other, person, function, affair=affair)
            await desk.entered(person)
        asked_for = {"permit_id": held["permit_id"]}
        assert (await desk.call(near, "held-provisions"))[1]["permit_id"]
        assert (await desk.call(near, "held-provisions", asked_for))[1]["would_leave"]
        assert await desk.call(far, "held-provisions") == (200, None)
        assert await desk.call(far, "held-provisions", asked_for) == (404, "not_held")
        assert await desk.call(far, "held-provisions/decide", decision(held)) == (404, "not_held")
        number = {"inquiry_number": answer["inquiry_number"]}
        assert len((await desk.call(near, "log/search", number))[1]["entries"]) > 0
        assert (await desk.call(far, "log/search", number))[1]["entries"] == []


async def test_the_list_shows_no_content_and_the_content_is_on_record_before_it_is_shown(system):
    answer = await asked(system, 1)
    async with system.stage.staff(WARD, "intermediate") as staff:
        listed = await staff.items(f"/{WARD}/held-provisions", [])
        assert all(not {"would_leave", "content_hash"} & set(row) for row in listed)
        held = next(row for row in listed if row["inquiry_number"] == answer["inquiry_number"])
        shown = (await staff.items(f"/{WARD}/held-provisions", [{"permit_id": held["permit_id"]}]))[0]
        assert shown["would_leave"]
    seen = [
        one
        for one in entries(await system.export(WARD), kind="staff.operated")
        if one["facts"].get("inquiry_number") == answer["inquiry_number"]
    ]
    assert [(one["actor"], one["facts"]["function"], one["reason"]) for one in seen] == [
        ("staff-1", "held.view", "held_review")
    ]


async def test_the_analysis_finds_who_looked_at_whom_again_and_again(system):
    """One person, looked up under two inquiry numbers by their own colleague: told by the sealed part of the record, in memory alone."""
    running = system.running
    numbers = [(await asked(system, 2))["inquiry_number"] for _ in range(2)]
    integrated = await _integrated_number(system)
    async with terminal(running) as desk:
        admin = await desk.entered(first(running, "admin-1"))
        for staff_id, relation in (("staff-2", "self"), ("staff-1", "household")):
            item = {"operation": "relate", "staff_id": staff_id, "relation": relation, "integrated_number": integrated}
            assert (await desk.call(admin, "staff/members/change", item))[0] == 200
        for staff_id in ("staff-1", "staff-2"):
            worker = await desk.entered(first(running, staff_id))
            for number in numbers:
                assert (await desk.call(worker, "log/search", {"inquiry_number": number}))[0] == 200
        status, report = await desk.call(admin, "staff/analysis", ALL)
    assert status == 200
    assert report["complete"]
    found = {
        (one["rule"], one["staff_id"], one["count"])
        for one in report["findings"]
        if set(one["handles"]) <= set(numbers) and one["handles"]
    }
    assert found == {("household", "staff-1", 2), ("own_record", "staff-2", 2)}
    assert integrated not in str(report)
    assert integrated not in str(entries(await system.export(WARD)))


async def _integrated_number(system: System) -> str:
    """Whose the latest held provision is."""
    database = await Database.open(system.running.role("intermediate").dsn, connections=1)
    try:
        async with database.inside(TENANT) as connection:
            row = await connection.fetchrow(
                "select integrated_number from provision where state = 'held' order by received_at desc limit 1"
            )
    finally:
        await database.close()
    return row["integrated_number"]


async def test_what_was_recorded_is_whole(system):
    assert system.findings(await system.exports(WARD, "suginami")) == []


# --- bars over the wire (the rules of bars are tried in tests/gateway/provision)


async def test_whose_bar_it_is_is_shown_to_whoever_has_the_right_after_the_look_is_on_record(system):
    await asked(system, 1)
    number = await _integrated_number(system)
    running = system.running
    bar = {"bar_id": new_sortable_id("B", 0, secrets.token_bytes(10)), "place": "person", "cause": "support_measures"}
    async with terminal(running) as desk:
        worker, admin = await desk.entered(first(running, "staff-1")), await desk.entered(first(running, "admin-1"))
        assert (await desk.call(admin, "bars/set", {**bar, "integrated_number": number})) == (403, "right_missing")
        status, made = await desk.call(worker, "bars/set", {**bar, "integrated_number": number})
        assert (status, made["state"]) == (200, "standing")
        listed = (await desk.call(worker, "bars", {}))[1]["bars"]
        assert bar["bar_id"] in {one["bar_id"] for one in listed}
        assert number not in str(listed)
        assert (await desk.call(worker, "bars", {"integrated_number": number}))[1]["bars"][0][
            "integrated_number"
        ] == number
        assert (await desk.call(worker, "bars", {"bar_id": bar["bar_id"]}))[1]["bars"][0]["integrated_number"] == number
        assert (await desk.call(worker, "bars/change", {"bar_id": bar["bar_id"], "event": "lift"}))[1][
            "state"
        ] == "lifted"
    log = await system.export(WARD)
    looks = [one for one in entries(log, kind="staff.operated") if one["facts"]["function"] == "bars.view"]
    assert len([one for one in looks if "person" in one["facts"]]) == 2
    assert number not in log.decode()


async def test_the_command_sets_shows_and_lifts(system, capsys, monkeypatch):
    await asked(system, 2)
    number = await _integrated_number(system)
    common = ["--agency", WARD, "--data", str(system.running.data.root)]

    def sekisho(*words: str, said: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        assert main([*words, *common]) == 0
        printed = capsys.readouterr()
        return printed.out + printed.err

    def call() -> None:
        told = sekisho(
            "bars", "set", "--place", "person", "--cause", "wrong_link", "--effect", "freeze", said=f"{number}\n"
        )
        bar_id = next((word for word in told.split() if word.startswith("B0")), "")
        assert number not in told
        assert [one["bar_id"] for one in json.loads(sekisho("bars", "person", "--json", said=f"{number}\n"))] == [
            bar_id
        ]
        held = json.loads(sekisho("held", "list", "--json"))
        assert {"permit_id", "escalated_at", "approved_by"} <= set(held[0])
        assert "content_hash" not in held[0]
        sekisho("bars", "lift", bar_id)
        assert bar_id not in sekisho("bars", "list")
        assert bar_id in sekisho("bars", "list", "--lifted")

    await asyncio.to_thread(call)
