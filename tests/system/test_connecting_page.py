"""docs/connecting.md is true: its commands, read from the page, connect a server and pass both conformance runs; its bytes are ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.conformance.other_calls import CALLS
from gateway.conformance.turns import RULES, TURNS
from gateway.data_folder import held
from gateway.launcher import ROOT, Running
from gateway.own_topology import read as own_topology
from gateway.setting_up.ports import untaken
from keys.binding import bind
from keys.masked import Plaintext
from keys.sealing import new_one_time_key, seal
from storage.postgres import discard

PAGE = (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROLES = ("intermediate", "linkage", "network", "resident-network")
OWN_PORTS = ("8460", "8470")
"""Of the partner's server and of the played network, as the page writes them."""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a block of the page in the engineer's folder; returns its output. Ports are others, so that nothing is in the way."""
    root = tmp_path_factory.mktemp("page")
    ports = {port: str(untaken(1)[0]) for port in OWN_PORTS}
    (root / "work").mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "SEKISHO_DATA": str(root / "data"), "PATH": path, "PYTHONPATH": str(ROOT)}

    def run(block: str) -> str:
        for written, free in ports.items():
            block = block.replace(written, free)
        words = ["bash", "-e", "-m", "-c", block]
        done = subprocess.run(
            words, cwd=root / "work", env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    first = Running(root / "data", roles=(), ports="free", key_profile="cheapest", durable=False)
    with held(first.data.root):
        first.set_up()
        first.stop()
    yield run, root
    discard(root / "data")


def test_the_commands_of_the_page_connect_a_server_that_conforms_on_both_sides(shell):
    run, root = shell
    keys, add, residents, ask, new_key, provide, inquire = BLOCKS
    run(keys)
    data = Running(root / "data", roles=()).data
    options = {role: {"continuous_codes": False} for role in ROLES}
    with Running(
        data.root,
        roles=ROLES,
        ports="kept",
        key_profile="cheapest",
        durable=False,
        options=options,
        topology=own_topology(data),
    ):
        run(add)
        run(residents)
        told = run(ask)
        assert '"kind": "no_such_person"' in told
        steps = (
            "inquiry.registered",
            "permit.issued",
            "inquiry.permitted",
            "provision.not_provided",
            "inquiry.not_provided",
        )
        assert [step for step in steps if step not in told] == []
        assert "not read" not in told
        assert '"kind": "no_such_person"' in run(new_key)
        assert "相違 0 (differences)" in run(provide)
        assert f"{len(RULES) + len(TURNS) + len(CALLS)} 項目、相違 0 (differences)" in run(inquire)
    assert str(len(TURNS)) in inquire.split()


def test_the_bytes_of_the_page_are_ours():
    said = re.search(r"^bind\(.*\) =\n(.*)$", PAGE, re.MULTILINE)
    assert said is not None
    assert bytes.fromhex(said.group(1)) == bind(b"sekisho/inquiry/v1", b"{}", 7, None, ["あ"])
    sealed = seal(new_one_time_key().public, b"", Plaintext(b""))
    assert len(sealed) == 2 + 1120 + 256 + 16
    assert sealed[:2].hex() == "0101"
