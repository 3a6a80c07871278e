"""What an exchange does through the real servers: every end of an inquiry, every neighbour away, nothing sent that is not on record."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from keys.ring import State as KeyState
from storage.database import Database
from synthetic.business import AccountCase
from tests.support.running_system import (
    INSURANCE,
    RESIDENTS,
    System,
    business,
    entries,
    insisting,
    same_values,
    started,
    until,
)

WARD_TENANT = "a_setagaya_intermediate"
PARTIES = (WARD, "naikaku", "suginami")
ACCESS = "access.refused"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with started(tmp_path_factory.mktemp("exchange"), options={"resend_after_s": 1}) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    """insured[0]: records and account. [1]: barred at the ward. [2]: no records. [3]: known to 杉並区 alone. [4]: without a code there."""
    cast = system.insured[:5]
    without_account = _without_account(system)
    await system.populate([*cast, without_account])
    for each in (RESIDENTS, INSURANCE):
        await system.register(each, [*cast[:3], cast[4]])
    await system.register(RESIDENTS, [without_account])
    await system.register("suginami-gyomu", cast[:4])
    await system.register("naikaku-gyomu", [cast[0], without_account])
    for each in (RESIDENTS, "suginami-gyomu", "naikaku-gyomu"):
        await system.obtain_codes(each)
    await system.register("suginami-gyomu", cast[4:])
    records = [*system.insurance(cast[0]), *system.insurance(cast[1], barred=True)]
    await system.load_records(INSURANCE, records, "base.ndjson")
    accounts = [system.account(cast[0]), system.account(without_account)]
    await system.load_records("naikaku-gyomu", accounts, "base.ndjson", agency="naikaku")


def _without_account(system: System):
    people = (system.maker.person(index) for index in range(1_000))
    return next(one for one in people if system.business.account_case(one) is AccountCase.NONE)


@asynccontextmanager
async def unwritable_log(system: System, tenant: str):
    """The tenant's server may not append to its evidence log while the block lasts."""
    async with system.administrator() as connection:
        await connection.execute(f"revoke insert on {tenant}.log_entry from {tenant}")
        try:
            yield
        finally:
            await connection.execute(f"grant insert on {tenant}.log_entry to {tenant}")


async def kinds(system: System, agency: str, number: str) -> list[str]:
    return [one["kind"] for one in entries(await system.export(agency), number=number)]


async def no_findings(system: System) -> None:
    assert system.findings(await system.exports(*PARTIES)) == []


# --- ends


async def test_the_same_idempotency_key_gives_the_same_inquiry_and_no_second_record(system):
    question = system.from_the_ward(system.insured[0])
    key = secrets.token_hex(16)
    first = await system.ask(RESIDENTS, question, key=key)
    recorded = await system.export(WARD)
    again = await system.ask(RESIDENTS, question, key=key)
    assert (again, first["state"]) == (first, "answered")
    [more] = [one for one in business(await system.export(WARD)) if one not in business(recorded)]
    assert more["kind"] == "inquiry.result_read"  # SC-7: what came back left once more
    other = await system.ask(RESIDENTS, question)
    assert other["inquiry_number"] != first["inquiry_number"]


async def test_two_requests_with_one_key_at_the_same_time_make_one_inquiry(system):
    question = system.from_the_ward(system.insured[0])
    key = secrets.token_hex(16)
    found = await asyncio.gather(*(system.ask(RESIDENTS, question, key=key) for _ in range(4)))
    assert len({one["inquiry_number"] for one in found}) == 1
    assert {one["state"] for one in found} == {"answered"}
    await no_findings(system)


@pytest.mark.parametrize("changed", [{"items": ["店番"]}, {"staff": "staff-9"}, {"purpose": "別の目的"}])
async def test_the_same_key_with_another_question_asker_or_purpose_is_told_so_and_leaves_nothing(system, changed):
    question = system.from_the_ward(system.insured[0])
    key = secrets.token_hex(16)
    async with system.stage.system(RESIDENTS) as caller:
        first = (await caller.inquire([question], key=key))[0]
        recorded = len(business(await system.export(WARD)))
        other = (await caller.inquire([{**question, **changed}], key=key))[0]
    assert first["state"] == "answered"
    assert (other["inquiry_number"], other["reason"], other["values"]) == (None, "idempotency_key_reused", None)
    assert len(business(await system.export(WARD))) == recorded


