from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch.text_forms import (
    TOO_LONG,
    Fill,
    Fixed,
    FixedLayout,
    TextReason,
    TextRefused,
    Unit,
    decode_line,
    decode_lines,
    encode_line,
    split_csv,
)

ENCODINGS = ("utf-8", "cp932")
PLAIN = st.text(
    st.characters(codec="cp932", exclude_categories=("Cc", "Cs", "Co"), exclude_characters="〓\ufeff¢£¬‖−〜")
)
LAYOUT = FixedLayout(
    fields=(
        Fixed(name="number", width=15, fill=Fill.ZERO_LEFT),
        Fixed(name="name", width=20),
        Fixed(name="count", width=6, fill=Fill.SPACE_LEFT),
    ),
    unit=Unit.BYTES,
)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=PLAIN)
def test_what_is_written_is_read_again(encoding, text):
    encoded = encode_line(text, encoding, number=1)
    assert isinstance(encoded, bytes)
    assert decode_line(encoded, encoding, number=2) == text
    assert decode_line(encoded.replace(b"\r\n", b"\n"), encoding, number=2) == text


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(lines=st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=8))
def test_many_lines_are_read_as_each_of_them_alone(encoding, lines):
    one_by_one = [decode_line(line, encoding, number=nth) for nth, line in enumerate(lines, start=2)]
    assert decode_lines(lines, encoding, first=2) == one_by_one
    assert all(
        isinstance(one, str) or (one.line == nth and one.column >= 1) for nth, one in enumerate(one_by_one, start=2)
    )


@given(good=st.lists(PLAIN, min_size=1, max_size=6), bad=st.binary(min_size=1, max_size=20), at=st.integers(0, 6))
def test_one_bad_line_loses_no_good_one(good, bad, at):
    lines = [text.encode() + b"\r\n" for text in good]
    lines.insert(min(at, len(lines)), bad.replace(b"\n", b"") + b"\xff\n")
    read = decode_lines(lines, "utf-8", first=2)
    assert [one for one in read if isinstance(one, str)] == good
    assert sum(isinstance(one, TextRefused) for one in read) == 1


@pytest.mark.parametrize(
    ("line", "encoding", "column", "reason"),
    [
        ("架空\ue000".encode(), "utf-8", 3, TextReason.PRIVATE_USE),
        (b"ab\xf0\x40", "cp932", 3, TextReason.PRIVATE_USE),
        ("架〓".encode("cp932"), "cp932", 2, TextReason.REPLACED),
        ("架\ufffd".encode(), "utf-8", 2, TextReason.REPLACED),
        (b"a\xed\xa0\x80b", "utf-8", 2, TextReason.NOT_IN_ENCODING),
        ("架空".encode("cp932"), "utf-8", 1, TextReason.NOT_IN_ENCODING),
        ("架空".encode("cp932")[:-1], "cp932", 2, TextReason.NOT_IN_ENCODING),
        ("架空".encode()[:-1], "utf-8", 2, TextReason.NOT_IN_ENCODING),
        (b"a\x00b", "utf-8", 2, TextReason.CONTROL),
        (b"a\rb", "utf-8", 2, TextReason.CONTROL),
        ("a\u2028b".encode(), "utf-8", 2, TextReason.CONTROL),
        ("a\ufeffb".encode(), "utf-8", 2, TextReason.CONTROL),
        ("架空\U000f0000".encode(), "utf-8", 3, TextReason.PRIVATE_USE),
        ("架空\U0010fffd".encode(), "utf-8", 3, TextReason.PRIVATE_USE),
        ("架\u202e空".encode(), "utf-8", 2, TextReason.CONTROL),
        ("架\u200b空".encode(), "utf-8", 2, TextReason.CONTROL),
        ("架\U000e0041空".encode(), "utf-8", 2, TextReason.CONTROL),
        ("1,佐藤,住民".encode(), "cp932", 3, TextReason.NOT_IN_ENCODING),
        ("1,架空県見本市１番".encode(), "cp932", 3, TextReason.NOT_IN_ENCODING),
        (TOO_LONG, "utf-8", 1, TextReason.TOO_LONG),
        (TOO_LONG, "cp932", 1, TextReason.TOO_LONG),
    ],
)
def test_a_character_that_the_channel_does_not_carry_is_refused_with_its_place(line, encoding, column, reason):
    assert decode_line(line, encoding, number=7) == TextRefused(7, column, reason)
    assert decode_lines([line], encoding, first=7) == [TextRefused(7, column, reason)]


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("模擬𠮷", 3, TextReason.NOT_IN_ENCODING),
        ("東京〜大阪", 3, TextReason.NOT_IN_ENCODING),
        ("a\ud800", 2, TextReason.CONTROL),
        ("a\nb", 2, TextReason.CONTROL),
        ("a\ue000", 2, TextReason.PRIVATE_USE),
        ("〓", 1, TextReason.REPLACED),
    ],
)
def test_nothing_is_replaced_when_it_is_written(text, column, reason):
    assert encode_line(text, "cp932", number=3) == TextRefused(3, column, reason)


@pytest.mark.parametrize("text", ["ﾐｷ", "ﾃｨｷ", "架空　花子", "ﾐｷ,架空県", "嵓Ё", "é"])
def test_a_line_in_cp932_that_might_be_something_else_is_read_all_the_same(text):
    line = text.encode("utf-8" if text == "é" else "cp932") + b"\n"
    assert isinstance(decode_line(line, "cp932", number=2), str)
    assert decode_lines([line], "cp932", first=2) == [decode_line(line, "cp932", number=2)]


