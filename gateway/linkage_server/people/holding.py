"""保留: changes that a person has to look at, and those that nobody has to any more (LS-1.2, SC-18)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec

from gateway.linkage_server.people import store, taken, waiting
from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome, Judged
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.database import Connection

_SQL: Final = sql.load("gateway.linkage_server.people")
_ENCODE: Final = msgspec.json.encode


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KnownHold:
    """`digest`: of what the change says; None of one of before digests were kept. `change`: the change, where a cancellation names it or it has no
    digest; None once it is forgotten.
    """

    hold_id: str
    reason: str
    state: str
    digest: bytes | None
    change: Change | None = None

    def says(self, digest_of: Callable[[Change], bytes]) -> bytes | None:
        """Digest of what the change says; None when that is not known any more."""
        return self.digest or (digest_of(self.change) if self.change is not None else None)


def hold_id(event_key: str) -> str:
    return f"HE{event_key[:40]}"


async def write_holds(connection: Connection, agency: Agency, system: str, judged: Sequence[Judged]) -> None:
    """What a person has to look at: the change as it came, sealed, under an id that the same event finds again.

    One whose hold was decided before its day, and that something else speaks against on it, is to be looked at once more.
    """
    now = agency.clock()
    rows = []
    for one in judged:
        if one.outcome is not ChangeOutcome.HELD or one.change is None or not isinstance(one.reason, ChangeReason):
            continue
        name = hold_id(one.key)
        rows.append(
            (
                name,
                system,
                one.change.addressee_number,
                one.reason.value,
                sorted(field.value for field in one.differing),
                agency.keys.seal_for_review(_ENCODE(one.change), name),
                now,
                one.key,
                one.change.effective_on,
                one.digest,
            )
        )
    await _put(connection, rows)
    for name, *_, key, _on, _digest in rows:
        await store.undo_events(connection, [key], name)
    await _cancel(connection, taken.taken_back(judged), now)


async def known_holds(
    connection: Connection, keys: PersonalKeys, event_keys: Sequence[str], cancelled: Collection[str]
) -> dict[str, KnownHold]:
    """Holds of changes by event key. `cancelled`: keys that cancellations name."""

    def change(row: Any) -> Change | None:
        if row["sealed"] is None or (row["event_key"] not in cancelled and row["digest"] is not None):
            return None
        held = waiting.opened(keys, row["sealed"], row["hold_id"])
        return held if isinstance(held, Change) else None

    return {
        row["event_key"]: KnownHold(
            hold_id=row["hold_id"],
            reason=row["reason"],
            state=row["state"],
            digest=row["digest"],
            change=change(row),
        )
        for row in await connection.fetch(_SQL["known_holds"], event_keys)
    }


async def _cancel(connection: Connection, event_keys: Sequence[str], at: datetime) -> None:
    """Changes that were taken back are held no longer."""
    if event_keys:
        await connection.execute(_SQL["cancel_holds"], event_keys, at)


async def _put(
    connection: Connection, rows: Sequence[tuple[str, str, str, str, list[str], bytes, datetime, str, date, bytes]]
) -> None:
    """Hold id, system, addressee number, reason, differing fields, sealed change, held at, event_key, effective on, digest."""
    if rows:
        await connection.executemany(_SQL["put_change_hold"], rows)