async def test_an_unknown_addressee_is_refused_by_the_desk_and_recorded_there_alone(system):
    before = len(business(await system.export(WARD)))
    answer = await system.ask(RESIDENTS, system.from_the_ward(system.insured[0], addressee_number="12345"))
    assert (answer["state"], answer["outcome"], answer["reason"]) == ("refused", "refused_by_desk", "addressee_unknown")
    number = answer["inquiry_number"]
    assert [one["reason"] for one in entries(await system.linkage_log(), number=number)] == ["addressee_unknown"]
    assert len(business(await system.export(WARD))) == before


async def test_a_person_without_a_code_is_not_asked_about(system):
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[4]))
    assert (answer["state"], answer["reason"]) == ("refused", "code_not_obtained")
    number = answer["inquiry_number"]
    assert await kinds(system, "suginami", number) == ["inquiry.refused"]
    assert await kinds(system, "network", number) == []


async def test_a_person_whom_the_provider_does_not_know_is_said_so_to_the_inquirer_alone(system):
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[3]))
    assert (answer["state"], answer["outcome"], answer["values"]) == ("not_provided", "no_such_person", [])
    relayed = entries(await system.export("network"), number=answer["inquiry_number"], kind="provision.relayed")
    assert [(one["disposition"], one["reason"]) for one in relayed] == [("not_provided", None)]


async def test_a_person_without_records_gives_no_replica(system):
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[2]))
    assert (answer["state"], answer["outcome"], answer["values"]) == ("not_provided", "no_replica", [])


async def test_a_record_of_reasons_alone_is_answered_as_empty_by_reason(system):
    person = _without_account(system)
    answer = await system.ask(RESIDENTS, system.from_the_ward(person))
    assert (answer["state"], answer["outcome"]) == ("answered", "empty_by_reason")
    assert same_values(answer, [system.account(person)])


async def test_exactly_the_items_asked_are_answered(system):
    items = ["資格取得年月日", "被保険者番号"]
    person = system.insured[0]
    answer = await system.ask("suginami-gyomu", system.to_the_ward(person, items=items))
    assert answer["outcome"] == "answered"
    assert same_values(answer, system.insurance(person), items)
    assert {name for record in answer["values"] for name in record["items"]} == set(items)


async def test_an_item_that_the_layout_does_not_have_is_refused_by_the_provider(system):
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0], items=["好きな食べ物"]))
    assert (answer["state"], answer["reason"], answer["values"]) == ("refused", "item_not_in_layout", None)
    assert await kinds(system, WARD, answer["inquiry_number"]) == ["provision.refused"]


async def test_a_result_is_read_again_by_the_system_that_asked_and_by_no_other(system):
    answer = await system.ask(RESIDENTS, system.from_the_ward(system.insured[0]))
    again = await system.look(RESIDENTS, answer["inquiry_number"])
    assert again["match"]["result"] == "not_comparable"  # the reader did not say whose result it is
    assert again | {"match": answer["match"]} == answer
    told = await system.look(INSURANCE, answer["inquiry_number"])
    assert told["state"] != "answered"
    assert told["values"] is None
    assert told["reason"] == "inquiry_unknown"
    nobodys = await system.look(INSURANCE, "Q" + "0" * 26)
    assert told == nobodys


async def test_a_released_provision_reaches_the_inquirer_whole_and_a_refused_one_with_its_reason(system):
    person = system.insured[1]
    for approve, state in ((True, "answered"), (False, "refused")):
        answer = await system.ask("suginami-gyomu", system.to_the_ward(person))
        assert (answer["state"], answer["values"]) == ("held", None)
        await system.decide(WARD, await system.held(WARD, answer["inquiry_number"]), approve=approve)
        answer = await system.settled("suginami-gyomu", answer)
        assert answer["state"] == state
        if approve:
            assert same_values(answer, system.insurance(person, barred=True))
        else:
            assert (answer["reason"], answer["values"]) == ("non_disclosure", None)
    await no_findings(system)


# --- somebody is away


