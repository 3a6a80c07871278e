"""Business statistics over a real log (IS-10, SC-23): counted once, small numbers never told, only by those with the right."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime

import pytest

from evidence.entry import EntryKind
from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.intermediate_server.operations.statistics import STRETCH
from tests.support.staff_terminal import first, somebody
from tests.support.written_log import append, ended, log_of

AUGUST = datetime(2022, 8, 20, 3, tzinfo=UTC)
IN_SEPTEMBER_IN_JAPAN = datetime(2022, 8, 31, 15, tzinfo=UTC)
ASKED = {"since": "2022-08", "until": "2022-09"}


def past():
    """Two months of an agency: (kind, instant, facts, how often)."""
    provided, refused, answered = EntryKind.PROVISION_MADE, EntryKind.PROVISION_REFUSED, EntryKind.INQUIRY_ANSWERED
    account = {"basis": "beppyo2-2022", "item": "42", "information": "公的給付支給等口座登録簿関係情報"}
    asked = {"inquirer": "setagaya", "provider": "naikaku"}
    for kind, at, facts, times in (
        (provided, AUGUST, {}, 120),
        (provided, AUGUST, {"inquirer": "tokyo"}, 25),
        (provided, AUGUST, {"inquirer_for": "koiki-rengo"}, 33),
        (provided, AUGUST, {"provider_for": "koiki-rengo"}, 34),
        (provided, AUGUST, {"inquirer": "koiki-rengo"}, 4),
        (refused, AUGUST, {"reason": "refused_by_staff"}, 11),
        (refused, AUGUST, {"reason": "inquirer_not_in_row"}, 12),
        (refused, AUGUST, {"reason": "a text of a peer"}, 15),
        (EntryKind.PROVISION_RELEASED, AUGUST, {}, 16),
        (EntryKind.INQUIRY_ABORTED, AUGUST, {**asked, "reason": "deadline_passed"}, 17),
        (EntryKind.INQUIRY_ABORTED, AUGUST, {**asked, "reason": "outcome_signature"}, 18),
        (EntryKind.PROVISION_HELD, AUGUST, {}, 50),
        (answered, AUGUST, {**asked, "item": "a text of a caller"}, 12),
        (answered, IN_SEPTEMBER_IN_JAPAN, {**asked}, 3),
        (provided, IN_SEPTEMBER_IN_JAPAN, account, 10),
    ):
        yield from (ended(kind, at, **facts) for _ in range(times))


@pytest.fixture(scope="module")
def counted(running):
    async def write():
        async with log_of(running) as log:
            await append(log, list(past()))

    asyncio.run(write())
    return running


async def ask(desk, person, **item):
    return await desk.call(person, "statistics", {**ASKED, **item})


def said(numbers, *names):
    return {tuple(number[name] for name in names): number["exchanges"] for number in numbers}


async def test_exchanges_are_counted_by_month_partner_and_outcome_and_small_ones_together(counted, desk):
    status, told = await ask(desk, await desk.entered(first(counted, "staff-1")))
    assert (status, told["threshold"]) == (200, 10)
    provisions = [number for number in told["numbers"] if number["direction"] == "provision"]
    parties = ("partner", "inquirer_for", "provider_for")
    assert said(provisions, "month", "item", *parties, "kind", "outcome") == {
        ("2022-08", "27", "suginami", "", "", "provision.made", "answered"): 120,
        ("2022-08", "27", "suginami", "koiki-rengo", "", "provision.made", "answered"): 33,
        ("2022-08", "27", "suginami", "", "koiki-rengo", "provision.made", "answered"): 34,
        ("2022-08", "27", "suginami", "", "", "provision.released", "answered"): 16,
        ("2022-08", "27", "suginami", "", "", "provision.refused", "refused_by_staff"): 11,
        ("2022-08", "27", "suginami", "", "", "provision.refused", "refused_by_list"): 12,
        ("2022-08", "27", "suginami", "", "", "provision.refused", "refused"): 15,
        ("2022-08", "27", None, None, None, "provision.made", "answered"): 29,
        ("2022-09", "42", "suginami", "", "", "provision.made", "answered"): 10,
    }
    inquiries = [number for number in told["numbers"] if number["direction"] == "inquiry"]
    unlisted = [one for one in inquiries if one["item"] == "unlisted"]
    assert said(unlisted, "month", "basis", "item", "information") == {("2022-08", "", "unlisted", "unlisted"): 12}
    assert {(one["outcome"], one["exchanges"]) for one in inquiries} >= {("timed_out", 17), ("aborted", 18)}


async def test_an_entry_counts_once_however_often_somebody_asks_and_beside_another_counter(counted, desk, other_desk):
    one, other = await desk.entered(first(counted, "staff-1")), await other_desk.entered(first(counted, "staff-2"))
    before = (await ask(desk, one))[1]["numbers"]
    async with log_of(counted) as log:
        more = [ended(EntryKind.PROVISION_MADE, AUGUST) for _ in range(STRETCH + 100)]
        await append(log, more)
    answers = await asyncio.gather(*(ask(*by) for _ in range(4) for by in ((desk, one), (other_desk, other))))
    names = ("month", "item", "partner", "inquirer_for", "provider_for", "kind")
    after = said(answers[0][1]["numbers"], *names)
    place = ("2022-08", "27", "suginami", "", "", "provision.made")
    assert after[place] == said(before, *names)[place] + len(more)
    assert all(answer == answers[0] for answer in answers)


async def test_a_month_that_goes_on_is_not_told(counted, desk):
    person = await desk.entered(first(counted, "staff-1"))
    assert await ask(desk, person, until="2022-10") == (400, "month_not_over")
    assert await ask(desk, person, since="2022-09", until="2022-08") == (400, "malformed_item")
    assert await ask(desk, person, since="2012-09") == (400, "malformed_item")


async def test_only_those_with_the_right_are_told_and_of_their_affair_alone(counted, desk):
    one, other = await desk.entered(first(counted, "admin-1")), await desk.entered(first(counted, "admin-2"))
    assert await ask(desk, one) == (403, "right_missing")
    clerk = await desk.entered(first(counted, "staff-1"))
    limited = somebody()
    await desk.add(one, limited)
    await desk.granted(one, other, limited, "statistics", affair="42")
    await desk.entered(limited)
    numbers = (await ask(desk, limited))[1]["numbers"]
    assert {number["item"] for number in numbers} == {"42"}
    everything = (await ask(desk, clerk))[1]["numbers"]
    assert [number for number in numbers if number not in everything] == []


async def test_every_look_is_on_record(counted, desk):
    clerk = await desk.entered(first(counted, "staff-1"))
    await ask(desk, clerk, since="2022-09")
    async with log_of(counted) as log, log.database.inside(log.tenant) as connection:
        bodies = await connection.fetch(
            "select body from log_entry where kind = 'staff.operated' order by idx desc limit 3"
        )
    facts = [json.loads(row["body"])["facts"] for row in bodies]
    assert [one["function"] for one in facts if one.get("since") == "2022-09"] == ["statistics"]


def test_the_command_adds_up_what_was_told(counted, capsys):
    words = [
        "statistics",
        "--agency",
        "setagaya",
        "--from",
        "2022-08",
        "--to",
        "2022-09",
        "--data",
        str(counted.data.root),
    ]
    assert main([*words, "--csv", "--by", "month,direction,affair"]) == OK
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {"month": "2022-09", "direction": "provision", "affair": "beppyo2-2022:42", "exchanges": "10"} in rows
    assert main([*words, "--by", "outcome"]) == OK
    assert "numbers below 10" in capsys.readouterr().out
    assert main([*words[:-3], "2022-10", *words[-2:]]) == REFUSED
    assert "month_not_over" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended_with:
        main([*words, "--by", "month,name"])
    assert ended_with.value.code == BAD_INPUT
