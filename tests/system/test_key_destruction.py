"""A version of a key is destroyed by two of the agency's staff and by nobody else (SC-20, SC-16, SC-11, SC-7; docs/adr/0073)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from evidence import orders
from evidence.orders import OrderKind
from gateway.__main__ import main
from gateway.config import FAULT
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.launcher import ROOT
from gateway.staff_cards import read_secrets
from keys.ring import State
from tests.support.running_system import System, entries, started

SUGINAMI = "suginami"
LINKAGE = ("--role", "linkage", "--agency", WARD)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    roles = ("linkage", "intermediate", "network")
    with started(tmp_path_factory.mktemp("destruction"), roles=roles) as running:
        yield System(running=running)


def keys(system, *words):
    return main(["keys", *words, "--data", str(system.running.data.root)])


def states(system, purpose, role="intermediate", agency=WARD):
    return system.running.role(role).open_keys(agency).ring.versions(purpose)


def old_version(system, purpose, role="intermediate", agency=WARD):
    """A version that nothing lies under, for it was replaced."""
    version = system.running.role(role).open_keys(agency).ring.primary(purpose)
    assert keys(system, "rotate", purpose, "--role", role, "--agency", agency, "--lead", "0") == OK
    return version


def until_ok(call):
    """A running role takes a rotated ring within a second or so."""
    return any(call() == OK or time.sleep(0.2) for _ in range(50))


def asked(system, capsys, purpose, version, server):
    """Asked for by the first administrator; its id."""
    what = ("destroy", purpose, "--version", str(version), "--server", server, "--cause", "replaced")
    assert until_ok(lambda: keys(system, *what, "--agency", WARD))
    capsys.readouterr()
    assert keys(system, "destructions", "--agency", WARD, "--json") == OK
    return json.loads(capsys.readouterr().out)[0]["destruction_id"]


def decided(system, staff, destruction_id, word="approve"):
    return keys(system, word, destruction_id, "--agency", WARD, "--staff", staff)


def ordered(system, capsys, purpose, version, server="linkage"):
    """An order of two administrators, in a file."""
    drawn = asked(system, capsys, purpose, version, server)
    assert decided(system, "admin-2", drawn) == OK
    return system.running.data.orders / f"{drawn}.json"


def carried_out(system, purpose, version, *more, place=LINKAGE):
    return keys(system, "destroy", purpose, "--version", str(version), *place, *more)


def on_record(system, kind, export=None):
    found = entries(asyncio.run(export() if export else system.export(WARD)), kind=kind)
    return [(one["actor"], one["facts"]) for one in found]


def test_sc_20_a_version_goes_by_two_people_who_are_on_record(system, capsys):
    version = old_version(system, "replicas")
    drawn = asked(system, capsys, "replicas", version, "intermediate")
    assert decided(system, "admin-1", drawn) == REFUSED  # one person alone
    assert "second_person_needed" in capsys.readouterr().err
    assert decided(system, "staff-1", drawn) == REFUSED
    assert "right_missing" in capsys.readouterr().err
    assert states(system, "replicas")[version] is State.ENABLED
    assert decided(system, "admin-2", drawn) == OK
    assert states(system, "replicas")[version] is State.DESTROYED

    [(actor, facts)] = on_record(system, "key.destroyed")
    said = {name: facts[name] for name in ("purpose", "version", "cause", "asked_by", "destruction_id")}
    assert (actor, said) == (
        "admin-2",
        {
            "purpose": "replicas",
            "version": version,
            "cause": "replaced",
            "asked_by": "admin-1",
            "destruction_id": drawn,
        },
    )
    [(first, begun)] = [one for one in on_record(system, "key.destruction") if one[1]["destruction_id"] == drawn]
    assert (first, begun["event"]) == ("admin-1", "asked")
    assert begun["card"] != facts["card"]  # each has signed with their own
    assert begun["signature"]
    assert facts["signature"]
    assert decided(system, "admin-2", drawn) == OK  # again: the same act
    assert len(on_record(system, "key.destroyed")) == 1
    assert system.findings({WARD: asyncio.run(system.export(WARD))}) == []


def test_what_was_rejected_or_is_in_use_stays(system, capsys):
    version = old_version(system, "replicas")
    drawn = asked(system, capsys, "replicas", version, "intermediate")
    assert decided(system, "admin-2", drawn, "reject") == OK
    assert decided(system, "admin-2", drawn) == REFUSED
    assert "decided_already" in capsys.readouterr().err
    in_use = ("destroy", "replicas", "--version", str(version + 1), "--server", "intermediate", "--cause", "replaced")
    assert keys(system, *in_use, "--agency", WARD) == REFUSED
    assert "key_in_use" in capsys.readouterr().err
    assert states(system, "replicas") == {
        **states(system, "replicas"), version: State.ENABLED, version + 1: State.PRIMARY,
    }  # fmt: skip


def test_sc_20_root_without_staff_destroys_nothing_by_the_command(system, capsys, tmp_path):
    """The machine, its passphrase files and every ring that they open; nobody's card, password or session."""
    version = old_version(system, "replicas")
    before = len(on_record(system, "key.destroyed"))
    assert carried_out(system, "replicas", version, place=("--role", "intermediate", "--agency", WARD)) == REFUSED
    asking = ("destroy", "replicas", "--version", str(version), "--server", "intermediate", "--cause", "replaced")
    assert keys(system, *asking, "--agency", WARD, "--staff", "root") == BAD_INPUT
    data = system.running.data
    known = {staff: data.staff_secrets(WARD, staff) for staff in ("admin-1", "admin-2")}
    assert all(read_secrets(path) for path in known.values())

    older = old_version(system, "four-items", "linkage")
    assert carried_out(system, "four-items", older) == REFUSED
    assert "--server linkage" in capsys.readouterr().err
    forged = tmp_path / "order.json"
    ring = system.running.role("linkage").open_keys(WARD).ring
    forged.write_text(_order(system, ring.signer("log"), "four-items", older))
    assert carried_out(system, "four-items", older, "--order", str(forged)) == REFUSED
    assert "order_signature_invalid" in capsys.readouterr().err
    assert states(system, "replicas")[version] is State.ENABLED
    assert states(system, "four-items", "linkage")[older] is State.ENABLED
    assert len(on_record(system, "key.destroyed")) == before


