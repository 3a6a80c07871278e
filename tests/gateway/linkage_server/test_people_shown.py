from __future__ import annotations

import pytest

from tests.support.change_files import (
    STATED,
    as_of,
    change,
    day,
    loaded,
    registering,
    send,
    take,
    with_juki,
)
from tests.support.resident_files import four_items, individual_number, put, through

DAY_S = 86_400


@pytest.fixture
async def ward(world):
    return await with_juki(world)


async def test_a_call_is_refused_without_right_affair_or_network(ward):
    async with ward.served() as caller:
        await loaded(ward)
        token = await caller.token("juki")
        stranger = await caller.post(
            "/v1/person-changes", STATED | {"items": [{"event_id": "a"}]}, token=await caller.token(), key="k0"
        )
        body = STATED | {"affair": "enquiries", "items": [{**change("a", 1, "correction", day(0)), "sex": "2"}]}
        body["items"] = [{name: text for name, text in body["items"][0].items() if text and name != "system"}]
        not_needed = await caller.post("/v1/person-changes", body, token=token, key="k1")
        unknown = await caller.post("/v1/person-changes", body | {"affair": "gossip"}, token=token, key="k2")
        odd = await caller.post("/v1/person-changes", STATED | {"items": [{"colour": "red"}]}, token=token, key="k3")
    ward.neighbours.away = {"four-items"}
    row = change("b", 1, "address_change", day(0), address="東京都世田谷区架空新")
    async with ward.served(compare_with_resident_network=True) as caller:
        away = await send(caller, [row], key="k4")
        ward.neighbours.people = {individual_number(1): four_items(1, address="東京都世田谷区架空新")}
        ward.neighbours.away = set()
        back = await send(caller, [row], key="k4")
        shown = await as_of(caller, 1, day())
    assert (stranger.status, stranger.body["reason"]) == (403, "scope_missing")
    assert not_needed.body["items"] == [{"outcome": "rejected", "reason": "item_not_needed", "where": "sex"}]
    assert (unknown.status, unknown.body["reason"]) == (403, "affair_unknown")
    assert odd.body["items"] == [{"outcome": "rejected", "reason": "field_malformed"}]
    assert (away.status, away.body["reason"]) == (503, "resident_network_unavailable")
    assert [one["outcome"] for one in back.body["items"]] == ["applied"]
    assert shown["address"] == "東京都世田谷区架空新"


async def test_the_history_shows_every_change_and_what_became_of_it(ward):
    async with ward.served() as caller:
        await loaded(ward)
        await take(
            ward,
            [
                change("a", 1, "address_change", day(-2), address="東京都世田谷区架空新"),
                change("b", 1, "cancellation", day(-1), cancels="a"),
                change("c", 1, "move_out", day(5)),
            ],
            name="1.csv",
        )
        body = STATED | {"addressee_number": "0000000001"}
        answer = await caller.post("/v1/persons/history", body, token=await caller.token("juki"))
        narrow = await caller.post(
            "/v1/persons/history", body | {"affair": "enquiries"}, token=await caller.token("juki")
        )
        stranger = await caller.post(
            "/v1/persons/history",
            body | {"addressee_number": "77"},
            token=await caller.token("juki"),
        )
    assert [(one["kind"], one["status"]) for one in answer.body["events"]] == [
        ("address_change", "taken_back"),
        ("cancellation", "applied"),
        ("move_out", "waiting"),
    ]
    assert answer.body["first"]["individual_number"] == individual_number(1)
    assert "individual_number" not in narrow.body["first"]
    assert "sex" not in narrow.body["first"]
    assert stranger.body == {"known": False}
    seen = await ward.rows("select body from log_entry where kind = 'persons.seen'")
    assert len(seen) == 3


async def test_nothing_of_a_change_is_readable_in_the_database(ward):
    async with ward.served():
        await loaded(ward)
        await take(
            ward,
            [
                change(f"juki-{individual_number(1)}", 1, "address_change", day(-1), address="東京都世田谷区架空秘密"),
                change("w", 2, "address_change", day(3), address="東京都世田谷区架空秘密"),
                registering("x", 3, "birth", day(0)),
                change("y", 1, "individual_number_change", day(-1), individual_number=individual_number(60)),
            ],
            name="1.csv",
        )
    tables = (
        "person_event",
        "person_base",
        "former_individual_number",
        "waiting_change",
        "review_hold",
        "intake",
        "intake_result",
        "log_entry",
    )
    for table in tables:
        stored = [str(dict(row)) for row in await ward.rows(f"select * from {table}")]
        assert stored, table
        assert not [row for row in stored if individual_number(1) in row or "架空" in row or "模擬" in row]


async def test_fixed_width_in_cp932_says_the_same_as_csv(ward):
    from gateway.batch.text_forms import TextRefused
    from gateway.linkage_server.file_layouts import read_file_layouts

    layout = read_file_layouts()["person-changes"]
    rows = [
        change("a", 1, "address_change", day(-1), address="東京都世田谷区架空９－９"),
        change("b", 2, "name_change", day(-1), name="模擬　髙橋"),
        change("c", 3, "death", day(-1)),
    ]
    lines = [
        layout.join([row[field.name] for field in layout.fields], "cp932", number=nth)
        for nth, row in enumerate(rows, start=1)
    ]
    assert not any(isinstance(line, TextRefused) for line in lines)
    data = b"".join(lines) + lines[0][:-30] + b"\r\n" + lines[0].replace("架".encode("cp932"), b"\xf0\x40")
    async with ward.served() as caller:
        await loaded(ward)
        folder = put(
            ward.config.spool,
            data,
            name="a.dat",
            count=5,
            channel="person-changes",
            system="juki",
            encoding="cp932",
            form="fixed_width",
        )
        results = [line.split(",") for line in (await through(folder, "a.dat")).splitlines()[1:]]
        assert (await as_of(caller, 1, day()))["address"] == "東京都世田谷区架空９－９"
        assert (await as_of(caller, 2, day()))["name"] == "模擬　髙橋"
    assert [result[1:3] for result in results] == [
        ["applied", ""],
        ["applied", ""],
        ["applied", ""],
        ["rejected", "line_length"],
        ["rejected", "character_private_use"],
    ]
    assert results[4][4].startswith("column ")
