"""No number, code or name of a person stands where operators, monitors and auditors look: the whole job ran with marked people.

Every synthetic 個人番号 begins with 999, every name with 模擬 (モギ), every house number with 架空: what is searched for cannot be there by chance.
"""

from __future__ import annotations

import asyncio
import base64
import re
import urllib.request
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from gateway.__main__ import main
from gateway.demonstration.run import STEPS, _result
from gateway.demonstration.stage import WARD, Step
from gateway.exit_codes import OK
from gateway.intermediate_server.codes.binding import PURPOSE
from gateway.topology import Program, shipped
from keys import labels
from keys.binding import bind
from storage.database import Database
from storage.tenancy import in_use
from tests.support.running_system import entries

TOPOLOGY = shipped()
_CODE_IN_BASE64 = 46
_CODE_IN_HEX = 68
_RUNS = {
    "digits": (re.compile(rb"[0-9]{11,}"), (11, 12, 15)),
    "base64": (re.compile(rb"[A-Za-z0-9+/_-]{46,}"), (_CODE_IN_BASE64,)),
    "hex": (re.compile(rb"[0-9a-f]{68,}"), (_CODE_IN_HEX,)),
}
_ADDRESS = re.compile("架空[0-9]+番地")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Everything of a person that may not be found, as the bytes in which it would be written."""

    personal: frozenset[bytes]
    codes: frozenset[bytes]
    integrated: frozenset[bytes]

    def found_in(self, data: bytes, *, integrated_allowed: bool = False) -> set[str]:
        """The kinds of secrets that stand in these bytes."""
        wanted = {"personal number": self.personal, "linkage code": self.codes}
        if not integrated_allowed:
            wanted["integrated number"] = self.integrated
        windows = {
            run[at : at + size]
            for pattern, sizes in _RUNS.values()
            for run in pattern.findall(data)
            for size in sizes
            for at in range(len(run) - size + 1)
        }
        found = {name for name, values in wanted.items() if windows & values}
        text = data.decode("utf-8", "replace")
        if "\\u" in text:
            text += data.decode("unicode_escape", "replace")
        found |= {"name"} if "模擬" in text else set()
        found |= {"kana"} if "モギ" in text or "ﾓｷﾞ" in text else set()
        return found | ({"address"} if _ADDRESS.search(text) else set())


@pytest.fixture(scope="module")
def secrets(job) -> Secrets:
    return asyncio.run(_collect(job))


async def _collect(job) -> Secrets:
    personal = {one.individual_number for one in job.stage.people} | {
        one.resident_record_code for one in job.stage.people
    }
    codes: set[bytes] = set()
    integrated: set[bytes] = set()
    for role in TOPOLOGY.roles.values():
        if role.program not in {Program.INTERMEDIATE, Program.LINKAGE}:
            continue
        config = job.system.running.role(role.name)
        database = await Database.open(config.dsn, connections=1)
        try:
            made = await in_use(database, map(role.tenant, role.hosts))
            for agency in role.hosts:
                if role.tenant(agency) not in made:
                    continue  # nobody asked it or asked by it: its schema is made at its first use
                async with database.inside(role.tenant(agency)) as connection:
                    if role.program is Program.LINKAGE:
                        rows = await connection.fetch("select integrated_number from person")
                        integrated |= {f"{row[0]:015d}".encode() for row in rows}
                        continue
                    rows = await connection.fetch(
                        "select integrated_number, code_sealed from person_code where bound_at is not null"
                    )
                ring = config.open_keys(agency).ring
                for row in rows:
                    aad = bind(labels.LINKAGE_CODE, agency, row["integrated_number"])
                    codes |= set(_spellings(ring.decrypt(PURPOSE, row["code_sealed"], aad)))
        finally:
            await database.close()
    return Secrets(
        personal=frozenset(one.encode() for one in personal), codes=frozenset(codes), integrated=frozenset(integrated)
    )


def _spellings(code: bytes) -> Iterable[bytes]:
    yield base64.b64encode(code)[:_CODE_IN_BASE64]
    yield base64.urlsafe_b64encode(code)[:_CODE_IN_BASE64]
    yield code.hex().encode()


def _spool_files(job):
    root = job.system.running.data.root / "spool"
    return [path for path in root.rglob("*") if path.is_file()]


# --- the searcher finds what there is to find


def test_the_job_ran_as_expected(job):
    assert {step.name: list(step.lines()) for step in job.stage.steps if not step.ok} == {}
    assert len(job.stage.steps) == 8


def test_the_result_of_the_demonstration_counts_every_step_and_one_other_outcome_makes_it_fail(job):
    result = _result(job.stage, 1.0)
    assert result["ok"]
    assert len(result["steps"]) == len(STEPS)
    assert all(step["counts"] and step["seconds"] > 0 for step in result["steps"].values())
    assert result["steps"]["records"]["counts"]["見つかった異常"] == 0
    assert set(result["peak_memory_kb"]) == set(job.system.running.roles)
    assert min(result["peak_memory_kb"].values()) > 0
    assert result["inquiries_per_second"] > 0
    assert all(log["size"] > 0 and len(log["root"]) == 64 for log in result["logs"].values())
    steps = job.stage.steps
    for wrong in (
        steps[:-1],
        [*steps[:-1], Step(name="records", title="")],
        [*steps[:-1], _one_more_finding(steps[-1])],
    ):
        assert not _result(replace(job.stage, steps=wrong), 1.0)["ok"]


def _one_more_finding(step: Step) -> Step:
    return replace(step, counts=step.counts + Counter({"見つかった異常": 1}))


def test_the_secrets_are_there_to_be_looked_for(secrets, job):
    assert len(secrets.personal) == 2 * len(job.stage.people)
    assert len(secrets.codes) > len(job.stage.people)
    assert len(secrets.integrated) >= len(job.stage.people)


def test_the_searcher_finds_each_kind_wherever_it_is_hidden(secrets, job):
    person = job.stage.people[5]
    integrated, code = min(secrets.integrated), min(secrets.codes)
    for kind, text in (
        ("personal number", f'x="{person.individual_number}7"'.encode()),
        ("personal number", f"0{person.resident_record_code}".encode()),
        ("integrated number", b"id" + integrated + b","),
        ("linkage code", b'{"code":"' + code + b'=="}'),
        ("name", f"<{person.name}>".encode()),
        ("name", person.name.encode("unicode_escape")),
        ("kana", person.kana.encode()),
        ("address", person.address.encode()),
    ):
        assert kind in secrets.found_in(text)
    assert secrets.found_in(b'{"event":"listening","port":20001,"timestamp":"2022-10-03T01:00:00.123456Z"}') == set()


# --- where nothing may stand


@pytest.mark.parametrize("role", sorted(TOPOLOGY.roles))
def test_operational_logs_and_stderr_name_nobody(job, secrets, role):
    data = job.system.running.log(role).read_bytes()
    assert data
    assert secrets.found_in(data) == set()


def test_the_log_of_the_database_names_nobody(job, secrets):
    data = (job.system.running.postgres.home / "server.log").read_bytes()
    assert b"permission denied" in data  # the provoked failure is in it, the statement and its values are not
    assert secrets.found_in(data) == set()


def test_error_bodies_name_nobody_and_are_problem_documents(job, secrets):
    statuses = {body[:3] for name, body in job.errors.items() if not name.startswith("staff")}
    assert statuses >= {b"400", b"401", b"403", b"404", b"405", b"409", b"413"}
    assert statuses & {b"500", b"503"}
    for name, body in job.errors.items():
        assert secrets.found_in(body) == set(), name
        assert b"urn:sekisho:problem:" in body, name


@pytest.mark.parametrize("role", sorted(TOPOLOGY.roles))
def test_metrics_name_nobody(job, secrets, role):
    with urllib.request.urlopen(job.system.running.metrics_url(role), timeout=10) as answer:  # noqa: S310 (our own loopback address)
        data = answer.read()
    assert b"sekisho_" in data
    assert secrets.found_in(data) == set()


def test_the_spool_keeps_no_data_file_and_names_nobody(job, secrets):
    files = _spool_files(job)
    assert any(path.name.endswith(".result.csv") for path in files)
    for path in files:
        assert path.parent.name in {"done", "failed"}, path.name
        assert path.name.endswith((".manifest.json", ".result.csv", ".reason.json")), path.name
        data = path.read_bytes()
        assert secrets.found_in(data, integrated_allowed=True) == set(), path.name


def test_integrated_numbers_stand_in_results_of_systems_that_may_learn_them_alone(job, secrets):
    may = {
        system.id
        for agency in TOPOLOGY.agencies.values()
        for system in agency.systems
        if "integrated-numbers:read" in system.grants
    }
    learned = set()
    for path in _spool_files(job):
        system, channel = path.parents[2].name, path.parents[1].name
        if "integrated number" in secrets.found_in(path.read_bytes()):
            learned.add(system)
            assert system in may
            assert channel == "addressees"
            assert path.name.endswith(".result.csv")
    assert "juki" in learned
    assert not learned & {"naikaku-gyomu", "kosei-rodo-gyomu"}


def test_exported_evidence_names_nobody(job, secrets):
    exports = {path.name: path.read_bytes() for path in job.stage.exports.glob("*.ndjson")}
    exports |= {f"now {name}": data for name, data in asyncio.run(_exports_now(job)).items()}
    assert len(exports) > len(job.stage.known_to)
    for name, data in exports.items():
        assert data
        assert secrets.found_in(data) == set(), name


async def _exports_now(job) -> dict[str, bytes]:
    return await job.system.exports(WARD, *job.stage.known_to)


def test_the_page_of_a_trace_names_nobody(job, secrets, tmp_path):
    made = entries(asyncio.run(job.system.export(WARD)), kind="provision.made")
    target = tmp_path / "trace.html"
    number = made[0]["inquiry_number"]
    assert main(["trace", number, "--html", str(target), "--data", str(job.system.running.data.root)]) == OK
    assert made[0]["subject"].encode() not in target.read_bytes()
    assert secrets.found_in(target.read_bytes()) == set()
