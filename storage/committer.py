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
from functools import cache
from typing import Any

from evidence import checkpoint
from evidence.merkle import Frontier, leaf_hash
from keys.signing import Signer
from storage import guards, sql
from storage.database import CommitUnknownError, Connection, Database, StorageUnavailableError
from storage.fault_points import Step, declare
from storage.found_by import FoundBy, columns
from storage.log_metrics import COMMIT_BATCH, LOG_SIZE, LOG_WRITE_FAILURES, QUEUE_DEPTH
from storage.ready import Ready

_LOG = sql.load("storage.evidence_log")
_JST = timezone(timedelta(hours=9))
_MOST_AT_ONCE = 512
STATEMENT_S = 5.0
"""Seconds for each step of a transaction: a connection, BEGIN, a statement, COMMIT."""
PATIENCE_S = 10.0
"""Seconds without a finished transaction after which whoever waits for a commit is told that the log cannot be written."""


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
    """A log entry that is decided but not appended. `body` is canonical JSON; `personal` is sealed already or None; `found_by`: of records."""

    entry_id: str
    at: datetime
    kind: str
    inquiry_number: str | None
    body: bytes
    personal: bytes | None
    found_by: FoundBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one legal act changes. The guard decides whether it happens at all; everything else happens with it.

    `under`: a guard of whoever acts, tried first, in the same transaction. What it writes (when they were seen) stays if `guard` loses.
    `provided`: what must be so beside the row that is changed; it looks, writes nothing, and is tried before `guard`.
    """

    step: Step
    under: Write | None = None
    provided: Write | None = None
    guard: Write | None = None
    follow: tuple[Write, ...] = ()
    entries: tuple[NewEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The commit is durable and in the tree; `first_index` is the index of its first entry (or None)."""

    first_index: int | None


@dataclass(frozen=True, slots=True)
class Lost:
    """A guard found another state than the one decided on. Nothing was changed; read again and decide anew.

    `by`: which one; None when that is not known, since the database's answer was lost.
    """

    by: Write | None


def commit_step(server: str, name: str) -> Step:
    return declare(server, f"commit.{name}")


def fiscal_year(at: datetime) -> int:
    """The Japanese fiscal year (1 April, JST) of an instant."""
    day = at.astimezone(_JST)
    return day.year if day.month >= 4 else day.year - 1


class _FollowFailedError(Exception):
    """A write that follows a won guard changed nothing: our own mistake."""


class LookAgainError(Exception):
    """A guard that was thought to win lost, or another process appended between our look and our write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Appended:
    """What an append writes (`values`: the arguments of append_log) and leaves behind."""

    first: int
    year: int
    head: Frontier
    note: str
    peers: dict[str, tuple[int, str]]
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A batch that stands in a transaction: what to tell each commit once that has committed."""

    results: list[Applied | Lost]
    appended: _Appended | None


def _indexed(results: Sequence[Applied | Lost], commits: Sequence[Commit], index: int) -> list[Applied | Lost]:
    """The results with the index of each commit's first entry."""
    indexed = list(results)
    for at, commit in enumerate(commits):
        if commit.entries and isinstance(indexed[at], Applied):
            indexed[at] = Applied(index)
            index += len(commit.entries)
    return indexed


@cache
def _guarded_append(guard: str, columns: int) -> str:
    """A guard of so many columns and the append as one statement: how many rows the guard wrote, and whether the head was where we thought."""
    append = ", ".join(f"${columns + place}" for place in range(1, _LOG["append"].count("$") + 1))
    return f"with written (key) as ({guard}) select (select count(*) from written), append_log({append})"  # noqa: S608 (both are texts of ours; values are parameters)


@dataclass(slots=True)
class Waiting:
    """A commit, and who waits for it since when (seconds of the event loop); `alarm`: when they are told that it takes too long."""

    commit: Commit
    done: asyncio.Future[Applied | Lost]
    since: float
    alarm: asyncio.TimerHandle | None = None


