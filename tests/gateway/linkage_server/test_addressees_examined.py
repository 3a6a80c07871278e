"""What is judged over a whole load: its rate, numbers on two people, migrated numbers, forms of files (LS-1.1, LS-1.3, SC-18)."""

from __future__ import annotations

import asyncio
import csv
import io
import json

import pytest

from codebook.issuing import issue_many
from gateway.batch.text_forms import TextRefused
from gateway.linkage_server.file_layouts import FileLayoutsError, parse_file_layouts, read_file_layouts
from gateway.linkage_server.personal_keys import PersonalKeys
from tests.support.resident_files import (
    COLUMNS,
    csv_bytes,
    four_items,
    individual_number,
    item,
    load,
    person,
    put,
    through,
)

MIGRATES = ("addressees:register", "integrated-numbers:read", "integrated-numbers:migrate")
LIMITS = {"setagaya": {"mismatch_rate": 0.02, "mismatch_floor": 5}}


async def counts(world):
    [row] = await world.rows(
        "select (select count(*) from person) as people, (select count(*) from addressee) as addressees, (select count(*) from review_hold) as holds"
    )
    return dict(row)


def shifted(count: int) -> list[dict[str, str]]:
    """Everybody's number one row too low: each row is well formed, and every one is wrong (Miyazaki 2022)."""
    return [person(nth, individual_number=individual_number(nth % count + 1)) for nth in range(1, count + 1)]


async def test_a_load_with_every_number_one_row_too_low_stops_before_it_commits_anything(world):
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 201)}
    data = csv_bytes(shifted(200))
    async with world.served(compare_with_resident_network=True, load_limits=LIMITS):
        folder = put(world.config.spool, data, name="a.csv", count=200)
        with pytest.raises(AssertionError, match="mismatch_rate_over_limit"):
            await through(folder, "a.csv")
    assert await counts(world) == {"people": 0, "addressees": 0, "holds": 0}
    said = json.loads((folder / "failed" / "a.csv.reason.json").read_text())
    assert said["facts"] == {"rows": 200, "mismatches": 200, "four_items_differ": 200}
    refused = await world.rows("select body from log_entry where kind = 'access.refused'")
    assert json.loads(refused[0]["body"])["reason"] == "mismatch_rate_over_limit"
    assert await world.rows("select 1 from intake") == []  # no job that runs for ever


async def test_the_same_file_goes_through_once_the_limit_allows_it(world):
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 21)}
    data = csv_bytes(shifted(20))
    async with world.served(compare_with_resident_network=True, load_limits=LIMITS):
        folder = put(world.config.spool, data, name="a.csv", count=20)
        with pytest.raises(AssertionError, match="mismatch_rate_over_limit"):
            await through(folder, "a.csv")
    async with world.served(compare_with_resident_network=True):
        folder = put(world.config.spool, data, name="b.csv", count=20)
        assert "held,four_items_differ" in await through(folder, "b.csv")
    assert await counts(world) == {"people": 0, "addressees": 0, "holds": 20}


async def test_a_few_disagreements_do_not_stop_a_load(world):
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 101)}
    rows = [person(nth) for nth in range(1, 101)]
    rows[3] |= {"name": "模擬　別人"}
    async with world.served(compare_with_resident_network=True, load_limits=LIMITS):
        results = await load(world.config.spool, rows)
    assert [result[1] for result in results].count("issued") == 99


async def test_a_load_is_judged_against_what_is_held_before_it_commits(world):
    await world.register("zeimu", system="zeimu")
    others = [
        person(nth, system="zeimu", individual_number=individual_number(nth % 40 + 1), addressee_number=f"{nth}")
        for nth in range(1, 41)
    ]
    async with world.served(load_limits=LIMITS):
        await load(world.config.spool, [person(nth) for nth in range(1, 41)])
        with pytest.raises(AssertionError, match="mismatch_rate_over_limit"):
            await load(world.config.spool, others, system="zeimu")
    assert await counts(world) == {"people": 40, "addressees": 40, "holds": 0}


