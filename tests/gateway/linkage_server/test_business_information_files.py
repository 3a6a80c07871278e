"""Broken files of business information end in clear refusals by line, and lose no good record (LS-2.2)."""

from __future__ import annotations

import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch.text_forms import TOO_LONG
from gateway.linkage_server.business_information.records import Record, Refused, read
from tests.gateway.linkage_server.test_business_information import account_layout, record
from tests.support.resident_files import load, person, put, through

GOOD = json.dumps(record(1), ensure_ascii=False).encode()
NASTY = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(0, len(GOOD) - 1).map(lambda cut: GOOD[:cut]),
    st.sampled_from([b"[" * 200_000, b'{"a":' * 100_000, b"null", b"[]", b'"x"', GOOD + GOOD, b"\xff\xfe", TOO_LONG]),
)


@given(line=NASTY, encoding=st.sampled_from(["utf-8", "cp932"]))
@settings(max_examples=300)
def test_no_bytes_break_the_reading_of_a_line(line, encoding):
    assert isinstance(read(line, encoding, number=1), Record | Refused)


def with_value(nth, value):
    """The record with one text value replaced; `value` is JSON text."""
    [data_set, *_] = account_layout().data_sets
    line = record(nth)
    assert line["data_set"] == data_set
    text = json.dumps(line | {"record_id": f"bad{nth}"}, ensure_ascii=False)
    return text.replace(json.dumps(line["items"]["口座番号"]["value"]), value, 1).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
async def test_a_file_with_every_kind_of_damage_keeps_its_good_records(world, ending):
    good = [json.dumps(record(nth), ensure_ascii=False).encode() for nth in (1, 2, 3)]
    bad = {
        GOOD[: len(GOOD) // 2]: "record_malformed",
        GOOD.decode().encode("cp932"): "character_not_in_encoding",
        b"x" * 1_000_000: "line_too_long",
        with_value(1, '"' + "1" * 1_000_000 + '"'): "line_too_long",
        with_value(2, '"' + "1" * 1_000 + '"'): "value_not_in_form",
        with_value(3, '"\ue000"'): "value_not_in_form",
        with_value(4, '"\\ud800"'): "record_malformed",
        with_value(5, '"\ud800"'): "character_not_in_encoding",
        with_value(6, '"\\u0000"'): "value_not_in_form",
        b"\xef\xbb\xbf" + good[0]: "character_control",
        b"": "record_malformed",
    }
    data = ending.join([b"\xef\xbb\xbf" + good[0], *bad, *good[1:]]) + ending
    async with world.served():
        await load(world.config.spool, [person(nth) for nth in range(1, 7)])
        folder = put(world.config.spool, data, name="b.ndjson", count=3 + len(bad), channel="business-information")
        results = [line.split(",") for line in (await through(folder, "b.ndjson")).splitlines()[1:]]
    assert [one[2] for one in results] == ["", *bad.values(), "", ""]
    assert [one[1] for one in results if not one[2]] == ["registered"] * 3
    assert set(world.neighbours.replicas) == {"kokuho/r1", "kokuho/r2", "kokuho/r3"}


@pytest.mark.parametrize(
    ("line", "reason", "item"),
    [
        (record(1) | {"addressee_number": "12A"}, "field_malformed", "addressee_number"),
        (record(1) | {"public_from": "2026-13-01"}, "field_malformed", "public_from"),
        (record(1) | {"items": {"口座番号": 1}}, "field_malformed", "items"),
        ({name: text for name, text in record(1).items() if name != "record_id"}, "field_missing", "record_id"),
        (record(1) | {"unforeseen": 1}, "record_malformed", None),
        ([], "record_malformed", None),
    ],
)
def test_a_line_that_is_no_record_is_refused_by_its_field(line, reason, item):
    assert read(json.dumps(line).encode(), "utf-8", number=1) == Refused(reason, item)


def test_a_line_in_another_encoding_is_refused_by_its_place():
    line = GOOD.decode().encode("cp932")
    assert read(line, "utf-8", number=7) == Refused("character_not_in_encoding", f"column {_first_beyond_ascii(line)}")


def test_utf_8_that_cp932_can_read_is_refused_before_a_field_is_looked_at():
    line = json.dumps({"record_id": "世田谷区"}, ensure_ascii=False).encode()
    assert line.decode("cp932"), "other characters, and JSON still"
    place = Refused("character_not_in_encoding", f"column {_first_beyond_ascii(line)}")
    assert read(line, "cp932", number=7) == place


def test_a_character_of_the_senders_own_fonts_is_refused_in_cp932_by_its_place():
    line = json.dumps(record(1) | {"record_id": "r-\ue000"}, ensure_ascii=False)
    place = Refused("character_private_use", f"column {line.index(chr(0xE000)) + 1}")
    assert read(line.encode("cp932"), "cp932", number=7) == place


def _first_beyond_ascii(line: bytes) -> int:
    return next(at for at, one in enumerate(line, start=1) if one >= 0x80)


async def test_a_file_in_the_encoding_that_it_declares_is_taken(world):
    data = b"\r\n".join([json.dumps(record(1), ensure_ascii=False).encode("cp932"), GOOD, b""])
    async with world.served():
        await load(world.config.spool, [person(1)])
        folder = put(
            world.config.spool, data, name="b.ndjson", count=2, channel="business-information", encoding="cp932"
        )
        results = [line.split(",") for line in (await through(folder, "b.ndjson")).splitlines()[1:]]
    assert [one[2] for one in results] == ["", "character_not_in_encoding"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
async def test_the_byte_order_mark_of_utf_8_is_passed_over_in_utf_8_alone(world, encoding):
    data = codecs.BOM_UTF8 + json.dumps(record(1), ensure_ascii=False).encode(encoding) + b"\n"
    async with world.served():
        await load(world.config.spool, [person(1)])
        folder = put(
            world.config.spool, data, name="b.ndjson", count=1, channel="business-information", encoding=encoding
        )
        [line] = (await through(folder, "b.ndjson")).splitlines()[1:]
    refused = ["character_not_in_encoding", "column 1"]
    assert line.split(",")[2:4] == (["", ""] if encoding == "utf-8" else refused)


async def test_a_truncated_file_is_refused_as_a_whole(world):
    data = b"\n".join([GOOD, GOOD])
    async with world.served():
        folder = put(
            world.config.spool, data[:-20], name="b.ndjson", count=2, channel="business-information", sha256="0" * 64
        )
        with pytest.raises(AssertionError, match="sha256_differs"):
            await through(folder, "b.ndjson")
        folder = put(world.config.spool, data[:50], name="c.ndjson", count=2, channel="business-information")
        with pytest.raises(AssertionError, match="count_differs"):
            await through(folder, "c.ndjson")
    assert not await world.rows("select 1 from original")
