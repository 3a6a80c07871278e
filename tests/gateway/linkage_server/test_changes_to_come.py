"""LS-1.2: what is to come is listed whatever its day; one that cannot be taken on its day is set aside, and the others go on."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import REGISTRY

from gateway.linkage_server.personal_keys import PersonalKeys
from tests.support.change_files import STATED, as_of, change, day, loaded, registering, send, take, with_juki
from tests.support.review_world import until

DAY_S = 86_400
MOVED = "東京都杉並区架空1番地"
BROKEN_SEAL = "update waiting_change set sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) where effective_on = $1 returning 1"


@pytest.fixture
async def ward(world):
    await world.register("kokuho-changes", scopes=("persons:read", "persons:change"))
    return await with_juki(world)


async def to_come(caller, client: str = "juki", **wanted) -> dict:
    answer = await caller.post("/v1/person-changes/to-come", STATED | wanted, token=await caller.token(client))
    assert answer.status == 200, answer
    return answer.body


def set_aside() -> float | None:
    return REGISTRY.get_sample_value("sekisho_due_changes_set_aside", {"agency": "setagaya"})


async def waiting(ward) -> list[str | None]:
    return [row["set_aside_because"] for row in await ward.rows("select set_aside_because from waiting_change")]


async def test_rows_that_cannot_be_opened_hold_back_no_other_however_many_they_are(ward):
    broken = [change(f"b{nth}", 1, "address_change", day(1), address=f"架空県{nth}番") for nth in range(501)]
    async with ward.served() as caller:
        await loaded(ward, 2)
        await take(ward, [*broken, change("g", 2, "address_change", day(2), address=MOVED)], name="1.csv")
        assert (
            len(
                await ward.rows(
                    BROKEN_SEAL, (await ward.rows("select min(effective_on) d from waiting_change"))[0]["d"]
                )
            )
            == 501
        )
    async with ward.served(clock_offset_s=2 * DAY_S) as caller:
        left = await until(lambda: waiting(ward), lambda found: len(found) == 501 and None not in found)
        assert (len(left), {one.partition(" ")[0] for one in left}) == (501, {"SealBroken"})
        assert (await as_of(caller, 2, day(2)))["address"] == MOVED
        assert await until_set_aside(501)
        page = await to_come(caller, set_aside=True, limit=1)
        assert page["count"] == 501
        [one] = page["items"]
        assert (one["kind"], one["says"], one["event_id"]) == (None, [], None)
        assert one["set_aside_because"].startswith("SealBroken ")
        again = await send(caller, [broken[0]], key="again")  # its sender has it still
        assert again.body["items"][0]["outcome"] == "applied"
        assert (await to_come(caller))["count"] == 500
        assert (await as_of(caller, 1, day(2)))["address"] == "架空県0番"


async def until_set_aside(count: int) -> bool:
    async def look() -> float | None:
        return set_aside()

    return await until(look, lambda found: found == count) == count


async def test_a_change_that_breaks_each_time_is_set_aside_and_taken_once_its_cause_is_gone(ward):
    rows = [
        change("b", 1, "address_change", day(1), address=MOVED),
        change("g", 2, "address_change", day(1), address=MOVED),
    ]
    async with ward.served() as caller:
        await loaded(ward, 2)
        await take(ward, rows, name="1.csv")
    where = "where integrated_number = (select integrated_number from addressee where addressee_number like '%1')"
    [kept] = await ward.rows(f"select four_items_sealed from person {where}")
    await ward.rows(f"update person set four_items_sealed = '' {where}")
    async with ward.served(clock_offset_s=DAY_S) as caller:
        [because] = await until(lambda: waiting(ward), lambda found: len(found) == 1 and found != [None])
        assert because.startswith("SealBroken ")
        assert (await as_of(caller, 2, day(1)))["address"] == MOVED
        [one] = (await to_come(caller, set_aside=True))["items"]
        assert (one["event_id"], one["kind"], one["says"]) == ("b", "address_change", ["address"])
    await ward.rows(f"update person set four_items_sealed = $1 {where}", kept["four_items_sealed"])
    async with ward.served(clock_offset_s=DAY_S) as caller:
        assert await until(lambda: waiting(ward), lambda found: not found) == []
        assert (await as_of(caller, 1, day(1)))["address"] == MOVED
        assert await until_set_aside(0)


async def test_a_row_that_is_another_event_than_it_says_is_set_aside_and_not_looked_at_for_ever(ward):
    keys = PersonalKeys(ward.config.open_keys("setagaya").ring)
    async with ward.served() as caller:
        await loaded(ward, 2)
        sent = [
            change("b", 1, "address_change", day(1), address=MOVED),
            change("g", 2, "address_change", day(1), address=MOVED),
        ]
        await take(ward, sent, name="1.csv")
        [row] = await ward.rows("select sealed from waiting_change where event_key = $1", keys.event_key("juki", "b"))
        said = msgspec.json.decode(keys.open_for_review(row["sealed"], keys.event_key("juki", "b")))
        other = keys.seal_for_review(msgspec.json.encode(said | {"event_id": "other"}), keys.event_key("juki", "b"))
        await ward.rows(
            "update waiting_change set sealed = $1 where event_key = $2", other, keys.event_key("juki", "b")
        )
    async with ward.served(clock_offset_s=DAY_S) as caller:
        assert await until(lambda: waiting(ward), lambda found: len(found) == 1 and found != [None])
        assert (await waiting(ward))[0].startswith("RuntimeError")
        assert (await as_of(caller, 2, day(1)))["address"] == MOVED


async def test_what_is_to_come_is_listed_in_pages_for_whoever_sent_it_and_without_anybodys_data(ward):
    far = "9999-12-31"
    async with ward.served() as caller:
        await loaded(ward, 3)
        rows = [
            change("e1", 1, "address_change", day(5), address=MOVED),
            change("e2", 2, "name_change", far, name="模擬　改名", kana="モギ"),
            change("e3", 3, "death", day(1)),
            registering("e4", 9, "move_in", far),
        ]
        assert await take(ward, rows, name="1.csv") == [("waiting", "not_yet")] * 4
        first = await to_come(caller, limit=3)
        second = await to_come(caller, limit=3, after=first["after"])
        assert [one["event_id"] for one in first["items"] + second["items"]] == ["e3", "e1", "e2", "e4"]
        assert (first["count"], second["count"], second["after"]) == (4, 4, None)
        assert [one["event_id"] for one in (await to_come(caller, since=day(6)))["items"]] == ["e2", "e4"]
        assert first["items"][2] == {
            "business_system": "juki", "event_id": "e2", "kind": "name_change", "says": ["name", "kana"], "effective_on": far,
            "set_aside_at": None, "set_aside_because": None,
        }  # fmt: skip
        others = await caller.post(
            "/v1/person-changes/to-come",
            {"staff": "k-1", "affair": "insurance-qualification", "reason": "点検"},
            token=await caller.token("kokuho-changes"),
        )
        assert (others.status, others.body["items"], others.body["count"]) == (200, [], 0)
        refused = await caller.post(
            "/v1/person-changes/to-come", STATED | {"since": "2026-02-30"}, token=await caller.token("juki")
        )
        assert (refused.status, refused.body["reason"]) == (400, "date_malformed")


async def test_whoever_looks_after_all_people_sees_what_every_system_has_to_come_and_no_event_ids_of_others(ward):
    async with ward.served() as caller:
        await loaded(ward, 1)
        await take(ward, [change("e1", 1, "death", day(5))], name="1.csv")
        answer = await caller.post(
            "/v1/person-changes/to-come",
            {"staff": "k-1", "affair": "addressee-care", "reason": "点検"},
            token=await caller.token("kokuho-changes"),
        )
    assert answer.status == 200, answer
    [one] = answer.body["items"]
    assert (one["business_system"], one["event_id"], one["kind"]) == ("juki", None, "death")
