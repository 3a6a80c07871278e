"""IS-6, SC-17: the comparison finds every planted difference, names it, and repairs it on command."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from tests.gateway.business_information.test_transfer import (
    PATH,
    STATED,
    download,
    first_transfers,
    put_records,
    send,
    settled,
    states,
    until,
)
from tests.gateway.linkage_server.test_business_information import record
from tests.support.resident_files import load, person, through
from transport.tls import client_context


async def filled(both, count=6):
    await load(both.spool, [person(nth) for nth in range(1, count + 1)])
    await send(both, [record(nth) for nth in range(1, count + 1)])


async def compare(caller, key, **wanted):
    answer = await caller.post(
        f"{PATH}/comparisons", {**wanted, "wait_ms": 30_000}, token=await caller.token(), key=key
    )
    assert (answer.status, answer.body["state"]) == (200, "done")
    return answer.body


async def differences(caller, run):
    text = await download(caller, f"{PATH}/run-report?run_id={run['run_id']}&format=json", await caller.token())
    return {one["record_id"].removeprefix("kokuho/"): one for one in map(json.loads, text.splitlines())}


async def plant(both):
    """One difference of each kind; r6 stays as it is."""
    await both.replicas("delete from replica where record_id = 'kokuho/r1'")
    await both.replicas(  # sealed as it was, so it does not open under another day
        "update replica set public_from = '2000-01-01' where record_id = 'kokuho/r2'"
    )
    await both.linkage.rows(  # as if the answer to the last sending had been lost for good
        "update original set replica_revision = replica_revision - 1 where record_id = 'kokuho/r3'"
    )
    await both.linkage.rows(  # the system forgot it, as after a restored backup
        "delete from original where record_id = 'kokuho/r4'"
    )


async def test_is_6_equal_originals_and_copies_have_no_differences(both):
    async with both.standing(), both.served() as caller:
        await filled(both)
        run = await compare(caller, "k", per_part=2)
        assert run["counts"] == {"equal": 6}
        assert run["parts"] == 4
        assert await differences(caller, run) == {}


async def test_is_6_planted_differences_are_found_and_repaired(both):
    async with both.standing(), both.served() as caller:
        await filled(both)
        await plant(both)
        found = await compare(caller, "k1", per_part=2)
        assert found["counts"] == {"equal": 2, "missing": 1, "unreadable": 1, "wrong_version": 1, "surplus": 1}
        named = await differences(caller, found)
        assert {name: one["difference"] for name, one in named.items()} == {
            "r1": "missing",
            "r2": "unreadable",
            "r3": "wrong_version",
            "r4": "surplus",
        }
        assert not any(one["repaired"] for one in named.values())
        repaired = await compare(caller, "k2", per_part=2, repair=True)
        assert repaired["counts"]["repaired"] == 4
        await until(lambda: states(both), settled)
        assert (await compare(caller, "k3"))["counts"] == {"equal": 5}
    assert [row["record_id"] for row in await both.replicas()] == [f"kokuho/r{nth}" for nth in (1, 2, 3, 5, 6)]


async def test_is_6_a_copy_with_another_content_is_named_by_its_items_and_not_by_values(both):
    """The copy is made to say what the original said before: as if an answer had been given and its change lost."""
    other = record(1, operation="change", items=record(1)["items"] | {"口座番号": {"value": "7654321"}})
    async with both.standing(), both.served() as caller:
        await filled(both, 2)
        [before] = await both.linkage.rows("select * from original where record_id = 'kokuho/r1'")
        await send(both, [other], "c.ndjson")
        await both.linkage.rows(
            "update original set edition = 1, sealed = $1 where record_id = 'kokuho/r1'", before["sealed"]
        )
        run = await compare(caller, "k1")
        text = await download(caller, f"{PATH}/run-report?run_id={run['run_id']}", await caller.token())
        assert text == "record_id,difference,fields,repaired\nkokuho/r1,differing,items.口座番号,false\n"
        await compare(caller, "k2", repair=True)
        await until(lambda: states(both), settled)
        assert (await compare(caller, "k3"))["counts"] == {"equal": 2}


async def test_sc_4_an_older_row_that_was_put_back_without_its_flag_is_found_and_replaced(both):
    """It opens: it was sealed here. The original knows that it was sent anew since."""
    row = "select * from replica where record_id = 'kokuho/r1'"
    async with both.standing(), both.served() as caller:
        await filled(both, 2)
        [older] = await both.replicas(row)
        await send(both, [record(1, operation="change", auto_response="barred")], "c.ndjson")
        await until(lambda: states(both), settled)
        [now] = await both.replicas(row)
        assert now["revision"] > older["revision"]
        await both.replicas(
            "update replica set revision = $1, content_index = $2, sealed = $3 where record_id = 'kokuho/r1'",
            *(older[name] for name in ("revision", "content_index", "sealed")),
        )
        found = await compare(caller, "k1", repair=True)
        assert found["counts"] == {"equal": 1, "wrong_version": 1, "repaired": 1}
        await until(lambda: states(both), settled)
        assert (await compare(caller, "k2"))["counts"] == {"equal": 2}
    [again] = await both.replicas(row)
    assert again["revision"] > now["revision"]


async def test_is_6_a_copy_of_somebody_who_may_have_none_is_surplus_and_goes(both):
    async with both.standing(), both.served() as caller:
        await filled(both, 2)
        await both.linkage.rows(
            "update original set transfer = 'withheld', reason = 'no_individual_number', offered = false, replica_number = null where record_id = 'kokuho/r1'"
        )
        await both.linkage.rows(
            "update person set frozen = true where integrated_number = (select integrated_number from addressee where addressee_number = '0000000001')"
        )
        run = await compare(caller, "k1", repair=True)
        assert run["counts"] == {"equal": 1, "surplus": 1, "repaired": 1}
        await until(both.replicas, lambda found: len(found) == 1)
        assert (await compare(caller, "k2"))["counts"] == {"equal": 2}


async def test_is_6_what_waits_for_its_transfer_is_under_way_and_no_difference(both):
    async with both.standing(), both.served(first_transfer="on_command") as caller:
        await filled(both, 2)
        assert (await compare(caller, "k1"))["counts"] == {"equal": 2}
        assert await first_transfers(caller, await caller.token()) == [False]
        await send(both, [record(1, operation="change", public_to="2026-12-31"), record(3)], "c.ndjson")
        assert (await compare(caller, "k2"))["counts"] == {"equal": 2}, "nothing is over there, and nothing has to be"


async def test_is_6_sc_17_what_the_other_side_refused_is_a_difference_and_is_sent_again(both):
    """The copy of before stands there and is answered from: a difference that must be seen (delegator: nobody has delegated)."""
    changed = record(1, operation="change", delegator="tokyo")
    async with both.standing(), both.served() as caller:
        await filled(both, 2)
        await send(both, [changed], "c.ndjson")
        await until(lambda: states(both), settled)
        run = await compare(caller, "k1")
        assert run["counts"] == {"equal": 1, "refused": 1}
        [refused] = (await differences(caller, run)).values()
        assert refused["difference"] == "refused"
        assert refused["fields"] == ["delegation_not_on_file"]
        before = await both.linkage.rows("select revision from original where record_id = 'kokuho/r1'")
        assert (await compare(caller, "k2", repair=True))["counts"] == {"equal": 1, "refused": 1, "repaired": 1}
        await until(lambda: states(both), settled)
        assert await both.linkage.rows("select revision from original where record_id = 'kokuho/r1'") > before
        await send(both, [record(1, operation="change")], "d.ndjson")
        await until(lambda: states(both), settled)
        assert (await compare(caller, "k3"))["counts"] == {"equal": 2}


async def test_is_6_a_surplus_copy_of_what_waits_for_its_first_transfer_goes_and_nothing_is_registered(both):
    """The copy is left there as after a restore of the linkage server, whose first transfer is still to be commanded."""
    async with both.standing():
        async with both.served():
            await filled(both, 1)
            await until(both.replicas, lambda found: len(found) == 1)
        await both.linkage.rows(
            "update original set transfer = 'awaiting_first', offered = false, replica_number = null, replica_revision = null"
        )
        await both.linkage.rows("update first_transfer set transferred_at = null")
        async with both.served(first_transfer="on_command") as caller:
            assert (await compare(caller, "k1"))["counts"] == {"surplus": 1}
            assert (await compare(caller, "k2", repair=True))["counts"] == {"surplus": 1, "repaired": 1}
            assert await states(both) == {"r1": "awaiting_first"}
            assert await both.replicas() == []
            assert (await compare(caller, "k3"))["counts"] == {"equal": 1}
            assert await first_transfers(caller, await caller.token()) == [False]


async def test_is_6_an_original_that_does_not_open_is_not_told_as_repaired(both):
    async with both.standing(), both.served() as caller:
        await filled(both, 3)
        await until(both.replicas, lambda found: len(found) == 3)
        await both.linkage.rows(
            "update original set sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) where record_id <> 'kokuho/r3'"
        )
        await both.replicas("delete from replica where record_id <> 'kokuho/r1'")
        run = await compare(caller, "k1", repair=True)
        assert run["counts"] == {"differing": 1, "missing": 2, "repaired": 1}
        told = {name: (one["fields"], one["repaired"]) for name, one in (await differences(caller, run)).items()}
        assert told == {
            "r1": (["original_unreadable"], False),
            "r2": (["original_unreadable"], False),
            "r3": ([], True),
        }
        await until(lambda: states(both), settled)
        assert (await compare(caller, "k2"))["counts"] == {"differing": 1, "missing": 1, "equal": 1}


async def test_is_6_a_comparison_goes_on_after_an_outage(both):
    async with both.served() as caller:
        async with both.standing():
            await filled(both)
        await both.replicas("delete from replica where record_id = 'kokuho/r5'")
        token = await caller.token()
        begun = await caller.post(f"{PATH}/comparisons", {"per_part": 1}, token=token, key="k")
        assert begun.status == 202
        async with both.standing():
            run = await compare(caller, "k", per_part=1)
    assert run["run_id"] == begun.body["run_id"]
    assert run["counts"] == {"equal": 5, "missing": 1}


async def test_is_6_a_system_compares_its_own_records_alone(both):
    scopes = ("addressees:register", "business-information:register", "business-information:compare")
    await both.linkage.register("zeimu", system="zeimu", scopes=scopes)
    async with both.standing(), both.served() as caller:
        await filled(both, 2)
        token = await caller.token("zeimu")
        run = await caller.post(f"{PATH}/comparisons", {"wait_ms": 30_000}, token=token, key="k")
        assert run.body["counts"] == {}
        repair = await caller.post(f"{PATH}/comparisons", {"repair": True}, token=token, key="k2")
        assert (repair.status, repair.body["reason"]) == (403, "scope_missing")
        own = await compare(caller, "k3")
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{caller.world.url}{PATH}/runs?run_id={own['run_id']}"
        async with caller.client.get(url, headers=headers) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "run_unknown")


async def test_sc_17_the_owner_gets_its_copies_with_its_own_numbers(both):
    async with both.standing(), both.served() as caller:
        await filled(both, 3)
        token = await caller.token()
        first = (await caller.post(f"{PATH}/copies", {**STATED, "limit": 2}, token=token)).body
        rest = (await caller.post(f"{PATH}/copies", {**STATED, "after": first["next"]}, token=token)).body
    copies = first["items"] + rest["items"]
    assert [(one["record_id"], one["addressee_number"]) for one in copies] == [
        (f"kokuho/r{nth}", f"{nth:010d}") for nth in (1, 2, 3)
    ]
    assert [one["items"] for one in copies] == [record(nth)["items"] for nth in (1, 2, 3)]
    assert "integrated_number" not in copies[0]
    assert rest["next"] is None
    looks = await both.linkage.rows(
        "select convert_from(body, 'UTF8')::jsonb as entry from log_entry where kind = 'persons.seen'"
    )
    assert [json.loads(row["entry"])["facts"]["count"] for row in looks] == [2, 1]


async def test_is_6_only_the_agency_s_own_linkage_server_may_export(both):
    known, stranger = both.linkage.config.hosted["setagaya"].identity, both.linkage.neighbour_identity
    url = f"https://127.0.0.1:{both.intermediate.port}/setagaya/replica-export"
    answers = []
    async with both.standing():
        for identity in (known, stranger):
            context = client_context(identity, known.ca)
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as client,
                client.post(url, json={"items": []}) as answer,
            ):
                answers.append((answer.status, (await answer.json()).get("reason")))
    assert answers == [(200, None), (403, "certificate_not_registered")]


async def test_is_6_a_comparison_beside_a_file_of_changes_reports_nothing_false(both):
    changes = [
        record(
            1, record_id=f"r{nth}", operation="change", items=record(1)["items"] | {"口座番号": {"value": f"{nth:07d}"}}
        )
        for nth in range(2_000)
    ]
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1, record_id=f"r{nth}") for nth in range(2_000)])
        folder = put_records(both, changes, "changes.ndjson")
        token, runs = await caller.token(), []
        while not (folder / "done" / "changes.ndjson.result.csv").exists():
            answer = await caller.post(
                f"{PATH}/comparisons", {"per_part": 100, "wait_ms": 30_000}, token=token, key=f"k{len(runs)}"
            )
            runs.append(answer.body["counts"])
            await asyncio.sleep(0)
        await through(folder, "changes.ndjson")
    assert all(set(counts) <= {"equal", "under_way"} for counts in runs), runs
