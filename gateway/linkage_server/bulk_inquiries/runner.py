"""Takes the files of the channel `inquiries` side by side, brings supplements for lines that were left open, and forgets answers in time.

A file whose lines are all asked waits without keeping others from being taken; two are asked at once, so that the next begins while the last
lines of one are still out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from gateway.batch import run as spool_run
from gateway.batch import spool
from gateway.batch.run import SpoolChannel
from gateway.batch.spool import SpoolFile
from gateway.linkage_server import free_text
from gateway.linkage_server.bulk_inquiries import form, run, store
from gateway.linkage_server.bulk_inquiries.asking import RESOURCE
from gateway.linkage_server.bulk_inquiries.codes import CodesOfAgencies, read_codes
from gateway.linkage_server.bulk_inquiries.pace import Pace
from gateway.linkage_server.bulk_inquiries.progress import Speed
from gateway.linkage_server.bulk_inquiries.run import CHANNEL, Bulk
from gateway.linkage_server.bulk_inquiries.store import InquiryFile
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.online import Online
from gateway.own_files import own_file
from keys.errors import KeyUnusable, SealBroken
from storage.database import StorageUnavailableError
from storage.fault_points import declare
from storage.reference_data import read_permission_list
from transport.channel import ChannelError
from transport.clock import Alarm
from transport.register import Register
from transport.role import RoleConfig

_LOG = structlog.get_logger()
SUPPLEMENT_STEP: Final = declare("linkage", "commit.inquiry_file.supplement")
RATE = Gauge(
    "sekisho_bulk_lines_per_second", "Lines of inquiry files that get an answer, over the last minute", ["agency"]
)
_FILES_AT_ONCE: Final = 2
_MOST_WAITING: Final = 20_000
_LOOK_S: Final = 0.3
_LOOK_ALIKE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`supplement_look_s`: how often open lines of finished files are looked up; `supplement_every`: between two supplements of a file."""

    supplement_look_s: float
    supplement_every: timedelta
    keep: timedelta


class BulkInquiries:
    """The inquiry files of one agency. `run()` and `follow_up()` must be running."""

    def __init__(self, bulk: Bulk, limits: Limits, *, look_s: float) -> None:
        self.bulk = bulk
        self._limits = limits
        self._look_s = look_s
        self._agency = bulk.desk.agency
        RATE.labels(self._agency.id).set_function(lambda: bulk.speed.rate().per_second or 0.0)

    async def run(self) -> None:
        """Take files until cancelled."""
        claim = partial(
            spool.claim_next,
            self.bulk.root,
            self._agency.id,
            (CHANNEL,),
            name_is_refused=free_text.file_name_holds_individual_number,
        )
        async with asyncio.TaskGroup() as group:
            for file in await spool_run.recover(self.bulk.root, self._agency.id, self._channels()):
                group.create_task(self._take(file))
            while True:
                claimed = await asyncio.to_thread(claim) if await self._has_some() and await self._has_room() else None
                if claimed is None:
                    await asyncio.sleep(self._look_s)
                    continue
                group.create_task(self._take(claimed))
                await asyncio.sleep(0)

    async def _has_some(self) -> bool:
        """Whether a file lies there at all: to see that costs no look into the database."""
        return await asyncio.to_thread(spool.waiting, self.bulk.root, self._agency.id, (CHANNEL,)) > 0

    async def _has_room(self) -> bool:
        """Whether another file may begin: a provider that is down must not fill the intermediate server with lines that it cannot answer."""
        if self.bulk.seats.locked():
            return False
        try:
            return await store.count_waiting(self._agency) < _MOST_WAITING
        except StorageUnavailableError:
            return False

    def _channels(self, header_lines: int = 0) -> dict[str, SpoolChannel]:
        take, ended = partial(run.take_file, self.bulk), partial(run.ended, self.bulk)
        return {CHANNEL: SpoolChannel(header_lines=header_lines, run=take, ended=ended)}

    async def _take(self, file: SpoolFile) -> None:
        header = await asyncio.to_thread(_has_header, file.data)
        await spool_run.until_through(file, self._channels(int(header))[CHANNEL])

    async def follow_up(self) -> None:
        """Bring what was left open, and forget what is past its time, until cancelled."""
        alarm = Alarm(self._agency.clock)
        while True:
            try:
                for file in await store.not_settled(self._agency):
                    await self._supplement_alone(file)
                await self._forget()
            except (StorageUnavailableError, ChannelError) as failure:
                _LOG.warning(
                    "inquiry_files:wait",
                    agency=self._agency.id,
                    reason=getattr(failure, "reason", "storage_unavailable"),
                )
            await alarm.rest(self._limits.supplement_look_s)

    async def _supplement_alone(self, file: InquiryFile) -> None:
        """A file whose lines do not open any more must not keep the others waiting."""
        try:
            await self._supplement(file)
        except (SealBroken, KeyUnusable) as failure:
            _LOG.error("inquiry_files:unreadable", agency=self._agency.id, error=type(failure).__name__)

    async def _supplement(self, file: InquiryFile) -> None:
        """A supplement when everything has come, when it is the first, or when the last one is long ago; each is written until it is there.

        A system that may not ask for now gets it when it may again; for one that is removed none is written.
        """
        rights = await self._agency.clients.rights(file.system)
        if rights is not None and not rights.may(RESOURCE, "spool"):
            return
        now = self._agency.clock()
        left = await self.bulk.asker(file).look_up()
        parts = file.supplements
        due = not left or file.supplement_at is None or now - file.supplement_at >= self._limits.supplement_every
        if due and await store.count_arrived(self._agency, file.id):
            parts += 1
            SUPPLEMENT_STEP.before.reached()
            await store.new_supplement(self._agency, file.id, parts)
            SUPPLEMENT_STEP.after.reached()
        for part in range(file.supplements_written + 1, parts + 1):
            if rights is not None:
                await run.write_supplement(self.bulk, file, part)
            await store.supplement_written(self._agency, file.id, part)
        if not left:
            await store.settle(self._agency, file.id)

    async def _forget(self) -> None:
        for file_id in await store.past_keeping(self._agency, self._agency.clock() - self._limits.keep):
            await store.forget(self._agency, file_id)
        await asyncio.to_thread(run.sweep, self.bulk, self._limits.keep.total_seconds())


