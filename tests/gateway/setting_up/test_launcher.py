"""What `sekisho up` starts it stops, and nothing outlives it; a folder or a port that is taken is refused."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.orders import OrderKind, sign
from gateway import launcher, staff_calls
from gateway.__main__ import main
from gateway.data_folder import DataFolder, FolderBusyError
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED, UNREACHABLE
from gateway.launcher import ROOT, Running
from gateway.setting_up.ports import PortTakenError, check_untaken, free, from_topology, untaken
from gateway.topology import shipped
from storage.postgres import discard
from tests.gateway.setting_up.test_set_up import again

NOBODY_ASKED = "Q01JZZZZZZZ0000000000000000"
PTRACE_SEIZE = 0x4206
STARTED = ("network", "resident-network", "intermediate")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Running(
        tmp_path_factory.mktemp("running"), roles=STARTED, ports="free", key_profile="cheapest", durable=False
    ) as started:
        yield started


def stat(pid: int) -> list[str]:
    """What the kernel tells of a process: state, parent, …; nothing of one that is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    return stat(pid)[:1] not in ([], ["Z"])


def parent(pid: int) -> int | None:
    return next(map(int, stat(pid)[1:2]), None)


def until(condition) -> bool:
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


def sekisho(running, *words: str) -> int:
    return main([*words, "--data", str(running.data.root)])


@pytest.mark.parametrize("role", STARTED)
def test_a_started_role_answers_on_its_metrics_port(running, role):
    with urllib.request.urlopen(running.metrics_url(role), timeout=5) as answer:  # noqa: S310 (our own loopback address)
        assert b"sekisho_" in answer.read()


def test_a_role_has_the_metrics_of_its_own_program_alone(running):
    """Roles come from one process that has read what all programs share, and no more."""
    told = {role: urllib.request.urlopen(running.metrics_url(role), timeout=5).read() for role in STARTED}  # noqa: S310 (our own loopback address)
    assert [role for role in STARTED if b"sekisho_provisions" in told[role]] == ["intermediate"]
    assert all(b"sekisho_person_changes" not in one for one in told.values())


def test_a_role_that_is_served_by_command_answers_and_ends_by_a_signal(running):
    running.stop_role("resident-network")
    assert not running.alive("resident-network")
    command = [sys.executable, "-m", "gateway", "serve", "resident-network", "--data", str(running.data.root)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert until(lambda: running.alive("resident-network"))
        process.terminate()
        assert process.wait(timeout=10) == OK
    running.restart("resident-network")


def killed_limb_of(running, role: str) -> int:
    """Kill what the role came from, as the kernel does when memory is short. Returns the role's pid."""
    pid = running.pid(role)
    limb = parent(pid)
    os.kill(limb, signal.SIGKILL)
    assert until(lambda: parent(pid) != limb)
    return pid


def test_a_role_whose_limb_was_killed_ends_and_comes_anew(running):
    killed_limb_of(running, "resident-network")
    assert running.wait_ended("resident-network") == -signal.SIGTERM
    running.restart("resident-network")
    assert running.alive("resident-network")


def test_a_role_that_the_kernel_keeps_is_not_waited_for_for_ever(running, monkeypatch):
    monkeypatch.setattr(launcher, "_STOP_S", 0.5)
    pid = running.pid("resident-network")
    assert ctypes.CDLL(None).ptrace(PTRACE_SEIZE, pid, None, None) == 0  # it does not go before we have asked about it
    running.stop_role("resident-network")
    assert running.ended("resident-network") is None
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert until(lambda: running.ended("resident-network") == -signal.SIGKILL)
    running.restart("resident-network")


def test_a_killed_role_comes_back_under_another_pid(running):
    before = running.pid("resident-network")
    running.kill("resident-network")
    assert running.ended("resident-network") == -signal.SIGKILL
    running.restart("resident-network")
    assert running.pid("resident-network") != before
    assert running.alive("resident-network")


def test_a_role_refuses_to_run_twice_from_one_folder(running):
    again = [sys.executable, "-m", "gateway", "serve", "network", "--data", str(running.data.root)]
    assert subprocess.run(again, cwd=ROOT, capture_output=True, check=False).returncode == REFUSED


def test_a_folder_in_use_is_refused(running):
    with pytest.raises(FolderBusyError):
        Running(running.data.root, ports="free").start()
    assert sekisho(running, "migrate", "--topology", "whole") == REFUSED
    assert not running.data.own_topology.exists()


def as_staff_of(running, agency: str) -> staff_calls.Party:
    """The network's core, called with a certificate of somebody else's staff."""
    core = staff_calls.party(running.data, "network")
    identity = running.staff(agency)
    return staff_calls.Party(name="network", url=core.url, prefix="", identity=identity)


def test_an_armed_role_dies_at_its_fault_point(running):
    running.restart("network", fault="core.commit.access.refused.before")
    foreign = as_staff_of(running, "setagaya")
    with pytest.raises(staff_calls.NotReachableError):
        staff_calls.ask(foreign, "/log/search", [{"inquiry_number": NOBODY_ASKED}])
    assert running.wait_ended("network") == -signal.SIGKILL
    running.restart("network")
    with pytest.raises(staff_calls.RefusedError, match="certificate_for_another_use"):
        staff_calls.ask(foreign, "/log/search", [{"inquiry_number": NOBODY_ASKED}])


def test_a_fault_point_that_no_role_has_is_refused(running):
    environment = {**os.environ, "SEKISHO_FAULT": "no.such.point"}
    command = [sys.executable, "-m", "gateway", "serve", "sky2", "--data", str(running.data.root)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == BAD_INPUT


def test_a_trace_says_who_did_not_answer_and_fails_when_nobody_has_the_number(running, capsys):
    assert sekisho(running, "trace", NOBODY_ASKED, "--json") == FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["entries"] == []
    assert "tashi" in document["not_reachable"]
    assert not {"setagaya", "network"} & set(document["not_reachable"])


def test_an_export_is_downloaded_and_verifies_against_the_signed_register(running, tmp_path, capsys):
    foreign = as_staff_of(running, "tokyo")
    with pytest.raises(staff_calls.RefusedError):
        staff_calls.ask(foreign, "/log/search", [])
    out = tmp_path / "core.ndjson"
    assert sekisho(running, "export", "--agency", "network", str(out)) == OK
    assert main(["verify", str(out), "--data", str(running.data.root), "--json"]) == OK
    report = json.loads(capsys.readouterr().out)
    assert report["clean"]
    assert [log["anchored"] for log in report["logs"]] == [True]


def test_held_provisions_are_listed_with_the_agencys_own_certificate(running, capsys):
    assert sekisho(running, "held", "list", "--agency", "setagaya", "--json") == OK
    assert json.loads(capsys.readouterr().out) == []
    assert sekisho(running, "held", "show", "K0", "--agency", "setagaya") == FAILED
    assert sekisho(running, "held", "refuse", "K0", "--reason", "non_disclosure", "--agency", "setagaya") == REFUSED


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("trace", "Q1"), BAD_INPUT),
        (("export", "--agency", "nobody", "x"), BAD_INPUT),
        (("export", "--agency", "tokyo", "x"), UNREACHABLE),
        (("held", "list", "--agency", "tokyo"), UNREACHABLE),
        (("keys", "list", "--role", "network", "--agency", "tokyo"), BAD_INPUT),
        (("keys", "guard", "--by", "passphrase", "--role", "network", "--agency", "network"), REFUSED),
    ],
)
def test_a_command_ends_with_the_documented_code(running, words, code):
    assert sekisho(running, *words) == code


