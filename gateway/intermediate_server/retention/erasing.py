"""消去: what expires goes by a rule, its key first, and a certificate in the log says so (SC-3, SC-6, SC-16; 番号法施行令30条).

Copies go when they are withdrawn or over (`replica.erasure`); a day of them is one certificate, and the key of somebody without copies goes with it.
What is over and still names a person (a lifted bar, the end of a code, a relation of staff who have left, the id of a record whose copy was
withdrawn) goes after `Limits.ended_kept_for`, a day of each kind one certificate (docs/adr/0078). Results go at their time, and the key of an hour
once nothing is sealed under it. Seven years after the last record of a fiscal year its personal parts and the bodies of its entries go, with the
rows of its inquiries and provisions; the hashes stay, and the log still verifies.
`TRANSITIONS`: begun (what is to go is written down) → certified (the key is gone, and it is in the log) → confirmed (`certificates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from enum import StrEnum
from hashlib import sha256
from typing import Final

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.inquiry.reading import past_hours
from gateway.intermediate_server.records.exchange_entries import note_event
from gateway.intermediate_server.records.subjects import PERSONAL
from gateway.intermediate_server.replica import erasure
from keys.binding import bind
from keys.ring import State
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step
from storage.evidence_log.store import prune
from storage.log_keeping import (
    BY_RULE,
    ENTRIES_AT_ONCE,
    RECORDS,
    RULE,
    STRETCHES_A_TURN,
    facts_of,
    first_id_after,
    last_year_due,
)
from transport.clock import JST

_SQL = sql.load("gateway.intermediate_server.retention")
_INQUIRY_SQL = sql.load("gateway.intermediate_server.inquiry")
_BEGIN = Statement("begin_erasure", _SQL["begin_erasure"])
_CERTIFY = Statement("certify_erasure", _SQL["certify_erasure"])
_BEGUN = commit_step("intermediate", "erasure.begun")
_CERTIFIED = commit_step("intermediate", "erasure.certified")


class Kind(StrEnum):
    RESULTS = "results"
    RECORDS = RECORDS
    REPLICAS = "replicas"
    BARS = "bars"
    CODES = "codes"
    RELATIONS = "relations"
    WITHDRAWALS = "withdrawals"


_OF_ENDED: Final = frozenset({Kind.BARS, Kind.CODES, Kind.RELATIONS, Kind.WITHDRAWALS})


class Rule(StrEnum):
    """By which rule something was erased."""

    AFTER_ITS_TIME = "SC-3"
    AFTER_SEVEN_YEARS = RULE
    NOT_NEEDED = "番号法20条"


# --- results


async def expire_results(agency: HostedAgency, now: datetime) -> int:
    """Delete results whose time has come, in stretches, and destroy the keys of past hours (SC-3); returns how many results went.

    A key goes when nothing is sealed under it any more: what is left of many results is called for at once, and the keys wait for it.
    """
    gone = 0
    for _ in range(STRETCHES_A_TURN):
        async with agency.database.inside(agency.tenant) as connection:
            erased: int = await connection.fetchval(
                _INQUIRY_SQL["expire_results"], now, Rule.AFTER_ITS_TIME.value, ENTRIES_AT_ONCE
            )
        gone += erased
        if erased < ENTRIES_AT_ONCE:
            break
    else:
        agency.broom.call(0)
        return gone
    async with agency.database.inside(agency.tenant) as connection:
        used = {row["key_purpose"] for row in await connection.fetch(_INQUIRY_SQL["sealed_under"])}
        over = [purpose for purpose in past_hours(agency, now) if purpose not in used]
        for purpose in over:
            versions = _versions(agency, purpose)
            await connection.execute(_SQL["note_versions"], purpose, Rule.AFTER_ITS_TIME.value, versions, now)
    for purpose in over:
        agency.keys.destroy(purpose)
    return gone


def _versions(agency: HostedAgency, purpose: str) -> str:
    """Numbers of a key's versions, set apart by commas; empty when the ring does not know it (any more)."""
    ring = agency.keys.ring
    return ",".join(map(str, ring.versions(purpose))) if purpose in ring.purposes() else ""


