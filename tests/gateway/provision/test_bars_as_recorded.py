"""Bars are held against the log whenever they are read: whoever writes the database lifts none (SC-4, SC-20; docs/adr/0124)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from gateway.intermediate_server.bars import standing
from gateway.intermediate_server.bars.standing import StandingBars
from gateway.intermediate_server.bars.told import Told
from gateway.intermediate_server.operations import notices, watching
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, INQUIRER, NOON, ProviderWorld, provider_world

OTHERWISE = {
    "lifted": "update bar set state = 'lifted' where bar_id = $1",
    "not working yet": "update bar set effect = 'suspend', state = 'asked' where bar_id = $1",
    "of less effect": "update bar set effect = 'non_disclosure' where bar_id = $1",
    "of other information": "update bar set information = '無い情報' where bar_id = $1",
    "somebody else's": "update bar set integrated_number = repeat('9', 15), number_sealed = null, person_index = null where bar_id = $1",
    "taken out": "delete from bar where bar_id = $1",
}


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own: its log goes on into another fiscal year."""
    async with provider_world(tmp_path, cluster, mark="_recorded") as found:
        found.now = NOON
        yield found


async def insured(world: ProviderWorld) -> str:
    number = await world.person()
    await qualified(world, number)
    return number


async def said(world: ProviderWorld, number: str, **asked) -> tuple[str, str | None]:
    found = await world.ask(world.question(number, **asked))
    return found.disposition, found.reason


async def changed(world: ProviderWorld, statement: str, bar_id: str) -> None:
    """What somebody does who writes the database, so that the server reads the bars again."""
    await world.execute(statement, bar_id)
    await world.execute("update bar_epoch set epoch = epoch + 1")


@pytest.mark.parametrize("how", OTHERWISE)
async def test_sc_4_nothing_is_answered_while_a_bar_is_not_as_the_log_says(world, how):
    number, other = await insured(world), await insured(world)
    bar = await world.bar(integrated_number=number)
    before = (await world.fetch("select * from bar where bar_id = $1", bar["bar_id"]))[0]
    await changed(world, OTHERWISE[how], bar["bar_id"])
    assert await said(world, number) == ("refused", "use_suspended")
    assert await said(world, other) == ("refused", "use_suspended")
    [told] = (await notices.listed(world.agency))["notices"]
    assert told["kind"] == "use_suspended"
    names = ", ".join(before.keys())
    places = ", ".join(f"${nth + 1}" for nth in range(len(before)))
    await world.execute("delete from bar where bar_id = $1", bar["bar_id"])
    await world.execute(f"insert into bar ({names}) values ({places})", *before.values())
    await world.execute("update bar_epoch set epoch = epoch + 1")
    assert await said(world, number) == ("held", None)
    assert await said(world, other) == ("provided", None)


async def test_sc_4_a_barred_inquirer_or_item_that_is_lifted_without_an_entry_is_missed(world):
    number = await insured(world)
    bars = [
        await world.bar("inquirer", inquirer=INQUIRER),
        await world.bar("item", information=INFORMATION, data_item="支給額"),
    ]
    for bar in bars:
        await changed(world, OTHERWISE["lifted"], bar["bar_id"])
        assert await said(world, number, items=["被保険者番号"]) == ("refused", "use_suspended")
    assert world.agency.bars.missing == {bar["bar_id"] for bar in bars}


async def test_sc_4_a_server_that_starts_holds_bars_against_the_whole_log(world):
    heads = await world.fetch("select year, size - 1 as last from log_head")
    agency, number = world.agency, await insured(world)
    lifted, gone = [await world.bar(integrated_number=number) for _ in range(2)]
    world.now += timedelta(days=366)
    later = await world.bar(integrated_number=await world.person())
    await world.change_bar(lifted["bar_id"], "lift")
    for bar in (gone, later):
        await world.execute(OTHERWISE["taken out"], bar["bar_id"])
    bars = StandingBars(told=Told({head["year"]: head["last"] for head in heads}))
    await bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    assert bars.missing == {gone["bar_id"], later["bar_id"]}
    assert bars.suspends(await world.person(), INFORMATION)


async def test_sc_20_a_number_in_clear_is_sealed_once_and_never_again(world):
    """Or whoever writes the database had the server make another person's bar of it at its next start."""
    agency, bars = world.agency, [await world.bar(integrated_number=await world.person()) for _ in range(2)]
    in_clear = []
    for bar in bars:
        await changed(world, OTHERWISE["somebody else's"], bar["bar_id"])
        await standing.seal_those_in_clear(agency.database, agency.tenant, agency.keys, agency.id)
        in_clear.append(await world.fetch("select from bar where integrated_number is not null"))
    assert [len(one) for one in in_clear] == [0, 1]
    await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    assert agency.bars.missing == {bars[1]["bar_id"]}


async def test_sc_20_a_bar_that_was_changed_is_told_within_a_minute_without_anybody_who_asks(world, capsys):
    number, agency = await insured(world), world.agency
    bar = await world.bar(integrated_number=number)
    await watching.look_at_bars(agency)
    assert missing(world) == 0
    await world.execute(OTHERWISE["lifted"], bar["bar_id"])
    assert await said(world, number) == ("held", None)
    await watching.look_at_bars(agency)
    assert missing(world) == 1
    told = capsys.readouterr().out
    assert "bars:not_as_recorded" in told
    assert number not in told
    assert await said(world, number) == ("refused", "use_suspended")


def missing(world: ProviderWorld) -> float | None:
    return REGISTRY.get_sample_value("sekisho_bars_missing", {"agency": world.agency.id})


def test_sc_4_a_bar_that_was_lifted_is_over_whatever_year_a_wrong_clock_said():
    """Set while the clock was ahead over 1 April, lifted when it was right again: the years are not the order of what happened."""
    told = Told({})
    facts = {"bar_id": "B1", "place": "person", "effect": "hold", "information": "*", "data_item": "*"}
    rows = [
        {"year": year, "idx": 0, "body": json.dumps({"facts": facts | {"state": state}}).encode()}
        for year, state in ((2026, "lifted"), (2027, "standing"))
    ]
    told.take(rows)
    assert told.missing([]) == frozenset()
    told.take([{**rows[1], "idx": 1, "body": rows[1]["body"].replace(b"B1", b"B2")}])
    assert told.missing([]) == {"B2"}
