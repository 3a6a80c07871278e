"""Synthetic residents of these tests: numbers that are valid by their check digit and plainly made up."""

from __future__ import annotations

from codebook.check_digits import individual_number_check_digit


def individual_number(index: int) -> str:
    digits = f"9{index:010d}"
    return f"{digits}{individual_number_check_digit(digits)}"


def resident(index: int) -> dict[str, str]:
    return {
        "individual_number": individual_number(index),
        "resident_record_code": f"9{index:010d}",
        "name": f"架空　住民{index}",
        "kana": "カクウ　ジユウミン",
        "sex": "2",
        "birth_date": "1990-04-01",
        "address": "東京都架空区見本町１丁目２番３号",
    }
