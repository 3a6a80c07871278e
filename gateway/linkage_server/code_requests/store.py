"""Where each person stands on the way to a code, in the database; the runs that hasten everybody; and the requests that lie in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from gateway.linkage_server.code_requests.standing import MOVES, Person, Standing, State
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.committer import Statement, Write
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.code_requests")
_ORDER = Statement("order_standing", _SQL["order_standing"])
_ORDERS = Statement("order_standings", _SQL["order_standings"])


@dataclass(frozen=True, slots=True, repr=False)
class Due:
    """A person about whom something is to be done now; the number is still sealed. `merged_into`: the number that this one was merged into."""

    number: int
    held: Standing
    sealed: bytes | None
    merged_into: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Changed:
    number: int
    revision: int
    person: Person
    held: Standing | None


def _standing(row: Any) -> Standing:
    return Standing(
        state=State(row["state"]),
        reason=row["reason"],
        number_index=row["number_index"],
        message_id=row["message_id"],
        by_hand=row["by_hand"],
        tries=row["tries"],
        next_at=row["next_at"],
    )


# --- runs


async def open_run(agency: Agency, run_id: str, now: datetime) -> None:
    """A run that is new has everybody to hasten."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["open_run"], run_id, now)


async def open_run_after_restore(agency: Agency, now: datetime) -> None:
    """A run for everybody who has a code, too, when the intermediate server's log was opened anew since the last one: a restore loses codes."""
    async with agency.database.inside(agency.tenant) as connection:
        log = f"sekisho.example/{agency.id}/intermediate"
        await connection.execute(_SQL["open_run_after_restore"], log, now, agency.committer.kept_origins())


async def begins_after_restore(agency: Agency) -> bool:
    """Whether the run that hastens next is one of those, and has hastened nobody yet."""
    async with agency.database.inside(agency.tenant) as connection:
        run = await connection.fetchrow(_SQL["hastening"])
    return run is not None and run["opened_anew"] is not None and run["hastening_after"] == 0


async def hasten_page(connection: Connection, size: int) -> bool:
    """Hasten the next people of the run that has begun first; False when every run is through with that."""
    run = await connection.fetchrow(_SQL["hastening"])
    if run is None:
        return False
    lost = run["opened_anew"] is not None
    after = await connection.fetchval(_SQL["hasten"], run["started_at"], run["hastening_after"], size, lost)
    await connection.execute(_SQL["advance_hastening"], run["run_id"], after)
    return True


async def open_runs(agency: Agency) -> list[str]:
    async with agency.database.inside(agency.tenant) as connection:
        return [row["run_id"] for row in await connection.fetch(_SQL["open_runs"])]


async def runs_since(agency: Agency, since: datetime, most: int) -> list[Record]:
    """Runs that began since an instant, the newest first."""
    async with agency.database.inside(agency.tenant) as connection:
        return list(await connection.fetch(_SQL["code_runs_since"], since, most))


async def forget_runs(agency: Agency, before: datetime) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["forget_code_runs"], before)


async def is_done(agency: Agency, run_id: str) -> bool:
    async with agency.database.inside(agency.tenant) as connection:
        return bool(await connection.fetchval(_SQL["run_state"], run_id) == "done")


async def close_runs(agency: Agency, run_ids: Sequence[str], now: datetime) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["close_runs"], list(run_ids), now)


# --- following the people


async def behind(agency: Agency) -> tuple[int, int]:
    """How far people were followed, and the newest change of a person."""
    async with agency.database.inside(agency.tenant) as connection:
        return await connection.fetchval(_SQL["cursor"]), await connection.fetchval(_SQL["newest_revision"])


def _changed(row: Any) -> Changed:
    person = Person(
        number_index=row["individual_number_index"],
        state=row["person_state"],
        merged=row["merged"],
        lawfully_changed=row["lawfully_changed"],
    )
    held = None if row["state"] is None else _standing(row)
    return Changed(row["integrated_number"], row["revision"], person, held)


async def lock_standings(connection: Connection) -> None:
    await connection.execute(_SQL["lock_standings"])


async def changed_people(connection: Connection, after: int, size: int) -> list[Changed]:
    """The next people who changed since a revision, in the order of their changes."""
    return [_changed(row) for row in await connection.fetch(_SQL["changed_people"], after, size)]


async def these_people(connection: Connection, numbers: Sequence[int]) -> list[Changed]:
    return [_changed(row) for row in await connection.fetch(_SQL["these_people"], list(numbers))]


async def put_standings(connection: Connection, standings: Mapping[int, Standing], now: datetime) -> None:
    if standings:
        found = list(standings.values())
        await connection.execute(
            _SQL["put_standings"],
            list(standings),
            [one.state.value for one in found],
            [one.reason for one in found],
            [one.number_index for one in found],
            [one.message_id for one in found],
            [one.by_hand for one in found],
            [one.tries for one in found],
            [one.next_at for one in found],
            now,
        )