def _has_header(path: Path) -> bool:
    try:
        with path.open("rb") as data:
            return data.readline(4096).removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n") == form.HEADER.encode()
    except OSError:
        return False


def open_bulk(config: RoleConfig, desk: Desk, online: Online, register: Callable[[], Register]) -> BulkInquiries:
    """From the role's options: `bulk_lines_per_request`, `bulk_requests_in_flight`, `inquiry_file_patience_s`, `inquiry_file_look_s`,
    `inquiry_file_supplement_look_s`, `inquiry_file_supplement_every_s`, `inquiry_file_keep_s`, `inquiry_codes`. Raises CodesError.
    """
    options: Mapping[str, Any] = config.options
    agency = desk.agency
    own = register().agencies.get(agency.id)
    bulk = Bulk(
        desk=desk,
        agency_code=own.code if own else "",
        codes=read_codes(
            own_file(config.folder, options, "inquiry_codes", agency.id),
            layouts=agency.layouts,
            agencies=CodesOfAgencies(register),
        ),
        lists=read_permission_list(),
        pace=Pace(
            agency.id,
            online,
            size=int(options.get("bulk_lines_per_request", 64)),
            most=int(options.get("bulk_requests_in_flight", 4)),
            clock=time.monotonic,
        ),
        speed=Speed(time.monotonic),
        root=config.spool,
        patience=timedelta(seconds=float(options.get("inquiry_file_patience_s", 600))),
        look_s=float(options.get("inquiry_file_look_s", 15)),
        seats=asyncio.Semaphore(_FILES_AT_ONCE),
    )
    limits = Limits(
        supplement_look_s=float(options.get("inquiry_file_supplement_look_s", 30)),
        supplement_every=timedelta(seconds=float(options.get("inquiry_file_supplement_every_s", 3600))),
        keep=timedelta(seconds=float(options.get("inquiry_file_keep_s", 7 * 24 * 3600))),
    )
    look_s = _LOOK_S * max(
        1.0, len(config.hosted) / _LOOK_ALIKE
    )  # with many agencies in the process each looks less often
    return BulkInquiries(bulk, limits, look_s=look_s)
