"""Makes every check once and adds up: each requirement, then each measure of the report (SC-28, Ⅳ-1)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from evidence.canonical import timestamp
from gateway.assessing import doors, files, measures, records, rights, telling
from gateway.assessing import logs as log_reading
from gateway.assessing.installation import Installation
from gateway.assessing.logs import Logs
from gateway.assessing.measures import Assessed, Measure
from gateway.assessing.test_runs import Run, Stated, named_tests
from gateway.assessing.verdicts import Result, Verdict, unverified
from gateway.list_sources import SourceWrongError, open_library
from gateway.staff_calls import UnknownPartyError
from gateway.tracing.sources import sources
from transport.register import RegisterBrokenError


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """`now`: by the roles' clock; `results`: every check that was made, the tests apart; `measures` and `requirements` in the report's order."""

    now: datetime
    results: tuple[Result, ...]
    measures: tuple[tuple[Measure, Assessed], ...]
    requirements: tuple[Assessed, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(found.verdict is verdict for _, found in self.measures)

    @property
    def broken(self) -> bool:
        return any(
            one.verdict is Verdict.BROKEN for one in (*self.requirements, *(found for _, found in self.measures))
        )


def assess(installation: Installation, *, staff: str, page: Mapping[str, Stated], run: Run | None) -> Assessment:
    """Look at everything. `page`: the rows of docs/requirements.md; `run`: the last test run, if there is one."""
    results = {result.check: result for result in (*_configuration(installation), *_evidence(installation, staff))}
    found = [
        measures.of_requirement(one, results, named_tests(page.get(one.id), run), page.get(one.id))
        for one in measures.requirements()
    ]
    by_id = {one.id: one for one in found}
    return Assessment(
        now=installation.now,
        results=tuple(results.values()),
        measures=tuple((one, measures.of_measure(one, by_id)) for one in measures.measures()),
        requirements=tuple(found),
    )


def _configuration(installation: Installation) -> list[Result]:
    async def database() -> list[Result]:
        checks = (rights.tenants_apart, rights.logins_limited, rights.log_append_only, rights.staff_constraints, rights.results_expire)  # fmt: skip
        return [await check(installation) for check in checks]

    return [
        files.private_files(installation),
        files.certificates(installation),
        files.identities_apart(installation),
        files.signed_register(installation),
        files.lists_signed(installation),
        doors.tls(installation),
        doors.options(installation),
        telling.backup_keys(installation),
        *asyncio.run(database()),
    ]


_OF_LOGS = (
    "logs_verified", "parties_agree", "staff_recorded", "exchanges_named", "sealed_under_permit", "released_by_people", "analysed_within_a_year",
    "list_again",
)  # fmt: skip

_COMPARED = ("refusals_recorded", "grants_recorded", "bars_recorded", "backups_by_right", "statistics_in_classes")


def _evidence(installation: Installation, staff: str) -> list[Result]:
    try:
        with tempfile.TemporaryDirectory(prefix="sekisho-assess-") as folder:
            asked = sources(installation.data, staff)
            used = asyncio.run(rights.desks_in_use(installation))
            asked = replace(asked, unread_desks=tuple(one for one in asked.unread_desks if one in used))
            logs = log_reading.gather(installation.data, asked, installation.agencies, Path(folder), installation.now)
        library = open_library(installation.data.root)
    except (
        UnknownPartyError, RegisterBrokenError, SourceWrongError, OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError,
    ) as failure:  # fmt: skip
        return [
            unverified(name, f"証跡を読めない (logs: {type(failure).__name__})") for name in (*_OF_LOGS, *_COMPARED)
        ]
    return [*records.evidence(installation, logs, library), *asyncio.run(_compared(installation, logs))]


async def _compared(installation: Installation, logs: Logs) -> list[Result]:
    """What stands in the database, held against the logs."""
    try:
        refused = await rights.refused_numbers(installation)
        grants = await rights.effective_grants(installation)
        bars = await rights.working_bars(installation)
        holders = await rights.backup_holders(installation)
        counts = await rights.exchange_counts(installation)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
        why = f"データベースを調べられない (database: {type(failure).__name__})"
        return [unverified(name, why) for name in _COMPARED]
    return [
        records.refusals_recorded(logs, refused),
        records.grants_recorded(logs, grants),
        records.bars_recorded(logs, bars),
        telling.backups_by_right(logs, holders),
        telling.statistics_in_classes(telling.thresholds(installation), counts),
    ]


def document(found: Assessment) -> dict[str, Any]:
    """For programs; keys are stable."""
    return {
        "assessed_at": timestamp(found.now),
        "counts": {verdict.value: found.count(verdict) for verdict in Verdict},
        "measures": [
            {
                "id": one.id,
                "place": one.place,
                "words": one.words,
                "requirements": list(one.requirements),
                **_verdict(said),
            }
            for one, said in found.measures
        ],
        "requirements": [{"id": said.id, "words": said.words, **_verdict(said)} for said in found.requirements],
        "checks": [
            {"check": one.check, "verdict": one.verdict.value, "what": list(one.what), "seen": one.seen}
            for one in found.results
        ],
    }


def _verdict(said: Assessed) -> dict[str, Any]:
    return {
        "verdict": said.verdict.value,
        "because": list(said.because),
        "checks": {result.check: result.verdict.value for result in said.results},
    }
