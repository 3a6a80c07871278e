"""`sekisho assess` on a running system: what is kept, and each thing that is broken on purpose is named, with the measures that it breaks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.assessing import doors, files, logs, records, rights, telling
from gateway.assessing.assess import Assessment, assess
from gateway.assessing.installation import Installation
from gateway.assessing.verdicts import Result, Verdict
from gateway.data_folder import DataFolder
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, FAILED, OK
from gateway.list_sources import open_library
from gateway.setting_up.authority import open_authority
from gateway.topology import shipped
from gateway.tracing.parties import known_parties
from gateway.tracing.sources import sources
from tests.support.open_doors import altered, lax_server
from tests.support.running_system import INSURANCE, RESIDENTS, System, started
from transport.clock import Clock

TENANT, LINKAGE = "a_setagaya_intermediate", "a_setagaya_linkage"
CLEAN = ("SC-1", "SC-2", "SC-3", "SC-5", "SC-8", "SC-21", "PL-2", "PL-3", "PL-4", "PL-6", "IS-4")
"""Working requirements that the running system alone shows to be kept."""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    sky2 = {"sky2": {"account_item": "42", "unemployment_item": "44"}}
    with started(tmp_path_factory.mktemp("assess"), roles=tuple(shipped().roles), role_options=sky2) as running:
        made = System(running=running)
        asyncio.run(_exchange(made))
        yield made


async def _exchange(system: System) -> None:
    """One answered, one in another's stead, one held and released, one refused by the desk, one by the list."""
    cast = system.insured[:2]
    await system.populate(cast)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu"):
        await system.register(each, cast)
    for each in (RESIDENTS, "suginami-gyomu"):
        await system.obtain_codes(each)
    records_of = [*system.insurance(cast[0]), *system.insurance(cast[1], barred=True)]
    await system.load_records(INSURANCE, records_of, "base.ndjson")
    await system.ask("suginami-gyomu", system.to_the_ward(cast[0]))
    await system.ask("suginami-gyomu", system.to_the_ward(cast[0], item="80", inquirer_for="koiki-rengo"))
    held = await system.ask("suginami-gyomu", system.to_the_ward(cast[1]))
    await system.decide(WARD, await system.held(WARD, held["inquiry_number"]), approve=True)
    await system.settled("suginami-gyomu", held)
    await system.ask("suginami-gyomu", system.to_the_ward(cast[0], information="戸籍関係情報"))
    await system.ask(RESIDENTS, system.from_the_ward(cast[0], addressee_number="999999999999999"))


def data(system: System) -> DataFolder:
    return system.running.data


def look(system: System) -> Assessment:
    return assess(Installation.open(data(system)), staff="staff-1", page={}, run=None)


def check(found: Assessment, name: str) -> Result:
    return next(one for one in found.results if one.check == name)


def verdicts(found: Assessment) -> dict[str, Verdict]:
    return {one.id: one.verdict for one in found.requirements}


def by_the_administrator(system: System, *statements: str) -> None:
    async def execute() -> None:
        async with system.administrator() as connection:
            for statement in statements:
                await connection.execute(statement)

    asyncio.run(execute())


def test_a_system_as_set_up_breaks_nothing_and_keeps_what_it_shows(system, tmp_path, capsys):
    target = tmp_path / "assess.html"
    words = ["assess", "--json", "--html", str(target), "--data", str(data(system).root)]
    assert main(words) == OK
    document = json.loads(capsys.readouterr().out)
    assert document["counts"]["broken"] == 0
    assert document["assessed_at"].startswith("2022-10-03")
    assert {one["check"]: one["what"] for one in document["checks"] if one["verdict"] == "broken"} == {}
    found = {one["id"]: one["verdict"] for one in document["requirements"]}
    assert {name: found[name] for name in CLEAN} == dict.fromkeys(CLEAN, "kept")
    assert found["SC-15"] == "unverified", "nothing there, so nothing is claimed"
    assert "破られている措置は見つかりませんでした" in target.read_text()


