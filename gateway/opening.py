"""Rings of a role that are not opened by what lies beside them: by two people over a socket in the role's folder, or by a security module (SC-20).

Until a ring is open its agency is answered with 503 `keys_closed`, and the others of the process are served. Each opening, and each attempt that
was refused, is an entry of the agency's log before the agency is served. docs/adr/0041.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from codebook.identifiers import new_sortable_id
from evidence.canonical import timestamp
from evidence.entry import EntryKind, encode_entry, other_entry
from keys.masked import Secret
from storage import key_store
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.keepers import KeysClosedError, Kind, Share, kind_of, share_of
from storage.key_store import KeyStore, KeyStoreError
from transport.log_standing import LogStanding
from transport.role import RoleConfig

SOCKET: Final = "keys.sock"
LONGEST: Final = 4_096
WAIT: Final = timedelta(minutes=10)
"""How long the first person's share waits for the second's."""
_STEP: Final = commit_step("opening", "keys.opened")
_MOST_TOLD: Final = 100
_PAUSE_S: Final = 1.0
CLOSED: Final = Gauge(
    "sekisho_keys_closed", "1 while an agency's ring waits for its people or its security module", ["agency"]
)
REFUSED: Final = Counter(
    "sekisho_key_openings_refused", "Attempts to open a ring that were refused", ["agency", "reason"]
)
_LOG = structlog.get_logger()


class Brought(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line to the socket: somebody's part in opening a ring."""

    agency: str
    person: str
    passphrase: str


class Told(msgspec.Struct, frozen=True):
    """One line back. `state`: `opened`, `waiting` for a second person, or `refused` for a reason."""

    state: str
    reason: str | None = None