def test_keys_are_listed_by_state_and_never_shown(running, capsys):
    assert sekisho(running, "keys", "list", "--role", "intermediate", "--agency", "setagaya", "--json") == OK
    document = json.loads(capsys.readouterr().out)
    assert document["purposes"]["signing"] == {"1": "primary"}


def test_set_up_keeps_both_keys_of_a_rotation(folder):
    before = folder.role("network").register.agencies["tokyo"].signing_keys
    place = ("--role", "neighbours-intermediate", "--agency", "tokyo")
    assert sekisho(folder, "keys", "rotate", "signing", *place) == OK
    again(folder)
    found = folder.role("network").register.agencies["tokyo"].signing_keys
    assert found.all()[:1] == before.all()
    assert found.windows[0].valid_to is not None
    assert found.windows[-1].valid_to is None
    assert (
        found.all()[-1] == folder.role("neighbours-intermediate").open_keys("tokyo").ring.signer("signing").public_key
    )


def test_a_key_on_which_an_index_hangs_is_not_rotated(folder):
    place = ("--role", "linkage", "--agency", "setagaya")
    assert sekisho(folder, "keys", "rotate", "access-subject", *place) == REFUSED
    assert sekisho(folder, "keys", "rotate", "nonsense", *place) == BAD_INPUT


def destroy(running, purpose, version, *more):
    return sekisho(
        running,
        "keys",
        "destroy",
        purpose,
        "--version",
        str(version),
        "--role",
        "linkage",
        "--agency",
        "setagaya",
        *more,
    )


def test_only_a_version_out_of_use_is_destroyed(folder, tmp_path):
    place = ("--role", "linkage", "--agency", "setagaya")
    assert destroy(folder, "four-items", 1) == REFUSED
    assert sekisho(folder, "keys", "rotate", "four-items", *place) == OK
    assert destroy(folder, "four-items", 1) == REFUSED  # nobody has ordered it
    order = tmp_path / "order.json"
    order.write_text(
        sign(
            OrderKind.KEY_DESTRUCTION, order_id="D0123456789ABCDEFGHJKMNPQR0", agency="setagaya", server="linkage",
            people=("admin-1", "admin-2"), facts={"purpose": "four-items", "version": 1, "cause": "replaced"},
            signer=folder.role("intermediate").open_keys("setagaya").ring.signer("signing"), now=folder.role("linkage").clock(),
        )
    )  # fmt: skip
    assert destroy(folder, "four-items", 1, "--order", str(order)) == OK
    assert destroy(folder, "four-items", 1, "--order", str(order)) == REFUSED
    assert destroy(folder, "no-such", 1) == BAD_INPUT
    assert destroy(folder, "four-items", 99) == BAD_INPUT


