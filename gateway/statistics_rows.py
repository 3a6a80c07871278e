"""Numbers of IF_SYM_90060 as rows of a table or CSV: grouping only adds up what the server has told (SC-23)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any, Final

COLUMNS: Final = {
    "month": "月 (month)",
    "direction": "種別 (direction)",
    "affair": "事務 (affair)",
    "partner": "相手 (partner)",
    "inquirer_for": "照会の委任元 (inquirer_for)",
    "provider_for": "提供の委任元 (provider_for)",
    "information": "情報 (information)",
    "kind": "終わり方 (kind)",
    "outcome": "結果 (outcome)",
}
DIRECTIONS: Final = {"inquiry": "照会 (inquiry)", "provision": "提供 (provision)"}
TOGETHER: Final = "合算 (together)"


def rows_of(numbers: list[dict[str, Any]], by: tuple[str, ...]) -> list[tuple[tuple[str, ...], int]]:
    """Sums by the wanted columns, in order; what the server told together stays a line of its own."""
    sums: Counter[tuple[str, ...]] = Counter()
    for number in numbers:
        basis, item = number["basis"], number["item"]
        affair = None if item is None else f"{basis}:{item}" if basis else item
        said = {**number, "affair": affair, "direction": number["direction"]}
        sums[tuple(TOGETHER if said[name] is None else str(said[name]) for name in by)] += number["exchanges"]
    return sorted(sums.items())


def csv_of(rows: list[tuple[tuple[str, ...], int]], by: tuple[str, ...]) -> str:
    """A header line and the rows, lines ending as RFC 4180 says."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*by, "exchanges"])
    writer.writerows([*key, count] for key, count in rows)
    return text.getvalue()
