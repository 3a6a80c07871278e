"""What holds and decisions forget a while after they ended: what a business system had sent, and what staff typed (LS-1.3, SC-3)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.review.store import CONTENT, ROW, SQL
from storage.database import Connection


async def forget_holds(
    connection: Connection, keys: PersonalKeys, *, decided_before: datetime, now: datetime, most: int
) -> int:
    """Delete what lies in holds that were decided long ago, the 個人番号 alone of a row that undoing its link needs; returns how many holds it was."""
    rows = await connection.fetch(SQL["holds_to_forget"], decided_before, most)
    left = [_without_number(keys, row["hold_id"], row["sealed"]) if row["needed"] else None for row in rows]
    await connection.execute(SQL["forget_holds"], [row["hold_id"] for row in rows], left, now)
    return len(rows)


def _without_number(keys: PersonalKeys, hold_id: str, sealed: bytes) -> bytes:
    row = msgspec.structs.replace(ROW.decode(keys.open_for_review(sealed, hold_id)), individual_number="")
    return keys.seal_for_review(msgspec.json.encode(row), hold_id)


async def forget_decisions(
    connection: Connection, keys: PersonalKeys, *, ended_before: datetime, now: datetime, most: int
) -> int:
    """Delete what staff typed of people in decisions that ended long ago; what was decided about whom, and why, stays. Returns how many decisions."""
    rows = await connection.fetch(SQL["decisions_to_forget"], ended_before, most)
    left = [_without_what_was_typed(keys, row["decision_id"], row["sealed"]) for row in rows]
    await connection.execute(SQL["forget_decisions"], [row["decision_id"] for row in rows], left, now)
    return len(rows)


def _without_what_was_typed(keys: PersonalKeys, decision_id: str, sealed: bytes) -> bytes:
    content = CONTENT.decode(keys.open_decision(sealed, decision_id))
    if content.says is None:
        return sealed
    return keys.seal_decision(msgspec.json.encode(msgspec.structs.replace(content, says=None)), decision_id)


async def forget_earlier_rows(connection: Connection, hold_id: str, at: datetime) -> None:
    """Rows by which staff had linked the addressee number of this hold before."""
    await connection.execute(SQL["forget_earlier_rows"], hold_id, at)
