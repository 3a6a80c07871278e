"""The outbox's broom: drives what is late, expires what is over, pushes what was decided. Each agency has a broom of its own (IS-7, IS-10)."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Final, TypeAlias

import structlog

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes import ending
from gateway.intermediate_server.inquiry import reading
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.metrics import HELD_ESCALATED, HELD_PROVISIONS, SWEEP_FAILURES
from gateway.intermediate_server.operations import jobs, statistics
from gateway.intermediate_server.provision import deadlines
from gateway.intermediate_server.records import indexing
from gateway.intermediate_server.replica import erasure, registration
from gateway.intermediate_server.retention import erasing
from gateway.intermediate_server.routes import Server
from gateway.intermediate_server.staff import session_ends
from gateway.intermediate_server.staff import store as staff_store
from storage import sql
from storage.database import StorageUnavailableError
from storage.log_keeping import last_year_due
from storage.shared_look import look_across

_SQL = sql.load("gateway.intermediate_server")
_KEEP_STAFF: Final = timedelta(days=1)
"""How long an ended session and a count of attempts stay in the database; the log keeps what was done."""
_LOG = structlog.get_logger()


async def _drive_late(server: Server, agency: HostedAgency) -> None:
    now = agency.clock()
    for late in await reading.due(agency, now):
        agency.broom.call(agency.limits.resend_after.total_seconds())
        waits = late.state is State.HELD and now < late.answer_by and late.private is not None
        await reading.postpone(agency, late.number, late.answer_by if waits else now + agency.limits.resend_after)
        server.start(agency, late)


async def _escalate_held(_server: Server, agency: HostedAgency) -> None:
    await deadlines.escalate(agency, agency.clock())


async def _expire_held(_server: Server, agency: HostedAgency) -> None:
    await deadlines.expire(agency, agency.clock())


async def _push_decided(_server: Server, agency: HostedAgency) -> None:
    if await deadlines.push(agency, agency.clock()):
        agency.broom.call(agency.limits.resend_after.total_seconds())


async def _expire_results(_server: Server, agency: HostedAgency) -> None:
    await erasing.expire_results(agency, agency.clock())


async def _expire_copies(_server: Server, agency: HostedAgency) -> None:
    if await registration.expire(agency, agency.clock()):
        agency.broom.call(0)


async def _erase_records(_server: Server, agency: HostedAgency) -> None:
    await erasing.erase_records(agency, agency.clock())


async def _erase_ended(_server: Server, agency: HostedAgency) -> None:
    await erasing.erase_ended(agency, agency.clock())


async def _certify_erasures(_server: Server, agency: HostedAgency) -> None:
    await erasing.certify(agency, agency.clock())


async def _index_records(_server: Server, agency: HostedAgency) -> None:
    if await indexing.index_older(agency):
        agency.broom.call(0)


async def _expire_code_requests(_server: Server, agency: HostedAgency) -> None:
    await ending.expire_requests(agency, agency.clock())


async def _forget_staff(_server: Server, agency: HostedAgency) -> None:
    now = agency.clock()
    await staff_store.forget(agency, now, now - _KEEP_STAFF)


async def _record_session_ends(server: Server, agency: HostedAgency) -> None:
    if await session_ends.record(server.staff[agency.id], agency.clock()):
        agency.broom.call(0)


async def _count_exchanges(_server: Server, agency: HostedAgency) -> None:
    if not await statistics.count(agency):
        agency.broom.call(0)


async def _forget_jobs(_server: Server, agency: HostedAgency) -> None:
    await jobs.forget(agency)


Part: TypeAlias = Callable[[Server, HostedAgency], Awaitable[None]]


async def sweep(server: Server, agency: HostedAgency) -> None:
    """Run until cancelled. A failed round is logged and tried again: what it would have moved is still in its rows."""
    agency.broom.call(agency.limits.resend_after.total_seconds())
    agency.clock.on_move(lambda: agency.broom.call(0))
    while True:
        await agency.broom.wait()
        for part in await _waiting(server, agency):
            with _failing_alone(agency, part.__name__):
                await part(server, agency)


async def _waiting(server: Server, agency: HostedAgency) -> list[Part]:
    """The parts that have something to do, by one look: an agency where nothing is late costs next to nothing."""
    with _failing_alone(agency, "look"):
        now = agency.clock()
        said = {
            "now": now.isoformat(),
            "escalate_until": (now + agency.limits.escalate_before).isoformat(),
            "staff_since": (now - _KEEP_STAFF).isoformat(),
            "idle_since": (now - server.staff[agency.id].rules.idle).isoformat(),
            "jobs_since": (now - agency.limits.jobs_kept_for).isoformat(),
            "last_year": str(last_year_due(now)),
            "stretch": str(statistics.STRETCH),
            "ended_before": (now - agency.limits.ended_kept_for).isoformat(),
            "open_day": erasure.first_open(agency, now),
            "today": agency.today(now).isoformat(),
        }
        rows, unreadable = await look_across(
            agency.database, _SQL["what_is_due"], [(agency.tenant, *one) for one in said.items()]
        )
        if unreadable:
            raise StorageUnavailableError("what is due could not be read")
        for due in rows:
            HELD_PROVISIONS.labels(agency.id).set(due["waiting"])
            HELD_ESCALATED.labels(agency.id).set(due["escalated"])
            wanted: tuple[tuple[bool, Part], ...] = (
                (due["inquiries"], _drive_late),
                (due["held"], _expire_held),
                (due["to_escalate"], _escalate_held),
                (due["decided"], _push_decided),
                (due["results"] or bool(reading.past_hours(agency, now)), _expire_results),
                (due["copies"], _expire_copies),
                (due["years"] or due["erasures"], _erase_records),
                (due["ended"], _erase_ended),
                (due["erasures"] or due["results"] or bool(reading.past_hours(agency, now)), _certify_erasures),
                (due["unindexed"], _index_records),
                (due["code_requests"], _expire_code_requests),
                (due["sessions"], _record_session_ends),
                (due["staff"], _forget_staff),
                (due["uncounted"], _count_exchanges),
                (due["jobs"], _forget_jobs),
            )
            return [part for is_due, part in wanted if is_due]
    return []


@contextlib.contextmanager
def _failing_alone(agency: HostedAgency, kind: str) -> Iterator[None]:
    try:
        yield
    except Exception as failure:  # noqa: BLE001 (one bad row must end neither the broom nor the server)
        SWEEP_FAILURES.labels(type(failure).__name__).inc()
        agency.broom.call(agency.limits.resend_after.total_seconds())
        _LOG.warning("sweep_failed", agency=agency.id, error=type(failure).__name__, kind=kind)
