"""LS-1.2, LS-1.3: nobody is born after today, and nothing happens to anybody before they are born."""

from __future__ import annotations

import pytest

from tests.support.change_files import as_of, change, day, loaded, registering, take, with_juki
from tests.support.resident_files import load, person

HELD = ("held", "event_before_birth")
MALFORMED = ("rejected", "field_malformed")


async def test_a_birth_date_that_is_still_to_come_is_refused_by_row_and_by_change(world):
    await with_juki(world)
    async with world.served():
        rows = [person(nth, birth_date=day(nth - 1)) for nth in (1, 2)]
        assert [one[1:] for one in await load(world.config.spool, rows)] == [["issued", ""], list(MALFORMED)]
        changes = [registering(f"b{nth}", nth, "birth", day(), birth_date=day(nth - 1)) for nth in (1, 2)]
        correction = change("k", 1, "correction", day(), birth_date=day(1))
        assert await take(world, [*changes, correction], name="c.csv") == [("linked", ""), MALFORMED, MALFORMED]


@pytest.mark.parametrize("kind", ["death", "address_change", "name_change", "move_out", "correction"])
async def test_what_happens_before_somebody_is_born_is_held(world, kind):
    said = {"address_change": {"address": "架空県"}, "name_change": {"name": "模擬"}, "correction": {"name": "模擬"}}
    await with_juki(world)
    async with world.served() as caller:
        await loaded(world, 1)
        rows = [change(f"e{on}", 1, kind, on, **said.get(kind, {})) for on in ("0206-11-30", "1980-01-30")]
        assert await take(world, rows, name="c.csv") == [HELD, HELD]
        assert (await as_of(caller, 1, day()))["state"] == "living"
        [(outcome, _)] = await take(world, [change("e", 1, kind, "1980-01-31", **said.get(kind, {}))], name="d.csv")
        assert outcome == "applied"


async def test_a_move_in_or_birth_before_the_birth_date_that_it_says_is_held(world):
    await with_juki(world)
    async with world.served():
        rows = [
            registering(f"r{nth}", nth, kind, day(-1), birth_date=day()) for nth, kind in ((8, "birth"), (9, "move_in"))
        ]
        assert await take(world, rows, name="c.csv") == [HELD, HELD]


async def test_a_change_can_take_back_another_and_not_itself(world):
    await with_juki(world)
    async with world.served():
        await loaded(world, 1)
        rows = [
            change("e1", 1, "cancellation", day(), cancels="e1"),
            change("e2", 1, "cancellation", "0001-01-01", cancels="e0"),
        ]
        assert await take(world, rows, name="c.csv") == [MALFORMED, ("applied", "cancelled_event_unknown")]
