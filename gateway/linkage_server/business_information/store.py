"""Originals in the database: sealed under the agency's key, bound to what stands in clear beside them. Rows of many records are locked in the order of their ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.linkage_server.business_information.originals import Original, Said, Transfer
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.database import Connection

SQL = sql.load("gateway.linkage_server.business_information")
_ITEMS = msgspec.json.Decoder(dict[str, dict[str, str]])
_SAID: Final = (
    "record_id", "addressee_number", "information", "data_set", "layout_version", "parent_record_id", "public_from", "public_to",
    "auto_response", "deleted", "delegator",
)  # fmt: skip
_COLUMNS: Final = (
    *_SAID, "edition", "changed_at", "changed_by", "sealed", "business_system_id", "transfer", "offered",
)  # fmt: skip
_PAST: Final = (*_SAID, "edition", "changed_at", "changed_by", "sealed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whom an addressee number stands for, and whether a copy about this person may stand at the intermediate server."""

    integrated_number: int
    reason: str | None


def may_not_stand(row: Any) -> str | None:
    """Why no copy about the person of a row may stand (LS-2.6), None when one may. Columns: integrated_number, has_individual_number, frozen, state."""
    if row["integrated_number"] is None:
        return "addressee_unknown"
    if row["frozen"]:
        return "person_frozen"
    if row["state"] == "cancelled":
        return "person_cancelled"
    return None if row["has_individual_number"] else "no_individual_number"


def _aad(said: Said, edition: int) -> bytes:
    """All that stands in clear, as one JSON list: different rows never give the same bytes. Cheaper than `bind`, and on the path of every record."""
    bare = (
            said.record_id, edition, said.addressee_number, said.information, said.data_set, said.layout_version, said.parent_record_id,
            said.public_from, said.public_to, said.auto_response, said.deleted,
    )  # fmt: skip
    return msgspec.json.encode(bare if said.delegator is None else (*bare, said.delegator))  # as before there were any


def seal(keys: PersonalKeys, original: Original) -> bytes:
    encoded = msgspec.json.encode(original.said.items, order="sorted")
    return keys.seal_original(encoded, _aad(original.said, original.edition))


def read_row(keys: PersonalKeys, row: Any) -> Original:
    """An original or a past edition of one. Raises SealBroken, KeyUnusable: somebody changed the row, or its key is gone."""
    bare = read_bare(row)
    items = _ITEMS.decode(keys.open_original(row["sealed"], _aad(bare.said, bare.edition)))
    return msgspec.structs.replace(bare, said=msgspec.structs.replace(bare.said, items=items))


def read_bare(row: Any) -> Original:
    """As far as it stands in clear: without its items, and nothing vouches for it."""
    return Original(
        said=Said(**{name: row[name] for name in _SAID}, items={}),
        edition=row["edition"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
    )


def _said_row(keys: PersonalKeys, one: Original) -> tuple[Any, ...]:
    return (*(getattr(one.said, name) for name in _SAID), one.edition, one.changed_at, one.changed_by, seal(keys, one))


async def lock_intake(connection: Connection) -> None:
    """Intakes of one agency follow one another, so that two do not bring in one record."""
    await connection.fetchval(SQL["lock_intake"])


async def read_held(connection: Connection, keys: PersonalKeys, record_ids: Sequence[str]) -> dict[str, Original]:
    """Locked in the order of their ids until the transaction ends."""
    rows = await connection.fetch(SQL["held"], sorted(set(record_ids)))
    return {row["record_id"]: read_row(keys, row) for row in rows}


async def read_children(connection: Connection, record_ids: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for parent, child in await connection.fetch(SQL["living_children"], record_ids):
        found.setdefault(parent, set()).add(child)
    return found


async def read_addressees(
    connection: Connection, system: str, addressee_numbers: Sequence[str]
) -> dict[str, Addressee]:
    rows = await connection.fetch(SQL["addressees"], system, addressee_numbers)
    return {
        row["addressee_number"]: Addressee(integrated_number=row["integrated_number"], reason=may_not_stand(row))
        for row in rows
    }


async def next_revisions(connection: Connection, count: int) -> list[int]:
    """So many revisions that nothing else has, in order."""
    return [row[0] for row in await connection.fetch(SQL["next_revisions"], count)]


async def insert_originals(
    connection: Connection, keys: PersonalKeys, system: str, new: Sequence[tuple[Original, Transfer, bool, int]]
) -> None:
    """Records that were not held; each with how it is transferred, whether a copy may be sent, and its revision."""
    if not new:
        return
    rows = [
        (*_said_row(keys, one), system, transfer.value, offered, revision) for one, transfer, offered, revision in new
    ]
    await connection.copy_records_to_table("original", records=rows, columns=(*_COLUMNS, "revision"))


async def change_originals(
    connection: Connection, keys: PersonalKeys, changed: Sequence[tuple[Original, Transfer, bool]]
) -> None:
    if changed:
        rows = [(*_said_row(keys, one), transfer.value, offered) for one, transfer, offered in changed]
        await connection.execute(SQL["change_originals"], *map(list, zip(*rows, strict=True)))


async def keep_past(connection: Connection, keys: PersonalKeys, past: Sequence[Original]) -> None:
    if past:
        await connection.copy_records_to_table(
            "original_past", records=[_said_row(keys, one) for one in past], columns=_PAST
        )


Scope = tuple[str, str, str]
"""Information, data set, layout version."""


async def open_scopes(connection: Connection, system: str, scopes: Collection[Scope]) -> None:
    """The data sets that records come in; nothing for those that are known."""
    if scopes:
        await connection.execute(SQL["open_scopes"], system, *map(list, zip(*sorted(scopes), strict=True)))


async def scopes_waiting(connection: Connection, system: str) -> set[Scope]:
    """Data sets whose first full transfer has not gone through; they stay so until this transaction ends."""
    return {tuple(row) for row in await connection.fetch(SQL["scopes_waiting"], system)}


async def read_states(agency: Agency, record_ids: Sequence[str]) -> dict[str, Any]:
    """record_id → row with edition, deleted, transfer, reason, item."""
    async with agency.database.inside(agency.tenant) as connection:
        return {row["record_id"]: row for row in await connection.fetch(SQL["states"], record_ids)}
