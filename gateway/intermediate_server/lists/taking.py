"""Taking versions of the permission list: from set-up's file at the start, from the core afterwards (PL-4, IS-8).

A version is checked, stored and recorded before it counts. One that is not acceptable is refused whole and recorded once; the
server stays on what it holds, and asks again at the next turn. One that the signed register names and the core does not give is told,
and recorded when its day has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import ValidationError, convert
from prometheus_client import Counter, Gauge

from evidence.entry import EntryKind, encode_entry, other_entry
from gateway.intermediate_server.lists.in_force import Lists
from keys.publisher import PublisherKeys
from permission_lists import versions
from permission_lists.versions import Head, SignedVersion, VersionRefusal
from storage import list_files, sql
from storage.committer import Commit, Committer, NewEntry, Statement, Write, commit_step
from storage.database import Database, as_away
from transport.channel import Channel, ChannelError
from transport.clock import Clock

_SQL = sql.load("gateway.intermediate_server.lists")
_TAKE: Final = Statement("take_list_version", _SQL["take_list_version"])
_REFUSE: Final = Statement("refuse_list_version", _SQL["refuse_list_version"])
_TAKEN: Final = commit_step("intermediate", "list.taken")
_REFUSED: Final = commit_step("intermediate", "list.refused")
HELD = Gauge("sekisho_list_version_held", "Newest version of the permission list that an agency holds", ["agency"])
MISSING = Gauge(
    "sekisho_list_versions_missing", "Versions that the register names and an agency does not hold", ["agency"]
)
REFUSALS = Counter("sekisho_list_versions_refused", "Versions of the permission list that were not taken", ["reason"])
FAILURES = Counter("sekisho_list_fetch_failures", "Turns in which the core could not be asked for the list", ["reason"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTaking:
    """What taking versions needs, for one agency. `keys`: called, the public keys of the list's publisher in the register in force."""

    agency: str
    tenant: str
    database: Database
    committer: Committer
    lists: Lists
    keys: Callable[[], PublisherKeys]
    core: Channel
    clock: Clock
    new_id: Callable[[str, datetime], str]

    async def begin(self, given: Sequence[SignedVersion]) -> None:
        """Hold what is stored, and take what set-up gave and is not stored yet. Raises StorageUnavailableError."""
        await self.load()
        await self.take(given)

    async def load(self) -> None:
        """Hold what is stored and not held yet, also by another process of this agency. Raises StorageUnavailableError.

        Stored versions are checked again: a row that somebody changed in the database is not decided on.
        """
        with as_away("the permission list could not be read"):
            async with self.database.inside(self.tenant) as connection:
                rows = await connection.fetch(_SQL["list_versions_after"], self.lists.newest)
        for row in rows:
            signed = SignedVersion(head=row["head"], signature=row["signature"], content=row["content"])
            head = versions.check(signed, self.lists.heads, self.keys())
            if isinstance(head, VersionRefusal):
                await self._refuse(signed, head)
                break
            if head is not None:
                self.lists.hold(head, signed)
        HELD.labels(self.agency).set(self.lists.newest)
        MISSING.labels(self.agency).set(self.lists.missing)

    async def take(self, received: Sequence[SignedVersion]) -> None:
        """Take versions, oldest first, until one is not acceptable. Raises StorageUnavailableError."""
        for signed in received:
            head = versions.check(signed, self.lists.heads, self.keys())
            if isinstance(head, VersionRefusal):
                await self._refuse(signed, head)
                return
            if head is not None:
                await self.committer.apply(self._taking(head, signed))
                await self.load()  # what counts is what is stored: perhaps another process was first
                if head not in self.lists.heads:
                    return

    async def fetch(self) -> None:
        """Ask the core for newer versions and take them. Raises ChannelError, StorageUnavailableError."""
        await self.load()
        answer = await self.core.ask({"held": self.lists.newest})
        try:
            found = convert(answer, list_files.WireVersions).versions
        except ValidationError:
            raise ChannelError("peer_answer_malformed") from None
        await self.take([one.signed for one in found])
        await self._look_for_what_is_due()

    async def _look_for_what_is_due(self) -> None:
        """The core has answered: a version that counts by now and is not held is one that it keeps back. Recorded the first time (docs/adr/0071)."""
        now = self.clock()
        MISSING.labels(self.agency).set(self.lists.missing)
        due = self.lists.overdue(versions.legal_day(now))
        if due is not None:
            facts = {
                "number": due.number,
                "content_digest": due.content_digest,
                "valid_from": due.valid_from.isoformat(),
            }
            await self._not_taken(due.content_digest, VersionRefusal.OVERDUE, facts, now)

    def _taking(self, head: Head, signed: SignedVersion) -> Commit:
        now = self.clock()
        row = (
            str(head.number), head.content_digest, head.valid_from, head.supersedes, signed.head, signed.signature, signed.content, now,
        )  # fmt: skip
        facts = {
            "number": head.number,
            "content_digest": head.content_digest,
            "valid_from": head.valid_from.isoformat(),
        }
        entry = self._entry(EntryKind.LIST_TAKEN, now, facts)
        return Commit(step=_TAKEN, guard=Write(_TAKE, row), entries=(entry,))

    async def _refuse(self, signed: SignedVersion, reason: VersionRefusal) -> None:
        """Record a version that is not acceptable, the first time it comes."""
        await self._not_taken(signed.digest, reason, {"version": signed.digest}, self.clock())

    async def _not_taken(self, digest: str, reason: VersionRefusal, facts: dict[str, Any], now: datetime) -> None:
        REFUSALS.labels(reason.value).inc()
        entry = self._entry(EntryKind.LIST_REFUSED, now, facts, reason.value)
        guard = Write(_REFUSE, (digest, reason.value, now))
        await self.committer.apply(Commit(step=_REFUSED, guard=guard, entries=(entry,)))

    def _entry(self, kind: EntryKind, now: datetime, facts: dict[str, Any], reason: str | None = None) -> NewEntry:
        entry_id = self.new_id("E", now)
        body = other_entry(id=entry_id, at=now, kind=kind, reason=reason, actor=None, facts=facts)
        return NewEntry(
            entry_id=entry_id, at=now, kind=kind.value, inquiry_number=None, body=encode_entry(body), personal=None
        )
