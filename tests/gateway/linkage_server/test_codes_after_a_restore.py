"""A restored intermediate server has lost the codes that came since its backup: everybody is asked about once more (SC-15, LS-4; docs/adr/0105).

And what a restored linkage server asks of codes.
"""

from __future__ import annotations

from importlib import resources

import pytest

from gateway.linkage_server.backups import restoring
from tests.gateway.linkage_server.test_codes_continuous import BOUND, ORDERS, change, order, standing
from tests.support.resident_files import four_items, individual_number, load, person

OPENED = "insert into peer_checkpoint (origin, size, note, seen_at) values ($1, 1, 'note', now())"


@pytest.fixture
async def ward(world):
    """Three people whom the resident network knows."""
    await world.register(scopes=ORDERS)
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 4)}
    return world


async def a_run(caller, key):
    answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=await caller.token(), key=key)
    return answer.body["people"]["bound"]


async def number_of(ward, nth):
    [row] = await ward.rows("select integrated_number from addressee where addressee_number = $1", f"{nth:010d}")
    return f"{row['integrated_number']:015d}"


async def lose(ward, nth):
    """The intermediate server has no code of this person any more."""
    ward.neighbours.bound.discard(lost := await number_of(ward, nth))
    ward.neighbours.acquisitions.pop(lost)
    return lost


async def test_ls_4_whoever_lost_the_code_with_a_restore_gets_one_and_nobody_is_asked_about_twice(ward):
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2), person(3)])
        assert await a_run(caller, "k1") == 3
        lost = await lose(ward, 2)
        sent = len(ward.neighbours.requests)
        await ward.rows(OPENED, "sekisho.example/setagaya/intermediate~1/2026")
        assert await a_run(caller, "k2") == 3
        assert lost in ward.neighbours.bound
        assert len(ward.neighbours.requests) == sent + 1
        asked = len(ward.neighbours.lists)
        assert await a_run(caller, "k3") == 3
        assert len(ward.neighbours.lists) == asked, "once for each time that the log was opened anew"
        again = await lose(ward, 3)
        await ward.rows(OPENED, "sekisho.example/setagaya/intermediate~2/2026")
        assert await a_run(caller, "k4") == 3
        assert again in ward.neighbours.bound


async def test_ls_4_another_code_that_was_lost_with_a_restore_comes_again_under_its_message(ward):
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2)])
        assert await a_run(caller, "k1") == 2
        await order(caller, "replace", await caller.token(), "o1", 1, ground="resident_record_changed")
        assert await standing(ward, want := {1: BOUND, 2: BOUND}) == want
        assert await a_run(caller, "k2") == 2
        assert len(ward.neighbours.replaced) == 1
        ward.neighbours.replaced.clear()
        await ward.rows(OPENED, "sekisho.example/setagaya/intermediate~1/2026")
        assert await a_run(caller, "k3") == 2
        assert len(ward.neighbours.replaced) == 1


async def test_sc_4_a_merge_is_told_again_after_a_restore_that_lost_the_bars_which_it_carried(ward):
    """Told once before: without that a run tells nobody of it again."""
    told, answered = [], ward.neighbours._cancellation
    ward.neighbours._cancellation = lambda item: (told.append(item), answered(item))[1]
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2)])
        assert await a_run(caller, "k1") == 2
        gone, lives = await number_of(ward, 1), await number_of(ward, 2)
        await change(ward, 1, "merged_into = $2", int(lives))
        assert await a_run(caller, "k2") == 1
        assert await a_run(caller, "k3") == 1
        merge = {"integrated_number": gone, "reason": "merged", "lives_on": lives}
        assert told == [merge]
        await ward.rows(OPENED, "sekisho.example/setagaya/intermediate~1/2026")
        assert await a_run(caller, "k4") == 1
        assert told == [merge, merge]
        assert await standing(ward) == {1: ("cancelled", "merged"), 2: BOUND}


async def test_ls_4_another_code_that_is_on_its_way_comes_after_a_restore_of_the_linkage_server(ward):
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2)])
        assert await a_run(caller, "k1") == 2
    async with ward.served(continuous_codes=False) as caller:
        ward.neighbours.away = {"code-replacements"}
        await order(caller, "replace", await caller.token(), "o1", 1, ground="resident_record_changed")
        want = {1: ("replacing", "resident_record_changed"), 2: BOUND}
        assert await standing(ward, want) == want
    async with ward.connected() as admin:
        now = await admin.fetchval("select now()")
        await admin.execute(restoring._SQL["look_for_codes"], now)
    assert await standing(ward) == {1: ("replacing", "resident_record_changed"), 2: ("requested", None)}
    ward.neighbours.away = set()
    async with ward.served():
        assert await standing(ward, want := {1: BOUND, 2: BOUND}) == want
    assert len(ward.neighbours.replaced) == 1


@pytest.mark.parametrize(
    "origin", ["suginami/intermediate~1/2026", "setagaya/linkage~1/2026", "setagaya/intermediate/2026"]
)
async def test_a_log_of_another_server_or_one_that_lost_nothing_asks_about_nobody(ward, origin):
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1)])
        assert await a_run(caller, "k1") == 1
        await ward.rows(OPENED, f"sekisho.example/{origin}")
        asked = len(ward.neighbours.lists)
        assert await a_run(caller, "k2") == 1
    assert len(ward.neighbours.lists) == asked


async def test_sc_27_of_a_chain_of_merges_it_is_told_into_whom_and_after_the_update_once_more(ward):
    """Not who lives on at its end: the later merge alone may be undone (docs/adr/0115)."""
    told, answered = [], ward.neighbours._cancellation
    ward.neighbours._cancellation = lambda item: (told.append(item), answered(item))[1]
    async with ward.served() as caller:
        await load(ward.config.spool, [person(nth) for nth in (1, 2, 3)])
        assert await a_run(caller, "k1") == 3
        first, second, third = [await number_of(ward, nth) for nth in (1, 2, 3)]
        await change(ward, 2, "merged_into = $2", int(third))
        await change(ward, 1, "merged_into = $2", int(second))
        assert await a_run(caller, "k2") == 1
        assert {one["integrated_number"]: one["lives_on"] for one in told} == {first: second, second: third}
        told.clear()
        folder = resources.files("gateway.linkage_server").joinpath("migrations")
        await ward.rows(folder.joinpath("0094_into_whom_is_told.sql").read_text())
        assert await a_run(caller, "k3") == 1
        assert {one["integrated_number"]: one["lives_on"] for one in told} == {first: second, second: third}
