"""Roles come from limbs of one stem: what cannot come from there is said, and ends nothing that runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.config import environment_of_roles
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK
from gateway.launcher import ROOT
from gateway.stem import Limb, Stem
from gateway.topology_parts import Program
from tests.gateway.setting_up.test_launcher import until


@pytest.fixture
def stem():
    started = Stem.started(environment_of_roles())
    yield started
    started.close()


def start(limb, folder):
    return limb.start("resident-network", DataFolder(folder), folder / "log", None)


def descriptors() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def test_nothing_comes_from_a_stem_that_was_killed(stem, tmp_path):
    limb = stem.limb(Program.RESIDENT_NETWORK)
    role = start(limb, tmp_path)
    assert role.wait(timeout=30) == BAD_INPUT  # nothing is set up here
    stem.process.kill()
    stem.process.wait()
    with pytest.raises(OSError):
        until(lambda: start(limb, tmp_path) is None)
    assert limb.status(role.pid) == -signal.SIGTERM


def test_a_role_that_was_asked_about_leaves_no_descriptor(stem, tmp_path):
    limb = stem.limb(Program.RESIDENT_NETWORK)
    before = descriptors()
    for _ in range(3):
        assert start(limb, tmp_path).wait(timeout=30) == BAD_INPUT
    assert descriptors() == before


def test_an_order_that_was_interrupted_is_the_last_to_its_limb(tmp_path):
    """Its answer would be taken for the next one's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    us = threading.get_ident()

    def interrupt_when_ordered():
        assert theirs.recv(65_536)
        signal.pthread_kill(us, signal.SIGUSR1)

    with ours, theirs, ThreadPoolExecutor() as beside:
        beside.submit(interrupt_when_ordered)
        with pytest.raises(KeyboardInterrupt):
            start(Limb(orders=ours), tmp_path)
        signal.signal(signal.SIGUSR1, before)
        theirs.setblocking(False)
        assert theirs.recv(1) == b""


FULL = """
import os, resource, socket
from gateway import stem
if os.getuid() == 0:
    os.setuid(65534)  # no limit holds root
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
stem._take_orders(socket.socket(fileno=0))
"""


def test_a_limb_that_cannot_make_a_process_says_so_and_lives_on(tmp_path):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen([sys.executable, "-c", FULL], cwd=ROOT, stdin=theirs.fileno())
    with ours:
        for _ in range(2):
            with pytest.raises(BlockingIOError):
                start(Limb(orders=ours), tmp_path)
    assert process.wait(timeout=30) == OK
