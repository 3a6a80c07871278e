"""Every statement that writes goes through the committer, so that it happens together with its log entry, or stands here with its reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from storage import sql

ROOT = Path(__file__).resolve().parents[2]
WRITES = re.compile(
    r"\b(insert\s+into|update\s+[a-z_]+\s+(as\s+)?([a-z_]+\s+)?set|delete\s+from|truncate)\b", re.IGNORECASE
)
COMMITTER = "storage.evidence_log"
SKY2 = "a business system: it keeps no evidence log of the network's kind"
ALLOWED = {
    ("gateway.api", "put_client"): "set-up: a client is enrolled before the server runs",
    ("gateway.api", "forget_assertions"): "drops spent assertions past their time",
    ("gateway.api", "use_assertion"): "an assertion is spent once; the call that it signs in is recorded by itself",
    ("gateway.linkage_server", "open_intake"): "a file is taken in hand; what it did is recorded when it is closed",
    ("gateway.linkage_server", "advance_intake"): "progress through a file, in one transaction with the rows loaded; the end is recorded",
    ("gateway.linkage_server", "put_results"): "results by line, in one transaction with the rows loaded",
    ("gateway.linkage_server.addressees", "claim_numbers"): "a counter: gaps are harmless, and the load is recorded when it is closed",
    ("gateway.linkage_server.addressees", "put_hold"): "rows kept for review, in one transaction with the load",
    ("gateway.linkage_server.code_requests", "open_run"): "a run of code requests; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "close_run"): "a run of code requests; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "set_states"): "a copy of the code's state for the next run; the intermediate server records it",
    ("gateway.intermediate_server.inquiry", "postpone"): "when to try again: no legal act",
    ("gateway.intermediate_server.inquiry", "expire_results"): "results past their time go; their end was recorded when they came",
    ("gateway.intermediate_server.provision", "push_later"): "when to try again: no legal act",
    ("adapters.jlis_mock.core", "forget_codes"): "sealed codes past their time go; the permit was recorded",
    ("adapters.jlis_mock.core", "keep_alive"): "the core's sign of life, to find an outage afterwards",
    ("adapters.jlis_mock.core", "after_outage"): "deadlines of open permits move after an outage; their ends are recorded",
    ("adapters.jlis_mock.resident_network", "insert_residents"): "simulated residents: this server keeps no evidence log",
    ("adapters.jlis_mock.resident_network", "count_asks"): "how often an agency has asked: this server keeps no evidence log",
    **dict.fromkeys(
        (
            ("adapters.sky2", name)
            for name in (
                "take_request",
                "answer_request",
                "put_people",
                "put_claims",
                "mark_claims_asked",
                "number_claim",
                "settle_claim",
                "put_unemployment_inquiries",
                "number_unemployment_inquiry",
                "settle_unemployment_inquiry",
            )
        ),
        SKY2,
    ),
}  # fmt: skip


def writing_statements() -> dict[tuple[str, str], str]:
    """(package, name) → text of every statement of a queries.sql that writes."""
    found = {}
    for path in sorted(ROOT.glob("*/**/queries.sql")):
        if ".venv" in path.parts:
            continue
        package = ".".join(path.relative_to(ROOT).parent.parts)
        for name, text in sql.load(package).items():
            if WRITES.search(re.sub(r"--.*", "", text)):
                found[(package, name)] = text
    return found


def modules() -> list[Path]:
    return [path for top in ("gateway", "adapters", "storage") for path in sorted((ROOT / top).rglob("*.py"))]


def committed_names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Names given to a `Statement(…)`, and every other string of a module."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Statement"
    ]
    inside = [node for call in calls for node in ast.walk(call) if isinstance(node, ast.Constant)]
    names = {str(node.value) for node in inside}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return names, {node.value for node in strings if not any(node is other for other in inside)}


def outside(package: str, name: str) -> bool:
    """Whether code of the statement's server uses it in any way but as a committer's Statement (or not at all)."""
    top = ROOT / Path(*package.split(".")[:2])
    used = [committed_names(ast.parse(path.read_text(encoding="utf-8"))) for path in modules() if top in path.parents]
    return any(name in others for _, others in used) or not any(name in names for names, _ in used)


WRITING = writing_statements()


@pytest.mark.parametrize(("package", "name"), sorted(key for key in WRITING if key[0] != COMMITTER), ids=str)
def test_a_statement_that_writes_goes_through_the_committer_or_says_why_not(package, name):
    assert outside(package, name) == ((package, name) in ALLOWED), (
        "write through a Statement, or add it with its reason"
    )


def test_every_exception_is_still_there():
    assert set(ALLOWED) <= set(WRITING)


def test_the_search_finds_writes_of_every_kind():
    assert WRITES.search("insert into person (id) values ($1)")
    assert WRITES.search("with gone as (delete from replica returning id) select id from gone")
    assert WRITES.search("update permit p set state = 'x'")
    assert not WRITES.search("select 1 from number_counter for update")
    assert ("gateway.intermediate_server.inquiry", "register_inquiry") in WRITING
    tree = ast.parse('_A = Statement("put", SQL["put"])\nasync def f(c): await c.execute(SQL["other"])')
    assert committed_names(tree) == ({"put"}, {"other"})


def test_no_module_writes_by_a_statement_of_its_own():
    """SQL stands in queries.sql. Migrations, ledgers made from definitions, and the demonstration's look inside are set-up or tests."""
    inline = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and WRITES.match(node.value.lstrip()):
                inline.add(str(path.relative_to(ROOT)))
    assert inline <= {"storage/migrations.py"}
