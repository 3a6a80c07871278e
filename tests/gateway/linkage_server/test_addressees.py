from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from codebook.issuing import has_check_digit
from gateway.linkage_server.file_layouts import ADDRESSEE_COLUMNS, CHANGE_COLUMNS
from tests.support.resident_files import csv_bytes, four_items, individual_number, item, load, person, put, through


async def entries(world, kind="addressees.loaded"):
    return [
        json.loads(row["body"])
        for row in await world.rows("select body from log_entry where kind = $1 order by idx", kind)
    ]


async def persons(world):
    return await world.rows("select integrated_number, individual_number_index from person order by integrated_number")


async def test_good_rows_are_issued_numbers_of_their_own(world):
    async with world.served():
        results = await load(world.config.spool, [person(nth) for nth in range(1, 51)])
    assert results == [[str(line), "issued", ""] for line in range(2, 52)]
    found = await persons(world)
    assert len({row["integrated_number"] for row in found}) == 50
    assert all(has_check_digit(f"{row['integrated_number']:015d}") for row in found)


async def test_bad_rows_come_back_by_line_with_reasons_and_the_good_go_on(world):
    rows = [
        person(1),
        person(2, individual_number=individual_number(2)[:-1] + str((int(individual_number(2)[-1]) + 1) % 10)),
        person(1),
        person(3, name="　"),
        person(4, name=""),
        person(5, individual_number="1234ABCD9012"),
        person(6, birth_date="1985-02-30"),
        person(7, system="another"),
        person(8, resident_kind="その他"),
        person(9),
    ]
    async with world.served():
        results = await load(world.config.spool, rows)
    assert [result[1:] for result in results] == [
        ["issued", ""],
        ["rejected", "individual_number_check_digit"],
        ["rejected", "duplicate_row"],
        ["rejected", "field_missing"],
        ["rejected", "field_missing"],
        ["rejected", "field_malformed"],
        ["rejected", "field_malformed"],
        ["rejected", "system_differs"],
        ["rejected", "field_malformed"],
        ["issued", ""],
    ]
    assert len(await persons(world)) == 2


async def test_the_load_is_in_the_log_with_counts_and_digest_and_nobody_in_it(world):
    async with world.served():
        await load(world.config.spool, [person(1), person(2), person(2)])
    [entry] = await entries(world)
    assert entry["facts"]["issued"] == 2
    assert entry["facts"]["rejected:duplicate_row"] == 1
    assert len(entry["facts"]["sha256"]) == 64
    assert individual_number(1) not in json.dumps(entry)


async def test_the_same_number_from_another_system_is_the_same_person(world):
    await world.register("zeimu", system="zeimu")
    async with world.served():
        await load(world.config.spool, [person(1)])
        results = await load(world.config.spool, [person(1, system="zeimu", addressee_number="77")], system="zeimu")
    assert results == [["2", "linked", ""]]
    assert len(await persons(world)) == 1


async def test_widths_spaces_and_hyphens_do_not_make_another_person(world):
    await world.register("zeimu", system="zeimu")
    async with world.served():
        await load(world.config.spool, [person(1, address="東京都世田谷区架空１－２")])
        again = person(1, system="zeimu", address="東京都世田谷区架空1-2", name="模擬 1号")
        results = await load(world.config.spool, [again], system="zeimu")
    assert results[0][1:] == ["linked", ""]


async def test_a_replayed_file_changes_nothing_and_gives_the_same_bytes(world):
    data = csv_bytes([person(nth) for nth in range(1, 6)] + [person(1)])
    async with world.served():
        folder = put(world.config.spool, data, name="a.csv", count=6)
        first = await through(folder, "a.csv")
        folder = put(world.config.spool, data, name="b.csv", count=6)
        second = await through(folder, "b.csv")
    assert first == second
    assert len(await persons(world)) == 5
    assert len(await entries(world)) == 1


@pytest.mark.parametrize("channel", ["addressees", "person-changes"])
async def test_a_header_without_a_column_is_refused_with_its_name(world, channel):
    await world.register(scopes=("addressees:register", "persons:change"))
    columns = {"addressees": ADDRESSEE_COLUMNS, "person-changes": CHANGE_COLUMNS}[channel]
    data = ",".join(name if name != "sex" else "gender" for name in columns).encode() + b"\n"
    async with world.served():
        folder = put(world.config.spool, data, name="a.csv", count=0, channel=channel)
        with pytest.raises(AssertionError, match="header_unknown"):
            await through(folder, "a.csv")
    assert json.loads((folder / "failed" / "a.csv.reason.json").read_text())["where"] == "sex"