def _order(system, signer, purpose, version, server="linkage", ago=timedelta(0)):
    return orders.sign(
        OrderKind.KEY_DESTRUCTION,
        order_id="D0123456789ABCDEFGHJKMNPQR0",
        agency=WARD,
        server=server,
        people=("admin-1", "admin-2"),
        facts={"purpose": purpose, "version": version, "cause": "replaced"},
        signer=signer,
        now=system.running.clock() - ago,
    )


def test_sc_20_an_order_is_for_one_version_of_one_server_and_good_once(system, capsys):
    version = old_version(system, "business-information", "linkage")
    another = old_version(system, "review-hold", "linkage")
    next_one = old_version(system, "business-information", "linkage")
    order = ordered(system, capsys, "business-information", version)
    given = ("--order", str(order))
    for purpose, number in (("business-information", next_one), ("review-hold", another)):
        assert carried_out(system, purpose, number, *given) == REFUSED
        assert "another purpose or version" in capsys.readouterr().err
    of_sky2 = ordered(system, capsys, "business-information", version, "sky2")
    assert carried_out(system, "business-information", version, "--order", str(of_sky2)) == REFUSED
    assert "order_for_another_server" in capsys.readouterr().err

    assert carried_out(system, "business-information", version, *given) == OK
    after = states(system, "business-information", "linkage")
    assert (after[version], after[next_one]) == (State.DESTROYED, State.ENABLED)
    [(actor, facts)] = [
        one for one in on_record(system, "key.destroyed", system.linkage_log) if one[1]["version"] == version
    ]
    assert actor == "admin-2"
    assert facts == {
        "purpose": "business-information", "version": version, "cause": "replaced", "asked_by": "admin-1", "order": order.stem,
    }  # fmt: skip
    assert carried_out(system, "business-information", version, *given) == REFUSED
    assert "destroyed already" in capsys.readouterr().err


def test_sc_20_another_agencys_order_and_one_whose_time_is_over_are_refused(system, capsys, tmp_path):
    version = old_version(system, "four-items", "linkage")
    path = tmp_path / "order.json"
    given = ("--order", str(path))
    theirs = system.running.role("neighbours-intermediate").open_keys(SUGINAMI).ring.signer("signing")
    own = system.running.role("intermediate").open_keys(WARD).ring.signer("signing")
    path.write_text(_order(system, theirs, "four-items", version))
    assert carried_out(system, "four-items", version, *given) == REFUSED
    assert "order_signature_invalid" in capsys.readouterr().err
    path.write_text(_order(system, own, "four-items", version, ago=timedelta(minutes=11)))
    assert carried_out(system, "four-items", version, *given) == REFUSED
    assert "order_over" in capsys.readouterr().err
    assert states(system, "four-items", "linkage")[version] is State.ENABLED


@pytest.mark.parametrize("side", ["before", "after"])
def test_sc_16_a_destruction_that_dies_is_on_record_and_done_or_neither(system, capsys, side):
    version = old_version(system, "four-items", "linkage")
    order = ordered(system, capsys, "four-items", version)
    words = ("keys", "destroy", "four-items", "--version", str(version), *LINKAGE, "--order", str(order))
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--data", str(system.running.data.root)],
        env={**os.environ, FAULT: f"keys.commit.key.changed.{side}"}, cwd=ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    assert states(system, "four-items", "linkage")[version] is State.DISABLED
    system.running.restart("linkage")
    came_of_it = {"before": (State.ENABLED, 0), "after": (State.DESTROYED, 1)}[side]
    recorded = [one for one in on_record(system, "key.destroyed", system.linkage_log) if one[1]["version"] == version]
    assert (states(system, "four-items", "linkage")[version], len(recorded)) == came_of_it


def test_sc_16_the_same_command_finishes_what_is_on_record_without_another_order(system, capsys):
    version = old_version(system, "four-items", "linkage")
    order = ordered(system, capsys, "four-items", version)
    words = ("keys", "destroy", "four-items", "--version", str(version), *LINKAGE)
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--order", str(order), "--data", str(system.running.data.root)],
        env={**os.environ, FAULT: "keys.commit.key.changed.after"}, cwd=ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    assert carried_out(system, "four-items", version) == OK
    assert states(system, "four-items", "linkage")[version] is State.DESTROYED


def test_sc_20_a_business_systems_key_goes_by_an_order_and_the_approval_is_in_its_agencys_log(system, capsys):
    place = ("--role", "sky2", "--agency", WARD)
    store = system.running.role("sky2").open_keys(WARD)
    with store.changing() as ring:
        ring.create("push-secret")
        ring.rotate("push-secret")
    assert carried_out(system, "push-secret", 1, place=place) == REFUSED
    order = ordered(system, capsys, "push-secret", 1, "sky2")
    assert carried_out(system, "push-secret", 1, "--order", str(order), place=place) == OK
    assert states(system, "push-secret", "sky2")[1] is State.DESTROYED
    said = [facts for _, facts in on_record(system, "key.destruction") if facts["destruction_id"] == order.stem]
    assert [(one["event"], one["server"]) for one in said] == [("asked", "sky2"), ("ordered", "sky2")]
