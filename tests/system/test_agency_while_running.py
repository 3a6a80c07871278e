"""An agency comes and goes while everything runs: no role is started again, and nobody else notices (NW, IS-8; docs/adr/0080)."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from gateway.__main__ import main
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, OK
from gateway.own_topology import read as own_topology
from synthetic.business import MEDICAL_INSURANCE
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, insisting, same_values, started, until

KAWASAKI = """agency:
  id: kawasaki
  code: "9999000000000101"
  name: 川崎市長
  systems:
    - {id: kawasaki-gyomu, name: 市 業務, individual_number: true, grants: [addressees:register, code-requests:create, inquiries:create]}
hosted_by: {linkage: neighbours-linkage, intermediate: neighbours-intermediate}
"""
ATAMI = (
    KAWASAKI.replace("kawasaki", "atami")
    .replace("川崎", "熱海")
    .replace("000101", "000102")
    .replace("hosted_by", "hosted_by")
)
ASKER = "kawasaki-gyomu"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """Somebody who is insured at the ward, and known at 杉並区."""
    with started(tmp_path_factory.mktemp("coming"), options={"resend_after_s": 1}) as running:
        found = System(running=running)
        asyncio.run(_person(found))
        yield found


async def _person(system: System) -> None:
    person = system.insured[0]
    await system.populate([person])
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu"):
        await system.register(each, [person])
    for each in (RESIDENTS, "suginami-gyomu"):
        await system.obtain_codes(each)
    await system.load_records(INSURANCE, system.insurance(person), "base.ndjson")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sekisho(system: System, *words: object) -> int:
    return main(["agency", *map(str, words), "--data", str(system.running.data.root)])


async def asked(system: System, asker: str = "suginami-gyomu") -> dict:
    return await system.ask(asker, system.to_the_ward(system.insured[0], asker))


async def beside_traffic(system: System, *words: object) -> tuple[int, set[str]]:
    """Exit code of a command, and the states of inquiries of others meanwhile."""
    changing = asyncio.create_task(asyncio.to_thread(sekisho, system, *words))
    states = {(await asked(system))["state"]}
    while not changing.done():
        states.add((await asked(system))["state"])
    return changing.result(), states


def pids(system: System) -> dict[str, int]:
    return {role: system.running.pid(role) for role in system.running.roles}


async def test_nw_an_agency_that_is_added_while_everything_runs_asks_and_is_asked(system, tmp_path, capsys):
    before, person = pids(system), system.insured[0]
    file = tmp_path / "kawasaki.yaml"
    file.write_text(KAWASAKI, encoding="utf-8")

    assert await beside_traffic(system, "add", file) == (OK, {"answered"})

    assert "restart" not in capsys.readouterr().err
    system.running.topology = own_topology(system.running.data)  # what this test finds servers by
    await insisting(lambda: system.register(ASKER, [person]))  # opened within a second: 503 and Retry-After till then
    await system.obtain_codes(ASKER)
    answer = await asked(system, ASKER)
    assert answer["state"] == "answered", answer
    assert same_values(answer, system.insurance(person))
    of_it = {"provider": "kawasaki", "item": "27", "information": MEDICAL_INSURANCE}
    other_way = await system.ask(RESIDENTS, system.from_the_ward(person, **of_it))
    assert (other_way["state"], other_way["outcome"]) == ("not_provided", "no_replica")
    assert [one.name.value for one in system.findings(await system.exports(WARD, "kawasaki"))] == []
    assert pids(system) == before
    assert all(system.running.ended(role) is None for role in before)


async def test_nw_a_mistake_in_its_file_changes_nothing_at_a_running_system(system, tmp_path, capsys):
    role_files = {path: path.read_bytes() for path in system.running.data.root.glob("roles/*/role.json")}
    file = tmp_path / "again.yaml"
    file.write_text(ATAMI.replace("000102", "000101"), encoding="utf-8")
    assert await asyncio.to_thread(sekisho, system, "add", file) == BAD_INPUT
    assert {path: path.read_bytes() for path in role_files} == role_files


async def test_nw_an_agency_that_leaves_a_running_system_takes_no_part_and_the_next_one_comes(system, tmp_path):
    before, person = pids(system), system.insured[0]

    assert await beside_traffic(system, "remove", "kawasaki") == (OK, {"answered"})

    async def let_in() -> bool:
        try:
            async with system.stage.system(ASKER) as caller:
                await caller.inquire([system.to_the_ward(person, ASKER)], wait_ms=0, key="a-key-of-before")
        except UnexpectedAnswerError:
            return False
        return True

    assert not await until(let_in, lambda found: not found)
    refused = await system.ask(RESIDENTS, system.from_the_ward(person, provider="kawasaki"))
    assert (refused["state"], refused["reason"]) == ("refused", "agency_unknown")
    file = tmp_path / "atami.yaml"
    file.write_text(ATAMI, encoding="utf-8")
    assert await beside_traffic(system, "add", file) == (OK, {"answered"})
    await insisting(lambda: system.register("atami-gyomu", [person]))
    await system.obtain_codes("atami-gyomu")
    assert (await asked(system, "atami-gyomu"))["state"] == "answered"
    assert pids(system) == before
    document = json.loads((system.running.data.role("neighbours-intermediate") / "role.json").read_bytes())
    assert document["options"]["resend_after_s"] == 1


async def test_sc_7_who_was_added_and_removed_is_in_the_cores_log_and_what_was_refused_is_not(system):
    changed = [one["facts"] for one in entries(await system.export("network"), kind="agency.changed")]
    added = {"agency": "kawasaki", "code": "9999000000000101", "change": "added", "file": digest(KAWASAKI.encode())}
    gone = digest((system.running.data.agencies / "kawasaki.yaml").read_bytes())
    atami = {"agency": "atami", "code": "9999000000000102", "change": "added", "file": digest(ATAMI.encode())}
    assert changed == [added, added | {"change": "removed", "file": gone}, atami]


async def test_what_an_agency_that_has_left_has_on_record_is_traced_and_exported_still(system, tmp_path, capsys):
    core = entries(await system.export("network"), kind="permit.issued")
    number = next(one["inquiry_number"] for one in core if one["inquirer"] == "kawasaki")
    root, page, out = str(system.running.data.root), tmp_path / "trace.html", tmp_path / "kawasaki.ndjson"

    def commands(*words: object) -> int:
        return main([*map(str, words), "--data", root])

    assert await asyncio.to_thread(commands, "trace", number, "--json", "--html", page) == OK
    found = json.loads(capsys.readouterr().out)
    assert [(one["party"], one["kind"]) for one in found["entries"]] == [
        ("kawasaki", "inquiry.registered"),
        ("network", "permit.issued"),
        ("kawasaki", "inquiry.permitted"),
        (WARD, "provision.made"),
        ("network", "provision.relayed"),
        ("kawasaki", "inquiry.answered"),
    ]
    assert found["left"] == {"kawasaki": "2022-10-03"}
    assert "6 / 6 検証" in page.read_text()
    assert await asyncio.to_thread(commands, "trace", number) == OK
    assert "kawasaki は 2022-10-03 に外れた" in capsys.readouterr().out
    assert await asyncio.to_thread(commands, "export", "--agency", "kawasaki", out) == OK
    assert await asyncio.to_thread(commands, "verify", out) == OK
