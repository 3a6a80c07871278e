from __future__ import annotations

import secrets
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.individual_number import is_valid
from gateway.linkage_server import free_text

NUMBER = "123456789018"
WRITTEN = [
    NUMBER,
    "1234-5678-9018",
    "1234 5678 9018",
    "１２３４－５６７８－９０１８",
    "１２３４　５６７８　９０１８",
    "1234ー5678ー9018",
    "1234‐5678–9018",
    "١٢٣٤٥٦٧٨٩٠١٨",
    "1234\u200b5678\u200d9018",
    "1234・5678・9018",
    "1234\ufe0f56789018",
    "一二三四五六七八九〇一八",
]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_number_is_found_however_it_is_written(written):
    assert is_valid(NUMBER)
    assert not free_text.is_safe(f"還付 {written} の件")
    assert free_text.holds_individual_number(f"r/{written}")


@pytest.mark.parametrize("text", ["過誤納金の還付", "2026年10月31日の申請、第12回", "staff-1", "0312-3456"])
def test_ordinary_text_is_taken(text):
    assert free_text.is_safe(text)


@pytest.mark.parametrize("sign", ["\x00", "\n", "\x7f", "\u200b", "\u202e", "\ufeff", "\u2028"])
def test_control_and_format_characters_are_refused(sign):
    assert not free_text.is_safe(f"還付{sign}の件")


@given(st.integers(min_value=0, max_value=999_999_999_999), st.sampled_from(["-", " ", "・", "\u200b", ""]))
def test_twelve_digits_are_never_safe_text(number, between):
    digits = f"{number:012d}"
    assert not free_text.is_safe(between.join((digits[:4], digits[4:8], digits[8:])))


def test_a_number_inside_a_longer_run_of_a_record_id_is_found():
    assert free_text.holds_individual_number(f"a-77{NUMBER[:5]}-{NUMBER[5:]}4")


def test_drawn_record_ids_are_taken_whatever_digits_they_have():
    assert not free_text.holds_individual_number(f"a{NUMBER}{'0' * 19}")
    assert not free_text.holds_individual_number(f"00000000-0000-4000-a000-{NUMBER}")
    assert not any(free_text.holds_individual_number(secrets.token_hex(16)) for _ in range(2_000))
    assert not any(free_text.holds_individual_number(str(uuid.uuid4())) for _ in range(2_000))


@pytest.mark.parametrize(
    "name",
    ["1234-5678-9018.csv", f"people{NUMBER}.csv", "１２３４-５６７８-９０１８.csv", "x_1234.5678.9018_20260401.csv"],
)
def test_a_file_name_with_a_number_is_found(name):
    assert free_text.file_name_holds_individual_number(name)


@pytest.mark.parametrize(
    "name", ["people-20260401123000.csv", "20260401-0001.csv", "juki.2026-04-01.part12.csv", f"{NUMBER}0.csv"]
)
def test_a_file_name_with_a_time_or_a_long_serial_number_is_taken(name):
    assert not free_text.file_name_holds_individual_number(name)


def test_every_name_with_date_and_serial_number_is_taken():
    assert not any(free_text.file_name_holds_individual_number(f"20260401-{nth:04d}.csv") for nth in range(10_000))