# --- records of a fiscal year


async def erase_records(agency: HostedAgency, now: datetime) -> None:
    """Go on with every year that is due; what is left is called for at once.

    Nothing is due when the fiscal year before this one has no log: a clock that jumped ahead must not destroy keys.
    """
    async with agency.database.inside(agency.tenant) as connection:
        due = await connection.fetch(_SQL["years_due"], last_year_due(now))
    for head in due:
        await _begin(agency, head, now)
        agency.keys.destroy(_purpose(head["year"]))
        await _prune(agency, head["year"])
        agency.broom.call(0)  # for what is left, or for the certificate


def _purpose(year: int) -> str:
    return f"{PERSONAL}{year}"


async def _begin(agency: HostedAgency, head: Record, now: datetime) -> None:
    """Write down what is to go, in the log too, while the key is still there; nothing when it was begun before.

    The entry opens this year's log: the database lets no year be pruned before its eighth year has a log (storage.evidence_log).
    """
    purpose = _purpose(head["year"])
    row = (purpose, Kind.RECORDS.value, Rule.AFTER_SEVEN_YEARS.value, _versions(agency, purpose), now)
    rule, log = Rule.AFTER_SEVEN_YEARS.value, facts_of(head)
    entry = note_event(
        agency,
        now,
        EntryKind.ERASURE_BEGUN,
        reason=rule,
        actor=BY_RULE,
        erasure=Kind.RECORDS.value,
        key_purpose=purpose,
        **log,
    )
    await agency.committer.apply(Commit(step=_BEGUN, guard=Write(_BEGIN, row), entries=(entry,)))


async def _prune(agency: HostedAgency, year: int) -> None:
    """Some stretches of a year's log, each in a transaction with its count."""
    purpose, (inquiry, permit) = _purpose(year), _first_ids_after(year)
    for _ in range(STRETCHES_A_TURN):
        async with agency.database.inside(agency.tenant) as connection:
            gone = await prune(connection, year, ENTRIES_AT_ONCE)
            await connection.execute(_SQL["forget_approvals"], permit, ENTRIES_AT_ONCE)
            tags = [
                await connection.execute(_SQL["forget_provisions"], permit, ENTRIES_AT_ONCE),
                await connection.execute(_SQL["forget_inquiries"], inquiry, ENTRIES_AT_ONCE),
            ]
            deleted = sum(int(tag.rpartition(" ")[2]) for tag in tags)
            await connection.execute(_SQL["count_erased"], purpose, gone.pruned, gone.sealed, deleted)
        if gone.remaining == 0 and deleted == 0:
            return


def _first_ids_after(year: int) -> tuple[str, str]:
    """The first inquiry number and permit id after a fiscal year."""
    return first_id_after("Q", year), first_id_after("K", year)


# --- what is over


async def erase_ended(agency: HostedAgency, now: datetime) -> None:
    """A stretch of each kind, noted under today; what is left is called for at once. Raises StorageUnavailableError."""
    before, today = now - agency.limits.ended_kept_for, agency.today(now).isoformat()
    async with agency.database.inside(agency.tenant) as connection:
        gone = await connection.fetch(_SQL["erase_ended"], before, today, Rule.NOT_NEEDED.value, now, ENTRIES_AT_ONCE)
    if any(row["erased"] == ENTRIES_AT_ONCE for row in gone):
        agency.broom.call(0)


# --- certificates


async def certify(agency: HostedAgency, now: datetime) -> None:
    """A certificate for everything that was begun and is gone. What is not gone yet waits."""
    async with agency.database.inside(agency.tenant) as connection:
        begun = await connection.fetch(_SQL["begun"], erasure.first_open(agency, now))
    for row in begun:
        if row["kind"] == Kind.REPLICAS:
            row = await _without_keys(agency, row)  # noqa: PLW2901 (the same row, counted to its end)
        if key_gone(agency, row["key_purpose"]) and await nothing_left(agency, [row]):
            await _certify(agency, row, now)


