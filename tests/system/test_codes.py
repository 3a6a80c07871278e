"""The life of a code through the real servers: obtained over files, cancelled, obtained again, replaced; what questions under it are told."""

from __future__ import annotations

import asyncio
import base64
import json

import aiohttp
import pytest

from gateway.demonstration.stage import WARD
from keys import labels
from keys.binding import bind
from keys.ring import version_of_index
from storage.key_store import KeyStore
from tests.support.code_calls import STATED, linkage, notices, number_of, order, renewals, requested, status
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, started, until
from transport.tls import client_context

TENANT = "a_setagaya_intermediate"
WARD_WAY = {"linkage": {"code_requests_over": {WARD: "existing_residents"}}}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """The ward asks for codes over its existing resident system, its neighbours over 住基ＧＷ."""
    with started(
        tmp_path_factory.mktemp("codes"),
        options={"resend_after_s": 1, "code_epochs_poll_s": 0.5},
        role_options=WARD_WAY,
    ) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    known = system.insured[:5]
    await system.populate(known)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu", "naikaku-gyomu"):
        await system.register(each, known)
    for each in (RESIDENTS, "suginami-gyomu", "naikaku-gyomu"):
        found = await system.obtain_codes(each)
        assert found["bound"] == len(known)
    for person in known:
        await system.load_records(INSURANCE, system.insurance(person), f"{system.number(INSURANCE, person)}.ndjson")
        await system.load_records(
            "naikaku-gyomu", [system.account(person)], f"{system.number(INSURANCE, person)}.ndjson", agency="naikaku"
        )


def test_codes_came_over_files_and_none_is_left(system):
    folder = system.running.data.root / "spool" / "existing-residents"
    assert (folder / WARD / "requests").is_dir()
    assert [path.name for path in folder.rglob("*") if path.is_file()] == []


async def test_a_cancelled_code_is_told_on_both_sides_records_stay_and_it_can_be_had_again(system):
    person = system.insured[0]
    asked = await system.ask(RESIDENTS, system.from_the_ward(person))
    was_asked = await system.ask("suginami-gyomu", system.to_the_ward(person))
    assert (asked["state"], was_asked["state"]) == ("answered", "answered")
    before = entries(await system.export(WARD))

    assert (await order(system, "cancel", person, "moved_out", "cancel-1"))["state"] == "cancelling"
    assert await until(lambda: status(system, person), lambda found: found == "cancelled") == "cancelled"
    refused = await system.ask(RESIDENTS, system.from_the_ward(person))
    told = await system.ask("suginami-gyomu", system.to_the_ward(person))
    after = entries(await system.export(WARD))
    assert (refused["state"], refused["reason"]) == ("refused", "code_cancelled")
    assert (told["state"], told["reason"]) == ("refused", "code_cancelled")
    assert after[: len(before)] == before
    [record] = entries(await system.export(WARD), number=told["inquiry_number"])
    assert (record["kind"], record["reason"]) == ("provision.refused", "code_cancelled")
    assert record["subject"] is not None
    [ended] = entries(await system.export(WARD), kind="codes.ended")
    assert ended["facts"] == {"count": 1, "people": 1}

    assert (await order(system, "replace", person, "resident_record_changed", "again-1"))["state"] == "none"
    assert await until(lambda: status(system, person), lambda found: found == "bound") == "bound"
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "answered"
    assert system.findings(await system.exports(WARD, "suginami", "naikaku")) == []


