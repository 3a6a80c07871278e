"""`sekisho keys guard`: an agency's key file gets another keeper, and set-up and commands go on with it."""

from __future__ import annotations

import json

import pytest

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, OK
from tests.gateway.setting_up.test_set_up import again, contents
from tests.support.soft_hsm import soft_hsm

PLACE = ("--role", "linkage", "--agency", "setagaya")


def keys(running, *words: str) -> int:
    return main(["keys", *words, *PLACE, "--data", str(running.data.root)])


@pytest.fixture
def plain_again(folder):
    yield
    assert keys(folder, "guard", "--by", "passphrase") == OK


def test_is_8_a_ring_goes_under_the_module_and_set_up_and_commands_go_on(folder, plain_again, capsys):
    hsm = soft_hsm()
    before = folder.role("linkage").open_keys("setagaya").ring.signer("log").public_key
    assert keys(folder, "guard", *hsm.arguments, "--key", "linkage-setagaya") == OK
    said = capsys.readouterr().err
    assert "rotate" in said
    assert "271828" not in said
    stored = json.loads((folder.data.role("linkage") / "keys" / "setagaya.json").read_text())
    assert stored["keeper"] == "hsm"
    assert folder.role("linkage").open_keys("setagaya").ring.signer("log").public_key == before
    files = contents(folder)
    again(folder)
    assert contents(folder) == files
    assert keys(folder, "rotate", "review-hold") == OK
    assert keys(folder, "list", "--json") == OK


def test_a_module_that_is_not_there_leaves_the_file_as_it_was(folder, capsys, tmp_path):
    path = folder.data.role("linkage") / "keys" / "setagaya.json"
    before = path.read_bytes()
    pin = tmp_path / "pin"
    pin.write_text("123456")
    words = ("--token", "setagaya", "--key", "ring", "--pin-file", str(pin))
    assert keys(folder, "guard", "--by", "hsm", *words) == BAD_INPUT
    assert keys(folder, "guard", "--by", "hsm", "--module", "/nowhere/library.so", *words) == BAD_INPUT
    said = capsys.readouterr().err
    assert "security module is away" in said
    assert "123456" not in said
    assert path.read_bytes() == before
