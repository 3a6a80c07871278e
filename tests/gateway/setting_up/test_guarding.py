"""`sekisho keys guard`: an agency's key file gets another keeper, and set-up and commands go on with it."""

from __future__ import annotations

import json

import pytest

from gateway.__main__ import main
from gateway.data_folder import held
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.intermediate_server.staff.founding import MARKED
from tests.gateway.setting_up.test_set_up import again, contents
from tests.support.soft_hsm import soft_hsm

PLACE = ("--role", "linkage", "--agency", "setagaya")
STAFF = ("--role", "intermediate", "--agency", "setagaya")


def keys(running, *words: str, place: tuple[str, ...] = PLACE) -> int:
    return main(["keys", *words, *place, "--data", str(running.data.root)])


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


def test_sc_20_whoever_opens_the_ring_has_the_staff_of_an_older_backup_marked_at_the_next_start(folder, capsys):
    store = folder.role("intermediate").open_keys("setagaya")
    store.ensure(MARKED)
    with held(folder.data.role("intermediate")):
        assert keys(folder, "vouch", place=STAFF) == REFUSED
    store.look()
    assert MARKED in store.ring.purposes()
    assert keys(folder, "vouch", place=STAFF) == OK
    store.look()
    assert MARKED not in store.ring.purposes()
    assert keys(folder, "vouch", place=STAFF) == OK
    assert keys(folder, "vouch", "--founding", str(folder.data.root / "nothing"), place=STAFF) == BAD_INPUT
    assert "no founding document of this agency" in capsys.readouterr().err
    assert keys(folder, "vouch") == BAD_INPUT
    assert "staff are of intermediate servers" in capsys.readouterr().err
