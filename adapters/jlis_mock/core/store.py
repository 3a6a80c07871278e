"""Reading and writing permits. Rows become values here; SQL stands in queries.sql."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from storage import sql
from storage.committer import Statement, Write
from storage.database import Database, as_away
from storage.shared_look import SharedLook
from transport.clock import Clock

_QUERIES: Final = sql.load("adapters.jlis_mock.core")
_INSERT: Final = Statement("insert_permit", _QUERIES["insert_permit"])
_MINT_AGAIN: Final = Statement("mint_again", _QUERIES["mint_again"])
_RELAY: Final = Statement("relay_outcome", _QUERIES["relay_outcome"])
_REVOKE: Final = Statement("revoke_permit", _QUERIES["revoke_permit"])
_REMEMBER: Final = Statement("remember_presentation", _QUERIES["remember_presentation"])
REVOKED: Final = "revoked"
OUTAGE: Final = timedelta(seconds=60)
"""The network was away when it did not say for this long that it is up; it says so several times as often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPermit:
    """One decided request: `permit` is the JWS, None when refused; `code_sealed` holds the provider's code.

    `said`: what the request says beyond what every one must (messages.OPTIONAL).
    `relayed_request_digest`: the bytes that it is for, once they were presented and either answered or remembered.
    """

    permit_id: str
    inquirer: str
    inquiry_number: str
    provider: str
    basis: str | None
    item: str
    information: str
    items: tuple[str, ...]
    list_digest: str
    request_digest: str
    permit: str | None
    code_sealed: bytes | None
    redeem_by: datetime
    answer_by: datetime
    state: str
    said: Mapping[str, Any]
    reason: str | None = None
    relayed_request_digest: str | None = None
    disposition: str | None = None
    outcome_digest: str | None = None

    def presentable_until(self) -> datetime:
        """`redeem_by` for what is presented first, `answer_by` for the same bytes again."""
        return self.redeem_by if self.relayed_request_digest is None and self.state == "issued" else self.answer_by

    @property
    def revoked(self) -> bool:
        return self.state == REVOKED

    @property
    def final(self) -> bool:
        """Whether an outcome that cannot change has been passed on."""
        return self.disposition is not None and self.disposition != "held"


_FIELDS: Final = tuple(field.name for field in fields(StoredPermit))


def _permit(row: asyncpg.Record) -> StoredPermit:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    values["items"] = tuple(json.loads(values["items"]))
    values["said"] = json.loads(values["said"])
    return StoredPermit(**values)


class PermitStore:
    """The permit table of the core's tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._inquiries = SharedLook(self._read_of_inquiries)
        self._ids = SharedLook(self._read_by_id)

    async def of_inquiries(self, inquirer: str, numbers: Sequence[str]) -> dict[str, StoredPermit]:
        """Inquiry number → what was decided on it. Raises StorageUnavailableError."""
        found = await self._inquiries.find((inquirer, number) for number in numbers)
        return {number: permit for (_, number), permit in found.items()}

    async def by_id(self, permit_ids: Iterable[str]) -> dict[str, StoredPermit]:
        """Permit id → permit. Raises StorageUnavailableError."""
        return await self._ids.find(permit_ids)

    async def _read_of_inquiries(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], StoredPermit]:
        rows = await self._fetch("permits_of_inquiries", [one for one, _ in keys], [number for _, number in keys])
        return {(row["inquirer"], row["inquiry_number"]): _permit(row) for row in rows}

    async def _read_by_id(self, permit_ids: list[str]) -> dict[str, StoredPermit]:
        return {row["permit_id"]: _permit(row) for row in await self._fetch("permits_by_id", permit_ids)}

    async def keep_time(self, now: datetime, redeem_s: int) -> None:
        """Note that the network is up. After an outage, of process or database, permits that had time left get it anew.

        So an outage longer than `redeem_s` refuses nobody who waits: neither whoever could not present a permit, nor
        whoever did just before a crash and asks again with the same bytes. An outage is measured by the machine's own time:
        a simulation that moves the clock makes none. One transaction. Raises StorageUnavailableError.
        """
        unmoved = Clock.unmoved()
        with as_away("the core's permits could not be read"):
            async with self._database.inside(self._tenant) as connection:
                before = await connection.fetchval(_QUERIES["alive_at"])
                away = unmoved - before if before is not None else timedelta(0)
                if away > OUTAGE:
                    until = now + timedelta(seconds=redeem_s)
                    await connection.execute(_QUERIES["after_outage"], now - away, until)
                await connection.execute(_QUERIES["keep_alive"], unmoved)

    async def forget_codes(self, before: datetime) -> None:
        """Drop the sealed codes of permits whose `answer_by` is past."""
        await self._fetch("forget_codes", before)

    async def _fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        with as_away("the core's permits could not be read"):
            async with self._database.inside(self._tenant) as connection:
                return list(await connection.fetch(_QUERIES[query], *values))


def insertion(permit: StoredPermit) -> Write:
    """The guard that stores a decision once."""
    return Write(
        _INSERT,
        (
            permit.permit_id,
            permit.inquirer,
            permit.inquiry_number,
            permit.provider,
            permit.basis,
            permit.item,
            permit.information,
            _json(permit.items),
            permit.list_digest,
            permit.request_digest,
            permit.permit,
            permit.code_sealed,
            permit.redeem_by,
            permit.answer_by,
            permit.state,
            permit.reason,
            _json(permit.said),
        ),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def minting_again(issued: Write) -> Write:
    """For a dishonest core: the guard of an issue, in place of the permit that the request has already."""
    return Write(_MINT_AGAIN, issued.row)


def relaying(
    permit_id: str, *, request_digest: str | None, disposition: str, outcome_digest: str, sealed_digest: str | None
) -> Write:
    """The guard that records an outcome once."""
    return Write(_RELAY, (permit_id, request_digest, disposition, outcome_digest, sealed_digest))


def revoking(permit_id: str) -> Write:
    """The guard that takes back a permit that was never presented."""
    return Write(_REVOKE, (permit_id,))


def remembering(permit_id: str, *, request_digest: str, now: datetime) -> Write:
    """The guard that remembers the first presentation of a permit whose provider could not be asked."""
    return Write(_REMEMBER, (permit_id, request_digest, now))
