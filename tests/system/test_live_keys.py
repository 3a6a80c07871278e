"""Every kind of key and certificate is changed while inquiries are under way: nothing is refused, nothing becomes unreadable."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from evidence.canonical import encode
from evidence.checkpoint import format_vkey
from evidence.verify import Export, verify
from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK, REFUSED
from gateway.setting_up.authority import fingerprint_of, open_authority
from gateway.setting_up.publishing import distribute
from keys.signing import Signer, generate_seed
from tests.fault.acts_registers import with_another_terminal
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, same_values, started, until
from transport import channel, tls
from transport.clock import Clock
from transport.register import Register, RegisterBrokenError, sign_register, signed_body
from transport.tls import Identity

ROTATED = (
    ("signing", "neighbours-intermediate", "suginami"),
    ("signing", "intermediate", WARD),
    ("permit", "network", "network"),
    ("permit-code", "network", "network"),
    ("log", "intermediate", WARD),
    ("log", "neighbours-intermediate", "suginami"),
    ("log", "network", "network"),
    ("log", "linkage", WARD),
    ("individual-number", "linkage", WARD),
    ("four-items", "linkage", WARD),
    ("business-information", "linkage", WARD),
    ("oauth-token", "neighbours-linkage", "suginami"),
    ("oauth-client-secret", "neighbours-linkage", "suginami"),
    ("personal/2022", "intermediate", WARD),
    ("resident-record-code", "resident-network", "resident-network"),
    ("codes", "intermediate", WARD),
    ("codes", "neighbours-intermediate", "suginami"),
    ("staff", "intermediate", WARD),
    ("erased", "intermediate", WARD),
)
PARTIES = (WARD, "suginami")


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with started(tmp_path_factory.mktemp("live-keys"), options={"resend_after_s": 1}) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    cast = system.insured[:2]
    await system.populate(cast)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu", "naikaku-gyomu"):
        await system.register(each, cast)
    for each in (RESIDENTS, "suginami-gyomu", "naikaku-gyomu"):
        await system.obtain_codes(each)
    await system.load_records(INSURANCE, system.insurance(cast[0]), "base.ndjson")
    await system.load_records("naikaku-gyomu", [system.account(cast[0])], "base.ndjson", agency="naikaku")


async def sekisho(system: System, *words: str) -> int:
    return await asyncio.to_thread(main, [*words, "--data", str(system.running.data.root)])


async def rotate(system: System, purpose: str, role: str, agency: str, *more: str) -> None:
    words = ("keys", "rotate", purpose, "--role", role, "--agency", agency, "--lead", "0", *more)
    assert await sekisho(system, *words) == OK


async def destroyed_by_two(system: System, purpose: str, version: int, capsys: Any) -> int:
    """Of the ward's intermediate server, by its two administrators; how the first command ends that does not end well."""
    what = ("keys", "destroy", purpose, "--version", str(version), "--server", "intermediate", "--cause", "replaced")
    if (code := await sekisho(system, *what, "--agency", WARD)) != OK:
        return code
    drawn = capsys.readouterr().err.split()[-1]
    return await sekisho(system, "keys", "approve", drawn, "--agency", WARD, "--staff", "admin-2")


async def _keep_asking(system: System, done: asyncio.Event, seen: list[tuple[str, dict[str, Any]]]) -> None:
    person = system.insured[0]
    while not done.is_set():
        seen.append(("in", await system.ask("suginami-gyomu", system.to_the_ward(person))))
        seen.append(("out", await system.ask(RESIDENTS, system.from_the_ward(person))))


async def _under_traffic(system: System, change: Any) -> list[tuple[str, dict[str, Any]]]:
    """Inquiries in both directions, one after the other in two rows, while something is changed."""
    seen: list[tuple[str, dict[str, Any]]] = []
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(_keep_asking(system, done, seen))
        await change()
        await asyncio.sleep(1.5)  # the last change has come to every role
        done.set()
    return seen


def _all_answered(system: System, seen: list[tuple[str, dict[str, Any]]]) -> None:
    person = system.insured[0]
    right = {"in": system.insurance(person), "out": [system.account(person)]}
    assert {way for way, _ in seen} == set(right)
    assert [
        answer for way, answer in seen if answer["state"] != "answered" or not same_values(answer, right[way])
    ] == []