async def test_a_replacement_keeps_the_old_code_in_use_until_the_new_one_is_there(system):
    person = system.insured[1]
    number = await number_of(system, person)
    item = {"integrated_number": number, "message_id": "test/1", "reason": "resident_record_changed"}
    first, again = [(await linkage(system, "code-replacements", item))[0] for _ in range(2)]
    assert first == again
    assert await status(system, person) == "replacing"
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "answered"
    assert (await linkage(system, "acquisition-numbers", {"integrated_number": number})) == [{"bound": True}]
    assert (await linkage(system, "code-replacements", {**item, "reason": "moved_out"})) == [
        {"refused": {"reason": "reason_replaces_nothing"}}
    ]
    assert (await linkage(system, "code-replacements", {**item, "integrated_number": "0" * 15})) == [
        {"refused": {"reason": "code_not_bound"}}
    ]
    assert (await order(system, "replace", person, "resident_record_changed", "replace-1"))["state"] == "replacing"
    assert await until(lambda: status(system, person), lambda found: found == "bound") == "bound"
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "answered"
    async with system.administrator() as connection:
        former = await connection.fetch(
            f"select state, reason from {TENANT}.former_code where integrated_number = $1", number
        )
    assert [(row["state"], row["reason"]) for row in former] == [("replaced", "resident_record_changed")]


async def test_a_replaced_code_is_answered_to_for_a_while_and_then_refused_with_the_reason(system):
    """Another agency replaces its code of the person later than the ward; its questions arrive under the ward's old code till then."""
    person = system.insured[2]
    number = await number_of(system, person)
    config = system.running.role("intermediate")
    ring = KeyStore.open(config.hosted[WARD].keys, config.passphrase).ring
    async with system.administrator() as connection:
        await connection.execute(f"set search_path to {TENANT}")
        old = await connection.fetchval(
            "select code_index from person_code where integrated_number = $1 and bound_at is not null", number
        )
        await connection.execute(
            "update person_code set code_index = $2 where integrated_number = $1", number, b"n" * 32
        )
        await connection.execute(
            "insert into former_code (acquisition_index, integrated_number, code_index, mark, state, reason, ended_at)"
            " values ($1, $2, $3, $4, 'replaced', 'resident_record_changed', '2023-03-01')",
            b"t" * 32,
            number,
            old,
            ring.named_index("codes", bind(labels.REPLACED_CODE, WARD, number, old), version=version_of_index(old)),
        )
        answered = await system.ask("suginami-gyomu", system.to_the_ward(person))
        await connection.execute("update former_code set ended_at = '2020-01-01' where integrated_number = $1", number)
        late = await system.ask("suginami-gyomu", system.to_the_ward(person))
        await connection.execute(
            "update former_code set state = 'cancelled', mark = null where integrated_number = $1", number
        )
        cancelled = await system.ask("suginami-gyomu", system.to_the_ward(person))
        await connection.execute("delete from former_code where integrated_number = $1", number)
        unknown = await system.ask("suginami-gyomu", system.to_the_ward(person))
        await connection.execute("update person_code set code_index = $2 where integrated_number = $1", number, old)
    assert answered["state"] == "answered"
    assert (late["state"], late["reason"]) == ("refused", "code_replaced")
    assert (cancelled["state"], cancelled["reason"]) == ("refused", "code_cancelled")
    assert (unknown["state"], unknown["outcome"]) == ("not_provided", "no_such_person")


async def at_the_core(system, path, item):
    async with system.stage.staff("network", "network") as staff:
        return (await staff.items(path, [item]))[0]


async def epoch(system):
    """How the ward's epochs stand at the core."""
    answer = await at_the_core(system, "/code-epochs", {})
    return next(one for one in answer["epochs"] if one["agency"] == WARD)


async def code(system, person):
    """The ward's code of a person, as its key file opens it."""
    number = await number_of(system, person)
    async with system.administrator() as connection:
        sealed = await connection.fetchval(
            f"select code_sealed from {TENANT}.person_code where integrated_number = $1 and bound_at is not null",
            number,
        )
    config = system.running.role("intermediate")
    ring = KeyStore.open(config.hosted[WARD].keys, config.passphrase).ring
    return ring.decrypt("codes", sealed, bind(labels.LINKAGE_CODE, WARD, number))


