"""SC-13, SC-14, SC-19: who may see what of a person, and that every look is on record before its answer."""

from __future__ import annotations

import json

import pytest

from gateway.linkage_server.affairs import AffairsError, parse_affairs, read_affairs

TOWN = "東京都世田谷区架空町一丁目2-3"
NUMBER = "123456789018"
HANAKO = {
    "addressee_number": "1",
    "individual_number": NUMBER,
    "name": "架空 花子",
    "kana": "カクウ ハナコ",
    "sex": "2",
    "birth_date": "1980-04-01",
    "address": TOWN,
    "resident_kind": "住民",
}
STATED = {"staff": "s-0001", "affair": "insurance-qualification", "reason": "資格の届出"}
SCOPES = ("addressees:register", "persons:search", "log:read")


@pytest.fixture
async def ward(world):
    await world.register(scopes=SCOPES)
    await world.register("kokuho-plain", scopes=SCOPES, may_use_individual_number=False)
    await world.register("kokuho-numbers", scopes=(*SCOPES, "integrated-numbers:read"))
    await world.register("kokuho-load", scopes=("addressees:register",))
    await world.register("kokuho-audit", scopes=("access-log:read",))
    await world.register("sky2", system="sky2", scopes=SCOPES)
    await world.register(
        "kansa", system="kansa", scopes=("persons:search", "access-log:read"), may_use_individual_number=False
    )
    async with world.served() as caller:
        answer = await caller.post("/v1/addressees", {"items": [HANAKO]}, token=await caller.token(), key="load-1")
        assert answer.body["items"][0]["outcome"] == "issued"
        yield world, caller


async def search(caller, *, client="kokuho", **asked):
    asked = STATED | ({"addressee_number": "1"} if not {"kana", "birth_date"} & set(asked) else {}) | asked
    return await caller.post("/v1/persons/search", asked, token=await caller.token(client))


async def looks(caller, *, client="kansa", **asked):
    stated = {"staff": "k-1", "affair": "audit", "reason": "定期の点検"}
    return await caller.post("/v1/access-log/search", stated | asked, token=await caller.token(client))


async def entries(world, kind):
    rows = await world.rows("select body, personal from log_entry where kind = $1 order by year, idx", kind)
    return [(json.loads(row["body"]), row["personal"]) for row in rows]


@pytest.mark.parametrize(
    ("client", "affair", "shown"),
    [
        ("kokuho", "insurance-qualification", True),
        ("kokuho", "enquiries", False),
        ("kokuho", "insurance-notices", False),
        ("kokuho-plain", "insurance-qualification", False),
    ],
)
async def test_the_individual_number_appears_only_where_client_and_affair_may_use_it(ward, client, affair, shown):
    _, caller = ward
    answer = await search(caller, client=client, affair=affair)
    (person,) = answer.body["items"]
    assert person["name"] == "架空 花子"
    assert ("individual_number" in person) is shown
    assert (NUMBER in json.dumps(answer.body)) is shown


async def test_searching_by_individual_number_takes_the_same_right_as_seeing_it(ward):
    world, caller = ward
    assert len((await search(caller, addressee_number="", individual_number=NUMBER)).body["items"]) == 1
    for client, affair in (("kokuho", "enquiries"), ("kokuho-plain", "insurance-qualification")):
        answer = await search(caller, client=client, affair=affair, addressee_number="", individual_number=NUMBER)
        assert (answer.status, answer.body["reason"]) == (403, "individual_number_not_allowed")
    refused = [entry["reason"] for entry, _ in await entries(world, "access.refused")]
    assert set(refused) == {"individual_number_not_allowed"}


async def test_an_affair_sees_the_items_that_it_needs_and_no_others(ward):
    _, caller = ward
    whole = (await search(caller)).body["items"][0]
    cut = (await search(caller, affair="insurance-notices")).body["items"][0]
    assert {"name", "kana", "sex", "birth_date", "address"} <= set(whole)
    assert {"name", "address"} <= set(cut)
    assert not {"kana", "sex", "birth_date", "individual_number"} & set(cut)


async def test_an_item_that_an_affair_does_not_need_is_no_key_either(ward):
    _, caller = ward
    answer = await search(caller, affair="insurance-notices", name="架空", birth_date="1980-04-01")
    assert (answer.status, answer.body["reason"]) == (403, "item_not_needed")


async def test_the_integrated_number_is_for_those_who_may_learn_it(ward):
    _, caller = ward
    assert "integrated_number" not in (await search(caller)).body["items"][0]
    number = (await search(caller, client="kokuho-numbers")).body["items"][0]["integrated_number"]
    assert len(number) == 15
    by_number = {"addressee_number": "", "integrated_number": number}
    assert len((await search(caller, client="kokuho-numbers", **by_number)).body["items"]) == 1
    answer = await search(caller, **by_number)
    assert (answer.status, answer.body["reason"]) == (403, "integrated_number_not_allowed")


