"""Jobs of the intermediate server (IS-10): the counting of the log, made anew on command; one list with the linkage server's."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

from evidence.entry import EntryKind
from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, UNREACHABLE
from tests.support.running_system import until
from tests.support.staff_terminal import first
from tests.support.written_log import append, ended, log_of

JULY = {"since": "2022-07", "until": "2022-07"}


async def jobs(desk, person, **wanted):
    status, answer = await desk.call(person, "jobs", wanted)
    assert status == 200, answer
    return answer["jobs"]


async def test_the_counts_are_made_anew_from_the_log(running, desk):
    clerk = await desk.entered(first(running, "staff-1"))
    async with log_of(running) as log:
        await append(log, [ended(EntryKind.PROVISION_MADE, datetime(2022, 7, 1, tzinfo=UTC)) for _ in range(11)])
        before = (await desk.call(clerk, "statistics", JULY))[1]["numbers"]
        assert [number["exchanges"] for number in before] == [11]
        async with log.database.inside(log.tenant) as connection:
            await connection.execute("update exchange_count set exchanges = 700 where month = '2022-07-01'")
    assert [number["exchanges"] for number in (await desk.call(clerk, "statistics", JULY))[1]["numbers"]] == [700]
    (counting,) = await jobs(desk, clerk, kind="statistics")
    assert (counting["state"], counting["may_retry"]) == ("done", True)
    assert 0 < counting["done"] <= counting["total"]
    assert (await desk.call(clerk, "jobs/retry", {"kind": "statistics", "id": "log"}))[0] == 200
    answer = await until(lambda: desk.call(clerk, "statistics", JULY), lambda answer: answer[0] == 200)
    assert answer[1]["numbers"] == before


async def test_unknown_jobs_and_missing_rights_are_refused(running, desk):
    clerk = await desk.entered(first(running, "staff-1"))
    for kind in ("backup", "山田太郎"):
        assert await desk.call(clerk, "jobs/retry", {"kind": kind, "id": "none"}) == (404, "job_unknown")
    async with log_of(running) as log, log.database.inside(log.tenant) as connection:
        typed = await connection.fetch("select from log_entry where position('山田' in convert_from(body, 'UTF8')) > 0")
    assert typed == []
    assert await desk.call(clerk, "jobs", {"state": "asleep"}) == (400, "malformed_item")
    administrator = await desk.entered(first(running, "admin-1"))
    assert await desk.call(administrator, "jobs", {}) == (403, "right_missing")
    assert await desk.call(administrator, "jobs/retry", {"kind": "statistics", "id": "log"}) == (403, "right_missing")


async def test_the_command_shows_what_answers_and_says_what_does_not(running, capsys):
    def sekisho(*words):
        code = main(["jobs", *words, "--agency", "setagaya", "--data", str(running.data.root)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    code, told, said = await asyncio.to_thread(sekisho, "list", "--json")
    assert (code, "not reachable: linkage" in said) == (UNREACHABLE, True)
    assert [(one["server"], one["kind"]) for one in json.loads(told)] == [("intermediate", "statistics")]
    code, told, _ = await asyncio.to_thread(sekisho, "show", "statistics", "log")
    assert (code, json.loads(told)[0]["id"]) == (UNREACHABLE, "log")
    assert (await asyncio.to_thread(sekisho, "retry", "statistics", "log"))[0] == UNREACHABLE
    code, _, said = await asyncio.to_thread(sekisho, "list", "--client", "nobody")
    assert (code, "no such agency" in said) == (BAD_INPUT, True)
    code, told, said = await asyncio.to_thread(sekisho, "list", "--json", "--staff", "admin-1")
    assert (code, told, "right_missing" in said) == (UNREACHABLE, "[]\n", True)
