"""SKY2's tables. One function per query; rows leave as values. SKY2 keeps no evidence log: its transactions are its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import asyncpg
import msgspec

from adapters.sky2.matching import Part
from adapters.sky2.refund import RefundClaim, State
from adapters.sky2.seals import Seals
from codebook.identifiers import AddresseeNumber
from keys.masked import Secret
from storage import sql
from storage.database import Connection, Database, StorageUnavailableError, as_away
from storage.fault_points import Step

_SQL: Final = sql.load("adapters.sky2")


class KeyReused(StrEnum):
    """The Idempotency-Key came before with another request."""

    KEY_REUSED = "idempotency_key_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRequest:
    """One changing request: its Idempotency-Key and the keyed digest of path and body."""

    key: str
    digest: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An inquiry under way; `inquiry` are its bytes, `asked_under` its Idempotency-Key. Without a number it is not known whether it was ever sent."""

    key: str
    asked_under: str
    addressee_number: AddresseeNumber
    inquiry: bytes
    inquiry_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedClaim:
    """A claim as staff see it; `account` is still sealed."""

    claim: RefundClaim
    account: bytes | None
    matched: bool | None
    differing: frozenset[Part]
    inquiry_number: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedInquiry:
    """An inquiry about 失業等給付; `benefit` is still sealed."""

    key: str
    addressee_number: AddresseeNumber
    fiscal_year: int
    state: str
    benefit: bytes | None
    inquiry_number: str | None
    reason: str | None


