"""The acts of the kill test that change people: a day's file, with a registration and a change of somebody held."""

from __future__ import annotations

import csv
import hashlib
import io
import json

from gateway.demonstration.loading import result_of
from gateway.demonstration.stage import WARD
from gateway.linkage_server.file_layouts import CHANGE_COLUMNS
from storage.database import Database
from synthetic.people import Person
from tests.fault.acts import Prepare, Trial, at_once
from tests.support.running_system import RESIDENTS, System


async def changes_by_file(trial: Trial) -> None:
    """Somebody is born, somebody moves away and somebody will: each once, whatever dies."""
    system = trial.system
    born, moving, later = system.new_people(3)
    await system.populate([born, moving, later])
    await system.load_file(RESIDENTS, [moving, later], f"{trial.name}-before.csv")
    rows = [
        _registration(system, born, f"{trial.name}-born"),
        _row(system, moving, f"{trial.name}-moved", "move_out", "2020-04-01"),
        _row(system, later, f"{trial.name}-later", "move_out", "2999-04-01"),
    ]
    assert await _file(system, rows, f"{trial.name}-first.csv") == ["issued", "applied", "waiting"]
    assert await _file(system, rows[::-1], f"{trial.name}-again.csv") == ["waiting", "unchanged", "unchanged"]
    assert await _events(system, [born, moving, later]) == ["birth", "move_out", "move_out"]


def _row(system: System, person: Person, event_id: str, kind: str, on: str, **said: str) -> dict[str, str]:
    return {
        "event_id": event_id,
        "system": RESIDENTS,
        "addressee_number": system.number(RESIDENTS, person),
        "kind": kind,
        "effective_on": on,
    } | said


def _registration(system: System, person: Person, event_id: str) -> dict[str, str]:
    return _row(
        system,
        person,
        event_id,
        "birth",
        "2020-04-01",
        individual_number=person.individual_number,
        name=person.name,
        kana=person.kana,
        sex=person.sex.value,
        birth_date=person.birth_date.isoformat(),
        address=person.address,
        resident_kind="住民",
    )


async def _file(system: System, rows: list[dict[str, str]], name: str) -> list[str]:
    text = io.StringIO()
    writer = csv.DictWriter(text, CHANGE_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    folder = system.stage.spool("linkage", WARD, RESIDENTS, "person-changes")
    (folder / "in" / name).write_bytes(data)
    manifest = {
        "file": name,
        "kind": "person-changes",
        "count": len(rows),
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": "utf-8",
    }
    part = folder / f".{name}.part"
    part.write_text(json.dumps(manifest))
    part.replace(folder / "in" / f"{name}.manifest.json")
    return [row["outcome"] for row in await result_of(folder, name)]


async def _events(system: System, people: list[Person]) -> list[str]:
    database = await Database.open(system.running.role("linkage").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_linkage") as connection:
            rows = await connection.fetch(
                "select kind from person_event where addressee_number = any($1::text[]) order by event_no",
                [system.number(RESIDENTS, person) for person in people],
            )
            return [row["kind"] for row in rows]
    finally:
        await database.close()


PEOPLE_ACTS: dict[str, Prepare] = dict.fromkeys(
    ("linkage.commit.people.changes", "linkage.commit.people.changed"), at_once(changes_by_file)
)
