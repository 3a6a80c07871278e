"""Reading and writing permits. Rows become values here; SQL stands in queries.sql."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import asyncpg

from storage import sql
from storage.committer import Statement, Write
from storage.database import Database, StorageUnavailableError

_QUERIES: Final = sql.load("adapters.jlis_mock.core")
_INSERT: Final = Statement("insert_permit", _QUERIES["insert_permit"])
_RELAY: Final = Statement("relay_outcome", _QUERIES["relay_outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPermit:
    """One decided request: `permit` is the JWS, None when refused; `code_sealed` holds the provider's code."""

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
    reason: str | None = None
    relayed_request_digest: str | None = None
    disposition: str | None = None
    outcome_digest: str | None = None

    @property
    def final(self) -> bool:
        """Whether an outcome that cannot change has been passed on."""
        return self.disposition is not None and self.disposition != "held"


_FIELDS: Final = tuple(field.name for field in fields(StoredPermit))


def _permit(row: asyncpg.Record) -> StoredPermit:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    values["items"] = tuple(json.loads(values["items"]))
    return StoredPermit(**values)


class PermitStore:
    """The permit table of the core's tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def of_inquiries(self, inquirer: str, numbers: Sequence[str]) -> dict[str, StoredPermit]:
        """Inquiry number → what was decided on it. Raises StorageUnavailableError."""
        rows = await self._fetch("permits_of_inquiries", inquirer, list(numbers))
        return {row["inquiry_number"]: _permit(row) for row in rows}

    async def by_id(self, permit_ids: Iterable[str]) -> dict[str, StoredPermit]:
        """Permit id → permit. Raises StorageUnavailableError."""
        rows = await self._fetch("permits_by_id", list(permit_ids))
        return {row["permit_id"]: _permit(row) for row in rows}

    async def forget_codes(self, before: datetime) -> None:
        """Drop the sealed codes of permits whose `answer_by` is past."""
        await self._fetch("forget_codes", before)

    async def _fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        try:
            async with self._database.inside(self._tenant) as connection:
                return list(await connection.fetch(_QUERIES[query], *values))
        except asyncpg.PostgresError:
            raise StorageUnavailableError("the core's permits could not be read") from None


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
            json.dumps(permit.items, ensure_ascii=False),
            permit.list_digest,
            permit.request_digest,
            permit.permit,
            permit.code_sealed,
            permit.redeem_by,
            permit.answer_by,
            permit.state,
            permit.reason,
        ),
    )


def relaying(
    permit_id: str, *, request_digest: str | None, disposition: str, outcome_digest: str, sealed_digest: str | None
) -> Write:
    """The guard that records an outcome once."""
    return Write(_RELAY, (permit_id, request_digest, disposition, outcome_digest, sealed_digest))
