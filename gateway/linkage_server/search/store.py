"""Tokens in the database, and the people whom they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.linkage_server.search.tokens import Pair
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`indexed`: every change up to this `person.revision` is found; `newest`: the revision of the latest change."""

    indexed: int
    newest: int
    made_under: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Row:
    """A person as stored. `addressees`: (business system, 宛名番号) that the reader may see."""

    integrated_number: int
    individual_number_sealed: bytes | None
    four_items_sealed: bytes
    state: str
    state_since: date | None
    frozen: bool
    addressees: tuple[tuple[str, str], ...]


async def read_progress(connection: Connection, made_under: str) -> Progress:
    """Where the indexer is; nothing counts as indexed that was made under other rules or another key."""
    row = await connection.fetchrow(_SQL["progress"])
    if row is None:
        return Progress(indexed=0, newest=0, made_under="")
    indexed = row["revision"] if row["made_under"] == made_under else 0
    return Progress(indexed=indexed, newest=row["newest"], made_under=row["made_under"])


async def take_progress(connection: Connection, made_under: str) -> int | None:
    """The revision to go on from, locked until the transaction ends; None while another process works."""
    row = await connection.fetchrow(_SQL["take_progress"])
    if row is None:
        return None
    if row["made_under"] != made_under:
        await connection.execute(_SQL["begin_anew"], made_under)
        return 0
    return int(row["revision"])


async def read_changed(connection: Connection, after: int, most: int) -> list[tuple[int, bytes, int]]:
    """People changed after a revision, in its order: integrated number, sealed four items, revision."""
    return [tuple(row) for row in await connection.fetch(_SQL["changed"], after, most)]


async def put_tokens(connection: Connection, people: Sequence[tuple[int, Mapping[Pair, int]]], revision: int) -> None:
    columns = [[tokens.get(pair) for _, tokens in people] for pair in Pair]
    await connection.execute(_SQL["put_tokens"], [number for number, _ in people], *columns)
    await connection.execute(_SQL["advance"], revision)


async def with_tokens(connection: Connection, tokens: Mapping[Pair, int], most: int) -> list[int]:
    """Integrated numbers that share any of these tokens, up to `most`."""
    rows = await connection.fetch(_SQL["with_tokens"], *(tokens.get(pair) for pair in Pair), most)
    return [row["integrated_number"] for row in rows]


async def by_individual_number(connection: Connection, indexes: Sequence[bytes]) -> list[int]:
    rows = await connection.fetch(_SQL["by_individual_number"], list(indexes))
    return [row["integrated_number"] for row in rows]


async def by_addressee(connection: Connection, system: str, addressee_number: str) -> list[int]:
    rows = await connection.fetch(_SQL["by_addressee"], system, addressee_number)
    return [row["integrated_number"] for row in rows]


async def living_on(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """The numbers themselves, or those in which they live on after a merge."""
    return [row["integrated_number"] for row in await connection.fetch(_SQL["living_on"], numbers)]


async def without_merged(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """The same numbers in order, without those that live on in another."""
    gone = {row["integrated_number"] for row in await connection.fetch(_SQL["merged_away"], numbers)}
    return [number for number in numbers if number not in gone]


async def read_candidates(connection: Connection, numbers: Sequence[int]) -> list[tuple[int, bytes]]:
    """Integrated number and sealed four items of these people, but for merged ones."""
    return [tuple(row) for row in await connection.fetch(_SQL["candidates"], numbers)]


async def held_by(connection: Connection, numbers: Sequence[int], system: str) -> set[int]:
    """Those of these people whom a system holds."""
    return {row["integrated_number"] for row in await connection.fetch(_SQL["held_by"], numbers, system)}


async def read_people(connection: Connection, numbers: Sequence[int], system: str | None) -> list[Row]:
    """These people in their order, those alone that a system holds unless `system` is None; merged ones are left out."""
    rows = await connection.fetch(_SQL["people"], numbers, system)
    return [
        Row(
            integrated_number=row["integrated_number"],
            individual_number_sealed=row["individual_number_sealed"],
            four_items_sealed=row["four_items_sealed"],
            state=row["state"],
            state_since=row["state_since"],
            frozen=row["frozen"],
            addressees=tuple(zip(row["systems"] or (), row["numbers"] or (), strict=True)),
        )
        for row in rows
    ]
