"""SKY2 that was lost comes back by its administrators' command: people, ledgers and claims, and no number that went since (SC-15)."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK, REFUSED
from synthetic.people import Person
from tests.adapters.sky2.surroundings import ADDRESSEES, claim_row, person_row
from tests.support.backup_world import BackupWorld
from tests.support.running_system import ROLES, System, entries, started, until

ROLE = SCHEMA = DATABASE = "sky2"
KEEPER = ("--agency", WARD, "--staff", "keeper")
OPTIONS = {ROLE: {"account_item": "42", "unemployment_item": "44", "reseal_settle_s": 0}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Work, a backup, more work, the loss of the schema, restores that die and one that does not; each test looks at one side of it."""
    folder = tmp_path_factory.mktemp("sky2-backup")
    with started(folder, roles=(*ROLES, ROLE), role_options=OPTIONS) as running:
        made = BackupWorld(
            system=System(running=running),
            folder=tmp_path_factory.mktemp("sky2-backups"),
            role=ROLE,
            schema=SCHEMA,
            database=DATABASE,
        )
        asyncio.run(_before(made))
        _make(made)
        asyncio.run(_after(made))
        running.kill(ROLE)
        asyncio.run(made.lose())
        _restore(made)
        running.restart(ROLE)
        yield made


def _people(world: BackupWorld) -> list[Person]:
    return world.system.insured[:3]


async def _post(world: BackupWorld, path: str, *items: dict[str, Any]) -> Any:
    async with world.system.stage.staff(WARD, ROLE) as staff:
        return await staff.post(path, {"items": list(items)} if items else {})


async def _before(world: BackupWorld) -> None:
    await _post(world, "/insured-persons", *map(person_row, _people(world)))
    await _post(world, "/refund-claims", claim_row(_people(world)[0], "claim-1"))
    await _post(world, "/push-target")


def _make(world: BackupWorld) -> None:
    found = world.found
    found["by staff"] = world.backup("create", str(world.folder / "x.backup"), "--staff", "staff-1")
    found["made"] = world.backup("create", str(world.file))
    found["keys rotated"] = [
        world.sekisho("keys", "rotate", purpose, "--role", ROLE, "--agency", WARD, "--overlap", "0")
        for purpose in ("log", "insured-person")
    ]
    found["backup key rotated"] = world.sekisho("keys", "rotate", "backup-key", "--agency", WARD)
    world.add_keeper("ledgers")
    found["by a keeper"] = [
        world.sekisho("backup", "create", str(world.folder / f"{name}.by-keeper"), "--database", name, *KEEPER)
        for name in ("sky2", "linkage")
    ]
    found["verified"] = [world.backup("verify", str(file)) for file in (world.file, world.folder / "sky2.by-keeper")]


async def _after(world: BackupWorld) -> None:
    """What is lost with the schema: another number of somebody's, and another claim; and rows come under the new key."""
    changed, other = _people(world)[1:]
    another = world.system.insured[9].individual_number
    await _post(world, "/insured-persons", person_row(changed) | {"individual_number": another})
    await _post(world, "/refund-claims", claim_row(other, "claim-2"))
    under_one = "select 1 from insured_person where substring(personal from 2 for 4) <> int4send(2)"
    world.found["left under the old key"] = await until(lambda: world.ask_database(under_one), lambda rows: not rows)


def _restore(world: BackupWorld) -> None:
    found = world.found
    found["restored by staff"] = world.backup("restore", str(world.file), "--staff", "staff-1")
    found["died before"] = world.restore_that_dies("restore.commit.restored.before")
    found["then"] = asyncio.run(world.ask_database("select count(*) from insured_person"))[0][0]
    found["restored"] = world.backup("restore", str(world.file))
    found["restored twice"] = world.backup("restore", str(world.file))


def test_only_an_administrator_makes_and_restores_a_backup_of_sky2(world):
    found = world.found
    for act in ("by staff", "restored by staff"):
        assert (found[act][0], "right_missing" in found[act][1]) == (REFUSED, True), found[act]
    assert (found["made"][0], found["restored"][0]) == (OK, OK), (found["made"], found["restored"])


def test_a_right_to_backups_of_the_ledgers_is_good_for_sky2_alone(world):
    sky2, linkage = world.found["by a keeper"]
    assert sky2[0] == OK, sky2
    assert (linkage[0], "right_missing" in linkage[1]) == (REFUSED, True)


async def test_orders_are_on_record_at_the_intermediate_server(world):
    ordered = entries(await world.system.export(WARD), kind="backup.ordered")
    acts = [
        (one["actor"], one["facts"]["act"], "backup" in one["facts"])
        for one in ordered
        if one["facts"]["database"] == DATABASE
    ]
    assert acts[:2] == [("admin-1", "backup.make", False), ("keeper", "backup.make", False)]
    assert set(acts[2:]) == {("admin-1", "backup.restore", True)}


def test_is_8_the_keys_that_sign_and_seal_backups_are_rotated_and_earlier_backups_are_good(world):
    found = world.found
    assert [code for code, _ in (*found["keys rotated"], found["backup key rotated"])] == [OK] * 3, found
    assert [code for code, _ in found["verified"]] == [OK, OK], found["verified"]


def test_is_8_rows_come_under_the_new_key_while_sky2_runs(world):
    assert world.found["left under the old key"] == []


def test_a_restore_that_dies_leaves_nothing_and_one_that_is_done_is_not_done_again(world):
    found = world.found
    assert (found["died before"], found["then"]) == (-signal.SIGKILL, 0)
    assert (found["restored twice"][0], "not empty" in found["restored twice"][1]) == (REFUSED, True)


async def test_what_was_there_is_there_again_and_a_number_that_was_replaced_is_not(world):
    rows = await world.ask_database(
        "select addressee_number, individual_number is not null as held from insured_person"
    )
    kept, changed, other = map(ADDRESSEES.number, _people(world))
    assert {row["addressee_number"]: row["held"] for row in rows} == {kept: True, changed: False, other: True}
    claims = await _post(world, "/refund-claims/list")
    assert [one["claim_id"] for one in claims["items"]] == ["claim-1"]
    assert await world.ask_database("select 1 from push_secret") == []
