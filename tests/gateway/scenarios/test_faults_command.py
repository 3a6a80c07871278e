"""`sekisho faults` says of every fault who catches it, and takes no other words."""

from __future__ import annotations

import pytest

from adapters.jlis_mock.faults import Faults, Switch
from adapters.jlis_mock.lines import Bad
from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT
from gateway.faults_command import WHO_CATCHES


def test_it_is_said_of_every_fault_who_catches_it():
    assert set(WHO_CATCHES) == {*Switch, *Bad}
    assert {one.value for one in Switch} == set(Faults.__dataclass_fields__) - {"permit_redeem_s"}
    assert all(" / " in text for text in WHO_CATCHES.values())


@pytest.mark.parametrize("words", [("list",), ("set", "swap_key"), ("clear",)])
def test_a_folder_that_was_never_set_up_has_no_faults(tmp_path, capsys, words):
    assert main(["faults", *words, "--data", str(tmp_path)]) == BAD_INPUT
    assert capsys.readouterr().err