def test_a_key_file_that_others_may_read_is_named(system):
    path = data(system).role("intermediate") / "keys" / f"{WARD}.json"
    path.chmod(0o644)
    try:
        found = look(system)
    finally:
        path.chmod(0o600)
    assert check(found, "private_files").what == (
        f"roles/intermediate/keys/{WARD}.json: ほかの利用者が読み書きできる (mode 0644)",
    )
    assert verdicts(found)["SC-20"] is Verdict.BROKEN
    broken = {one.place for one, said in found.measures if said.verdict is Verdict.BROKEN}
    assert "Ⅲ-6-4" in broken
    assert found.broken


@pytest.mark.parametrize(
    ("grant", "revoke", "named"),
    [
        (
            (f"grant usage on schema {LINKAGE} to sekisho_network", f"grant select on {LINKAGE}.person to sekisho_network"),
            (f"revoke select on {LINKAGE}.person from sekisho_network", f"revoke usage on schema {LINKAGE} from sekisho_network"),
            f"network のログインが {LINKAGE}.person を読める (may read)",
        ),
        (
            (f"grant {TENANT} to sekisho_linkage",),
            (f"revoke {TENANT} from sekisho_linkage",),
            f"linkage のログインが {TENANT} になれる (may become that tenant)",
        ),
    ],
)  # fmt: skip
def test_a_right_on_another_tenant_is_named(system, grant, revoke, named):
    by_the_administrator(system, *grant)
    try:
        found = look(system)
    finally:
        by_the_administrator(system, *revoke)
    assert named in check(found, "tenants_apart").what
    assert verdicts(found)["SC-8"] is Verdict.BROKEN


def test_a_login_that_may_make_things_is_named(system):
    by_the_administrator(system, "alter role sekisho_network createrole")
    try:
        found = asyncio.run(rights.logins_limited(Installation.open(data(system))))
    finally:
        by_the_administrator(system, "alter role sekisho_network nocreaterole")
    assert found.verdict is Verdict.BROKEN
    assert any("管理者の権限" in what for what in found.what)


def test_a_byte_flipped_in_a_log_is_named_with_its_place_and_so_is_a_log_that_may_be_changed(system):
    table = f"{TENANT}.log_entry"
    off, on = (f"alter table {table} {way} trigger log_entry_pruned_only" for way in ("disable", "enable"))
    flip = f"update {table} set body = set_byte(body, 9, get_byte(body, 9) # 1) where idx = 0"
    by_the_administrator(system, off, flip)
    try:
        found = look(system)
    finally:
        by_the_administrator(system, flip, on)
    flipped = check(found, "logs_verified")
    assert any("bit_flip" in what and what.startswith(WARD) and what.endswith("記録 0") for what in flipped.what)
    assert any("log_entry_pruned_only" in what for what in check(found, "log_append_only").what)
    assert verdicts(found)["SC-6"] is Verdict.BROKEN


def test_a_log_that_its_own_server_may_change_is_named(system):
    by_the_administrator(system, f"grant update, truncate on {TENANT}.log_entry to {TENANT}")
    try:
        found = asyncio.run(rights.log_append_only(Installation.open(data(system))))
    finally:
        by_the_administrator(system, f"revoke update, truncate on {TENANT}.log_entry from {TENANT}")
    assert found.what == (
        f"{TENANT}: 「update log_entry set idx = idx where false」できる (may)",
        f"{TENANT}: log_entry を update する権限がある (has the right)",
        f"{TENANT}: log_entry を truncate する権限がある (has the right)",
    )


