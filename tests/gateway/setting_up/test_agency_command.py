"""`sekisho agency`: who is added takes part with everything, who leaves keeps only what proves its records, and keys of others stay theirs."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.__main__ import main
from gateway.administrator import administrator_dsn, database_at_work
from gateway.data_folder import held
from gateway.exit_codes import BAD_INPUT, OK, REFUSED, UNREACHABLE
from gateway.launcher import Running
from gateway.own_topology import read as read_topology
from gateway.setting_up.authority import open_authority
from gateway.setting_up.partner_keys import replace_key
from gateway.setting_up.publishing import publish
from gateway.tracing.parties import known_parties
from keys.signing import Signer, generate_seed
from tests.support.certificate_requests import request
from tests.support.running_system import asked
from transport.clock import Clock
from transport.register import Register, RegisterBrokenError, Use

HOSTED = """agency: {id: kawasaki, code: "9999000000000101", name: 川崎市長, assessed: false}
hosted_by: {linkage: neighbours-linkage, intermediate: neighbours-intermediate}
"""
PARTNER = """agency:
  {id: partner, code: "9999000000000102", name: 架空町長, elsewhere: {host: 127.0.0.1, port: 8460, signing_key: %s, log_key: %s}}
"""


def sekisho(running, *words) -> int:
    return main(["agency", *map(str, words), "--data", str(running.data.root)])


def register(running) -> Register:
    return Register.read(running.data.register.read_bytes(), running.role("network").register_root)


def written(running, text: str):
    path = running.data.root.parent / "agency.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def entered(running, tenant: str) -> bool:
    """Whether the login of the role that hosts the neighbours may enter this tenant."""
    with database_at_work(running.data):
        [[found]] = asked(running.role("neighbours-linkage").dsn, "select pg_has_role($1, 'member')", tenant)
    return bool(found)


@pytest.fixture(scope="module")
def kawasaki(running):
    assert sekisho(running, "add", written(running, HOSTED)) == OK
    return "kawasaki"


def test_an_added_agency_has_keys_certificates_staff_and_its_schemas(running, kawasaki):
    found = register(running)
    config = running.role("neighbours-intermediate")
    assert "市長" in found.agencies[kawasaki].kinds
    assert found.agencies[kawasaki].signing_keys.all() == (
        config.open_keys(kawasaki).ring.signer("signing").public_key,
    )
    assert {peer.use for peer in found.peers.values() if peer.agency == kawasaki} == {
        Use.LINKAGE,
        Use.INTERMEDIATE,
        Use.STAFF,
    }
    assert (
        running.role("network").peers[f"intermediate/{kawasaki}"] == running.role("network").peers["intermediate/tokyo"]
    )
    assert (running.data.role("neighbours-intermediate") / "staff" / f"{kawasaki}.json").exists()
    assert entered(running, "a_kawasaki_linkage")


def test_everybody_is_given_the_register_that_names_it(running, kawasaki):
    registers = {(running.data.role(name) / "register.json").read_bytes() for name in running.topology.roles}
    assert registers == {running.data.register.read_bytes()}


def test_the_ports_of_the_folder_stay(running, kawasaki):
    assert running.role("linkage").port == running._ports["linkage"].port


@pytest.mark.parametrize(
    "text",
    [
        HOSTED.replace("101", "001"),
        HOSTED.replace("kawasaki", "tokyo"),
        HOSTED.replace("neighbours-linkage", "nobody"),
        HOSTED.replace("川崎市長", "だれか"),
        "agency: [",
    ],
    ids=["code taken", "id taken", "role unknown", "no kind", "not yaml"],
)
def test_an_agency_file_with_a_mistake_leaves_everything_as_it_is(running, text, capsys):
    before = {path: path.read_bytes() for path in running.data.root.rglob("*.json")}
    assert sekisho(running, "add", written(running, text)) == BAD_INPUT
    assert f"{running.data.root.parent}/agency.yaml:" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in running.data.root.rglob("*.json")} == before
    assert {path.stem for path in running.data.agencies.glob("*")} <= {"kawasaki", "partner"}


def test_a_folder_in_use_is_refused(running):
    with held(running.data.root):
        assert (
            sekisho(running, "add", written(running, HOSTED.replace("kawasaki", "yokohama").replace("101", "104")))
            == REFUSED
        )


def test_roles_at_work_that_must_start_again_are_named(running, kawasaki, capsys):
    text = HOSTED.replace("kawasaki", "atami").replace("101", "103").replace("川崎", "熱海")
    with held(running.data.role("network")):
        assert sekisho(running, "add", written(running, text)) == OK
    assert "restart these roles: network" in capsys.readouterr().err


def test_list_and_show_tell_who_takes_part(running, kawasaki, capsys):
    assert sekisho(running, "list", "--json") == OK
    found = json.loads(capsys.readouterr().out)
    assert {one["id"] for one in found["agencies"]} >= {"setagaya", "tashi", kawasaki}
    assert sekisho(running, "show", kawasaki) == OK
    assert "neighbours-linkage" in capsys.readouterr().out
    assert sekisho(running, "show", kawasaki, "--json") == OK
    assert json.loads(capsys.readouterr().out)["routes"] == []
    assert sekisho(running, "show", "nobody") == BAD_INPUT


@pytest.fixture(scope="module")
def partner(running):
    signing, log = Signer(generate_seed()), Signer(generate_seed())
    text = PARTNER % (signing.public_key.hex(), log.public_key.hex())
    assert sekisho(running, "add", written(running, text)) == OK
    return signing


@pytest.fixture
def requested(running, partner, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "csr.pem").write_bytes(request(key))
    out = tmp_path / "cert.pem"
    assert sekisho(running, "certificate", "partner", "--csr", tmp_path / "csr.pem", "--out", out) == OK
    return key, x509.load_pem_x509_certificate(out.read_bytes())


def test_an_agency_elsewhere_keeps_its_private_keys(running, partner):
    assert register(running).agencies["partner"].signing_keys.all() == (partner.public_key,)
    assert not list((running.data.clients / "partner").rglob("*.key.pem"))
    assert not (running.data.clients / "partner" / "keys").exists()
    document = json.loads((running.data.clients / "partner" / "network.json").read_bytes())
    assert document["network"] == running.role("intermediate").peers["core"]


def test_show_tells_the_routes_to_an_agencys_server(running, capsys):
    signing, log = (Signer(generate_seed()).public_key.hex() for _ in range(2))
    where = {"host": "far.example", "port": 8463, "signing_key": signing, "log_key": log}
    agency = {"id": "far", "code": "9999000000000111", "name": "遠市長", "kinds": ["市長"], "elsewhere": where}
    route = {"from": "network", "to": "far", "host": "gateway.example", "port": 9443}
    text = yaml.safe_dump({"agency": agency, "routes": [route]}, allow_unicode=True)
    assert sekisho(running, "add", written(running, text)) == OK
    capsys.readouterr()
    assert sekisho(running, "show", "far", "--json") == OK
    expected = {"from": "network", "to": "far", "by": "gateway.example:9443"}
    assert json.loads(capsys.readouterr().out)["routes"] == [expected]
    assert sekisho(running, "show", "far") == OK
    assert "gateway.example:9443" in capsys.readouterr().out


def test_a_certificate_for_an_agencys_own_key_is_enrolled_and_nothing_of_the_request_is_believed(running, requested):
    key, certificate = requested
    assert certificate.public_key() == key.public_key()
    assert "whatever" not in certificate.subject.rfc4514_string()
    peer = register(running).peers[certificate.fingerprint(hashes.SHA256())]
    assert (peer.agency, peer.use) == ("partner", Use.INTERMEDIATE)


def test_a_revoked_certificate_is_out_of_the_register(running, requested, capsys):
    digest = requested[1].fingerprint(hashes.SHA256())
    assert digest in register(running).peers
    assert sekisho(running, "certificate", "partner", "--json") == OK
    assert digest.hex() in {one["sha256"] for one in json.loads(capsys.readouterr().out)}
    assert sekisho(running, "certificate", "partner", "--revoke", digest.hex()) == OK
    assert digest not in register(running).peers
    assert sekisho(running, "certificate", "partner", "--revoke", "0" * 64) == BAD_INPUT


def test_a_revocation_that_did_not_come_through_is_completed_by_whoever_publishes_next(running, requested):
    digest = requested[1].fingerprint(hashes.SHA256())
    signed = running.data.register.read_bytes()
    running.data.register.write_bytes(b"damaged")
    words = ("certificate", "partner", "--revoke", digest.hex())
    with pytest.raises(RegisterBrokenError):
        sekisho(running, *words)
    running.data.register.write_bytes(signed)
    assert digest in register(running).peers
    sequence = register(running).sequence
    publish(running.data, open_authority(running.data.authority, Clock()()), lambda before: before)
    assert (digest in register(running).peers, register(running).sequence) == (False, sequence + 1)
    assert sekisho(running, *words) == OK
    assert register(running).sequence == sequence + 1
    assert digest not in register(running).peers
    running.set_up()
    running.stop()
    assert digest not in register(running).peers


def test_an_agency_whose_set_up_fails_is_not_there(running, monkeypatch, capsys):
    monkeypatch.setenv("SEKISHO_DSN", "postgresql://nobody@127.0.0.1:1/nothing")
    before = running.data.register.read_bytes()
    text = HOSTED.replace("kawasaki", "kofu").replace("101", "107").replace("川崎", "甲府")
    assert sekisho(running, "add", written(running, text)) == UNREACHABLE
    assert "does not count yet" in capsys.readouterr().err
    assert not (running.data.agencies / "kofu.yaml").exists()
    assert running.data.register.read_bytes() == before
    monkeypatch.delenv("SEKISHO_DSN")
    assert sekisho(running, "list") == OK
    assert "kofu" not in capsys.readouterr().out


def test_requests_in_the_agencys_own_file_are_answered_once(running, tmp_path):
    """Nothing is to be done by hand; a key whose certificate was revoked is not certified again by itself."""
    public = [Signer(generate_seed()).public_key.hex() for _ in range(2)]
    keys = {use: ec.generate_private_key(ec.SECP256R1()) for use in ("intermediate", "server")}
    where = {"host": "partner.example", "port": 8462, "signing_key": public[0], "log_key": public[1]}
    where["certificate"] = {
        "names": ["127.0.0.2"],
        "days": 30,
        "requests": {use: request(key).decode() for use, key in keys.items()},
    }
    agency = {"id": "village", "code": "9999000000000108", "name": "第八市長", "kinds": ["市長"], "elsewhere": where}
    assert sekisho(running, "add", written(running, yaml.safe_dump({"agency": agency}, allow_unicode=True))) == OK
    issued = {path.name.partition("-")[0]: path for path in running.data.issued("village").glob("*.pem")}
    assert set(issued) == set(keys)
    server = x509.load_pem_x509_certificate(issued["server"].read_bytes())
    assert server.public_key() == keys["server"].public_key()
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == ["127.0.0.2", "partner.example"]
    assert (server.not_valid_after_utc - server.not_valid_before_utc).days == 30
    caller = x509.load_pem_x509_certificate(issued["intermediate"].read_bytes()).fingerprint(hashes.SHA256())
    assert register(running).peers[caller].agency == "village"
    assert sekisho(running, "certificate", "village", "--revoke", caller.hex()) == OK
    assert (
        sekisho(
            running,
            "add",
            written(running, HOSTED.replace("kawasaki", "numazu").replace("101", "109").replace("川崎", "沼津")),
        )
        == OK
    )
    assert [path.name.partition("-")[0] for path in running.data.issued("village").glob("*.pem")] == ["server"]


def test_a_servers_certificate_names_its_host_and_calls_nobody(running, partner, tmp_path):
    (tmp_path / "csr.pem").write_bytes(request(ec.generate_private_key(ec.SECP256R1())))
    out = tmp_path / "cert.pem"
    words = ("certificate", "partner", "--csr", tmp_path / "csr.pem", "--use", "server", "--out", out)
    assert sekisho(running, *words) == OK
    found = x509.load_pem_x509_certificate(out.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == ["127.0.0.1"]
    assert found.fingerprint(hashes.SHA256()) not in register(running).peers


def test_requests_that_do_not_hold_are_refused(running, partner, tmp_path):
    good = request(ec.generate_private_key(ec.SECP256R1()))
    der = bytearray(x509.load_pem_x509_csr(good).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    weak = request(rsa.generate_private_key(65537, 2048))
    for bad in (forged, weak, b"", b"nonsense"):
        (tmp_path / "csr.pem").write_bytes(bad)
        assert sekisho(running, "certificate", "partner", "--csr", tmp_path / "csr.pem") == BAD_INPUT
    (tmp_path / "csr.pem").write_bytes(good)
    for agency in ("tokyo", "tashi", "nobody"):
        assert sekisho(running, "certificate", agency, "--csr", tmp_path / "csr.pem") == BAD_INPUT


def set_up_again(running) -> None:
    """With everybody who was added."""
    topology = read_topology(running.data)
    again = Running(running.data.root, ports="kept", key_profile="cheapest", durable=False, roles=(), topology=topology)
    again.set_up()
    again.stop()


def test_a_signing_key_that_was_replaced_stays_so_through_a_set_up(running, partner):
    new, next_one = (Signer(generate_seed()).public_key for _ in range(2))
    assert sekisho(running, "key", "partner", new.hex()) == OK
    windows = tuple(register(running).agencies["partner"].signing_keys)
    assert [(one.key, one.valid_to is None) for one in windows] == [(partner.public_key, False), (new, True)]
    set_up_again(running)
    assert tuple(register(running).agencies["partner"].signing_keys) == windows
    told = partner.public_key.hex()
    replace_key(
        running.data.clients / "partner", "signing", told, next_one.hex()
    )  # a run that died before the register
    set_up_again(running)
    assert [one.key for one in register(running).agencies["partner"].signing_keys if one.valid_to is None] == [next_one]
    assert sekisho(running, "key", "partner", next_one.hex()) == OK
    log, origin = Signer(generate_seed()).public_key, "sekisho.example/partner/intermediate"
    assert sekisho(running, "key", "partner", log.hex(), "--log") == OK
    set_up_again(running)
    assert [one.key for one in register(running).logs[origin] if one.valid_to is None] == [log]
    for agency, code in (("tokyo", REFUSED), ("tashi", REFUSED), ("nobody", BAD_INPUT)):
        assert sekisho(running, "key", agency, Signer(generate_seed()).public_key.hex()) == code
    assert sekisho(running, "key", "partner", new.hex(), "--overlap", "-1") == BAD_INPUT
    assert sekisho(running, "key", "partner", new.hex()) == REFUSED


def on_record(running) -> list[tuple[str, dict[str, object]]]:
    """What the core's log says of agencies, certificates and keys, oldest first: the kind, and its facts."""
    log = f"{running.role('network').hosted['network'].tenant}.log_entry"
    with administrator_dsn(running.data) as dsn:
        rows = asked(dsn, f"select kind, body from {log} where kind ~ '^(agency|certificate|key)' order by year, idx")
    return [(row["kind"], json.loads(row["body"])["facts"]) for row in rows]


