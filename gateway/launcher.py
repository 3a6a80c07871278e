"""Starts everything on one machine: PostgreSQL, set-up, then each role as a process of its own.

`Running` is what `sekisho up`, the demonstration, the tests and the benchmarks use. Start it in the main thread and outside an event
loop: PostgreSQL's death signal is tied to the thread that started it. Roles die with the process that started them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from adapters.jlis_mock import lines
from gateway import config
from gateway.data_folder import FIRST_STAFF, DataFolder, held, private_folder, write_private
from gateway.setting_up import ports as port_choice
from gateway.setting_up.ports import RolePorts
from gateway.setting_up.role_files import Places
from gateway.setting_up.set_up import SetUp, set_up
from gateway.stem import RoleProcess, Stem
from gateway.topology import Topology, shipped
from gateway.topology_hosts import LOOPBACK
from keys.masked import Secret
from storage.postgres import EmbeddedPostgres
from transport import role as role_file
from transport.clock import Clock
from transport.role import RoleConfig
from transport.tls import Identity

_START_S: Final = 60.0
_STOP_S: Final = 10.0
_POLL_S: Final = 0.02
ROOT: Final = Path(__file__).resolve().parents[1]


class RoleNotStartedError(Exception):
    """A role ended, or did not answer in time, while it was being started; `log` says where it wrote why."""

    def __init__(self, role: str, log: Path) -> None:
        super().__init__(f"{role} が起動しません / {role} did not start; see {log}")
        self.role = role
        self.log = log


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessClient:
    """A business system's client as in clients/<id>.json; `url` is its linkage server, `ca` what it trusts."""

    client_id: str
    secret: Secret
    agency: str
    system: str
    scopes: tuple[str, ...]
    url: str
    ca: Path


