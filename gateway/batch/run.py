"""Runs the spool of one agency: takes one file after the other, checks its manifest, hands it to the slice of its channel.

A slice returns the bytes of the result file, or a reason why the file cannot be taken as a whole. When a neighbour or the database
is away, the file stays in `work/` and is tried again: every slice takes up where it committed last. Other business systems do not wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from gateway.batch import spool
from gateway.batch.manifest import FIXED_WIDTH, BadManifest, Manifest, check_file, read_manifest
from gateway.batch.spool import NameRule, SpoolFile
from storage.database import ASK_AGAIN
from transport.channel import ChannelError
from transport.problem import ProblemError

_LOG = structlog.get_logger()
FILES = Counter("sekisho_spool_files", "Spool files by outcome", ["channel", "outcome"])
WAITING = Gauge("sekisho_spool_waiting", "Spool files that wait", ["agency"])
_POLL_S = 0.2
_LOOK_ALIKE = 10
_RETRY_S = 1.0
"""How long a file that has to wait is let alone."""
_PAUSE_S = 1.0
_WAITS = (*ASK_AGAIN, ChannelError, ProblemError)
"""Somebody is away: the file waits, and goes on from where it is."""
_BROKE_US = "internal_error"
BROKE = Counter("sekisho_spool_broke", "Failures of the spool loop that nobody foresaw", ["place"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The file cannot be taken as a whole. `where`: a field or column of ours; `facts`: counts that say more, of nobody."""

    reason: str
    where: str = ""
    facts: Mapping[str, int] = field(default_factory=dict)


class StoppedError(Exception):
    """A file that was begun may not go on: what was committed stays, and the same bytes go on from there when their sender may send them again.

    `rejected`: how the sender is told.
    """

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.reason)
        self.rejected = rejected


Runner = Callable[[SpoolFile, Manifest], Awaitable[bytes | Path | Rejected]]
"""Returns the result, or the path of a file beside its place that holds it. Raises StoppedError."""


Ended = Callable[[SpoolFile, Manifest, str], Awaitable[Mapping[str, int]]]
"""Keeps that a file of which something may have been taken ends without a result, and why; how far it came, for its sender."""


async def _begun_nowhere(_file: SpoolFile, _manifest: Manifest, _reason: str) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolChannel:
    """One kind of file: how many header lines it has (none in fixed width), who takes it, and who keeps that one has ended on the way."""

    header_lines: int
    run: Runner
    ended: Ended = _begun_nowhere


async def run_file(file: SpoolFile, channel: SpoolChannel) -> str | None:
    """Take one claimed file to its end; returns the reason when it failed as a whole."""
    manifest = await asyncio.to_thread(read_manifest, file.manifest, kind=file.channel)
    outcome: bytes | Path | Rejected
    if isinstance(manifest, BadManifest):
        outcome = Rejected(reason=manifest.reason, where=manifest.where)
    elif not file.data.exists():
        outcome = Rejected(reason="file_missing")
    elif not file.data.is_file():
        outcome = Rejected(reason="not_a_file")
    else:
        outcome = await _outcome(file, manifest, channel)
    if isinstance(outcome, Rejected):
        await asyncio.to_thread(spool.fail, file, outcome.reason, outcome.where, outcome.facts)
        return outcome.reason
    await asyncio.to_thread(spool.finish, file, outcome)
    return None


async def _outcome(file: SpoolFile, manifest: Manifest, channel: SpoolChannel) -> bytes | Path | Rejected:
    """What the channel makes of a file that is as its manifest says. Where it makes no result, its end is kept before the file is given back."""
    header_lines = 0 if manifest.form == FIXED_WIDTH else channel.header_lines
    bad = await asyncio.to_thread(check_file, file.data, manifest, header_lines=header_lines)
    if bad:
        outcome: bytes | Path | Rejected = Rejected(reason=bad.reason, where=bad.where, facts=bad.facts)
    else:
        try:
            outcome = await channel.run(file, manifest)
        except _WAITS:
            raise
        except StoppedError as stopped:
            outcome = stopped.rejected
        except Exception:
            await channel.ended(file, manifest, _BROKE_US)
            raise
    if isinstance(outcome, Rejected):
        came = await channel.ended(file, manifest, outcome.reason)
        outcome = replace(outcome, facts={**outcome.facts, **came})
    return outcome


