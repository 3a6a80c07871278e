"""A linkage server that was lost comes back with its people, links and holds, and with nothing that ended since; no number of somebody's becomes another's (SC-15)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence.entry import EntryKind
from evidence.findings import FindingName
from evidence.orders import OrderKind
from gateway import backup_orders, staff_calls
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK, REFUSED, UNREACHABLE
from gateway.launcher import RoleNotStartedError
from storage.backups.form import BackedUp, read_head
from storage.marks import Marks
from synthetic.people import Person
from tests.support.backup_world import BackupWorld
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, started, until

ROLE, SCHEMA = "linkage", "a_setagaya_linkage"
AUDITOR = "kansa"
KEEPER = ("--agency", WARD, "--staff", "keeper")
CHANGED = {"枝番": "02"}
REOPENED = "founding.commit.linkage.log.reopened"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Work, a backup, more work, the loss of the schema, restores that die, one that does not, its lifting; each test looks at one side of it."""
    with started(tmp_path_factory.mktemp("linkage-backup"), options={"resend_after_s": 1}) as running:
        made = BackupWorld(
            system=System(running=running),
            folder=tmp_path_factory.mktemp("linkage-backups"),
            role=ROLE,
            schema=SCHEMA,
            database="linkage",
        )
        asyncio.run(_before(made))
        _make(made)
        asyncio.run(_after(made))
        running.kill(ROLE)
        asyncio.run(made.lose())
        _restore(made)
        asyncio.run(_come_back(made))
        asyncio.run(_lifted(made))
        yield made


def _people(world: BackupWorld) -> list[Person]:
    return world.system.insured[:4]


async def _before(world: BackupWorld) -> None:
    system, cast = world.system, _people(world)
    world.found["new"] = system.new_people(4)
    await system.populate([*cast, *world.found["new"]])
    for client in (RESIDENTS, INSURANCE):
        await system.register(client, cast)
    await system.obtain_codes(RESIDENTS)
    records = [record for person in cast[:3] for record in system.insurance(person)]
    await system.load_records(INSURANCE, records, "base.ndjson")
    held = system.row(RESIDENTS, world.found["new"][3], number=cast[0].individual_number)
    async with system.stage.system(RESIDENTS) as caller:
        [answer] = (await caller.post("/v1/addressees", {"items": [held]}))["items"]
    world.found["hold"] = (answer["outcome"], answer["reason"])
    world.numbers["kept"] = await _number(world, cast[0])


async def _number(world: BackupWorld, person: Person) -> int:
    query = "select integrated_number from addressee where business_system_id = $1 and addressee_number = $2"
    [row] = await world.ask_database(query, RESIDENTS, world.system.number(RESIDENTS, person))
    return row[0]


def _make(world: BackupWorld) -> None:
    found, system = world.found, world.system
    found["by staff"] = world.backup("create", str(world.folder / "x.backup"), "--staff", "staff-1")
    found["made"] = world.backup("create", str(world.file))
    found["verified"] = world.backup("verify", str(world.file))
    found["key rotated"] = world.sekisho("keys", "rotate", "backup-key", "--agency", WARD)
    world.add_keeper("addressees")
    found["by a keeper"] = [
        world.sekisho("backup", "create", str(world.folder / f"{name}.by-keeper"), "--database", name, *KEEPER)
        for name in ("linkage", "intermediate")
    ]
    party = staff_calls.party(system.running.data, WARD, "admin-1")
    order = backup_orders.ask(party, OrderKind.BACKUP_MAKE, BackedUp.LINKAGE)
    linkage = replace(party, url=staff_calls.servers(system.running.data)["linkage"][WARD], prefix="")
    found["orders"] = [_carried(linkage, said) for said in (order, order, order.replace(WARD, "suginami"))]
    lift = backup_orders.ask(party, OrderKind.RESTORE_LIFT, BackedUp.LINKAGE, "B" + "0" * 26)
    found["orders"] += [_carried(linkage, lift), _carried(linkage, lift, "/lift")]


def _carried(linkage: staff_calls.Party, order: str, path: str = "") -> str:
    try:
        return f"{len(staff_calls.answer_for(linkage, f'/backups/{WARD}{path}', order.encode())) > 1_000}"
    except staff_calls.RefusedError as no:
        return no.reason