@pytest.mark.parametrize(("role", "waits_as"), [("neighbours-intermediate", "permitted"), ("network", "registered")])
async def test_an_inquiry_waits_for_a_server_that_is_down_and_is_answered_when_it_is_back(system, role, waits_as):
    system.running.kill(role)
    try:
        async with system.stage.system(RESIDENTS) as caller:
            asked = (await caller.inquire([system.from_the_ward(system.insured[0])], wait_ms=1_000))[0]
            waiting = await until(
                lambda: system.result(caller, asked["inquiry_number"]), lambda one: one["state"] == waits_as
            )
            assert (waiting["state"], waiting["values"]) == (waits_as, None)
    finally:
        system.running.restart(role)
    answer = await system.settled(RESIDENTS, asked)
    assert answer["state"] == "answered"
    assert same_values(answer, [system.account(system.insured[0])])
    await no_findings(system)


# --- the record comes first


@pytest.mark.parametrize(
    ("tenant", "agency", "recorded"),
    [
        (WARD_TENANT, WARD, []),
        ("core", "network", ["inquiry.registered"]),
        ("a_naikaku_intermediate", "naikaku", ["inquiry.registered", "inquiry.permitted"]),
    ],
)
async def test_nothing_leaves_a_party_whose_log_cannot_be_written(system, tenant, agency, recorded):
    question = system.from_the_ward(system.insured[0])
    key = secrets.token_hex(16)
    counts = {party: len(business(await system.export(party))) for party in (*PARTIES, "network")}
    async with system.stage.system(RESIDENTS) as caller:
        async with unwritable_log(system, tenant):
            if not recorded:
                with pytest.raises(UnexpectedAnswerError, match="503"):
                    await caller.inquire([question], wait_ms=1_000, key=key)
            else:
                asked = (await caller.inquire([question], wait_ms=1_000, key=key))[0]
                await asyncio.sleep(2.5)  # the sweeper tries again, and again nothing may come of it
                assert (await system.result(caller, asked["inquiry_number"]))["values"] is None
                assert await kinds(system, WARD, asked["inquiry_number"]) == recorded
            others = [party for party in counts if party != agency]
            after = {party: len(business(await system.export(party))) for party in others}
            assert await recorded_in(system, tenant) == counts[agency]
            assert recorded or after == {party: counts[party] for party in others}
            if agency != "network":  # a log that cannot be written cannot record who reads it
                with pytest.raises(UnexpectedAnswerError, match="503 storage_unavailable"):
                    await read_once(system, agency)
        answer = await system.settled(RESIDENTS, (await caller.inquire([question], wait_ms=3_000, key=key))[0])
    assert answer["state"] == "answered"
    await no_findings(system)


async def recorded_in(system, tenant) -> int:
    """Entries of a log, as the database has them, without the access log."""
    async with system.administrator() as connection:
        return await connection.fetchval(f"select count(*) from {tenant}.log_entry where kind not like 'staff.%'")


async def read_once(system, agency) -> bytes:
    async with system.provider_staff(agency) as staff:
        return await staff.download(f"/{agency}/log")


async def test_without_the_database_everything_says_so_and_goes_on_afterwards(system):
    running = system.running
    question = system.from_the_ward(system.insured[0])
    key = secrets.token_hex(16)
    async with system.stage.system(RESIDENTS) as caller:
        await caller.inquire([question])  # a token is held and the connections are open
        assert running.postgres is not None
        running.postgres.stop()
        try:
            with pytest.raises(UnexpectedAnswerError, match="503"):
                await caller.inquire([question], wait_ms=1_000, key=key)
        finally:
            running.postgres.start((running.data.authority / "postgres-password").read_text().strip())
        asked = await insisting(lambda: caller.inquire([question], wait_ms=3_000, key=key))
    answer = await system.settled(RESIDENTS, asked[0])
    assert answer["state"] == "answered"
    assert [running.ended(role) for role in running.roles] == [None] * len(running.roles)
    await no_findings(system)


# --- strangers, and what peers keep of each other


async def test_a_registered_certificate_of_another_use_is_refused_and_recorded(system):
    before = len(entries(await system.export(WARD), kind=ACCESS))
    for path, agency in (
        (f"/{WARD}/inquiries", WARD),
        (f"/{WARD}/provisions", WARD),
        (f"/{WARD}/held-provisions", "suginami"),
    ):
        async with system.stage.staff(agency, "intermediate") as staff:
            with pytest.raises(UnexpectedAnswerError, match="403 not_for_this_caller"):
                await staff.items(path, [])
    refused = entries(await system.export(WARD), kind=ACCESS)[before:]
    assert [one["reason"] for one in refused] == ["not_for_this_caller"] * 3


