"""A disk that is full where the log lies: whoever waits is refused, nothing of what was refused is there, and it goes on when there is room (SC-6)."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from storage.committer import Applied, Commit, Committer, Lost
from storage.database import StorageUnavailableError
from storage.log_metrics import LOG_WRITE_FAILURES
from tests.storage.conftest import Log, act
from tests.storage.test_committer import running

SIZE = "4m"
TABLES = ("log_entry", "log_checkpoint", "log_record")


def large(key: str) -> Commit:
    """An act whose entry takes pages of its own."""
    made = act(key)
    return replace(made, entries=tuple(replace(entry, body=secrets.token_bytes(9_000)) for entry in made.entries))


@contextmanager
def small_disk(owner: os.stat_result) -> Iterator[Path]:
    """A file system of a few megabytes for PostgreSQL's user; who may not mount one skips the test."""
    place = Path(tempfile.mkdtemp(prefix="sekisho-disk-", dir="/tmp"))
    place.chmod(0o755)
    disk = place / "disk"
    disk.mkdir()
    options = f"size={SIZE},mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    mounting = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        shutil.rmtree(place)
        pytest.skip("a file system of its own takes the right to mount one")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        shutil.rmtree(place)


@asynccontextmanager
async def lying_on(log: Log, disk: Path) -> AsyncIterator[None]:
    """The log's tables lie on this disk while the block lasts."""
    space = f"small_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(log.admin_dsn)
    try:
        await admin.execute(f"create tablespace {space} location '{disk}'")
        for table in TABLES:
            await admin.execute(f"alter table {log.tenant}.{table} set tablespace {space}")
        yield
    finally:
        for table in TABLES:
            await admin.execute(f"alter table {log.tenant}.{table} set tablespace pg_default")
        await admin.execute(f"drop tablespace {space}")
        await admin.close()


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as full:
                assert full.errno == errno.ENOSPC  # noqa: PT017 (anything else is no full disk)
    return ballast


async def tried(committer: Committer, key: str) -> type:
    try:
        return type(await committer.apply(large(key)))
    except StorageUnavailableError:
        return StorageUnavailableError


async def test_what_cannot_be_written_is_refused_and_is_nowhere_and_it_goes_on_when_there_is_room(log):
    failures = LOG_WRITE_FAILURES.labels(log.tenant)
    keys = [f"act {n}" for n in range(40)]
    with small_disk(log.server.home.stat()) as disk:
        async with lying_on(log, disk), running(log.committer()) as committer:
            assert await committer.apply(large("before")) == Applied(0)
            ballast, before = fill(disk), failures._value.get()
            one_by_one = [await tried(committer, key) for key in keys[:20]]
            at_once = await asyncio.gather(*(tried(committer, key) for key in keys[20:]))
            told = dict(zip(keys, [*one_by_one, *at_once], strict=True))
            assert set(one_by_one) <= {Applied, StorageUnavailableError}
            assert set(at_once) == {StorageUnavailableError}
            refused = [key for key, outcome in told.items() if outcome is StorageUnavailableError]
            assert failures._value.get() - before == len(refused)
            there = {row["id"] for row in await log.fetch("select id from act")}
            assert there == {"before", *keys} - set(refused)
            ballast.unlink()
            again = {key: await tried(committer, key) for key in keys}
            assert {key for key, outcome in again.items() if outcome is Applied} == set(refused)
            assert {again[key] for key in there - {"before"}} <= {Lost}
    entries = await log.fetch("select idx, octet_length(leaf) as leaf from log_entry order by idx")
    assert [row["idx"] for row in entries] == list(range(1 + len(keys)))
    [head] = await log.fetch("select size from log_head")
    assert head["size"] == len(entries)
