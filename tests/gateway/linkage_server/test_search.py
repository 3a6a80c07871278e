"""LS-1.4: who is found by what, whose people a system sees, and what it is refused (DOMAIN §6.1)."""

from __future__ import annotations

import asyncio
import unicodedata

import msgspec
import pytest

from codebook import folding
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.search import tokens
from gateway.linkage_server.search.candidates import find_candidates
from gateway.linkage_server.search.tokens import Keys, Pair
from storage.database import Database

STATED = {"staff": "s-0001", "affair": "insurance-qualification", "reason": "資格の届出"}
AT_TOWN = "東京都世田谷区架空町一丁目"


def row(number, **changes):
    base = {
        "addressee_number": f"{number}",
        "name": "架空 花子",
        "kana": "カクウ ハナコ",
        "sex": "2",
        "birth_date": "1980-04-01",
        "address": f"{AT_TOWN}2-3",
        "resident_kind": "住民",
    }
    return base | changes


async def registered(caller, rows, *, client="kokuho", key="load-1"):
    answer = await caller.post("/v1/addressees", {"items": rows}, token=await caller.token(client), key=key)
    assert answer.status == 200, answer
    assert {one["outcome"] for one in answer.body["items"]} <= {"issued", "linked"}, answer
    return [one.get("integrated_number") for one in answer.body["items"]]


async def search(caller, *, client="kokuho", token=None, **asked):
    return await caller.post("/v1/persons/search", STATED | asked, token=token or await caller.token(client))


async def found(caller, **asked):
    """The answer once the indexer has seen everybody."""
    for _ in range(200):
        answer = await search(caller, **asked)
        if answer.status != 200 or answer.body["indexed_revision"] == answer.body["newest_revision"]:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError("the indexer does not catch up")


def numbers(answer):
    assert answer.status == 200, answer
    return [one["addressee_number"] for item in answer.body["items"] for one in item["addressees"]]


SCOPES = ("addressees:register", "persons:search", "integrated-numbers:read")


@pytest.fixture
async def ward(world):
    """Three systems of one ward, each with its clients; nobody is registered yet."""
    await world.register(scopes=SCOPES)
    await world.register("sky2", system="sky2", scopes=SCOPES, may_use_individual_number=False)
    await world.register("juki", system="juki", scopes=SCOPES)
    await world.register("kansa", system="kansa", scopes=("persons:search", "access-log:read"))
    return world