async def _after(world: BackupWorld) -> None:
    """What is lost with the schema: people with codes, a change and a deletion of originals, another secret of a business system."""
    system, cast, new = world.system, _people(world), world.found["new"]
    async with system.stage.system("kanri") as caller:
        world.found["jobs"] = (await caller.post("/v1/jobs", {"kind": "backup"}))["items"]
    await system.register(RESIDENTS, new[:2])
    await system.obtain_codes(RESIDENTS)
    world.numbers["lost"] = {await _number(world, person) for person in new[:2]}
    changed = system.insurance(cast[1], **CHANGED)
    await system.load_records(INSURANCE, changed, "changed.ndjson")
    async with system.stage.system(INSURANCE) as caller:
        gone = [
            {name: line[name] for name in ("record_id", "addressee_number", "information", "data_set")}
            | {"operation": "delete"}
            for line in (record.as_line() for record in system.insurance(cast[2]))
        ]
        stated = {"staff": "s-01", "affair": "insurance-qualification", "reason": "資格の喪失"}
        await caller.post("/v1/business-information", {**stated, "items": gone}, key=secrets.token_hex(16))
    world.found["deleted"] = {record["record_id"] for record in gone}
    world.found["copies"] = await until(lambda: _copies(world), lambda found: not world.found["deleted"] & set(found))
    world.found["old secret"] = system.running.data.client(INSURANCE).read_bytes()
    await asyncio.to_thread(world.done, "clients", "rotate", INSURANCE)
    world.found["log"] = await system.linkage_log()


async def _copies(world: BackupWorld) -> dict[str, int]:
    """Record id without the system → revision of the copy."""
    async with world.system.administrator() as connection:
        rows = await connection.fetch("select record_id, revision from a_setagaya_intermediate.replica")
    return {row["record_id"].partition("/")[2]: row["revision"] for row in rows}


def _restore(world: BackupWorld) -> None:
    found, system = world.found, world.system
    found["restored by staff"] = world.backup("restore", str(world.file), "--staff", "staff-1")
    marks = system.running.role(ROLE).hosted[WARD].keys.with_suffix(".marks")
    kept = marks.read_bytes()
    marks.unlink()
    found["without marks"] = world.backup("restore", str(world.file))
    marks.write_bytes(kept)
    found["died before"] = world.restore_that_dies("restore.commit.restored.before")
    found["then"] = asyncio.run(world.ask_database("select count(*) from person"))[0][0]
    found["died after"] = world.restore_that_dies("restore.commit.restored.after")
    found["restored twice"] = world.backup("restore", str(world.file))
    found["before it is opened"] = world.sekisho("clients", "rotate", RESIDENTS, "--agency", WARD, "--staff", "admin-1")


async def _come_back(world: BackupWorld) -> None:
    """The server dies while it opens the log anew, and comes again; business systems get new secrets, and people come who were registered since."""
    system, found = world.system, world.found
    with contextlib.suppress(RoleNotStartedError):
        system.running.restart(ROLE, fault=f"{REOPENED}.after")
    assert system.running.wait_ended(ROLE) == -signal.SIGKILL
    system.running.restart(ROLE)
    [row] = await world.ask_database("select backup_id from restore")
    found["backup id"] = row[0]
    system.running.data.client(INSURANCE).write_bytes(found["old secret"])
    found["old secret works"] = await _refusal(lambda: _token(system, INSURANCE))
    found["resumed without a secret"] = await asyncio.to_thread(_resumed_alone, world)
    for client in (RESIDENTS, INSURANCE, AUDITOR):
        await asyncio.to_thread(_new_secret, world, client)
    question = system.from_the_ward(_people(world)[0])
    found["asked"] = await _refusal(lambda: _ask(system, question))
    repair: dict[str, Any] = {"repair": True}
    found["repaired"] = await _refusal(lambda: _post(system, INSURANCE, "/v1/business-information/comparisons", repair))
    new = found["new"]
    await system.register(RESIDENTS, [new[2], new[0]])
    world.numbers["issued"] = {await _number(world, person) for person in (new[2], new[0])}
    found["copies then"] = await _copies(world)


def _resumed_alone(world: BackupWorld) -> tuple[int, str]:
    return world.sekisho("clients", "resume", RESIDENTS, "--agency", WARD, "--staff", "admin-1")


def _new_secret(world: BackupWorld, client: str) -> None:
    world.done("clients", "rotate", client)
    world.done("clients", "resume", client)


async def _token(system: System, client: str) -> None:
    async with system.stage.system(client) as caller:
        await caller.post("/v1/log/search", {"items": []})


async def _ask(system: System, question: dict[str, Any]) -> None:
    async with system.stage.system(RESIDENTS) as caller:
        await caller.inquire([question], wait_ms=100, key=secrets.token_hex(16))


