"""`sekisho up --residents N`: some synthetic people whom every agency knows, so that there is somebody to ask about at once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from codebook import layouts
from codebook.layouts import Layout
from gateway.demonstration.stage import SEED, WARD, fresh_key
from gateway.launcher import Running
from gateway.scenarios.driver import INSURANCE, Driver, until
from gateway.topology import Agency, Program
from permission_lists.versions import legal_day
from storage.reference_data import read_layouts, read_permission_list
from synthetic.business import MEDICAL_INSURANCE, BusinessRecord
from synthetic.people import AGES_COUNTED_ON, MOST_RESIDENTS, Person, population

MOST: Final = 1_000
_ASKER: Final = "suginami"
_ASKING_SYSTEM: Final = "suginami-gyomu"
_ITEMS: Final = {"beppyo2-2022": "27", "meirei-2024": "48"}
"""Statutory basis → the row under which a ward's mayor asks another about medical insurance, for the resident tax."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How many people are there, at how many agencies; `question`: a command that asks about one of them, where these agencies are."""

    people: int
    agencies: int
    question: str | None


async def bring_in(running: Running, count: int) -> Known:
    """People of the demonstration's population who are insured by the ward: in the resident network, at every agency, with codes and records.

    The same again changes nothing. Raises UnexpectedAnswerError, RuntimeError, aiohttp.ClientError.
    """
    driver = Driver(running=running)
    people = list(islice(filter(driver.business.is_insured, population(SEED, MOST_RESIDENTS)), count))
    agencies = [one for one in running.topology.agencies.values() if _takes_part(running, one)]
    await driver.populate(people)
    await asyncio.gather(
        *(
            driver.register(system.id, people)
            for one in agencies
            for system in one.systems
            if "addressees:register" in system.grants
        )
    )
    await asyncio.gather(*(driver.obtain_codes(_with_grant(one, "code-requests:create")) for one in agencies))
    for agency, system, records in _records(driver, agencies, people):
        results = await driver.load_records(system, records, f"first-{count}.ndjson", agency=agency)
        refused = {line["reason"] for line in results if line["reason"]}
        if refused:
            raise RuntimeError(f"records were refused: {', '.join(sorted(refused))}")
    if any(agency.id == WARD for agency in agencies) and not await until(lambda: _copied(driver), bool):
        raise RuntimeError("not every record has come to the intermediate server in time")
    return Known(
        people=len(people), agencies=len(agencies), question=_question(driver, {one.id for one in agencies}, people)
    )


async def _copied(driver: Driver) -> bool:
    """Whether the ward's intermediate server has a copy of every record by now: the comparison finds nothing else."""
    key = fresh_key()
    async with driver.stage.system(INSURANCE) as caller:
        run = await until(
            lambda: caller.post("/v1/business-information/comparisons", {"wait_ms": 2_000}, key=key),
            lambda found: bool(found["state"] == "done"),
        )
    return set(run["counts"]) == {"equal"}


def _takes_part(running: Running, agency: Agency) -> bool:
    """It has both servers here, and a system that knows people and obtains codes."""
    servers = (running.topology.hosting(program, agency.id) for program in (Program.LINKAGE, Program.INTERMEDIATE))
    able = {grant for system in agency.systems for grant in system.grants}
    return all(servers) and {"addressees:register", "code-requests:create"} <= able


def _with_grant(agency: Agency, grant: str) -> str:
    return next(system.id for system in agency.systems if grant in system.grants)


def _records(
    driver: Driver, agencies: list[Agency], people: list[Person]
) -> list[tuple[str, str, list[BusinessRecord]]]:
    """Agency, its system, what it holds of these people, in the form of the day."""
    known, day = read_layouts(), legal_day(driver.running.clock())
    found = [
        (
            agency.id,
            agency.holding,
            [
                made
                for person in people
                for record in _held(driver, agency, agency.holding, person)
                for made in _of_day(record, known, day)
            ],
        )
        for agency in agencies
        if agency.holding is not None
    ]
    return [one for one in found if one[2]]


def _held(driver: Driver, agency: Agency, system: str, person: Person) -> list[BusinessRecord]:
    """Accounts at 内閣総理大臣, unemployment benefits at 厚生労働大臣, at any other insurance, which has ended but for the ward's; the tax at municipalities."""
    number, business = driver.number(system, person), driver.business
    match agency.id:
        case "naikaku":
            return [driver.account(person)]
        case "kosei-rodo":
            return list(business.unemployment(person, system=system, addressee_number=number))
    taxed = [business.local_tax(person, system=system, addressee_number=number)] if agency.is_municipality else []
    if agency.id == WARD:
        return driver.insurance(person, system=system) + taxed
    until = AGES_COUNTED_ON.isoformat()
    return driver.insurance(person, system=system, 資格喪失年月日=until, 資格喪失事由="01") + taxed


def _of_day(record: BusinessRecord, known: Iterable[Layout], day: date) -> list[BusinessRecord]:
    """The record in the version of its layout that is in force; nothing when that wants items which the record does not have."""
    layout = layouts.in_force(known, record.information, day)
    data_set = None if layout is None else layout.data_sets.get(record.data_set)
    if layout is None or data_set is None:
        return []
    wanted = {name for name, item in data_set.items.items() if item.required}
    return [replace(record, version=layout.version)] if wanted <= record.items.keys() else []


def _question(driver: Driver, agencies: set[str], people: list[Person]) -> str | None:
    day = legal_day(driver.running.clock())
    basis = read_permission_list(day).statutory_basis(day)
    if basis is None or basis.id not in _ITEMS or not {WARD, _ASKER} <= agencies:
        return None
    asked = {
        "addressee_number": driver.number(_ASKING_SYSTEM, people[0]),
        "provider": WARD,
        "item": _ITEMS[basis.id],
        "information": MEDICAL_INSURANCE,
        "items": ["被保険者番号"],
        "purpose": "住民税の確認",
        "staff": "tanto-1",
    }
    body = json.dumps({"wait_ms": 3000, "items": [asked]}, ensure_ascii=False)
    command = sys.argv[0] if Path(sys.argv[0]).name == "sekisho" else "sekisho"
    return (
        f"echo '{body}' |\n    {command} call /v1/inquiries --client {_ASKING_SYSTEM} --data {driver.running.data.root}"
    )