async def test_one_number_on_two_people_of_a_file_is_nobodys_until_somebody_looks(world):
    child = person(2, individual_number=individual_number(1), address=person(1)["address"], birth_date="2020-05-05")
    rows = [child, *[person(nth) for nth in range(3, 4_500)], person(1)]
    async with world.served():
        results = await load(world.config.spool, rows)
    assert (results[0][1:], results[-1][1:]) == (["held", "number_on_two_people"], ["held", "number_on_two_people"])
    assert {result[1] for result in results[1:-1]} == {"issued"}


async def test_the_resident_network_says_which_of_two_people_has_the_number(world):
    world.neighbours.people = {individual_number(1): four_items(1)}
    child = person(2, individual_number=individual_number(1), address=person(1)["address"], birth_date="2020-05-05")
    async with world.served(compare_with_resident_network=True):
        results = await load(world.config.spool, [child, person(1)])
    assert [result[1:] for result in results] == [["held", "number_of_a_household_member"], ["issued", ""]]


async def test_a_parents_number_on_a_childs_form_is_held(world):
    child = item(2, individual_number=individual_number(1), address=person(1)["address"], birth_date="2020-05-05")
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        answer = await caller.post("/v1/addressees", {"items": [child]}, token=await caller.token(), key="k1")
    assert answer.body["items"] == [{"outcome": "held", "reason": "number_of_a_household_member"}]


async def test_a_lost_character_is_refused_in_a_call_too(world):
    items = [item(1, name="模擬〓号"), item(2, address="架空\ue000"), item(3, kana="モギ\n")]
    async with world.served() as caller:
        answer = await caller.post("/v1/addressees", {"items": items}, token=await caller.token(), key="k1")
    assert [(one["reason"], one["where"]) for one in answer.body["items"]] == [
        ("character_replaced", "name"),
        ("character_private_use", "address"),
        ("character_control", "kana"),
    ]


async def test_an_age_that_the_affair_does_not_have_is_held(world):
    limits = {"setagaya": {"ages": {"kokuho": [0, 74]}}}
    rows = [person(1), person(2, birth_date="1930-01-01"), person(3, birth_date="1930-01-01", individual_number="")]
    async with world.served(load_limits=limits):
        results = await load(world.config.spool, rows)
    assert [result[1:] for result in results] == [["issued", ""], ["held", "age_against_affair"], ["issued", ""]]