async def test_every_party_keeps_the_latest_checkpoints_of_those_it_talked_to(system):
    await system.ask(RESIDENTS, system.from_the_ward(system.insured[0]))
    wanted = {
        ("intermediate", WARD_TENANT): {"network/core", "setagaya/linkage"},
        ("neighbours-intermediate", "a_naikaku_intermediate"): {"network/core"},
        ("network", "core"): {"setagaya/intermediate", "naikaku/intermediate"},
        ("linkage", "a_setagaya_linkage"): {"setagaya/intermediate"},
    }
    for (role, tenant), origins in wanted.items():
        database = await Database.open(system.running.role(role).dsn, connections=1)
        try:
            async with database.inside(tenant) as connection:
                kept = {row["origin"]: row["size"] for row in await connection.fetch("select * from peer_checkpoint")}
        finally:
            await database.close()
        assert {f"sekisho.example/{origin}/2022" for origin in origins} <= set(kept)
        assert min(kept.values()) > 0


# --- what time does (these move options and clocks, so they come last)


async def test_a_provision_held_past_the_deadline_expires_at_the_provider_and_ends_at_the_inquirer(system):
    role = "neighbours-intermediate"
    system.reconfigure(role, answer_within_s=3)
    try:
        asked = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[1]))
        assert asked["state"] == "held"
        answer = await system.settled("suginami-gyomu", asked)
        assert (answer["state"], answer["reason"]) in {
            ("aborted", "deadline_passed"),
            ("refused", "held_past_deadline"),  # the provider's word came first
        }
        assert answer["values"] is None
        number = asked["inquiry_number"]
        provider = await until(
            lambda: kinds(system, WARD, number), lambda found: found == ["provision.held", "provision.expired"]
        )
        assert provider == ["provision.held", "provision.expired"]
        assert (await system.look("suginami-gyomu", number))["state"] == answer["state"]
    finally:
        system.reconfigure(role, answer_within_s=3 * 24 * 3600)


async def test_an_inquiry_past_its_deadline_is_aborted_and_recorded(system):
    system.reconfigure("intermediate", answer_within_s=2)
    system.running.kill("network")
    try:
        async with system.stage.system(RESIDENTS) as caller:
            asked = (await caller.inquire([system.from_the_ward(system.insured[0])], wait_ms=1_000))[0]
        answer = await system.settled(RESIDENTS, asked)
    finally:
        system.running.restart("network")
    assert (answer["state"], answer["reason"], answer["values"]) == ("aborted", "deadline_passed", None)
    assert await kinds(system, WARD, asked["inquiry_number"]) == ["inquiry.registered", "inquiry.aborted"]
    await no_findings(system)


async def test_a_result_goes_at_its_time_and_its_key_with_the_hour(system):
    system.reconfigure("intermediate", answer_within_s=4, keep_result_s=0)
    answer = await system.ask(RESIDENTS, system.from_the_ward(system.insured[0]))
    number = answer["inquiry_number"]
    assert answer["outcome"] == "answered"
    purpose, sealed = await _result_row(system, number)
    assert sealed is not None
    assert KeyState.PRIMARY in _key_states(system, purpose)
    gone = await until(lambda: system.look(RESIDENTS, number), lambda found: found["values"] is None)
    assert (gone["state"], gone["reason"], gone["values"]) == ("answered", "result_deleted", None)
    assert await until(lambda: _result_row(system, number), lambda row: row[1] is None) == (purpose, None)
    system.running.clock.set(system.running.clock() + timedelta(hours=2))

    async def states():
        return _key_states(system, purpose)

    assert await until(states, lambda found: found <= {KeyState.DESTROYED}) <= {KeyState.DESTROYED}


async def _result_row(system: System, number: str) -> tuple[str, bytes | None]:
    database = await Database.open(system.running.role("intermediate").dsn, connections=1)
    try:
        async with database.inside(WARD_TENANT) as connection:
            row = await connection.fetchrow(
                "select key_purpose, result_sealed from inquiry where inquiry_number = $1", number
            )
    finally:
        await database.close()
    return row["key_purpose"], row["result_sealed"]


def _key_states(system: System, purpose: str) -> set[KeyState]:
    """The states of the versions of a key, as the file on disk has them now."""
    ring = system.running.role("intermediate").open_keys(WARD).ring
    return set(ring.versions(purpose).values()) if purpose in ring.purposes() else set()