async def test_is_8_every_kind_of_key_is_rotated_under_traffic_and_nothing_is_refused(system):
    before = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0]))
    question = system.to_the_ward(system.insured[0])
    async with system.stage.system("suginami-gyomu") as caller:
        first = (await caller.inquire([question], key="live-keys"))[0]["inquiry_number"]

    async def change() -> None:
        for purpose, role, agency in ROTATED:
            await rotate(system, purpose, role, agency)

    _all_answered(system, await _under_traffic(system, change))
    async with system.stage.system("suginami-gyomu") as caller:
        assert (await caller.inquire([question], key="live-keys"))[0]["inquiry_number"] == first
    again = await system.look("suginami-gyomu", before["inquiry_number"])
    assert same_values(again, system.insurance(system.insured[0]))
    assert system.findings(await system.exports(*PARTIES)) == []


async def test_sc_7_each_rotation_is_in_the_log_of_its_party_once(system):
    exports = await system.exports(*PARTIES)
    party = {"network": "network", "linkage": "linkage", "intermediate": WARD, "neighbours-intermediate": "suginami"}
    for purpose, role, _ in ROTATED:
        if role in party:
            rotated = entries(exports[party[role]], kind="key.rotated")
            assert [one["facts"]["version"] for one in rotated if one["facts"]["purpose"] == purpose] == [2]


async def test_sc_6_an_auditor_without_the_register_follows_each_rotated_log_key_by_its_record(system):
    """By the exports' own word, and from the key that an agency once handed over; a key that no record announces is not believed."""
    exports = await system.exports(*PARTIES)
    given = [Export(name, data.splitlines(keepends=True)) for name, data in exports.items()]
    alone = verify(given)
    origins = {log.origin: log.rotations for log in alone.logs}
    register = system.running.role("intermediate").register
    first = {origin: format_vkey(origin, register.logs[origin.rpartition("/")[0]].all()[0]) for origin in origins}
    assert alone.findings == ()
    assert set(origins.values()) == {1}
    assert verify(given, first).findings == ()
    header = json.loads(given[0].lines[0])
    stranger = format_vkey(header["origin"], Signer(generate_seed()).public_key)
    forged = Export(given[0].label, [encode(header | {"vkey": stranger}) + b"\n", *given[0].lines[1:]])
    assert "wrong_key" in {one.name for one in verify([forged], first).findings}


def digest_of(path: Path) -> str:
    return fingerprint_of(x509.load_pem_x509_certificate(path.read_bytes()))


async def test_is_4_certificates_are_replaced_and_suspended_under_traffic(system):
    data = system.running.data
    shown = [
        data.role(role) / "tls" / f"{name}.pem"
        for role, name in (
            ("network", "server"), ("network", "network"), ("intermediate", WARD), ("intermediate", "server"),
            ("neighbours-intermediate", "suginami"), ("linkage", "server"), ("linkage", WARD),
        )
    ]  # fmt: skip
    before = [digest_of(path) for path in shown]

    async def change() -> None:
        for sha256 in before:
            assert await sekisho(system, "certificates", "replace", sha256) == OK

    _all_answered(system, await _under_traffic(system, change))
    assert not set(before) & {digest_of(path) for path in shown}
    changed = entries(await system.export(WARD), kind="certificate.changed")
    assert {one["facts"]["certificate"] for one in changed} >= {before[2], before[3]}
    terminal = data.staff_identity(WARD, "staff-2")
    assert await _status(system, terminal) == 200
    assert await sekisho(system, "certificates", "suspend", digest_of(terminal.certificate)) == OK
    assert await _status(system, terminal) == 403
    assert await sekisho(system, "certificates", "resume", digest_of(terminal.certificate)[:16]) == OK
    assert await _status(system, terminal) == 200


async def _status(system: System, identity: Identity) -> int:
    async with (
        channel.session(tls.client_context(identity, identity.ca)) as client,
        client.get(f"{system.running.url('intermediate')}/openapi.json") as answer,
    ):
        return answer.status


def test_certificates_are_listed_with_their_expiry_those_that_end_first_at_the_top(system, capsys):
    assert main(["certificates", "list", "--json", "--data", str(system.running.data.root)]) == OK
    rows = json.loads(capsys.readouterr().out)
    expiries = [one["expires"] for one in rows if one["expires"]]
    assert expiries == sorted(expiries)
    assert {one["state"] for one in rows} == {"in_force", "replaced", "server"}
    assert all(one["valid_to"] for one in rows if one["state"] == "replaced")


