"""The act of the kill test in which a business system is told of results: of an inquiry and of a file, each under one id."""

from __future__ import annotations

from gateway.demonstration.stage import WARD
from tests.fault.acts import Prepare, Trial, at_once
from tests.fault.acts_search import configure, nothing_open
from tests.support.bulk_world import deposit, file_of, request, result_bytes, rows
from tests.support.running_system import INSURANCE, until
from tests.support.webhook import WEBHOOK, receiving


async def results_are_told(trial: Trial) -> None:
    system = trial.system
    person = system.insured[0]
    url = f"https://{WEBHOOK}/changes"
    await configure(trial, kind="webhook", url=url, inquiry_results=True)
    async with receiving(system) as got:
        answer = await system.ask(INSURANCE, system.from_the_ward(person, INSURANCE), key=trial.name)
        folder = system.stage.spool("linkage", WARD, INSURANCE, "inquiries")
        name = f"{trial.name}.dat"
        line = request(0, addressee_number=system.number(INSURANCE, person), user_id=trial.name)
        deposit(folder, file_of([line]), name, count=1)
        [row] = rows(await result_bytes(folder, name))

        async def told() -> set[tuple[str, str]]:
            return {
                (one["delivery_id"], one.get("inquiry_number") or one["file"])
                for one in got
                if one.get("inquiry_number") in {answer["inquiry_number"], row[18]} or one.get("file") == name
            }

        found = await until(told, lambda ids: len(ids) >= 2)
        assert await nothing_open(trial) == 0
        assert await told() == found
        assert sorted(about for _, about in found) == sorted([answer["inquiry_number"], name])
    await configure(trial, kind="webhook", url=url, state="off")


RESULT_ACTS: dict[str, Prepare] = dict.fromkeys(
    ("linkage.send.inquiry_endings", "linkage.commit.results.taken"),
    at_once(results_are_told),
)
