"""Jobs of both servers in one list (IS-10): read from the rows of those who do them, repeated under one identity, forgotten in time."""

from __future__ import annotations

import json

from tests.gateway.business_information.test_transfer import send
from tests.gateway.linkage_server.test_business_information import record
from tests.support.resident_files import load, person
from tests.support.running_system import until

SCOPES = (
    "addressees:register", "business-information:register", "business-information:transfer", "business-information:compare", "code-requests:create",
    "jobs:read", "jobs:retry",
)  # fmt: skip


async def jobs(caller, token, **wanted):
    answer = await caller.post("/v1/jobs", wanted, token=token)
    assert answer.status == 200, answer
    return answer.body["items"]


def brief(found):
    return [(one["kind"], one["state"], one["system"], one["done"], one["total"]) for one in found]


async def test_every_kind_is_read_from_its_own_rows(both):
    await both.linkage.register("kanri", system="kanri", scopes=SCOPES)
    await both.linkage.register(scopes=SCOPES)
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1), person(2)])
        await send(both, [record(1), record(2)])
        token, own = await caller.token("kanri"), await caller.token()
        await caller.post("/v1/business-information/transfers", {"wait_ms": 20_000}, token=own, key="t")
        await caller.post("/v1/code-requests", {}, token=own, key="c")
        found = await jobs(caller, token)
        assert sorted(brief(found), key=str) == sorted(
            [
                ("business_run", "done", "kokuho", 2, None),
                ("code_run", "running", None, None, None),
                ("file", "done", "kokuho", 2, 2),
                ("file", "done", "kokuho", 2, 2),
            ],
            key=str,
        )
        assert all(one["started_at"] for one in found)
        assert [one["started_at"] for one in found] == sorted((one["started_at"] for one in found), reverse=True)
        transfer = await jobs(caller, token, kind="business_run", state="done")
        assert transfer[0]["counts"] == {"transfer": 1, "registered": 2}
        assert await jobs(caller, token, id=transfer[0]["id"]) == transfer
        assert await jobs(caller, token, state="failed") == []
        assert len(await jobs(caller, token, most=1)) == 1


async def test_a_run_is_repeated_once_under_one_key_and_a_file_by_its_sender_alone(both):
    await both.linkage.register("kanri", system="kanri", scopes=SCOPES)
    await both.linkage.register(scopes=SCOPES)
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1)])
        token, own = await caller.token("kanri"), await caller.token()
        await caller.post("/v1/business-information/comparisons", {"wait_ms": 20_000}, token=own, key="t")
        (run,) = await jobs(caller, token, kind="business_run")
        named = {"kind": "business_run", "id": run["id"]}
        answers = [await caller.post("/v1/jobs/retry", named, token=token, key="again") for _ in range(2)]
        assert [(answer.status, answer.body["id"] != run["id"]) for answer in answers] == [(202, True)] * 2
        assert answers[0].body == answers[1].body
        assert len(await jobs(caller, token, kind="business_run")) == 2
        (file, *_) = await jobs(caller, token, kind="file")
        assert not file["may_retry"]

        async def refused(body, key="k"):
            answer = await caller.post("/v1/jobs/retry", body, token=token, key=key)
            return answer.status, answer.body["reason"]

        assert await refused({"kind": "file", "id": file["id"]}) == (409, "job_not_repeatable")
        assert await refused({"kind": "file", "id": "addressees/0"}) == (404, "job_unknown")
        assert await refused({"kind": "nothing", "id": "1"}) == (404, "job_unknown")
        assert await refused({"kind": "file"}) == (400, "malformed_body")


async def test_a_file_of_which_nothing_was_taken_says_why(both):
    await both.linkage.register("kanri", system="kanri", scopes=SCOPES)
    async with both.served() as caller:
        folder = both.spool / "setagaya" / "kokuho" / "addressees"
        (folder / "failed").mkdir(parents=True, exist_ok=True)
        (folder / "failed" / "broken.csv.reason.json").write_text("{")
        (folder / "in" / "absent.csv.manifest.json").write_text(
            json.dumps(
                {"file": "absent.csv", "kind": "addressees", "count": 1, "sha256": "0" * 64, "encoding": "utf-8"}
            )
        )
        token = await caller.token("kanri")
        for _ in range(100):
            if found := await jobs(caller, token, state="failed"):
                break
        assert [(one["kind"], one["id"], one["reason"]) for one in found] == [
            ("failed_file", "kokuho/addressees/absent.csv", "file_missing")
        ]


async def test_jobs_take_a_right_of_their_own(both):
    async with both.served() as caller:
        token = await caller.token()
        for path in ("/v1/jobs", "/v1/jobs/retry"):
            answer = await caller.post(path, {"kind": "file", "id": "1"}, token=token, key="k")
            assert (answer.status, answer.body["reason"]) == (403, "scope_missing")


async def test_history_is_kept_for_its_time(both):
    await both.linkage.register("kanri", system="kanri", scopes=SCOPES)
    await both.linkage.register(scopes=SCOPES)
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        own = await caller.token()
        await caller.post("/v1/business-information/transfers", {"wait_ms": 20_000}, token=own, key="t")
        assert len(await jobs(caller, await caller.token("kanri"))) == 2
    async with both.served(jobs_keep_s=0) as caller:
        assert await jobs(caller, await caller.token("kanri")) == []
        left = await until(lambda: both.linkage.rows("select 1 from business_run"), lambda rows: not rows)
    assert left == []
    assert len(await both.linkage.rows("select 1 from intake")) == 1
