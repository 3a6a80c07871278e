"""Where roles of one machine come from: a process that has read what all programs share, and of it one for each program, which becomes a role when told to.

Reading the modules of a role is most of its start, and most of its memory before it serves. Here they are read once: the stem reads what every program has,
a limb of it what one program has beside that, and each role is a fork of its program's limb: a process of its own as ever, which has neither another
program's modules nor its metrics (docs/adr/0117).

Orders go over a socket, one JSON object each, and the answer comes back: to the stem `{"program"}` with the socket at which the limb is to take its own,
to a limb `{"role", "data", "log", "fault"}` and `{"ended"}`. Who gives the orders ends stem and limbs by closing the socket, or by dying.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

from gateway.data_folder import DataFolder
from gateway.exit_codes import FAILED, OK
from gateway.serve_command import MODULES, die_with_parent, serve_role
from gateway.topology_parts import Program

_ROOT: Final = Path(__file__).resolve().parents[1]
SHARED: Final = (
    "storage.committer",
    "transport.channel",
    "transport.listener",
    "transport.openapi",
    "transport.standing_role",
)
"""What every program reads, with all that these read."""
_MOST_BYTES: Final = 65_536
_ANSWERS_WITHIN_S: Final = 60.0


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a channel that keeps messages apart."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


# --- whoever starts roles


@dataclass(slots=True, kw_only=True)
class RoleProcess:
    """A role that was started; like `subprocess.Popen`, as far as it goes.

    `descriptor` is the process itself (a pidfd, closed with us): what we ask and signal is never another process, also when the limb is gone.
    """

    limb: Limb
    pid: int
    descriptor: int
    _status: int | None = None

    def __del__(self) -> None:
        os.close(self.descriptor)

    def poll(self) -> int | None:
        """The exit status if it has ended (negative: by that signal)."""
        return self._ended(0.0)

    def wait(self, timeout: float) -> int:
        """Raises subprocess.TimeoutExpired."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("role", timeout)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended
            signal.pidfd_send_signal(self.descriptor, number)

    def _ended(self, within_s: float) -> int | None:
        if self._status is None:
            end = select.poll()
            end.register(self.descriptor, select.POLLIN)
            if end.poll(within_s * 1000):
                self._status = self.limb.status(self.pid)
        return self._status


@dataclass(frozen=True, slots=True, kw_only=True)
class Limb:
    """One program, ready to become roles."""

    orders: socket.socket
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def start(self, role: str, data: DataFolder, log: Path, fault: str | None) -> RoleProcess:
        """Raises ConnectionResetError when the limb is gone or does not answer (its modules could not be read), OSError when no process can be made."""
        answer = self._ask({"role": role, "data": str(data.root), "log": str(log), "fault": fault})
        if answer["pid"] is None:
            raise BlockingIOError
        # until we ask for its status the limb keeps the pid, also of a role that has ended already
        return RoleProcess(limb=self, pid=answer["pid"], descriptor=os.pidfd_open(answer["pid"]))

    def status(self, pid: int) -> int | None:
        """The exit status of one of its roles that has ended. When the limb is gone nobody knows more than that the kernel told the role to end."""
        try:
            status: int | None = self._ask({"ended": pid})["status"]
        except ConnectionResetError:
            return -signal.SIGTERM
        return status

    def _ask(self, order: Mapping[str, Any]) -> Any:
        """Raises ConnectionResetError, now and ever after, when no answer comes."""
        with self._one_at_a_time:
            answer = b""
            try:
                with suppress(OSError):
                    self.orders.send(json.dumps(order).encode())
                    answer = self.orders.recv(_MOST_BYTES)
            finally:
                if not answer:
                    self.orders.close()  # a late answer is nobody's, also after Ctrl-C
            if not answer:
                raise ConnectionResetError
            return json.loads(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """The process beside us from which roles come. Start it in the main thread: it ends with the thread that started it."""

    orders: socket.socket
    process: subprocess.Popen[bytes]
    limbs: dict[Program, Limb] = field(default_factory=dict)

    @classmethod
    def started(cls, environment: Mapping[str, str]) -> Self:
        ours, theirs = _pair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway.stem"],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd=_ROOT, env=environment, start_new_session=True,
            )  # fmt: skip
        return cls(orders=ours, process=process)

    def limb(self, program: Program) -> Limb:
        """The limb of a program; it reads its modules while we go on. Raises OSError when the stem is gone."""
        if program not in self.limbs:
            ours, theirs = _pair()
            ours.settimeout(_ANSWERS_WITHIN_S)
            with theirs:
                socket.send_fds(self.orders, [json.dumps({"program": program}).encode()], [theirs.fileno()])
            self.limbs[program] = Limb(orders=ours)
        return self.limbs[program]

    def start(self, program: Program, role: str, data: DataFolder, log: Path, fault: str | None) -> RoleProcess:
        """A role from its program's limb, or from a fresh one when that is gone. Raises OSError when it comes from neither."""
        try:
            return self.limb(program).start(role, data, log, fault)
        except ConnectionResetError:
            self.limbs.pop(program, None)
            return self.limb(program).start(role, data, log, fault)

    def close(self) -> None:
        """End stem and limbs. Roles that still run are told to end."""
        for limb in self.limbs.values():
            limb.orders.close()
        self.orders.close()
        self.process.wait()


# --- the stem itself


def _take_orders(orders: socket.socket) -> int:
    """Do what comes until nobody is left to order anything. It returns in every fork too, with that process' exit code."""
    gc.freeze()  # what is there now is shared: no collection is to touch it
    with orders:
        while True:
            words, descriptors, _, _ = socket.recv_fds(orders, _MOST_BYTES, 1)
            if not words:
                return OK
            order = json.loads(words)
            if "ended" in order:
                orders.send(json.dumps({"status": _status(order["ended"])}).encode())
                continue
            pid = _forked()
            if pid == 0:
                break
            for descriptor in descriptors:
                os.close(descriptor)
            if "role" in order:
                orders.send(json.dumps({"pid": pid}).encode())
    if not die_with_parent():
        return FAILED
    if "program" in order:
        import_module(MODULES[Program(order["program"])])
        return _take_orders(socket.socket(fileno=descriptors[0]))
    return _become(order)


def _forked() -> int | None:
    """As os.fork; None when there can be no further process now: what runs goes on."""
    try:
        return os.fork()
    except OSError:
        return None


def _status(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _become(order: Mapping[str, Any]) -> int:
    """The role, in a session of its own, which writes to its log."""
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(log, standard)
    os.close(log)
    return serve_role(DataFolder(Path(order["data"])), order["role"], order["fault"])


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not die_with_parent():
        return FAILED
    orders = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    for module in SHARED:
        import_module(module)
    return _take_orders(orders)


if __name__ == "__main__":
    sys.exit(_main())