def with_numbers(rows: list[tuple[dict[str, str], str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "integrated_number"])
    writer.writerows([*row.values(), number] for row, number in rows)
    return text.getvalue().encode()


async def test_migrated_numbers_are_kept_and_never_given_to_another(world):
    await world.register(scopes=MIGRATES)
    ring = world.config.open_keys("setagaya").ring
    to_come = [f"{number:015d}" for number in issue_many(PersonalKeys(ring).issuing_key(), 0, 40)]
    migrated = [(person(nth), to_come[nth]) for nth in range(1, 11)] + [(person(11), "000000000000012")]
    async with world.served():
        folder = put(world.config.spool, with_numbers(migrated), name="old.csv", count=11)
        kept = [line.split(",") for line in (await through(folder, "old.csv")).splitlines()[1:]]
        results = await load(world.config.spool, [person(nth) for nth in range(12, 42)], name="new.csv")
        wrong = [
            (person(50), to_come[1]),
            (person(1), to_come[2]),
            (person(51, individual_number=individual_number(1), **four_items(1)), "111111111111111"),
            (person(52), "12345678901234"),
            (person(53), ""),
            (person(54, individual_number=individual_number(2), **four_items(2)), to_come[2]),
        ]
        folder = put(world.config.spool, with_numbers(wrong), name="wrong.csv", count=6)
        refused = [line.split(",")[1:3] for line in (await through(folder, "wrong.csv")).splitlines()[1:]]
    assert [one[1:4] for one in kept] == [["kept", "", number] for _, number in migrated]
    assert len({result[3] for result in results} | {number for _, number in migrated}) == 41
    assert refused == [
        ["held", "integrated_number_taken"],
        ["held", "integrated_number_differs"],
        ["held", "integrated_number_differs"],
        ["rejected", "field_malformed"],
        ["issued", ""],
        ["linked", ""],
    ]


async def test_a_file_with_integrated_numbers_needs_the_right_to_migrate(world):
    async with world.served():
        folder = put(world.config.spool, with_numbers([(person(1), "000000000000012")]), name="a.csv", count=1)
        with pytest.raises(AssertionError, match="scope_missing"):
            await through(folder, "a.csv")
    assert (await counts(world))["people"] == 0


def fixed(rows: list[dict[str, str]], encoding: str) -> bytes:
    layout = read_file_layouts()["addressees"]
    lines = [
        layout.join([row[field.name] for field in layout.fields], encoding, number=nth)
        for nth, row in enumerate(rows, start=1)
    ]
    assert not any(isinstance(line, TextRefused) for line in lines)
    return b"".join(lines)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
async def test_a_fixed_width_file_says_the_same_as_csv(world, encoding):
    rows = [person(nth, name="模擬　髙橋") for nth in range(1, 4)]
    data = fixed(rows, encoding)
    cut = data.splitlines(keepends=True)[0]
    data += cut[:-40] + b"\r\n" + cut[:-2] + b"  \r\n"
    async with world.served():
        folder = put(world.config.spool, data, name="a.dat", count=5, encoding=encoding, form="fixed_width")
        results = [line.split(",")[1:] for line in (await through(folder, "a.dat")).splitlines()[1:]]
        again = await load(world.config.spool, rows)
    assert [result[:2] for result in results] == [["issued", ""]] * 3 + [["rejected", "line_length"]] * 2
    assert [result[1] for result in again] == ["unchanged"] * 3


async def test_an_agencys_own_layout_is_used(world):
    fields = ", ".join(f"{{name: {name}, width: 30}}" for name in COLUMNS)
    own = f"addressees: {{unit: characters, separator: ',', fields: [{fields}]}}"
    (world.config.folder / "own.yaml").write_text(own)
    line = ",".join(f"{text:<30}" for text in person(1).values()) + "\n"
    async with world.served(file_layouts={"setagaya": "own.yaml"}):
        folder = put(world.config.spool, line.encode(), name="a.dat", count=1, form="fixed_width")
        assert (await through(folder, "a.dat")).splitlines()[1] == "1,issued,,,"


@pytest.mark.parametrize(
    "text",
    [
        "- 1",
        "addressees: 2026-13-01",
        "addressees: {unit: bytes, fields: []}",
        "sweets: {unit: bytes, fields: []}",
        "addressees: {unit: miles, fields: []}",
    ],
)
def test_a_layout_that_does_not_fit_its_channel_is_refused(text):
    with pytest.raises(FileLayoutsError):
        parse_file_layouts(text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"form": "table"}, "form_not_offered"),
        ({"as_of": "yesterday"}, "manifest_malformed"),
        ({"as_of": "2999-01-01"}, "as_of_in_the_future"),
    ],
)
async def test_a_manifest_that_says_something_else_is_refused(world, changes, reason):
    async with world.served():
        folder = put(world.config.spool, csv_bytes([person(1)]), name="a.csv", count=1, **changes)
        with pytest.raises(AssertionError, match=reason):
            await through(folder, "a.csv")


async def test_a_broken_connection_in_the_middle_does_not_begin_the_load_anew(world):
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 3_001)}
    async with world.served(compare_with_resident_network=True):
        world.neighbours.away = {"four-items"}
        folder = put(world.config.spool, csv_bytes([person(nth) for nth in range(1, 3_001)]), name="a.csv", count=3_000)
        while not (folder / "work" / "a.csv").exists():
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        world.neighbours.away = set()
        result = await through(folder, "a.csv")
    assert result.count("issued") == 3_000
    assert sum(count for function, count in world.neighbours.lists if function == "four-items") == 3_000
