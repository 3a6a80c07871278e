"""Targets and deliveries in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.pushes.targets import Results, Target, TargetKind, TargetState
from storage import sql
from storage.committer import Statement
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.pushes")
_UNSEEN_AT_ONCE: Final = 2_000
PUT_TARGET: Final = Statement("put_target", _SQL["put_target"])
WRITE_DELIVERY: Final = Statement("write_delivery", _SQL["write_delivery"])


class DeliveryState(StrEnum):
    """`dead`: given up until somebody sends it again; `dropped`: the system does not hold the person any more, or
    another push took its place when the person was frozen or the system may see less.
    """

    WAITING = "waiting"
    READY = "ready"
    DELIVERED = "delivered"
    DEAD = "dead"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ToWrite:
    """A delivery that has its turn, with the person as stored now."""

    delivery_id: str
    place: int
    integrated_number: int
    four_items_sealed: bytes
    individual_number_sealed: bytes | None
    state: str
    state_since: date | None
    addressee_numbers: tuple[str, ...]
    changes: tuple[tuple[str, date], ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ready:
    """A delivery that is on record; `body` is still sealed."""

    delivery_id: str
    sealed: bytes
    attempts: int


async def read_targets(connection: Connection, keys: PersonalKeys, system: str | None = None) -> list[Target]:
    return [
        Target(
            system=row["business_system_id"],
            kind=TargetKind(row["kind"]),
            url=row["url"] or "",
            encoding=row["encoding"],
            secret=keys.open_push_secret(row["secret_sealed"], row["business_system_id"])
            if row["secret_sealed"] is not None
            else None,
            state=TargetState(row["state"]),
            person_revision=row["person_revision"],
            addressee_revision=row["addressee_revision"],
            configured_at=row["configured_at"],
            results=Results(year=row["result_year"], index=row["result_index"], since=row["results_since"])
            if row["result_year"] is not None
            else None,
        )
        for row in await connection.fetch(_SQL["targets"], system)
    ]


async def take_changes(connection: Connection, system: str, *, learns_numbers: bool, now: datetime, most: int) -> int:
    """Take the next changes in hand; returns how many were looked at, 0 when there are none or another process is at it.

    In one transaction with the cursors: none is lost, none is taken twice.
    """
    at = await connection.fetchrow(_SQL["lock_target"], system)
    if at is None:
        return 0
    people = await connection.fetchrow(_SQL["take_persons"], system, at["person_revision"], most, now)
    addressees = await connection.fetchrow(
        _SQL["take_addressees"], system, at["addressee_revision"], most, now, learns_numbers
    )
    if people is None or addressees is None:
        return 0
    await connection.execute(_SQL["advance"], system, people["revision"], addressees["revision"])
    return int(people["taken"] + addressees["taken"])


async def read_to_write(connection: Connection, target: Target, most: int) -> list[ToWrite]:
    """Deliveries whose turn it is: the first of each person that is not done, unless the person is frozen. None if the target was configured anew."""
    return [
        ToWrite(
            delivery_id=row["delivery_id"],
            place=row["place"],
            integrated_number=row["integrated_number"],
            four_items_sealed=row["four_items_sealed"],
            individual_number_sealed=row["individual_number_sealed"],
            state=row["state"],
            state_since=row["state_since"],
            addressee_numbers=tuple(row["addressee_numbers"] or ()),
            changes=tuple(zip(row["kinds"] or (), row["dates"] or (), strict=True)),
        )
        for row in await connection.fetch(_SQL["to_write"], target.system, most, target.configured_at)
    ]


async def read_ready(
    connection: Connection, system: str, now: datetime, most: int, sees: Collection[str]
) -> list[Ready]:
    """What is due, in order; what is about somebody whom the system holds no more is dropped, it is none of its own people by now.

    What shows more than the system `sees` leaves no more and is due again under another id: it may have been tried before.
    """
    while rows := await connection.fetch(_SQL["to_send"], system, now, most, sorted(sees)):
        unheld = [row["delivery_id"] for row in rows if not row["held"]]
        unseen = [row["integrated_number"] for row in rows if row["held"] and not row["seen"]]
        if unheld:
            await connection.execute(_SQL["drop_unheld"], unheld, now)
        if unseen:  # with many others like them: it may be all that waits
            more = await connection.fetch(_SQL["unseen"], system, sorted(sees), _UNSEEN_AT_ONCE)
            await supersede(connection, [*unseen, *(row["integrated_number"] for row in more)], now, system)
        if len(unheld) + len(unseen) < len(rows):
            break
    return [
        Ready(delivery_id=row["delivery_id"], sealed=row["sealed"], attempts=row["attempts"])
        for row in rows
        if row["held"] and row["seen"]
    ]


async def read_files(connection: Connection, system: str) -> list[str]:
    return [row["file"] for row in await connection.fetch(_SQL["files_to_send"], system)]


async def read_file(connection: Connection, system: str, file: str, sees: Collection[str]) -> list[Ready]:
    """What stands in one file, in order; who was frozen meanwhile, or is not held any more, is taken out and written anew or not at all, and so is
    what shows more than the system `sees` by now.
    """
    await connection.execute(_SQL["pull_out"], system, file, sorted(sees))
    rows = await connection.fetch(_SQL["of_file"], system, file)
    return [Ready(delivery_id=row["delivery_id"], sealed=row["sealed"], attempts=0) for row in rows]


async def read_results(connection: Connection, system: str) -> Results | None:
    """Up to where results were told; None when the system is not told now."""
    row = await connection.fetchrow(_SQL["results_of"], system)
    return Results(year=row["result_year"], index=row["result_index"], since=row["results_since"]) if row else None


async def put_notices(
    connection: Connection, target: Target, notices: Sequence[tuple[str, bytes]], now: datetime
) -> None:
    """Notices of results: delivery ids with their sealed bytes. One that is there stays as it is."""
    ids, sealed = [one for one, _ in notices], [bytes_ for _, bytes_ in notices]
    await connection.execute(_SQL["put_notices"], target.system, ids, sealed, now)


async def advance_results(connection: Connection, system: str, read: Results, year: int, index: int) -> bool:
    """Whether the ends up to this place are ours to tell: False when another process went on from there, or nobody wants them any more."""
    advanced = await connection.fetchval(_SQL["advance_results"], system, read.year, read.index, year, index)
    return advanced is not None


async def drop_notices(connection: Connection, system: str, now: datetime) -> None:
    """Notices that nobody wants any more are not sent."""
    await connection.execute(_SQL["drop_notices"], system, now)


async def write_again(connection: Connection, target: Target) -> None:
    """Deliveries that were written for another kind of target are written anew."""
    await connection.execute(_SQL["write_again"], target.system, target.kind is TargetKind.WEBHOOK)


async def supersede(connection: Connection, numbers: Sequence[int], now: datetime, system: str | None = None) -> None:
    """Of people who are frozen or thaw, or of whom a system may see less: what is not delivered, written or not or given up, leaves no more and is due
    again under a new id.
    """
    await connection.execute(_SQL["supersede"], numbers, now, system)


async def end(connection: Connection, delivery_ids: Sequence[str], now: datetime) -> None:
    await connection.execute(_SQL["end_deliveries"], delivery_ids, now)


async def put_off(connection: Connection, delivery_id: str, due_at: datetime, reason: str) -> None:
    await connection.execute(_SQL["put_off"], delivery_id, due_at, reason)


async def give_up(connection: Connection, delivery_id: str, reason: str, now: datetime) -> None:
    await connection.execute(_SQL["give_up"], delivery_id, reason, now)


async def given_up(connection: Connection, system: str, delivery_ids: Sequence[str] | None) -> dict[str, int | None]:
    """Deliveries that were given up, those named or all → about whom the bytes are that were tried before, if about anybody."""
    rows = await connection.fetch(_SQL["given_up"], system, delivery_ids)
    return {row["delivery_id"]: row["sent_about"] for row in rows}


async def revive(connection: Connection, system: str, delivery_ids: Sequence[str], now: datetime) -> int:
    """Deliveries that were given up are tried again; how many they were."""
    return len(await connection.fetch(_SQL["revive"], system, delivery_ids, now))


async def forget(connection: Connection, before: datetime, most: int) -> int:
    """Rows of what was delivered before, so many at once; how many were looked at. The last of each person stays, it says what the system knows."""
    return int(await connection.fetchval(_SQL["forget_ended"], before, most))


async def counts(connection: Connection, system: str | None = None) -> dict[str, dict[str, int]]:
    """By system and open state, how many deliveries."""
    found: dict[str, dict[str, int]] = {}
    for row in await connection.fetch(_SQL["counts"], system):
        found.setdefault(row["business_system_id"], {})[row["state"]] = row["deliveries"]
    return found


async def read_dead(connection: Connection, system: str, after: str, most: int) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(_SQL["dead"], system, after, most)]
