"""The first staff of an agency: two founders with a card each have signed all of it, and it is taken once (SC-11)."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.__main__ import main as sekisho
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.intermediate_server.staff import founding
from gateway.intermediate_server.staff.founding import FirstMember, FoundingBrokenError
from gateway.intermediate_server.staff.rights import Function
from gateway.launcher import RoleNotStartedError, Running
from gateway.setting_up.first_staff import FIRST, FOUNDERS, ensure_first_staff
from keys.signing import Signer, generate_seed
from storage.postgres import discard
from tests.support.staff_terminal import first, terminal, written_beside

NOW = datetime(2026, 4, 1, tzinfo=UTC)
SIGNERS = {name: Signer(generate_seed()) for name in ("ann", "ben", "cho")}


def member(name: str, **changes) -> FirstMember:
    plain = {
        "staff_id": name,
        "office": "jinji",
        "password_hash": "$argon2id$",
        "card_key": SIGNERS[name].public_key.hex(),
        "functions": (Function.HELD_VIEW,),
    }
    return FirstMember(**{**plain, **changes})


def document(members=None, founders=("ann", "ben"), signers=SIGNERS, agency="setagaya") -> bytes:
    made = founding.new(
        agency,
        profile="cheapest",
        at=NOW,
        valid_until=NOW + timedelta(days=1),
        founders=founders,
        members=members or [member(name) for name in SIGNERS],
    )
    return founding.write(made, signers)


def test_a_document_of_two_founders_is_read():
    found = founding.read(document(), "setagaya")
    assert found.founding.founders == ("ann", "ben")
    assert [one.staff_id for one in found.founding.members] == ["ann", "ben", "cho"]


@pytest.mark.parametrize(
    "data",
    [
        document(founders=("ann", "ann")),
        document(members=[member("ann"), member("ben", card_key=SIGNERS["ann"].public_key.hex())], signers={**SIGNERS, "ben": SIGNERS["ann"]}),
        document(signers={**SIGNERS, "ben": SIGNERS["cho"]}),
        document(members=[member("ann"), member("ben"), member("ben")]),
        document(members=[member("ann"), member("ben"), member("cho", card_key=SIGNERS["ann"].public_key.hex())]),
        document(members=[member("ann"), member("ben"), member("cho", office="NO OFFICE")]),
        document(agency="suginami"),
        b"{}",
        b"not json",
        b'{"founding": "{}", "signatures": {}}',
    ],
    ids=["one founder", "one card", "forged", "an id twice", "a card twice", "no office", "another agency", "empty", "no json", "bare"],
)  # fmt: skip
def test_no_staff_comes_from_less_than_two_founders(data):
    with pytest.raises(FoundingBrokenError):
        founding.read(data, "setagaya")


def test_no_letter_of_a_founding_document_can_be_changed():
    signed = json.loads(document())
    for old, new in (("held.view", "staff.approve"), ('"office":"jinji"', '"office":"zeimu"'), ("2026", "2027")):
        bent = json.dumps({**signed, "founding": signed["founding"].replace(old, new)}).encode()
        with pytest.raises(FoundingBrokenError):
            founding.read(bent, "setagaya")


def test_set_up_makes_two_founders_and_keeps_what_is_there(tmp_path):
    data = DataFolder(tmp_path)
    role = data.role("intermediate")
    ensure_first_staff(data, role, "setagaya", NOW, profile="cheapest", simulation=True)
    path = role / "staff" / "setagaya.json"
    before = path.read_bytes()
    found = founding.read(before, "setagaya").founding
    assert found.founders == FOUNDERS
    assert {one.staff_id: set(one.functions) for one in found.members} == {
        staff_id: set(functions) for staff_id, (_, functions) in FIRST.items()
    }
    administration = {
        Function.STAFF_ADMINISTER, Function.STAFF_APPROVE, Function.STAFF_ANALYSE, Function.BACKUP, Function.KEYS_DESTROY,
    }  # fmt: skip
    assert all(set(one.functions) <= administration or not set(one.functions) & administration for one in found.members)
    ensure_first_staff(data, role, "setagaya", NOW, profile="cheapest", simulation=True)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600


def test_set_up_that_died_half_way_is_made_whole(tmp_path):
    data = DataFolder(tmp_path)
    ensure_first_staff(data, data.role("intermediate"), "setagaya", NOW, profile="cheapest", simulation=True)
    path = data.role("intermediate") / "staff" / "setagaya.json"
    path.unlink()
    data.staff_secrets("setagaya", "admin-2").unlink()
    ensure_first_staff(data, data.role("intermediate"), "setagaya", NOW, profile="cheapest", simulation=True)
    found = founding.read(path.read_bytes(), "setagaya").founding
    running = type("Folder", (), {"data": data})
    for one in found.members:
        assert first(running, one.staff_id).card.public_key.hex() == one.card_key


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_server_that_dies_while_it_founds_has_its_staff_once(tmp_path_factory, side):
    folder = tmp_path_factory.mktemp("founding")
    try:
        with Running(folder, roles=(), ports="free", key_profile="cheapest", durable=False) as alone:
            with pytest.raises(RoleNotStartedError):
                alone.restart("intermediate", fault=f"founding.commit.staff.founded.{side}")
            assert alone.ended("intermediate") == -signal.SIGKILL
            alone.restart("intermediate")
            members, grants = asyncio.run(_staff_of(alone))
    finally:
        discard(folder)
    assert [row["staff_id"] for row in members] == sorted(FIRST)
    assert len(grants) == sum(len(functions) for _, functions in FIRST.values())


async def _staff_of(running: Running) -> tuple[list, list]:
    async with terminal(running) as desk:
        admin = await desk.entered(first(running, "admin-1"))
        return (await desk.call(admin, "staff/members"))[1], (await desk.call(admin, "staff/grants"))[1]


def test_the_first_staff_of_a_simulation_outlast_what_is_kept_for_seven_years(tmp_path_factory, capsys):
    """The clock is moved by 8 years: whoever was there at the beginning is let in, with a new password of their own (SC-7, SC-11)."""
    folder = tmp_path_factory.mktemp("years")
    try:
        with Running(folder, roles=("intermediate",), ports="free", key_profile="cheapest", durable=False) as alone:
            data = ["--data", str(alone.data.root)]
            assert sekisho(["clock", "advance", "8y", *data]) == OK
            capsys.readouterr()
            assert sekisho(["held", "list", "--agency", "setagaya", *data]) == OK, capsys.readouterr().err
            assert sekisho(["clock", "advance", "13y", *data]) == OK
            assert sekisho(["held", "list", "--agency", "setagaya", *data]) == REFUSED
            assert "期間が過ぎています" in capsys.readouterr().err
            _founded_anew(alone, capsys)
    finally:
        discard(folder)


def _founded_anew(alone: Running, capsys) -> None:
    """Everybody's account is over: two new people found the agency anew, and bring back whoever was there (docs/adr/0116)."""

    def run(*words: str) -> str:
        capsys.readouterr()
        code = sekisho([*words, "--agency", "setagaya", "--data", str(alone.data.root)])
        printed = capsys.readouterr()
        assert code == OK, printed.err
        return printed.out

    run("staff", "found-anew", "admin-3", "admin-4", "--office", "jinji")
    assert (
        sekisho(
            [
                "staff",
                "found-anew",
                "admin-3",
                "admin-5",
                "--office",
                "jinji",
                "--agency",
                "setagaya",
                "--data",
                str(alone.data.root),
            ]
        )
        == BAD_INPUT
    )
    document = alone.data.role("intermediate") / "staff" / "setagaya.json"
    alone.restart("intermediate")
    refused = ["staff", "login", "--staff", "admin-3", "--agency", "setagaya", "--data", str(alone.data.root)]
    assert sekisho(refused) == REFUSED, "whoever can put a document there is nobody by it (SC-20)"
    alone.stop_role("intermediate")
    run("keys", "vouch", "--role", "intermediate", "--founding", str(document))
    alone.restart("intermediate")
    endings = json.loads(run("staff", "endings", "--json", "--staff", "admin-3"))
    assert [one["people"] for one in endings["able"]] == [["admin-3", "admin-4"]] * 2
    cards = [
        card["card_id"]
        for one in json.loads(run("staff", "list", "--json", "--staff", "admin-3"))
        for card in one["cards"]
        if one["staff_id"] == "admin-1"
    ]
    until = (alone.data.present() + timedelta(days=365)).date().isoformat()
    told = run("staff", "extend", "admin-1", "--until", until, "--with-card", cards[0], "--staff", "admin-3")
    extension_id, state, content_hash = told.split()
    assert state == "proposed"
    run("staff", "approve-extension", extension_id, "--hash", content_hash, "--staff", "admin-4")
    run("staff", "login", "--staff", "admin-1")