async def renewed_at_the_core(system, known):
    """What the core says to the ward's intermediate server when that wants a code renewed."""
    identity = system.running.role("intermediate").hosted[WARD].identity
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    item = {"code": base64.b64encode(known).decode()}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"{system.running.url('network')}/code-renewals", json={"items": [item]}) as answer,
    ):
        return json.loads(await answer.read())["items"][0]


async def test_codes_are_renewed_beside_the_traffic_and_the_old_epoch_ends(system):
    """Announced, renewed, settled, the old one refused and its key destroyed; nobody is unknown on the way, and no staff had to do anything."""
    person = system.insured[3]
    old = await code(system, person)
    bound = [one for one in await linkage(system, "code-counts") if one["state"] == "bound"]
    await system.faults(provider_down=10_000)
    waiting = await system.ask("suginami-gyomu", system.to_the_ward(person))
    too_far = {"agency": WARD, "epoch": 3, "accept_s": 0}
    announcement = {"agency": WARD, "epoch": 2, "accept_s": 0}
    assert await at_the_core(system, "/code-epochs/announce", too_far) == {"refused": {"reason": "epoch_not_the_next"}}
    for _ in range(2):
        assert await at_the_core(system, "/code-epochs/announce", announcement) == {"announced": True}
    ended = await until(lambda: epoch(system), lambda found: found["state"] == "destroyed")
    await system.faults(provider_down=0)
    in_flight = await system.settled("suginami-gyomu", waiting)
    after = [
        await system.ask("suginami-gyomu", system.to_the_ward(person)),
        await system.ask(RESIDENTS, system.from_the_ward(person)),
    ]
    assert (ended["newest"], ended["issued"], ended["accepted"]) == (2, 2, [2])
    assert waiting["state"] == "permitted"
    assert in_flight["state"] == "answered"
    assert [one["state"] for one in after] == ["answered", "answered"]
    assert (await code(system, person))[1] == 2
    assert await renewed_at_the_core(system, old) == {"refused": {"reason": "code_epoch_over"}}
    told = [one["facts"]["event"] for one in entries(await system.export("network"), kind="codes.epoch")]
    assert told == ["announced", "settled", "refused", "destroyed"]
    now_bound = [one for one in await linkage(system, "code-counts") if one["state"] == "bound"]
    assert [one["epoch"] for one in now_bound] == [2]
    assert sum(one["codes"] for one in now_bound) == sum(one["codes"] for one in bound)
    store = system.running.role("network")
    versions = KeyStore.open(store.hosted["network"].keys, store.passphrase).ring.versions(f"code/{WARD}")
    assert versions == {1: "destroyed", 2: "primary"}


async def test_both_epochs_are_taken_for_a_while_and_the_renewal_is_a_job(system):
    person = system.insured[3]
    old = await code(system, person)
    announcement = {"agency": WARD, "epoch": 3, "accept_s": 3600}
    assert await at_the_core(system, "/code-epochs/announce", announcement) == {"announced": True}
    found = await until(lambda: epoch(system), lambda one: one["state"] == "settled")
    renewed = await renewed_at_the_core(system, old)
    again = await at_the_core(system, "/code-epochs/announce", {**announcement, "epoch": 4})
    async with system.stage.staff(WARD, "intermediate") as staff:
        [jobs] = await staff.items(f"/{WARD}/jobs", [{"kind": "code_renewal", "id": "epoch-3"}])
    [job] = jobs["jobs"]
    assert (found["issued"], found["accepted"]) == (3, [2, 3])
    assert base64.b64decode(renewed["code"]) == await code(system, person)
    assert again == {"refused": {"reason": "epoch_under_way"}}
    assert (job["state"], job["done"], job["counts"]["refused"]) == ("done", job["total"], 0)
    [counted] = [one for one in await linkage(system, "code-counts") if one["state"] == "bound"]
    assert (counted["epoch"], counted["codes"]) == (3, job["total"])
    assert system.findings(await system.exports(WARD, "suginami", "naikaku")) == []


