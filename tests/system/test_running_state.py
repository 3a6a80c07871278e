"""Suspension of use, circuits and notices through the real servers: what staff, business systems and other agencies see of them."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import timedelta

import aiohttp
import pytest

from codebook.identifiers import new_sortable_id
from gateway.__main__ import main
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, REFUSED
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, started, until


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with started(
        tmp_path_factory.mktemp("running-state"), options={"resend_after_s": 1, "code_epochs_poll_s": 1}
    ) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    known = system.insured[:2]
    await system.populate(known)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu", "naikaku-gyomu"):
        await system.register(each, known)
    for each in (RESIDENTS, "suginami-gyomu", "naikaku-gyomu"):
        await system.obtain_codes(each)
    for person in known:
        name = f"{system.number(INSURANCE, person)}.ndjson"
        await system.load_records(INSURANCE, system.insurance(person), name)
        await system.load_records("naikaku-gyomu", [system.account(person)], name, agency="naikaku")


async def at_the_ward(system, path, item, staff="staff-1"):
    async with system.stage.staff(WARD, "intermediate", staff) as caller:
        return (await caller.items(f"/{WARD}/{path}", [item]))[0]


def a_bar(system, **said):
    now = system.running.role("intermediate").clock()
    bar_id = new_sortable_id("B", int(now.timestamp() * 1000), secrets.token_bytes(10))
    return {"bar_id": bar_id, "cause": "incident", "effect": "suspend", "place": "agency", **said}


async def change(system, bar_id, event, staff):
    return await at_the_ward(system, "bars/change", {"bar_id": bar_id, "event": event}, staff)


async def asked(system, person):
    """An inquiry of the ward that is not waited for."""
    async with system.stage.system(RESIDENTS) as caller:
        return (await caller.inquire([system.from_the_ward(person)], wait_ms=500))[0]


async def test_a_suspension_takes_two_stops_both_directions_at_once_and_loses_nothing(system):
    person = system.insured[0]
    await system.faults(provider_down=10_000)
    mine = await asked(system, person)
    await system.faults(provider_down=0)
    bar = await at_the_ward(system, "bars/set", a_bar(system))
    not_yet = await system.ask("suginami-gyomu", system.to_the_ward(person))
    with pytest.raises(UnexpectedAnswerError, match="403 second_person_needed"):
        await change(system, bar["bar_id"], "check", "staff-1")
    under_way = await system.settled(RESIDENTS, mine)
    await system.faults(provider_down=10_000)
    waiting = await asked(system, person)
    stands = await change(system, bar["bar_id"], "check", "staff-2")
    await system.faults(provider_down=0)
    theirs = await system.ask("suginami-gyomu", system.to_the_ward(person))
    ours = await system.ask(RESIDENTS, system.from_the_ward(person))
    await asyncio.sleep(2.5)  # the sweeper tries again, and nothing may come of it
    still = await system.look(RESIDENTS, waiting["inquiry_number"])
    asked_to_lift = await change(system, bar["bar_id"], "lift", "staff-2")
    with pytest.raises(UnexpectedAnswerError, match="403 second_person_needed"):
        await change(system, bar["bar_id"], "lift", "staff-2")
    lifted = await change(system, bar["bar_id"], "lift", "staff-1")
    afterwards = await system.settled(RESIDENTS, waiting)
    again = await system.ask("suginami-gyomu", system.to_the_ward(person))
    assert (bar["state"], not_yet["state"], under_way["state"]) == ("asked", "answered", "answered")
    assert stands["state"] == "standing"
    assert (theirs["state"], theirs["reason"]) == ("refused", "use_suspended")
    assert (ours["state"], ours["reason"]) == ("refused", "use_suspended")
    assert (still["state"], still["values"]) == ("permitted", None)
    assert (asked_to_lift["state"], lifted["state"]) == ("lift_asked", "lifted")
    assert (afterwards["state"], again["state"]) == ("answered", "answered")
    log = entries(await system.export(WARD))
    steps = [one["facts"]["event"] for one in log if one["kind"] == "bars.changed"]
    assert steps == ["set", "check", "ask_lift", "lift"]
    refusals = {one["kind"] for one in log if one.get("reason") == "use_suspended"}
    assert refusals == {"inquiry.refused", "provision.refused"}
    assert system.findings(await system.exports(WARD, "suginami", "naikaku")) == []


async def test_with_the_network_down_the_circuit_opens_is_shown_and_the_outbox_keeps(system):
    person = system.insured[1]
    system.running.kill("network")
    try:
        kept = await asked(system, person)

        async def counterparts():
            return await at_the_ward(system, "counterparts", {})

        found = await until(
            counterparts, lambda one: {each["state"] for each in one["counterparts"]} & {"open", "half_open"}
        )
        assert "circuit_open" in [one["kind"] for one in await told(system)]
        opened = [each for each in found["counterparts"] if each["state"] != "closed"]
        assert opened[0]["reason"] == "peer_unreachable"
        assert opened[0]["failures"] >= 5
        assert found["outbox"]["inquiries"] >= 1
        metrics = await scraped(system)
        assert f'sekisho_circuit_opened_total{{counterpart="{opened[0]["counterpart"]}",owner="{WARD}"}}' in metrics
    finally:
        system.running.restart("network")
    answer = await system.settled(RESIDENTS, kept)
    assert answer["state"] == "answered"

    async def states():
        return {each["state"] for each in (await at_the_ward(system, "counterparts", {}))["counterparts"]}

    assert await until(states, lambda one: one == {"closed"}) == {"closed"}


async def scraped(system):
    port = system.running.role("intermediate").metrics_port
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return await answer.text()


async def told(system):
    """What a business system, the linkage server and a member of staff are told; all the same."""
    async with system.stage.system(RESIDENTS) as caller:
        found = json.loads(await caller.download("/v1/notices"))["notices"]
    assert (await at_the_ward(system, "staff/notices", {}, "staff-2"))["notices"] == found
    return found


async def test_a_notice_is_seen_by_business_systems_and_staff_until_it_is_withdrawn_or_over(system):
    now = system.running.role("intermediate").clock()
    notice_id = new_sortable_id("N", int(now.timestamp() * 1000), secrets.token_bytes(10))
    item = {
        "notice_id": notice_id,
        "kind": "planned_stop",
        "text": "10 月 8 日 18 時から停止します",
        "shown_until": (now + timedelta(days=5)).isoformat(),
    }
    for _ in range(2):
        assert await at_the_ward(system, "notices/post", item) == {"posted": True}
    [seen] = await told(system)
    for wrong in ({"text": "0123456789"}, {"text": "a\nb"}, {"shown_until": (now - timedelta(days=1)).isoformat()}):
        with pytest.raises(UnexpectedAnswerError, match="400 notice_malformed"):
            await at_the_ward(system, "notices/post", {**item, **wrong})
    with pytest.raises(UnexpectedAnswerError, match="409 notice_id_taken"):
        await at_the_ward(system, "notices/post", {**item, "text": "別の文"})
    with pytest.raises(UnexpectedAnswerError, match="404 notice_unknown"):
        await at_the_ward(system, "notices/withdraw", {"notice_id": "N" + "0" * 26})
    for _ in range(2):
        assert await at_the_ward(system, "notices/withdraw", {"notice_id": notice_id}) == {"withdrawn": True}
    assert (seen["notice_id"], seen["kind"], seen["text"], seen["posted_by"]) == (
        notice_id,
        "planned_stop",
        item["text"],
        "staff-1",
    )
    assert await told(system) == []
    events = [
        one["facts"]["event"]
        for one in entries(await system.export(WARD), kind="staff.operated")
        if one["facts"].get("notice_id") == notice_id
    ]
    assert events == ["posted", "withdrawn"]


async def test_the_server_tells_of_itself_what_stands_and_no_longer(system):
    """A suspension, a version of the list that it did not take, a network that is away, and an intermediate server that is."""
    bar = await at_the_ward(system, "bars/set", a_bar(system))
    before = await told(system)
    await change(system, bar["bar_id"], "check", "staff-2")
    suspended = [one["kind"] for one in await told(system)]
    await change(system, bar["bar_id"], "lift", "staff-1")
    await change(system, bar["bar_id"], "lift", "staff-2")
    async with system.administrator() as connection:
        await connection.execute(
            "insert into a_setagaya_intermediate.list_refusal values ('test', 'list_signature', '2099-01-01')"
        )
        refused = [(one["kind"], one["text"]) for one in await told(system)]
        await connection.execute("delete from a_setagaya_intermediate.list_refusal where digest = 'test'")
    after = await told(system)
    system.running.kill("intermediate")
    try:
        async with system.stage.system(RESIDENTS) as caller:
            away = [one["kind"] for one in json.loads(await caller.download("/v1/notices"))["notices"]]
    finally:
        system.running.restart("intermediate")
    assert (before, suspended, after) == ([], ["use_suspended"], [])
    assert refused == [("list_not_taken", "list_signature")]
    assert away == ["intermediate_server_away"]


async def command(system, capsys, *words):
    """What `sekisho` prints and its exit code."""
    code = await asyncio.to_thread(main, [*words, "--data", str(system.running.data.root)])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


async def test_the_commands_of_an_operator_say_how_codes_counterparts_and_notices_stand(system, capsys):
    to_the_ward = ("--agency", WARD)
    until_when = (system.running.role("intermediate").clock() + timedelta(days=1)).isoformat()
    posting = ("--kind", "other", "--text", "試験", "--until", until_when)
    code, notice_id = await command(system, capsys, "notices", "post", *posting, *to_the_ward)
    shown = await command(system, capsys, "notices", "list", *to_the_ward)
    withdrawn, _ = await command(system, capsys, "notices", "withdraw", notice_id.strip(), *to_the_ward)
    empty = await command(system, capsys, "notices", "list", "--json", *to_the_ward)
    assert (code, withdrawn, shown[0]) == (0, 0, 0)
    assert "試験" in shown[1]
    assert notice_id.strip() in shown[1]
    assert json.loads(empty[1]) == []
    _, circuits = await command(system, capsys, "counterparts", "--json", *to_the_ward)
    assert [one["counterpart"] for one in json.loads(circuits)["counterparts"]] == ["core", "interface"]
    announced = await command(system, capsys, "codes", "announce", "--accept-days", "1", *to_the_ward)
    again = await command(system, capsys, "codes", "announce", *to_the_ward)
    unknown = await command(system, capsys, "codes", "announce", "--agency", "nowhere")
    _, epochs = await command(system, capsys, "codes", "epochs", "--json")
    assert announced == (0, f"{WARD} 2\n")
    assert again[0] == REFUSED
    assert "epoch_under_way" in again[1]
    assert unknown[0] == BAD_INPUT
    assert next(one["newest"] for one in json.loads(epochs) if one["agency"] == WARD) == 2

    async def counted():
        _, counts = await command(system, capsys, "codes", "counts", "--json", *to_the_ward)
        return {(one["state"], one["epoch"]): one["codes"] for one in json.loads(counts)}

    found = await until(counted, lambda one: ("bound", 2) in one)
    assert found == {("bound", 2): 2, ("replaced", 1): 2}
