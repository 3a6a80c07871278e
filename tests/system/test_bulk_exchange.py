"""An inquiry file over the real servers: what each line meets at the list, the network and the provider, and a server that dies in the middle."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.demonstration.stage import WARD
from tests.support.bulk_world import deposit, file_of, request, result_bytes, rows, until_there
from tests.support.running_system import RESIDENTS, System, entries, insisting, started, until
from tests.support.webhook import WEBHOOK, receiving

QUICK = {
    "inquiry_file_patience_s": 2,
    "inquiry_file_look_s": 0.3,
    "inquiry_file_supplement_look_s": 0.5,
    "resend_after_s": 1,
    "push_hosts": {WARD: [WEBHOOK]},
}
MANY = 120


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """The ward knows some people; 内閣総理大臣 knows fewer, and has accounts of fewer still."""
    with started(tmp_path_factory.mktemp("bulk"), options=QUICK) as running:
        yield asyncio.run(_people(System(running=running)))


async def _people(system: System) -> System:
    answered, barred, without_account, *_ = system.insured[:6]
    many = system.new_people(MANY)
    await system.populate([*system.insured[:6], *many])
    await system.register(RESIDENTS, [*system.insured[:4], *many])
    await system.register("naikaku-gyomu", [answered, barred, without_account, *many])
    for each in (RESIDENTS, "naikaku-gyomu"):
        await system.obtain_codes(each)
    await system.register(RESIDENTS, system.insured[4:5])  # who has no code
    accounts = [system.account(answered), system.account(barred, barred=True), *map(system.account, many)]
    await system.load_records("naikaku-gyomu", accounts, "accounts.ndjson", agency="naikaku")
    system.many = many
    return system


def folder_of(system):
    return system.stage.spool("linkage", WARD, RESIDENTS, "inquiries")


def line(system, person, **changes):
    return request(0, addressee_number=system.number(RESIDENTS, person), **changes)


async def test_each_line_is_told_what_it_met(system):
    answered, barred, without_account, unknown_there, no_code, nobody = system.insured[:6]
    lines = [
        line(system, answered),
        line(system, barred),
        line(system, without_account),
        line(system, unknown_there),
        line(system, no_code),
        line(system, nobody),
        line(system, answered, information="TM00000000090002"),
        line(system, answered, provider="13115", information="TM00000000000002"),
        line(system, answered, provider="99999"),
    ]
    deposit(folder_of(system), file_of(lines), "each.dat", count=len(lines))
    found = rows(await result_bytes(folder_of(system), "each.dat"))
    assert [row[19] for row in found] == [
        "answered", "held", "no_replica", "no_such_person", "code_not_obtained", "addressee_unknown", "not_permitted", "no_such_person",
        "provider_unknown",
    ]  # fmt: skip
    assert (found[0][23], found[0][25], found[0][26], found[0][22]) == ("09", "01", "正常終了", "agree")
    assert found[0][44] == system.account(answered).items["口座番号"]
    assert found[6][26].startswith("指定された特定個人情報名「ＴＭ０００")
    records = [entries(await system.export(WARD), number=row[18]) for row in found[:5]]
    assert all(kept[0]["kind"] in {"inquiry.registered", "inquiry.refused"} for kept in records)
    assert all(len([one for one in kept if one["kind"] == "inquiry.registered"]) <= 1 for kept in records)


async def test_whoever_wants_it_is_told_of_an_end_of_each_kind_and_of_a_file_with_its_supplement(system):
    answered, barred, without_account, *_ = system.insured

    async def configure(**wanted):
        async with system.stage.system(RESIDENTS) as caller:
            await caller.post(
                "/v1/push-targets",
                {"staff": "s-1", "kind": "webhook", "url": f"https://{WEBHOOK}/changes", "inquiry_results": True}
                | wanted,
            )

    async with receiving(system) as got:
        await configure()
        asked = [await system.ask(RESIDENTS, system.from_the_ward(one)) for one in (answered, barred, without_account)]
        assert [one["state"] for one in asked] == ["answered", "held", "not_provided"]
        refused = await system.ask(RESIDENTS, system.from_the_ward(answered, provider="suginami"))
        assert refused["state"] == "refused"
        deposit(folder_of(system), file_of([line(system, one) for one in (answered, barred)]), "told.dat", count=2)
        found = rows(await result_bytes(folder_of(system), "told.dat"))
        assert [row[19] for row in found] == ["answered", "held"]
        for number in (asked[1]["inquiry_number"], found[1][18]):
            await system.decide("naikaku", await system.held("naikaku", number), approve=True)
        wanted = {
            *((one["inquiry_number"], one["state"]) for one in [*asked, refused]),
            (asked[1]["inquiry_number"], "answered"),
            ("told.dat", 0),
            ("told.dat", 1),
        }

        async def told():
            return [(one.get("inquiry_number") or one["file"], one.get("state", one.get("supplement"))) for one in got]

        assert sorted(await until(told, lambda seen: set(seen) >= wanted), key=str) == sorted(wanted, key=str)
        await configure(state="off")


async def test_what_a_provider_that_is_down_owes_comes_when_it_is_back(system):
    await insisting(lambda: system.faults(provider_down=10_000))
    deposit(folder_of(system), file_of([line(system, one) for one in system.many[:20]]), "down.dat", count=20)
    found = rows(await result_bytes(folder_of(system), "down.dat"))
    await insisting(lambda: system.faults(provider_down=0))
    assert {row[19] for row in found} == {"waiting"}

    async def states():
        async with system.stage.system(RESIDENTS) as caller:
            files = (await caller.post("/v1/inquiry-files/status", {}))["files"]
        return next(one for one in files if one["file"] == "down.dat")

    status = await until(states, lambda one: one["state"] == "settled")
    assert (status["lines_done"], status["lines_open"]) == (20, 0)
    parts = [rows(path.read_bytes()) for path in sorted(folder_of(system).glob("done/down.dat.supplement-*.csv"))]
    brought = [row for part in parts for row in part]
    assert sorted(row[18] for row in brought) == sorted(row[18] for row in found)
    assert {row[23] for row in brought} == {"09"}


async def test_servers_that_die_in_the_middle_cost_no_line_and_no_second_inquiry(system):
    name = "killed.dat"
    lines = [line(system, one, user_id="killed") for one in system.many]
    folder = folder_of(system)
    system.reconfigure("linkage", bulk_lines_per_request=8)
    deposit(folder, file_of(lines), name, count=MANY)
    for role in ("linkage", "intermediate", "linkage"):
        await asyncio.sleep(0.25)
        system.running.kill(role)
        system.running.restart(role)
    result = await result_bytes(folder, name)
    found = rows(result)
    assert {row[23] for row in found} == {"09"}
    exported = await system.export(WARD)
    mine = [
        one["inquiry_number"]
        for one in entries(exported, kind="inquiry.registered")
        if one["actor"].endswith("/killed")
    ]
    assert sorted(mine) == sorted(row[18] for row in found)
    assert system.findings(await system.exports(WARD, "naikaku", "suginami")) == []


async def test_online_inquiries_are_answered_beside_a_file(system):
    lines = [line(system, one, user_id="beside") for one in system.many]
    deposit(folder_of(system), file_of(lines), "beside.dat", count=MANY)
    answers = [await system.ask(RESIDENTS, system.from_the_ward(one)) for one in system.many[:5]]
    assert all(
        answer["state"] == "answered" and answer["match"]["result"] in {"agree", "not_comparable"} for answer in answers
    )
    found = rows(await result_bytes(folder_of(system), "beside.dat"))
    assert {row[23] for row in found} == {"09"}


async def test_no_number_of_a_person_is_in_the_servers_logs_or_metrics(system):
    deposit(
        folder_of(system),
        file_of([line(system, one, user_id="logged") for one in system.many]),
        "logged.dat",
        count=MANY,
    )
    await result_bytes(folder_of(system), "logged.dat")
    numbers = {system.number(RESIDENTS, one) for one in system.many} | {one.individual_number for one in system.many}
    logs = "".join(path.read_text(encoding="utf-8") for path in system.running.data.root.glob("roles/*/server.log*"))
    assert not [number for number in numbers if number in logs]
    manifest = json.loads((await until_there(folder_of(system) / "done" / "logged.dat.manifest.json")).decode())
    assert manifest["count"] == MANY
