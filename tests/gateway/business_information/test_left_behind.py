"""IS-6, SC-16: what a business system that is no more has left is listed, compared and withdrawn by who administers clients, on record."""

from __future__ import annotations

import json

import pytest

from gateway.linkage_server.business_information.runs import left_behind
from tests.gateway.business_information.test_comparison import filled
from tests.gateway.business_information.test_transfer import download, until

SYSTEM = {"system": "kokuho"}
ORDER = SYSTEM | {"staff": "a.sato", "reason": "国保システムの廃止"}


@pytest.fixture
async def kanri(both):
    await both.linkage.register("kanri", system="kanri", scopes=("clients:administer", "log:read", "jobs:read"))
    return both


async def asked(caller, act, key, **body):
    token = await caller.token("kanri")
    return await caller.post(f"/v1/business-systems/{act}", body | {"wait_ms": 30_000}, token=token, key=key)


async def left(caller):
    async with caller.client.get(
        f"{caller.world.url}/v1/business-systems/left",
        headers={"Authorization": f"Bearer {await caller.token('kanri')}"},
    ) as answer:
        return answer.status, (await answer.json())["items"]


async def gone(both):
    """Its client is removed."""
    await both.linkage.rows("update oauth_client set state = 'removed' where client_id = 'kokuho'")


async def test_what_is_left_is_listed_compared_and_withdrawn_with_its_copies(kanri):
    async with kanri.standing(), kanri.served() as caller:
        await filled(kanri, 3)
        assert await left(caller) == (200, [])
        refused = [
            await asked(caller, act, "early", **body) for act, body in (("compare", SYSTEM), ("withdraw", ORDER))
        ]
        assert [(one.status, one.body["reason"]) for one in refused] == [(409, "system_has_clients")] * 2
        await gone(kanri)
        status, [found] = await left(caller)
        assert (status, found["system"], found["records"], found["copies"]) == (200, "kokuho", 3, 3)
        await kanri.replicas("delete from replica where record_id = 'kokuho/r1'")
        compared = await asked(caller, "compare", "c", **SYSTEM)
        assert (compared.status, compared.body["counts"]) == (200, {"equal": 2, "missing": 1})
        for _ in range(2):
            run = await asked(caller, "withdraw", "w", **ORDER, per_part=2)
            assert (run.status, run.body["state"], run.body["counts"]) == (200, "done", {"withdrawn": 3})
        path = f"/v1/business-information/run-report?run_id={run.body['run_id']}&format=json"
        report = await download(caller, path, await caller.token("kanri"))
        assert [json.loads(line)["record_id"] for line in report.splitlines()] == [
            f"kokuho/r{nth}" for nth in (1, 2, 3)
        ]
        assert await until(kanri.replicas, lambda rows: not rows) == []
        assert await until(lambda: left(caller), lambda now: not now[1]) == (200, [])
        past = await kanri.linkage.rows("select record_id from original_past")
    assert len(past) == 3
    ordered = await kanri.linkage.rows("select body, personal from log_entry where kind = 'client.administered'")
    facts = [json.loads(one["body"])["facts"] for one in ordered if b"withdraw_records" in one["body"]]
    assert facts == [{"act": "withdraw_records", "system": "kokuho", "run": run.body["run_id"], "staff": "a.sato"}]
    assert all("廃止" not in one["body"].decode() and one["personal"] is not None for one in ordered)


async def test_records_that_do_not_open_go_too_and_are_told(kanri):
    async with kanri.standing(), kanri.served() as caller:
        await filled(kanri, 2)
        await gone(kanri)
        await kanri.linkage.rows("update original set sealed = 'x' where record_id = 'kokuho/r2'")
        run = await asked(caller, "withdraw", "w", **ORDER)
        assert run.body["counts"] == {"withdrawn": 2, "original_unreadable": 1}
        assert await until(kanri.replicas, lambda rows: not rows) == []


async def test_copies_without_an_original_of_a_system_that_is_no_more_are_found_and_deleted(kanri):
    async with kanri.standing(), kanri.served() as caller:
        await filled(kanri, 2)
        await gone(kanri)
        await kanri.linkage.rows("delete from original")
        _, [found] = await left(caller)
        assert (found["system"], found["records"]) == ("kokuho", 0)
        run = await asked(caller, "compare", "c", **SYSTEM, repair=True)
        assert run.body["counts"] == {"surplus": 2, "repaired": 2}
        assert await left(caller) == (200, [])


async def test_who_does_not_administer_clients_sees_and_withdraws_nothing(both):
    async with both.served() as caller:
        token = await caller.token()
        answer = await caller.post("/v1/business-systems/withdraw", ORDER, token=token, key="w")
        assert (answer.status, answer.body["reason"]) == (403, "scope_missing")


def test_an_order_shows_nothing_of_itself():
    assert "廃止" not in repr(left_behind.WITHDRAW.decode(json.dumps(ORDER).encode()))
