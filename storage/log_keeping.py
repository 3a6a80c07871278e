"""保存期間 (SC-6, SC-16; 番号法施行令30条): seven years after the last record of a fiscal year its bodies go, the hashes stay, and the log says so.

What every party's log needs of it is here: which years are due, what an entry says of a log that loses its bodies, and, for a party of which a
year's log is all that is to go (linkage servers, the core), the whole of it. The intermediate server has keys by year and certificates that
staff confirm besides (gateway.intermediate_server.retention).

A year is begun (the log says which log goes, with size and root) → its bodies go, stretch by stretch, with rows that only they explain →
certified (the log says that it is gone, with counts). Each of the two is said once, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asyncpg import Record

from codebook.identifiers import new_sortable_id
from evidence import checkpoint
from evidence.entry import EntryKind
from evidence.erasure import KEPT_YEARS, ends
from storage import sql
from storage.committer import Commit, Committer, NewEntry, Statement, Write, fiscal_year
from storage.evidence_log.store import prune
from storage.fault_points import Step

RULE: Final = "番号法施行令30条"
BY_RULE: Final = "auto"
"""Who erased: nobody by hand."""
RECORDS: Final = "records"
"""What was erased: records of a fiscal year."""
ENTRIES_AT_ONCE: Final = 2_000
STRETCHES_A_TURN: Final = 20
LOOK_S: Final = 15.0
"""Seconds between two turns."""
_DRAWN: Final = 10
"""Random bytes of an id: with zeros, the first of its millisecond."""
_SQL: Final = sql.load("storage.evidence_log")
_BEGIN: Final = Statement("begin_log_erasure", _SQL["begin_log_erasure"])
_CERTIFY: Final = Statement("certify_log_erasure", _SQL["certify_log_erasure"])


def last_year_due(now: datetime) -> int:
    """The latest fiscal year whose last record is seven years old."""
    return fiscal_year(now) - KEPT_YEARS - 1


def first_id_after(prefix: str, year: int) -> str:
    """The first id of a kind after a fiscal year: ids begin with their time, so what is of that year or older sorts before it."""
    return new_sortable_id(prefix, int(ends(year).timestamp() * 1000), bytes(_DRAWN))


def facts_of(head: Record) -> dict[str, str | int]:
    """The log that stays verifiable: its origin, size and root, as `evidence.erasure` looks for them."""
    return {"log": head["origin"], "size": head["size"], "root": checkpoint.parse(head["note"]).root.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeeping:
    """One party's log. `note(now, kind, reason, actor, facts)` makes an entry of it.

    `forget`: statement that takes rows of a year which its bodies explained: $1 the first id with `prefix` after the year, $2 how many at most.
    """

    committer: Committer
    begun: Step
    certified: Step
    note: Callable[[datetime, EntryKind, str, str, Mapping[str, Any]], NewEntry]
    forget: str
    prefix: str

    async def turn(self, now: datetime) -> None:
        """Go on with every year that is due; what is left is for the next turn. Raises StorageUnavailableError.

        Nothing is due when the fiscal year before this one has no log: a clock that jumped ahead must not erase.
        """
        async with self.committer.database.inside(self.committer.tenant) as connection:
            due = await connection.fetch(_SQL["years_to_prune"], last_year_due(now))
        for head in due:
            row = (str(head["year"]), now)
            await self._say(self.begun, Write(_BEGIN, row), EntryKind.ERASURE_BEGUN, facts_of(head), now)
            if await self._prune(head["year"]):
                async with self.committer.database.inside(self.committer.tenant) as connection:
                    counts = await connection.fetchrow(_SQL["log_erasure"], head["year"])
                facts = {**facts_of(head), **dict(counts or {})}
                await self._say(self.certified, Write(_CERTIFY, row), EntryKind.ERASURE_CERTIFIED, facts, now)

    async def _say(self, step: Step, guard: Write, kind: EntryKind, facts: Mapping[str, Any], now: datetime) -> None:
        """In the log, unless it was said before. The first entry opens this year's log, without which the database lets nothing go."""
        entry = self.note(now, kind, RULE, BY_RULE, {"erasure": RECORDS, **facts})
        await self.committer.apply(Commit(step=step, guard=guard, entries=(entry,)))

    async def _prune(self, year: int) -> bool:
        """Some stretches of a year's log, each in a transaction with its count; whether nothing is left."""
        until = first_id_after(self.prefix, year)
        for _ in range(STRETCHES_A_TURN):
            async with self.committer.database.inside(self.committer.tenant) as connection:
                gone = await prune(connection, year, ENTRIES_AT_ONCE)
                tag = await connection.execute(self.forget, until, ENTRIES_AT_ONCE)
                deleted = int(tag.rpartition(" ")[2])
                await connection.execute(_SQL["count_pruned"], year, gone.pruned, gone.sealed, deleted)
            if gone.remaining == 0 and deleted == 0:
                return True
        return False