class Store:
    """Every function raises StorageUnavailableError."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    @asynccontextmanager
    async def _inside(self) -> AsyncIterator[Connection]:
        with as_away("SKY2's tables could not be read or written"):
            async with self._database.inside(self._tenant) as connection:
                yield connection

    async def once(
        self, request: StaffRequest, step: Step, act: Callable[[Connection], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any] | KeyReused:
        """Do `act` and keep its answer in one transaction, or give the answer of the first time."""
        step.before.reached()
        async with self._inside() as connection:
            taken = await connection.fetchval(_SQL["take_request"], request.key, request.digest, request.received_at)
            if taken is None:
                row = await connection.fetchrow(_SQL["request"], request.key)
                return _earlier(row, request)
            answer = await act(connection)
            await connection.execute(_SQL["answer_request"], request.key, msgspec.json.encode(answer).decode())
        step.after.reached()
        return answer

    async def earlier(self, request: StaffRequest) -> dict[str, Any] | KeyReused | None:
        """The answer that this request got before, if it did."""
        async with self._inside() as connection:
            row = await connection.fetchrow(_SQL["request"], request.key)
        return None if row is None else _earlier(row, request)

    async def people(self, addressee_numbers: Sequence[str]) -> Mapping[str, bytes]:
        """Addressee number → who it is, still sealed."""
        async with self._inside() as connection:
            return await read_people(connection, addressee_numbers)

    async def push_secret(self, seals: Seals) -> Secret | None:
        """With which the linkage server signs; None while nothing is pushed to us."""
        async with self._inside() as connection:
            sealed = await connection.fetchval(_SQL["push_secret"])
        return seals.open_push_secret(sealed) if sealed is not None else None

    async def keep_push_secret(self, sealed: bytes, step: Step) -> None:
        step.before.reached()
        async with self._inside() as connection:
            await connection.execute(_SQL["put_push_secret"], sealed)
        step.after.reached()

    async def carry_order(self, order_id: str, now: datetime, step: Step) -> bool:
        """An order is carried out from now on; False when it was before."""
        step.before.reached()
        async with self._inside() as connection:
            carried = await connection.fetchval(_SQL["carry_order"], order_id, now) is not None
        step.after.reached()
        return carried

    async def backup_made(self, order_id: str, now: datetime, step: Step) -> None:
        step.before.reached()
        async with self._inside() as connection:
            await connection.execute(_SQL["backup_made"], order_id, now)
        step.after.reached()

    async def last_backup(self) -> datetime | None:
        """When the latest backup was complete."""
        async with self._inside() as connection:
            found: datetime | None = await connection.fetchval(_SQL["last_backup"])
        return found

    async def known_people(self, addressee_numbers: Sequence[str]) -> frozenset[str]:
        async with self._inside() as connection:
            return await known_people(connection, addressee_numbers)

    async def claims(self, claim_ids: Sequence[str] | None) -> list[RefundClaim]:
        """Those named; or, without names, those open that chose the account and bear the number."""
        async with self._inside() as connection:
            if claim_ids is None:
                rows = await connection.fetch(_SQL["claims_to_ask"])
            else:
                rows = await connection.fetch(_SQL["claims_by_id"], list(claim_ids))
        return [_claim(row) for row in rows]

    async def mark_claims_asked(self, inquiries: Mapping[str, bytes], now: datetime, step: Step) -> None:
        """`inquiries`: claim id → the bytes that will be sent. A claim that is not open any more stays as it is."""
        step.before.reached()
        async with self._inside() as connection:
            await connection.execute(_SQL["mark_claims_asked"], list(inquiries), list(inquiries.values()), now)
        step.after.reached()

    async def put_unemployment_inquiries(
        self, inquiries: Sequence[tuple[str, str, bytes]], fiscal_year: int, now: datetime, step: Step
    ) -> None:
        """`inquiries`: (key, addressee number, bytes that will be sent); those that are there stay as they are."""
        columns = [list(column) for column in zip(*inquiries, strict=True)] or [[], [], []]
        step.before.reached()
        async with self._inside() as connection:
            await connection.execute(_SQL["put_unemployment_inquiries"], *columns, fiscal_year, now)
        step.after.reached()

    async def asked(self, query: str) -> list[Asked]:
        """`query`: asked_claims or asked_unemployment_inquiries."""
        async with self._inside() as connection:
            rows = await connection.fetch(_SQL[query])
        return [
            Asked(
                key=row["key"],
                asked_under=row["asked_under"],
                addressee_number=AddresseeNumber(row["addressee_number"]),
                inquiry=row["inquiry"],
                inquiry_number=row["inquiry_number"],
            )
            for row in rows
        ]

    async def write(self, query: str, step: Step, *arguments: Any) -> None:
        """One of the number_… and settle_… statements; each changes a row in state `asked` only."""
        step.before.reached()
        async with self._inside() as connection:
            await connection.execute(_SQL[query], *arguments)
        step.after.reached()

    async def list_claims(self, claim_ids: Sequence[str] | None, after: str, most: int) -> list[ListedClaim]:
        async with self._inside() as connection:
            rows = await connection.fetch(
                _SQL["list_claims"], None if claim_ids is None else list(claim_ids), after, most
            )
        return [
            ListedClaim(
                claim=_claim(row),
                account=row["account"],
                matched=row["matched"],
                differing=frozenset(map(Part, row["differing_parts"])),
                inquiry_number=row["inquiry_number"],
                reason=row["reason"],
            )
            for row in rows
        ]

    async def list_unemployment_inquiries(
        self, keys: Sequence[str] | None, after: str, most: int
    ) -> list[ListedInquiry]:
        async with self._inside() as connection:
            rows = await connection.fetch(
                _SQL["list_unemployment_inquiries"], None if keys is None else list(keys), after, most
            )
        return [
            ListedInquiry(
                key=row["inquiry_key"],
                addressee_number=AddresseeNumber(row["addressee_number"]),
                fiscal_year=row["fiscal_year"],
                state=row["state"],
                benefit=row["benefit"],
                inquiry_number=row["inquiry_number"],
                reason=row["reason"],
            )
            for row in rows
        ]


async def read_people(connection: Connection, addressee_numbers: Sequence[str]) -> dict[str, bytes]:
    rows = await connection.fetch(_SQL["people"], list(addressee_numbers))
    return {row["addressee_number"]: row["personal"] for row in rows}


async def put_people(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(3)]
    await connection.execute(_SQL["put_people"], *columns)


async def held_numbers(connection: Connection, addressee_numbers: Sequence[str]) -> dict[str, bytes]:
    """Addressee number → its individual number, sealed; of those who have one."""
    rows = await connection.fetch(_SQL["held_numbers"], list(addressee_numbers))
    return {row["addressee_number"]: row["individual_number"] for row in rows}


async def forget_numbers(connection: Connection, addressee_numbers: Sequence[str]) -> None:
    await connection.execute(_SQL["forget_numbers"], list(addressee_numbers))


async def known_people(connection: Connection, addressee_numbers: Sequence[str]) -> frozenset[str]:
    rows = await connection.fetch(_SQL["known_people"], list(addressee_numbers))
    return frozenset(row["addressee_number"] for row in rows)


async def claims_by_id(connection: Connection, claim_ids: Sequence[str]) -> dict[str, RefundClaim]:
    rows = await connection.fetch(_SQL["claims_by_id"], list(claim_ids))
    return {row["claim_id"]: _claim(row) for row in rows}


async def put_claims(connection: Connection, rows: Sequence[tuple[Any, ...]], now: datetime) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    await connection.execute(_SQL["put_claims"], *columns, now)


async def put_ledger_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=list(columns))


def _earlier(row: asyncpg.Record | None, request: StaffRequest) -> dict[str, Any] | KeyReused:
    if row is None:
        raise StorageUnavailableError("a request that another one took is not there yet")
    if row["digest"] != request.digest:
        return KeyReused.KEY_REUSED
    answer: dict[str, Any] = msgspec.json.decode(row["answer"])
    return answer


def _claim(row: asyncpg.Record) -> RefundClaim:
    return RefundClaim(
        claim_id=row["claim_id"],
        addressee_number=AddresseeNumber(row["addressee_number"]),
        fiscal_year=row["fiscal_year"],
        amount=row["amount"],
        chose_receiving_account=row["chose_receiving_account"],
        individual_number_written=row["individual_number_written"],
        state=State(row["state"]),
    )