class Committer:
    """Applies commits to one tenant's schema and log. `committing.commit` must be running for it in the server's task group.

    `statement_s`, `patience_s`: seconds, see STATEMENT_S and PATIENCE_S.
    """

    def __init__(
        self,
        database: Database,
        tenant: str,
        *,
        origin: str,
        signer: Callable[[], Signer],
        clock: Callable[[], datetime],
        statement_s: float = STATEMENT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.database = database
        self.tenant = tenant
        self.origin = origin
        self._signer = signer
        self._clock = clock
        self.statement_s = statement_s
        self._patience_s = patience_s
        self.waiting: list[Waiting] = []
        self._under_way: list[Waiting] = []
        self.moved = self.failed = 0.0
        self._ready: Ready[Committer] = Ready()
        self._heads: dict[int, Frontier] = {}
        self._peers: dict[str, tuple[int, str]] = {}
        self.note: str | None = None
        """The latest signed checkpoint, sent along with every message."""
        self.barred: str | None = None
        """Why nothing may be appended now: this log is not what its peers know of it."""

    async def apply(self, commit: Commit, *, barred_too: bool = False) -> Applied | Lost:
        """Queue a commit and wait until it is durable. Raises StorageUnavailableError when the log cannot be written in time.

        A commit that was still queued then never happens. One that was under way may happen yet (CommitUnknownError): the same act tried again finds it
        by its guard.
        """
        if self.barred is not None and not barred_too:
            LOG_WRITE_FAILURES.labels(self.tenant).inc()
            raise StorageUnavailableError("the evidence log is barred; nothing was sent")
        commit.step.before.reached()
        loop = asyncio.get_running_loop()
        self.waiting.append(waiting := Waiting(commit, loop.create_future(), loop.time()))
        self._ready.call(self, waiting.since)
        waiting.alarm = loop.call_at(waiting.since + self._patience_s, self._give_up, waiting)
        try:
            result = await waiting.done
        finally:
            waiting.alarm.cancel()
            waiting.done.cancel()  # nothing, when it has its answer
        commit.step.after.reached()
        return result

    def _give_up(self, waiting: Waiting) -> None:
        """Tell whoever waits that the log does not answer, unless transactions go on; then look again."""
        until, loop = max(waiting.since, self.moved) + self._patience_s, asyncio.get_running_loop()
        if loop.time() < until:
            waiting.alarm = loop.call_at(until, self._give_up, waiting)
        elif not waiting.done.done():
            self.failed = loop.time()
            LOG_WRITE_FAILURES.labels(self.tenant).inc()
            queued = any(one is waiting for one in self.waiting)
            failure = StorageUnavailableError if queued else CommitUnknownError
            waiting.done.set_exception(failure("the evidence log does not answer in time"))

    async def apply_all(self, commits: Sequence[Commit]) -> list[Applied | Lost]:
        """Queue several commits at once; answers in order."""
        return list(await asyncio.gather(*(self.apply(commit) for commit in commits)))

    def keep_peer_checkpoint(self, origin: str, size: int, note: str) -> None:
        """Remember another log's checkpoint; it is written with the next transaction."""
        if self._peers.get(origin, (-1, ""))[0] < size:
            self._peers[origin] = (size, note)

    def kept_of(self, origin: str) -> str | None:
        """The checkpoint of another log that is remembered and not yet written; None when there is none. A written one may be higher."""
        kept = self._peers.get(origin)
        return kept[1] if kept else None

    def kept_origins(self) -> list[str]:
        """The logs of which a checkpoint is remembered and not yet written."""
        return list(self._peers)

    def announce_to(self, ready: Ready[Committer]) -> None:
        """From now on `ready` hears of what waits here; at once, if something does."""
        self._ready = ready
        if self.waiting:
            ready.call(self, asyncio.get_running_loop().time())

    async def load(self) -> None:
        """Read the latest checkpoint back after a start, and how often the log was opened anew."""
        async with self.database.inside(self.tenant) as connection:
            self.note = await connection.fetchval(_LOG["latest_note"])
            heads = await connection.fetch(_LOG["heads"])
        times = max((checkpoint.first_of(head["origin"])[1] for head in heads), default=0)
        if times:
            self.origin = checkpoint.opened_anew(f"{self.origin}/0", times).rpartition("/")[0]

    def oldest_s(self) -> float:
        """Seconds that the oldest commit has waited whose caller still waits."""
        since = [waiting.since for waiting in (*self._under_way, *self.waiting) if not waiting.done.done()]
        return asyncio.get_event_loop().time() - min(since) if since else 0.0

    def take(self) -> list[Waiting]:
        """Take what may share a transaction: never two commits that guard the same row, nor two acts of people; one of these comes first."""
        batch: list[Waiting] = []
        left: list[Waiting] = []
        seen: set[tuple[str, Any]] = set()
        for waiting in self.waiting:
            if waiting.done.done():
                continue  # nobody waits for it any more and nothing of it was written
            keys = guards.guarding(waiting.commit)
            if len(batch) >= _MOST_AT_ONCE or not seen.isdisjoint(keys):
                left.append(waiting)
                continue
            seen |= keys
            batch.insert(0 if waiting.commit.under else len(batch), waiting)
        self.waiting = left
        self._under_way = batch
        if left:
            self._ready.call(self, asyncio.get_running_loop().time())
        QUEUE_DEPTH.labels(f"log {self.tenant}").set(len(left))
        if batch:
            COMMIT_BATCH.observe(len(batch))
        return batch

    async def write(self, connection: Connection, commits: Sequence[Commit], *, all_at_once: bool) -> Written:
        """Write a batch inside a transaction of this tenant; nothing is known to have happened before it has committed.

        `all_at_once`: guard and append in one statement, which holds when every guard wins. Raises LookAgainError when one did not,
        or when another process appended to the log meanwhile: then the transaction is given up and the batch tried again.
        """
        now = self._clock()
        if all_at_once and (one := guards.one_statement(commits)) is not None:
            return await self._write_at_once(connection, commits, one, now)
        # of what people do, what is looked at may not be older than the head: an append of another process since then is seen when ours is tried
        judged = any(commit.under is not None and commit.entries for commit in commits)
        head = await self._head(connection, fiscal_year(now)) if judged else None
        lost = await guards.lost_by(connection, commits, within_s=self.statement_s)
        results: list[Applied | Lost] = [Applied(None) if by is None else Lost(by) for by in lost]
        winners = [commit for commit, by in zip(commits, lost, strict=True) if by is None]
        await self._follow(connection, winners)
        entries = [entry for commit in winners for entry in commit.entries]
        if not entries:
            return Written(results=results, appended=None)
        appended = await self._appending(connection, entries, now, head)
        if not await connection.fetchval(_LOG["append"], *appended.values, timeout=self.statement_s):
            raise LookAgainError
        return Written(results=_indexed(results, commits, appended.first), appended=appended)

    async def _write_at_once(
        self, connection: Connection, commits: Sequence[Commit], statement: Statement, now: datetime
    ) -> Written:
        rows = [commit.guard.row for commit in commits if commit.guard is not None]
        appended = await self._appending(connection, [entry for commit in commits for entry in commit.entries], now)
        text, columns = _guarded_append(statement.text, len(rows[0])), map(list, zip(*rows, strict=True))
        won, done = await connection.fetchrow(text, *columns, *appended.values, timeout=self.statement_s) or (0, False)
        if won != len(rows) or not done:
            raise LookAgainError
        return Written(results=_indexed([Applied(None)] * len(commits), commits, appended.first), appended=appended)

    def committed(self, written: Written) -> None:
        """The transaction has committed: the head, the note and what peers showed are what was written."""
        self.moved = asyncio.get_running_loop().time()
        appended = written.appended
        if appended is not None:
            self._heads = {appended.year: appended.head}
            self.note = appended.note
            self._peers = {
                origin: kept for origin, kept in self._peers.items() if appended.peers.get(origin) != kept
            }  # written; what came meanwhile goes with the next one
            LOG_SIZE.labels(self.origin).set(appended.head.size)

    def forget_head(self) -> None:
        """What we believed of the head may be wrong: read it before the next append."""
        self._heads.clear()

    async def _follow(self, connection: Connection, winners: list[Commit]) -> None:
        writes = [write for commit in winners for write in commit.follow]
        if sum(map(len, (await guards.write(connection, writes, within_s=self.statement_s)).values())) != len(writes):
            raise _FollowFailedError

    async def _head(self, connection: Connection, year: int) -> Frontier:
        """The head of the year's tree: as we left it, or read when we do not know it. A new year is opened."""
        known = self._heads.get(year)
        if known is not None:
            return known
        await connection.execute(_LOG["open_year"], year, f"{self.origin}/{year}", timeout=self.statement_s)
        row = await connection.fetchrow(_LOG["head"], year, timeout=self.statement_s)
        if row is None:
            raise StorageUnavailableError("the log of the year is not there yet; ask again")
        return Frontier.from_bytes(row["size"], row["peaks"])

    async def _appending(
        self, connection: Connection, entries: list[NewEntry], now: datetime, head: Frontier | None = None
    ) -> _Appended:
        """The year's tree with these entries behind it (`head`: as it was read before), and the arguments that write it."""
        year = fiscal_year(now)
        before = head if head is not None else await self._head(connection, year)
        leaves = [leaf_hash(entry.body) for entry in entries]
        extended = before.extend(leaves)
        after = extended.frontier
        root = after.root()
        note = checkpoint.sign(f"{self.origin}/{year}", after.size, root, self._signer())
        peers = dict(self._peers)
        values = (
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
            *columns([entry.found_by for entry in entries]),
        )
        return _Appended(first=before.size, year=year, head=after, note=note, peers=peers, values=values)