PEOPLE = [
    row(1, individual_number="123456789018"),
    row(2, name="架空 太郎", kana="カクウ タロウ", birth_date="1975-12-31", sex="1"),
    row(3, name="髙橋 一郎", kana="タカハシ イチロウ", birth_date="1980-04-01", address=f"{AT_TOWN}9-9", sex="1"),
    row(4, name="渡邉 桜", kana="ワタナベ サクラ", birth_date="2001-02-03", address="神奈川県川崎市架空区見本台4-5"),
]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"kana": "カクウ", "birth_date": "1980-04-01"}, ["1"]),
        ({"kana": "ｶｸｳ ﾊﾅ", "birth_date": "1980-04-01"}, ["1"]),
        ({"kana": "かくう", "address": f"{AT_TOWN}"}, ["2", "1"]),
        ({"kana": "カクウ", "address": "世田谷区架空町一丁目2-3"}, ["2", "1"]),
        ({"name": "架空", "address": "世田谷区架空町一"}, ["2", "1"]),
        ({"name": "架空花子", "birth_date": "1980-04-01"}, ["1"]),
        ({"name": "高橋", "birth_date": "1980-04-01"}, ["3"]),
        ({"name": "渡辺", "address": "川崎市架空区見本台"}, ["4"]),
        ({"birth_date": "1980-04-01", "address": "世田谷区架空町一丁目"}, ["1", "3"]),
        ({"birth_date": "1980-04-01", "address": "世田谷区架空町一丁目９"}, ["3"]),
        ({"kana": "カクウ", "name": "架空 太郎", "birth_date": "1975-12-31", "address": AT_TOWN}, ["2"]),
        ({"kana": "カクウ", "birth_date": "1980-04-01", "address": "東京"}, ["1"]),
        ({"kana": "カクウ", "birth_date": "1980-04-01", "address": "神奈"}, []),
        ({"kana": "カクウ", "birth_date": "1980-04-02"}, []),
        ({"kana": "カクウ ジロウ", "birth_date": "1980-04-01"}, []),
        ({"addressee_number": "2"}, ["2"]),
        ({"addressee_number": "2", "kana": "タカハシ"}, []),
        ({"individual_number": "123456789018"}, ["1"]),
        ({"addressee_number": "99"}, []),
    ],
)
async def test_two_keys_or_a_number_find_those_who_agree_in_full(ward, asked, expected):
    async with ward.served() as caller:
        await registered(caller, PEOPLE)
        assert numbers(await found(caller, **asked)) == expected


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "too_few_keys"),
        ({"birth_date": "1980-04-01"}, "too_few_keys"),
        ({"kana": "カクウ ハナコ"}, "too_few_keys"),
        ({"kana": "カクウ ハナコ", "name": "架空 花子"}, "too_few_keys"),
        ({"address": f"{AT_TOWN}2-3"}, "too_few_keys"),
        ({"kana": "カ", "birth_date": "1980-04-01"}, "keys_too_short"),
        ({"kana": "カクウ", "address": "世田谷区"}, "keys_too_short"),
        ({"kana": "カク", "address": AT_TOWN}, "keys_too_short"),
        ({"name": "架", "address": AT_TOWN}, "keys_too_short"),
        ({"kana": "カクウ", "birth_date": "1980-04-01", "cursor": "AAAA"}, "cursor_malformed"),
        ({"individual_number": "123456789012"}, "keys_malformed"),
        ({"addressee_number": "1\n"}, "malformed_body"),
        ({"business_system": "kokuho", "kana": "カクウ", "birth_date": "1980-04-01"}, "keys_malformed"),
    ],
)
async def test_a_weak_or_malformed_search_is_refused(ward, asked, reason):
    async with ward.served() as caller:
        answer = await search(caller, **asked)
        assert (answer.status, answer.body["reason"]) == (400, reason)


async def test_a_system_finds_its_own_people_only(ward):
    async with ward.served() as caller:
        await registered(caller, PEOPLE)
        await registered(caller, [row(71, individual_number="123456789018")], client="juki", key="juki-1")
        await registered(caller, [row(81)], client="sky2", key="sky2-1")
        asked = {"kana": "カクウ", "birth_date": "1980-04-01", "affair": "enquiries"}
        assert numbers(await found(caller, **asked)) == ["1"]
        assert numbers(await found(caller, client="sky2", **asked)) == ["81"]
        assert numbers(await found(caller, client="juki", **asked)) == ["71"]
        assert numbers(await found(caller, client="juki", addressee_number="2", affair="enquiries")) == []
        other = await search(caller, client="juki", business_system="kokuho", addressee_number="2", affair="enquiries")
        assert (other.status, other.body["reason"]) == (403, "people_of_another_system")


async def test_who_looks_after_the_numbers_sees_people_of_every_system(ward):
    async with ward.served() as caller:
        await registered(caller, PEOPLE)
        await registered(caller, [row(71, individual_number="123456789018")], client="juki", key="juki-1")
        answer = await found(caller, client="juki", affair="addressee-care", kana="カクウ", birth_date="1980-04-01")
        assert answer.body["items"][0]["addressees"] == [
            {"business_system": "juki", "addressee_number": "71"},
            {"business_system": "kokuho", "addressee_number": "1"},
        ]


async def test_pages_hold_everybody_once_in_the_order_of_kana(ward):
    people = [row(number, kana=f"カクウ {chr(0x30A2 + number)}", individual_number="") for number in range(1, 24)]
    async with ward.served() as caller:
        await registered(caller, people)
        asked = {"kana": "カクウ", "birth_date": "1980-04-01", "limit": 10}
        pages = [await found(caller, **asked)]
        while pages[-1].body["cursor"]:
            pages.append(await search(caller, **asked, cursor=pages[-1].body["cursor"]))
        assert [len(page.body["items"]) for page in pages] == [10, 10, 3]
        kana = [item["kana"] for page in pages for item in page.body["items"]]
        assert kana == sorted(one["kana"] for one in people)


