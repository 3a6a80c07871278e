"""The permission list as the core keeps and distributes it: every version published, the one in force on a day (PL-3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.list_lookup import ListLookup, ListUnreadableError
from adapters.jlis_mock.core.list_versions import Signed, Version, accept
from adapters.jlis_mock.core.messages import digest
from evidence.entry import EntryKind
from keys.publisher import PublisherKeys
from storage import sql
from storage.committer import Commit, Committer, Statement, Write, commit_step
from storage.database import Database, as_away
from transport import wire
from transport.clock import JST

FILE_NAME: Final = "permission-lists.json"
_SQL: Final = sql.load("adapters.jlis_mock.core")
_PUBLISH: Final = Statement("publish_list_version", _SQL["publish_list_version"])
_REFUSE: Final = Statement("refuse_list_version", _SQL["refuse_list_version"])
_PUBLISHED: Final = commit_step("core", "list.published")
_REFUSED: Final = commit_step("core", "list.refused")


class _File(Struct, forbid_unknown_fields=True):
    versions: list[Signed]


_FILE: Final = msgspec.json.Decoder(_File)


def _given(path: Path) -> list[Signed]:
    try:
        return wire.decode_typed(path.read_bytes(), _FILE).versions
    except FileNotFoundError:
        return []
    except wire.JsonBrokenError:
        raise ListUnreadableError("the file of permission list versions is malformed") from None


@dataclass(slots=True, kw_only=True)
class ListShelf:
    """`keys`: called, the public keys of the list's publisher in the register in force. `versions`: oldest first."""

    database: Database
    tenant: str
    committer: Committer
    keys: Callable[[], PublisherKeys]
    versions: list[Version] = field(default_factory=list)
    _today: tuple[date, ListLookup | None] | None = None

    async def load(self) -> None:
        """Hold what is stored and not held yet. Raises StorageUnavailableError; ListUnreadableError for a row somebody changed."""
        latest = self.versions[-1].number if self.versions else 0
        with as_away("the core's lists could not be read"):
            async with self.database.inside(self.tenant) as connection:
                rows = await connection.fetch(_SQL["list_versions_after"], latest)
        for row in rows:
            signed = Signed(head=row["head"], signature=row["signature"], content=row["content"])
            found = accept(signed, self.versions, self.keys())
            if isinstance(found, str):
                raise ListUnreadableError("a stored version of the permission list was changed")
            if all(one is not found for one in self.versions):  # another load was not faster
                self.versions.append(found)
                self._today = None

    async def take_given(self, path: Path, now: datetime) -> None:
        """Publish what set-up gave and is not stored yet. Raises ListUnreadableError when the file is no such file."""
        for signed in _given(path):
            if await self._publish(signed, None, now) is not None:
                return

    async def publish(self, signed: Signed, actor: str, now: datetime) -> str | None:
        """Take a new version and distribute it from now on; the reason when it is refused, whole and on record (IF_SCM_90024).

        It must begin after today, so that every server can have it before it counts.
        """
        await self.load()
        return await self._publish(signed, actor, now, not_before=now.astimezone(JST).date())

    async def _publish(
        self, signed: Signed, actor: str | None, now: datetime, not_before: date | None = None
    ) -> str | None:
        found = accept(signed, self.versions, self.keys())
        if isinstance(found, str):
            return await self._refused(signed, found, actor, now)
        if any(one is found for one in self.versions):
            return None
        if not_before is not None and found.valid_from <= not_before:
            return await self._refused(signed, "list_date_not_ahead", actor, now)
        facts = {
            "number": found.number,
            "content_digest": found.digest,
            "valid_from": found.valid_from.isoformat(),
        }
        entry = records.other(EntryKind.LIST_PUBLISHED, now=now, actor=actor, facts=facts)
        row = (
            str(found.number), found.digest, found.valid_from, found.supersedes, signed.head, signed.signature, signed.content, now,
        )  # fmt: skip
        await self.committer.apply(Commit(step=_PUBLISHED, guard=Write(_PUBLISH, row), entries=(entry,)))
        await self.load()  # what counts is what is stored: perhaps another was first
        return None if any(one.signed.head == signed.head for one in self.versions) else "list_version_forked"

    async def _refused(self, signed: Signed, reason: str, actor: str | None, now: datetime) -> str:
        named = digest(signed.head + signed.signature)
        entry = records.other(EntryKind.LIST_REFUSED, now=now, actor=actor, reason=reason, facts={"version": named})
        guard = Write(_REFUSE, (named, reason, now))
        await self.committer.apply(Commit(step=_REFUSED, guard=guard, entries=(entry,)))
        return reason

    def on(self, day: date) -> ListLookup | None:
        """The list in force on a legal day: the newest of the versions valid by then."""
        if self._today is None or self._today[0] != day:
            valid = [one for one in self.versions if one.valid_from <= day]
            self._today = (day, valid[-1].lookup if valid else None)
        return self._today[1]

    def item_label(self, basis: str | None, item: str, day: date) -> str:
        """The item if the list of that day has it, so that nobody grows a metric's labels by asking for nonsense."""
        lookup = self.on(day)
        bases = () if lookup is None else lookup.statutory if basis is None else (basis,)
        return item if lookup is not None and any((one, item) in lookup.rows for one in bases) else "unlisted"

    def knows(self, list_digest: str) -> bool:
        """Whether a version has this content, in force or not."""
        return any(one.digest == list_digest for one in self.versions)
