"""A backup brings back what was there and nothing that was erased, and a database that was set back never signs a second history (SC-15)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from pathlib import Path
from typing import Any

import pytest

from evidence.agreement import agree
from evidence.entry import EntryKind
from evidence.export import LogParty
from evidence.findings import FindingName
from evidence.verify import Export, verify
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.exit_codes import FAILED, OK, REFUSED
from gateway.launcher import RoleNotStartedError
from storage.evidence_log import store as log_store
from tests.support.backup_world import BackupWorld
from tests.support.code_calls import status
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, started, until
from tests.support.written_log import append, ended, log_of
from tests.system.test_exchange import _people

ROLE, SCHEMA = "intermediate", "a_setagaya_intermediate"
PARTIES = (WARD, "naikaku", "suginami")
SUGINAMI = "suginami-gyomu"


class World(BackupWorld):
    """A ward whose schema was lost and restored."""

    def grants(self) -> list[dict[str, Any]]:
        return json.loads(self.done("staff", "grants", "--json", by="admin-2"))

    def secrets_of(self, who: str) -> Path:
        return self.system.running.data.staff_secrets(WARD, who)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Work, a backup, more work, an erasure, the loss of the ward's schema, its restore; each test looks at one side of it."""
    with started(tmp_path_factory.mktemp("backup"), options={"resend_after_s": 1}) as running:
        made = World(
            system=System(running=running),
            folder=tmp_path_factory.mktemp("backups"),
            role=ROLE,
            schema=SCHEMA,
            database="intermediate",
        )
        asyncio.run(_before(made))
        asyncio.run(_after(made))
        _erase(made)
        asyncio.run(made.lose())
        _restore(made)
        asyncio.run(_come_back(made))
        yield made


async def _before(world: World) -> None:
    system = world.system
    await _people(system)
    for who in ("leaver", "renewed"):
        await asyncio.to_thread(world.done, "staff", "add", who, "--office", "zeimu", "--until", "2026-04-01")
    await system.load_records(INSURANCE, system.insurance(system.insured[2]), "copies.ndjson")
    system.reconfigure(ROLE, keep_result_s=6 * 24 * 3600)
    world.numbers["erased"] = await _asked(system)
    system.reconfigure(ROLE, keep_result_s=8 * 24 * 3600)
    world.numbers["kept"] = await _asked(system)
    world.numbers["provided"] = await _provided(system)
    await _write_a_right(system)
    world.found["by staff"] = await asyncio.to_thread(
        world.backup, "create", str(world.folder / "x.backup"), "--staff", "staff-1"
    )
    world.found["by an administrator"] = await asyncio.to_thread(world.backup, "create", str(world.file))
    world.found["log"] = await system.export(WARD)


async def _write_a_right(system: System) -> None:
    """SC-20: whoever writes the database gives staff-1 an administrator's right to backups, with its mark; the backup has that row too."""
    names = "affair, information, file, valid_from, valid_until, state, version, requested_by, requested_card, approved_by, approved_card, approved_digest, mark"
    async with system.administrator() as connection:
        written = await connection.execute(
            f"insert into {SCHEMA}.staff_grant (grant_id, staff_id, function, office, {names})"
            f" select 'G' || repeat('0', 26), m.staff_id, g.function, m.office, {', '.join(f'g.{name}' for name in names.split(', '))}"
            f" from {SCHEMA}.staff_grant g, {SCHEMA}.staff_member m"
            " where g.staff_id = 'admin-1' and g.function = 'backup' and m.staff_id = 'staff-1'"
        )
    assert written == "INSERT 0 1"


async def _asked(system: System) -> str:
    answer = await system.ask(RESIDENTS, system.from_the_ward(system.insured[0]))
    assert answer["state"] == "answered"
    return answer["inquiry_number"]


async def _provided(system: System, person: int = 0) -> str:
    answer = await system.ask(SUGINAMI, system.to_the_ward(system.insured[person]))
    assert answer["state"] == "answered"
    return answer["inquiry_number"]


