"""The migration on a real PostgreSQL: tables, columns, and the rules that the database itself keeps."""

from __future__ import annotations

from importlib.resources import files

import asyncpg
import pytest

from adapters.sky2.ledgers import SQL_TYPES, parse
from adapters.sky2.refund import State
from storage.postgres import EmbeddedPostgres

PACKAGE = files("adapters.sky2")
SQL = PACKAGE.joinpath("migrations", "0001_sky2.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dsn(tmp_path_factory):
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    yield server.start("for-tests-only")
    server.stop()


@pytest.fixture
async def connection(dsn):
    connection = await asyncpg.connect(dsn)
    outer = connection.transaction()
    await outer.start()
    await connection.execute("create schema sky2_test")
    await connection.execute("set local search_path = sky2_test")
    await connection.execute(SQL)
    await connection.execute("insert into insured_person values ('0000000001', null, 'sealed')")
    yield connection
    await outer.rollback()
    await connection.close()


async def claim(connection, **changes):
    columns = {
        "claim_id": "c",
        "addressee_number": "0000000001",
        "fiscal_year": 2026,
        "amount": 1200,
        "chose_receiving_account": True,
        "individual_number_written": True,
        "state": "claimed",
    } | changes
    names = ", ".join(columns)
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    asked = "null, null" if columns["state"] == "claimed" else "now(), 'bytes'"
    await connection.execute(
        f"insert into refund_claim ({names}, claimed_at, asked_at, inquiry) values ({places}, now(), {asked})",
        *columns.values(),
    )


@pytest.mark.parametrize("name", ["receipts_ledger", "arrears_ledger"])
async def test_the_table_has_a_column_for_each_item_of_the_layout(connection, name):
    ledger = parse(PACKAGE.joinpath("ledger_data", f"{name}.yaml").read_text(encoding="utf-8"))
    found = await connection.fetch(
        "select attname, format_type(atttypid, null) as type from pg_attribute"
        " where attrelid = to_regclass($1) and attnum > 0 order by attnum",
        name,
    )
    assert [(row["attname"], row["type"].removesuffix(" without time zone")) for row in found] == [
        ("row_id", "bigint"),
        *((item.column, SQL_TYPES[item.type]) for item in ledger.items),
    ]


async def test_the_tables_are_these(connection):
    found = await connection.fetch("select tablename from pg_tables where schemaname = 'sky2_test' order by 1")
    assert [row["tablename"] for row in found] == [
        "arrears_ledger",
        "insured_person",
        "receipts_ledger",
        "refund_claim",
        "staff_request",
        "unemployment_inquiry",
    ]


@pytest.mark.parametrize("missing", ["chose_receiving_account", "individual_number_written"])
async def test_the_database_refuses_an_inquiry_without_the_persons_choice(connection, missing):
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await claim(connection, state="asked", inquiry_number="Q1", **{missing: False})
    assert caught.value.constraint_name == "refund_claim_asks_only_when_chosen"


@pytest.mark.parametrize("state", State)
async def test_the_database_knows_every_state(connection, state):
    matched = {State.MATCHED: True, State.MISMATCHED: False}.get(state)
    await claim(connection, state=state.value, matched=matched)
    assert await connection.fetchval("select state from refund_claim") == state


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "paid"},
        {"amount": 0},
        {"state": "matched"},
        {"state": "mismatched", "matched": True},
        {"state": "asked", "matched": False},
        {"state": "asked", "account": b"sealed"},
    ],
    ids=str,
)
async def test_the_database_refuses_a_claim_that_contradicts_itself(connection, changes):
    with pytest.raises(asyncpg.CheckViolationError):
        await claim(connection, **changes)


async def test_one_inquiry_number_belongs_to_one_claim(connection):
    await claim(connection, state="asked", inquiry_number="Q1")
    with pytest.raises(asyncpg.UniqueViolationError):
        await claim(connection, claim_id="d", state="asked", inquiry_number="Q1")
