"""What a server's evidence log says of registers: each that came into force, and each that was refused, once (IS-8, SC-7)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind, encode_entry, other_entry
from storage import sql
from storage.committer import Commit, Committer, NewEntry, Statement, Write
from storage.database import as_away
from storage.fault_points import Step
from transport.clock import Clock
from transport.standing_register import Looked

_SQL: Final = sql.load("storage.evidence_log")
_TAKE: Final = Statement("take_register", _SQL["take_register"])
_REFUSE: Final = Statement("refuse_register", _SQL["refuse_register"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRecords:
    """Of one log. `step`: the server's commit of these entries."""

    committer: Committer
    step: Step
    clock: Clock

    async def last(self) -> int:
        """The sequence number of the last register that was in force here; 0 for none. Raises StorageUnavailableError."""
        with as_away("the registers that were in force could not be read"):
            async with self.committer.database.inside(self.committer.tenant) as connection:
                found: int = await connection.fetchval(_SQL["last_register"])
        return found

    async def tell(self, looked: Looked) -> None:
        """Raises StorageUnavailableError."""
        now = self.clock()
        kind = EntryKind.REGISTER_TAKEN if looked.refusal is None else EntryKind.REGISTER_REFUSED
        entry_id = new_sortable_id("E", int(now.timestamp() * 1000), secrets.token_bytes(10))
        body = other_entry(id=entry_id, at=now, kind=kind, reason=looked.refusal, actor=None, facts=looked.facts)
        entry = NewEntry(
            entry_id=entry_id, at=now, kind=kind.value, inquiry_number=None, body=encode_entry(body), personal=None
        )
        if looked.refusal is None:
            guard = Write(_TAKE, (str(looked.sequence), looked.digest, now))
        else:
            guard = Write(_REFUSE, (looked.digest or entry_id, looked.refusal.value, now))
        await self.committer.apply(Commit(step=self.step, guard=guard, entries=(entry,)))
