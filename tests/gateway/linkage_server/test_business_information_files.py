"""Broken files of business information end in clear refusals by line, and lose no good record (LS-2.2)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch.text_forms import TOO_LONG
from gateway.linkage_server.business_information.records import Record, read
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
    assert read(line, encoding) is None or isinstance(read(line, encoding), Record)


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
        GOOD.decode().encode("cp932"): "record_malformed",
        b"x" * 1_000_000: "record_malformed",
        with_value(1, '"' + "1" * 1_000_000 + '"'): "record_malformed",
        with_value(2, '"' + "1" * 1_000 + '"'): "value_not_in_form",
        with_value(3, '"\ue000"'): "value_not_in_form",
        with_value(4, '"\\ud800"'): "record_malformed",
        with_value(5, '"\ud800"'): "record_malformed",
        with_value(6, '"\\u0000"'): "value_not_in_form",
        b"\xef\xbb\xbf" + good[0]: "record_malformed",
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


async def test_a_file_in_the_encoding_that_it_declares_is_taken(world):
    data = b"\r\n".join([json.dumps(record(1), ensure_ascii=False).encode("cp932"), GOOD, b""])
    async with world.served():
        await load(world.config.spool, [person(1)])
        folder = put(
            world.config.spool, data, name="b.ndjson", count=2, channel="business-information", encoding="cp932"
        )
        results = [line.split(",") for line in (await through(folder, "b.ndjson")).splitlines()[1:]]
    assert [one[2] for one in results] == ["", "record_malformed"]


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