FORGED = f"""insert into {TENANT}.staff_grant (grant_id, staff_id, function, office, affair, information, file, valid_from, valid_until, state, version,
    requested_by, requested_card, approved_by, approved_card, approved_digest)
    select 'G' || repeat('0', 26), 'staff-1', function, office, affair, information, file, valid_from, valid_until, state, version,
    requested_by, requested_card, {{by}}, {{card}}, approved_digest
    from {TENANT}.staff_grant where staff_id = 'staff-1' and requested_by = 'admin-1' limit 1"""
GONE = f"delete from {TENANT}.staff_grant where grant_id like 'G0000%'"


def test_a_grant_with_one_person_by_the_administrator_is_named(system):
    table, two = f"{TENANT}.staff_grant", ("staff_grant_two_people", "staff_grant_two_cards")
    rules = {
        "staff_grant_two_people": "approved_by is null or (approved_by <> requested_by and approved_by <> staff_id)",
        "staff_grant_two_cards": "approved_card is null or approved_card <> requested_card",
    }
    dropping = [f"alter table {table} drop constraint {name}" for name in two]
    by_the_administrator(system, *dropping, FORGED.format(by="requested_by", card="requested_card"))
    try:
        found = look(system)
    finally:
        restoring = [f"alter table {table} add constraint {name} check ({rule})" for name, rule in rules.items()]
        by_the_administrator(system, GONE, *restoring)
    what = check(found, "staff_constraints").what
    assert f"{TENANT}: 制約 staff_grant_two_people がない (constraint missing)" in what
    assert any("一人で発効した" in one and "G0000" in one for one in what)
    assert any("G0000" in one for one in check(found, "grants_recorded").what)
    assert verdicts(found)["SC-11"] is Verdict.BROKEN


def test_a_grant_that_names_two_people_of_whom_the_log_knows_nothing_is_named(system):
    by_the_administrator(system, FORGED.format(by="approved_by", card="approved_card"))
    try:
        found = look(system)
    finally:
        by_the_administrator(system, GONE)
    assert check(found, "staff_constraints").verdict is Verdict.KEPT, "the database alone cannot tell"
    assert check(found, "grants_recorded").verdict is Verdict.BROKEN
    assert verdicts(found)["SC-11"] is Verdict.BROKEN


def test_a_refusal_that_is_not_on_record_is_named(system):
    number = "Q" + "0" * 26
    put = f"insert into {LINKAGE}.desk_refusal values ('assess', '{number}', 'addressee_unknown', '\\x{'00' * 32}')"
    by_the_administrator(system, put)
    try:
        found = look(system)
    finally:
        by_the_administrator(system, f"delete from {LINKAGE}.desk_refusal where message_id = 'assess'")
    assert check(found, "refusals_recorded").what == (
        f"{WARD}/linkage: {number} を拒んだ記録がない (refusal not on record)",
    )


def test_an_expired_certificate_a_foreign_one_and_one_for_another_use_are_named(system, tmp_path):
    installation = Installation.open(data(system))
    folder = data(system).role("intermediate") / "tls"
    past = open_authority(data(system).authority, Clock()() - timedelta(days=2000))
    expired = past.issue(tmp_path / "expired", "server", subject="server", hosts=())
    foreign = open_authority(tmp_path / "foreign", Clock()()).issue(tmp_path / "tls", "server", subject="server")
    for name, key in (("server.pem", "server.key.pem"), (f"{WARD}.pem", f"{WARD}.key.pem")):
        for other, told in ((expired, "not in force"), (foreign, "not of this authority")):
            certificate, private = other.certificate.read_bytes(), other.key.read_bytes()
            with altered(folder / name, certificate), altered(folder / key, private):
                found = files.certificates(installation)
            assert [told in what for what in found.what] == [True]
    with altered(folder / f"{WARD}.pem", (folder / "server.pem").read_bytes()):
        assert "key of another certificate" in files.certificates(installation).what[0]
        swapped = altered(folder / f"{WARD}.key.pem", (folder / "server.key.pem").read_bytes())
        with swapped:
            assert "not enrolled for this use" in files.certificates(installation).what[0]