_BROUGHT = msgspec.json.Decoder(Brought)
TOLD: Final = msgspec.json.Decoder(Told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    at: datetime
    person: str | None
    reason: str


@dataclass(slots=True)
class _Closed:
    """What is known of one agency's ring before it is open."""

    share: Share | None = None
    share_at: datetime | None = None
    opened_by: str = ""
    store: KeyStore | None = None
    attempts: list[_Attempt] = field(default_factory=list)
    untold: int = 0


class Openings:
    """Of one role. `opened` is set whenever people have opened a ring."""

    def __init__(self, config: RoleConfig) -> None:
        self._config = config
        self._rings: defaultdict[str, _Closed] = defaultdict(_Closed)
        self._one_at_a_time = asyncio.Lock()
        self.opened = asyncio.Event()
        self._unrecorded: set[str] = set()

    def kind(self, agency: str) -> Kind:
        """Raises KeyStoreError."""
        try:
            return kind_of(key_store.read(self._config.hosted[agency].keys))
        except ValueError:
            raise KeyStoreError("the key file names a keeper that this version does not know") from None

    async def store(self, agency: str) -> KeyStore:
        """The agency's ring. Raises KeysClosedError while it waits for its people or its module, KeyStoreError when the file is no good."""
        ring = self._rings[agency]
        if ring.store is not None:
            return ring.store
        try:
            ring.store = store = await asyncio.to_thread(self._config.open_keys, agency)
        except KeysClosedError:
            CLOSED.labels(agency).set(1)
            raise
        return store

    async def is_open(self, agency: str) -> bool:
        """Whether the ring can be used now; a damaged file raises KeyStoreError."""
        try:
            await self.store(agency)
        except KeysClosedError as closed:
            _LOG.warning("keys:closed", agency=agency, reason=str(closed))
            return False
        return True

    async def record(self, agency: str, committer: Committer) -> None:
        """Put on record how the ring was opened, and what was refused before; nothing for a passphrase. Raises StorageUnavailableError.

        A log that is barred takes nothing yet: then `stand` does it.
        """
        kind, ring = self.kind(agency), self._rings[agency]
        if kind is Kind.PASSPHRASE:
            return
        if committer.barred is not None:
            self._unrecorded.add(agency)
            return
        told = [self._entry(one.reason, one.person, at=timestamp(one.at)) for one in ring.attempts]
        opened = self._entry(None, None, keeper=kind.value, people=ring.opened_by, refused=len(told) + ring.untold)
        await committer.apply(Commit(step=_STEP, entries=(*told, opened)))
        self._rings[agency] = _Closed(store=ring.store, opened_by=ring.opened_by)
        CLOSED.labels(agency).set(0)

    async def stand(self, standing: LogStanding) -> None:
        """Ask what the log's peer knows of it; how a ring was opened under a barred log is on record when that is over."""
        await standing.run()
        if standing.agency in self._unrecorded and standing.committer.barred is None:
            self._unrecorded.discard(standing.agency)
            await self.record(standing.agency, standing.committer)

    def _entry(self, reason: str | None, person: str | None, **facts: str | int) -> NewEntry:
        now = self._config.clock()
        entry_id = new_sortable_id("E", int(now.timestamp() * 1000), secrets.token_bytes(10))
        event = "refused" if reason else "opened"
        body = encode_entry(
            other_entry(
                id=entry_id,
                at=now,
                kind=EntryKind.KEYS_OPENED,
                reason=reason,
                actor=person,
                facts={"event": event, **facts},
            )
        )
        return NewEntry(
            entry_id=entry_id, at=now, kind=EntryKind.KEYS_OPENED.value, inquiry_number=None, body=body, personal=None
        )

    # --- the socket

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """People may bring their shares, where there is a ring that people open."""
        if not any(self.kind(agency) is Kind.TWO_PEOPLE for agency in self._config.hosted):
            yield
            return
        path = self._config.folder / SOCKET
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._talk, path, limit=LONGEST)
        finally:
            os.umask(before)
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10.0):
                line = await reader.readline()
            told = await self.take(line)
            writer.write(msgspec.json.encode(told) + b"\n")
            await writer.drain()
        except (ValueError, OSError, TimeoutError):
            _LOG.warning("keys:attempt_malformed")
        finally:
            writer.close()

    async def take(self, line: bytes) -> Told:
        """One person's part. One at a time, and a pause after a wrong one: nobody tries passphrases fast."""
        try:
            brought = _BROUGHT.decode(line)
        except msgspec.MsgspecError:
            return Told("refused", "malformed")
        if brought.agency not in self._config.hosted or self.kind(brought.agency) is not Kind.TWO_PEOPLE:
            return Told("refused", "not_opened_by_people")
        ring = self._rings[brought.agency]
        async with self._one_at_a_time:
            if ring.store is not None:
                return Told("opened", "open_already")
            told = await self._brought(ring, brought)
            if told.state == "refused":
                await asyncio.sleep(_PAUSE_S)
            return told

    async def _brought(self, ring: _Closed, brought: Brought) -> Told:
        path, now = self._config.hosted[brought.agency].keys, self._config.clock()
        waiting, ring.share = ring.share, None
        if ring.share_at is not None and now - ring.share_at > WAIT:
            waiting = None
        try:
            stored = key_store.read(path)
            passphrase = Secret(brought.passphrase.encode())
            share = await asyncio.to_thread(share_of, stored, brought.person, passphrase)
        except KeysClosedError:
            ring.share = waiting
            return self._refused(ring, brought.agency, None, "person_unknown")
        if waiting is None or waiting.person == share.person:
            ring.share, ring.share_at = share, now
            if waiting is None:
                return Told("waiting")
            return self._refused(ring, brought.agency, share.person, "second_person_needed")
        try:
            ring.store = await asyncio.to_thread(KeyStore.open_by_two, path, waiting, share)
        except KeysClosedError:
            return self._refused(ring, brought.agency, share.person, "shares_do_not_open")
        ring.opened_by = " ".join(sorted((waiting.person, share.person)))
        self.opened.set()
        _LOG.info("keys:opened", agency=brought.agency)
        return Told("opened")

    def _refused(self, ring: _Closed, agency: str, person: str | None, reason: str) -> Told:
        REFUSED.labels(agency, reason).inc()
        _LOG.warning("keys:refused", agency=agency, reason=reason)
        if len(ring.attempts) < _MOST_TOLD:
            ring.attempts.append(_Attempt(at=self._config.clock(), person=person, reason=reason))
        else:
            ring.untold += 1
        return Told("refused", reason)


async def bring(folder: Path, brought: Brought) -> Told:
    """To a running role in this folder. Raises OSError when none listens there."""
    reader, writer = await asyncio.open_unix_connection(folder / SOCKET, limit=LONGEST)
    try:
        writer.write(msgspec.json.encode(brought) + b"\n")
        await writer.drain()
        return TOLD.decode(await reader.readline())
    finally:
        writer.close()
