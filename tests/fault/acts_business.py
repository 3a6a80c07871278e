"""The acts of the kill test that move business information: a file, a comparison with repair, a full transfer, people who change."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from gateway.demonstration.stage import WARD
from tests.fault.acts import Prepare, Trial, at_once, business_information_by_file
from tests.support.running_system import INSURANCE, System, entries, insisting, until

_PATH = "/v1/business-information"


async def _run(system: System, kind: str, key: str, **wanted: Any) -> dict[str, Any]:
    """A run to its end; asked again under the same key while the server is away."""
    async with system.stage.system(INSURANCE) as caller:

        async def once() -> dict[str, Any]:
            found: dict[str, Any] = await caller.post(f"{_PATH}/{kind}", {**wanted, "wait_ms": 5_000}, key=key)
            return found

        return await until(lambda: insisting(once), lambda found: found["state"] == "done")


async def a_comparison_that_repairs(trial: Trial) -> None:
    """A copy that somebody took away comes back, once, and then all are equal."""
    system = trial.system
    records = [replace(system.insurance(system.insured[3])[0], record_id=f"{trial.name}-{nth}") for nth in range(3)]
    await system.load_records(INSURANCE, records, f"{trial.name}.ndjson")
    async with system.administrator() as connection:
        gone = f"{INSURANCE}/{records[1].record_id}"
        await connection.execute(f"delete from a_{WARD}_intermediate.replica where record_id = $1", gone)
    found = await _run(system, "comparisons", f"{trial.name}-repair", repair=True, per_part=2)
    assert found["counts"]["missing"] == found["counts"]["repaired"] == 1
    rounds = count()
    again = await until(
        lambda: _run(system, "comparisons", f"{trial.name}-look-{next(rounds)}"),
        lambda run: set(run["counts"]) == {"equal"},
    )
    assert set(again["counts"]) == {"equal"}


async def copies_are_looked_at(trial: Trial) -> None:
    """The owner sees its copies with their contents, and that so many left is on record at the intermediate server before they do."""
    system = trial.system
    record = replace(system.insurance(system.insured[3])[0], record_id=f"{trial.name}-seen")
    await system.load_records(INSURANCE, [record], f"{trial.name}.ndjson")
    stated = {"staff": "s-01", "affair": "insurance-qualification", "reason": "原本との照合"}
    before = f"{trial.name}-seem"
    async with system.stage.system(INSURANCE) as caller:
        wanted = {**stated, "after": before, "limit": 1}
        found = await insisting(lambda: caller.post(f"{_PATH}/copies", wanted))
    [copy] = found["items"]
    assert copy["record_id"].endswith(record.record_id)
    assert copy["items"]
    seen = entries(await insisting(lambda: system.export(WARD)), kind="replicas.exported")
    assert seen[-1]["facts"] == {"count": 1}


async def a_full_transfer(trial: Trial) -> None:
    """Every original of the system is answered once in the run, whatever dies."""
    system = trial.system
    found = await _run(system, "transfers", f"{trial.name}-full", per_part=2)
    async with system.administrator() as connection:
        originals = await connection.fetchval(
            f"select count(*) from a_{WARD}_linkage.original where business_system_id = $1 and (offered or not deleted)",
            INSURANCE,
        )
    assert found["counts"] == {"registered": originals}


async def somebody_is_frozen(trial: Trial) -> None:
    """The copies of somebody who is frozen go, and come back."""
    system = trial.system
    person = system.insured[3]
    number = system.number(INSURANCE, person)
    records = [replace(system.insurance(person)[0], record_id=f"{trial.name}-frozen")]
    await system.load_records(INSURANCE, records, f"{trial.name}.ndjson")
    for frozen, copies in ((True, 0), (False, 1)):
        async with system.administrator() as connection:
            await connection.execute(
                f"update a_{WARD}_linkage.person p set frozen = $2, revision = nextval('a_{WARD}_linkage.person_revision')"
                f" from a_{WARD}_linkage.addressee a where a.integrated_number = p.integrated_number and a.business_system_id = '{INSURANCE}' and a.addressee_number = $1",
                number,
                frozen,
            )

            async def lying() -> int:
                found: int = await connection.fetchval(
                    f"select count(*) from a_{WARD}_intermediate.replica where record_id = $1",
                    f"{INSURANCE}/{records[0].record_id}",
                )
                return found

            assert await until(lying, lambda found, wanted=copies: found == wanted) == copies


BUSINESS_ACTS: dict[str, Prepare] = {
    "linkage.commit.business_information.answered": at_once(business_information_by_file),
    "linkage.commit.business_information.part": at_once(a_full_transfer),
    "linkage.send.replica_export": at_once(a_comparison_that_repairs),
    "intermediate.commit.replicas.exported": at_once(copies_are_looked_at),
    "linkage.commit.business_information.followed": at_once(somebody_is_frozen),
}
