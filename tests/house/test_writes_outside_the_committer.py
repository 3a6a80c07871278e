"""Every statement that writes goes through the committer, so that it happens together with its log entry, or stands here with its reason."""

from __future__ import annotations

import ast
import re
from functools import cache
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
    ("storage", "guard_tables"): "set-up: by the administrator, before any tenant is there",
    ("storage", "enter_migration"): "set-up: by the administrator, before any tenant is there",
    ("storage", "enter_tenant"): "set-up: by the administrator, before the tenant is there",
    ("gateway.api", "put_client"): "set-up: a client is enrolled before the server runs",
    ("gateway.api", "put_first_secret"): "set-up: a client is enrolled before the server runs",
    ("gateway.api", "forget_revoked"): "drops revoked tokens past their time",
    ("gateway.api", "revoke_token"): "a client gives its own token back; whoever uses it afterwards is on record",
    **dict.fromkeys(
        (("gateway.linkage_server.review", name) for name in ("forget_holds", "forget_earlier_rows", "forget_decisions", "take_to_refold")),
        "what lies in a hold or a decision goes a while after the decision; that it was held and how it was decided is on record",
    ),
    ("gateway.api", "forget_assertions"): "drops spent assertions past their time",
    ("gateway.api", "use_assertion"): "an assertion is spent once; the call that it signs in is recorded by itself",
    **dict.fromkeys(
        (
            ("gateway.assessing", f"try_{what}")
            for what in (
                "update_entry", "delete_entry", "update_subtree", "delete_subtree", "update_checkpoint", "delete_checkpoint", "delete_head", "delete_peer",
            )
        ),
        "what must be refused is tried: no row is named, and it is rolled back",
    ),
    ("gateway.assessing", "rights_held"): "names rights, writes nothing",
    **dict.fromkeys(
        (("storage.resealing", name) for name in ("advance_resealing", "resealing_anew", "supersede_resealings")),
        "how far rows are sealed anew: progress; begin and end are recorded",
    ),
    **dict.fromkeys(
        (
            ("gateway.linkage_server.resealing", f"write_{table}")
            for table in (
                "person_number", "person_base_number", "former_number", "person_index", "person_base_index", "former_index", "person_items", "person_base_items", "person_event", "review_hold", "review_decision",
                "waiting_change", "original", "original_past", "push_target", "push_delivery", "oauth_secret",
            )
        ),
        "the same content under a new version of its key, in one transaction with how far it went; begin and end are recorded",
    ),
    ("gateway.intermediate_server.retention", "erase_ended"): "what is over goes by rule, noted in the same statement; the certificate is recorded",
    ("gateway.intermediate_server.bars", "seal_bars"): "the same number, sealed: rows of before there were seals",
    ("gateway.intermediate_server.provision", "seal_grounds"): "the same word, sealed with its row: rows of before that",
    ("gateway.intermediate_server.replica", "seal_flags"): "the same copies, their flag sealed with them: rows of before that",
    **dict.fromkeys(
        (
            *(("gateway.intermediate_server.replica", name) for name in ("write_person_keys", "write_replicas")),
            *(("gateway.intermediate_server.resealing", name) for name in ("write_person_code", "write_staff_relation", "write_bar", "write_replica_withdrawn", "write_provision_ground", "write_staff_member", "write_staff_card", "write_staff_grant", "write_staff_session")),
        ),
        "the same content under a new version of its key, in one transaction with how far it went; begin and end are recorded",
    ),
    ("gateway.linkage_server", "open_intake"): "a file is taken in hand; what it did is recorded when it is closed",
    ("gateway.linkage_server", "stop_intake"): "why a file was given back on the way; what it did is there, and its sender is told",
    ("gateway.linkage_server", "forget_intake"): "of a file that was stopped, on record, before anything of it counted",
    ("gateway.linkage_server", "advance_intake"): "progress through a file, in one transaction with the rows loaded; the end is recorded",
    ("gateway.linkage_server", "keep_said"): "who sent a list and why, sealed, until the list is on record: in one transaction with it",
    ("gateway.linkage_server", "put_results"): "results by line, in one transaction with the rows loaded",
    ("gateway.linkage_server", "reopen_intake"): "lines judged anew, in one transaction with what they changed; the end is recorded again",
    ("gateway.linkage_server", "change_results"): "results by line, in one transaction with the lines judged anew",
    **dict.fromkeys(
        (
            ("gateway.linkage_server.bulk_inquiries", name)
            for name in (
                "all_asked",
                "finish_file",
                "forget_file",
                "go_on",
                "stop_file",
                "new_supplement",
                "open_file",
                "put_lines",
                "settle_file",
                "supplement_written",
                "told",
            )
        ),
        "where an inquiry file stands; each inquiry is recorded by the intermediate server, each refusal by the desk",
    ),
    ("gateway.linkage_server.addressees", "claim_numbers"): "a counter: gaps are harmless, and the load is recorded when it is closed",
    ("gateway.linkage_server.addressees", "lock_counter"): "a count of those who had the lock, no fact; what they write says for itself",
    ("gateway.linkage_server.addressees", "keep_numbers_from"): "the counters of a file: gaps are harmless, and the load is recorded when it is closed",
    ("gateway.linkage_server.addressees", "put_readings"): "readings that rows bring, in one transaction with the load; the load is recorded when it is closed",
    ("gateway.linkage_server.addressees", "put_hold"): "rows kept for review, in one transaction with the load",
    **dict.fromkeys(
        (
            ("gateway.linkage_server.people", name)
            for name in (
                "cancel_holds",
                "drop_former_numbers",
                "drop_waiting_changes",
                "free_numbers",
                "keep_bases",
                "put_change_hold",
                "put_events",
                "put_former_number",
                "put_successor",
                "put_waiting_changes",
                "reinstate_events",
                "set_aside",
                "take_over_numbers",
                "undo_addressee_end",
                "undo_events",
                "undo_held_event",
                "update_persons",
                "withdraw_registrations",
                "write_addressee_ends",
            )
        ),
        "changes of people, in one transaction with their results; the list is recorded when it is closed, a review by its decision",
    ),
    **dict.fromkeys(
        (
            ("gateway.linkage_server.business_information", name)
            for name in (
                "change_originals", "keep_final_results", "open_scopes", "first_transfers_through", "first_transfer_through", "release_waiting", "release_all",
                "mark_offered", "settle", "send_again", "advance_cursor", "look_again", "withdraw", "register_anew",
            )
        ),
        "originals and how far their copies have come: the intermediate server records the copies, look_ups who was shown or changed what",
    ),
    **dict.fromkeys(
        (("gateway.linkage_server.business_information.runs", name) for name in ("open_run", "advance_run", "put_part", "close_run", "repair", "forget_runs")),
        "a run over all originals: progress and results, in one transaction; the intermediate server records what it did to the copies",
    ),
    **dict.fromkeys(
        (("gateway.linkage_server.pushes", name) for name in ("advance_results", "drop_notices", "put_notices")),
        "word of an end that the intermediate server has recorded; nobody's data is in it",
    ),
    ("gateway.linkage_server.code_requests", "open_run"): "a run of code requests; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "open_run_after_restore"): "a run of code requests; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "close_runs"): "a run of code requests; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "hasten"): "a copy of the code's state for the next step; the intermediate server records what becomes of codes",
    ("gateway.linkage_server.code_requests", "advance_hastening"): "how far a run is: progress, no legal act",
    ("gateway.linkage_server.code_requests", "forget_code_runs"): "runs past the time that history is kept: progress, no legal act",
    ("gateway.linkage_server.code_requests", "move_cursor"): "how far people were followed: progress, no legal act",
    ("gateway.linkage_server.code_requests", "put_standings"): "a copy of the code's state for the next step; the intermediate server records what becomes of codes",
    ("gateway.linkage_server.code_requests", "advance"): "a copy of the code's state for the next step; the intermediate server records what becomes of codes",
    ("gateway.linkage_server.code_requests", "put_request_file"): "which line of a file asks for whom; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "put_request_lines"): "which line of a file asks for whom; the code's binding is what is recorded",
    ("gateway.linkage_server.code_requests", "drop_request_file"): "a file whose result was taken",
    ("gateway.intermediate_server.codes", "begin_renewal"): "progress of a renewal: each batch and its end are recorded",
    ("gateway.intermediate_server.codes", "expire_requests"): "acquisition numbers past their window are forgotten: nothing came of them",
    ("gateway.linkage_server.search", "begin_anew"): "tokens of the search are made anew: derived from people, no fact",
    ("gateway.linkage_server.search", "put_tokens"): "tokens of the search: derived from people, no fact",
    ("gateway.linkage_server.search", "advance"): "up to where the tokens are made, in one transaction with them",
    ("gateway.linkage_server.pushes", "take_persons"): "changes taken in hand; what leaves of them is recorded before it leaves",
    ("gateway.linkage_server.pushes", "take_addressees"): "changes taken in hand; what leaves of them is recorded before it leaves",
    ("gateway.linkage_server.pushes", "advance"): "up to where changes were taken in hand, in one transaction with them",
    ("gateway.linkage_server.pushes", "end_deliveries"): "the receiver has it; that it leaves was recorded before",
    ("gateway.linkage_server.pushes", "put_off"): "when to try again: no legal act",
    ("gateway.linkage_server.pushes", "give_up"): "tried often enough: somebody is told by the alarm; that it leaves was recorded before",
    ("gateway.linkage_server.pushes", "revive"): "tried again; who said so is recorded just before",
    ("gateway.linkage_server.pushes", "pull_out"): "a push that waits for a release after all, is written anew, or is not sent: nothing of it has left",
    ("gateway.linkage_server.pushes", "supersede"): "a push that does not leave as it is, with the freeze or thaw or change of rights that is on record",
    ("gateway.linkage_server.pushes", "drop_unheld"): "a push that is not sent: the system holds the person no more",
    ("gateway.linkage_server.pushes", "write_again"): "bytes for another kind of target: what leaves is recorded anew",
    ("gateway.linkage_server.pushes", "forget_ended"): "rows of deliveries past their time go; the log keeps what left",
    **dict.fromkeys(
        (
            ("gateway.linkage_server.review", name)
            for name in (
                "move_decision", "close_hold", "follow_hold", "forget_base_number", "new_person", "put_addressee", "repoint", "set_frozen", "set_merged", "touch",
                "unmerge",
            )
        ),
        "the effect of an approved decision, in one transaction with its state; what was decided is recorded before, that it is through after",
    ),
    **dict.fromkeys(
        (("gateway.intermediate_server.operations", name) for name in ("begin_counting", "advance_counting", "count_exchanges", "count_from_the_start", "forget_counts")),
        "counts of the log's own entries, in one transaction with how far they go: derived, no fact",
    ),
    ("gateway.intermediate_server.operations", "settle_names"): "which names a month of statistics is told by; that it is told is recorded just before",
    ("gateway.intermediate_server.operations", "renew_again"): "what is asked of the core once more; who asked is recorded before, what came of it after",
    **dict.fromkeys(
        (("gateway.intermediate_server.operations", name) for name in ("advance_job", "end_job", "interrupt_jobs", "forget_jobs")),
        "how far a job is: progress; who began it is recorded with its row",
    ),
    **dict.fromkeys(
        (("gateway.linkage_server.backups", name) for name in ("advance_backup", "end_backup", "interrupt_backups", "forget_backups")),
        "how far a backup is: progress; who had it made is recorded with its row",
    ),
    **dict.fromkeys(
        (
            ("gateway.intermediate_server.operations", name)
            for name in ("leave_out_of_replica", "leave_out_of_person_code", "leave_out_of_merged_number", "end_people", "end_cards", "end_grants", "ask_password_anew", "ask_grants_anew", "suspend_use", "complete_job")
        ),
        "a restore, by the database's administrator while the server is stopped; the server records it as the first entry of the log opened anew",
    ),
    **dict.fromkeys(
        (
            ("gateway.linkage_server.backups", name)
            for name in (
                "carry_order", "count_on", "forget_files", "look_for_codes", "restored", "restored_again", "stop_pushes", "stop_runs",
                "suspend_clients", "void_decisions",
            )
        ),
        "a restore, by the database's administrator while the server is stopped; the server records it as the first entry of the log opened anew",
    ),
    ("gateway.linkage_server.backups", "codes_settled"): "how far a restore is carried through; the intermediate server records the codes that end",
    **dict.fromkeys(
        (("storage.backups", name) for name in ("empty_table", "next_origin", "log_opened_anew")),
        "a restore, by the database's administrator while the server is stopped; the server records it as the first entry of the log opened anew",
    ),
    ("gateway.intermediate_server.inquiry", "postpone"): "when to try again: no legal act",
    ("gateway.intermediate_server.inquiry", "expire_results"): "results past their time go, counted in the same statement; the certificate of that is recorded",
    **dict.fromkeys(
        (
            ("gateway.intermediate_server.retention", name)
            for name in (
                "note_versions",
                "count_erased",
                "forget_approvals",
                "forget_provisions",
                "forget_inquiries",
                "forget_person_keys",
            )
        ),
        "what is erased after its time and how much of it: begun and certified by an entry each",
    ),
    **dict.fromkeys(
        (("gateway.intermediate_server.records", name) for name in ("index_records", "indexed_down_to", "indexed")),
        "rows that records are found by, made of entries that are there: derived, no fact",
    ),
    ("gateway.intermediate_server.provision", "push_later"): "when to try again: no legal act",
    ("gateway.intermediate_server.staff", "forget_challenges"): "spent challenges past their time; the log-in was recorded",
    ("gateway.intermediate_server.staff", "forget_old_attempts"): "counts of attempts that no lock needs any more; each attempt was recorded",
    ("gateway.intermediate_server.staff", "forget_sessions"): "sessions over for a day; log-in, log-out and every call were recorded",
    ("adapters.jlis_mock.core", "forget_permits"): "after seven years: begun and certified by an entry each",
    ("gateway.linkage_server", "forget_subjects"): "after seven years: begun and certified by an entry each",
    ("adapters.jlis_mock.core", "forget_codes"): "sealed codes past their time go; the permit was recorded",
    ("adapters.jlis_mock.core", "keep_alive"): "the core's sign of life, to find an outage afterwards",
    ("adapters.jlis_mock.core", "after_outage"): "deadlines of open permits move after an outage; their ends are recorded",
    ("adapters.jlis_mock.portal", "citizen"): "which of its own numbers a citizen has; what is asked for them is recorded by the intermediate server",
    ("adapters.jlis_mock.resident_network", "insert_residents"): "simulated residents: this server keeps no evidence log",
    ("adapters.jlis_mock.resident_network", "change_resident"): "simulated residents: this server keeps no evidence log",
    ("adapters.jlis_mock.resident_network", "put_four_items_index"): "an index of rows that are there: this server keeps no evidence log",
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
                "put_push_secret",
                "forget_numbers",
                "carry_order",
                "backup_made",
                "put_restored",
                *(f"write_{column}" for column in (
                    "insured_number", "receipts_number", "arrears_number", "insured_personal", "receipts_accounts", "receipts_direct_debit", "arrears_accounts",
                    "claim_account", "inquiry_benefit", "push_secret",
                )),
            )
        ),
        SKY2,
    ),
}  # fmt: skip