def test_sc_7_trust_in_an_agency_elsewhere_is_on_record_before_it_counts(running, requested, tmp_path, monkeypatch):
    """Once each, also while everything stands still; what cannot be recorded is not done."""
    sha256, key = requested[1].fingerprint(hashes.SHA256()).hex(), Signer(generate_seed()).public_key
    files = {path: path.read_bytes() for path in (running.data.register, *running.data.clients.rglob("*.*"))}
    csr = ("certificate", "partner", "--csr", tmp_path / "csr.pem")
    revoke = ("certificate", "partner", "--revoke", sha256.upper())
    change = ("key", "partner", key.hex(), "--overlap", "0")
    before = on_record(running)
    with monkeypatch.context() as away:
        away.setenv("SEKISHO_DSN", "postgresql://nobody@127.0.0.1:1/nothing")  # nobody starts the one that stands still
        assert [sekisho(running, *words) for words in (csr, revoke, change)] == [UNREACHABLE] * 3
    assert {path: path.read_bytes() for path in (running.data.register, *running.data.clients.rglob("*.*"))} == files

    for words in (revoke, change):
        assert [sekisho(running, *words), sekisho(running, *words)] == [OK, OK]
    certificate = {"agency": "partner", "use": "intermediate", "certificate": sha256}
    assert before[-1] == ("certificate.changed", certificate | {"change": "issued"})
    assert on_record(running)[len(before) :] == [
        ("certificate.changed", certificate | {"change": "revoked"}),
        (
            "key.announced",
            {"agency": "partner", "purpose": "signing", "key": hashlib.sha256(key).hexdigest(), "overlap_s": 0},
        ),
    ]