async def test_is_8_a_register_that_is_forged_older_or_gone_is_refused_and_recorded_and_the_old_one_goes_on(system):
    data = system.running.data
    path, root = data.role("intermediate") / "register.json", open_authority(data.authority, Clock()()).root
    older = data.register.read_bytes()
    with_another_terminal(system)
    body = signed_body(data.register.read_bytes(), root.public_key)
    ahead = {**body, "sequence": body["sequence"] + 1}
    wrong = {
        "register_signature": sign_register(ahead, Signer(generate_seed())),
        "register_older": older,
        "register_sequence_reused": sign_register({**body, "certificates": []}, root),
        "register_malformed": sign_register({**ahead, "more": 1}, root),
        "register_missing": None,
    }

    async def taken() -> bool:
        return body["sequence"] in {
            one["facts"]["sequence"] for one in entries(await system.export(WARD), kind="register.taken")
        }

    await until(taken, bool)
    try:
        for reason, written in wrong.items():
            path.unlink() if written is None else path.write_bytes(written)

            async def refused(reason: str = reason) -> list[dict[str, Any]]:
                found = entries(await system.export(WARD), kind="register.refused")
                return [one for one in found if one["reason"] == reason]

            assert len(await until(refused, bool)) == 1
            answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0]))
            assert answer["state"] == "answered"
    finally:
        path.write_bytes(data.register.read_bytes())
        distribute(data)


async def test_is_8_the_registers_root_is_replaced_under_traffic_and_the_old_one_counts_for_nothing(system):
    """Every running role follows, signs and is believed under the next register, also one that comes back; whoever has the old root brings nobody in."""
    data = system.running.data
    old = open_authority(data.authority, Clock()()).root

    async def change() -> None:
        assert await sekisho(system, "keys", "rotate", "register-root", "--lead", "0", "--overlap", "0") == OK
        await rotate(system, "signing", "neighbours-intermediate", "suginami")

    _all_answered(system, await _under_traffic(system, change))
    with pytest.raises(RegisterBrokenError):
        Register.read(data.register.read_bytes(), old.public_key)  # what came after it is under the new root alone
    for role in ("intermediate", "network"):
        system.running.restart(role)  # by this thread: a role dies with the one that started it
    assert (await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0])))["state"] == "answered"
    said = [one["facts"] for one in entries(await system.export("network"), kind="key.rotated")]
    assert [(one["purpose"], one["version"]) for one in said if one["purpose"] == "register-root"] == [
        ("register-root", 2)
    ]

    body = signed_body(data.register.read_bytes(), open_authority(data.authority, Clock()()).root.public_key)
    path = data.role("intermediate") / "register.json"
    try:
        path.write_bytes(sign_register({**body, "sequence": body["sequence"] + 1}, old))

        async def refused() -> list[dict[str, Any]]:
            found = entries(await system.export(WARD), kind="register.refused")
            return [one for one in found if one["reason"] == "register_signature"]

        assert len(await until(refused, bool)) >= 1
        assert (await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0])))["state"] == "answered"
    finally:
        path.write_bytes(data.register.read_bytes())
        distribute(data)


async def test_is_8_the_ca_is_replaced_under_traffic_and_whoever_has_the_old_key_certifies_nobody(system, tmp_path):
    data = system.running.data
    old = open_authority(data.authority, Clock()())

    async def change() -> None:
        assert await sekisho(system, "keys", "rotate", "ca", "--lead", "0", "--overlap", "0") == OK

    _all_answered(system, await _under_traffic(system, change))
    assert (await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0])))["state"] == "answered"
    assert await _status(system, data.staff_identity(WARD, "staff-2")) == 200
    ca = open_authority(data.authority, Clock()()).trusted
    of_old = replace(old.issue(tmp_path, "stranger", subject="stranger"), ca=tmp_path / "new.pem")
    of_old.ca.write_bytes(ca)
    with pytest.raises(aiohttp.ClientError):  # it ends in the handshake: before, it came as far as the register
        await _status(system, of_old)
    said = [one["facts"] for one in entries(await system.export("network"), kind="key.rotated")]
    assert [one["version"] for one in said if one["purpose"] == "ca"] == [2]