async def test_an_agency_is_founded_once(running):
    """After a restart, with another document in its folder, the server's staff are those of the first, also when the database says that there were none;
    and who was put in without a mark meanwhile is nobody (SC-20).
    """
    async with terminal(running) as desk:
        person = await desk.entered(first(running, "admin-1"))
        before = await desk.call(person, "staff/members")
    path = running.data.role("intermediate") / "staff" / "setagaya.json"
    kept = path.read_bytes()
    try:
        path.write_bytes(document())
        async with written_beside(running) as rows:
            mark = await rows.fetchval("select mark from staff_member where staff_id = 'staff-2'")
            await rows.execute("update staff_member set mark = null where staff_id = 'staff-2'")
            await rows.execute("delete from staff_founding")
        running.restart("intermediate")
        async with terminal(running) as desk:
            after = await desk.call(person, "staff/members")
            changed = [one["state"] for one in after[1] if one not in before[1]]
            assert (len(after[1]), changed) == (len(before[1]), ["unvouched"])
        async with written_beside(running) as rows:
            await rows.execute("update staff_member set mark = $1 where staff_id = 'staff-2'", mark)
    finally:
        path.write_bytes(kept)
        running.restart("intermediate")
    async with terminal(running) as desk:
        reader = await desk.entered(first(running, "staff-1"))
        headers = {"Authorization": f"Bearer {reader.token}"}
        async with desk.session.get(f"{desk.base}/setagaya/log", headers=headers) as answer:
            log = (await answer.read()).splitlines()
    founded = [msgspec.json.decode(json.loads(line)["entry"]) for line in log if b"staff.founded" in line]
    assert [one["facts"]["digest"] for one in founded] == [founding.read(kept, "setagaya").digest]
    assert founded[0]["facts"]["founders"] == "admin-1 admin-2"