def key_gone(agency: HostedAgency, purpose: str) -> bool:
    """Whether the ring can open nothing of a purpose: it does not know it, or every version of it is destroyed."""
    ring = agency.keys.ring
    return purpose not in ring.purposes() or set(ring.versions(purpose).values()) == {State.DESTROYED}


async def _without_keys(agency: HostedAgency, row: Record) -> Record:
    """The erasure of a day's copies, after the keys of those have gone who have no copy any more."""
    after: str | None = ""
    while after is not None:
        async with agency.database.inside(agency.tenant) as connection:
            after = await connection.fetchval(_SQL["forget_person_keys"], row["key_purpose"], after, ENTRIES_AT_ONCE)
    async with agency.database.inside(agency.tenant) as connection:
        found = await connection.fetchrow(_SQL["erasure"], row["key_purpose"])
    return found or row


async def nothing_left(agency: HostedAgency, rows: Sequence[Record]) -> bool:
    """Whether what these erasures are about is not in the database (any more)."""
    for row in rows:
        if await _is_left(agency, row):
            return False
    return all(row["kind"] != Kind.REPLICAS for row in rows) or not await _withdrawn_there(agency)


async def _withdrawn_there(agency: HostedAgency) -> bool:
    """Whether a copy that was withdrawn is there (again), of whatever day."""
    after: str | None = ""
    while after is not None:
        async with agency.database.inside(agency.tenant) as connection:
            [page] = await connection.fetch(_SQL["withdrawn_there"], after, ENTRIES_AT_ONCE)
        if page["there"]:
            return True
        after = page["last"]
    return False


async def _is_left(agency: HostedAgency, row: Record) -> bool:
    """Whether something that went by itself is in the database: results, records, copies of a day, what was over."""
    purpose = row["key_purpose"]
    async with agency.database.inside(agency.tenant) as connection:
        if row["kind"] == Kind.RECORDS:
            year = int(purpose.removeprefix(PERSONAL))
            left: bool = await connection.fetchval(_SQL["left_of_year"], year, *_first_ids_after(year))
        elif row["kind"] == Kind.REPLICAS:
            left = await connection.fetchval(_SQL["left_of_copies"], erasure.day_of(purpose))
        elif row["kind"] in _OF_ENDED:
            began = datetime.combine(erasure.day_of(purpose), time(), JST)
            left = await connection.fetchval(_SQL["left_of_ended"], row["kind"], began - agency.limits.ended_kept_for)
        else:
            left = await connection.fetchval(_INQUIRY_SQL["left_under"], purpose)
    return left


async def _certify(agency: HostedAgency, row: Record, now: datetime) -> None:
    purpose, key_file = row["key_purpose"], agency.keys.file_digest()
    said = ("key_purpose", "key_versions", "erased", "sealed", "rows_deleted")
    facts: dict[str, str | int] = {name: row[name] for name in said}
    if row["kind"] == Kind.RECORDS:
        async with agency.database.inside(agency.tenant) as connection:
            heads = await connection.fetch(_SQL["log_of"], int(purpose.removeprefix(PERSONAL)))
        facts |= facts_of(heads[0])
    if row["kind"] in (
        Kind.RESULTS,
        Kind.RECORDS,
    ):  # of the others no key goes; a person's key stays as long as there is another copy of theirs
        facts["key_state"] = "destroyed"
    entry = note_event(
        agency, now, EntryKind.ERASURE_CERTIFIED, reason=row["rule"], actor=BY_RULE, erasure=row["kind"], key_file=key_file, **facts
    )  # fmt: skip
    digest = sha256(bind(agency.id, entry.entry_id, entry.body)).hexdigest()
    kept = (purpose, now, entry.entry_id, key_file, digest)
    await agency.committer.apply(Commit(step=_CERTIFIED, guard=Write(_CERTIFY, kept), entries=(entry,)))
