"""SC-2, LS-1.2, LS-2.2: the file of a system that is suspended on its way gets one step further at most, says so, and goes on when it is sent again."""

from __future__ import annotations

import json

import pytest

from gateway.linkage_server.addressees import flow as loads
from gateway.linkage_server.business_information import flow as business_information
from gateway.linkage_server.people import flow as changes
from tests.gateway.linkage_server.test_business_information import ndjson, record
from tests.support.change_files import change, changes_csv, day
from tests.support.resident_files import csv_bytes, load, person, put, through

STEP, LINES = 2, 5
PEOPLE = [person(nth) for nth in range(1, LINES + 1)]
FILES = {
    "addressees": (csv_bytes(PEOPLE), 1, "issued", "select from addressee"),
    "person-changes": (
        changes_csv(
            [
                change(f"e{nth}", nth, "address_change", day(), system="kokuho", address="架空県新市新町９番")
                for nth in range(1, LINES + 1)
            ]
        ),
        1,
        "applied",
        "select from person_event",
    ),
    "business-information": (
        ndjson(record(nth) for nth in range(1, LINES + 1)),
        0,
        "registered",
        "select from original",
    ),
}


async def suspended_with_the_first_step(world) -> None:
    """The client is suspended in the moment in which the first step of a file is committed."""
    await world.rows(
        "create function suspend() returns trigger language plpgsql as"
        " $$ begin update oauth_client set state = 'suspended'; return null; end $$"
    )
    await world.rows(
        "create trigger suspend after update on intake for each row"
        " when (old.lines_done = 0 and new.lines_done > 0) execute function suspend()"
    )


@pytest.mark.parametrize("channel", FILES)
async def test_a_file_of_a_system_that_is_suspended_on_its_way_stops_at_the_next_step_and_goes_on_from_there(
    world, monkeypatch, channel
):
    scopes = ("addressees:register", "persons:change", "business-information:register")
    await world.register(scopes=scopes)
    data, header, outcome, taken = FILES[channel]
    async with world.served():
        if channel != "addressees":
            await load(world.config.spool, PEOPLE)
        for flow in (loads, changes, business_information):
            monkeypatch.setattr(flow, "CHUNK", STEP)
        await suspended_with_the_first_step(world)
        folder = put(world.config.spool, data, name="a", count=LINES, channel=channel)
        with pytest.raises(AssertionError, match="scope_missing"):
            await through(folder, "a")
        facts = json.loads((folder / "failed" / "a.reason.json").read_bytes())["facts"]
        assert facts == {"last_line": header + STEP}
        assert len(await world.rows(taken)) == STEP
        [stopped] = await world.rows("select state, stopped_because from intake where channel = $1", channel)
        assert tuple(stopped) == ("open", "scope_missing")
        await world.rows("update oauth_client set state = 'active'")
        put(world.config.spool, data, name="b", count=LINES, channel=channel)
        results = [line.split(",")[1] for line in (await through(folder, "b")).splitlines()[1:]]
    assert (results, len(await world.rows(taken))) == ([outcome] * LINES, LINES)
    ended = await world.rows("select state, stopped_because, lines_done from intake where channel = $1", channel)
    assert [tuple(one) for one in ended] == [("done", None, header + LINES)]
