"""The acts of the kill test: each goes through its points once, and says itself whether its end is the right one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from adapters.jlis_mock.dishonest import Wish
from gateway.demonstration.another_vendor import vendor
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from storage.database import Database
from storage.reference_data import read_permission_list
from synthetic.business import MEDICAL_INSURANCE
from tests.support.running_system import (
    INSURANCE,
    RESIDENTS,
    System,
    entries,
    insisting,
    same_values,
    until,
)


@dataclass(slots=True)
class Trial:
    """One step under trial: what its act needs to be told from the acts of other trials. `points`: where the server dies, in order."""

    system: System
    nth: int
    points: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"trial-{self.nth}"

    @property
    def point(self) -> str:
        """Where the server dies first."""
        return self.points[0]


Act = Callable[[Trial], Awaitable[None]]
Prepare = Callable[[Trial], Awaitable[Act]]


async def the_ward_asks(trial: Trial) -> None:
    system = trial.system
    person = system.insured[0]
    answer = await system.ask(RESIDENTS, system.from_the_ward(person), key=trial.name)
    assert answer["state"] == "answered"
    assert same_values(answer, [system.account(person)])
    again = await system.look(RESIDENTS, answer["inquiry_number"])
    assert again["values"] == answer["values"]


async def the_ward_asks_a_provider_that_is_away(trial: Trial) -> None:
    await insisting(lambda: trial.system.faults(provider_down=1, each=1))
    await the_ward_asks(trial)


async def the_ward_asks_and_is_made_to_wait(trial: Trial) -> None:
    system = trial.system
    person = system.insured[1]
    answer = await system.ask(RESIDENTS, system.from_the_ward(person), key=trial.name)
    assert answer["state"] == "held"
    await system.decide("naikaku", await system.held("naikaku", answer["inquiry_number"]), approve=True)
    answer = await system.settled(RESIDENTS, answer)
    assert answer["state"] == "answered"
    assert same_values(answer, [system.account(person)])


async def the_ward_is_asked(trial: Trial) -> None:
    system = trial.system
    person = system.insured[0]
    answer = await system.ask("suginami-gyomu", system.to_the_ward(person, items=["被保険者番号"]), key=trial.name)
    assert answer["state"] == "answered"
    assert len(answer["values"]) == 1


async def the_ward_releases(trial: Trial) -> None:
    system = trial.system
    person = system.insured[1]
    answer = await system.ask("suginami-gyomu", system.to_the_ward(person), key=trial.name)
    assert answer["state"] == "held"
    await system.decide(WARD, await system.held(WARD, answer["inquiry_number"]), approve=True)
    answer = await system.settled("suginami-gyomu", answer)
    assert answer["state"] == "answered"
    assert same_values(answer, system.insurance(person, barred=True))
    await _all_pushed(system)


async def _all_pushed(system: System) -> None:
    """A decision is delivered when its row says so: only then is this act over."""
    database = await Database.open(system.running.role("intermediate").dsn, connections=1)
    try:

        async def left() -> int:
            async with database.inside("a_setagaya_intermediate") as connection:
                found: int = await connection.fetchval("select count(*) from provision where push_at is not null")
                return found

        assert await until(left, lambda count: count == 0) == 0
    finally:
        await database.close()


async def an_unknown_addressee(trial: Trial) -> None:
    """The desk refuses by itself, and says the same again."""
    system = trial.system
    question = system.from_the_ward(system.insured[0], addressee_number="999999999999999")
    async with system.stage.system(RESIDENTS) as caller:
        first, again = [(await insisting(lambda: caller.inquire([question], key=trial.name)))[0] for _ in range(2)]
    assert (first["state"], first["reason"]) == ("refused", "addressee_unknown")
    assert again == first
    records = entries(await system.linkage_log(), number=first["inquiry_number"])
    assert [one["kind"] for one in records] == ["inquiry.refused"]


async def new_people_by_file(trial: Trial) -> None:
    system = trial.system
    people = system.new_people(3)
    await system.populate(people)
    before = await _numbers(system)
    results = await system.load_file(RESIDENTS, people, f"{trial.name}.csv")
    assert [row["reason"] for row in results] == ["", "", ""]
    given = {row["integrated_number"] for row in results}
    assert len(given) == 3
    assert not given & before
    assert await _numbers(system) == before | given


async def _numbers(system: System) -> set[str]:
    """Every integrated number that the ward has given to a person."""
    database = await Database.open(system.running.role("linkage").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_linkage") as connection:
            return {f"{row[0]:015d}" for row in await connection.fetch("select integrated_number from person")}
    finally:
        await database.close()


async def business_information_by_file(trial: Trial) -> None:
    """An inquiry afterwards shows every record of this file and of the files before, whole and once."""
    system = trial.system
    person = system.insured[2]
    records = [
        replace(record, record_id=f"{trial.name}-{nth}")
        for nth, record in enumerate(system.insurance(person, 被保険者番号=f"9{trial.nth:07d}"))
    ]
    results = await system.load_records(INSURANCE, records, f"{trial.name}.ndjson")
    assert [row["reason"] for row in results] == [""] * len(records)
    system.filed += records
    answer = await system.ask("suginami-gyomu", system.to_the_ward(person))
    assert same_values(answer, system.filed)


async def ask_for_codes_over(system: System, way: str) -> None:
    """The ward asks for codes this way."""
    if system.running.role("linkage").options.get("code_requests_over", "gateway") != way:
        system.reconfigure("linkage", code_requests_over=way)


async def codes_for_new_people(trial: Trial, *, over: str = "gateway") -> Act:
    system = trial.system
    await ask_for_codes_over(system, over)
    people = system.new_people(3)
    await system.populate(people)
    before = await _numbers(system)
    await system.register(RESIDENTS, people)
    new = await _numbers(system) - before

    async def act(_: Trial) -> None:
        found = await system.obtain_codes(RESIDENTS)
        assert sum(found.values()) == len(await _numbers(system))
        assert await _code_states(system, new) == ["bound"] * 3

    return act


async def _code_states(system: System, numbers: set[str]) -> list[str]:
    """The state of each one's code. People of other acts may have none: merged away, or without an 個人番号."""
    database = await Database.open(system.running.role("linkage").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_linkage") as connection:
            rows = await connection.fetch(
                "select state from code_standing where integrated_number = any($1::bigint[])",
                [int(number) for number in numbers],
            )
            return [row["state"] for row in rows]
    finally:
        await database.close()


async def _refused_access(
    trial: Trial, call: Callable[[], Awaitable[Any]], log: Callable[[], Awaitable[bytes]]
) -> None:
    """A refusal is on record for every call that was answered with it, and for no more than were made."""
    before = len(entries(await log(), kind="access.refused"))
    made = 0

    async def once() -> str:
        nonlocal made
        made += 1
        try:
            await call()
        except UnexpectedAnswerError as problem:
            if ": 403 " in str(problem):
                return "refused"
            raise
        return "let in"

    assert await insisting(once) == "refused"
    assert 1 <= len(entries(await log(), kind="access.refused")) - before <= made


async def a_client_without_scope(trial: Trial) -> None:
    async with trial.system.stage.system("kansa") as auditor:
        await _refused_access(trial, lambda: auditor.post("/v1/code-requests", {}), trial.system.linkage_log)


async def a_stranger_at_the_intermediate_server(trial: Trial) -> None:
    system = trial.system
    async with system.stage.staff("suginami", "intermediate") as stranger:
        await _refused_access(
            trial, lambda: stranger.items(f"/{WARD}/held-provisions", []), lambda: system.export(WARD)
        )


async def a_stranger_at_the_core(trial: Trial) -> None:
    system = trial.system
    async with system.stage.staff(WARD, "network") as stranger:
        await _refused_access(trial, lambda: stranger.items("/permits", []), lambda: system.export("network"))


# --- acts of a server that is not ours


async def permitted(system: System, playing: Any) -> tuple[Any, str]:
    """A permit of another vendor's agency."""
    now = system.running.role("intermediate").clock()
    code = await playing.code_of(system.insured[0], now)
    wish = Wish(
        provider=WARD,
        item="27",
        information=MEDICAL_INSURANCE,
        list_digest=read_permission_list(DEMO_DAY.date()).digest,
        basis="beppyo2-2022",
    )
    signed = playing.peer.build(wish, now)
    return signed, (await playing.peer.ask_permit(signed, code))["permit"]


async def used_permit(trial: Trial, playing: Any) -> tuple[Any, str]:
    """The same, used once with success."""
    signed, permit = await permitted(trial.system, playing)
    first = await playing.peer.present(permit, signed)
    assert "outcome" in first
    return signed, permit


async def _replays(trial: Trial, *, let_through: bool) -> Act:
    async with vendor(trial.system.stage) as playing:
        signed, permit = await used_permit(trial, playing)

    async def act(_: Trial) -> None:
        async with vendor(trial.system.stage) as again:

            async def replay() -> Any:
                if let_through:
                    await insisting(lambda: trial.system.faults(replay_allowed=1))
                return await insisting(lambda: again.peer.present(permit, signed.with_other_key()))

            answer = await until(replay, lambda found: not found.get("retry"))
        assert not answer.get("sealed")
        if not let_through:
            assert answer["refused"] == {"reason": "permit_replayed"}
        records = entries(await trial.system.export(WARD), number=signed.inquiry_number)
        assert [one["kind"] for one in records] == ["provision.made"]

    return act


async def a_replay_that_the_core_stops(trial: Trial) -> Act:
    return await _replays(trial, let_through=False)


async def a_replay_that_the_core_lets_through(trial: Trial) -> Act:
    return await _replays(trial, let_through=True)


async def an_affair_that_is_not_listed(trial: Trial) -> Act:
    system = trial.system
    async with vendor(system.stage) as playing:
        now = system.running.role("intermediate").clock()
        code = await playing.code_of(system.insured[0], now)

    async def act(_: Trial) -> None:
        wish = Wish(
            provider=WARD,
            item="999",
            information=MEDICAL_INSURANCE,
            list_digest=read_permission_list(DEMO_DAY.date()).digest,
            basis="beppyo2-2022",
        )
        async with vendor(system.stage) as playing:
            signed = playing.peer.build(wish, now)
            answers = [await insisting(lambda: playing.peer.ask_permit(signed, code)) for _ in range(2)]
        assert answers == [{"refused": {"reason": "affair_not_listed"}}] * 2
        records = entries(await system.export("network"), number=signed.inquiry_number)
        assert [one["kind"] for one in records] == ["permit.refused"]

    return act


def at_once(act: Act) -> Prepare:
    async def prepare(_: Trial) -> Act:
        return act

    return prepare


ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        (
            "intermediate.commit.inquiry.registered", "intermediate.commit.inquiry.ended", "intermediate.commit.inquiry.result_read",
            "intermediate.send.permits", "intermediate.send.inquiries", "linkage.send.inquiries", "linkage.send.inquiry_results",
            "core.commit.permit.issued", "core.commit.provision.relayed", "core.send.provisions",
        ),
        at_once(the_ward_asks),
    ),
    "intermediate.commit.inquiry.held": at_once(the_ward_asks_and_is_made_to_wait),
    "intermediate.commit.provision.recorded": at_once(the_ward_is_asked),
    **dict.fromkeys(
        (
            "intermediate.commit.provision.decided", "intermediate.commit.provision.pushed", "intermediate.send.late_outcomes",
            "core.send.outcomes",
        ),
        at_once(the_ward_releases),
    ),
    "linkage.commit.inquiry.refused": at_once(an_unknown_addressee),
    **dict.fromkeys(
        ("linkage.commit.addressees.chunk", "linkage.commit.addressees.loaded", "linkage.send.four_items"),
        at_once(new_people_by_file),
    ),
    **dict.fromkeys(
        (
            "intermediate.commit.replicas.registered", "linkage.send.replicas", "linkage.commit.business_information.chunk",
            "linkage.commit.business_information.registered",
        ),
        at_once(business_information_by_file),
    ),
    **dict.fromkeys(
        (
            "intermediate.commit.codes.requested", "intermediate.commit.codes.bound", "linkage.commit.code_states",
            "linkage.send.acquisition_numbers", "linkage.send.code_requests", "linkage.send.code_status", "core.commit.codes.issued",
            "core.send.codes", "resident_network.send.codes",
        ),
        codes_for_new_people,
    ),
    "linkage.commit.access.refused": at_once(a_client_without_scope),
    "intermediate.commit.access.refused": at_once(a_stranger_at_the_intermediate_server),
    "core.commit.access.refused": at_once(a_stranger_at_the_core),
    **dict.fromkeys(
        ("core.commit.presentation.remembered", "intermediate.commit.inquiry.permitted"),
        at_once(the_ward_asks_a_provider_that_is_away),
    ),
    "core.commit.presentation.refused": a_replay_that_the_core_stops,
    "intermediate.commit.provision.refused": a_replay_that_the_core_lets_through,
    "core.commit.permit.refused": an_affair_that_is_not_listed,
}  # fmt: skip
"""Step (a point without its side) → the act that passes it."""