def test_of_lines_in_cp932_the_one_in_utf_8_is_refused_alone():
    lines = ["架空\n".encode("cp932"), "佐藤,東京\n".encode(), "見本\n".encode("cp932")]
    assert "佐藤,東京".encode().decode("cp932")
    assert decode_lines(lines, "cp932", first=2) == ["架空", TextRefused(3, 1, TextReason.NOT_IN_ENCODING), "見本"]


@pytest.mark.parametrize("text", ["José,ジョゼ", "Françoise,フランソワーズ"])
def test_a_line_in_utf_8_with_an_accent_that_cp932_lacks_is_refused(text):
    line = text.encode() + b"\n"
    assert line.decode("cp932")  # other letters
    assert decode_lines([line], "cp932", first=2) == [
        TextRefused(2, 4 if "J" in text else 5, TextReason.NOT_IN_ENCODING)
    ]


def test_variation_selectors_are_carried():
    assert decode_line("辻\U000e0100".encode(), "utf-8", number=2) == "辻\U000e0100"


def test_a_mark_of_utf_8_in_a_file_that_is_declared_otherwise_is_refused():
    refused = TextRefused(1, 1, TextReason.NOT_IN_ENCODING)
    assert decode_line(b"\xef\xbb\xbfabc\n", "cp932", number=1) == refused
    assert decode_lines([b"\xef\xbb\xbfabc\n"], "cp932", first=1) == [refused]


def test_a_mark_at_the_head_of_a_file_is_dropped_on_the_first_line_alone():
    assert decode_line(b"\xef\xbb\xbfabc\n", "utf-8", number=1) == "abc"
    assert decode_line(b"\xef\xbb\xbfabc\n", "utf-8", number=2) == TextRefused(2, 1, TextReason.CONTROL)
    assert decode_lines([b"\xef\xbb\xbfabc\n", b"d\n"], "utf-8", first=1) == ["abc", "d"]


@given(line=st.text(st.characters(exclude_characters="\n\r", exclude_categories=("Cs",))))
def test_a_csv_line_never_raises(line):
    fields = split_csv(line, number=1)
    refused = isinstance(fields, TextRefused) and 1 <= fields.column <= len(line)
    assert refused or all(isinstance(one, str) for one in fields)


def test_quotations_that_close_are_read():
    assert split_csv('a,"b,c","d ""e"""', number=2) == ["a", "b,c", 'd "e"']
    assert split_csv("", number=2) == [""]


@pytest.mark.parametrize(("line", "column"), [('a,"b', 3), ('"a,b', 1), ('"a"b,c', 1), ('"a","b""c",d,"e', 14)])
def test_a_quotation_that_is_broken_is_refused_where_its_field_begins(line, column):
    assert split_csv(line, number=2) == TextRefused(2, column, TextReason.QUOTATION)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(
    values=st.tuples(
        st.from_regex("[1-9][0-9]{0,14}", fullmatch=True), PLAIN, st.from_regex("[0-9]{0,6}", fullmatch=True)
    )
)
@settings(max_examples=200)
def test_fixed_width_says_the_same_or_says_that_it_does_not_fit(encoding, values):
    line = LAYOUT.join(values, encoding, number=1)
    if isinstance(line, TextRefused):
        assert line.reason is TextReason.LENGTH
        assert len(values[1].encode(encoding)) > 20
        return
    assert len(line) == 43
    number, name, count = LAYOUT.split(line, encoding, number=2)
    assert (number, name, count) == (values[0].zfill(15), values[1].rstrip(" "), values[2])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"0" * 40,
        b"0" * 42,
        b"0" * 34 + "架".encode("cp932") + b"0" * 5,
        b"1" * 15 + b"a" * 19 + "架".encode("cp932") + b"00000",
    ],
)
def test_a_line_of_another_width_is_refused(line):
    found = LAYOUT.split(line, "cp932", number=5)
    assert isinstance(found, TextRefused)
    assert (found.line, found.reason) == (5, TextReason.LENGTH)


@given(line=st.binary(max_size=60), encoding=st.sampled_from(ENCODINGS))
def test_no_bytes_break_the_reading_of_fixed_width(line, encoding):
    found = LAYOUT.split(line, encoding, number=2)
    assert isinstance(found, TextRefused) or len(found) == 3


def test_fields_of_fixed_width_may_be_set_apart_by_commas():
    layout = FixedLayout(fields=LAYOUT.fields, unit=Unit.BYTES, separator=",")
    line = layout.join(["42", "架空", "7"], "cp932", number=1)
    assert line == b"000000000000042," + "架空".encode("cp932") + b" " * 16 + b",     7\r\n"
    assert layout.split(line, "cp932", number=1) == ["000000000000042", "架空", "7"]
    assert layout.split(line.replace(b",", b";"), "cp932", number=1) == TextRefused(1, 16, TextReason.LENGTH)
    assert layout.join(["1", "a,b", ""], "cp932", number=1) == TextRefused(1, 17, TextReason.LENGTH)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize(
    ("filled", "value"),
    [
        ("架空　花子　　", "架空　花子"),
        ("　架空  太郎 　 ", "　架空  太郎"),
        ("架空 ", "架空"),
        ("　　 　", ""),
    ],
)
def test_full_width_spaces_at_the_end_are_filling_where_the_layout_says_so(encoding, unit, filled, value):
    width = len(filled if unit is Unit.CHARACTERS else filled.encode(encoding))
    fields = tuple(Fixed(name=fill, width=width, fill=fill) for fill in (Fill.WIDE_SPACE_RIGHT, Fill.SPACE_RIGHT))
    layout = FixedLayout(fields=fields, unit=unit)
    read = layout.split(f"{filled}{filled}\r\n".encode(encoding), encoding, number=2)
    assert read == [value, filled.rstrip(" ")]
    written = layout.join([value, ""], encoding, number=1)
    assert isinstance(written, bytes)
    assert layout.split(written, encoding, number=2) == [value, ""]
