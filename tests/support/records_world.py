"""One agency of an intermediate server with its real database, log, key file and committer, and a clock that a test moves; no network, no routes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from evidence.checkpoint import format_vkey
from evidence.entry import EntryKind
from evidence.export import LogParty
from evidence.findings import Report
from evidence.verify import Export, verify
from gateway.intermediate_server.agency import HostedAgency, Limits
from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.covering import EVERYTHING, Covered
from gateway.intermediate_server.inquiry import registering
from gateway.intermediate_server.lists.in_force import Lists, ListShelf
from gateway.intermediate_server.records import searching
from gateway.intermediate_server.records.exchange_entries import Said, note_event, record
from gateway.intermediate_server.retention import erasing
from keys.windows import PublicKeys
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.committing import commit
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.evidence_log import store as log_store
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant
from storage.reference_data import read_layouts
from tests.support.cloned_database import cloned, dsn_of
from tests.support.linkage_world import PASSPHRASE
from transport.channel import Channel
from transport.register import Register

AGENCY = "setagaya"
ORIGIN = f"sekisho.example/{AGENCY}/intermediate"
START = datetime(2022, 10, 3, 3, tzinfo=UTC)
STEP = commit_step("test", "record")
SEND = commit_step("test", "send")


@dataclass
class Clock:
    """Moves when a test says so."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass(kw_only=True)