async def test_pages_of_a_system_are_full_although_others_people_stand_between(ward):
    people = [row(number, kana=f"カクウ {chr(0x30A2 + number)}", individual_number="") for number in range(1, 12)]
    async with ward.served() as caller:
        await registered(caller, people[::2])
        await registered(caller, people[1::2], client="sky2", key="sky2-1")
        asked = {"kana": "カクウ", "birth_date": "1980-04-01", "limit": 4, "affair": "enquiries"}
        first = await found(caller, **asked)
        second = await search(caller, **asked, cursor=first.body["cursor"])
        assert (numbers(first), numbers(second)) == (["1", "3", "5", "7"], ["9", "11"])
        assert second.body["cursor"] is None


async def test_a_cursor_of_another_question_is_refused(ward):
    async with ward.served() as caller:
        await registered(caller, PEOPLE)
        first = await found(caller, kana="カクウ", address=AT_TOWN, limit=1)
        other = await search(caller, kana="カクウ", birth_date="1980-04-01", cursor=first.body["cursor"])
        assert (other.status, other.body["reason"]) == (400, "cursor_malformed")


async def test_a_merged_number_leads_to_the_one_that_lives_on(ward):
    async with ward.served() as caller:
        gone, kept, *_ = await registered(caller, PEOPLE)
        await found(caller, kana="カクウ", birth_date="1980-04-01")
        await ward.rows("update person set merged_into = $1 where integrated_number = $2", int(kept), int(gone))
        assert numbers(await search(caller, integrated_number=gone)) == ["2"]
        assert numbers(await search(caller, kana="カクウ", birth_date="1980-04-01")) == []


async def test_sc_6_somebody_whose_row_was_changed_is_told_by_its_own_reason_and_nobody_else_is_hindered(ward):
    """What does not open is no unforeseen error: `stored_unreadable`, and the row stays as it is."""
    async with ward.served() as caller:
        first, other, *_ = await registered(caller, PEOPLE)
        change = "update person set four_items_sealed = set_byte(four_items_sealed, 40, 255 - get_byte(four_items_sealed, 40)) where integrated_number = $1"
        await ward.rows(change, int(first))
        answer = await search(caller, integrated_number=first)
        assert (answer.status, answer.body["reason"]) == (500, "stored_unreadable")
        assert answer.body["incident"]
        assert numbers(await search(caller, integrated_number=other)) == ["2"]
        await ward.rows(change, int(first))
        assert numbers(await search(caller, integrated_number=first)) == ["1"]


async def test_a_search_that_too_many_share_asks_for_another_key(ward, monkeypatch):
    monkeypatch.setattr("gateway.linkage_server.search.flow.MOST_OPENED", 2)
    async with ward.served() as caller:
        await registered(caller, [row(number) for number in range(1, 5)])
        answer = await found(caller, kana="カクウ", addressee_number="1")
        assert numbers(answer) == ["1"]
        many = await search(caller, kana="カクウ", birth_date="1980-04-01")
        assert (many.status, many.body["reason"]) == (422, "too_many_found")


async def test_changed_items_are_found_anew_and_no_more_as_before(ward):
    async with ward.served() as caller:
        await registered(caller, [row(1)])
        assert numbers(await found(caller, kana="カクウ", birth_date="1980-04-01")) == ["1"]
        (one,) = await ward.rows("select integrated_number from person")
        await _rewritten(ward, one["integrated_number"], ["新姓 花子", "シンセイ ハナコ", "2", "1980-04-01", "架空県"])
        assert numbers(await found(caller, kana="シンセイ", birth_date="1980-04-01")) == ["1"]
        assert numbers(await found(caller, kana="カクウ", birth_date="1980-04-01")) == []


async def _rewritten(world, number, items):
    """Change a person as the owner of the table does: sealed anew, with a new revision."""
    keys = PersonalKeys(world.config.open_keys("setagaya").ring)
    await world.rows(
        "update person set four_items_sealed = $1, revision = nextval('person_revision') where integrated_number = $2",
        keys.seal_four_items(msgspec.json.encode(items), number),
        number,
    )


