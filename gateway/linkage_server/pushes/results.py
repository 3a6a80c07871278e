"""Telling a business system that results are there (LS-3.1, LS-3.2): inquiry number and state, or the name of a result file, and nothing else.

What an inquiry brought is fetched by who asked, over the API and by its rules (SC-13, SC-14). Nothing remembers the wish for one inquiry: the
target says that its system is told, the intermediate server's log says in order what ended, and the place where we stopped moves on in
the transaction that puts the notices down. So each end becomes one delivery id, whatever dies (docs/adr/0034).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import structlog
from msgspec import Meta

from evidence.canonical import timestamp
from gateway.api.clients import SystemRights
from gateway.batch.manifest import SUFFIX
from gateway.linkage_server.bulk_inquiries import store as files
from gateway.linkage_server.bulk_inquiries.store import ToTell
from gateway.linkage_server.pushes import store
from gateway.linkage_server.pushes.targets import Results, Target
from gateway.linkage_server.tenant import Agency
from storage.fault_points import declare
from transport.channel import ChannelError

SEND_STEP: Final = declare("linkage", "send.inquiry_endings")
TAKEN_STEP: Final = declare("linkage", "commit.results.taken")
_CALLS: Final = 100
"""Of the intermediate server in one turn; the next one goes on."""
_LOG = structlog.get_logger()


class _Ending(msgspec.Struct, frozen=True):
    inquiry_number: Annotated[str, Meta(pattern=r"\AQ[0-9A-HJKMNP-TV-Z]{26}\Z")]
    message_id: str
    state: Literal["answered", "held", "not_provided", "refused", "aborted"]
    at: datetime


class _Place(msgspec.Struct, frozen=True):
    year: int
    index: int


class _Endings(msgspec.Struct, frozen=True):
    """Answer of IF_SKI_90041, as far as it is used."""

    endings: list[_Ending]
    next: _Place
    more: bool


async def where_it_ends(agency: Agency, system: str) -> tuple[int, int]:
    """Year and index at which the intermediate server's log ends now: what ends from here on is told. Raises ChannelError."""
    answer = await _ask(agency, {"system": system})
    return answer.next.year, answer.next.index


async def _ask(agency: Agency, item: Mapping[str, Any]) -> _Endings:
    outbound = agency.outbound
    [answer] = await outbound.ask_list(outbound.intermediate("inquiry-endings"), [item], step=SEND_STEP)
    try:
        return msgspec.convert(answer, _Endings)
    except msgspec.ValidationError:
        raise ChannelError("peer_answer_malformed") from None


def _sealed(agency: Agency, target: Target, delivery_id: str, said: Mapping[str, Any]) -> tuple[str, bytes]:
    body = msgspec.json.encode({"delivery_id": delivery_id, "business_system": target.system, **said})
    return delivery_id, agency.keys.seal_push(body, delivery_id)


async def take(agency: Agency, rights: SystemRights, target: Target, spool: Path) -> int:
    """Put down what is to be told since the last look; how many notices. 0 also while the intermediate server is away. Raises StorageUnavailableError."""
    if target.results is None or not rights.may("inquiries", "create"):
        return 0
    async with agency.database.inside(agency.tenant) as connection:
        read = await store.read_results(connection, target.system)
        waiting = await files.to_tell(connection, target.system, read.since) if read is not None else []
    if read is None:
        return 0
    told = await _tell_files(agency, target, waiting, spool)
    try:
        return told + await _tell_ends(agency, target, read)
    except ChannelError as failure:
        _LOG.warning("results:wait", agency=agency.id, reason=failure.reason)
        return told


async def _tell_ends(agency: Agency, target: Target, read: Results) -> int:
    told = 0
    for _ in range(_CALLS):
        answer = await _ask(agency, {"system": target.system, "after": {"year": read.year, "index": read.index}})
        if (answer.next.year, answer.next.index) == (read.year, read.index):
            return told
        notices = [_notice(agency, target, one) for one in answer.endings if agency.keys.is_of_the_desk(one.message_id)]
        if not await _keep_ends(agency, target, read, answer.next, notices):
            return told
        told += len(notices)
        if not answer.more:
            return told
        read = Results(year=answer.next.year, index=answer.next.index, since=read.since)
    return told


def _notice(agency: Agency, target: Target, one: _Ending) -> tuple[str, bytes]:
    said = {"about": "inquiry", "at": timestamp(one.at), "inquiry_number": one.inquiry_number, "state": one.state}
    return _sealed(agency, target, f"{target.system}-{one.inquiry_number}-{one.state}", said)


async def _keep_ends(
    agency: Agency, target: Target, read: Results, following: _Place, notices: Sequence[tuple[str, bytes]]
) -> bool:
    """The notices and the place behind them, both or neither; False when another process took these ends."""
    if notices:
        TAKEN_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        if not await store.advance_results(connection, target.system, read, following.year, following.index):
            return False
        if notices:
            await store.put_notices(connection, target, notices, agency.clock())
    if notices:
        TAKEN_STEP.after.reached()
    return True


async def _tell_files(agency: Agency, target: Target, waiting: Sequence[ToTell], spool: Path) -> int:
    """Outputs of inquiry files that are in their folder; a file whose manifest is still in `work/` has its result yet to be written."""
    work = spool / agency.id / target.system / "inquiries" / "work"
    told = 0
    for one in waiting:
        if not await asyncio.to_thread((work / f"{one.name}{SUFFIX}").exists):
            told += await _tell_file(agency, target, one)
    return told


async def _tell_file(agency: Agency, target: Target, one: ToTell) -> int:
    """One notice for each output since the last: 0 is the result, others are supplements."""
    now = agency.clock()
    said = {"about": "inquiry_file", "at": timestamp(now), "file": one.name}
    notices = [
        _sealed(agency, target, f"{target.system}-f{one.file_id}-{nth}", {**said, "supplement": nth})
        for nth in range(one.told, one.outputs)
    ]
    TAKEN_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        if not await files.told(connection, one):
            return 0
        await store.put_notices(connection, target, notices, now)
    TAKEN_STEP.after.reached()
    return len(notices)
