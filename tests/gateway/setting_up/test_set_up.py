"""Set-up: what it makes fits together, and running it again or after a death half-way repairs and changes nothing else."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from datetime import timedelta

import asyncpg
import pytest

from adapters.jlis_mock.core.permit_desk import CODE_PURPOSE, SIGNING_PURPOSE
from gateway.__main__ import main
from gateway.exit_codes import OK
from gateway.intermediate_server import hosting
from gateway.setting_up.authority import fingerprint
from gateway.setting_up.databases import dsn_of
from gateway.setting_up.key_files import PURPOSES
from gateway.setting_up.set_up import SetUp, set_up
from gateway.topology import Program, shipped
from keys.windows import PublicKeys
from storage.database import Database
from storage.key_store import KeyStoreError
from storage.migrations import Login
from storage.postgres import discard
from storage.tenancy import open_tenant
from transport import role
from transport.clock import Clock
from transport.register import Register, RegisterBrokenError, Use

ROLES = tuple(shipped().roles)
VOLATILE = {"lock"}


def contents(running) -> dict[str, bytes]:
    root = running.data.root
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in VOLATILE and "postgres" not in path.relative_to(root).parts
    }


def again(running, **changes):
    plan = {
        "data": running.data,
        "topology": running.topology,
        "ports": running._ports,
        "now": Clock()(),
        "key_profile": "cheapest",
    }
    asyncio.run(set_up(SetUp(**{**plan, **changes}), running.admin_dsn))


def test_a_second_set_up_changes_no_file(folder):
    before = contents(folder)
    again(folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "lost",
    [
        "set-up.json",
        "register.json",
        "roles/network/role.json",
        "roles/network/register.json",
        "roles/linkage/tls/ca.pem",
        "roles/linkage/keys/setagaya.public.json",
        "clients/addresses.json",
        "roles/sky2/client.json",
    ],
)
def test_a_set_up_that_died_half_way_is_repaired_to_the_same_bytes(folder, lost):
    before = contents(folder)
    (folder.data.root / lost).unlink()
    again(folder)
    after = contents(folder)
    del before["set-up.json"], after["set-up.json"]
    assert after == before


def test_a_lost_certificate_is_issued_anew_and_enrolled_everywhere(folder):
    found = folder.data.role("sky2") / "tls" / "setagaya.pem"
    before = found.read_bytes()
    found.unlink()
    again(folder)
    assert found.read_bytes() != before
    registers = {(folder.data.role(name) / "register.json").read_bytes() for name in ROLES}
    assert registers == {folder.data.register.read_bytes()}


def test_a_certificate_near_its_end_is_renewed(folder):
    found = folder.data.staff_identity("setagaya").certificate
    before = found.read_bytes()
    again(folder, now=Clock()() + timedelta(days=800))
    assert found.read_bytes() != before
    again(folder)


def test_is_4_whoever_was_suspended_stays_so_when_their_certificate_is_renewed(folder):
    identity = folder.data.staff_identity("setagaya")
    before = fingerprint(identity)
    words = [before, "--data", str(folder.data.root)]
    assert main(["certificates", "suspend", *words]) == OK
    again(folder, now=Clock()() + timedelta(days=800))
    again(folder)
    renewed = fingerprint(identity)
    named = {one.hex() for one in folder.role("network").register.peers}
    assert (renewed != before, before in named, renewed in named) == (True, False, False)
    assert main(["certificates", "resume", renewed, "--data", str(folder.data.root)]) == OK
    again(folder)
    assert renewed in {one.hex() for one in folder.role("network").register.peers}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_reads_its_folder_and_the_register_verifies(folder, name):
    config = folder.role(name)
    assert config.role == name
    assert set(config.register.agencies) == set(folder.topology.agencies)
    assert all(path.exists() for path in (config.server.certificate, config.server.key, config.server.ca))
    for hosted in config.hosted.values():
        assert config.open_keys(hosted.id).ring.purposes() is not None


def test_a_register_that_another_root_signed_is_refused(folder):
    with pytest.raises(RegisterBrokenError):
        Register.read(folder.data.register.read_bytes(), bytes(32))


def test_the_register_has_the_keys_that_the_roles_sign_with(folder):
    register = folder.role("network").register
    intermediate = folder.role("intermediate").open_keys("setagaya").ring
    core = folder.role("network").open_keys("network").ring
    elsewhere = folder.elsewhere("tashi").open_keys("tashi").ring
    assert register.agencies["setagaya"].signing_keys.all() == (intermediate.signer("signing").public_key,)
    assert register.agencies["tashi"].signing_keys.all() == (elsewhere.signer("signing").public_key,)
    assert register.log_keys("sekisho.example/setagaya/intermediate/2026") == PublicKeys.of(
        intermediate.signer("log").public_key
    )
    assert register.log_keys("sekisho.example/network/core/2026") == PublicKeys.of(core.signer("log").public_key)
    assert register.permit_keys.all()[-1] == core.signer("permit").public_key


def test_every_use_of_a_certificate_is_enrolled_and_staff_are_enrolled_for_every_party(folder):
    peers = folder.role("network").register.peers.values()
    assert {peer.use for peer in peers} == set(Use)
    staff = {peer.agency for peer in peers if peer.use is Use.STAFF}
    assert staff == {*folder.topology.agencies, "network", "resident-network"}


def test_every_agency_has_two_members_of_staff_with_certificates_and_names_of_their_own(folder):
    peers = Register.read(folder.data.register.read_bytes(), folder.role("network").register_root).peers
    for agency in (*folder.topology.agencies, "network"):
        names = [
            peers[bytes.fromhex(fingerprint(folder.data.staff_identity(agency, name)))].name
            for name in ("staff-1", "staff-2")
        ]
        assert names == ["staff-1", "staff-2"]
    assert folder.staff("setagaya") == folder.data.staff_identity("setagaya", "staff-1")


def test_no_role_has_the_keys_of_the_authority(folder):
    secret = {
        path.read_bytes() for path in folder.data.authority.iterdir() if path.suffix == ".seed" or "key" in path.name
    }
    assert len(secret) == 3  # the CA, the register's root, the publisher of the permission list
    others = [path for path in folder.data.root.rglob("*") if path.is_file() and path.parent != folder.data.authority]
    assert not [path for path in others if path.stat().st_size < 10_000 and path.read_bytes() in secret]


def test_nobody_else_on_the_machine_reads_a_key_or_a_secret(folder):
    root = folder.data.root
    paths = [
        path
        for path in root.rglob("*")
        if not path.relative_to(root).parts[0].startswith("postgres") and "spool" not in path.parts
    ]
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_the_passphrase_of_one_role_does_not_open_the_keys_of_another(folder):
    store = folder.role("linkage")
    with pytest.raises(KeyStoreError):
        type(store.open_keys("setagaya")).open(folder.role("intermediate").hosted["setagaya"].keys, store.passphrase)


def test_the_purposes_are_those_that_the_servers_name():
    assert set(PURPOSES[Program.INTERMEDIATE]) == set(hosting.PURPOSES)
    assert {CODE_PURPOSE, SIGNING_PURPOSE} < set(PURPOSES[Program.NETWORK])


async def test_schemas_of_agencies_are_made_when_they_are_first_used_and_once(folder):
    database = await Database.open(folder.role("neighbours-intermediate").dsn, connections=4)
    tenant = "a_tokyo_intermediate"
    try:
        made = await asyncio.gather(*(open_tenant(database, tenant) for _ in range(4)))
        again = await open_tenant(database, tenant)
        async with database.inside(tenant) as connection:
            applied = {row["name"] for row in await connection.fetch("select name from migration")}
    finally:
        await database.close()
    assert sorted(made) == [False, False, False, True]
    assert not again
    assert {name.partition("/")[0] for name in applied} == {"storage.evidence_log", "gateway.intermediate_server"}


@pytest.mark.parametrize("name", ROLES)
async def test_a_login_enters_its_own_tenants_and_no_other(folder, name):
    own = {hosted.tenant for hosted in folder.role(name).hosted.values()}
    every = {hosted.tenant for other in ROLES for hosted in folder.role(other).hosted.values()}
    database = await Database.open(folder.role(name).dsn, connections=1)
    entered = set()
    try:
        for tenant in sorted(every):
            try:
                if tenant in own:
                    await open_tenant(database, tenant)
                async with database.inside(tenant) as connection:
                    await connection.fetch("select name from migration")
                entered.add(tenant)
            except asyncpg.InsufficientPrivilegeError:
                pass
    finally:
        await database.close()
    assert entered == own
    assert every - own


@pytest.mark.parametrize(
    "statement",
    [
        "select tenancy.open_tenant('a_koiki_rengo_intermediate')",
        "select tenancy.open_tenant('public')",
        "select tenancy.bring('a_setagaya_linkage')",
        "select * from tenancy.migration",
        "insert into tenancy.migration (package, name, text) values ('x', 'x', 'x')",
        "update tenancy.tenant set packages = '{}'",
        "create schema mine",
    ],
)
async def test_a_login_makes_no_schema_but_its_own_and_has_no_say_in_what_is_in_it(folder, statement):
    connection = await asyncpg.connect(folder.role("linkage").dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_login_cannot_look_into_a_schema_without_entering_it(folder):
    connection = await asyncpg.connect(folder.role("linkage").dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from a_setagaya_linkage.person")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("admin", "wanted"),
    [
        ("postgresql://admin:secret@127.0.0.1:5432/postgres", "postgresql://role:p%2Fw@127.0.0.1:5432/sekisho"),
        ("postgresql://admin:secret@/postgres?host=%2Ftmp%2Fs", "postgresql://role:p%2Fw@/sekisho?host=%2Ftmp%2Fs"),
        (
            "postgresql://admin@db:5432/postgres?sslmode=require",
            "postgresql://role:p%2Fw@db:5432/sekisho?sslmode=require",
        ),
    ],
)
def test_a_roles_dsn_is_the_administrators_with_its_own_login(admin, wanted):
    assert dsn_of(admin, Login(name="role", password="p/w", tenants=())) == wanted


def test_each_business_system_has_a_client_that_its_linkage_server_knows(folder):
    for agency in folder.topology.agencies.values():
        for system in agency.systems:
            client = folder.client(system.id)
            assert client.agency == agency.id
            assert client.scopes
            assert client.ca.exists()
    own = json.loads((folder.data.role("sky2") / "client.json").read_bytes())
    assert own["client_secret"].encode() == folder.client("sky2").secret.reveal()


def test_the_peer_elsewhere_has_what_a_role_has_but_no_database(folder):
    config = folder.elsewhere("tashi")
    assert config.dsn == ""
    assert config.peers["core"] == folder.role("intermediate").peers["core"]
    assert folder.role("network").peers["intermediate/tashi"].endswith(f":{config.port}")


def test_set_up_killed_at_any_moment_is_repaired_by_running_it_again(tmp_path):
    """Kill the whole process after ever longer times until it goes through; what it leaves must always be taken up."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data")]
    for wait_s in (0.9, 1.3, 1.8, 2.4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = role.load(tmp_path / "data" / "roles" / "network")
    assert "tashi" in found.register.agencies
    discard(tmp_path / "data")


SCRIPT = """
import sys
from pathlib import Path
from gateway.data_folder import held
from gateway.launcher import Running
running = Running(Path(sys.argv[1]), ports="free", key_profile="cheapest", durable=False, roles=())
with held(running.data.root):
    try:
        running.set_up()
    finally:
        running.stop()
"""
