"""A rotation that dies between two steps: what signs is what the register names, and the same command finishes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway import certificates_command, keys_command  # noqa: F401 (they register the fault points)
from gateway.__main__ import main
from gateway.config import FAULT
from gateway.exit_codes import OK
from gateway.launcher import ROOT
from gateway.setting_up.authority import fingerprint, open_authority
from keys.ring import State
from storage.fault_points import REGISTRY
from tests.gateway.setting_up.test_set_up import again
from transport.clock import Clock
from transport.tls import client_context

POINTS = sorted(name for name, server in REGISTRY.items() if server == "keys" and "certificate" not in name)
PURPOSE = "permit"
ROLE = AGENCY = "network"
WORDS = ("keys", "rotate", PURPOSE, "--role", ROLE, "--agency", AGENCY, "--lead", "0")


def usable(folder) -> None:
    """What the core signs now is accepted by everybody's register."""
    signature = folder.role(ROLE).open_keys(AGENCY).ring.signer(PURPOSE).sign_raw(b"a permit")
    for name in folder.topology.roles:
        assert folder.role(name).register.permit_keys.verify_raw(b"a permit", signature, now=Clock()())


@pytest.mark.parametrize("point", POINTS)
def test_is_8_a_rotation_that_dies_is_usable_and_is_finished_by_the_same_command(folder, point):
    words = (*WORDS, "--data", str(folder.data.root))
    before = folder.role(ROLE).open_keys(AGENCY).ring.primary(PURPOSE)
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *words], env={**os.environ, FAULT: point}, cwd=ROOT, check=False, timeout=60
    )
    assert died.returncode == -signal.SIGKILL
    usable(folder)
    assert main(words) == OK
    usable(folder)
    ring = folder.role(ROLE).open_keys(AGENCY).ring
    assert ring.prepared(PURPOSE) is None
    assert [number for number, state in ring.versions(PURPOSE).items() if state is State.PRIMARY] == [
        ring.primary(PURPOSE)
    ]
    finished_twice = point == "keys.rotation.ended.after"  # it was over already: the command began another
    assert ring.primary(PURPOSE) == before + 1 + finished_twice
    windows = folder.role("network").register.permit_keys.windows
    assert [one.key for one in windows if one.valid_to is None] == [ring.signer(PURPOSE).public_key]


def test_every_step_of_a_rotation_has_its_points():
    assert {point.rpartition(".")[0] for point in POINTS} == {
        "keys.rotation.prepared", "keys.rotation.announced", "keys.commit.key.changed", "keys.rotation.promoted", "keys.rotation.ended",
    }  # fmt: skip


@pytest.mark.parametrize("point", ["keys.rotation.promoted.after", "keys.certificate.placed.after"])
def test_is_8_a_rotation_of_the_ca_that_dies_is_usable_and_is_finished_by_the_same_command(folder, point):
    """Everybody trusts both CAs meanwhile, and the new one alone when the old one was ended at once."""
    words = ("keys", "rotate", "ca", "--lead", "0", "--overlap", "0", "--data", str(folder.data.root))
    before = open_authority(folder.data.authority, Clock()())
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *words], env={**os.environ, FAULT: point}, cwd=ROOT, check=False, timeout=60
    )
    assert died.returncode == -signal.SIGKILL
    for name in folder.topology.roles:
        shown = x509.load_pem_x509_certificate(folder.role(name).server.certificate.read_bytes())
        trusted = x509.load_pem_x509_certificates(folder.role(name).server.ca.read_bytes())
        assert len(trusted) == 2
        assert any(_issued(shown, one) for one in trusted)
    assert main(words) == OK
    after = open_authority(folder.data.authority, Clock()())
    assert (after.key == before.key, after.beside) == (False, ())
    for name in folder.topology.roles:
        role = folder.role(name)
        for identity in (role.server, *(one.identity for one in role.hosted.values())):
            assert after.issued(x509.load_pem_x509_certificate(identity.certificate.read_bytes()))
            assert identity.ca.read_bytes() == after.trusted
            client_context(identity, identity.ca)  # certificate and key fit each other


def _issued(certificate, authority):
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True


@pytest.mark.parametrize("point", sorted(name for name in REGISTRY if name.startswith("keys.certificate.")))
def test_is_4_a_replacement_of_a_certificate_that_dies_is_mended_by_set_up(folder, point):
    identity = folder.role(ROLE).hosted[AGENCY].identity
    before = fingerprint(identity)
    words = ("certificates", "replace", before, "--data", str(folder.data.root))
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *words], env={**os.environ, FAULT: point}, cwd=ROOT, check=False, timeout=60
    )
    assert died.returncode == -signal.SIGKILL
    again(folder)
    client_context(identity, identity.ca)  # certificate and key fit each other
    peer = folder.role("intermediate").register.peers[bytes.fromhex(fingerprint(identity))]
    assert (peer.agency, peer.valid_to) == (AGENCY, None)
    assert main(("certificates", "replace", fingerprint(identity), "--data", str(folder.data.root))) == OK
    assert fingerprint(identity) != before
