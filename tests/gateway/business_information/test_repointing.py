"""LS-2.6: copies follow the people: who is frozen, has no 個人番号 or becomes another is withdrawn, moved or registered anew."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg

from gateway.linkage_server.business_information import repointing
from storage.database import Database
from tests.gateway.business_information.test_calls import PARENT
from tests.gateway.business_information.test_transfer import PATH, STATED, send, settled, states, until
from tests.gateway.linkage_server.test_business_information import record
from tests.support.change_files import change, day, take
from tests.support.resident_files import load, person
from transport.clock import Clock


@dataclass
class Tenant:
    """What the functions for split and merge use of an agency."""

    database: Database
    tenant: str


@asynccontextmanager
async def tenant(both):
    config = both.linkage.config
    database = await Database.open(config.dsn, connections=2)
    try:
        yield Tenant(database, config.hosted["setagaya"].tenant)
    finally:
        await database.close()


async def number_of(both, nth):
    [row] = await both.linkage.rows(
        "select integrated_number from addressee where addressee_number = $1", f"{nth:010d}"
    )
    return row["integrated_number"]


async def change_person(both, number, what):
    changes = {
        "freeze": "update person set frozen = true, revision = nextval('person_revision') where integrated_number = $1",
        "thaw": "update person set frozen = false, revision = nextval('person_revision') where integrated_number = $1",
        "cancel": "update person set state = 'cancelled', revision = nextval('person_revision') where integrated_number = $1",
        "die": "update person set state = 'dead', revision = nextval('person_revision') where integrated_number = $1",
    }
    await both.linkage.rows(changes[what], number)


async def point(both, nth, number):
    await both.linkage.rows(
        "update addressee set integrated_number = $2, revision = nextval('addressee_revision') where addressee_number = $1",
        f"{nth:010d}",
        number,
    )


async def copies(both):
    rows = await both.replicas("select record_id, integrated_number from replica order by record_id")
    return {row["record_id"].removeprefix("kokuho/"): int(row["integrated_number"]) for row in rows}


async def filled(both, people=2):
    await load(both.spool, [person(nth) for nth in range(1, people + 1)])
    await send(both, [record(nth) for nth in range(1, people + 1)])
    return [await number_of(both, nth) for nth in range(1, people + 1)]


async def test_ls_2_6_the_copies_of_a_number_that_ends_go_and_those_of_one_that_is_replaced_stay(both):
    ends = [
        change("e1", 1, "addressee_end", day(), system="kokuho", replaced_by="0000000011"),
        change("e2", 2, "addressee_end", day(), system="kokuho"),
    ]
    async with both.standing(), both.served():
        one, two = await filled(both)
        await until(lambda: copies(both), lambda found: found == {"r1": one, "r2": two})
        assert await take(both.linkage, ends, name="ends.csv", system="kokuho") == [("applied", "")] * 2
        await until(lambda: copies(both), lambda found: found == {"r1": one})
        await until(lambda: states(both), settled)
        numbers = await both.linkage.rows("select record_id, addressee_number from original order by record_id")
        assert [row["addressee_number"] for row in numbers] == ["0000000011", "0000000002"]
        said = [record(1, addressee_number="0000000011", operation="delete"), record(1, record_id="r9")]
        assert await send(both, said, "c.ndjson") == [
            ["1", "deleted", "", ""],
            ["2", "rejected", "addressee_unknown", "addressee_number"],
        ]
        back = [change("c2", 2, "cancellation", day(), system="kokuho", cancels="e2")]
        assert await take(both.linkage, back, name="back.csv", system="kokuho") == [("applied", "")]
        await until(lambda: copies(both), lambda found: found == {"r2": two})


async def test_ls_2_6_a_frozen_person_s_copies_go_and_come_back(both):
    async with both.standing(), both.served():
        one, two = await filled(both)
        await change_person(both, one, "freeze")
        assert await until(lambda: copies(both), lambda found: len(found) == 1) == {"r2": two}
        assert (await until(lambda: states(both), settled))["r1"] == "withheld"
        await change_person(both, one, "thaw")
        assert await until(lambda: copies(both), lambda found: len(found) == 2) == {"r1": one, "r2": two}


async def test_ls_2_6_a_copy_of_the_version_before_follows_its_person_while_the_next_waits_for_its_transfer(both):
    """The copy of version 0001 stands and is answered from: it is no surplus, and nobody's who may have none."""
    today = both.linkage.config, both.intermediate
    then = Clock(timedelta(days=-640))
    both.linkage.config, both.intermediate = (replace(one, clock=then) for one in today)
    async with both.standing(), both.served(first_transfer="on_command") as caller:
        await load(both.spool, [person(1)])
        await send(both, [PARENT])
        run = await caller.post(f"{PATH}/transfers", {"wait_ms": 20_000}, token=await caller.token(), key="k")
        assert run.body["counts"] == {"registered": 1}
    both.linkage.config, both.intermediate = today
    async with both.standing(), both.served(first_transfer="on_command") as caller:
        changed = PARENT | {"operation": "change"}
        assert (await send(both, [changed], "c.ndjson"))[0][1:3] == ["kept", "awaits_first_transfer"]
        for key, repair in (("k1", False), ("k2", True)):
            wanted = {"repair": repair, "wait_ms": 30_000}
            found = await caller.post(f"{PATH}/comparisons", wanted, token=await caller.token(), key=key)
            assert found.body["counts"] == {"under_way": 1}
        assert [row["version"] for row in await both.replicas()] == ["0001"]
        await change_person(both, await number_of(both, 1), "freeze")
        await until(both.replicas, lambda left: left == [])


