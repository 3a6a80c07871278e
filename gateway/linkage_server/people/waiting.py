"""Changes to come, as they came, until their day (LS-1.2). Whoever puts and drops them holds the counter's row lock (`addressees.store.lock_counter`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.personal_keys import PersonalKeys
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.people")
_CHANGE = msgspec.json.Decoder(Change)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WaitingChange:
    """A change to come, under the key as it was sent, whatever decisions make of it before its day; `sealed`: as it came, bound to that key."""

    event_key: str
    system: str
    effective_on: date
    sealed: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Waiting:
    """One that lies there. `change`: what came, or the failure with which it is not opened; `set_aside_at`: when it last could not be taken on its day,
    `set_aside_because`: by which failure, at which place of the code.
    """

    waiting_no: int
    event_key: str
    system: str
    effective_on: date
    digest: bytes
    change: Change | SealBroken | KeyUnusable | msgspec.DecodeError
    set_aside_at: datetime | None
    set_aside_because: str | None


def opened(keys: PersonalKeys, sealed: bytes, name: str) -> Change | SealBroken | KeyUnusable | msgspec.DecodeError:
    """A change that waits or is held, sealed under its event key or its hold's id; or why it is not opened."""
    try:
        return _CHANGE.decode(keys.open_for_review(sealed, name))
    except (SealBroken, KeyUnusable, msgspec.DecodeError) as failure:
        return failure


def _waiting(row: Any, keys: PersonalKeys) -> Waiting:
    return Waiting(
        waiting_no=row["waiting_no"],
        event_key=row["event_key"],
        system=row["business_system_id"],
        effective_on=row["effective_on"],
        digest=row["digest"],
        change=opened(keys, row["sealed"], row["event_key"]),
        set_aside_at=row["set_aside_at"],
        set_aside_because=row["set_aside_because"],
    )


async def named(connection: Connection, keys: PersonalKeys, event_keys: Sequence[str]) -> list[Waiting]:
    """Those of these keys, as they were sent."""
    rows = await connection.fetch(_SQL["waiting_changes"], event_keys) if event_keys else ()
    return [_waiting(row, keys) for row in rows]


async def due(
    connection: Connection, keys: PersonalKeys, today: date, *, again_before: datetime, most: int
) -> list[Waiting]:
    """Those whose day has come, in the order in which they hold. What was set aside comes last, and only when that was before `again_before`."""
    return [_waiting(row, keys) for row in await connection.fetch(_SQL["due_changes"], today, again_before, most)]


async def set_aside(connection: Connection, event_key: str, because: str, at: datetime) -> None:
    """One that cannot be taken stays, and holds back no other. `because`: never the text of a failure, which may quote a value."""
    await connection.execute(_SQL["set_aside"], event_key, because, at)


async def count_of_those_set_aside(connection: Connection) -> int:
    count: int = await connection.fetchval(_SQL["count_of_those_set_aside"])
    return count


async def page(
    connection: Connection,
    keys: PersonalKeys,
    *,
    system: str | None,
    since: date,
    after: int,
    only_set_aside: bool,
    most: int,
) -> tuple[list[Waiting], int]:
    """Those for a day from `since` on, in the order of their days, and how many there are in all; of one business system, or (None) of all.

    `after`: the `waiting_no` of the last one that was seen of day `since`, or 0.
    """
    asked = (system, only_set_aside)
    rows = await connection.fetch(_SQL["changes_to_come"], *asked, since, after, most)
    return [_waiting(row, keys) for row in rows], await connection.fetchval(_SQL["count_to_come"], *asked)


async def put(connection: Connection, changes: Sequence[WaitingChange]) -> None:
    if not changes:
        return
    rows = [(one.event_key, one.system, one.effective_on, one.sealed, one.digest) for one in changes]
    await connection.execute(_SQL["put_waiting_changes"], *(list(column) for column in zip(*rows, strict=True)))


async def withdraw_registrations(connection: Connection, withdrawn: Mapping[str, bytes]) -> None:
    """Event key → digest, of registrations that were taken back and of what took them back: when they come again nothing happens."""
    if withdrawn:
        await connection.execute(_SQL["withdraw_registrations"], list(withdrawn), list(withdrawn.values()))


async def drop(connection: Connection, event_keys: Sequence[str]) -> None:
    """They wait no longer: applied, held, or refused. Keys as they were sent."""
    await connection.execute(_SQL["drop_waiting_changes"], event_keys)
