from __future__ import annotations

import asyncio
import json

from storage.reference_data import read_layouts
from tests.support.resident_files import individual_number, load, person, put, through


def account_layout():
    return next(layout for layout in read_layouts() if layout.information.startswith("公的給付"))


def example(item):
    """A value in the form that the layout gives, whatever the layout is."""
    from codebook.item_values import ItemType

    forms = {
        ItemType.DIGITS: "1" * item.width,
        ItemType.DATE: "2026-04-01",
        ItemType.AMOUNT: "1",
        ItemType.TEXT: "模",
        ItemType.KANA: "ﾓ",
    }
    return min(item.codes) if item.codes else forms.get(item.type, "1" * item.width)


def record(nth, **changes):
    layout = account_layout()
    [name, *_] = layout.data_sets
    items = {item.name: {"value": example(item)} for item in layout.data_sets[name].items.values()}
    line = {
        "addressee_number": f"{nth:010d}",
        "record_id": f"r{nth}",
        "information": layout.information,
        "data_set": name,
        "version": layout.version,
        "items": items,
    }
    return line | {"public_from": "2026-04-01", "auto_response": "allowed"} | changes


def ndjson(records):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()


async def send(world, records, name="b.ndjson"):
    folder = put(world.config.spool, ndjson(records), name=name, count=len(records), channel="business-information")
    return [line.split(",") for line in (await through(folder, name)).splitlines()[1:]]


async def followed(world):
    """What became of the people so far has been looked at: no record is sent again on their account."""
    for _ in range(200):
        [at] = await world.rows(
            "select person_revision, (select max(revision) from person) as newest from business_cursor"
        )
        if at["person_revision"] == at["newest"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(at)


async def test_records_reach_the_intermediate_server_by_integrated_number(world):
    async with world.served():
        await load(world.config.spool, [person(1)])
        results = await send(world, [record(1, auto_response="barred")])
    [row] = await world.rows("select integrated_number from person")
    sent = world.neighbours.replicas["kokuho/r1"]
    assert results == [["1", "registered", "", ""]]
    assert sent["integrated_number"] == f"{row['integrated_number']:015d}"
    assert (sent["auto_response"], sent["public_from"]) == ("barred", "2026-04-01")
    assert "addressee_number" not in sent


async def test_only_listed_information_of_people_with_an_individual_number_goes_on(world):
    async with world.served():
        await load(world.config.spool, [person(1), person(2, individual_number="")])
        results = await send(
            world,
            [
                record(1),
                record(2),
                record(3),
                record(1, record_id="x", information="健康診断の結果"),
                record(1, record_id="y", items=record(1)["items"] | {"年収": {"value": "1"}}),
                record(1, record_id="z", system="zeimu"),
                record(1, record_id="w", data_set="年収"),
                {"nothing": 1},
            ],
        )
    assert [result[1:] for result in results] == [
        ["registered", "", ""],
        ["withheld", "no_individual_number", ""],
        ["rejected", "addressee_unknown", "addressee_number"],
        ["rejected", "information_not_listed", "information"],
        ["rejected", "unknown_item", "items"],
        ["rejected", "system_differs", "system"],
        ["rejected", "unknown_data_set", "data_set"],
        ["rejected", "record_malformed", ""],
    ]
    assert list(world.neighbours.replicas) == ["kokuho/r1"]
    assert [row["record_id"] for row in await world.rows("select record_id from original order by 1")] == [
        "kokuho/r1",
        "kokuho/r2",
    ]


async def test_a_replayed_file_sends_nothing_and_gives_the_same_result(world):
    async with world.served():
        await load(world.config.spool, [person(1)])
        await followed(world)
        first = await send(world, [record(1)])
        second = await send(world, [record(1)], name="again.ndjson")
    assert first == second
    assert [function for function, _ in world.neighbours.lists].count("replicas") == 1


async def test_a_file_waits_while_the_intermediate_server_is_away(world):
    world.neighbours.away = {"replicas"}
    async with world.served():
        await load(world.config.spool, [person(1)])
        put(world.config.spool, ndjson([record(1)]), name="b.ndjson", count=1, channel="business-information")
    world.neighbours.away = set()
    async with world.served():
        result = await through(world.config.spool / "setagaya" / "kokuho" / "business-information", "b.ndjson")
    assert result.splitlines()[1] == "1,registered,,"


async def test_a_record_id_is_short_and_holds_no_number_of_a_person(world):
    mark = individual_number(1)
    ids = [
        ("a" * 40, "registered", ""),
        ("a" * 41, "rejected", "record_id_too_long"),
        (mark, "rejected", "record_id_holds_individual_number"),
        (f"kokuho/r-{mark[:4]}-{mark[4:8]}-{mark[8:]}", "rejected", "record_id_holds_individual_number"),
        (f"a{mark}{'0' * 19}", "registered", ""),
    ]
    async with world.served():
        await load(world.config.spool, [person(1)])
        results = await send(world, [record(1, record_id=one) for one, _, _ in ids])
    assert [tuple(result[1:3]) for result in results] == [(outcome, reason) for _, outcome, reason in ids]
    assert max(len(one) for one in world.neighbours.replicas) <= 64
