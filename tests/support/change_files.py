"""Changes of people for tests: rows of the channel `person-changes`, files of them, and calls that ask what a person is."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.linkage_server.file_layouts import CHANGE_COLUMNS, REPLACED_BY
from tests.support.linkage_world import Answer, Caller, World
from tests.support.resident_files import csv_bytes, person, put, through

SYSTEM = "juki"
STATED = {"staff": "tanto-01", "affair": "resident-changes", "reason": "届出の確認"}
SCOPES = ("addressees:register", "persons:change", "persons:read", "integrated-numbers:read")


def day(offset: int = 0) -> str:
    """A day in Japan, so many after today."""
    return (datetime.now(UTC) + timedelta(hours=9, days=offset)).date().isoformat()


async def loaded(world: World, count: int = 3) -> None:
    """So many people of `juki`, held since ten days ago."""
    data = csv_bytes([person(nth, system=SYSTEM) for nth in range(1, count + 1)])
    folder = put(world.config.spool, data, name="load.csv", count=count, system=SYSTEM, as_of=day(-10))
    await through(folder, "load.csv")


async def with_juki(world: World, *more: str, system: str = SYSTEM) -> World:
    """The world with a client that may change people."""
    await world.register(system, system=system, scopes=(*SCOPES, *more))
    return world


def change(event_id: str, nth: int, kind: str, on: str, **said: str) -> dict[str, str]:
    """One change of the person with this number of `resident_files.person`."""
    row = {
        "event_id": event_id,
        "system": SYSTEM,
        "addressee_number": f"{nth:010d}",
        "kind": kind,
        "effective_on": on,
    }
    return dict.fromkeys(CHANGE_COLUMNS, "") | row | said


def registering(event_id: str, nth: int, kind: str, on: str, **said: str) -> dict[str, str]:
    """A move-in or birth with all that it says."""
    row = person(nth)
    items = {name: row[name] for name in CHANGE_COLUMNS if name in row and name not in {"system", "addressee_number"}}
    return change(event_id, nth, kind, on) | items | said


def item(change_row: dict[str, str]) -> dict[str, str]:
    """The same change as an item of a call."""
    return {name: text for name, text in change_row.items() if text and name != "system"}


def changes_csv(rows: list[dict[str, str]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    columns = (*CHANGE_COLUMNS, *([REPLACED_BY] if any(REPLACED_BY in row for row in rows) else []))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


async def take(
    world: World, rows: list[dict[str, str]], *, name: str, system: str = SYSTEM, **manifest: Any
) -> list[tuple[str, str]]:
    """A file of changes through the spool; outcome and reason of each line."""
    data = changes_csv(rows)
    folder = put(
        world.config.spool, data, name=name, count=len(rows), channel="person-changes", system=system, **manifest
    )
    lines = (await through(folder, name)).splitlines()[1:]
    return [tuple(line.split(",")[1:3]) for line in lines]  # type: ignore[misc]


async def send(caller: Caller, rows: list[dict[str, str]], *, key: str, system: str = SYSTEM) -> Answer:
    """Changes by call."""
    body = STATED | {"items": [item(row) for row in rows]}
    return await caller.post("/v1/person-changes", body, token=await caller.token(system), key=key)


async def as_of(caller: Caller, nth: int, on: str, *, system: str = SYSTEM, **more: Any) -> dict[str, Any]:
    """What the person was, or is, on a day."""
    body = STATED | {"as_of": on, "addressee_numbers": [f"{nth:010d}"]} | more
    answer = await caller.post("/v1/persons/as-of", body, token=await caller.token(system))
    assert answer.status == 200, answer
    [found] = answer.body["items"]
    return dict(found)
