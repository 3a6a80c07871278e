"""One clock for all roles: moved by one process, seen by the others, refused where nothing says that this is a simulation."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keys.signing import Signer, generate_seed
from transport import role
from transport.clock import Alarm, Clock, SharedOffset
from transport.register import Register, RegisterBrokenError, sign_register

DAY = timedelta(days=1)
THEN = datetime(2029, 4, 1, tzinfo=UTC)
READER = "import sys; from pathlib import Path; from transport.clock import *; clock = Clock(shared=SharedOffset(Path(sys.argv[1])));"


@pytest.fixture
def shared(tmp_path):
    return SharedOffset.ensure(tmp_path / "clock")


def test_what_one_process_moves_another_sees(tmp_path, shared):
    Clock(shared=shared).set(THEN)
    found = subprocess.run(
        [sys.executable, "-c", READER + "print(clock().year)", str(tmp_path / "clock")], capture_output=True, check=True
    )
    assert found.stdout.strip() == b"2029"


def test_a_clock_that_is_off_stays_off_by_as_much(shared):
    together, off = Clock(shared=shared), Clock(timedelta(minutes=-7), shared)
    together.set(THEN)
    assert timedelta(0) <= together() - THEN < timedelta(minutes=1)
    assert timedelta(minutes=6) < together() - off() < timedelta(minutes=8)
    off.set(THEN)
    assert timedelta(minutes=7) <= together() - THEN < timedelta(minutes=8)


def test_the_machines_own_time_is_not_moved(shared):
    clock = Clock(shared=shared)
    clock.set(THEN)
    assert abs(clock.unmoved() - Clock()()) < timedelta(seconds=5)


def test_nobody_moves_a_clock_that_no_simulation_shares():
    with pytest.raises(TypeError):
        Clock().set(THEN)


def test_the_file_keeps_where_the_clock_was(tmp_path, shared):
    Clock(shared=shared).set(THEN)
    assert Clock(shared=SharedOffset.ensure(tmp_path / "clock"))() >= THEN


def test_a_file_of_another_size_is_no_clock(tmp_path):
    (tmp_path / "clock").write_bytes(b"tomorrow")
    SharedOffset(tmp_path / "clock")
    (tmp_path / "clock").write_bytes(b"today")
    with pytest.raises(ValueError, match="eight bytes"):
        SharedOffset(tmp_path / "clock")


async def test_who_rests_for_an_hour_wakes_when_the_clock_is_moved(shared):
    clock = Clock(shared=shared)
    alarm = Alarm(clock)
    resting = asyncio.ensure_future(alarm.rest(3600))
    await asyncio.sleep(0)
    SharedOffset(shared.path).move(DAY)
    await asyncio.wait_for(resting, 10)
    again = asyncio.ensure_future(alarm.rest(3600))
    assert not (await asyncio.wait({again}, timeout=0.3))[0], "one move wakes once"
    again.cancel()


async def test_a_move_while_a_loop_is_at_work_ends_its_next_rest(shared):
    clock = Clock(shared=shared)
    alarm, other = Alarm(clock), Alarm(clock)
    SharedOffset(shared.path).move(DAY)
    await asyncio.wait_for(other.rest(3600), 10)
    await asyncio.wait_for(alarm.rest(3600), 10)


async def test_a_clock_of_its_own_rests_as_long_as_it_is_told():
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.wait_for(Alarm(Clock()).rest(0.05), 10)
    assert loop.time() - begun >= 0.04


# --- only in a simulation


def written(folder, *, simulation, signer=None, **stored):
    """A role's folder as set-up writes it, as far as its clock goes."""
    root = Signer(generate_seed())
    body = {"agencies": [], "certificates": [], "logs": [], "permit_key": "00" * 32, **simulation}
    (folder / "register.json").write_bytes(sign_register(body, signer or root))
    (folder / "passphrase").write_text("for tests only")
    SharedOffset.ensure(folder / "clock")
    identity = {"certificate": "a.pem", "key": "a.key", "ca": "ca.pem"}
    document = {
        "role": "linkage", "dsn": "", "host": "127.0.0.1", "port": 1, "metrics_port": 2, "server": identity, "hosted": [], "peers": {},
        "register": "register.json", "register_root": root.public_key.hex(), "passphrase_file": "passphrase", "spool": "spool",
        "options": {}, **stored,
    }  # fmt: skip
    (folder / "role.json").write_text(json.dumps(document))
    return folder


MOVED = (
    {"clock": "clock"},
    {"options": {"clock_offset_s": 60}},
    {"clock": "clock", "options": {"clock_offset_s": -60}},
)


def test_one_role_of_a_simulation_can_be_wrong_while_it_runs(tmp_path):
    folder = written(tmp_path, simulation={"simulation": True}, clock="clock", skew="clock-skew")
    skew = SharedOffset.ensure(folder / "clock-skew")
    clock = role.load(folder).clock
    SharedOffset(folder / "clock").move(DAY)
    skew.move(-2 * DAY)
    assert clock.offset == -DAY
    skew.move(timedelta(0))
    assert clock.offset == DAY


@pytest.mark.parametrize("stored", MOVED)
@pytest.mark.parametrize("simulation", [{}, {"simulation": False}, {"simulation": "true"}, {"simulation": 1}])
def test_a_real_role_refuses_a_moved_clock(tmp_path, stored, simulation):
    with pytest.raises(role.ClockMovedError):
        role.load(written(tmp_path, simulation=simulation, **stored))


@pytest.mark.parametrize("stored", MOVED)
def test_a_role_of_a_simulation_has_the_clock_of_all(tmp_path, stored):
    config = role.load(written(tmp_path, simulation={"simulation": True}, **stored))
    SharedOffset(tmp_path / "clock").move(DAY)
    expected = timedelta(seconds=stored.get("options", {}).get("clock_offset_s", 0)) + (
        DAY if "clock" in stored else timedelta(0)
    )
    assert config.clock.offset == expected
    assert replace(config, port=3).clock is config.clock


def test_only_the_registers_root_says_that_this_is_a_simulation(tmp_path):
    with pytest.raises(RegisterBrokenError):
        role.load(written(tmp_path, simulation={"simulation": True}, signer=Signer(generate_seed()), clock="clock"))


def test_a_real_role_with_the_machines_clock_starts(tmp_path):
    assert role.load(written(tmp_path, simulation={})).clock.offset == timedelta(0)


def test_a_folder_that_was_carried_elsewhere_has_the_time_of_its_machine(tmp_path):
    folder = written(tmp_path, simulation={"simulation": True}, clock="clock")
    (folder / "clock").unlink()
    assert role.load(folder).clock.offset == timedelta(0)


def test_an_older_register_is_of_no_simulation(tmp_path):
    folder = written(tmp_path, simulation={})
    root = bytes.fromhex(json.loads((folder / "role.json").read_text())["register_root"])
    assert not Register.read((folder / "register.json").read_bytes(), root).simulation


@pytest.mark.parametrize("turns", range(4))
async def test_a_rest_that_is_cancelled_as_it_is_woken_is_cancelled(turns):
    """Else a loop goes on when its server stops."""
    clock = Clock()
    alarm = Alarm(clock)
    resting = asyncio.ensure_future(alarm.rest(3600))
    await asyncio.sleep(0.01)
    alarm._moved.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    if resting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await resting
    else:
        await resting
