"""保留: changes that a person has to look at, and those that nobody has to any more (LS-1.2, SC-18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.linkage_server.people import store, taken
from gateway.linkage_server.people.changes import ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome, Judged
from gateway.linkage_server.tenant import Agency
from storage.database import Connection

_ENCODE: Final = msgspec.json.encode


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
            )
        )
    await store.put_change_holds(connection, rows)
    for name, *_, key, _on in rows:
        await store.undo_events(connection, [key], name)
    await store.cancel_holds(connection, taken.taken_back(judged), now)