def test_a_version_that_rows_hang_on_is_not_destroyed(folder, capsys):
    """Secrets of clients, which set-up has sealed: the job of a running server comes first."""
    place = ("--role", "linkage", "--agency", "setagaya")
    assert sekisho(folder, "keys", "rotate", "oauth-client-secret", *place) == OK
    assert destroy(folder, "oauth-client-secret", 1) == REFUSED
    assert "still sealed" in capsys.readouterr().err
    again(folder)


def test_a_taken_port_is_refused_by_name():
    topology = shipped()
    ports = free(topology)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["network"].port))
        taken.listen()
        with pytest.raises(PortTakenError, match="network"):
            check_untaken(ports, [topology.roles["network"]])
    elsewhere = replace(topology.roles["network"], listen="192.0.2.1")
    with pytest.raises(PortTakenError, match=r"192\.0\.2\.1"):
        check_untaken(ports, [elsewhere])


def test_free_ports_are_all_different_and_an_offset_moves_all():
    topology = shipped()
    found = [port for one in free(topology).values() for port in (one.port, one.metrics_port)]
    assert len(set(found)) == len(found)
    assert from_topology(topology, 100)["linkage"].port == from_topology(topology)["linkage"].port + 100


def test_a_port_is_drawn_by_one_process_at_a_time_and_once():
    ours = untaken(300)
    script = "from gateway.setting_up.ports import untaken; print(*untaken(1000))"
    drawn = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(drawn.stdout.split()) == 1_000
    assert not set(ours) & set(map(int, drawn.stdout.split()))
    assert not set(ours) & set(untaken(300))


def test_serve_refuses_a_folder_that_was_not_set_up(tmp_path):
    assert main(["serve", "network", "--data", str(tmp_path)]) == BAD_INPUT


def test_nothing_outlives_a_launcher_that_is_killed_or_stopped(tmp_path, monkeypatch):
    data = DataFolder(tmp_path / "data")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(data.root)], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    process.kill()
    process.wait()
    process.stdout.close()
    assert until(lambda: not any(alive(pid) for pid in pids))
    with Running(data.root, roles=["resident-network"], ports="free", key_profile="cheapest", durable=False) as again:
        assert again.alive("resident-network")
        again.signal("resident-network", signal.SIGSTOP)
        hanging = killed_limb_of(again, "resident-network")
        assert again.ended("resident-network") is None
        monkeypatch.setattr(launcher, "_STOP_S", 0.5)
    assert not alive(hanging)
    discard(data.root)


SMALL = """
agencies: [{id: setagaya, code: '9999000000000001', name: 世田谷区長, elsewhere: {port: 8448}}]
roles:
  network: {program: network, hosts: [network], port: 8445, metrics_port: 9465}
  resident-network: {program: resident-network, hosts: [resident-network], port: 8446, metrics_port: 9466}
"""


def up(root: Path, *words: str, during) -> str:
    """`sekisho up` as a script's background has it, without Ctrl-C; ended by SIGINT all the same. Returns what it says."""
    process = subprocess.Popen(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-m", "gateway", "up", "--free-ports", "--data", str(root), *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with process, process.stdout:
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                if "Ctrl-C stops everything" in line:
                    during()
                    break
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == OK
        finally:
            process.kill()
        return "".join([*lines, process.stdout.read()])


def test_up_says_where_everything_is_ends_by_ctrl_c_and_finds_its_data_again(tmp_path):
    root = tmp_path / "data"
    (tmp_path / "small.yaml").write_text(SMALL)
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    export = ("export", "--agency", "network", "--data", str(root))
    try:
        for words, out in ((("--topology", str(tmp_path / "small.yaml")), first), ((), second)):
            said = up(root, *words, during=lambda out=out: main([*export, str(out)]))
            pids = [int(pid) for pid in re.findall(r"metrics http://[\d.:]+/metrics  pid (\d+)", said)]
            assert len(pids) == 2
            assert not any(alive(pid) for pid in pids)
            assert "stopped" in said
    finally:
        discard(root)
    before, after = (
        [line for line in out.read_bytes().splitlines() if line.startswith(b'{"entry"')] for out in (first, second)
    )
    assert before
    assert after[: len(before)] == before


SCRIPT = """
import sys
from pathlib import Path
from gateway.launcher import Running
with Running(Path(sys.argv[1]), roles=["resident-network"], ports="free", key_profile="cheapest", durable=False) as running:
    print(running.pid("resident-network"), running.postgres.pid, flush=True)
    sys.stdin.read()
    import time
    time.sleep(600)
"""