async def test_ls_2_6_the_copies_of_a_cancelled_registration_go_and_those_of_the_dead_stay(both):
    async with both.standing(), both.served():
        one, two = await filled(both)
        await change_person(both, two, "die")
        await change_person(both, one, "cancel")
        assert await until(lambda: copies(both), lambda found: len(found) == 1) == {"r2": two}


async def test_ls_2_6_a_record_goes_on_when_its_person_gets_an_individual_number(both):
    async with both.standing(), both.served():
        await load(both.spool, [person(1), person(2, individual_number="")])
        assert [line[1:3] for line in await send(both, [record(1), record(2)])] == [
            ["registered", ""],
            ["withheld", "no_individual_number"],
        ]
        two = await number_of(both, 2)
        await both.linkage.rows(
            "update person p set individual_number_index = sha256(o.individual_number_index), individual_number_sealed = o.individual_number_sealed,"
            " revision = nextval('person_revision') from person o where p.integrated_number = $1 and o.individual_number_index is not null",
            two,
        )
        await until(lambda: copies(both), lambda found: "r2" in found)
    assert (await copies(both))["r2"] == two


async def test_ls_2_6_nothing_of_somebody_without_an_individual_number_is_sent(both):
    async with both.standing(), both.served():
        await load(both.spool, [person(1, individual_number="")])
        await send(both, [record(1)])
        await send(both, [record(1, operation="delete")], "d.ndjson")
    assert await both.replicas("select * from replica_withdrawn") == []


async def test_a_repointed_addressee_moves_its_copies_in_one_step(both):
    async with both.standing(), both.served():
        one, two = await filled(both)
        await point(both, 1, two)
        assert await until(lambda: copies(both), lambda found: found.get("r1") == two) == {"r1": two, "r2": two}
        await until(lambda: states(both), settled)
        assert await both.replicas("select * from replica_withdrawn") == []
        assert one != two


async def test_ls_2_6_a_person_who_is_frozen_while_the_first_records_are_written_is_not_passed_over(both):
    async with both.served():
        await load(both.spool, [person(1)])
    one = await number_of(both, 1)
    async with tenant(both) as agency:
        while await repointing.follow(agency):
            pass
        async with agency.database.inside(agency.tenant) as intake:
            await intake.fetchval("select only_row from business_cursor for update")
            await change_person(both, one, "freeze")
            following = asyncio.ensure_future(repointing.follow(agency))
            await asyncio.sleep(0.3)
            written = await intake.fetchval(
                "insert into original (record_id, business_system_id, addressee_number, information, data_set, layout_version, public_from,"
                " auto_response, changed_at, changed_by, sealed, transfer, offered)"
                " values ('kokuho/r1', 'kokuho', $1, 'i', 'd', '0001', '2020-01-01', 'allowed', now(), 'file/1', 'x', 'due', true) returning revision",
                f"{1:010d}",
            )
        assert await following == 1
    [row] = await both.linkage.rows("select revision, transfer from original")
    assert (row["transfer"], row["revision"] > written) == ("due", True)


async def test_a_split_withdraws_then_registers_anew(both):
    async with both.standing(), both.served(), tenant(both) as agency:
        one, two = await filled(both)
        await send(both, [record(1, record_id="more")], "more.ndjson")
        await change_person(both, one, "freeze")
        assert await repointing.withdraw(agency, one) == 2
        assert await until(lambda: repointing.standing(agency, one), lambda found: found == 0) == 0
        assert await copies(both) == {"r2": two}
        await point(both, 1, two)
        assert await repointing.register_anew(agency, two) == 3
        await until(lambda: copies(both), lambda found: len(found) == 3)
        await until(lambda: states(both), settled)
        assert await repointing.standing(agency, two) == 3
    assert await copies(both) == {"more": two, "r1": two, "r2": two}


async def test_withdrawing_while_the_intermediate_server_is_away_is_done_when_it_is_back(both):
    async with both.served(), tenant(both) as agency:
        async with both.standing():
            one, two = await filled(both)
        await change_person(both, one, "freeze")
        assert await repointing.withdraw(agency, one) == 1
        assert await repointing.standing(agency, one) == 1
        async with both.standing():
            await until(lambda: repointing.standing(agency, one), lambda found: found == 0)
    assert await copies(both) == {"r2": two}


async def test_a_change_in_its_caller_s_transaction_goes_with_it(both):
    async with both.standing(), both.served(), tenant(both) as agency:
        one, _ = await filled(both)
        before = await both.linkage.rows("select record_id, revision, transfer from original order by 1")
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            async with agency.database.inside(agency.tenant) as connection:
                found = await repointing.register_anew(agency, one, connection=connection)
                await connection.fetchval("select 1 / ($1 - 1)", found)  # it was one record; the transaction fails
        assert await both.linkage.rows("select record_id, revision, transfer from original order by 1") == before


async def test_a_record_that_lies_in_the_database_under_another_person_is_not_sent(both):
    """Somebody who may write to the database cannot make an original say something of another person."""
    async with both.standing(), both.served() as caller:
        await filled(both)
        await both.linkage.rows("update original set addressee_number = '0000000002' where record_id = 'kokuho/r1'")
        await both.linkage.rows("update original set transfer = 'due', revision = nextval('original_revision')")
        await until(lambda: states(both), settled)
        [row] = await both.linkage.rows("select transfer, reason from original where record_id = 'kokuho/r1'")
        assert tuple(row) == ("refused", "original_unreadable")
        wanted = {**STATED, "record_ids": ["r1"]}
        answer = await caller.post(f"{PATH}/search", wanted, token=await caller.token())
        assert (answer.status, answer.body["reason"]) == (500, "original_unreadable")
