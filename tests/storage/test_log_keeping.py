"""Logs of linkage servers and of the core after seven years (SC-6, SC-16): at their time and not a second before, said in the log, and for good."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from adapters.jlis_mock.core.retention import keeping_of as keeping_of_core
from codebook.identifiers import new_sortable_id
from evidence.checkpoint import format_vkey
from evidence.entry import EntryKind, encode_entry, other_entry
from evidence.export import LogParty
from evidence.findings import FindingName
from evidence.verify import Export, verify
from gateway.linkage_server.retention import keeping_of
from keys.signing import Signer, generate_seed
from storage import log_keeping
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.committing import commit
from storage.database import Database
from storage.evidence_log import store
from storage.migrations import Login, Tenant, create_database, ensure_login, migrate_tenant
from storage.postgres import dsn

STEP = commit_step("test", "old entry")
BEGUN_IN = datetime(2022, 10, 3, 3, tzinfo=UTC)
DUE = datetime(2030, 3, 31, 15, tzinfo=UTC)
"""1 April 2030 in Japan: the last record of fiscal year 2022 is seven years old."""
PACKAGES = {"linkage": "gateway.linkage_server", "core": "adapters.jlis_mock.core"}


@dataclass
class Party:
    """One party's log, its keeping, and a clock that a test moves."""

    tenant: str
    committer: Committer
    key: bytes
    now: datetime = BEGUN_IN
    keeping: log_keeping.LogKeeping | None = None

    @property
    def agency(self):
        return self

    async def put(self, personal: bytes | None = None) -> str:
        entry_id = new_sortable_id("E", int(self.now.timestamp() * 1000), secrets.token_bytes(10))
        body = encode_entry(other_entry(id=entry_id, at=self.now, kind=EntryKind.ACCESS_REFUSED, reason="none"))
        entry = NewEntry(entry_id=entry_id, at=self.now, kind="test", inquiry_number=None, body=body, personal=personal)
        await self.committer.apply(Commit(step=STEP, entries=(entry,)))
        return entry_id

    async def years_pass(self, until: datetime) -> None:
        """Something is on record in the year before, as in any year."""
        self.now = until - timedelta(days=200)
        await self.put()
        self.now = until

    async def turn(self) -> None:
        assert self.keeping is not None
        await self.keeping.turn(self.now)

    async def fetch(self, query: str, *arguments):
        async with self.committer.database.inside(self.tenant) as connection:
            return await connection.fetch(query, *arguments)

    async def bodies(self, year: int = 2022) -> int:
        rows = await self.fetch("select count(body) from log_entry where year = $1", year)
        return rows[0][0]

    async def said(self) -> list[dict]:
        rows = await self.fetch("select body from log_entry where kind like 'erasure.%' order by year, idx")
        return [json.loads(row["body"]) for row in rows]

    async def report(self, *years: int):
        exports = []
        for year in years:
            blocks = store.export(
                self.committer.database, self.tenant, agency="test", party=LogParty.LINKAGE, public_key=self.key, year=year
            )  # fmt: skip
            exports.append(Export(str(year), b"".join([block async for block in blocks]).splitlines(keepends=True)))
        origins = [f"{self.committer.origin}/{year}" for year in range(2020, 2040)]
        return verify(exports, {origin: format_vkey(origin, self.key) for origin in origins})


@asynccontextmanager
async def standing(cluster, kind: str):
    server, admin_dsn = cluster
    tenant = f"a_keeping_{secrets.token_hex(4)}"
    login = Login(name=f"login_{tenant}", password=secrets.token_hex(8), tenants=(tenant,))
    admin = await asyncpg.connect(await create_database(admin_dsn))
    await migrate_tenant(admin, Tenant(schema=tenant, packages=("storage.evidence_log", PACKAGES[kind])))
    await ensure_login(admin, login)
    await admin.close()
    database = await Database.open(dsn(server.socket, login.name, login.password), connections=2)
    signer, made = Signer(generate_seed()), []
    committer = Committer(
        database, tenant, origin=f"sekisho.example/test/{kind}", signer=lambda: signer, clock=lambda: made[0].now
    )
    party = Party(tenant=tenant, committer=committer, key=signer.public_key)
    made.append(party)
    party.keeping = keeping_of(party) if kind == "linkage" else keeping_of_core(committer)
    working = asyncio.ensure_future(commit([committer]))
    try:
        yield party
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await database.close()


@pytest.fixture(params=["linkage", "core"])
async def party(cluster, request):
    async with standing(cluster, request.param) as found:
        yield found


@pytest.fixture
async def linkage(cluster):
    async with standing(cluster, "linkage") as found:
        yield found


async def test_bodies_go_when_the_last_record_of_the_year_is_seven_years_old_and_the_log_says_so(party):
    for _ in range(3):
        await party.put(personal=b"sealed")
    await party.years_pass(DUE - timedelta(seconds=1))
    await party.turn()
    assert (await party.bodies(), await party.said()) == (3, [])
    party.now = DUE
    await party.turn()
    await party.turn()
    assert await party.bodies() == 0
    begun, certified = await party.said()
    assert (begun["kind"], certified["kind"]) == ("erasure.begun", "erasure.certified")
    assert (begun["reason"], begun["actor"], begun["facts"]["size"]) == ("番号法施行令30条", "auto", 3)
    assert {name: certified["facts"][name] for name in ("erased", "sealed", "log")} == {
        "erased": 3, "sealed": 3, "log": f"{party.committer.origin}/2022",
    }  # fmt: skip
    assert (await party.report(2022, 2029, 2030)).clean
    assert [one.name for one in (await party.report(2022)).findings] == [FindingName.ERASED_UNCERTIFIED]


async def test_a_clock_that_jumped_ahead_erases_nothing(party):
    await party.put()
    party.now = DUE + timedelta(days=1)
    await party.turn()
    assert (await party.bodies(), await party.said()) == (1, [])


async def test_a_year_too_long_for_one_turn_is_begun_and_certified_once(party, monkeypatch):
    monkeypatch.setattr(log_keeping, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(log_keeping, "STRETCHES_A_TURN", 1)
    for _ in range(5):
        await party.put()
    await party.years_pass(DUE)
    left = []
    for _ in range(5):
        await party.turn()
        left.append(await party.bodies())
    assert left == [3, 1, 0, 0, 0]
    assert [one["kind"] for one in await party.said()] == ["erasure.begun", "erasure.certified"]
    assert (await party.said())[1]["facts"]["erased"] == 5


async def test_who_was_looked_at_goes_with_the_entry_and_not_before(linkage):
    looked, kept = await linkage.put(personal=b"why"), b"s" * 16
    await linkage.fetch("insert into access_subject (subject, entry_id) values ($1, $2)", kept, looked)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await linkage.fetch("delete from access_subject")
    await linkage.years_pass(DUE)
    later = await linkage.put()
    await linkage.fetch("insert into access_subject (subject, entry_id) values ($1, $2)", kept, later)
    await linkage.turn()
    await linkage.turn()
    assert [row["entry_id"] for row in await linkage.fetch("select entry_id from access_subject")] == [later]
    assert (await linkage.said())[1]["facts"]["rows_deleted"] == 1


async def test_the_owner_of_a_server_unsays_no_erasure(linkage):
    await linkage.put()
    await linkage.years_pass(DUE)
    await linkage.turn()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await linkage.fetch("delete from log_erasure")