async def _after(world: World) -> None:
    """What is lost with the schema: an inquiry, a provision, a deletion of copies; and a permit that has not come through."""
    system = world.system
    world.numbers["lost"] = await _asked(system)
    late = system.insured[5]
    await system.populate([late])
    await system.register(RESIDENTS, [late])
    await system.obtain_codes(RESIDENTS)
    world.found["late"] = await status(system, late)
    world.numbers["provision lost"] = await _provided(system, 2)
    async with system.stage.system(INSURANCE) as caller:
        gone = [
            {name: line[name] for name in ("record_id", "addressee_number", "information", "data_set")}
            | {"operation": "delete"}
            for line in (record.as_line() for record in system.insurance(system.insured[2]))
        ]
        stated = {"staff": "s-01", "affair": "insurance-qualification", "reason": "資格の喪失"}
        await caller.post("/v1/business-information", {**stated, "items": gone}, key=secrets.token_hex(16))
    world.found["copies before"] = sorted(record["record_id"] for record in gone)
    left = await until(lambda: _copies(system), lambda left: not _named(left, gone))
    assert not _named(left, gone)
    await asyncio.to_thread(_end_rights, world)
    await system.faults(provider_down=100_000)
    async with system.stage.system(SUGINAMI) as caller:
        question = system.to_the_ward(system.insured[0])
        [waiting] = await caller.inquire([question], wait_ms=500, key=secrets.token_hex(16))
    world.numbers["old permit"] = waiting["inquiry_number"]
    found = await until(
        lambda: system.look(SUGINAMI, waiting["inquiry_number"]), lambda one: one["state"] == "permitted"
    )
    assert found["state"] == "permitted"


def _end_rights(world: World) -> None:
    """Somebody leaves, somebody has another card, an administrator may make backups no more, and has another password."""
    world.done("staff", "leave", "leaver")
    world.done("staff", "reset", "renewed")
    [grant] = [one for one in world.grants() if (one["staff_id"], one["function"]) == ("admin-2", "backup")]
    world.done("staff", "revoke", grant["grant_id"])
    world.numbers["revoked"] = grant["grant_id"]
    world.found["old secrets"] = world.secrets_of("admin-2").read_bytes()
    world.done("staff", "password", by="admin-2")


def _named(copies: list[str], records: list[dict[str, Any]]) -> list[str]:
    return [copy for copy in copies for record in records if copy.endswith(record["record_id"])]


async def _copies(system: System) -> list[str]:
    async with system.administrator() as connection:
        return [row["record_id"] for row in await connection.fetch(f"select record_id from {SCHEMA}.replica")]


def _erase(world: World) -> None:
    """The first inquiry's result loses its key, by two administrators."""
    system = world.system
    purpose = asyncio.run(_key_of(system, world.numbers["erased"]))
    assert purpose != asyncio.run(_key_of(system, world.numbers["kept"]))
    what = ("destroy", purpose, "--version", "1", "--server", "intermediate", "--cause", "erasure")
    code, said = world.sekisho("keys", *what, "--agency", WARD)
    assert code == OK
    approve = ("approve", said.split()[-1], "--agency", WARD, "--staff", "admin-2")
    assert world.sekisho("keys", *approve)[0] == OK
    system.running.kill(ROLE)


async def _key_of(system: System, number: str) -> str:
    async with system.administrator() as connection:
        return await connection.fetchval(f"select key_purpose from {SCHEMA}.inquiry where inquiry_number = $1", number)


