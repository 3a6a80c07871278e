"""Copies of 医療保険給付関係情報 for tests of the provider: a qualification, a benefit, a premium."""

from __future__ import annotations

from typing import Any

from tests.support.provider_world import ProviderWorld

QUALIFICATION, BENEFIT, PREMIUM = "資格情報", "給付情報", "保険料情報"


def qualification(since: str = "2020-04-01", until: str = "") -> dict[str, str]:
    """Items of a qualification; an empty one has no value."""
    return {
        "保険者番号": "06139999", "被保険者記号": "", "被保険者番号": "00000001", "枝番": "", "資格取得年月日": since, "資格取得事由": "01",
        "資格喪失年月日": until, "資格喪失事由": "01" if until else "",
    }  # fmt: skip


async def qualified(
    world: ProviderWorld, number: str, *, since: str = "2020-04-01", until: str = "", **changes: Any
) -> str:
    return await world.copy(number, QUALIFICATION, qualification(since, until), **changes)


async def paid(world: ProviderWorld, number: str, since: str, until: str, amount: str = "1000", **changes: Any) -> str:
    items = {
        "給付種類": "01", "支給決定年月日": "2022-05-01", "支給額": amount, "支給対象期間開始日": since, "支給対象期間終了日": until,
    }  # fmt: skip
    return await world.copy(number, BENEFIT, items, **changes)


async def premium(world: ProviderWorld, number: str, year: str, **changes: Any) -> str:
    items = {"年度": year, "期別": "01", "賦課額": "5000", "収納額": "5000"}
    if changes.get("version") == "0002":
        items |= {"納期限": f"{year}-06-30"}
    return await world.copy(number, PREMIUM, items, **changes)
