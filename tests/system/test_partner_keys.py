"""Keys of a partner are replaced by command while everything runs: the one that it signs with, and the one of its log (IS-8; docs/adr/0072)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

from evidence.checkpoint import parse_vkey
from evidence.verify import Export, verify
from gateway.__main__ import main as sekisho
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.key_rotation import running
from keys.signing import Signer
from partner.connection import Connection
from partner.example import ask
from partner.messages import Question
from partner.providing import Provider
from tests.support.partner_world import code_of, run_against, run_example
from tests.support.running_system import entries
from tests.system.test_partner import QUESTION
from transport.clock import Clock


def rotate(world, key: str, *more: str) -> int:
    return sekisho(["agency", "key", "partner", key, *more, "--data", str(world[0].running.data.root)])


def asked_by(connection: Connection, signer: Signer, code: bytes, clock: Clock) -> dict[str, object]:
    """What the network and the ward say to a question that is signed so: the end of its exchange."""

    async def ask_once() -> dict[str, object]:
        async with connection.asking() as asker:
            own = replace(asker, signer=signer)
            digest = connection.list_in_force(clock()).digest
            signed = own.build(Question(**{**QUESTION, "items": (), "list_digest": digest}), clock())
            permit = await own.ask_permit(signed, code)
            if "permit" not in permit:
                return permit
            return await own.present(permit["permit"], signed)

    return asyncio.run(ask_once())


def test_a_partner_s_signing_key_is_replaced_while_everything_runs(world, connection, clock, tmp_path, capsys):
    """The old key is accepted for its window, a stolen one not at all; a set-up names the same keys; nobody else's key is taken."""
    system, own, _ = world
    given = system.running.data.clients / "partner"
    before = connection.signer
    code = asyncio.run(code_of(world, connection, clock))
    new_key = run_example("new-key", own, "signing").stdout.strip()
    assert connection.signer.public_key == before.public_key, "not yet named"

    assert rotate(world, new_key) == OK
    assert {one.role for one in running(system.running.data)} == set(system.running.roles), (
        "also one that listens elsewhere is waited for"
    )
    named = Connection.read(own, given)
    assert named.signer.public_key.hex() == new_key
    [old, new] = named.register().agencies["partner"].signing_keys
    assert (old.key, new.key) == (before.public_key, named.signer.public_key)
    assert old.valid_to - new.valid_from == timedelta(days=60)
    for signer in (before, named.signer):
        assert "outcome" in asked_by(named, signer, code, clock)
    [ended] = asyncio.run(ask(named, {"individual_number": system.insured[0].individual_number}, QUESTION, clock))
    assert (ended.state, ended.reason) == ("answered", None)

    sequence = named.register().sequence
    assert rotate(world, new_key) == OK, "the same again changes nothing"
    ward = system.running.role("intermediate").register.agencies[WARD].signing_keys.all()[0].hex()
    for key, said in ((before.public_key.hex(), REFUSED), (ward, REFUSED), ("00" * 32, BAD_INPUT), ("ab", BAD_INPUT)):
        assert rotate(world, key) == said
    capsys.readouterr()
    assert sekisho(["agency", "key", WARD, new_key, "--data", str(system.running.data.root)]) == REFUSED
    assert "sekisho keys rotate" in capsys.readouterr().err
    assert Connection.read(own, given).register().sequence == sequence

    stolen, newest = named.signer, run_example("new-key", own, "signing").stdout.strip()
    assert rotate(world, newest, "--overlap", "0") == OK
    last = Connection.read(own, given)
    assert asked_by(last, stolen, code, clock) == {"refused": {"reason": "signature_invalid"}}
    assert "outcome" in asked_by(last, last.signer, code, clock)
    log = tmp_path / "network.ndjson"
    asked = ["export", str(log), "--agency", "network", "--year", "2022", "--data", str(system.running.data.root)]
    assert sekisho(asked) == OK
    said = [one["facts"] for one in entries(log.read_bytes(), kind="key.announced")]
    assert [(one["agency"], one["purpose"], one["overlap_s"]) for one in said] == [
        ("partner", "signing", 60 * 86_400), ("partner", "signing", 0),
    ]  # fmt: skip
    code_, found = run_against(world, last, clock, Provider, tmp_path, capsys)
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert code_ == OK


def test_is_8_a_partner_s_log_key_is_replaced_while_everything_runs(world, connection, clock):
    """What it exported before holds, what it exports from now on is by the new key and holds, and a set-up names the same keys."""
    system, own, _ = world
    given, person = system.running.data.clients / "partner", {"individual_number": system.insured[0].individual_number}
    origin = "sekisho.example/partner/intermediate"

    def exported(connection: Connection) -> dict[str, bytes]:
        asyncio.run(ask(connection, person, QUESTION, clock))
        return {path.name: path.read_bytes() for path in sorted(own.glob("log-*.ndjson"))}

    def findings(exports: dict[str, bytes]) -> list[str]:
        named = Connection.read(own, given).register().logs[origin]
        trusted = {f"{origin}/{year}": named for year in range(2021, 2040)}
        found = verify([Export(name, data.splitlines(keepends=True)) for name, data in exports.items()], trusted)
        return [one.name.value for one in found.findings]

    before, new_key = exported(connection), run_example("new-key", own, "log").stdout.strip()
    assert findings(before) == []
    assert rotate(world, new_key, "--log") == OK
    named = Connection.read(own, given)
    [old, new] = named.register().logs[origin]
    assert (new.key.hex(), old.valid_to is None, new.valid_to) == (new_key, False, None)
    assert named.signer.public_key == connection.signer.public_key, "its signing key is another matter"

    after = exported(named)
    assert findings(after) == findings(before) == []
    for exports, key in ((before, old.key), (after, new.key)):
        assert {parse_vkey(json.loads(data.splitlines()[0])["vkey"])[1] for data in exports.values()} == {key}
    assert rotate(world, new_key, "--log") == OK, "the same again changes nothing"
    assert rotate(world, old.key.hex(), "--log") == REFUSED
    assert rotate(world, new_key) == REFUSED, "no key for two purposes"