def _restore(world: World) -> None:
    found = world.found
    found["verify"] = world.backup("verify", str(world.file))
    broken = world.folder / "broken.backup"
    data = bytearray(world.file.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    found["altered"] = world.backup("restore", str(broken))
    found["cut"] = (broken.write_bytes(world.file.read_bytes()[:-100]), world.backup("verify", str(broken)))[1]
    found["restored by staff"] = world.backup("restore", str(world.file), "--staff", "staff-1")
    world.secrets_of("admin-2").write_bytes(found["old secrets"])
    found["restored by a revoked one"] = world.backup("restore", str(world.file), "--staff", "admin-2")
    found["restored"] = world.backup("restore", str(world.file))
    found["restored twice"] = world.backup("restore", str(world.file))


async def _come_back(world: World) -> None:
    """The server dies while it opens the log anew, and comes again. Rights for business take a second person again."""
    running = world.system.running
    with contextlib.suppress(RoleNotStartedError):
        running.restart(ROLE, fault="founding.commit.log.reopened.after")
    assert running.wait_ended(ROLE) == -signal.SIGKILL
    running.restart(ROLE)
    world.found["without a second person"] = await _refusal(world.system)
    await asyncio.to_thread(_approve, world)
    world.found["suspended"] = await world.system.ask(RESIDENTS, world.system.from_the_ward(world.system.insured[0]))
    world.found["lifted"] = await asyncio.to_thread(_lift, world)


async def _refusal(system: System) -> str:
    async def look() -> str:
        try:
            async with system.provider_staff(WARD) as staff:
                await staff.items(f"/{WARD}/held-provisions", [])
        except UnexpectedAnswerError as problem:
            return str(problem)
        return "let in"

    return await until(look, lambda said: " 503 " not in said)


def _approve(world: World) -> None:
    world.found["grants"] = world.grants()
    for grant in world.found["grants"]:
        if grant["state"] == "requested":
            other = "admin-2" if grant["requested_by"] == "admin-1" else "admin-1"
            world.done("staff", "approve", grant["grant_id"], "--hash", grant["content_hash"], by=other)


def _lift(world: World) -> list[str]:
    """By two of the staff, the second of whom alone would not do."""
    [bar] = json.loads(world.sekisho("bars", "list", "--json", "--agency", WARD)[1])
    assert bar["bar_id"] in world.found["restored"][1]
    lift = ("bars", "lift", bar["bar_id"], "--agency", WARD, "--staff")
    return [world.sekisho(*lift, who)[1] for who in ("staff-1", "staff-1", "staff-2")]


# --- what was seen on the way


def test_only_an_administrator_makes_and_restores_a_backup(world):
    assert (world.found["by staff"][0], "right_missing" in world.found["by staff"][1]) == (REFUSED, True)
    assert world.found["by an administrator"][0] == OK
    assert (world.found["restored by staff"][0], "no administrator" in world.found["restored by staff"][1]) == (
        REFUSED,
        True,
    )
    assert world.found["restored"][0] == OK, world.found["restored"]


def test_a_backup_is_on_record_before_it_is_made_and_its_job_is_told(world):
    made = entries(world.found["log"], kind="backup.made")
    assert [(one["actor"], one["facts"]["event"]) for one in made] == [("admin-1", "begun"), ("admin-1", "made")]
    code, told = world.sekisho("jobs", "list", "--kind", "backup", "--json", "--agency", WARD)
    [job] = json.loads(told)
    assert (code, job["state"], job["done"] == job["total"]) == (OK, "done", True)


def test_an_altered_or_cut_backup_is_refused_and_nothing_is_filled_twice(world):
    assert [world.found[name][0] for name in ("verify", "altered", "cut")] == [OK, FAILED, FAILED]
    assert (world.found["restored twice"][0], "not empty" in world.found["restored twice"][1]) == (REFUSED, True)


def test_nothing_readable_lies_in_the_file(world):
    data = world.file.read_bytes()
    for word in (world.numbers["kept"], "setagaya/staff", "inquiry.answered", "kokuho/", "staff-1", "argon2id"):
        assert word.encode() not in data, word
    listed = world.backup("list", str(world.folder), "--json")
    assert (listed[0], "setagaya.backup" in listed[1], "broken" in listed[1]) == (OK, True, True)


# --- what is there again, and what is not


async def test_what_was_there_is_readable_and_what_was_erased_is_not(world):
    system = world.system
    kept = await system.look(RESIDENTS, world.numbers["kept"])
    assert (kept["state"], kept["outcome"], bool(kept["values"])) == ("answered", "answered", True)
    erased = await system.look(RESIDENTS, world.numbers["erased"])
    assert (erased["state"], erased["reason"], erased["values"]) == ("answered", "result_deleted", None)
    left = await _copies(system)
    assert left
    assert [one for one in left for record in world.found["copies before"] if one.endswith(record)] == []
    async with system.stage.system(RESIDENTS) as caller:
        with pytest.raises(UnexpectedAnswerError, match="inquiry_unknown"):
            raise UnexpectedAnswerError(str(await system.result(caller, world.numbers["lost"])))


def test_rights_for_business_take_a_second_person_again(world):
    assert world.found["without a second person"].endswith("403 right_missing")


def test_nothing_is_asked_or_answered_until_two_have_looked(world):
    """Bars that were set after the backup are not in it, and copies may have changed since."""
    suspended = world.found["suspended"]
    assert (suspended["state"], suspended["reason"]) == ("refused", "use_suspended")
    first, again, second = world.found["lifted"]
    assert ("lift_asked" in first, "second_person_needed" in again, "lifted" in second) == (True, True, True)


def test_who_was_revoked_or_left_since_the_backup_stays_so(world):
    """SC-11, SC-15: rights of administrators come back as the backup has them, but for those that ended since."""
    refused = world.found["restored by a revoked one"]
    assert (refused[0], "no administrator" in refused[1]) == (REFUSED, True)
    states = {one["grant_id"]: one["state"] for one in world.found["grants"]}
    assert states[world.numbers["revoked"]] == "revoked"
    people = {one["staff_id"]: one for one in json.loads(world.done("staff", "list", "--json"))}
    assert (people["leaver"]["state"], people["renewed"]["state"]) == ("left", "active")
    cards = [card["state"] for who in ("leaver", "renewed") for card in people[who]["cards"]]
    assert cards == ["revoked", "revoked"]
    assert world.secrets_of("admin-2").read_bytes() != world.found["old secrets"], "the old password was good for more"


async def test_ls_4_a_code_that_came_since_the_backup_comes_again(world):
    system, late = world.system, world.system.insured[5]
    assert world.found["late"] == "bound"
    await system.faults(provider_down=0)
    await system.obtain_codes(RESIDENTS)
    assert await until(lambda: status(system, late), lambda found: found == "bound") == "bound"


async def test_a_permit_of_before_is_refused_and_new_ones_work(world):
    system = world.system
    await system.faults(provider_down=0)
    old = await system.settled(SUGINAMI, await system.look(SUGINAMI, world.numbers["old permit"]))
    assert (old["state"], old["reason"]) == ("refused", "permit_older_than_log")
    assert await _provided(system)
    assert await _asked(system)


async def test_the_log_goes_on_under_another_origin_and_says_what_is_lost(world):
    system = world.system
    exports = await system.exports(*PARTIES)
    [reopened] = entries(exports[WARD], kind="log.reopened")
    before = reopened["facts"]
    assert before["known_size"] > before["size"] == entries(exports[WARD]).index(reopened)
    assert (reopened["actor"], before["times"], before["before"].endswith("/intermediate/2022")) == ("admin-1", 1, True)
    assert b"/intermediate~1/2022" in exports[WARD].splitlines()[0]
    found = system.findings(exports)
    assert {one.name for one in found} <= {FindingName.MISSING_RECORD}
    assert {one.inquiry_number for one in found} == {world.numbers["lost"], world.numbers["provision lost"]}


# --- a database that is set back behind everybody's back (the last test: the ward stays barred)


async def test_a_database_that_was_set_back_is_barred_and_its_second_history_is_found(world):
    system, running = world.system, world.system.running
    await system.faults(provider_down=0)
    async with system.administrator() as connection:
        await connection.execute(f"set search_path to {SCHEMA}")
        head = await connection.fetchrow("select * from log_head where year = 2022")
    assert await _asked(system)
    core = await system.export("network")
    running.kill(ROLE)
    async with system.administrator() as connection:
        await connection.execute(f"set search_path to {SCHEMA}; set session_replication_role to replica")
        for table, column in (("log_entry", "idx >="), ("log_checkpoint", "size >")):
            await connection.execute(f"delete from {table} where year = 2022 and {column} $1", head["size"])
        await connection.execute(
            "update log_head set size = $1, peaks = $2, note = $3 where year = 2022",
            head["size"],
            head["peaks"],
            head["note"],
        )
    running.restart(ROLE)
    said = await until(lambda: _answer(system), lambda said: " 503 " in said)
    assert said.endswith("503 storage_unavailable")
    assert await _size(system) >= head["size"]
    async with log_of(running) as rogue:  # a server that does not look does what the bar is for
        await rogue.load()
        await append(rogue, [ended(EntryKind.PROVISION_MADE, rogue._clock()) for _ in range(40)])
        [key] = running.role(ROLE).register.logs[f"sekisho.example/{WARD}/intermediate"].all()
        blocks = log_store.export(rogue.database, SCHEMA, agency=WARD, party=LogParty.INTERMEDIATE, public_key=key)
        lines = b"".join([block async for block in blocks]).splitlines(keepends=True)
    given = [Export(WARD, lines), Export("network", core.splitlines(keepends=True))]
    assert FindingName.FORK in {one.name for one in verify(given).findings}
    assert agree(given).findings


async def _answer(system: System) -> str:
    async with system.provider_staff(WARD) as staff:
        try:
            await staff.items(f"/{WARD}/held-provisions", [])
        except UnexpectedAnswerError as problem:
            return str(problem)
    return "let in"


async def _size(system: System) -> int:
    async with system.administrator() as connection:
        return await connection.fetchval(f"select size from {SCHEMA}.log_head where year = 2022")