def test_an_agency_that_leaves_takes_no_part_and_its_log_is_verified_still(running, kawasaki, capsys):
    origin = f"sekisho.example/{kawasaki}/intermediate/2026"
    key, party = register(running).log_keys(origin), known_parties(running.data, register(running))[kawasaki]
    assert key is not None
    assert sekisho(running, "remove", kawasaki) == OK
    found = register(running)
    assert kawasaki not in found.agencies
    assert not [peer for peer in found.peers.values() if peer.agency == kawasaki]
    assert found.log_keys(origin) == key
    assert kawasaki not in running.role("neighbours-linkage").hosted
    assert not entered(running, "a_kawasaki_linkage")
    assert "市長" in party.kinds
    assert known_parties(running.data, found)[kawasaki] == party
    changes = [facts["change"] for kind, facts in on_record(running) if facts["agency"] == kawasaki]
    assert changes == ["added", "removed"]
    capsys.readouterr()
    assert sekisho(running, "add", written(running, HOSTED)) == BAD_INPUT
    assert "kawasaki" in capsys.readouterr().err
    late = HOSTED.replace("kawasaki", "zushi").replace("101", "110").replace("川崎", "逗子") + (
        "delegations: [{delegator: zushi, delegate: kawasaki, side: inquirer, valid_from: 2026-04-01}]"
    )
    assert sekisho(running, "add", written(running, late)) == BAD_INPUT
    assert "agency.yaml:3: " in capsys.readouterr().err
    assert sekisho(running, "remove", kawasaki) == BAD_INPUT


def test_the_only_agency_of_a_role_cannot_leave(running):
    assert sekisho(running, "remove", "setagaya") == REFUSED


def test_an_agency_of_the_topology_itself_can_leave(running, capsys):
    assert sekisho(running, "remove", "suginami") == OK
    assert "suginami" not in register(running).agencies
    assert sekisho(running, "list") == OK
    assert "外れた" in capsys.readouterr().out
    assert sekisho(running, "show", "suginami") == OK
    assert "left" in capsys.readouterr().out
