"""One hosted agency as the slices of the linkage server see it: its schema, keys, log, clients and peers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from aiohttp import web

from codebook.identifiers import new_sortable_id
from codebook.layouts import Layout
from evidence.access_analysis import Measures
from evidence.entry import Entry, EntryKind, encode_entry, other_entry
from gateway.api.clients import ClientStore
from gateway.linkage_server.affairs import Affairs
from gateway.linkage_server.file_layouts import FileLayouts, read_file_layouts
from gateway.linkage_server.outbound import Outbound
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.plausibility import LoadLimits
from gateway.linkage_server.release import Release
from gateway.linkage_server.waiting_work import WaitingWork
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.marks import Marks
from transport.clock import JST, Clock

ACCESS_REFUSED_STEP: Final = commit_step("linkage", "access.refused")
ENTRY_PREFIX: Final = "E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """番号連携サーバー of one agency. `log_key`: the public key that its log is signed with now; `earlier_log_keys`: those before that one.

    `backup_key`: public half of the key that backups are sealed to now; None where there is none. `release`: whether data may leave.
    `compare_with_resident_network`: whether four items are compared with the resident network's too; `measures`: what the analysis of looks finds remarkable;
    `clients_that_decide_alone`: those that know their staff, so that one of them may bring both names of a decision; None: every client (docs/adr/0081).
    """

    id: str
    tenant: str
    database: Database
    committer: Committer
    clients: ClientStore
    work: WaitingWork
    keys: PersonalKeys
    outbound: Outbound
    layouts: tuple[Layout, ...]
    affairs: Affairs
    clock: Clock
    compare_with_resident_network: bool
    log_key: Callable[[], bytes]
    erasures: ErasureJournal
    marks: Marks
    earlier_log_keys: Callable[[bytes], tuple[bytes, ...]] = lambda _: ()
    backup_key: Callable[[], bytes | None] = lambda: None
    hosted_together: int = 1
    release: Release = field(default_factory=Release)
    limits: LoadLimits = field(default_factory=LoadLimits)
    measures: Measures = field(default_factory=Measures)
    clients_that_decide_alone: frozenset[str] | None = None
    file_layouts: FileLayouts = field(default_factory=read_file_layouts)

    def look_s(self, alone_s: float) -> float:
        """Seconds between two looks of a loop: with more than ten agencies in the process each looks less often, so that looking costs alike."""
        return alone_s * max(1.0, self.hosted_together / 10)

    def today(self) -> date:
        """The day in Japan: changes hold from a day on, not from an instant."""
        return self.clock().astimezone(JST).date()

    async def record_access_refused(self, reason: str, client_id: str | None, count: int = 1) -> None:
        """One entry for so many refusals since the last of its kind. Raises StorageUnavailableError."""
        now = self.clock()
        entry = other_entry(
            id=new_entry_id(now),
            at=now,
            kind=EntryKind.ACCESS_REFUSED,
            reason=reason,
            actor=client_id,
            facts={"count": count},
        )
        await self.committer.apply(Commit(step=ACCESS_REFUSED_STEP, entries=(new_entry(entry, now),)))


AGENCIES: web.AppKey[Mapping[str, Agency]] = web.AppKey("agencies", Mapping[str, Any])


def milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def clients_that_decide_alone(options: Mapping[str, Any], agency: str) -> frozenset[str] | None:
    """Those of an agency that the role's options name; None when they say nothing about the agency."""
    named = dict(options.get("clients_that_decide_alone", {})).get(agency)
    return frozenset(named) if named is not None else None


def new_entry_id(now: datetime) -> str:
    return new_sortable_id(ENTRY_PREFIX, milliseconds(now), secrets.token_bytes(10))


def new_entry(entry: Entry, at: datetime, *, inquiry_number: str | None = None) -> NewEntry:
    """An entry ready to append; nearly all of the linkage server's have no personal part."""
    return NewEntry(
        entry_id=entry["id"],
        at=at,
        kind=entry["kind"],
        inquiry_number=inquiry_number,
        body=encode_entry(entry),
        personal=None,
    )
