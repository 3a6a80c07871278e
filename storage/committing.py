"""The committers of a process at work: what waits at the logs of all its tenants shares one transaction.

A transaction enters one tenant after the other, each under its own role (SC-8), in the order of their names, so that two processes with the
same tenants never wait for each other. What goes wrong is tried again tenant by tenant, then commit by commit: one harms no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import asyncpg

from storage import sql
from storage.committer import Applied, Committer, LookAgainError, Lost, Waiting
from storage.database import NUL_IN_TEXT, CommitUnknownError, StorageUnavailableError, enter
from storage.log_metrics import COMMIT_SECONDS, LOG_WRITE_FAILURES, OLDEST_WAITING
from storage.ready import Ready

_LOG = sql.load("storage.evidence_log")
_MOST_TENANTS: Final = 32
_MOST_LOOKS: Final = 20
_SETTLE_AGAIN_S: Final = 0.5

Batch: TypeAlias = tuple[Committer, list[Waiting]]


class Committing:
    """The committers of a process, all of one Database. One transaction at a time: what arrives meanwhile shares the next one."""

    def __init__(self) -> None:
        self._ready: Ready[Committer] = Ready()

    def join(self, committers: Iterable[Committer]) -> None:
        """From now on these share transactions with those that joined before; what waits at them already goes with the next one."""
        for committer in committers:
            committer.announce_to(self._ready)
            OLDEST_WAITING.labels(committer.tenant).set_function(committer.oldest_s)

    def leave(self, committers: Iterable[Committer]) -> None:
        """These work here no longer; whoever waits at them is told that nothing was written."""
        for committer in committers:
            while batch := committer.take():
                _refuse(committer, batch)
            self._ready.drop(committer)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as settling:
            while True:
                waiting = await self._ready.some(_MOST_TENANTS)
                batches = [(one, batch) for one in sorted(waiting, key=lambda one: one.tenant) if (batch := one.take())]
                if batches:
                    await _work(batches, settling, shared=True)


async def commit(committers: Iterable[Committer]) -> None:
    """Work until cancelled for these committers and no others."""
    committing = Committing()
    committing.join(committers)
    await committing.run()


async def _work(batches: list[Batch], settling: asyncio.TaskGroup, *, shared: bool = False) -> None:
    """`shared`: on the connection that everybody's first try goes by; what went wrong is tried again beside it, so that it holds up nobody."""
    try:
        with COMMIT_SECONDS.time():
            results = await _at_head(batches, shared=shared)
    except CommitUnknownError:
        for committer, batch in batches:
            committer.forget_head()
            settling.create_task(_settle(committer, batch))
    except Exception as failure:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
        for committer, _ in batches:
            committer.forget_head()
        if len(batches) > 1:
            await asyncio.gather(*(_work([one], settling) for one in batches))
            return
        ((committer, batch),) = batches
        if len(batch) > 1 and not isinstance(failure, StorageUnavailableError):
            for one in batch:
                await _work([(committer, [one])], settling)
            return
        _refuse(committer, batch, failure if isinstance(failure, NUL_IN_TEXT) else None)
    else:
        for (_, batch), told in zip(batches, results, strict=True):
            _answer(batch, told)


async def _at_head(batches: list[Batch], *, shared: bool) -> list[list[Applied | Lost]]:
    """What became of each commit, looking again when a guard lost or another process moved a head. Raises StorageUnavailableError."""
    for look in range(_MOST_LOOKS):
        try:
            return await _transact(batches, all_at_once=look == 0, shared=shared)
        except LookAgainError:
            for committer, _ in batches:
                committer.forget_head()
    raise StorageUnavailableError("the log's head keeps moving")


async def _transact(batches: list[Batch], *, all_at_once: bool, shared: bool) -> list[list[Applied | Lost]]:
    first, written = batches[0][0], []
    async with first.database.inside(first.tenant, enter_s=first.statement_s, shared=shared) as connection:
        for committer, batch in batches:
            if committer is not first:
                await enter(connection, committer.tenant, within_s=first.statement_s)
            written.append(await committer.write(connection, [one.commit for one in batch], all_at_once=all_at_once))
    for (committer, _), one in zip(batches, written, strict=True):
        committer.committed(one)
    return [one.results for one in written]


def _answer(batch: Sequence[Waiting], results: Sequence[Applied | Lost]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if not waiting.done.done():
            waiting.done.set_result(result)


def _refuse(committer: Committer, batch: Sequence[Waiting], fault: Exception | None = None) -> None:
    """`fault`: what the caller has to be told instead of that the log could not be written."""
    for waiting in batch:
        if waiting.done.done():
            continue
        if not isinstance(fault, NUL_IN_TEXT):
            LOG_WRITE_FAILURES.labels(committer.tenant).inc()
        waiting.done.set_exception(
            fault or StorageUnavailableError("the evidence log could not be written; nothing was sent")
        )


async def _settle(committer: Committer, batch: Sequence[Waiting]) -> None:
    """Was the batch committed? Its entry ids tell, now or a little later; asked for as long as anybody waits for it.

    Of a commit without entries nothing tells: whoever waits for one hears that it is not known.
    """
    ids = [entry.entry_id for waiting in batch for entry in waiting.commit.entries]
    found: set[str] = set()
    while ids and not found and not all(waiting.done.done() for waiting in batch):
        try:
            async with committer.database.inside(committer.tenant, enter_s=committer.statement_s) as connection:
                known = await connection.fetch(_LOG["known_entries"], ids, timeout=committer.statement_s)
            found = {row["entry_id"] for row in known}
        except (StorageUnavailableError, asyncpg.PostgresError, asyncpg.InterfaceError):
            found = set()
        if not found:
            await asyncio.sleep(_SETTLE_AGAIN_S)
    if found:
        told = [waiting for waiting in batch if waiting.commit.entries]
        _answer(told, [Applied(None) if one.commit.entries[0].entry_id in found else Lost(None) for one in told])
    _refuse(committer, batch, CommitUnknownError("the database did not say whether it committed"))
