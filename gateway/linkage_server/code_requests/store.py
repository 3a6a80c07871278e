"""Where each person stands on the way to a code, and the runs that move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from gateway.linkage_server.tenant import Agency
from storage import sql

_SQL = sql.load("gateway.linkage_server.code_requests")


class CodeState(StrEnum):
    """`requested`: the resident network took the request; `bound`: the intermediate server has the code; `refused`: it will not come of itself."""

    NONE = "none"
    REQUESTED = "requested"
    BOUND = "bound"
    REFUSED = "refused"


async def open_run(agency: Agency, run_id: str, now: datetime) -> bool:
    """True when this run is new."""
    async with agency.database.inside(agency.tenant) as connection:
        return await connection.fetchval(_SQL["open_run"], run_id, now) is not None


async def open_runs(agency: Agency) -> list[str]:
    async with agency.database.inside(agency.tenant) as connection:
        return [row["run_id"] for row in await connection.fetch(_SQL["open_runs"])]


async def is_done(agency: Agency, run_id: str) -> bool:
    async with agency.database.inside(agency.tenant) as connection:
        return bool(await connection.fetchval(_SQL["run_state"], run_id) == "done")


async def close_run(agency: Agency, run_id: str, now: datetime) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["close_run"], run_id, now)


async def counts(agency: Agency) -> dict[str, int]:
    """People by state; `without_individual_number` are those who can have no code and are in no other count."""
    found = dict.fromkeys((*(state.value for state in CodeState), "without_individual_number"), 0)
    async with agency.database.inside(agency.tenant) as connection:
        for row in await connection.fetch(_SQL["counts"]):
            found[row["code_state"]] += row["people"] - row["without_number"]
            found["without_individual_number"] += row["without_number"]
    return found


async def page(agency: Agency, after: int, states: Sequence[CodeState], size: int) -> list[tuple[int, bytes]]:
    """The next people by integrated number who are in one of these states: number and sealed 個人番号."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["without_code"], after, [state.value for state in states], size)
    return [(row["integrated_number"], row["individual_number_sealed"]) for row in rows]


async def set_states(agency: Agency, states: Mapping[int, CodeState]) -> None:
    """Move people; a bound person stays bound."""
    if states:
        async with agency.database.inside(agency.tenant) as connection:
            await connection.execute(_SQL["set_states"], list(states), [state.value for state in states.values()])
