"""SKY2's rows under a new version of their key (IS-8): sealed anew by themselves, stretch by stretch, while staff and the linkage server go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import asyncpg

from adapters.sky2 import seals as sealed_by
from adapters.sky2.forgotten import PERSON_PLACE
from adapters.sky2.rows import ADDRESSEE_COLUMN, NUMBER_COLUMN
from adapters.sky2.seals import Seals
from keys.ring import Keyring
from storage import sql
from storage.committer import Write, commit_step
from storage.database import Database, as_away
from storage.fault_points import declare
from storage.resealing.job import SETTLE_S, SHARE, Put, Resealing
from storage.resealing.rows import TableRows
from transport.role import RoleConfig

_SQL: Final = sql.load("adapters.sky2")
_RESEALED: Final = commit_step("sky2", "keys.resealed")
_ROWS: Final = declare("sky2", "commit.keys.resealed_rows")
_FIRST_ROW: Final = "-1"
_RECEIPTS: Final = "receipts_ledger"
_ARREARS: Final = "arrears_ledger"
Renew = Callable[[Seals, asyncpg.Record], tuple[Any, ...]]


def _insured_number(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
    whose = row["addressee_number"]
    # opened to be sealed again at once
    number = seals.open_individual_number(row["individual_number"], PERSON_PLACE, whose)
    return whose, seals.individual_number(number, PERSON_PLACE, whose)


def _ledger_number(ledger: str) -> Renew:
    place = f"{ledger}.{NUMBER_COLUMN}"

    def renew(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
        whose = row[ADDRESSEE_COLUMN]
        number = seals.open_individual_number(row[NUMBER_COLUMN], place, whose)
        return row["row_id"], seals.individual_number(number, place, whose)

    return renew


def _ledger_item(ledger: str, column: str) -> Renew:
    place = f"{ledger}.{column}"

    def renew(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
        whose = row[ADDRESSEE_COLUMN]
        return row["row_id"], seals.ledger_item(seals.open_ledger_item(row[column], place, whose), place, whose)

    return renew


def _personal(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
    whose = row["addressee_number"]
    return whose, seals.person(seals.open_person(row["personal"], whose), whose)


def _account(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
    claim = row["claim_id"]
    return claim, seals.account(seals.open_account(row["account"], claim), claim)


def _benefit(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
    key = row["inquiry_key"]
    return key, seals.benefit(seals.open_benefit(row["benefit"], key), key)


def _push_secret(seals: Seals, row: asyncpg.Record) -> tuple[Any, ...]:
    return (seals.push_secret(seals.open_push_secret(row["sealed"])),)


_COLUMNS: Final[Mapping[str, tuple[tuple[str, str, Renew], ...]]] = {
    sealed_by.NUMBER: (
        ("insured_number", "", _insured_number),
        ("receipts_number", _FIRST_ROW, _ledger_number(_RECEIPTS)),
        ("arrears_number", _FIRST_ROW, _ledger_number(_ARREARS)),
    ),
    sealed_by.PERSON: (("insured_personal", "", _personal),),
    sealed_by.LEDGER: (
        ("receipts_accounts", _FIRST_ROW, _ledger_item(_RECEIPTS, "addressee_accounts")),
        ("receipts_direct_debit", _FIRST_ROW, _ledger_item(_RECEIPTS, "other_direct_debit")),
        ("arrears_accounts", _FIRST_ROW, _ledger_item(_ARREARS, "addressee_accounts")),
    ),
    sealed_by.ACCOUNT: (("claim_account", "", _account),),
    sealed_by.BENEFIT: (("inquiry_benefit", "", _benefit),),
    sealed_by.PUSH: (("push_secret", "", _push_secret),),
}
"""Purpose → name of a column's statements, the key before every key, and how a row is sealed anew."""
PURPOSES: Final = tuple(_COLUMNS)


def counts_of(purpose: str) -> tuple[str, ...]:
    """The statements that count rows of a purpose ($1 version, $2 whether under it or under any other); none for a purpose that seals no rows here."""
    return tuple(_SQL[f"count_{name}"] for name, _, _ in _COLUMNS.get(purpose, ()))


def resealing_of(config: RoleConfig, agency: str, database: Database, seals: Seals, ring: Keyring) -> Resealing:
    """SKY2's job; its `run()` must be running once."""
    tenant = config.hosted[agency].tenant
    return Resealing(
        agency=agency,
        tenant=tenant,
        database=database,
        ring=ring,
        rows=[
            TableRows.named(
                name, _SQL, partial(renew, seals), purpose=purpose, first=first, database=database, tenant=tenant
            )
            for purpose, columns in _COLUMNS.items()
            for name, first, renew in columns
        ],
        clock=config.clock,
        put=_put(database, tenant),
        waited_s=lambda: 0.0,
        stretch_step=_ROWS,
        settle_s=float(config.options.get("reseal_settle_s", SETTLE_S)),
        share=float(config.options.get("reseal_share", SHARE)),
    )


def _put(database: Database, tenant: str) -> Put:
    """There is no evidence log here: the row of the job says that it began and ended."""

    async def put(write: Write, _said: Mapping[str, str | int]) -> None:
        _RESEALED.before.reached()
        with as_away("the job of sealing anew could not be written"):
            async with database.inside(tenant) as connection:
                await connection.execute(write.statement.text, *([value] for value in write.row))
        _RESEALED.after.reached()

    return put