async def test_tokens_under_another_key_are_made_anew(ward):
    async with ward.served() as caller:
        await registered(caller, PEOPLE)
        assert numbers(await found(caller, kana="カクウ", birth_date="1980-04-01")) == ["1"]
    store = ward.config.open_keys("setagaya")
    with store.changing() as ring:
        ring.rotate("search-index")
    async with ward.served() as caller:
        assert numbers(await found(caller, kana="カクウ", birth_date="1980-04-01")) == ["1"]


async def test_nothing_in_the_tables_of_the_search_repeats_an_item_or_a_single_key(ward):
    async with ward.served() as caller:
        await registered(caller, [row(1), row(2, name="架空 次郎", kana="カクウ ジロウ", birth_date="1999-09-09")])
        await found(caller, kana="カクウ", birth_date="1980-04-01")
        one, other = await ward.rows("select * from search_token order by integrated_number")
        assert {type(one[pair.value]) for pair in Pair} == {int}
        shared = {pair for pair in Pair if one[pair.value] == other[pair.value]}
        assert shared == {Pair.KANA_TOWN, Pair.NAME_TOWN, Pair.KANA_STREET, Pair.NAME_STREET}


def mark(kind, first, second):
    return hash((kind, first, second))


def test_no_token_is_made_of_one_key():
    for one in (
        Keys(kana="カクウ"),
        Keys(name="架空"),
        Keys(birth_date="1980-04-01"),
        Keys(address="世田谷区架空町一丁目"),
    ):
        assert tokens.tokens_of(one, mark) == {}
    assert tokens.tokens_of(Keys(kana="カクウ", name="架空"), mark) == {}


@pytest.mark.parametrize("cut", range(2, 9))
def test_a_prefix_of_the_kana_as_written_finds_the_token_of_the_whole(cut):
    whole = "オオサトウ ショウコ"
    held = tokens.keys_of(["大里 翔子", whole, "2", "1980-04-01", "東京都架空区見本町1-2-3-4"])
    asked = Keys(kana=tokens.fold_kana(whole[:cut]), birth_date="1980-04-01")
    assert tokens.tokens_of(asked, mark)[Pair.BIRTH_KANA] == tokens.tokens_of(held, mark)[Pair.BIRTH_KANA]
    assert asked.agree_with(["大里 翔子", whole, "2", "1980-04-01", "東京都架空区見本町1-2-3-4"])


def test_folds_of_the_search_are_those_of_the_comparison():
    assert tokens.fold_name("髙橋") == folding.fold("高橋", folding.NAME)
    assert tokens.fold_kana(unicodedata.normalize("NFD", "ガクト")) == tokens.fold_kana("ガクト")
    assert tokens.fold_address("神奈川県川崎市") == tokens.fold_address("川崎市")


async def test_candidates_share_two_keys_and_are_of_all_systems(ward):
    async with ward.served() as caller:
        await registered(caller, PEOPLE)
        await registered(caller, [row(81, birth_date="2010-10-10", name="架空 子")], client="sky2", key="sky2-1")
        await registered(
            caller,
            [row(82, birth_date="1980-04-01", name="見本", kana="", address="架空県架空市1-1-1")],
            client="juki",
            key="juki-1",
        )
        await found(caller, kana="カクウ", birth_date="1980-04-01")
        people = {
            one["addressee_number"]: one["integrated_number"]
            for one in await ward.rows("select addressee_number, integrated_number from addressee")
        }
        account = ["架空 華子", "カクウ ハナコ", "2", "1980-04-01", f"{AT_TOWN}2-3"]
        database = await Database.open(ward.config.dsn, connections=1)
        try:
            async with database.inside(ward.config.hosted["setagaya"].tenant) as connection:
                keys = PersonalKeys(ward.config.open_keys("setagaya").ring)
                whole = await find_candidates(connection, keys, account)
                cut = await find_candidates(connection, keys, account, most=1)
        finally:
            await database.close()
        assert {name for name, number in people.items() if number in whole.numbers} == {"1", "2", "3", "81"}
        assert not whole.cut
        assert whole.indexed_revision == whole.newest_revision
        assert (len(cut.numbers), cut.cut) == (1, True)
