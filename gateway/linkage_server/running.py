"""What runs for one agency of the linkage server: its parts, and the loops that go on until the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.api.authorization import Door
from gateway.batch.run import SpoolChannel, run_spool
from gateway.linkage_server import free_text, jobs, left_open, retention
from gateway.linkage_server.addressees import run as addressee_files
from gateway.linkage_server.backups import codes_after_restore, comparing
from gateway.linkage_server.backups.routes import Backups
from gateway.linkage_server.bulk_inquiries.runner import BulkInquiries
from gateway.linkage_server.business_information import run as business_files
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.code_requests.runner import CodeRequests
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.online import Online
from gateway.linkage_server.people import run as change_files
from gateway.linkage_server.people.due import DueChanges
from gateway.linkage_server.pushes.loop import Pushes
from gateway.linkage_server.review.runner import Reviews
from gateway.linkage_server.search import indexer
from gateway.linkage_server.supervision import supervised
from gateway.linkage_server.tenant import Agency
from gateway.opening import Openings
from storage.resealing.job import Resealing
from transport.log_standing import LogStanding
from transport.refusals import Refusals
from transport.role import RoleConfig

_SENDING: Final = frozenset({"code_requests", "inquiry_files", "inquiry_supplements", "business_information", "pushes"})
"""Loops by which data leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAgency:
    """One agency with what runs for it. `standing`: of its log."""

    agency: Agency
    door: Door
    desk: Desk
    codes: CodeRequests
    online: Online
    bulk: BulkInquiries
    runs: BusinessRuns
    pushes: Pushes
    refusals: Refusals[str | None]
    jobs: jobs.Jobs
    resealing: Resealing
    standing: LogStanding
    backups: Backups


def start(
    group: asyncio.TaskGroup, one: RunningAgency, config: RoleConfig, openings: Openings
) -> list[asyncio.Task[None]]:
    """Every loop of an agency. What sends waits until a restore, if there was one, is lifted."""
    channels = {
        addressee_files.CHANNEL: SpoolChannel(
            header_lines=addressee_files.HEADER_LINES, run=partial(addressee_files.load_file, one.agency)
        ),
        change_files.CHANNEL: SpoolChannel(
            header_lines=change_files.HEADER_LINES, run=partial(change_files.take_file, one.agency)
        ),
        business_files.CHANNEL: SpoolChannel(
            header_lines=business_files.HEADER_LINES, run=partial(business_files.register_file, one.runs.outbox)
        ),
    }
    agency = one.agency
    take_files = partial(
        run_spool,
        config.spool,
        agency.id,
        channels,
        agencies=agency.hosted_together,
        name_is_refused=free_text.file_name_holds_individual_number,
    )
    loops: dict[str, Callable[[], Awaitable[None]]] = {
        "code_requests": partial(codes_after_restore.then, agency, one.codes.run),
        "due_changes": DueChanges(agency).run,
        "left_open": partial(left_open.run, agency),
        "inquiry_files": one.bulk.run,
        "inquiry_supplements": one.bulk.follow_up,
        "business_information": one.runs.outbox.run,
        "business_runs": one.runs.run,
        "access_refusals": one.refusals.run,
        "search": partial(indexer.run, agency),
        "pushes": one.pushes.run,
        "jobs": one.jobs.run,
        "resealing": one.resealing.run,
        "retention": partial(retention.run, agency, config.options),
        "reviews": Reviews(agency).run,
        "spool": take_files,
        "log_standing": partial(openings.stand, one.standing),
        "comparisons_after_restore": partial(comparing.begin_all, one.runs),
    }
    return [
        group.create_task(supervised(name, agency.id, partial(agency.release.then, run) if name in _SENDING else run))
        for name, run in loops.items()
    ]
