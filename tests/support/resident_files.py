"""Rows of resident files for tests: visibly synthetic people with valid check digits, and files with manifests in a spool."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from pathlib import Path

from codebook.check_digits import individual_number_check_digit

COLUMNS = (
    "system",
    "addressee_number",
    "individual_number",
    "name",
    "kana",
    "sex",
    "birth_date",
    "address",
    "resident_kind",
)


def individual_number(nth: int) -> str:
    digits = f"9{nth:010d}"
    return f"{digits}{individual_number_check_digit(digits)}"


def person(nth: int, **changes: str) -> dict[str, str]:
    row = {
        "system": "kokuho",
        "addressee_number": f"{nth:010d}",
        "individual_number": individual_number(nth),
        "name": f"模擬　{nth}号",
        "kana": "モギ",
        "sex": "1",
        "birth_date": "1980-01-31",
        "address": f"東京都世田谷区架空{nth}番地",
        "resident_kind": "住民",
    }
    return row | changes


def item(nth: int, **changes: str) -> dict[str, str]:
    row = person(nth, **changes)
    del row["system"]
    return row


def four_items(nth: int, **changes: str) -> dict[str, str]:
    row = person(nth, **changes)
    return {name: row[name] for name in ("name", "kana", "sex", "birth_date", "address")}


def csv_bytes(rows: list[dict[str, str]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def put(
    spool: Path,
    data: bytes,
    *,
    name: str,
    count: int,
    channel: str = "addressees",
    system: str = "kokuho",
    agency: str = "setagaya",
    **changes: object,
) -> Path:
    """Put a file and its manifest into `in/`; returns the channel's folder."""
    folder = spool / agency / system / channel
    (folder / "in").mkdir(parents=True, exist_ok=True)
    (folder / "in" / name).write_bytes(data)
    manifest = {
        "file": name,
        "kind": channel,
        "count": count,
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": "utf-8",
    } | changes
    part = folder / f".{name}.part"
    part.write_text(json.dumps(manifest))
    part.replace(folder / "in" / f"{name}.manifest.json")
    return folder


async def through(folder: Path, name: str) -> str:
    """Wait until a file is through; returns its result or raises with the reason."""
    for _ in range(1500):
        if (folder / "done" / f"{name}.manifest.json").exists() and not (folder / "work" / name).exists():
            return (folder / "done" / f"{name}.result.csv").read_text()
        if (folder / "failed" / f"{name}.manifest.json").exists() and not (folder / "work" / name).exists():
            raise AssertionError(json.loads((folder / "failed" / f"{name}.reason.json").read_text())["reason"])
        await asyncio.sleep(0.02)
    raise AssertionError("the file did not come through")


async def load(
    spool: Path, rows: list[dict[str, str]], *, name: str = "people.csv", system: str = "kokuho"
) -> list[list[str]]:
    """Load rows through the spool and return the result's lines without the header and without the last two columns (where, folds)."""
    folder = put(spool, csv_bytes(rows), name=name, count=len(rows), system=system)
    return [line.split(",")[:-2] for line in (await through(folder, name)).splitlines()[1:]]