def test_agencies_that_share_a_key_and_registers_and_lists_that_differ_are_named(system):
    installation = Installation.open(data(system))
    neighbours = data(system).role("neighbours-intermediate")
    with altered(neighbours / "tls" / "tokyo.pem", (neighbours / "tls" / "suginami.pem").read_bytes()):
        assert files.identities_apart(installation).what == ("suginami、tokyo が一つの鍵を使っている (share a key)",)
    register = data(system).role("network") / "register.json"
    with altered(register, register.read_bytes().replace(b'"signature": "', b'"signature": "AAAA')):
        assert files.signed_register(installation).what == (
            "network: 登録簿が読めないか、根の署名がない (register not signed by its root)",
        )
    lists = neighbours / "permission-lists.json"
    stored = json.loads(lists.read_bytes())
    stored["versions"][0]["signature"] = stored["versions"][-1]["signature"]
    with altered(lists, json.dumps(stored).encode()):
        assert "list_signature" in files.lists_signed(installation).what[0]


def test_options_that_open_what_should_be_shut_are_named(system):
    changes = {
        "intermediate": {"staff_idle": 86_400, "staff_failures": 1_000, "keep_result_s": 10**9},
        "linkage": {"compare_with_resident_network": False},
    }
    installation = Installation.open(data(system))
    lax = tuple(replace(role, options={**role.options, **changes.get(role.role, {})}) for role in installation.roles)
    told = doors.options(replace(installation, roles=lax)).what
    assert {word for what in told for word in what.split() if "_" in word} == {
        "compare_with_resident_network", "keep_result_s", "staff_failures", "staff_idle",
    }  # fmt: skip


def test_a_half_of_a_backup_key_that_no_server_may_have_is_named(system):
    folder = data(system).role("intermediate") / "backup"
    with altered(folder / f"{WARD}.public", b""):
        (folder / f"{WARD}.public").rename(folder / "private.json")
        try:
            found = telling.backup_keys(Installation.open(data(system)))
        finally:
            (folder / "private.json").rename(folder / f"{WARD}.public")
    assert found.what == (
        f"{WARD}: バックアップの公開鍵がない (no public half)",
        "intermediate/backup/private.json: 公開鍵ではないものがある (not a public half)",
    )


def test_a_result_that_outlives_its_time_is_named(system):
    """Assessed by a clock that is 40 days ahead: what the server still rightly keeps is too old then."""
    installation = Installation.open(data(system))
    ahead = tuple(replace(role, clock=Clock(role.clock.offset + timedelta(days=40))) for role in installation.roles)
    found = asyncio.run(rights.results_expire(replace(installation, roles=ahead)))
    assert any("期限を過ぎた照会結果が" in what for what in found.what)


async def test_a_door_that_is_open_is_named(system):
    installation = Installation.open(data(system))
    role = next(one for one in installation.roles if one.role == "network")
    async with lax_server(role.server) as port:
        found = await asyncio.to_thread(doors.tls, replace(installation, roles=(replace(role, port=port),)))
    assert [what.partition("(")[2] for what in found.what] == [
        "takes TLS 1.2)", "takes a caller without a certificate)", "takes another authority's certificate)",
    ]  # fmt: skip
    gone = await asyncio.to_thread(doors.tls, replace(installation, roles=(replace(role, port=1),)))
    assert gone.verdict is Verdict.UNVERIFIED


def gathered(system: System, folder: Path) -> logs.Logs:
    where, here = data(system), Installation.open(data(system))
    tries = (logs.gather(where, sources(where, "staff-1"), here.agencies, folder, here.now) for _ in range(3))
    return next(one for one in tries if not one.unread)  # a server that was too busy to answer is asked again


