"""What lies in a data folder for somebody else is not taken for a business system's, nor for a new agency's."""

from __future__ import annotations

import json

from gateway.exit_codes import BAD_INPUT, OK
from tests.gateway.setting_up.test_agency_command import HOSTED, sekisho, written


def test_a_business_systems_file_that_is_anothers_is_refused_before_anything_changes(running, capsys):
    """The file of a client that was added beside the topology; the same command goes through once the id is another."""
    text = f"""{HOSTED.replace("kawasaki", "atami").replace("101", "108").replace("川崎", "熱海").replace(", assessed: false", ", systems: [SYSTEM]")}"""
    system = "{id: other-gyomu, name: 業務, individual_number: false, grants: ['inquiries:create']}"
    other = running.data.client("other-gyomu")
    other.write_text(json.dumps({"agency": "tokyo", "client_secret": "theirs"}))
    before = {path: path.read_bytes() for path in running.data.root.rglob("*") if path.is_file()}
    assert sekisho(running, "add", written(running, text.replace("SYSTEM", system))) == BAD_INPUT
    assert str(other) in capsys.readouterr().err
    after = {path: path.read_bytes() for path in running.data.root.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} <= {running.data.authority / "agencies.lock"}
    assert json.loads(other.read_bytes())["client_secret"] == "theirs"
    other.unlink()
    assert sekisho(running, "add", written(running, text.replace("SYSTEM", system))) == OK
    assert json.loads(other.read_bytes())["agency"] == "atami"


def test_the_secret_of_an_agency_that_has_left_opens_no_door_of_another(running):
    """The same id of a business system is another's now; whoever kept the file of before signs in as nobody."""
    system = "{id: once-gyomu, name: 業務, individual_number: false, grants: ['inquiries:create']}"
    said = HOSTED.replace(", assessed: false", f", systems: [{system}]")
    first = said.replace("kawasaki", "ito").replace("101", "111").replace("川崎", "伊東")
    second = said.replace("kawasaki", "numazu").replace("101", "112").replace("川崎", "沼津")
    path = running.data.client("once-gyomu")
    assert sekisho(running, "add", written(running, first)) == OK
    before = json.loads(path.read_bytes())
    assert sekisho(running, "remove", "ito") == OK
    assert sekisho(running, "add", written(running, second)) == OK
    after = json.loads(path.read_bytes())
    assert (before["agency"], after["agency"]) == ("ito", "numazu")
    assert after["client_secret"] != before["client_secret"]


def test_a_file_of_the_folder_itself_is_not_added_again(running, capsys):
    assert sekisho(running, "add", written(running, HOSTED)) == OK
    assert sekisho(running, "add", running.data.agencies / "kawasaki.yaml") == BAD_INPUT
    assert "in the data folder already" in capsys.readouterr().err
