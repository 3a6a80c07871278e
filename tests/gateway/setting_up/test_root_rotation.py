"""The register's root is replaced: wherever that dies, every role reads the register, and the same command finishes it (IS-8; docs/adr/0074)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gateway.__main__ import main
from gateway.config import FAULT
from gateway.exit_codes import OK
from gateway.launcher import ROOT
from gateway.setting_up.authority import open_authority
from tests.gateway.setting_up.test_rotation import POINTS
from tests.gateway.setting_up.test_set_up import again
from transport.clock import Clock
from transport.register import Register, RegisterBrokenError

WORDS = ("keys", "rotate", "register-root", "--lead", "0")
PERMIT = ("keys", "rotate", "permit", "--role", "network", "--agency", "network", "--lead", "0")


def rotate(folder, *more):
    return main((*WORDS, *more, "--data", str(folder.data.root)))


def rotate_permit(folder):
    """A change of the register that is not the root's."""
    return main((*PERMIT, "--data", str(folder.data.root)))


def root_of(folder):
    return open_authority(folder.data.authority, Clock()()).root.public_key


def read(folder, root):
    return Register.read(folder.data.register.read_bytes(), root)


def number(folder):
    named = read(folder, bytes.fromhex(folder.data.register_root.read_text())).root
    return 1 if named is None else named.number


@pytest.mark.parametrize("point", POINTS)
def test_is_8_a_rotation_of_the_root_that_dies_leaves_everybody_a_register_and_is_finished(folder, point):
    before, sequence = number(folder), folder.role("network").register.sequence
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *WORDS, "--data", str(folder.data.root)],
        env={**os.environ, FAULT: point}, cwd=ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    assert {folder.role(name).register.sequence for name in folder.topology.roles} <= {sequence, sequence + 1}
    assert rotate(folder) == OK
    finished_twice = point == "keys.rotation.ended.after"
    assert number(folder) == before + 1 + finished_twice
    assert {folder.role(name).register.root.key for name in folder.topology.roles} == {root_of(folder)}
    assert bytes.fromhex(folder.data.register_root.read_text()) == root_of(folder)


def test_registers_are_under_both_roots_until_the_overlap_is_over(folder):
    old = root_of(folder)
    assert rotate(folder) == OK
    assert read(folder, old).root.key == root_of(folder) != old
    again(folder)  # set-up publishes under both, and takes nothing back
    assert read(folder, old).root.key == root_of(folder)
    assert rotate_permit(folder) == OK
    assert read(folder, old).sequence == read(folder, root_of(folder)).sequence


def test_is_8_an_old_root_that_was_ended_at_once_signs_nothing_more(folder):
    old = root_of(folder)
    assert rotate(folder, "--overlap", "0") == OK
    assert rotate_permit(folder) == OK
    with pytest.raises(RegisterBrokenError):
        read(folder, old)
    assert {folder.role(name).register.root.key for name in folder.topology.roles} == {root_of(folder)}
    again(folder)
    assert read(folder, root_of(folder)).root.key == root_of(folder)
