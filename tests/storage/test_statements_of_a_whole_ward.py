"""No statement reads a table that grows with the ward from end to end, or stands here with its reason: 920,000 people, and every exchange of seven years.

The planner is asked for its plan for any arguments (`generic_plan`) while reading a whole table is made as dear as can be: where it does so all the
same, there is no index that it could use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.setting_up.databases import PACKAGES
from gateway.topology import Program
from storage import sql
from storage.migrations import Login, Tenant, create_database, migrate

ROOT = Path(__file__).resolve().parents[2]
GROW = frozenset({
    "addressee", "code_request_line", "code_standing", "former_individual_number", "intake_result", "inquiry_file_line", "original", "original_past",
    "person", "person_base", "person_event", "push_delivery", "review_hold", "search_token", "waiting_change", "desk_refusal", "access_subject",
    "former_code", "inquiry", "person_code", "person_key", "provision", "replica", "replica_withdrawn",
    "log_entry", "log_record", "log_subtree", "merged_number", "permit", "resident", "resident_change",
})  # fmt: skip
COUNTS = "a report that counts everything, when somebody asks for it"
UNDER_A_KEY = "whether anything is under a key: asked before it is destroyed, or while it is replaced"
ONCE = "once at a start, or once an hour when a key's time is over"
RESTORE = "a restore, by the administrator and without a time limit, or what is looked at once after it"
OPEN_ONES = "an index of what is open alone: it is as long as what waits"
MAY = {
    ("assessing", "refused_at_desk"): COUNTS,
    ("assessing", "refused_inquiries"): COUNTS,
    ("backups", "look_for_codes"): RESTORE,
    ("runs", "systems"): RESTORE,
    ("staff", "staff_entries"): "the analysis of the access log over the days that staff name",
    ("code_requests", "counts"): COUNTS,
    ("codes", "code_counts"): COUNTS,
    ("operations", "codes_held"): COUNTS,
    ("access", "looks_between"): "the analysis of the access log over the days that staff name",
    ("people", "count_to_come"): COUNTS,
    ("business_information", "any_original"): "ends at the first row",
    ("business_information", "any_due"): OPEN_ONES,
    ("business_information", "count_due"): OPEN_ONES,
    ("business_information", "release_waiting"): OPEN_ONES,
    ("review", "open_holds_count"): OPEN_ONES,
    ("bars", "bars_moved"): OPEN_ONES,
    ("provision", "decide_held"): OPEN_ONES,
    ("provision", "approve_held"): OPEN_ONES,
    ("provision", "escalate_held"): OPEN_ONES,
    ("codes", "bind_code"): OPEN_ONES,
    ("core", "after_outage"): ONCE,
    ("inquiry", "left_under"): ONCE,
    ("inquiry", "sealed_under"): ONCE,
}
"""(folder, statement); those of `resealing`, `key_needs` and `count_…` of keys are told by their names."""


def statements() -> Iterator[tuple[str, str, str]]:
    for file in sorted(ROOT.glob("[a-z]*/**/queries.sql")):
        parts = file.parent.relative_to(ROOT).parts
        for name, text in sql.load(".".join(parts)).items():
            yield parts[-1], name, text


def whole(node: dict[str, Any], *, limited: bool = False) -> Iterator[str]:
    """Tables that a plan reads from end to end; what ends at a number of rows, in an index's own order, does not."""
    kind = node["Node Type"]
    limited = (limited or kind == "Limit") and kind not in {"Sort", "Aggregate", "Hash"}
    read = kind == "Seq Scan" or (
        kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node and not limited
    )
    if read and node.get("Relation Name") in GROW:
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from whole(below, limited=limited)


@pytest.fixture
async def planner(cluster):
    """A schema of each program, and one connection that plans in it: program → a call of a statement that gives its plan, None where it has no tables for it."""
    _, admin = cluster
    connection = await asyncpg.connect(await create_database(admin))
    for program, packages in PACKAGES.items():
        schema = f"plans_{program.value.replace('-', '_')}"
        await migrate(
            admin,
            [Tenant(schema=schema, packages=packages)],
            [Login(name=f"{schema}_login", password="p", tenants=(schema,))],
        )
    await connection.execute(
        "create or replace function pg_temp.plan(asked text) returns json language plpgsql as $$ declare found json;"
        " begin execute 'explain (generic_plan, format json) ' || asked into found; return found; end $$;"
        " set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off"
    )

    async def plan(program: Program, text: str) -> dict[str, Any] | None:
        await connection.execute(f"set search_path = plans_{program.value.replace('-', '_')}")
        try:
            return json.loads(await connection.fetchval("select pg_temp.plan($1)", text))[0]["Plan"]
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedColumnError):
            return None
        except asyncpg.PostgresSyntaxError:  # a statement that has no plan: a lock, a setting
            return None

    yield plan
    await connection.close()


async def test_no_statement_reads_a_whole_table_that_grows(planner):
    found, planned = {}, 0
    for folder, name, text in statements():
        plans = [plan for program in PACKAGES if (plan := await planner(program, text)) is not None]
        planned += bool(plans)
        read = {table for plan in plans for table in whole(plan)}
        if read and folder not in {"resealing", "key_needs"} and not name.startswith("count_person_keys"):
            found[folder, name] = sorted(read)
    assert planned > 400, "nearly every statement has a plan"
    assert {key: tables for key, tables in found.items() if key not in MAY} == {}
    assert sorted(MAY.keys() - found.keys()) == [], "these have an index now"


async def test_a_statement_without_an_index_is_seen(planner):
    by_kana = await planner(Program.LINKAGE, "select 1 from code_standing where changed_at = $1")
    assert list(whole(by_kana)) == ["code_standing"]
    page = await planner(Program.LINKAGE, "select 1 from person order by revision limit 10")
    assert list(whole(page)) == []
