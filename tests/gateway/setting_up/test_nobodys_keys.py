"""Keys of the core and the resident network, which are nobody's agency: by two who keep the ring, and in a simulation alone by whoever opens it (SC-20)."""

from __future__ import annotations

import asyncio
import io
import json
import sys

import asyncpg
import pytest

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.setting_up.authority import open_authority
from keys.ring import State
from transport.clock import Clock
from transport.register import sign_register, signed_body

PEOPLE = {"tanaka": "tanaka no aikotoba", "suzuki": "suzuki no aikotoba"}
CAUSE = ("--cause", "replaced")
CORE = ("--role", "network", "--agency", "network")


def keys(folder, *words, lines=()):
    before, sys.stdin = sys.stdin, io.StringIO("".join(f"{line}\n" for line in lines))
    try:
        return main(["keys", *words, "--data", str(folder.data.root)])
    finally:
        sys.stdin = before


def old_version(folder, purpose, role):
    version = folder.role(role).open_keys(role).ring.primary(purpose)
    assert keys(folder, "rotate", purpose, "--role", role, "--agency", role) == OK
    return version


def destroy(folder, purpose, version, place, *more, lines=()):
    return keys(folder, "destroy", purpose, "--version", str(version), *place, *more, lines=lines)


def on_record(folder, purpose):
    """What the core's log says of the latest destruction of this purpose."""

    async def fetched():
        head, _, query = folder.admin_dsn.partition("?")
        connection = await asyncpg.connect(f"{head.rpartition('/')[0]}/sekisho?{query}")
        try:
            return await connection.fetch(
                "select body from core.log_entry where kind = 'key.destroyed' order by year, idx"
            )
        finally:
            await connection.close()

    facts = [json.loads(row["body"])["facts"] for row in asyncio.run(fetched())]
    return [one for one in facts if one["purpose"] == purpose][-1]


@pytest.fixture
def deployed(folder):
    """The core's folder as of a network that is no simulation."""
    config, role = folder.role("network"), folder.data.role("network") / "role.json"
    kept = {path: path.read_bytes() for path in (role, config.register_path)}
    stored = {name: said for name, said in json.loads(kept[role]).items() if name not in ("clock", "skew")}
    authority = open_authority(folder.data.authority, Clock()())
    body = {**signed_body(kept[config.register_path], authority.root.public_key), "simulation": False}
    role.write_text(json.dumps(stored))
    config.register_path.write_bytes(sign_register(body, authority.root))
    yield folder
    for path, content in kept.items():
        path.write_bytes(content)


def test_in_a_simulation_whoever_opens_the_ring_destroys_on_record(folder):
    version = old_version(folder, "permit-code", "network")
    assert destroy(folder, "permit-code", version, CORE) == BAD_INPUT  # without a cause
    assert destroy(folder, "permit-code", version, CORE, *CAUSE) == OK
    said = {"purpose": "permit-code", "version": version, "cause": "replaced", "keeper": "passphrase"}
    assert on_record(folder, "permit-code") == said


def test_the_core_records_what_the_resident_network_destroys(folder):
    role = "resident-network"
    with folder.role(role).open_keys(role).changing() as ring:
        ring.create("resident-record-code")
    version = old_version(folder, "resident-record-code", role)
    assert destroy(folder, "resident-record-code", version, ("--role", role, "--agency", role), *CAUSE) == OK
    assert on_record(folder, f"{role}/resident-record-code")["version"] == version


def test_sc_20_elsewhere_two_people_who_keep_the_ring_decide_together(deployed, capsys):
    folder = deployed
    version = old_version(folder, "permit-code", "network")
    assert destroy(folder, "permit-code", version, CORE, *CAUSE) == REFUSED
    assert "two_people" in capsys.readouterr().err
    assert folder.role("network").open_keys("network").ring.versions("permit-code")[version] is State.ENABLED
    keepers = [word for person in PEOPLE for word in ("--keeper-person", person)]
    guard = ("guard", "--by", "two_people", *keepers, *CORE, "--profile", "cheapest")
    assert keys(folder, *guard, lines=PEOPLE.values()) == OK
    both = [word for person in PEOPLE for word in ("--person", person)]
    try:
        assert destroy(folder, "permit-code", version, CORE, *CAUSE, "--person", "tanaka") == BAD_INPUT
        wrong = (PEOPLE["tanaka"], "not what suzuki knows")
        assert destroy(folder, "permit-code", version, CORE, *CAUSE, *both, lines=wrong) == BAD_INPUT
        assert destroy(folder, "permit-code", version, CORE, *CAUSE, *both, lines=PEOPLE.values()) == OK
    finally:
        assert keys(folder, "guard", "--by", "passphrase", *CORE, *both, lines=PEOPLE.values()) == OK
    said = on_record(folder, "permit-code")
    assert (said["version"], said["keeper"], said["people"]) == (version, "two_people", "suzuki tanaka")