def test_a_desk_whose_log_nobody_here_may_read_leaves_what_rests_on_the_logs_unverified(system, tmp_path):
    """Its only client with log:read is put aside, as it is missing when an agency is added with other clients alone."""
    auditor = data(system).client("kansa")
    aside = auditor.rename(tmp_path / "kansa.json")
    try:
        found = look(system)
    finally:
        aside.rename(auditor)
    for name in ("logs_verified", "exchanges_named"):
        assert check(found, name).verdict is Verdict.UNVERIFIED
        assert [what for what in check(found, name).what if "no client with log:read" in what] == [
            next(what for what in check(found, name).what if what.startswith(f"{WARD}/linkage: "))
        ]


def test_a_desk_that_nobody_has_used_has_no_log_to_read(system):
    installation = Installation.open(data(system))
    desk = next(one for one in installation.roles if one.role == "linkage")
    added = replace(desk.hosted[WARD], id="kawasaki", tenant="a_kawasaki_linkage")
    role = replace(desk, hosted={**desk.hosted, "kawasaki": added})
    assert asyncio.run(rights.desks_in_use(replace(installation, roles=(role,)))) == {WARD}


def test_a_year_without_an_analysis_is_named_and_a_new_one_counts(system, tmp_path, capsys):
    now = Installation.open(data(system)).now
    before = gathered(system, tmp_path)
    waiting = records.analysed_within_a_year(before, now)
    late = records.analysed_within_a_year(before, now + timedelta(days=400))
    words = ["--since", "2022-10-01", "--until", "2022-10-04", "--agency", WARD, "--data", str(data(system).root)]
    assert main(["staff", "analyse", *words, "--staff", "admin-1"]) == OK
    capsys.readouterr()
    after = records.analysed_within_a_year(gathered(system, tmp_path), now)
    assert (waiting.verdict, late.verdict) == (Verdict.UNVERIFIED, Verdict.BROKEN)
    assert any(what.startswith(WARD) for what in (*waiting.what, *late.what))
    assert not any(what.startswith(f"{WARD}:") for what in after.what)
    assert after.seen == "一年以内に分析 1 機関"


def test_a_core_that_permits_what_the_list_does_not_is_named(system, tmp_path):
    """What the log says is taken, and the question put to the list again with other information in it."""
    found, library = gathered(system, tmp_path), open_library(data(system).root)
    parties = known_parties(data(system), Installation.open(data(system)).register)
    assert records.list_again(found, library, parties).verdict is Verdict.KEPT
    core = found.said["network"]
    core.asked = {
        tuple("戸籍関係情報" if part == "医療保険給付関係情報" else part for part in question): place
        for question, place in core.asked.items()
    }
    told = records.list_again(found, library, parties)
    assert told.verdict is Verdict.BROKEN
    assert all(what.startswith("network 2022/") for what in told.what)


def test_failing_tests_break_the_requirements_that_name_them(system, tmp_path, capsys):
    file = tmp_path / "run.xml"
    name = "test_a_login_reads_no_table_that_its_process_does_not_host"
    file.write_text(
        f'<testsuite><testcase classname="tests.system.test_isolation" name="{name}[linkage]"><failure/></testcase></testsuite>'
    )
    words = ["assess", "--json", "--tests", str(file), "--data", str(data(system).root)]
    assert main(words) == FAILED
    document = json.loads(capsys.readouterr().out)
    broken = {one["id"]: one["because"] for one in document["requirements"] if one["verdict"] == "broken"}
    assert broken == {"SC-8": [f"試験が失敗: tests/system/test_isolation.py::{name}"]}


def test_bad_arguments_are_refused_before_anybody_is_asked(system, tmp_path, capsys):
    root = str(data(system).root)
    nothing = tmp_path / "nothing.xml"
    nothing.write_text("<a/>")
    assert main(["assess", "--tests", str(nothing), "--data", root]) == BAD_INPUT
    assert main(["assess", "--data", str(tmp_path)]) == BAD_INPUT
    assert len(capsys.readouterr().err.splitlines()) == 2
