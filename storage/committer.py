"""The committer of one log: it applies many decided commits in one transaction, and nothing leaves before it says so.

A flow reads, decides and returns a `Commit`. The committer gathers what waits, tries every guard, drops the losers, writes what follows,
advances the log's head by compare-and-set on its size, appends the entries to the tree, signs the checkpoint, commits, and only then answers (DESIGN §4, §6; SC-6, SC-7).

A write is a batched statement: one array per column, the first column its key, `returning` the keys that it wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import asyncpg
from prometheus_client import Counter, Gauge, Histogram

from evidence import checkpoint
from evidence.merkle import Frontier, leaf_hash
from keys.signing import Signer
from storage import sql
from storage.database import CommitUnknownError, Connection, Database, StorageUnavailableError
from storage.fault_points import Step, declare

_LOG = sql.load("storage.evidence_log")
_JST = timezone(timedelta(hours=9))
_MOST_AT_ONCE = 512
_MOST_LOOKS = 20
_SETTLE_AGAIN_S = 0.5
STATEMENT_S = 5.0
"""Seconds for each step of a transaction: a connection, BEGIN, a statement, COMMIT."""
PATIENCE_S = 10.0
"""Seconds without a finished transaction after which whoever waits for a commit is told that the log cannot be written."""

LOG_SIZE = Gauge("sekisho_log_size", "Entries in an evidence log", ["log"])
LOG_WRITE_FAILURES = Counter("sekisho_log_write_failures", "Transactions of the evidence log that failed", ["log"])
COMMIT_SECONDS = Histogram(
    "sekisho_commit_seconds",
    "One grouped transaction of a log",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
)
COMMIT_BATCH = Histogram(
    "sekisho_commit_batch", "Commits in one grouped transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
OLDEST_WAITING = Gauge("sekisho_commit_oldest_seconds", "Age of the oldest commit that still waits", ["log"])
QUEUE_DEPTH = Gauge("sekisho_queue_depth", "Items waiting", ["queue"])


@dataclass(frozen=True, slots=True)
class Statement:
    """A batched write: its name and text. Columns are arrays; the first is the key; it returns the keys it wrote."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Write:
    """One row for a statement; `row[0]` is its key (text)."""

    statement: Statement
    row: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A log entry that is decided but not appended. `body` is canonical JSON; `personal` is sealed already or None."""

    entry_id: str
    at: datetime
    kind: str
    inquiry_number: str | None
    body: bytes
    personal: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one legal act changes. The guard decides whether it happens at all; everything else happens with it."""

    step: Step
    guard: Write | None = None
    follow: tuple[Write, ...] = ()
    entries: tuple[NewEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The commit is durable and in the tree; `first_index` is the index of its first entry (or None)."""

    first_index: int | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The guard found another state than the one decided on. Nothing was changed; read again and decide anew."""


def commit_step(server: str, name: str) -> Step:
    return declare(server, f"commit.{name}")


def fiscal_year(at: datetime) -> int:
    """The Japanese fiscal year (1 April, JST) of an instant."""
    day = at.astimezone(_JST)
    return day.year if day.month >= 4 else day.year - 1


def _answer(batch: list[_Waiting], results: Sequence[Applied | Lost]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if not waiting.done.done():
            waiting.done.set_result(result)


class _FollowFailedError(Exception):
    """A write that follows a won guard changed nothing: our own mistake."""


class _HeadMovedError(Exception):
    """Another process appended to the log between our look and our write: look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Appended:
    first: int
    year: int
    head: Frontier
    note: str
    peers: dict[str, tuple[int, str]]


@dataclass(slots=True)
class _Waiting:
    commit: Commit
    done: asyncio.Future[Applied | Lost]
    since: float


class Committer:
    """Applies commits to one tenant's schema and log. `run()` must be running in the server's task group.

    `statement_s`, `patience_s`: seconds, see STATEMENT_S and PATIENCE_S.
    """

    def __init__(
        self,
        database: Database,
        tenant: str,
        *,
        origin: str,
        signer: Signer,
        clock: Callable[[], datetime],
        statement_s: float = STATEMENT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._origin = origin
        self._signer = signer
        self._clock = clock
        self._statement_s = statement_s
        self._patience_s = patience_s
        self._waiting: list[_Waiting] = []
        self._under_way: list[_Waiting] = []
        self._moved = 0.0
        self._wake = asyncio.Event()
        self._heads: dict[int, Frontier] = {}
        self._peers: dict[str, tuple[int, str]] = {}
        self.note: str | None = None
        """The latest signed checkpoint, sent along with every message."""

    async def apply(self, commit: Commit) -> Applied | Lost:
        """Queue a commit and wait until it is durable. Raises StorageUnavailableError when the log cannot be written in time.

        A commit that was still queued then never happens. One that was under way may happen yet: the same act tried again finds it by its guard.
        """
        commit.step.before.reached()
        loop = asyncio.get_running_loop()
        self._waiting.append(waiting := _Waiting(commit, loop.create_future(), loop.time()))
        self._wake.set()
        until = waiting.since + self._patience_s
        try:
            while not waiting.done.done() and loop.time() < until:
                await asyncio.wait([waiting.done], timeout=until - loop.time())
                until = max(until, self._moved + self._patience_s)
        finally:
            waiting.done.cancel()  # nothing, when it has its answer
        if waiting.done.cancelled():
            LOG_WRITE_FAILURES.labels(self._tenant).inc()
            raise StorageUnavailableError("the evidence log does not answer in time; nothing was sent")
        result = waiting.done.result()
        commit.step.after.reached()
        return result

    async def apply_all(self, commits: Sequence[Commit]) -> list[Applied | Lost]:
        """Queue several commits at once; answers in order."""
        return list(await asyncio.gather(*(self.apply(commit) for commit in commits)))

    def keep_peer_checkpoint(self, origin: str, size: int, note: str) -> None:
        """Remember another log's checkpoint; it is written with the next transaction."""
        known = self._peers.get(origin)
        if known is None or known[0] < size:
            self._peers[origin] = (size, note)

    async def load(self) -> None:
        """Read the latest checkpoint back after a start."""
        async with self._database.inside(self._tenant) as connection:
            self.note = await connection.fetchval(_LOG["latest_note"])

    async def run(self) -> None:
        """Work until cancelled. One transaction at a time: what arrives meanwhile shares the next one."""
        OLDEST_WAITING.labels(self._tenant).set_function(self._oldest_s)
        async with asyncio.TaskGroup() as settling:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    batch = self._under_way = self._take()
                    QUEUE_DEPTH.labels(f"log {self._tenant}").set(len(self._waiting))
                    COMMIT_BATCH.observe(len(batch))
                    await self._work(batch, settling)

    def _oldest_s(self) -> float:
        """Seconds that the oldest commit has waited whose caller still waits."""
        since = [waiting.since for waiting in (*self._under_way, *self._waiting) if not waiting.done.done()]
        return asyncio.get_event_loop().time() - min(since) if since else 0.0

    def _take(self) -> list[_Waiting]:
        """Take what may share a transaction: never two commits that guard the same row."""
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        seen: set[tuple[str, Any]] = set()
        for waiting in self._waiting:
            if waiting.done.done():
                continue  # nobody waits for it any more and nothing of it was written
            guard = waiting.commit.guard
            key = (guard.statement.name, guard.row[0]) if guard else None
            if len(batch) >= _MOST_AT_ONCE or (key is not None and key in seen):
                left.append(waiting)
                continue
            if key is not None:
                seen.add(key)
            batch.append(waiting)
        self._waiting = left
        return batch

    async def _transact_at_head(self, commits: list[Commit]) -> list[Applied | Lost]:
        """Like `_transact`, looking for the head again when another process moved it."""
        for _ in range(_MOST_LOOKS):
            try:
                return await self._transact(commits)
            except _HeadMovedError:
                self._heads.clear()
        raise StorageUnavailableError("the log's head keeps moving")

    async def _work(self, batch: list[_Waiting], settling: asyncio.TaskGroup) -> None:
        try:
            with COMMIT_SECONDS.time():
                results = await self._transact_at_head([waiting.commit for waiting in batch])
        except CommitUnknownError:
            self._heads.clear()
            settling.create_task(self._settle(batch))
        except Exception as failure:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
            self._heads.clear()
            if len(batch) > 1 and not isinstance(failure, StorageUnavailableError):
                for waiting in batch:  # one bad commit must not harm its batch
                    await self._work([waiting], settling)
                return
            self._refuse(batch)
        else:
            self._moved = asyncio.get_running_loop().time()
            _answer(batch, results)

    def _refuse(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            if not waiting.done.done():
                LOG_WRITE_FAILURES.labels(self._tenant).inc()
                waiting.done.set_exception(
                    StorageUnavailableError("the evidence log could not be written; nothing was sent")
                )

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Was the batch committed? Its entry ids tell, now or a little later; asked for as long as anybody waits for it."""
        ids = [entry.entry_id for waiting in batch for entry in waiting.commit.entries]
        found: set[str] = set()
        while ids and not found and not all(waiting.done.done() for waiting in batch):
            try:
                async with self._database.inside(self._tenant, enter_s=self._statement_s) as connection:
                    known = await connection.fetch(_LOG["known_entries"], ids, timeout=self._statement_s)
                found = {row["entry_id"] for row in known}
            except (StorageUnavailableError, asyncpg.PostgresError, asyncpg.InterfaceError):
                found = set()
            if not found:
                await asyncio.sleep(_SETTLE_AGAIN_S)
        if found:
            happened = [bool(w.commit.entries) and w.commit.entries[0].entry_id in found for w in batch]
            _answer(batch, [Applied(None) if applied else Lost() for applied in happened])
        self._refuse(batch)

    async def _transact(self, commits: list[Commit]) -> list[Applied | Lost]:
        now = self._clock()
        appended: _Appended | None = None
        async with self._database.inside(self._tenant, enter_s=self._statement_s) as connection:
            won = await self._guards(connection, commits)
            results: list[Applied | Lost] = [Applied(None) if ok else Lost() for ok in won]
            winners = [commit for commit, ok in zip(commits, won, strict=True) if ok]
            await self._follow(connection, winners)
            entries = [entry for commit in winners for entry in commit.entries]
            if entries:
                appended = await self._append(connection, entries, now)
                index = appended.first
                for at, (commit, ok) in enumerate(zip(commits, won, strict=True)):
                    if ok and commit.entries:
                        results[at] = Applied(index)
                        index += len(commit.entries)
        if appended is not None:
            self._heads = {appended.year: appended.head}
            self.note = appended.note
            self._peers = {
                origin: kept for origin, kept in self._peers.items() if appended.peers.get(origin) != kept
            }  # written; what came meanwhile goes with the next one
            LOG_SIZE.labels(self._origin).set(appended.head.size)
        return results

    async def _guards(self, connection: Connection, commits: list[Commit]) -> list[bool]:
        by_statement: dict[Statement, list[tuple[Any, ...]]] = {}
        for commit in commits:
            if commit.guard is not None:
                by_statement.setdefault(commit.guard.statement, []).append(commit.guard.row)
        written: dict[Statement, set[Any]] = {}
        for statement, rows in by_statement.items():
            found = await connection.fetch(
                statement.text, *map(list, zip(*rows, strict=True)), timeout=self._statement_s
            )
            written[statement] = {row[0] for row in found}
        return [commit.guard is None or commit.guard.row[0] in written[commit.guard.statement] for commit in commits]

    async def _follow(self, connection: Connection, winners: list[Commit]) -> None:
        by_statement: dict[Statement, list[tuple[Any, ...]]] = {}
        for commit in winners:
            for write in commit.follow:
                by_statement.setdefault(write.statement, []).append(write.row)
        for statement, rows in by_statement.items():
            found = await connection.fetch(
                statement.text, *map(list, zip(*rows, strict=True)), timeout=self._statement_s
            )
            if len(found) != len(rows):
                raise _FollowFailedError

    async def _head(self, connection: Connection, year: int) -> Frontier:
        """The head of the year's tree: as we left it, or read when we do not know it. A new year is opened."""
        known = self._heads.get(year)
        if known is not None:
            return known
        await connection.execute(_LOG["open_year"], year, f"{self._origin}/{year}", timeout=self._statement_s)
        row = await connection.fetchrow(_LOG["head"], year, timeout=self._statement_s)
        if row is None:
            raise StorageUnavailableError("the log of the year is not there yet; ask again")
        return Frontier.from_bytes(row["size"], row["peaks"])

    async def _append(self, connection: Connection, entries: list[NewEntry], now: datetime) -> _Appended:
        """Append entries to the year's tree. Raises _HeadMovedError when another process appended since we looked."""
        year = fiscal_year(now)
        before = await self._head(connection, year)
        leaves = [leaf_hash(entry.body) for entry in entries]
        extended = before.extend(leaves)
        after = extended.frontier
        root = after.root()
        note = checkpoint.sign(f"{self._origin}/{year}", after.size, root, self._signer)
        peers = dict(self._peers)
        appended = await connection.fetchval(
            _LOG["append"],
            year,
            before.size,
            after.size,
            after.to_bytes(),
            note,
            root,
            [entry.entry_id for entry in entries],
            [entry.at for entry in entries],
            [entry.kind for entry in entries],
            [entry.inquiry_number for entry in entries],
            [entry.body for entry in entries],
            leaves,
            [entry.personal for entry in entries],
            [subtree.level for subtree in extended.subtrees],
            [subtree.index for subtree in extended.subtrees],
            [subtree.hash for subtree in extended.subtrees],
            list(peers),
            [size for size, _ in peers.values()],
            [text for _, text in peers.values()],
            now,
            timeout=self._statement_s,
        )
        if not appended:
            raise _HeadMovedError
        return _Appended(first=before.size, year=year, head=after, note=note, peers=peers)
