"""Acts of codes and clients for the kill test: orders of staff, the way over files, and an administrator's orders."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from synthetic.people import Person
from tests.fault import acts
from tests.fault.acts import Act, Prepare, Trial
from tests.support.running_system import RESIDENTS, System, entries, insisting, until

_STATED = {"staff": "shokuin-1", "affair": "resident-changes", "reason": "試験"}


async def _order(system: System, operation: str, person: Person, ground: str, key: str) -> Any:
    body = {**_STATED, "addressee_numbers": [system.number(RESIDENTS, person)], "ground": ground}
    async with system.stage.system(RESIDENTS) as caller:
        answer = await insisting(lambda: caller.post(f"/v1/code-requests/{operation}", body, key=key))
    assert answer["items"][0]["refused"] is None
    return answer["items"][0]["state"]


async def _state(system: System, person: Person) -> str:
    """Where this person stands, by the report of all states."""
    states = ["none", "requested", "bound", "refused", "replacing", "cancelling", "cancelled"]
    body = {**_STATED, "states": states, "limit": 1_000}
    async with system.stage.system(RESIDENTS) as caller:
        found = await insisting(lambda: caller.post("/v1/code-requests/report", body))
    wanted = system.number(RESIDENTS, person)
    return next((one["state"] for one in found["people"] if one["addressee_number"] == wanted), "absent")


async def _bound_person(trial: Trial) -> Person:
    system = trial.system
    [person] = system.new_people(1)
    await system.populate([person])
    await system.register(RESIDENTS, [person])
    await system.obtain_codes(RESIDENTS)
    return person


async def a_code_is_cancelled_and_had_again(trial: Trial) -> Act:
    await acts.ask_for_codes_over(trial.system, "gateway")
    person = await _bound_person(trial)

    async def act(_: Trial) -> None:
        system = trial.system
        await _order(system, "cancel", person, "moved_out", f"{trial.name}-cancel")
        assert await until(lambda: _state(system, person), lambda found: found == "cancelled") == "cancelled"
        orders = entries(await system.linkage_log(), kind="codes.ordered")
        assert [one["facts"]["count"] for one in orders[-1:]] == [1]
        await _order(system, "replace", person, "resident_record_changed", f"{trial.name}-again")
        assert await until(lambda: _state(system, person), lambda found: found == "bound") == "bound"

    return act


async def a_code_is_replaced(trial: Trial) -> Act:
    await acts.ask_for_codes_over(trial.system, "gateway")
    person = await _bound_person(trial)

    async def act(_: Trial) -> None:
        system = trial.system
        await _order(system, "replace", person, "resident_record_changed", trial.name)
        assert await until(lambda: _state(system, person), lambda found: found == "bound") == "bound"
        async with system.administrator() as connection:
            former = await connection.fetch(
                "select f.state from a_setagaya_intermediate.former_code f join a_setagaya_linkage.addressee a"
                " on f.integrated_number = lpad(a.integrated_number::text, 15, '0') where a.addressee_number = $1",
                system.number(RESIDENTS, person),
            )
        assert [row["state"] for row in former] == ["replaced"]

    return act


async def codes_over_files(trial: Trial) -> Act:
    act = await acts.codes_for_new_people(trial, over="existing_residents")

    async def and_no_file_is_left(_: Trial) -> None:
        await act(trial)
        folder = trial.system.running.data.root / "spool" / "existing-residents" / WARD

        async def left() -> list[str]:
            return [path.name for path in folder.rglob("*") if path.is_file()]

        assert await until(left, lambda names: names == []) == []

    return and_no_file_is_left


async def codes_pass_to_a_new_epoch(trial: Trial) -> Act:
    """The core announces, the ward renews and settles, the core refuses the old epoch and destroys its key: each once, and nobody is lost."""
    system = trial.system
    number = (await _epoch(system))["newest"] + 1
    before = await _bound_codes(system)

    async def act(_: Trial) -> None:
        order = {"agency": WARD, "epoch": number, "accept_s": 0}

        async def announce() -> Any:
            async with system.stage.staff("network", "network") as staff:
                return await staff.items("/code-epochs/announce", [order])

        assert await insisting(announce) == [{"announced": True}]
        ended = await until(
            lambda: insisting(lambda: _epoch(system)),
            lambda found: (found["newest"], found["state"]) == (number, "destroyed"),
        )
        assert ended["accepted"] == [number]
        log = entries(await system.export("network"), kind="codes.epoch")
        events = [one["facts"]["event"] for one in log if one["facts"]["agency"] == WARD]
        assert events == ["announced", "settled", "refused", "destroyed"] * (number - 1)
        settled = [one["facts"]["epoch"] for one in entries(await system.export(WARD), kind="codes.epoch")]
        assert settled == list(range(2, number + 1))
        assert await _bound_codes(system) == {number: sum(before.values())}
        answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0]))
        assert answer["state"] == "answered"

    return act


async def _epoch(system: System) -> Any:
    async with system.stage.staff("network", "network") as staff:
        [answer] = await staff.items("/code-epochs", [{}])
    return next(one for one in answer["epochs"] if one["agency"] == WARD)


async def _bound_codes(system: System) -> dict[int, int]:
    """How many codes of each epoch the ward has."""
    async with system.administrator() as connection:
        rows = await connection.fetch(
            "select case epoch when 0 then 1 else epoch end as epoch, count(*) as codes"
            " from a_setagaya_intermediate.person_code where bound_at is not null group by 1"
        )
    return {row["epoch"]: row["codes"] for row in rows}


async def a_client_is_made(trial: Trial) -> None:
    system = trial.system
    order = {
        "act": "add",
        "client_id": trial.name,
        "staff": "kanri-1",
        "system": "zeimu",
        "scopes": ["zeimu:inquiries:create"],
    }
    async with system.stage.system("kanri") as admin:
        first, again = [await insisting(lambda: admin.post("/v1/clients", order, key=trial.name)) for _ in range(2)]
        assert first["client_secret"] == again["client_secret"]
        with pytest.raises(UnexpectedAnswerError, match="409 client_exists"):
            await insisting(lambda: admin.post("/v1/clients", order, key=f"{trial.name}-other"))
    made = entries(await system.linkage_log(), kind="client.administered")
    assert [one["facts"]["act"] for one in made if one["facts"]["client"] == trial.name] == ["add"]


CODE_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        ("linkage.commit.codes.ordered", "linkage.send.code_cancellations", "intermediate.commit.codes.cancelled"),
        a_code_is_cancelled_and_had_again,
    ),
    "linkage.send.code_replacements": a_code_is_replaced,
    **dict.fromkeys(("linkage.commit.code_followed", "linkage.commit.code_hastened"), acts.codes_for_new_people),
    **dict.fromkeys(
        ("linkage.send.code_request_file", "linkage.commit.code_request_results", "resident_network.send.code_results"),
        codes_over_files,
    ),
    **dict.fromkeys(
        (
            "core.commit.codes.epoch_announced", "core.commit.codes.epoch_settled", "core.commit.codes.epoch_refused",
            "core.commit.codes.epoch_destroyed", "core.commit.codes.renewed", "intermediate.commit.codes.renewed",
            "intermediate.commit.codes.epoch_settled", "intermediate.send.code_epochs", "intermediate.send.code_renewals",
        ),
        codes_pass_to_a_new_epoch,
    ),
    "linkage.commit.client.administered": acts.at_once(a_client_is_made),
}  # fmt: skip
OPTIONS = {"code_epochs_poll_s": 1}