async def _post(system: System, client: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with system.stage.system(client) as caller:
        return await caller.post(path, body, key=secrets.token_hex(16))


async def _refusal(call: Any) -> str:
    try:
        await call()
    except UnexpectedAnswerError as problem:
        return str(problem)
    return "let in"


async def _lifted(world: BackupWorld) -> None:
    system, found = world.system, world.found
    lift = ("lift", found["backup id"], "--staff")
    found["lifted alone"] = await asyncio.to_thread(world.backup, *lift, "admin-1")
    system.running.kill(ROLE)
    for side in ("before", "after"):
        system.running.restart(ROLE, fault=f"restore.commit.lifted.{side}")
        died = await until(
            lambda: asyncio.to_thread(world.backup, *lift, "admin-2"), lambda said: "copies_not_compared" not in said[1]
        )
        assert (died[0], system.running.wait_ended(ROLE)) == (UNREACHABLE, -signal.SIGKILL)
    system.running.restart(ROLE)
    found["lifted again"] = await asyncio.to_thread(world.backup, *lift, "admin-2")
    changed = system.insurance(_people(world)[1], **CHANGED)
    await system.load_records(INSURANCE, changed, "again.ndjson")
    body = {"repair": True, "wait_ms": 20_000}
    found["comparison"] = await _post(system, INSURANCE, "/v1/business-information/comparisons", body)
    found["codes"] = await system.obtain_codes(RESIDENTS)


# --- who may


def test_only_an_administrators_order_makes_and_restores_a_backup_and_is_good_once(world):
    found = world.found
    assert (found["by staff"][0], "right_missing" in found["by staff"][1]) == (REFUSED, True)
    assert (found["made"][0], found["verified"][0]) == (OK, OK), found["made"]
    assert found["orders"] == [
        "True", "order_carried_out", "order_signature_invalid", "order_for_another_act", "restore_unknown",
    ]  # fmt: skip
    assert (found["restored by staff"][0], "right_missing" in found["restored by staff"][1]) == (REFUSED, True)


def test_a_right_to_backups_names_a_database(world):
    linkage, intermediate = world.found["by a keeper"]
    assert linkage[0] == OK, linkage
    assert (intermediate[0], "right_missing" in intermediate[1]) == (REFUSED, True)


async def test_orders_are_on_record_at_both_servers(world):
    ordered = entries(await world.system.export(WARD), kind="backup.ordered")
    acts = [(one["actor"], one["facts"]["act"], one["facts"]["database"]) for one in ordered]
    assert acts[0] == ("admin-1", "backup.make", "linkage")
    assert {act for _, act, _ in acts} == {"backup.make", "backup.restore", "restore.lift"}
    made = entries(world.found["log"], kind="backup.made")
    assert [one["facts"]["event"] for one in made[:2]] == ["begun", "made"]
    assert made[0]["facts"]["order"] in {one["facts"]["order"] for one in ordered}
    assert "order_signature_invalid" in {one["reason"] for one in entries(world.found["log"], kind="access.refused")}


async def test_is_8_the_backup_key_is_rotated_while_the_servers_run_and_each_opens_its_own_backups(world):
    """The backup that is restored later is sealed to the key of before."""
    assert world.found["key rotated"][0] == OK, world.found["key rotated"]
    files = (world.file, world.folder / "linkage.by-keeper")
    assert [world.backup("verify", str(file))[0] for file in files] == [OK, OK]
    assert len({read_head(io.BytesIO(file.read_bytes()))[0].recipient for file in files}) == 2
    said = [one["facts"] for one in entries(await world.system.export(WARD), kind="key.rotated")]
    assert [one["version"] for one in said if one["purpose"] == "backup-key"] == [2]


async def test_is_10_backups_of_the_linkage_server_are_jobs(world):
    """A restored one tells of the backup that it came from as one that was not finished: its end was written after it."""
    told = {(one["state"], one["done"] == one["total"], one["counts"]["person"] > 0) for one in world.found["jobs"]}
    assert told == {("done", True, True)}
    rows = await world.ask_database("select backup_id, reason from backup_run")
    assert [tuple(row) for row in rows] == [(world.found["backup id"], "server_stopped")]


def test_nothing_readable_lies_in_the_file(world):
    data = world.file.read_bytes()
    for word in (_people(world)[0].name, f"{world.numbers['kept']:015d}", "kokuho/", "oauth"):
        assert word.encode() not in data, word


# --- all of it or nothing


def test_a_restore_that_dies_leaves_nothing_or_all_of_it(world):
    found = world.found
    assert (found["died before"], found["then"], found["died after"]) == (-signal.SIGKILL, 0, -signal.SIGKILL)
    assert (found["restored twice"][0], "not empty" in found["restored twice"][1]) == (REFUSED, True)


# --- what is there again, and what is not


async def test_people_links_holds_and_originals_are_there_again(world):
    assert world.found["hold"][0] == "held"
    assert await _number(world, _people(world)[0]) == world.numbers["kept"]
    [holds] = await world.ask_database("select count(*) from review_hold where state = 'open'")
    assert holds[0] == 1
    [originals] = await world.ask_database("select count(*) from original where not deleted")
    assert originals[0] > 0


def test_a_number_that_was_issued_after_the_backup_is_never_issued_again(world):
    assert len(world.numbers["lost"]) == len(world.numbers["issued"]) == 2
    assert not world.numbers["lost"] & world.numbers["issued"]


def test_without_the_mark_of_issued_numbers_nothing_is_restored(world):
    code, told = world.found["without marks"]
    assert (code, ".marks" in told) == (REFUSED, True)


async def test_what_was_deleted_since_stays_deleted(world):
    rows = await world.ask_database("select record_id, deleted from original")
    deleted = {row["record_id"].partition("/")[2] for row in rows if row["deleted"]}
    assert world.found["deleted"] <= deleted
    assert not world.found["deleted"] & set(await _copies(world))


def test_no_secret_of_before_works(world):
    assert world.found["old secret works"].endswith("invalid_client"), world.found["old secret works"]
    code, told = world.found["resumed without a secret"]
    assert (code, "rotate first" in told) == (REFUSED, True)


# --- nothing leaves until another administrator has lifted it


def test_nothing_leaves_before_copies_are_compared_and_another_administrator_lifts_it(world):
    found = world.found
    assert [found[name].rpartition(" ")[2] for name in ("asked", "repaired")] == ["restore_not_lifted"] * 2
    assert found["copies then"] == found["copies"]
    assert (found["lifted alone"][0], "second_person_needed" in found["lifted alone"][1]) == (REFUSED, True)
    assert (found["lifted again"][0], "restore_unknown" in found["lifted again"][1]) == (REFUSED, True)


async def test_then_copies_and_codes_are_what_the_people_are(world):
    assert (world.found["comparison"]["state"], world.found["comparison"]["counts"].get("unreadable", 0)) == ("done", 0)
    async with world.system.administrator() as connection:
        rows = await connection.fetch(
            "select integrated_number from a_setagaya_intermediate.person_code where bound_at is not null"
        )
    holders = {int(row["integrated_number"]) for row in rows}
    assert world.numbers["issued"] | {world.numbers["kept"]} <= holders
    assert not world.numbers["lost"] & holders
    answer = await world.system.ask(RESIDENTS, world.system.from_the_ward(_people(world)[0]))
    assert answer["state"] in {"answered", "not_provided"}


# --- its log


async def test_its_log_goes_on_under_another_origin_and_says_what_is_lost(world):
    """The restore that died had an origin of its own in hand: nobody has seen anything of it."""
    exports = await world.system.exports(WARD)
    log = exports["linkage"]
    reopened, unused = entries(log, kind="log.reopened")
    assert (reopened["actor"], reopened["facts"]["times"]) == ("admin-1", 1)
    assert (unused["facts"]["times"], unused["facts"]["known_size"]) == (2, 0)
    assert reopened["facts"]["known_size"] > reopened["facts"]["size"] == entries(log).index(reopened)
    assert b"/linkage~2/2022" in log.splitlines()[0]
    [lifted] = entries(log, kind=EntryKind.RESTORE_LIFTED.value)
    assert (lifted["actor"], lifted["facts"]["backup"]) == ("admin-2", world.found["backup id"])
    assert world.system.findings(exports) == []


def test_no_command_appends_before_the_log_says_that_it_was_opened_anew(world):
    assert world.found["before it is opened"][0] == UNREACHABLE


async def test_the_same_backup_restored_once_more_signs_no_second_history(world):
    """The last test: the database is lost again, and the backup is the same."""
    system = world.system
    again = system.new_people(1)
    await system.populate(again)
    await system.register(RESIDENTS, again)
    number = await _number(world, again[0])
    system.running.kill(ROLE)
    await world.lose()
    code, told = await asyncio.to_thread(world.backup, "restore", str(world.file))
    assert code == OK, told
    system.running.restart(ROLE)
    not_yet = "select count(*) from log_opened_anew where not recorded"
    await until(lambda: world.ask_database(not_yet), lambda rows: rows[0][0] == 0)
    for client in (RESIDENTS, AUDITOR):
        await asyncio.to_thread(_new_secret, world, client)
    await system.register(RESIDENTS, world.found["new"][:1])
    assert await _number(world, world.found["new"][0]) not in {number, *world.numbers["lost"], *world.numbers["issued"]}
    exports = await system.exports(WARD)
    assert b"/linkage~3/2022" in exports["linkage"].splitlines()[0]
    assert [one["facts"]["times"] for one in entries(exports["linkage"], kind="log.reopened")] == [1, 2, 3]
    assert FindingName.FORK not in {one.name for one in system.findings(exports)}
    marks = Marks.beside(Path(system.running.role(ROLE).hosted[WARD].keys)).read()
    assert marks["log_openings"] == 3