async def not_renewed(system):
    async with system.stage.staff(WARD, "intermediate", "staff-1") as staff:
        return (await staff.items(f"/{WARD}/codes/not-renewed", [{}]))[0]


async def test_a_code_that_the_core_did_not_make_is_told_as_not_renewed_and_holds_up_nobody(system):
    """What stands in the database may have been damaged: the others are renewed, and the counts say why this one is not."""
    person = system.insured[3]
    number = await number_of(system, person)
    config = system.running.role("intermediate")
    ring = KeyStore.open(config.hosted[WARD].keys, config.passphrase).ring
    broken = ring.encrypt("codes", b"\x01\x03" + bytes(32), bind(labels.LINKAGE_CODE, WARD, number))
    async with system.administrator() as connection:
        right = await connection.fetchrow(
            f"select code_sealed, epoch from {TENANT}.person_code where integrated_number = $1", number
        )
        write = f"update {TENANT}.person_code set code_sealed = $2, epoch = $3, renewal_refused = null where integrated_number = $1"
        await connection.execute(write, number, broken, 2)

        async def refused():
            counts = await linkage(system, "code-counts")
            return [one["reason"] for one in counts if one["state"] == "bound" and one["reason"]]

        assert await until(refused, bool) == ["code_not_of_this_agency"]
        assert await status(system, person) == "not_renewed"
        assert await notices(system) == [("codes_not_renewed", "1")]
        first = await not_renewed(system)
        assert [(one["integrated_number"], one["reason"]) for one in first["not_renewed"]] == [
            (number, "code_not_of_this_agency")
        ]
        assert not {"code", "code_index", "code_sealed"} & set(first["not_renewed"][0])
        before = (await renewals(system))[0]["id"]
        async with system.stage.staff(WARD, "intermediate", "staff-1") as staff:
            await staff.items(f"/{WARD}/jobs/retry", [first["job"]])
        assert first["job"] == {"kind": "code_renewal", "id": before}
        again = (await until(lambda: not_renewed(system), lambda found: found["not_renewed"]))["not_renewed"][0]
        assert again["refused_at"] == first["not_renewed"][0]["refused_at"]  # since when, not since the last try
        mended = f"update {TENANT}.person_code set code_sealed = $2, epoch = $3 where integrated_number = $1"
        await connection.execute(mended, number, right["code_sealed"], right["epoch"])
        job = (await renewals(system))[0]
        assert (job["state"], job["reason"]) == ("failed", "codes_not_renewed")
        async with system.stage.staff(WARD, "intermediate", "staff-1") as staff:
            named = {"kind": "code_renewal", "id": job["id"]}
            assert await staff.items(f"/{WARD}/jobs/retry", [named]) == [named]
        assert (await renewals(system))[0]["state"] == "done"
        assert await status(system, person) == "bound"
        assert (await not_renewed(system))["not_renewed"] == []
        assert await notices(system) == []
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "answered"


async def test_another_code_after_a_change_of_the_number_shows_that_the_old_one_was_another_persons(system):
    """A code stands for the 住民票コード, which a change of the 個人番号 leaves: within an epoch another one is another person's."""
    person = system.insured[0]
    number = await number_of(system, person)
    async with system.administrator() as connection:
        await connection.execute(
            f"update {TENANT}.person_code set code_index = $2 where integrated_number = $1", number, b"w" * 32
        )
    item = {"integrated_number": number, "message_id": "number/1", "reason": "number_changed"}
    [given] = await linkage(system, "code-replacements", item)
    assert await requested(system, given, person) == {"accepted": True}
    assert await linkage(system, "code-replacements", item) == [{"bound": True}]
    async with system.administrator() as connection:
        found = await connection.fetch(
            f"select state from {TENANT}.former_code where integrated_number = $1 and reason = 'number_changed'", number
        )
    assert {row["state"] for row in found} == {"cancelled"}, "and so is what it had replaced"


