"""Whether a log is what a peer knows of it (DESIGN §6, SC-6, SC-15): a database that was set back never signs a second history.

A peer holds the latest checkpoint of the log that it was shown: the core that of an intermediate server, an agency's intermediate server that of its
linkage server. After a start it is asked: when it holds more than stands here, or another root, the log is barred: nothing is appended, so nothing
leaves. A log that was opened anew (a restored backup) is barred until the peer has said what it holds of every origin before; that becomes the first
entries under the new origin, so that what is lost is declared and can be checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from evidence import checkpoint
from evidence.checkpoint import Checkpoint, CheckpointBroken
from keys.windows import PublicKeys
from storage import sql
from storage.backups.openings import Opening, openings
from storage.committer import Commit, Committer, NewEntry, fiscal_year
from storage.database import StorageUnavailableError
from storage.fault_points import Step
from transport.channel import ChannelError
from transport.clock import Clock

_LOG = structlog.get_logger()
_EVIDENCE = sql.load("storage.evidence_log")
_AGAIN_S: Final = 1.0
_LONGEST_S: Final = 30.0
BARRED: Final = Gauge("sekisho_log_barred", "1 while an evidence log is not what its peers know of it", ["log"])
NOT_REOPENED: Final = "log_not_reopened"
BEHIND: Final = "log_behind_its_peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStanding:
    """Of one agency's log. `ask`: the peer's answer to an item `{"origin": …}`; `keys`: the public keys of a log;
    `note`: the entry `log.reopened` by somebody with these facts.
    """

    agency: str
    committer: Committer
    ask: Callable[[Mapping[str, str]], Awaitable[Any]]
    keys: Callable[[str], PublicKeys | None]
    note: Callable[[datetime, str, Mapping[str, str | int]], NewEntry]
    step: Step
    clock: Clock

    async def begin(self) -> datetime | None:
        """Before anything is appended: a log that was opened anew and does not say so yet is barred until it does.

        Returns when it was last opened anew. Raises StorageUnavailableError.
        """
        found = await openings(self.committer.database, self.committer.tenant)
        self._bar(NOT_REOPENED if any(not one.recorded for one in found) else None)
        return found[-1].opened_at if found else None

    async def run(self) -> None:
        """Ask the peer until it has answered once; what it says stays until the next start."""
        pause = _AGAIN_S
        while True:
            try:
                unrecorded = [
                    one for one in await openings(self.committer.database, self.committer.tenant) if not one.recorded
                ]
                await (self._open(unrecorded) if unrecorded else self._compare())
            except (ChannelError, StorageUnavailableError) as failure:
                reason = getattr(failure, "reason", "storage_unavailable")
                _LOG.info("log_standing:waits", agency=self.agency, reason=reason)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(_LONGEST_S, pause * 2)

    def _bar(self, reason: str | None) -> None:
        self.committer.barred = reason
        BARRED.labels(self.committer.tenant).set(reason is not None)
        if reason is not None:
            _LOG.error("log_barred", agency=self.agency, reason=reason)

    async def _held(self, origin: str) -> Checkpoint | None:
        """What the peer holds of a log of ours. Raises ChannelError, also for an answer that is none."""
        answer: Any = await self.ask({"origin": origin})
        note = answer.get("note", 0) if isinstance(answer, dict) else 0
        keys = self.keys(origin)
        if note is None:
            return None
        if keys is None or not isinstance(note, str):
            raise ChannelError("peer_answer_malformed")
        try:
            return checkpoint.read(note, origin, *keys.all())  # ours, however old
        except CheckpointBroken:
            raise ChannelError("peer_answer_malformed") from None

    async def _compare(self) -> None:
        """The logs of this fiscal year and the last: what was set back on 1 April lacks what the year that has just ended had."""
        this_year = fiscal_year(self.clock())
        for year in (this_year - 1, this_year):
            held = await self._held(f"{self.committer.origin}/{year}")
            if held is None or held.size == 0:
                continue
            async with self.committer.database.inside(
                self.committer.tenant
            ) as connection:  # after the answer: what was appended meanwhile is there
                root = await connection.fetchval(_EVIDENCE["root_at"], year, held.size)
            if root != held.root:
                self._bar(BEHIND)

    async def _open(self, unrecorded: list[Opening]) -> None:
        """The first entries under the new origin: of each one before, how much of it stands here and how much of it the peer has seen.

        An origin that the peer has seen already is not new: the log stays barred until a restore takes another one.
        """
        known = await self._held(f"{self.committer.origin}/{unrecorded[-1].year}")
        if known is not None and known.size > 0:
            self._bar(BEHIND)
            return
        entries, guards = [], []
        for one in unrecorded:
            first, _ = checkpoint.first_of(f"{self.committer.origin}/{one.year}")
            before = first if one.times == 1 else checkpoint.opened_anew(first, one.times - 1)
            held = await self._held(before)
            said: dict[str, str | int] = {
                "times": one.times,
                "before": before,
                "size": one.size,
                "known_size": held.size if held else 0,
                "known_root": held.root.hex() if held else "",
                "backup": one.backup_id,
            }
            entries.append(self.note(self.clock(), one.opened_by, said))
            guards.append(one.record())
        commit = Commit(step=self.step, guard=guards[0], follow=tuple(guards[1:]), entries=tuple(entries))
        await self.committer.apply(commit, barred_too=True)
        self._bar(None)