class Records:
    """`agency` at work; `admin_dsn`: of the database, for a look behind everybody's back."""

    agency: HostedAgency
    clock: Clock
    keys: Path
    admin_dsn: str

    async def put(self, number: str | None, kind: EntryKind = EntryKind.PROVISION_MADE, **said: Any) -> NewEntry:
        """One record, committed: 杉並 asks us about this integrated number unless told."""
        given = {
            "inquiry_number": self.agency.new_id("Q", self.clock()), "inquirer": "suginami", "provider": AGENCY, "basis": "beppyo2-2022",
            "item": "27", "information": "医療保険給付関係情報", "items": ["被保険者番号"], "list_digest": "a" * 64, "actor": "auto",
        }  # fmt: skip
        marked = Said(
            non_disclosure=said.pop("non_disclosure", False),
            inquirer_for=said.pop("inquirer_for", None),
            provider_for=said.pop("provider_for", None),
        )
        entry = record(self.agency, self.clock(), kind, integrated_number=number, said=marked, **{**given, **said})
        await self.commit(entry)
        return entry

    async def corrected(self, entry_id: str, right: str, field: str = "subject") -> str:
        """A record turns out to be this person's, or of this agency: the correction as it is when a second person has approved it (who they are is for the
        tests of the routes); its entry id.
        """
        agency, now = self.agency, self.clock()
        correction_id, of_person = agency.new_id("C", now), field == "subject"
        number_sealed, under = correcting.seal_number(agency, correction_id, right, now) if of_person else (None, None)
        kept = {
            "correction_id": correction_id, "entry_id": entry_id, "field": field, "value": "" if of_person else right, "number_sealed": number_sealed,
            "sealed_under": under, "reason": "wrong_link", "content_hash": secrets.token_hex(32), "proposed_by": "staff-1",
        }  # fmt: skip
        row = await searching.entry_row(agency, entry_id)
        assert row is not None
        entry = await correcting.correction_entry(agency, kept, row, "staff-2", now)
        await self.commit(entry)
        return entry.entry_id

    async def commit(self, *entries: NewEntry) -> None:
        await self.agency.committer.apply(Commit(step=STEP, entries=entries))

    async def search(self, *, covered: Covered = EVERYTHING, **conditions: Any) -> list[dict[str, Any]]:
        """Every page of a search, with a right to everything unless told."""
        found, after = [], None
        while True:
            item = searching.SearchItem(**{**conditions, "after": after})
            page = await searching.search(self.agency, item, covered, self.clock())
            found += page["records"]
            after = page["next"]
            if after is None:
                return found

    async def years_pass(self, until: datetime) -> None:
        """The clock moves to an instant; something was on record in the year before it, as in any year."""
        for before in (timedelta(days=500), timedelta(days=200)):
            if until - before > self.clock.now:
                self.clock.now = until - before
                await self.commit(note_event(self.agency, self.clock.now, EntryKind.ACCESS_REFUSED, reason="nothing"))
        self.clock.now = until

    async def sweep(self) -> None:
        """What the broom does about erasure, until nothing is left to do."""
        for _ in range(5):
            await erasing.expire_results(self.agency, self.clock())
            await erasing.erase_records(self.agency, self.clock())
            await erasing.certify(self.agency, self.clock())

    async def export(self, year: int) -> bytes:
        key = self.agency.keys.ring.signer("log").public_key
        blocks = log_store.export(
            self.agency.database,
            self.agency.tenant,
            agency=AGENCY,
            party=LogParty.INTERMEDIATE,
            public_key=key,
            year=year,
        )
        return b"".join([block async for block in blocks])

    def trusted(self) -> dict[str, str]:
        key = self.agency.keys.ring.signer("log").public_key
        return {f"{ORIGIN}/{year}": format_vkey(f"{ORIGIN}/{year}", key) for year in range(2014, 2200)}

    async def verified(self, *years: int) -> Report:
        exports = [Export(str(year), (await self.export(year)).splitlines(keepends=True)) for year in years]
        return verify(exports, self.trusted())

    async def inside(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """As the tenant."""
        async with self.agency.database.inside(self.agency.tenant) as connection:
            return list(await connection.fetch(query, *arguments))

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """The owner of the tables, whom no server is."""
        admin = await asyncpg.connect(self.admin_dsn)
        try:
            await admin.execute("select set_config('search_path', $1, false)", self.agency.tenant)
            yield admin
        finally:
            await admin.close()


@asynccontextmanager
async def records_world(folder: Path, cluster_dsn: str) -> AsyncIterator[Records]:
    """A fresh database, log and key file."""
    tenant = "a_setagaya_intermediate"
    login = Login(name="records", password="p", tenants=(tenant,))
    packages = ("storage.evidence_log", "gateway.intermediate_server")
    admin_dsn = await cloned(cluster_dsn, [Tenant(schema=tenant, packages=packages)], [login])
    database = await Database.open(dsn_of(admin_dsn, login), connections=3)
    keys = KeyStore.create(folder / "keys.json", PASSPHRASE, profile="cheapest")
    for purpose in ("signing", "log", "staff", "replicas", "codes", "erased"):
        keys.ensure(purpose)
    clock = Clock()
    committer = Committer(database, tenant, origin=ORIGIN, signer=partial(keys.ring.signer, "log"), clock=clock)
    register = Register(agencies={}, peers={}, logs={}, permit_keys=PublicKeys.of(bytes(32)))
    async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
        away = Channel(client, "https://127.0.0.1:9/", name="away", step=SEND)
        agency = HostedAgency(
            id=AGENCY, tenant=tenant, database=database, known=registering.look_of(database), committer=committer, keys=keys,
            register=lambda: register, lists=Lists(ListShelf(lambda: register), clock), layouts=read_layouts(), limits=_LIMITS, clock=clock,
            permits=away, inquiries=away, late_outcomes=away, list_versions=away, held_checkpoints=away, code_epochs=away, code_renewals=away, circuits=(), erasures=ErasureJournal.beside(folder / "keys.json", keys.ring),
            backup_key=lambda: None, peer_note=lambda _note: None,
        )  # fmt: skip
        work = group.create_task(commit([committer]))
        yield Records(agency=agency, clock=clock, keys=folder / "keys.json", admin_dsn=admin_dsn)
        work.cancel()
    await database.close()


_LIMITS = Limits(
    answer_within=timedelta(days=3),
    keep_result=timedelta(days=7),
    resend_after=timedelta(seconds=5),
    acquisition_within=timedelta(days=1),
    replaced_code_for=timedelta(days=30),
    statistics_threshold=10,
    jobs_kept_for=timedelta(days=90),
    ended_kept_for=timedelta(days=456),
    escalate_before=timedelta(days=1),
)


def reopened(records: Records) -> HostedAgency:
    """The agency as it would be after a restart: its keys are those of the file."""
    return replace(records.agency, keys=KeyStore.open(records.keys, PASSPHRASE))