async def move_cursor(connection: Connection, revision: int) -> None:
    await connection.execute(_SQL["move_cursor"], revision)


# --- what is due


async def due(agency: Agency, states: Sequence[State], now: datetime, size: int) -> list[Due]:
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["due"], [state.value for state in states], now, size)
    return [
        Due(row["integrated_number"], _standing(row), row["individual_number_sealed"], row["merged_into"])
        for row in rows
    ]


async def next_due(agency: Agency) -> datetime | None:
    async with agency.database.inside(agency.tenant) as connection:
        found: datetime | None = await connection.fetchval(_SQL["next_due"], agency.clock())
        return found


async def advance(connection: Connection, moves: Sequence[tuple[int, Standing, Standing]], now: datetime) -> set[int]:
    """Move people from where they were read to where they go; whoever was moved since stays. Returns who moved."""
    for _, before, after in moves:
        if after.state is not before.state and after.state not in MOVES[before.state]:
            raise RuntimeError("nobody moves so on the way to a code")
    if not moves:
        return set()
    rows = await connection.fetch(
        _SQL["advance"],
        [number for number, _, _ in moves],
        [before.state.value for _, before, _ in moves],
        [before.number_index for _, before, _ in moves],
        [after.state.value for _, _, after in moves],
        [after.reason for _, _, after in moves],
        [after.tries for _, _, after in moves],
        [after.next_at for _, _, after in moves],
        now,
    )
    return {row["integrated_number"] for row in rows}


async def anybody_on_the_way(agency: Agency) -> bool:
    async with agency.database.inside(agency.tenant) as connection:
        return bool(await connection.fetchval(_SQL["on_the_way"]))


# --- reports and orders


async def counts(agency: Agency) -> list[tuple[State, str | None, int]]:
    """People by state and reason; those who were not looked at yet are among `none`."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["counts"])
        unseen = await connection.fetchval(_SQL["unseen"])
    found = [(State(row["state"]), row["reason"], row["people"]) for row in rows]
    return [*found, (State.NONE, "not_looked_at", unseen)] if unseen else found


async def people_of_system(agency: Agency, system: str, after: str, states: Sequence[State], size: int) -> list[Any]:
    """Rows of the system's own people in these states, by 宛名番号."""
    async with agency.database.inside(agency.tenant) as connection:
        names = [state.value for state in states]
        return list(await connection.fetch(_SQL["people_of_system"], system, after, names, size))


async def standings_of(
    agency: Agency, system: str, addressee_numbers: Sequence[str]
) -> dict[str, tuple[int, Standing | None]]:
    """宛名番号 → integrated number and standing (None: not looked at yet), of people that this system holds."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["standings_of_addressees"], system, list(addressee_numbers))
    return {
        row["addressee_number"]: (row["integrated_number"], _standing(row) if row["state"] is not None else None)
        for row in rows
    }


Order = tuple[int, Standing, Standing]
"""A person, how they stand, and how they are to stand."""


def ordering(orders: Sequence[Order]) -> tuple[Write, list[Write]]:
    """For a commit: staff's order moves people. The guard, which wins only when all of them stand as they were seen, and what follows it."""
    first, *others = orders
    numbers = ",".join(str(number) for number, _, _ in others)
    befores = ",".join(before.state.value for _, before, _ in others)
    return Write(_ORDERS, (*_ordered(first), numbers, befores)), [Write(_ORDER, _ordered(one)) for one in others]


def _ordered(one: Order) -> tuple[Any, ...]:
    number, before, after = one
    return number, before.state.value, after.state.value, after.reason, after.message_id, after.by_hand, after.next_at


# --- requests in files


async def put_request_file(connection: Connection, name: str, answer_by: datetime, numbers: Sequence[int]) -> None:
    """Line `n` of the file (from 1, the header not counted) asks for `numbers[n - 1]`."""
    await connection.execute(_SQL["put_request_file"], name, answer_by)
    await connection.execute(_SQL["put_request_lines"], name, list(range(1, len(numbers) + 1)), list(numbers))


async def request_files(agency: Agency) -> dict[str, datetime]:
    """Files whose answers are awaited, and until when."""
    async with agency.database.inside(agency.tenant) as connection:
        return {row["file_name"]: row["answer_by"] for row in await connection.fetch(_SQL["request_files"])}


async def request_lines(connection: Connection, name: str) -> dict[int, tuple[int, Standing]]:
    rows = await connection.fetch(_SQL["request_lines"], name)
    return {row["line"]: (row["integrated_number"], _standing(row)) for row in rows}


async def drop_request_file(connection: Connection, name: str) -> None:
    await connection.execute(_SQL["drop_request_file"], name)
