"""The administrator's way into a data folder's database, whom no server has: for what is done beside them (restore, simulated damage)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from gateway import config
from gateway.data_folder import DataFolder, FolderBusyError, held
from gateway.setting_up.databases import DATABASE
from storage.postgres import EmbeddedPostgres


@contextmanager
def administrator_dsn(data: DataFolder) -> Iterator[str]:
    """The administrator's DSN of our database; the embedded server is started when it is ours and stands still. Raises OSError when there is none."""
    external = config.read().dsn
    if external:
        parts = urlsplit(external)
        yield urlunsplit((parts.scheme, parts.netloc, f"/{DATABASE}", parts.query, ""))
        return
    server = EmbeddedPostgres(data.root)
    password = _password(data).read_text().strip()
    try:
        with held(data.root):
            server.start(password)
            try:
                yield server.admin_dsn(password, DATABASE)
            finally:
                server.stop()
    except FolderBusyError:  # `sekisho up` runs it
        yield server.admin_dsn(password, DATABASE)


@contextmanager
def database_at_work(data: DataFolder) -> Iterator[None]:
    """The embedded server runs while the block lasts, where the folder has one; another one is up to whoever runs it. Raises EmbeddedPostgresError."""
    with administrator_dsn(data) if _password(data).exists() else nullcontext():
        yield


def _password(data: DataFolder) -> Path:
    return data.authority / "postgres-password"