async def test_is_8_a_key_that_was_ended_at_once_is_refused(system):
    """A signing key that is said to be known to others: its holder signs with it still, by a ring of before."""
    person = system.insured[0]
    config = system.running.role("neighbours-intermediate")
    path = config.hosted["suginami"].keys
    stolen = path.read_bytes()
    await rotate(system, "signing", "neighbours-intermediate", "suginami", "--overlap", "0")
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "answered"
    current = path.read_bytes()
    path.write_bytes(stolen)
    try:
        await asyncio.sleep(2.5)
        answer = await system.ask("suginami-gyomu", system.to_the_ward(person))
        assert (answer["state"], answer["reason"]) == ("refused", "signature_invalid")
    finally:
        path.write_bytes(current)
        await asyncio.sleep(2.5)
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "answered"


async def test_is_8_the_key_that_finds_codes_goes_when_everything_is_found_by_its_successor(system, capsys):
    question = system.to_the_ward(system.insured[0])
    tenant = "a_setagaya_intermediate"
    async with system.administrator() as admin:
        await until(
            lambda: admin.fetch(f"select from {tenant}.person_code where octet_length(code_index) = 32"),
            lambda left: not left,
        )
        assert await destroyed_by_two(system, "codes", 1, capsys) == REFUSED
        assert "この版で見つかる" in capsys.readouterr().err
        await admin.execute(f"update {tenant}.inquiry set result_until = registered_at")  # as when their time has come
    assert await destroyed_by_two(system, "codes", 1, capsys) == OK
    assert (await system.ask("suginami-gyomu", question))["state"] == "answered"
    assert (await system.ask(RESIDENTS, system.from_the_ward(system.insured[0])))["state"] == "answered"
    destroyed = entries(await system.export(WARD), kind="key.destroyed")
    assert [(one["facts"]["purpose"], one["facts"]["version"]) for one in destroyed] == [("codes", 1)]


async def test_sc_6_the_key_of_a_years_records_goes_by_no_act_of_anybody(system, capsys):
    """Nobody shortens anybody's seven years: neither by the version that seals nor by that under which the first records lie."""
    ring = (await asyncio.to_thread(system.running.role("intermediate").open_keys, WARD)).ring
    versions = (ring.primary("personal/2022"), 1)
    assert [await destroyed_by_two(system, "personal/2022", one, capsys) for one in versions] == [REFUSED] * 2
    said = capsys.readouterr().err
    assert ("key_kept" in said, "記録の本人の部分" in said) == (True, True)


async def test_is_8_an_old_version_is_destroyed_when_nothing_needs_it_and_what_does_is_said(system, capsys):
    """The permit of an inquiry that waits has its code under the old version; when it is over, the version may go."""
    question = system.to_the_ward(system.insured[0])
    await asyncio.to_thread(system.running.stop_role, "intermediate")
    async with system.stage.system("suginami-gyomu") as caller:
        number = (await caller.inquire([question], wait_ms=0))[0]["inquiry_number"]
        await until(lambda: system.result(caller, number), lambda found: found["state"] == "permitted")
    ring = await asyncio.to_thread(system.running.role("network").open_keys, "network")
    old = ring.ring.primary("permit-code")
    await rotate(system, "permit-code", "network", "network")
    words = (
        "keys", "destroy", "permit-code", "--version", str(old), "--cause", "replaced", "--role", "network", "--agency", "network",
    )  # fmt: skip
    assert await sekisho(system, *words) == REFUSED
    assert "許可証の符号" in capsys.readouterr().err
    await asyncio.to_thread(system.running.restart, "intermediate")
    assert (await system.settled("suginami-gyomu", {"state": "permitted", "inquiry_number": number}))[
        "state"
    ] == "answered"
    async with system.administrator() as admin:
        await admin.execute(
            "update core.permit set code_sealed = null"
        )  # as the core does by itself behind `answer_by`
    assert await sekisho(system, *words) == OK
    assert (await system.ask("suginami-gyomu", question))["state"] == "answered"
    destroyed = entries(await system.export("network"), kind="key.destroyed")
    assert [(one["facts"]["purpose"], one["facts"]["version"]) for one in destroyed] == [("permit-code", old)]
