"""Notices of running state (IS-10): what the operator posts, and what the server tells of itself while it is so.

A posted notice has a kind, a text, and when it is shown; posting and withdrawing are on record. The server's own (circuit open, use suspended, a
version of the permission list not taken, log not writable, codes not renewed; for staff alone, bars that wait to be checked, and that few can grant) are read off how it
stands at the moment: they come and go with it, and nobody withdraws them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Final

import asyncpg
import msgspec
from msgspec import Meta

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff import remaining
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import Function
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step
from storage.database import StorageUnavailableError
from transport.circuit import CircuitState
from transport.problem import ProblemError
from transport.wire import Dated

NOTICE_PREFIX: Final = "N"
_SQL = sql.load("gateway.intermediate_server.operations")
_POST: Final = Statement("post_notice", _SQL["post_notice"])
_WITHDRAW: Final = Statement("withdraw_notice", _SQL["withdraw_notice"])
_CHANGED: Final = commit_step("intermediate", "notices.changed")
_NUMBER: Final = re.compile(r"[0-9]{10}|[0-9]{4}[\W_ー][0-9]{4}[\W_ー][0-9]{4}")
"""Ten digits in a row, or twelve as they stand on a card. Other digits with marks between them are days and times."""
_KANJI_DIGITS: Final = str.maketrans("〇一二三四五六七八九", "0123456789")
NoticeId = Annotated[str, Meta(pattern=r"^N[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]


class NoticeKind(StrEnum):
    """What an operator posts."""

    PLANNED_STOP = "planned_stop"
    TROUBLE = "trouble"
    LIST_CHANGE = "list_change"
    OTHER = "other"


class OwnKind(StrEnum):
    """What the server tells of itself."""

    CIRCUIT_OPEN = "circuit_open"
    USE_SUSPENDED = "use_suspended"
    LIST_NOT_TAKEN = "list_not_taken"
    LOG_NOT_WRITABLE = "log_not_writable"
    CODES_NOT_RENEWED = "codes_not_renewed"
    BARS_UNCHECKED = "bars_unchecked"
    GRANTING_ENDS = "granting_ends"
    """Who can grant becomes too few within 90 days, or is."""


class PostItem(Dated, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SCM_90135. `notice_id`: drawn by the caller, so that a repetition is the same notice. Shown from now on unless told."""

    notice_id: NoticeId
    kind: NoticeKind
    text: Annotated[str, Meta(min_length=1, max_length=400)]
    shown_until: datetime
    shown_from: datetime | None = None


class WithdrawItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SCM_90136."""

    notice_id: NoticeId


POST_ITEM: Final = msgspec.json.Decoder(PostItem)
WITHDRAW_ITEM: Final = msgspec.json.Decoder(WithdrawItem)


async def listed(agency: HostedAgency, *, to_staff: bool = False) -> dict[str, Any]:
    """IF_SCM_90134 (`to_staff`), IF_SCM_90137. While the database is away the server's own notices are told alone, and that it is away."""
    try:
        async with agency.database.inside(agency.tenant) as connection:
            posted = await connection.fetch(_SQL["notices"], agency.clock())
            refused = await connection.fetchrow(_SQL["list_not_taken"])
            not_renewed = await connection.fetchval(_SQL["codes_not_renewed"])
            unchecked = await connection.fetchrow(_SQL["bars_unchecked"]) if to_staff else None
        few, until = await remaining.to_tell(agency, agency.clock()) if to_staff else (False, None)
    except (asyncpg.PostgresError, StorageUnavailableError):
        return {"notices": [*_own(agency, None), _told(OwnKind.LOG_NOT_WRITABLE, "storage_unavailable", None)]}
    codes = [_told(OwnKind.CODES_NOT_RENEWED, str(not_renewed), None)] if not_renewed else []
    bars = (
        [_told(OwnKind.BARS_UNCHECKED, str(unchecked["bars"]), unchecked["since"])]
        if unchecked and unchecked["bars"]
        else []
    )
    staff = [_told(OwnKind.GRANTING_ENDS, timestamp(until) if until is not None else None, None)] if few else []
    return {"notices": [*_own(agency, refused), *codes, *bars, *staff, *map(_shown, posted)]}


