"""SC-18: who was given data under a wrong number, told by the provider's evidence log alone, for as long as its keys are kept."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server import hosting
from gateway.intermediate_server.inquiry import registering
from gateway.intermediate_server.lists.in_force import ListShelf
from gateway.intermediate_server.records import recipients
from gateway.intermediate_server.records.exchange_entries import record
from gateway.intermediate_server.records.places import Place
from gateway.intermediate_server.records.recipients import RecipientsItem
from storage.committer import Commit
from storage.committing import commit
from storage.database import Database
from storage.fault_points import FaultPoint, Step
from tests.support.replica_world import AGENCY
from tests.support.review_world import Desk, individual, row
from transport.renewal import Renewal
from transport.standing_register import StandingRegister

APRIL = datetime(2026, 4, 10, tzinfo=UTC)
WRONG, OTHER = "900000000000017", "900000000000025"
STEP = Step(name="test", before=FaultPoint(name="test.before"), after=FaultPoint(name="test.after"))


@asynccontextmanager
async def provider(world):
    """The agency of an intermediate server with its committer, without its sockets."""
    config = world.intermediate
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=2)
        stack.push_async_callback(database.close)
        register = StandingRegister(config.register_path, config.register_root)
        renewal = Renewal(register=register)
        known = registering.look_of(database)
        agency = await hosting._open_agency(
            config,
            config.hosted[AGENCY],
            config.open_keys(AGENCY),
            database,
            known,
            ListShelf(register),
            renewal,
            stack,
        )
        committing = asyncio.create_task(commit([agency.committer]))
        try:
            yield agency
        finally:
            committing.cancel()


def entry(agency, nth, *, number=WRONG, at=APRIL, kind=EntryKind.PROVISION_MADE, inquirer="suginami", provider=AGENCY):
    return record(
        agency,
        at,
        kind,
        inquiry_number=f"Q{nth:026d}",
        permit_id=f"K{nth:026d}",
        inquirer=inquirer,
        provider=provider,
        basis="beppyo2-2022",
        item="27",
        information="見本",
        items=["ア"],
        list_digest="00",
        integrated_number=number,
        disposition="provided",
    )


async def put(agency, *entries):
    await agency.committer.apply(Commit(step=STEP, entries=entries))


async def asked(agency, **changes):
    item = RecipientsItem(**({"integrated_number": WRONG, "since": APRIL - timedelta(days=1)} | changes))
    [answer] = await recipients.recipients(agency, [item])
    return answer


async def test_every_agency_that_was_given_data_is_told_and_nobody_else(reviewed_ward):
    async with provider(reviewed_ward) as agency:
        await put(
            agency,
            entry(agency, 1),
            entry(agency, 2, kind=EntryKind.PROVISION_RELEASED, inquirer="tokyo"),
            entry(agency, 3, number=OTHER, inquirer="koiki-rengo"),
            entry(agency, 4, kind=EntryKind.PROVISION_NOT_PROVIDED, inquirer="naikaku"),
            entry(agency, 5, kind=EntryKind.PROVISION_HELD, inquirer="naikaku"),
            entry(agency, 6, at=APRIL - timedelta(days=2), inquirer="kosei-rodo"),
        )
        answer = await asked(agency)
    assert [(one["inquirer"], one["inquiry_number"][-1]) for one in answer["recipients"]] == [
        ("suginami", "1"),
        ("tokyo", "2"),
    ]
    assert (answer["next"], answer["unreadable"]) == (None, 0)
    assert answer["recipients"][0]["items"] == ["ア"]
    assert set(answer["recipients"][0]["log"]) == {"year", "index"}


async def test_results_that_we_were_given_about_the_wrong_person_are_ours_to_correct(reviewed_ward):
    """Beside what left, and under the number of then where another lives on; what was asked about somebody else is not among them."""
    ours = {"kind": EntryKind.INQUIRY_ANSWERED, "inquirer": AGENCY, "provider": "naikaku"}
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        wrong, other = [await desk.number("juki", row(nth, individual_number=individual(nth))) for nth in (1, 2)]
        async with provider(reviewed_ward) as agency:
            await put(
                agency,
                entry(agency, 1, number=wrong, **ours),
                entry(agency, 2, number=wrong),
                entry(agency, 3, number=other, **ours | {"provider": "tokyo"}),
                entry(agency, 4, number=wrong, **ours | {"kind": EntryKind.INQUIRY_NOT_PROVIDED}),
                entry(agency, 5, number=wrong, at=APRIL - timedelta(days=2), **ours),
            )
        async with reviewed_ward.standing():
            alone = await desk.say("persons/recipients", integrated_number=wrong, since=timestamp(APRIL))
            await desk.decided("links/merge", integrated_number=wrong, other_integrated_number=other)
            both = await desk.say("persons/recipients", integrated_number=other, since=timestamp(APRIL))

    def received(answer):
        return [(one["provider"], one["integrated_number"], one["items"]) for one in answer.body["received"]]

    assert (received(alone), alone.body["agencies"]) == ([("naikaku", wrong, ["ア"])], ["suginami"])
    assert sorted(received(both)) == [("naikaku", wrong, ["ア"]), ("tokyo", other, ["ア"])]
    assert [one["inquirer"] for one in both.body["recipients"]] == ["suginami"]


async def test_a_long_log_is_read_on_from_where_an_answer_ended(reviewed_ward, monkeypatch):
    monkeypatch.setattr(recipients, "_STRETCH", 3)
    monkeypatch.setattr(recipients, "_STRETCHES_A_CALL", 1)
    async with provider(reviewed_ward) as agency:
        await put(agency, *(entry(agency, nth, number=WRONG if nth % 2 else OTHER) for nth in range(8)))
        found, after, calls = [], None, 0
        while calls < 10:
            answer = await asked(agency, after=Place(**after) if after else None)
            found += [one["inquiry_number"] for one in answer["recipients"]]
            after, calls = answer["next"], calls + 1
            if after is None:
                break
    assert found == [f"Q{nth:026d}" for nth in (1, 3, 5, 7)]
    assert calls == 3


async def test_past_its_keys_a_record_says_nobody_and_is_counted(reviewed_ward):
    async with provider(reviewed_ward) as agency:
        await put(agency, entry(agency, 1, at=APRIL - timedelta(days=30)), entry(agency, 2))
        agency.keys.destroy("personal/2025")
        answer = await asked(agency, since=APRIL - timedelta(days=60))
    assert [one["inquiry_number"][-1] for one in answer["recipients"]] == ["2"]
    assert answer["unreadable"] == 1


async def test_a_malformed_number_is_refused(reviewed_ward):
    async with provider(reviewed_ward) as agency:
        answer = await asked(agency, integrated_number="1")
    assert answer == {"refused": {"reason": "integrated_number_malformed"}}


async def test_staff_get_the_report_over_the_wire_and_the_look_is_on_record(reviewed_ward):
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        number = await desk.number("juki", row(1, individual_number=individual(1)))
        away = await desk.say("persons/recipients", integrated_number=number, since=timestamp(APRIL))
        assert (away.status, away.body["reason"]) == (503, "intermediate_server_unavailable")
        async with provider(reviewed_ward) as agency:
            await put(agency, entry(agency, 1, number=number), entry(agency, 2, number=number, inquirer="tokyo"))
        async with reviewed_ward.standing():
            answer = await desk.say("persons/recipients", integrated_number=number, since=timestamp(APRIL))
        assert answer.status == 200, answer
        assert answer.body["agencies"] == ["suginami", "tokyo"]
        assert len(answer.body["recipients"]) == 2
        looks = await reviewed_ward.linkage.rows("select body from log_entry where kind = 'persons.seen'")
        assert any(b'"look":"recipients"' in look["body"] for look in looks)
        assert all(number.encode() not in look["body"] for look in looks)


async def test_who_was_given_data_under_a_number_that_was_merged_since_is_told_with_it(reviewed_ward):
    """A wrong link is found after two merges; what had left before them left under the numbers of then."""
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        first, second, last = [
            await desk.number("juki", row(nth, individual_number=individual(nth))) for nth in (1, 2, 3)
        ]
        async with provider(reviewed_ward) as agency:
            given = zip((last, first, second), ("koiki-rengo", "suginami", "tokyo"), strict=True)
            await put(agency, *(entry(agency, nth, number=one, inquirer=to) for nth, (one, to) in enumerate(given)))
        async with reviewed_ward.standing():
            await desk.decided("links/merge", integrated_number=first, other_integrated_number=second)
            await desk.decided("links/merge", integrated_number=second, other_integrated_number=last)
            found = [
                await desk.say("persons/recipients", integrated_number=one, since=timestamp(APRIL))
                for one in (last, second)
            ]
        looks = await reviewed_ward.linkage.rows("select body from log_entry where kind = 'persons.seen' order by idx")
    told = [{one["inquirer"]: one["integrated_number"] for one in answer.body["recipients"]} for answer in found]
    assert told == [
        {"koiki-rengo": last, "suginami": first, "tokyo": second},
        {"suginami": first, "tokyo": second},
    ]
    assert found[0].body["agencies"] == ["koiki-rengo", "suginami", "tokyo"]
    counts = [json.loads(look["body"])["facts"]["count"] for look in looks if b'"look":"recipients"' in look["body"]]
    assert counts == [3, 2]