@pytest.mark.parametrize("state", ["dead", "moved_out", "cancelled"])
async def test_the_dead_and_the_gone_are_seen_by_the_same_rules(ward, state):
    world, caller = ward
    living = [(await search(caller, affair=affair)).body["items"][0] for affair in ("enquiries", "insurance-notices")]
    await world.rows("update person set state = $1, state_since = '2026-11-01'", state)
    gone = [(await search(caller, affair=affair)).body["items"][0] for affair in ("enquiries", "insurance-notices")]
    changed = {"state": state, "state_since": "2026-11-01"}
    assert gone == [one | changed for one in living]


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ({"affair": "no-such-affair"}, 403, "affair_unknown"),
        ({"affair": "resident-changes"}, 403, "affair_not_of_system"),
        ({"affair": "addressee-care", "client": "sky2"}, 403, "affair_not_of_system"),
        ({"staff": "山田"}, 400, "staff_malformed"),
        ({"staff": "s" * 41}, 400, "staff_malformed"),
        ({"staff": "1234-5678-9018"}, 400, "staff_malformed"),
        ({"reason": ""}, 400, "reason_malformed"),
        ({"reason": " "}, 400, "reason_malformed"),
        ({"reason": "あ" * 101}, 400, "reason_malformed"),
        ({"reason": "番号 1234 5678 9018 の件"}, 400, "reason_malformed"),
        ({"reason": "a\nb"}, 400, "reason_malformed"),
    ],
)
async def test_a_call_that_does_not_say_who_in_what_affair_and_why_is_refused(ward, asked, status, reason):
    world, caller = ward
    answer = await search(caller, **asked)
    assert (answer.status, answer.body["reason"]) == (status, reason)
    recorded = [entry["reason"] for entry, _ in await entries(world, "access.refused")]
    assert recorded == ([reason] if status == 403 else [])


async def test_a_client_without_the_scope_sees_nobody(ward):
    _, caller = ward
    answer = await search(caller, client="kokuho-load")
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")


async def test_every_look_is_an_entry_without_anybodys_data(ward):
    world, caller = ward
    await search(caller)
    await search(caller, addressee_number="777")
    found, missed = await entries(world, "persons.seen")
    facts = found[0]["facts"]
    assert facts.pop("subjects")
    assert facts == {
        "system": "kokuho",
        "staff": "s-0001",
        "affair": "insurance-qualification",
        "look": "search",
        "keys": ["addressee_number"],
        "count": 1,
    }
    assert found[0]["actor"] == "kokuho"
    assert (missed[0]["facts"]["count"], missed[0]["facts"]["subjects"]) == (0, [])
    (person,) = await world.rows("select integrated_number from person")
    for entry, personal in (found, missed):
        text = json.dumps(entry, ensure_ascii=False)
        for secret in ("架空", "カクウ", NUMBER, "1980", "世田谷", "資格の届出", f"{person['integrated_number']:015d}"):
            assert secret not in text
        assert "資格の届出".encode() not in personal


async def test_entries_about_one_person_are_not_linked_by_what_stands_in_them(ward):
    world, caller = ward
    for _ in range(3):
        await search(caller)
    subjects = [subject for entry, _ in await entries(world, "persons.seen") for subject in entry["facts"]["subjects"]]
    assert len(subjects) == len(set(subjects)) == 3


async def test_nobody_is_shown_when_the_look_cannot_be_put_on_record(ward):
    world, caller = ward
    tenant = world.config.hosted["setagaya"].tenant
    await world.rows(f"revoke insert on access_subject from {tenant}")
    answer = await search(caller)
    assert (answer.status, answer.body["reason"]) == (503, "storage_unavailable")
    await world.rows(f"grant insert on access_subject to {tenant}")
    assert (await search(caller)).status == 200


async def test_the_log_says_who_looked_at_one_person_and_why(ward):
    world, caller = ward
    (person,) = await world.rows("select integrated_number from person")
    await search(caller)
    await search(caller, affair="enquiries", staff="s-0002", reason="電話の問合せ")
    for asked in (
        {"integrated_number": f"{person['integrated_number']:015d}"},
        {"business_system": "kokuho", "addressee_number": "1"},
    ):
        answer = await looks(caller, **asked)
        assert answer.status == 200, answer
        seen = [one for one in answer.body["items"] if one["look"] == "search"]
        assert [(one["staff"], one["affair"], one["reason"]) for one in seen] == [
            ("s-0002", "enquiries", "電話の問合せ"),
            ("s-0001", "insurance-qualification", "資格の届出"),
        ]
        assert answer.body["disagreeing"] == 0
    third = await looks(caller, business_system="kokuho", addressee_number="1")
    assert [one["look"] for one in third.body["items"]] == ["access_log", "access_log", "search", "search"]