async def take(file: SpoolFile, channel: SpoolChannel) -> bool:
    """Take one claimed file to its end; False when a neighbour or the database is away and it has to wait. What breaks us fails the file alone."""
    try:
        reason = await run_file(file, channel)
    except _WAITS as failure:
        _LOG.warning(
            "spool:file:waits",
            agency=file.agency,
            channel=file.channel,
            reason=getattr(failure, "reason", "storage_unavailable"),
        )
        return False
    except Exception as failure:  # noqa: BLE001 (one file that breaks us must not stop all others; what it committed stays and is found again)
        _broke("file", file.agency, failure)
        reason = await _give_up(file)
    FILES.labels(file.channel, reason or "done").inc()
    _LOG.info("spool:file:through", agency=file.agency, channel=file.channel, outcome=reason or "done")
    return True


async def until_through(file: SpoolFile, channel: SpoolChannel) -> None:
    """Take one claimed file until it is through, however often a neighbour or the database is away."""
    while True:
        if await take(file, channel):
            return
        await asyncio.sleep(_RETRY_S)


def _broke(place: str, agency: str, failure: Exception) -> None:
    BROKE.labels(place).inc()
    _LOG.error("spool:broke", place=place, agency=agency, error=type(failure).__name__)


async def _give_up(file: SpoolFile) -> str:
    """Fail a file that broke us; when even that cannot be done it stays in `work/` until the next start. Returns what became of it."""
    try:
        await asyncio.to_thread(spool.fail, file, _BROKE_US)
    except Exception as failure:  # noqa: BLE001 (see above: the others must go on)
        _broke("leaving", file.agency, failure)
        return "stuck"
    return _BROKE_US


async def recover(root: Path, agency: str, channels: Mapping[str, SpoolChannel]) -> list[SpoolFile]:
    """What an earlier run left in `work/`; nothing when it cannot be found out."""
    try:
        return await asyncio.to_thread(spool.recover, root, agency, channels)
    except Exception as failure:  # noqa: BLE001 (what an earlier run left must not keep us from starting)
        _broke("recovering", agency, failure)
        return []


async def run_spool(
    root: Path,
    agency: str,
    channels: Mapping[str, SpoolChannel],
    *,
    agencies: int = 1,
    name_is_refused: NameRule = lambda _name: False,
) -> None:
    """Work until cancelled; nothing that lies in a folder ends it. With many agencies in the process each looks less often, so that looking costs alike.

    A business system's files are taken in their order: while one waits, those behind it do too. Other systems' files go on.
    """
    poll_s = _POLL_S * max(1.0, agencies / _LOOK_ALIKE)
    claim = partial(spool.claim_next, root, agency, channels, name_is_refused=name_is_refused)
    claimed: dict[str, deque[SpoolFile]] = {}
    for file in await recover(root, agency, channels):
        claimed.setdefault(file.system, deque()).append(file)
    due: dict[str, float] = {}
    while True:
        for system in [system for system in claimed if due.get(system, 0.0) <= time.monotonic()]:
            while claimed[system] and await take(claimed[system][0], channels[claimed[system][0].channel]):
                claimed[system].popleft()
            if claimed[system]:
                due[system] = time.monotonic() + _RETRY_S
            else:
                del claimed[system]
        try:
            found = await asyncio.to_thread(claim, but=set(claimed))
            if found is None:
                await asyncio.sleep(poll_s)
                continue
        except Exception as failure:  # noqa: BLE001 (a folder that breaks us must not stop the server)
            _broke("looking", agency, failure)
            await asyncio.sleep(_PAUSE_S)
            continue
        WAITING.labels(agency).set(await asyncio.to_thread(spool.waiting, root, agency, channels))
        claimed[found.system] = deque([found])
        due.pop(found.system, None)
