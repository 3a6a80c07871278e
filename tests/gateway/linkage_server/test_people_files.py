"""Broken files of people and of changes end in clear refusals by line, field and reason, and lose no good row."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.clients import SystemRights
from gateway.linkage_server.addressees.rows import Malformed, Row, RowReader
from gateway.linkage_server.file_layouts import ADDRESSEE_COLUMNS, CHANGE_COLUMNS, read_file_layouts
from gateway.linkage_server.people.changes import BadChange, Change
from gateway.linkage_server.people.run import ChangeFile
from gateway.linkage_server.people.state import Says
from tests.support.change_files import change, changes_csv, day, registering, send, with_juki
from tests.support.resident_files import csv_bytes, four_items, individual_number, person, put, through

NASTY = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"",
            b",,,,,,,,",
            b'"' * 9,
            b"\xff",
            b"\xed\xa0\x80",
            b"\xef\xbb\xbf",
            b"\x00" * 40,
            "架空".encode("cp932"),
            "\ue000".encode(),
            csv_bytes([person(8)]).split(b"\n")[1][:-9],
            csv_bytes([person(8)]).split(b"\n")[1] + b",more",
            csv_bytes([person(8)], "cp932").split(b"\n")[1],
        ]
    ),
).map(lambda line: line.replace(b"\n", b"") + b"\n")
ENCODINGS = st.sampled_from(["utf-8", "cp932"])
TODAY = date(2026, 4, 1)
RIGHTS = SystemRights(system="juki", scopes=frozenset(), may_use_individual_number=True)


@given(bad=st.lists(NASTY, min_size=1, max_size=5), at=st.integers(0, 3), ending=st.sampled_from([b"\n", b"\r\n"]))
@settings(max_examples=200)
def test_bad_rows_of_a_file_of_people_spoil_themselves_alone(bad, at, ending):
    good = [line + ending for line in csv_bytes([person(1), person(2), person(3)]).split(b"\n")[1:4]]
    reader = RowReader(
        ADDRESSEE_COLUMNS,
        None,
        encoding="utf-8",
        system="kokuho",
        may_use_individual_number=True,
        needs_kana=True,
        today=TODAY.isoformat(),
    )
    rows = reader.read(2, [*good[:at], *bad, *good[at:]])
    assert [row.line for row in rows] == list(range(2, 5 + len(bad)))
    assert [row.addressee_number for row in rows if isinstance(row, Row)] == ["0000000001", "0000000002", "0000000003"]
    assert sum(isinstance(row, Malformed) for row in rows) == len(bad)


@given(lines=st.lists(NASTY, max_size=6), encoding=ENCODINGS)
@settings(max_examples=200)
def test_no_bytes_break_the_reading_of_a_fixed_width_file(lines, encoding):
    layout = read_file_layouts()["addressees"]
    reader = RowReader.of_layout(
        layout,
        encoding=encoding,
        system="kokuho",
        may_use_individual_number=True,
        needs_kana=True,
        today=TODAY.isoformat(),
    )
    assert all(isinstance(row, Malformed) for row in reader.read(1, lines))


def filled(channel, values, encoding):
    """A line in our layout whose texts are filled with full-width spaces, as far as their width is even."""
    layout = read_file_layouts()[channel]
    wide = {"name", "kana", "address", "resident_kind"}
    parts = []
    for one in layout.fields:
        text = values[one.name].encode(encoding)
        space = "　".encode(encoding) if one.name in wide else b" "
        parts.append((text + space * ((one.width - len(text)) // len(space))).ljust(one.width))
    return b"".join(parts) + b"\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_texts_of_our_layouts_may_be_filled_with_full_width_spaces(encoding):
    one = person(1, name="模擬　一号", kana="", address="　架空　1　番地")
    reader = RowReader.of_layout(
        read_file_layouts()["addressees"],
        encoding=encoding,
        system="kokuho",
        may_use_individual_number=True,
        needs_kana=True,
        today=TODAY.isoformat(),
    )
    [row] = reader.read(1, [filled("addressees", one, encoding)])
    assert isinstance(row, Row)
    assert (row.name, row.kana, row.address, row.resident_kind) == (one["name"], "", one["address"], "住民")
    file = ChangeFile(
        path=Path(),
        names=CHANGE_COLUMNS,
        layout=read_file_layouts()["person-changes"],
        encoding=encoding,
        rights=RIGHTS,
        count=0,
        not_needed=frozenset(),
        today=TODAY,
    )
    changes = [change("a", 1, "death", "2026-04-01"), change("b", 1, "name_change", "2026-04-01", name="模擬　改名")]
    read = file.read(1, [filled("person-changes", each, encoding) for each in changes])
    assert [each.says if isinstance(each, Change) else each for each in read] == [Says(), Says(name="模擬　改名")]


@given(bad=st.lists(NASTY, min_size=1, max_size=5), encoding=ENCODINGS)
@settings(max_examples=200)
def test_bad_lines_of_a_file_of_changes_spoil_themselves_alone(bad, encoding, tmp_path_factory):
    file = ChangeFile(
        path=tmp_path_factory.getbasetemp(),
        names=CHANGE_COLUMNS,
        layout=None,
        encoding=encoding,
        rights=RIGHTS,
        count=0,
        not_needed=frozenset(),
        today=TODAY,
    )
    good = changes_csv([change("a", 1, "death", "2026-04-01")], encoding).split(b"\n")[1] + b"\n"
    read = file.read(2, [*bad, good])
    assert [isinstance(one, Change) for one in read] == [False] * len(bad) + [True]
    assert all(one.where or one.reason for one in read if isinstance(one, BadChange))


@given(
    fields=st.dictionaries(
        st.sampled_from(CHANGE_COLUMNS),
        st.one_of(st.text(max_size=20), st.sampled_from(["move_in", "death", "2026-04-01", "1", "juki", "2026-W01-1"])),
    )
)
@settings(max_examples=300)
def test_no_fields_break_the_check_of_a_change(fields):
    from gateway.linkage_server.people.changes import check

    found = check(1, fields, system="juki", may_use_individual_number=True, today=TODAY)
    assert isinstance(found, (Change, BadChange))
    if isinstance(found, BadChange):
        assert found.where in CHANGE_COLUMNS


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
async def test_a_file_with_every_kind_of_damage_keeps_its_good_rows(world, ending):
    await with_juki(world)
    header, *rows = csv_bytes([person(nth, system="juki") for nth in range(1, 5)]).split(b"\n")[:-1]
    bad = {
        b"x" * 1_000_000: "line_too_long",
        rows[0].replace("模擬".encode(), "模擬\ue000".encode()): "character_private_use",
        rows[0].replace("模擬".encode(), "模擬〓".encode()): "character_replaced",
        rows[0].replace("模擬".encode(), "模擬".encode("cp932")): "character_not_in_encoding",
        rows[0].replace("模擬".encode(), b"\xed\xa0\x80"): "character_not_in_encoding",
        rows[0].replace("模擬".encode(), "模擬\u2028".encode()): "character_control",
        rows[0] + b",x": "line_length",
        rows[0].replace("模擬".encode(), b'"a'): "quotation_broken",
        rows[0].replace(b"1980-01-31", b"2020-W01-1"): "field_malformed",
        rows[0].replace("模擬".encode(), "模".encode() * 400): "field_malformed",
        rows[0].replace("模擬".encode(), "ﾐｷ ﾕｲ".encode("cp932")): "field_malformed",
        rows[0][:20]: "line_length",
    }
    data = ending.join([b"\xef\xbb\xbf" + header, *rows[:2], *bad, *rows[2:]])
    async with world.served():
        folder = put(world.config.spool, data, name="a.csv", count=4 + len(bad), system="juki")
        results = [line.split(",")[1:] for line in (await through(folder, "a.csv")).splitlines()[1:]]
    assert [one[1] for one in results] == ["", "", *bad.values(), "", ""]
    assert [one[0] for one in results if not one[1]] == ["issued"] * 4
    assert all(one[3] for one in results if one[1])


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
async def test_a_file_of_changes_with_every_kind_of_damage_keeps_its_good_lines(world, ending):
    await with_juki(world)
    moves = [registering(f"e{nth}", nth, "move_in", "2026-04-01") for nth in range(1, 5)]
    header, *rows = changes_csv(moves, "utf-8").split(b"\n")[:-1]
    name = moves[0]["name"].encode()
    bad = {
        b"x" * 1_000_000: "line_too_long",
        rows[0].replace(name, "模擬\ue000".encode()): "character_private_use",
        rows[0].replace(name, "模擬〓".encode()): "character_replaced",
        rows[0].replace(name, "模擬".encode("cp932")): "character_not_in_encoding",
        rows[0].replace(name, b"\xed\xa0\x80"): "character_not_in_encoding",
        b"\xef\xbb\xbf" + rows[0]: "character_control",
        rows[0] + b",x": "line_length",
        rows[0].replace(name, b'"a'): "quotation_broken",
        rows[0].replace(name, "模".encode() * 400): "field_malformed",
        rows[0].replace(name, "ﾐｷ ﾕｲ".encode("cp932")): "field_malformed",
        rows[0].replace(moves[0]["kana"].encode(), "ﾅｵ".encode("cp932")): "field_malformed",
        rows[0][:20]: "line_length",
    }
    data = ending.join([b"\xef\xbb\xbf" + header, *rows[:2], *bad, *rows[2:]]) + ending
    async with world.served():
        folder = put(
            world.config.spool, data, name="c.csv", count=4 + len(bad), channel="person-changes", system="juki"
        )
        results = [line.split(",")[1:] for line in (await through(folder, "c.csv")).splitlines()[1:]]
    assert [one[1] for one in results] == ["", "", *bad.values(), "", ""]
    assert [one[0] for one in results if not one[1]] == ["issued"] * 4


async def test_a_truncated_file_is_refused_as_a_whole(world):
    data = csv_bytes([person(nth) for nth in range(1, 5)])
    async with world.served():
        for name, cut, changes in (
            ("a.csv", data[:-20], {"sha256": "0" * 64}),
            ("b.csv", data[:-20], {}),
            ("c.csv", data[:40], {}),
        ):
            folder = put(world.config.spool, cut, name=name, count=4 if name != "b.csv" else 5, **changes)
            with pytest.raises(AssertionError, match=r"sha256_differs|count_differs"):
                await through(folder, name)
        assert not await world.rows("select 1 from person")


async def test_the_folds_by_which_a_change_is_somebody_are_told_with_it_and_counted(world):
    def held(nth: int, **said: str) -> dict[str, str]:
        return four_items(nth, **said) | {"individual_number": individual_number(nth)}

    await with_juki(world)
    people = {
        1: {"name": "髙橋　一郎", "kana": "タカハシ　イチロー"},
        2: {"name": "模擬　次郎"},
        3: {"name": "模擬　三郎"},
        4: {"name": "模擬　四郎"},
    }
    data = csv_bytes([person(nth, system="juki", **said) for nth, said in people.items()])
    moves = [
        registering("a", 11, "move_in", day(0), **held(1, name="高橋 一郎", kana="ﾀｶﾊｼ ｲﾁﾛｳ")),
        registering("b", 2, "move_in", day(0), **held(2, name="模擬次郎", address="東京都世田谷区架空新")),
        registering("c", 13, "move_in", day(0), **held(3, name="模擬　三郎")),
        change("d", 4, "name_change", day(0), name="模擬四郎"),
    ]
    async with world.served() as caller:
        await through(put(world.config.spool, data, name="l.csv", count=4, system="juki", as_of=day(-10)), "l.csv")
        folder = put(
            world.config.spool, changes_csv(moves), name="c.csv", count=4, channel="person-changes", system="juki"
        )
        header, *lines = [line.split(",") for line in (await through(folder, "c.csv")).splitlines()]
        again = registering("e", 21, "move_in", day(0), **held(3, name="模擬三郎"))
        by_call = await send(caller, [again], key="k")
    folds = "name:spaces name:variant_forms kana:half_width_kana kana:spaces kana:long_vowels"
    assert header == ["line", "outcome", "reason", "integrated_number", "where", "folds"]
    assert [(one[1], one[5]) for one in lines] == [
        ("linked", folds),
        ("applied", "name:spaces"),
        ("linked", ""),
        ("applied", ""),
    ]
    (told,) = by_call.body["items"]
    assert (told["outcome"], told["folds"]) == ("linked", "name:spaces")
    rows = await world.rows("select body from log_entry where kind = 'addressees.loaded' order by idx")
    facts = json.loads(rows[1]["body"])["facts"]
    counted = {name: count for name, count in facts.items() if name.startswith("fold:")}
    assert counted == {f"fold:{one}": 1 for one in folds.split()} | {"fold:name:spaces": 2}