FUNCTION = re.compile(r"create (?:or replace )?function (\w+)\(.*?\$\$(.*?)\$\$", re.IGNORECASE | re.DOTALL)


def writing_functions() -> set[str]:
    """Functions of the migrations whose body writes: who calls one writes."""
    texts = [
        path.read_text(encoding="utf-8") for path in ROOT.glob("*/**/migrations/*.sql") if ".venv" not in path.parts
    ]
    return {name for text in texts for name, body in FUNCTION.findall(text) if WRITES.search(body)}


def writes(text: str) -> bool:
    bare = re.sub(r"--.*", "", text)
    return bool(WRITES.search(bare)) or any(re.search(rf"\b{name}\(", bare) for name in WRITERS)


WRITERS = writing_functions()


def writing_statements() -> dict[tuple[str, str], str]:
    """(package, name) → text of every statement of a queries.sql that writes."""
    found = {}
    for path in sorted(ROOT.glob("*/**/queries.sql")):
        if ".venv" in path.parts:
            continue
        package = ".".join(path.relative_to(ROOT).parent.parts)
        for name, text in sql.load(package).items():
            if writes(text):
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


@cache
def names_used(top: Path) -> list[tuple[set[str], set[str]]]:
    return [committed_names(ast.parse(path.read_text(encoding="utf-8"))) for path in modules() if top in path.parents]


def outside(package: str, name: str) -> bool:
    """Whether code of the statement's server uses it in any way but as a committer's Statement (or not at all)."""
    used = names_used(ROOT / Path(*package.split(".")[:2]))
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
    assert {"append_log", "register_inquiry", "end_inquiry"} <= WRITERS
    assert not {"before_registering", "standings", "known_at_the_desk"} & WRITERS
    assert ("gateway.intermediate_server.inquiry", "register_inquiry") in WRITING
    tree = ast.parse('_A = Statement("put", SQL["put"])\nasync def f(c): await c.execute(SQL["other"])')
    assert committed_names(tree) == ({"put"}, {"other"})


def test_no_module_writes_by_a_statement_of_its_own():
    """SQL stands in queries.sql. Migrations, ledgers made from definitions, the demonstration's look inside and a scenario's insider are set-up or tests."""
    inline = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and WRITES.match(node.value.lstrip()):
                inline.add(str(path.relative_to(ROOT)))
    assert inline <= {"storage/migrations.py", "gateway/scenarios/verbs/dishonesty.py"}