async def test_a_file_that_was_declared_wrongly_comes_again_with_the_same_bytes_and_is_read_anew(world):
    data = csv_bytes([person(1), person(2)], "cp932")
    results = []
    async with world.served():
        for name, encoding in (("a.csv", "utf-8"), ("b.csv", "cp932"), ("c.csv", "CP932")):
            folder = put(world.config.spool, data, name=name, count=2, encoding=encoding)
            results.append([line.split(",")[1:3] for line in (await through(folder, name)).splitlines()[1:]])
    assert results == [[["rejected", "character_not_in_encoding"]] * 2, [["issued", ""]] * 2, [["issued", ""]] * 2]
    assert len(await persons(world)) == 2


async def test_rows_that_are_registered_already_are_unchanged_and_a_changed_number_is_held(world):
    async with world.served():
        await load(world.config.spool, [person(1), person(2), person(3)])
        changed = [
            person(1),
            person(2, individual_number=individual_number(9)),
            person(3, address="東京都世田谷区架空別番地"),
        ]
        results = await load(world.config.spool, changed, name="later.csv")
    assert [result[1:] for result in results] == [
        ["unchanged", ""],
        ["held", "individual_number_differs"],
        ["held", "four_items_differ"],
    ]


async def test_without_an_individual_number_a_person_gets_a_number_but_no_link(world):
    async with world.served():
        results = await load(world.config.spool, [person(1), person(2, individual_number="", **four_items(1))])
    assert [result[1] for result in results] == ["issued", "issued"]
    assert sum(row["individual_number_index"] is None for row in await persons(world)) == 1


async def test_the_integrated_number_is_shown_only_to_a_system_that_may_learn_it(world):
    await world.register("zeimu", system="zeimu", scopes=("addressees:register", "integrated-numbers:read"))
    async with world.served():
        hidden = await load(world.config.spool, [person(1)])
        shown = await load(world.config.spool, [person(2, system="zeimu")], system="zeimu")
    assert len(hidden[0]) == 3
    assert has_check_digit(shown[0][3])


async def test_a_system_that_may_not_use_individual_numbers_brings_none_in(world):
    await world.register("bunka", system="bunka", may_use_individual_number=False)
    async with world.served():
        rows = [person(1, system="bunka"), person(2, system="bunka", individual_number="")]
        results = await load(world.config.spool, rows, system="bunka")
    assert [result[1:] for result in results] == [["rejected", "individual_number_not_allowed"], ["issued", ""]]


async def test_the_four_items_are_compared_with_the_resident_network(world):
    world.neighbours.people = {individual_number(1): four_items(1), individual_number(2): four_items(2, name="別人")}
    async with world.served(compare_with_resident_network=True):
        results = await load(world.config.spool, [person(1), person(2), person(3)])
    assert [result[1:] for result in results] == [
        ["issued", ""],
        ["held", "four_items_differ"],
        ["rejected", "not_in_resident_network"],
    ]
    assert ("four-items", 3) in world.neighbours.lists


async def test_a_file_waits_while_the_resident_network_is_away(world):
    world.neighbours.people = {individual_number(1): four_items(1)}
    world.neighbours.away = {"four-items"}
    async with world.served(compare_with_resident_network=True):
        folder = put(world.config.spool, csv_bytes([person(1)]), name="a.csv", count=1)
        while not (folder / "work" / "a.csv").exists():
            await asyncio.sleep(0.02)
        world.neighbours.away = set()
        result = await through(folder, "a.csv")
    assert result.splitlines()[1] == "2,issued,,,"


async def test_registration_by_api_is_the_same_flow_and_repeats_its_answer(world):
    async with world.served() as caller:
        token = await caller.token()
        body = {"items": [item(1), item(2, name="")]}
        first = await caller.post("/v1/addressees", body, token=token, key="r1")
        second = await caller.post("/v1/addressees", body, token=token, key="r1")
        other = await caller.post("/v1/addressees", {"items": [item(3)]}, token=token, key="r1")
    assert first.body == {
        "items": [
            {"outcome": "issued", "reason": None},
            {"outcome": "rejected", "reason": "field_missing", "where": "name"},
        ]
    }
    assert second.body == first.body
    assert (other.status, other.body["reason"]) == (409, "idempotency_key_reused")
    assert len(await persons(world)) == 1


async def test_nothing_personal_is_readable_in_the_database(world):
    async with world.served():
        await load(world.config.spool, [person(1), person(2, individual_number=individual_number(1))])
    tables = ("person", "addressee", "review_hold", "intake", "intake_result", "log_entry")
    stored = [str(dict(row)) for table in tables for row in await world.rows(f"select * from {table}")]
    assert stored
    assert not [row for row in stored if individual_number(1) in row or "模擬" in row or "架空" in row]


