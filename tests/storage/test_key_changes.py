"""A version that is to go is set aside, on record, gone: whatever fails in between, ring and record together say what is left to do (SC-16, SC-20)."""

from __future__ import annotations

import asyncio

import pytest

from keys.errors import KeyDisabled
from keys.masked import Secret
from keys.ring import State
from storage.committer import Commit, commit_step
from storage.committing import commit
from storage.key_changes import destroyed, finish_destructions, set_aside
from storage.key_store import KeyStore
from transport.clock import Clock

STEP = commit_step("test", "key destroyed")
PURPOSE = "four-items"
HOUR = "result/2026-11-30T05"
PASSPHRASE = Secret(b"for tests only")


@pytest.fixture
def store(tmp_path):
    """A ring with an old version."""
    made = KeyStore.create(tmp_path / "asahi.json", PASSPHRASE, profile="cheapest", purposes=[PURPOSE, HOUR])
    with made.changing() as ring:
        ring.rotate(PURPOSE)
    return made


async def recorded(log, purpose, version):
    committer = log.committer()
    await committer.load()
    async with asyncio.TaskGroup() as group:
        working = group.create_task(commit([committer]))
        await committer.apply(Commit(step=STEP, follow=(destroyed(purpose, version, Clock()()),)))
        working.cancel()


async def test_what_was_set_aside_and_is_on_record_goes(log, store):
    set_aside(store, PURPOSE, 1)
    await recorded(log, PURPOSE, 1)
    assert await finish_destructions(log.database, log.tenant, store) == [(PURPOSE, 1)]
    again = KeyStore.open(store._path, PASSPHRASE)
    assert again.ring.versions(PURPOSE) == {1: State.DESTROYED, 2: State.PRIMARY}


async def test_what_was_set_aside_and_is_not_on_record_opens_again(log, store):
    sealed = store.ring.encrypt(HOUR, b"answer", b"")
    set_aside(store, HOUR, 1)
    with pytest.raises(KeyDisabled):
        store.ring.decrypt(HOUR, sealed, b"")
    assert await finish_destructions(log.database, log.tenant, store) == []
    assert store.ring.decrypt(HOUR, sealed, b"") == b"answer"
    assert store.ring.versions(HOUR) == {1: State.ENABLED, 2: State.PRIMARY}


async def test_sc_20_a_row_alone_destroys_nothing(log, store):
    """Of a ring that was made anew, or by whoever may write rows and not the key file."""
    await recorded(log, PURPOSE, 1)
    before = store.ring.versions(PURPOSE)
    assert await finish_destructions(log.database, log.tenant, store) == []
    assert store.ring.versions(PURPOSE) == before
    set_aside(store, PURPOSE, 1)
    await recorded(log, PURPOSE, 1)  # the same numbers once more
    assert await finish_destructions(log.database, log.tenant, store) == [(PURPOSE, 1)]