def _own(agency: HostedAgency, refused: asyncpg.Record | None) -> list[dict[str, Any]]:
    found = [
        _told(OwnKind.CIRCUIT_OPEN, circuit.counterpart, None)
        for circuit in agency.circuits
        if circuit.state is not CircuitState.CLOSED
    ]
    if agency.bars.all_suspended:
        suspension = agency.bars.suspension
        found.append(_told(OwnKind.USE_SUSPENDED, None, suspension.changed_at if suspension else None))
    if refused is not None:
        found.append(_told(OwnKind.LIST_NOT_TAKEN, refused["reason"], refused["refused_at"]))
    committer = agency.committer
    if committer.barred is not None or committer.failed > committer.moved:
        found.append(_told(OwnKind.LOG_NOT_WRITABLE, None, None))
    return found


def _told(kind: OwnKind, about: str | None, since: datetime | None) -> dict[str, Any]:
    return {
        "notice_id": None,
        "kind": kind.value,
        "text": about,
        "posted_by": None,
        "posted_at": timestamp(since) if since else None,
        "shown_from": None,
        "shown_until": None,
    }


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    times = {name: timestamp(row[name]) for name in ("posted_at", "shown_from", "shown_until")}
    return {
        "notice_id": row["notice_id"],
        "kind": row["kind"],
        "text": row["body"],
        "posted_by": row["posted_by"],
        **times,
    }


async def post(acting: Acting, item: PostItem, now: datetime) -> dict[str, Any]:
    """IF_SCM_90135. Raises ProblemError 400, 409."""
    agency = acting.desk.agency
    first = item.shown_from or now
    if not max(first, now) < item.shown_until:
        raise ProblemError(400, "notice_malformed", "A notice ends in the future, after its beginning.")
    if not item.text.isprintable() or _holds_a_number(item.text):
        raise ProblemError(
            400,
            "notice_malformed",
            "The text is one line, and holds no number of ten digits or more: everybody sees it.",
        )
    row = (item.notice_id, item.kind.value, item.text, acting.staff_id, now, first, item.shown_until)
    digest = sha256(item.text.encode()).hexdigest()
    entry = acting.entry(
        now,
        EntryKind.STAFF_OPERATED,
        Function.OPERATIONS,
        notice_id=item.notice_id,
        event="posted",
        notice=item.kind.value,
        text_digest=digest,
    )
    if not await acting.commit(Commit(step=_CHANGED, guard=Write(_POST, row), entries=(entry,))):
        before = await _one(agency, item.notice_id)
        if before is None or (before["kind"], before["body"], before["shown_until"]) != (
            item.kind.value,
            item.text,
            item.shown_until,
        ):
            raise ProblemError(409, "notice_id_taken", "Another notice has this id; draw a new one.")
    return {"posted": True}


def _holds_a_number(text: str) -> bool:
    """In whatever width or script its digits are, and whatever marks stand on them."""
    folded = unicodedata.normalize("NFKC", text).translate(_KANJI_DIGITS)
    plain = (str(unicodedata.decimal(one, one)) for one in folded if unicodedata.category(one)[0] != "M")
    return _NUMBER.search("".join(plain)) is not None


async def withdraw(acting: Acting, item: WithdrawItem, now: datetime) -> dict[str, Any]:
    """IF_SCM_90136: shown to nobody from now on; again is no error. Raises ProblemError 404."""
    agency = acting.desk.agency
    if await _one(agency, item.notice_id) is None:
        raise ProblemError(404, "notice_unknown", "There is no such notice; list them again.")
    entry = acting.entry(
        now, EntryKind.STAFF_OPERATED, Function.OPERATIONS, notice_id=item.notice_id, event="withdrawn"
    )
    guard = Write(_WITHDRAW, (item.notice_id, acting.staff_id, now))
    await acting.commit(Commit(step=_CHANGED, guard=guard, entries=(entry,)))
    return {"withdrawn": True}


async def _one(agency: HostedAgency, notice_id: str) -> asyncpg.Record | None:
    async with agency.database.inside(agency.tenant) as connection:
        return await connection.fetchrow(_SQL["notice_one"], notice_id)