class Running:
    """A data folder at work. `roles`: those to start (all); `ports`: those of the topology, or any that are free,
    or `kept`: those of the last set-up.

    `dsn`: an external server's administrator instead of the embedded PostgreSQL. `options`: role → more of its role.json
    (`clock_offset_s`, `permit_redeem_s`, …). `key_profile`: `cheapest` in tests only. `clock`: the instant at which all roles
    begin; None: where the simulated clock of the folder is. `lines`: between any two roles there is a proxy that can be bad.
    `durable`: as in EmbeddedPostgres.
    `own`: the topology's text, when the folder is to keep it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        roles: Sequence[str] | None = None,
        ports: Literal["default", "free", "kept"] = "default",
        port_offset: int = 0,
        topology: Topology | None = None,
        dsn: str | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        key_profile: str = "normal",
        clock: datetime | None = None,
        lines: bool = False,
        durable: bool = True,
        own: bytes | None = None,
    ) -> None:
        self.data = DataFolder(data_dir.resolve())
        self.topology = topology or shipped()
        self.roles = tuple(self.topology.roles if roles is None else roles)
        self._mode = ports
        self._offset = port_offset
        self._dsn = dsn
        self._options = options or {}
        self._key_profile = key_profile
        self._clock = clock
        self._with_lines = lines
        self._durable = durable
        self._own = own
        self._lines: subprocess.Popen[bytes] | None = None
        self._ports: Mapping[str, RolePorts] = {}
        self._processes: dict[str, RoleProcess] = {}
        self._stem: Stem | None = None
        self._holding = ExitStack()
        self.postgres: EmbeddedPostgres | None = None
        self.admin_dsn = ""

    # --- start and stop

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return when every role answers.

        Raises FolderBusyError, PortTakenError, EmbeddedPostgresError, RoleNotStartedError and what set-up raises; nothing
        is left running then.
        """
        self._holding.enter_context(held(self.data.root))
        try:
            with suppress(OSError):  # then no role starts, which says why
                for role in self.roles:
                    self._roots().limb(self.topology.roles[role].program)
            self.set_up()
            if self._with_lines:
                self._carry_lines()
            for role in self.roles:
                self._spawn(role, None)
            for role in self.roles:
                self._wait_until_alive(role)
        except BaseException:
            self.stop()
            raise

    def set_up(self) -> None:
        """PostgreSQL and set-up, no role. The folder must be held (`start` does both)."""
        if self._mode == "free":
            self._ports = port_choice.free(self.topology)
        elif self._mode == "kept":
            folders = [*(self.data.root / "roles").glob("*"), *self.data.clients.glob("*")]
            self._ports = port_choice.kept(self.topology, folders)
        else:
            self._ports = port_choice.from_topology(self.topology, self._offset)
            port_choice.check_in_range(self.topology, self._ports)
            port_choice.check_untaken(self._ports, [self.topology.roles[name] for name in self.roles])
        if self._own is not None:
            write_private(self.data.own_topology, self._own)
        self.admin_dsn = self._dsn or self._start_postgres()
        between = self._places_of_lines() if self._with_lines else {}
        plan = SetUp(
            data=self.data,
            topology=self.topology,
            ports=self._ports,
            now=Clock()(),
            options=self._options,
            key_profile=self._key_profile,
            lines={name: place.listens for name, place in between.items()},
        )
        asyncio.run(set_up(plan, self.admin_dsn))
        if self._clock is not None:
            self.clock.set(self._clock)

    def stop(self) -> None:
        """Stop every process that we started: SIGTERM, and SIGKILL for what is still there after 10 s. Then PostgreSQL."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + _STOP_S
        for process in self._processes.values():
            _end(process, until)
        self._processes.clear()
        if self._stem is not None:
            self._stem.close()
            self._stem = None
        if self._lines is not None:
            self._lines.terminate()
            _end(self._lines, time.monotonic() + _STOP_S)
            self._lines = None
        if self.postgres is not None:
            self.postgres.stop()
            self.postgres = None
        self._holding.close()

    def _start_postgres(self) -> str:
        authority = private_folder(self.data.authority)
        password = authority / "postgres-password"
        if self.postgres is not None and self.postgres.pid is not None:  # set-up again, beside roles that run
            return self.postgres.admin_dsn(password.read_text().strip(), "postgres")
        if not password.exists():
            write_private(password, secrets.token_urlsafe(24).encode())
        self.postgres = EmbeddedPostgres(self.data.root, durable=self._durable)
        return self.postgres.start(password.read_text().strip())

    def _places_of_lines(self) -> dict[str, lines.Place]:
        """A line for any two roles of which the first may call the second."""
        pairs = lines_between(self.topology)
        free = port_choice.some_free(len(pairs), self._ports)
        places = {
            f"{one}:{other}": lines.Place(port, *self._places.towards(one, other))
            for (one, other), port in zip(pairs, free, strict=True)
        }
        lines.write_places(private_folder(self.data.lines), places)
        return places

    def _carry_lines(self) -> None:
        """Start the proxies and wait until they take orders. Raises RoleNotStartedError."""
        log = self.data.lines / "server.log"
        (self.data.lines / lines.CONTROL).unlink(missing_ok=True)
        with log.open("ab") as output:
            self._lines = subprocess.Popen(  # noqa: S603 (our own module)
                [sys.executable, "-m", "gateway.surroundings", str(self.data.root)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, start_new_session=True,
                env=config.environment_of_surroundings(self._dsn),
            )  # fmt: skip
        until = time.monotonic() + _START_S
        while not (self.data.lines / lines.CONTROL).exists():
            if self._lines.poll() is not None or time.monotonic() > until:
                raise RoleNotStartedError("lines", log)
            time.sleep(_POLL_S)

    # --- one role

    def _roots(self) -> Stem:
        """What roles come from."""
        self._stem = self._stem or Stem.started(config.environment_of_roles())
        return self._stem

    def _spawn(self, role: str, fault: str | None) -> None:
        """Raises RoleNotStartedError."""
        program = self.topology.roles[role].program
        try:
            self._processes[role] = self._roots().start(program, role, self.data, self.log(role), fault)
        except OSError:
            raise RoleNotStartedError(role, self.log(role)) from None

    def _wait_until_alive(self, role: str) -> None:
        until = time.monotonic() + _START_S
        while not self.alive(role):
            if self._processes[role].poll() is not None or time.monotonic() > until:
                raise RoleNotStartedError(role, self.log(role))
            time.sleep(_POLL_S)

    def alive(self, role: str) -> bool:
        """Whether the role answers on its metrics port."""
        connection = http.client.HTTPConnection(LOOPBACK, self._ports[role].metrics_port, timeout=2)
        try:
            connection.request("GET", "/alive")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def restart(self, role: str, fault: str | None = None) -> None:
        """Stop a role if it runs and start it, armed with a fault point if one is named. Raises RoleNotStartedError."""
        process = self._processes.get(role)
        if process is not None and process.poll() is None:
            self.stop_role(role)
        self._spawn(role, fault)
        self._wait_until_alive(role)

    def stop_role(self, role: str) -> None:
        """Stop one role as Ctrl-C would, and wait until it has ended (10 s after SIGKILL at the longest)."""
        self._processes[role].send_signal(signal.SIGTERM)
        _end(self._processes[role], time.monotonic() + _STOP_S)

    def signal(self, role: str, number: signal.Signals) -> None:
        """Send one role a signal (scenarios: SIGSTOP is a server that hangs)."""
        self._processes[role].send_signal(number)

    def kill(self, role: str) -> None:
        """SIGKILL one role and wait until it is gone (tests)."""
        process = self._processes[role]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=_STOP_S)

    def pid(self, role: str) -> int:
        return self._processes[role].pid

    def ended(self, role: str) -> int | None:
        """The exit status of a role that has ended (negative: by that signal), or None while it runs."""
        return self._processes[role].poll()

    def wait_ended(self, role: str, timeout_s: float = 30.0) -> int:
        """Wait until a role has ended. Raises subprocess.TimeoutExpired."""
        return self._processes[role].wait(timeout=timeout_s)

    # --- what others need to talk to it

    def log(self, role: str) -> Path:
        return self.data.role(role) / "server.log"

    def url(self, role: str) -> str:
        return self._places.url(role)

    def metrics_url(self, role: str) -> str:
        return f"http://{LOOPBACK}:{self._ports[role].metrics_port}/metrics"

    @property
    def _places(self) -> Places:
        return Places(topology=self.topology, ports=self._ports)

    @property
    def clock(self) -> Clock:
        """The clock of all roles, to be read and moved."""
        return self.data.present

    def client(self, name: str) -> BusinessClient:
        """A business system's client. Raises FileNotFoundError for one that set-up did not make."""
        stored = json.loads(self.data.client(name).read_bytes())
        return BusinessClient(
            client_id=stored["client_id"],
            secret=Secret(stored["client_secret"].encode()),
            agency=stored["agency"],
            system=stored["system"],
            scopes=tuple(stored["scopes"]),
            url=stored["url"],
            ca=self.data.clients / stored["ca"],
        )

    def staff(self, agency: str, name: str = FIRST_STAFF) -> Identity:
        """The certificate of a member of staff of an agency, `network` or `resident-network`; the first one unless told."""
        return self.data.staff_identity(agency, name)

    def elsewhere(self, agency: str) -> RoleConfig:
        """Everything of an agency whose server is not ours: tests and the demonstration play it."""
        return role_file.load(self.data.clients / agency)

    def role(self, role: str) -> RoleConfig:
        return role_file.load(self.data.role(role))


def lines_between(topology: Topology) -> list[tuple[str, str]]:
    """Roles of which the first may call the second."""
    places = Places(topology=topology, ports=port_choice.from_topology(topology))
    names = {places.url(name): name for name in topology.roles}
    called = {
        role.name: {names[url] for url in places.peers(role.program, role.hosts).values() if url in names}
        for role in topology.roles.values()
    }
    return [(caller, other) for caller, others in called.items() for other in sorted(others)]


def _end(process: RoleProcess | subprocess.Popen[bytes], until: float) -> None:
    """Wait, then kill. What the kernel does not let end (it waits for a disk) is waited for no longer: the rest is to be stopped too."""
    try:
        process.wait(timeout=max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_S)
