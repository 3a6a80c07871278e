"""What a party's evidence log says of each version of a key: once that it is used, and that it is destroyed before it goes (IS-8, SC-16).

A version that is to go is set aside first: it opens nothing, and can be taken back. Then its destruction is on record, then it goes. Whatever dies in between,
the ring and the record together tell what is left to do: set aside and on record it goes, set aside and not on record it opens again. A record alone,
such as of a ring that was lost and made anew, or of whoever may write rows and not the key file, destroys nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import structlog

from keys.ring import State
from storage import sql
from storage.committer import Statement, Write
from storage.database import Database, as_away
from storage.key_store import KeyStore

Change = Literal["key.rotated", "key.destroyed"]
_SQL: Final = sql.load("storage.evidence_log")
_NOTE: Final = Statement("note_key_change", _SQL["note_key_change"])
_NOTE_AGAIN: Final = Statement("note_key_change_again", _SQL["note_key_change_again"])
_LOG = structlog.get_logger()


def rotated(purpose: str, version: int, at: datetime) -> Write:
    """A guard: a rotation is on record once, however often it is tried."""
    return Write(_NOTE, _row("key.rotated", purpose, version, at))


def destroyed(purpose: str, version: int, at: datetime) -> Write:
    """A write that follows: from its commit on the version goes, if it was set aside."""
    return Write(_NOTE_AGAIN, _row("key.destroyed", purpose, version, at))


def _row(change: Change, purpose: str, version: int, at: datetime) -> tuple[str, str, int, datetime]:
    return (f"{change}/{version}/{purpose}", purpose, version, at)


def set_aside(store: KeyStore, purpose: str, version: int) -> None:
    """It opens nothing from now on; if it was the one that seals, a new one does. Raises KeyMissing, RingRefused, KeyStoreError, OSError."""
    with store.changing() as ring:
        if ring.versions(purpose).get(version) is State.PRIMARY:
            ring.rotate(purpose)
        ring.disable(purpose, version)


def destroy(store: KeyStore, purpose: str, version: int) -> None:
    """Once that is on record. Raises KeyMissing, KeyStoreError, OSError: it stays set aside then."""
    with store.changing() as ring:
        ring.destroy(purpose, version)


async def finish_destructions(database: Database, tenant: str, store: KeyStore) -> list[tuple[str, int]]:
    """What was set aside and left so goes if that is on record, and opens again if it is not; purposes and versions that went.

    Nobody else may be at it. Raises StorageUnavailableError, KeyStoreError, OSError.
    """
    left = _set_aside(store)
    if not left:
        return []
    with as_away("what is on record of keys could not be read"):
        async with database.inside(tenant) as connection:
            rows = await connection.fetch(_SQL["destroyed_keys"])
    recorded = {(row["purpose"], row["version"]) for row in rows}
    gone = [one for one in left if one in recorded]
    with store.changing() as ring:
        for purpose, version in gone:
            ring.destroy(purpose, version)
        for purpose, version in set(left) - recorded:
            ring.enable(purpose, version)
    _LOG.warning("keys:destructions_finished", agency=tenant, count=len(gone))
    return gone


def _set_aside(store: KeyStore) -> list[tuple[str, int]]:
    ring = store.ring
    return [
        (purpose, version)
        for purpose in ring.purposes()
        for version, state in ring.versions(purpose).items()
        if state is State.DISABLED
    ]