async def test_one_line_with_a_stray_quotation_mark_spoils_itself_alone(world):
    lines = csv_bytes([person(1), person(2), person(3)]).split(b"\n")
    lines[2] = lines[2].replace("模擬".encode(), '"模擬'.encode())
    async with world.served():
        folder = put(world.config.spool, b"\n".join(lines), name="a.csv", count=3)
        result = await through(folder, "a.csv")
    assert result.splitlines()[1:] == ["2,issued,,,", "3,rejected,quotation_broken,column 32,", "4,issued,,,"]


async def test_the_folds_by_which_a_row_is_somebody_are_told_with_it_and_counted(world):
    await world.register("zeimu", system="zeimu")
    written = [
        person(1, name="髙橋　一郎", kana="タカハシ　イチロー"),
        person(2, name="模擬　次郎"),
        person(3, name="模擬　三郎"),
    ]
    again = [
        person(1, system="zeimu", name="高橋 一郎", kana="ﾀｶﾊｼ ｲﾁﾛｳ"),
        person(2, system="zeimu", name="模擬次郎"),
        person(3, system="zeimu", name="模擬　三郎"),
    ]
    async with world.served() as caller:
        await load(world.config.spool, written)
        folder = put(world.config.spool, csv_bytes(again), name="z.csv", count=3, system="zeimu")
        first = (await through(folder, "z.csv")).splitlines()
        by_call = await caller.post(
            "/v1/addressees",
            {"items": [item(2, name="模擬次郎")]},
            token=await caller.token("zeimu"),
            key="k",
        )
    folds = "name:spaces name:variant_forms kana:half_width_kana kana:spaces kana:long_vowels"
    assert first == [
        "line,outcome,reason,where,folds",
        f"2,linked,,,{folds}",
        "3,linked,,,name:spaces",
        "4,linked,,,",
    ]
    assert by_call.body["items"] == [{"outcome": "unchanged", "reason": None, "folds": "name:spaces"}]
    facts = (await entries(world))[1]["facts"]
    counted = {name: count for name, count in facts.items() if name.startswith("fold:")}
    assert counted == {f"fold:{one}": 1 for one in folds.split()} | {"fold:name:spaces": 2}


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
async def test_the_encoding_is_the_one_that_the_manifest_declares(world, encoding):
    data = csv_bytes([person(1)], encoding)
    async with world.served():
        folder = put(world.config.spool, data, name="a.csv", count=1, encoding=encoding)
        result = await through(folder, "a.csv")
    assert result.splitlines()[1] == "2,issued,,,"


async def test_a_line_that_the_encoding_does_not_carry_is_refused_not_replaced(world):
    data = csv_bytes([person(1)]) + csv_bytes([person(2)]).split(b"\n")[1].replace("架".encode(), b"\xff") + b"\n"
    async with world.served():
        folder = put(world.config.spool, data, name="a.csv", count=2)
        result = await through(folder, "a.csv")
    assert result.splitlines()[1:] == ["2,issued,,,", "3,rejected,character_not_in_encoding,column 61,"]


async def test_two_loads_at_once_issue_one_number_per_person(world):
    await world.register("zeimu", system="zeimu")
    async with world.served() as caller:
        token = await caller.token()
        folder = put(world.config.spool, csv_bytes([person(nth) for nth in range(1, 201)]), name="a.csv", count=200)
        for nth in range(1, 201, 20):
            await caller.post(
                "/v1/addressees", {"items": [item(nth, addressee_number=str(90000 + nth))]}, token=token, key=f"k{nth}"
            )
        await through(folder, "a.csv")
    assert len(await persons(world)) == 200


async def test_whatever_lies_in_the_spool_the_server_starts_and_takes_the_next_file(world):
    await world.register("zeimu", system="zeimu")
    spool = world.config.spool / "setagaya"
    shutil.rmtree(spool / "zeimu")
    (spool / "zeimu").write_bytes(b"no folder")
    (spool / "kokuho" / "addressees" / "work" / "stray").mkdir()
    data = csv_bytes([person(2)])
    folder = put(world.config.spool, data, name="\udc96\udcbc.csv", count=1)
    put(world.config.spool, data, name=f"{individual_number(3)}.csv", count=1)
    async with world.served() as caller:
        results = await load(world.config.spool, [person(1)], name="zz.csv")
        assert await caller.token()
    assert results == [["2", "issued", ""]]
    assert len(await persons(world)) == 1
    assert len(list((folder / "failed").glob("refused-*.reason.json"))) == 2
    assert not [path for path in folder.rglob("*") if individual_number(3) in str(path)]