async def test_looks_come_in_pages(ward):
    _, caller = ward
    for number in range(5):
        await search(caller, staff=f"s-{number}")
    first = await looks(caller, business_system="kokuho", addressee_number="1", limit=3)
    rest = await looks(caller, business_system="kokuho", addressee_number="1", limit=3, before=first.body["before"])
    staff = [one["staff"] for page in (first, rest) for one in page.body["items"]]
    assert staff == ["s-4", "s-3", "s-2", "s-1", "s-0"]
    assert rest.body["before"] is None


async def test_a_row_that_names_the_wrong_entry_shows(ward):
    world, caller = ward
    await search(caller)
    await search(caller, addressee_number="777")
    nobody = (await entries(world, "persons.seen"))[1][0]["id"]
    await world.rows("insert into access_subject select subject, $1 from access_subject limit 1", nobody)
    answer = await looks(caller, business_system="kokuho", addressee_number="1")
    assert answer.body["disagreeing"] == 1
    assert len(answer.body["items"]) == 1


async def test_rows_of_looks_are_neither_changed_nor_deleted(ward):
    import asyncpg

    world, caller = ward
    await search(caller)
    for statement in (
        "delete from access_subject",
        "update access_subject set entry_id = 'x'",
        "truncate access_subject",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows(statement)


async def test_only_an_affair_that_sees_all_people_asks_who_looked(ward):
    _, caller = ward
    answer = await looks(
        caller, client="kokuho-audit", affair="enquiries", business_system="kokuho", addressee_number="1"
    )
    assert (answer.status, answer.body["reason"]) == (403, "affair_not_for_this")
    answer = await looks(caller)
    assert (answer.status, answer.body["reason"]) == (400, "keys_malformed")


async def test_a_system_reads_which_affairs_are_its_own(ward):
    world, caller = ward
    headers = {"Authorization": f"Bearer {await caller.token('kokuho-plain')}"}
    async with caller.client.get(f"{world.url}/v1/affairs", headers=headers) as response:
        items = (await response.json())["items"]
    assert {one["affair"] for one in items} == {
        "insurance-qualification",
        "insurance-collection",
        "insurance-notices",
        "enquiries",
        "addressee-care",
    }
    assert not any(one["individual_number"] for one in items)


async def test_an_agency_may_have_a_file_of_its_own(world):
    (world.config.folder / "own.yaml").write_text(
        "affairs:\n- {code: own-affair, name: 独自の事務, systems: [kokuho], individual_number: false, items: [name]}\n",
        encoding="utf-8",
    )
    await world.register(scopes=SCOPES)
    async with world.served(affairs={"setagaya": "own.yaml"}) as caller:
        await caller.post(
            "/v1/addressees", {"items": [HANAKO | {"individual_number": ""}]}, token=await caller.token(), key="load-1"
        )
        assert (await search(caller)).body["reason"] == "affair_unknown"
        (person,) = (await search(caller, affair="own-affair")).body["items"]
        assert {"name"} == {"name", "kana", "sex", "birth_date", "address", "individual_number"} & set(person)


# --- the list


GOOD = "affairs:\n- {code: one, name: 一, systems: [kokuho], individual_number: true, items: [name]}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("affairs: [", "line 2"),
        ("affairs: []", "affairs"),
        ("other: 1", "affairs"),
        ("affairs: 2026-13-01", "not YAML"),
        (GOOD.replace("code: one", "code: One!"), "affairs[0].code"),
        (GOOD.replace("items: [name]", "items: [name, blood_group]"), "affairs[0].items[1]"),
        (GOOD.replace("systems: [kokuho]", "systems: []"), "affairs[0].systems"),
        (GOOD.replace("individual_number: true", "individual_number: maybe"), "affairs[0].individual_number"),
        (GOOD.replace("name: 一", "name: 一, colour: red"), "colour"),
        (GOOD + GOOD.removeprefix("affairs:\n"), "one stands twice"),
        (GOOD.replace("[name]", "[name, name]"), "one names one of its items twice"),
    ],
)
def test_a_list_of_affairs_that_is_not_in_form_says_where(text, says):
    with pytest.raises(AffairsError) as refused:
        parse_affairs(text)
    assert says in str(refused.value)


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(AffairsError, match=r"missing\.yaml"):
        read_affairs(tmp_path / "missing.yaml")
    (tmp_path / "cp932.yaml").write_bytes("affairs: 事務".encode("cp932"))
    with pytest.raises(AffairsError, match=r"cp932\.yaml"):
        read_affairs(tmp_path / "cp932.yaml")


def test_no_affair_without_individual_number_is_of_a_kind_that_sees_it():
    affairs = read_affairs()
    assert not affairs.by_code["enquiries"].individual_number
    assert affairs.items_of("sky2") == frozenset(affairs.by_code["insurance-collection"].items)
    assert affairs.items_of("stranger") == frozenset()
    assert not affairs.uses_individual_number("kansa")