async def test_a_changed_number_under_a_new_epoch_ends_no_right_code(system):
    """The code that comes is of another epoch than the one that is held: until that is renewed nobody can tell whether they are one person's."""
    person = system.insured[1]
    number = await number_of(system, person)
    async with system.administrator() as connection:
        await connection.execute(
            f"update {TENANT}.person_code set epoch = 1, code_index = $2, renewal_refused = 'code_epoch_over'"
            " where integrated_number = $1",
            number,
            b"v" * 32,
        )
    item = {"integrated_number": number, "message_id": "number/2", "reason": "number_changed"}
    [given] = await linkage(system, "code-replacements", item)
    assert await requested(system, given, person) == {"retry": "code_renewal_under_way"}
    assert await status(system, person) == "replacing"


async def test_codes_and_acquisition_numbers_are_in_no_answer_of_the_report_and_counts(system):
    async with system.stage.system(RESIDENTS) as caller:
        wanted = {**STATED, "limit": 10, "states": ["bound"]}
        report = await until(
            lambda: caller.post("/v1/code-requests/report", wanted), lambda found: len(found["people"]) == 5
        )
    counts = await linkage(system, "code-counts")
    assert len(report["people"]) == 5
    assert set(report["people"][0]) == {"addressee_number", "state", "reason", "since"}
    assert {(one["state"], one["reason"]) for one in counts} >= {("bound", None), ("cancelled", "moved_out")}
    assert all(set(one) == {"state", "reason", "epoch", "codes"} for one in counts)


async def test_a_late_code_for_a_cancelled_request_is_refused(system):
    """Who was cancelled while the request was out stays cancelled when its code comes."""
    person = system.insured[4]
    number = await number_of(system, person)
    await linkage(system, "code-cancellations", {"integrated_number": number, "reason": "number_corrected"})
    [given] = await linkage(system, "acquisition-numbers", {"integrated_number": number})
    await linkage(system, "code-cancellations", {"integrated_number": number, "reason": "number_corrected"})
    assert await requested(system, given, person) == {"refused": {"reason": "code_cancelled"}}
    assert await status(system, person) == "cancelled"


async def test_an_acquisition_number_whose_window_has_passed_is_forgotten_and_good_for_nothing(system):
    person = system.insured[4]
    number = await number_of(system, person)
    [given] = await linkage(system, "acquisition-numbers", {"integrated_number": number})
    async with system.administrator() as connection:
        await connection.execute(
            f"update {TENANT}.person_code set expires_at = '2020-01-01' where integrated_number = $1", number
        )

        async def left():
            return await connection.fetchval(
                f"select count(*) from {TENANT}.person_code where integrated_number = $1", number
            )

        assert await until(left, lambda count: count == 0) == 0
        ends = await connection.fetch(f"select * from {TENANT}.former_code where state = 'expired'")
    assert [(row["code_index"], row["reason"]) for row in ends] == [(None, "window_passed")]
    assert given["acquisition_number"] not in str([dict(row) for row in ends])
    assert await requested(system, given, person) == {"refused": {"reason": "acquisition_number_expired"}}


@pytest.mark.parametrize("function", ["code-cancellations", "code-replacements"])
async def test_staff_and_strangers_end_no_code(system, function):
    async with system.stage.staff(WARD, "intermediate") as staff:
        with pytest.raises(Exception, match="403 not_for_this_caller"):
            await staff.items(f"/{WARD}/{function}", [])


async def test_a_stranger_who_keeps_coming_with_a_registered_certificate_fills_no_log(system):
    before = len(entries(await system.export(WARD), kind="access.refused"))
    async with system.stage.staff("suginami", "intermediate") as stranger:
        for _ in range(20):
            with pytest.raises(Exception, match="403 not_for_this_caller"):
                await stranger.items(f"/{WARD}/code-status", [])
    refused = entries(await system.export(WARD), kind="access.refused")[before:]
    assert [(one["reason"], one["facts"]["count"]) for one in refused] == [("not_for_this_caller", 1)]
