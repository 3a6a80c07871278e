"""業務情報の連携 (LS-2): lines of a business system become replica records at the agency's own intermediate server.

Only people whom the system holds and who have an 個人番号, only what a layout lists (LS-2.6). Each chunk's answers are committed; a chunk
that a crash interrupts is sent again, and the record id makes that no second registration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from prometheus_client import Counter

from gateway.linkage_server import intake
from gateway.linkage_server.addressees import store
from gateway.linkage_server.business_information import records
from gateway.linkage_server.business_information.records import Record
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.outbound import SEND_REPLICAS, Answer
from gateway.linkage_server.tenant import Agency
from storage.committer import Commit, Write, commit_step
from transport.channel import ChannelError
from transport.clock import JST

CHUNK_STEP: Final = commit_step("linkage", "business_information.chunk")
CLOSE_STEP: Final = commit_step("linkage", "business_information.registered")
CHUNK: Final = 1_000
RECORDS = Counter(
    "sekisho_business_records", "Records of business information by what became of them", ["information", "outcome"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a file: its record, or None when it is not one."""

    number: int
    record: Record | None


Verdict = tuple[str, str | None, str | None]
"""Outcome, reason, item."""


def _sorted_out(
    agency: Agency, line: Line, held: dict[Any, tuple[int, bool]], *, system: str, today: date
) -> Verdict | dict[str, Any]:
    """The message for a line, or why there is none."""
    record = line.record
    if record is None:
        return "rejected", "record_malformed", None
    information = records.information_of(record, agency.layouts)
    wrong = records.problem(record, information, agency.layouts, today=today, system=system)
    if wrong is not None:
        return "rejected", *wrong
    found = held.get((system, record.addressee_number))
    if found is None:
        return "rejected", "addressee_unknown", None
    if not found[1]:
        return "rejected", "no_individual_number", None
    return records.message(
        record, information, system=system, integrated_number=found[0], layouts=agency.layouts, today=today
    )


def _verdict(answer: Answer) -> Verdict:
    if answer.get("registered") is True:
        return "registered", None, None
    if isinstance(answer.get("retry"), str):
        raise ChannelError("replica_retry")
    refused = answer.get("refused")
    if not isinstance(refused, dict):
        return "rejected", "refused", None
    item = refused.get("item")
    return "rejected", str(refused.get("reason") or "refused"), item if isinstance(item, str) else None


async def register(agency: Agency, taken: Intake, lines: Sequence[Line], *, system: str) -> Intake:
    """Send one chunk and commit its results. Raises ChannelError, StorageUnavailableError: call again with the same lines."""
    today = agency.clock().astimezone(JST).date()
    pairs = [(system, line.record.addressee_number) for line in lines if line.record is not None]
    async with agency.database.inside(agency.tenant) as connection:
        held = await store.find_addressees(connection, list(dict.fromkeys(pairs))) if pairs else {}
    sorted_out = [_sorted_out(agency, line, held, system=system, today=today) for line in lines]
    messages = [one for one in sorted_out if isinstance(one, dict)]
    answers = iter(
        await agency.outbound.ask_list(agency.outbound.intermediate("replicas"), messages, step=SEND_REPLICAS)
        if messages
        else []
    )
    verdicts = [_verdict(next(answers)) if isinstance(one, dict) else one for one in sorted_out]
    results = [(line.number, *verdict) for line, verdict in zip(lines, verdicts, strict=True)]
    CHUNK_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        taken = await intake.keep_results(connection, taken, results, lines[-1].number)
    CHUNK_STEP.after.reached()
    for one, verdict in zip(sorted_out, verdicts, strict=True):
        RECORDS.labels(one["information"] if isinstance(one, dict) else "none", verdict[0]).inc()
    return taken


async def close(agency: Agency, taken: Intake) -> None:
    """The whole file is in. Its record is the intermediate server's; here only the state moves."""
    await agency.committer.apply(Commit(step=CLOSE_STEP, guard=Write(intake.CLOSE, (taken.key,))))
