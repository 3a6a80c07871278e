"""Reading 情報照会: results for the desk, what is due for the sweeper, and what has to go by itself (SC-3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import structlog
from asyncpg import Record
from msgspec import Meta

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency, hour_of
from gateway.intermediate_server.bars.standing import USE_SUSPENDED
from gateway.intermediate_server.codes.states import ANOTHERS
from gateway.intermediate_server.inquiry.asking import read_payload
from gateway.intermediate_server.inquiry.states import ENDED, State
from gateway.intermediate_server.inquiry.under_way import Inquiry, from_row, result_aad
from gateway.intermediate_server.metrics import item_label
from gateway.intermediate_server.network.wire import LateOutcome, MessageBrokenError, read_asked, read_outcome
from gateway.intermediate_server.records.exchange_entries import note_exchange
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.committer import Commit, NewEntry, commit_step
from transport.refusal_metrics import REFUSALS

_SQL = sql.load("gateway.intermediate_server.inquiry")


_LOG = structlog.get_logger()
_ANOTHERS: Final = sorted(ANOTHERS)
_PERSON_CHANGED: Final = "person_changed"
_READ = commit_step("intermediate", "inquiry.result_read")
UNREADABLE: Final = "result_unreadable"
_Told = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_Number = Annotated[str, Meta(pattern=r"^[0-9]{15}\Z")]


class ResultItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SKI_90013. `system`: only inquiries of this business system are told; `actor`: its member of staff; `purpose`: what for now.

    Without `actor` it is the system itself that reads, without `purpose` for what the inquiry was made for. `integrated_numbers`: whom the reader means,
    with everybody who was merged into them; what came back about anybody else is not theirs to read (docs/adr/0121).
    """

    inquiry_number: Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]
    system: _Told
    actor: _Told | None = None
    purpose: _Told | None = None
    integrated_numbers: Annotated[list[_Number], Meta(min_length=1, max_length=1_000)] | None = None

    def __repr__(self) -> str:
        return "<ResultItem>"


RESULT_ITEM = msgspec.json.Decoder(ResultItem)


def shown(agency: HostedAgency, found: Inquiry) -> dict[str, Any]:
    """What the desk is told of an inquiry that was just driven. While use is suspended nothing that came back is read, as in `results`."""
    suspended = found.payload is not None and agency.bars.suspends(found.integrated_number, found.information)
    payload = read_payload(found.payload) if found.payload is not None and not suspended else None
    return {
        "inquiry_number": found.number,
        "state": found.state.value,
        "outcome": payload.kind
        if payload
        else (found.state.value if found.state in ENDED or found.state is State.HELD else None),
        "reason": USE_SUSPENDED if suspended else found.reason,
        "values": payload.records if payload else None,
    }


async def results(agency: HostedAgency, wanted: Sequence[ResultItem]) -> list[dict[str, Any]]:
    """IF_SKI_90013: state and result of each inquiry; one whose time is over says so, whether it has been deleted yet or not (SC-3).

    While use is suspended nothing that came back is read (利用停止, SC-27; docs/adr/0083); its time goes on.

    Who reads what came back, and what for, is on record before it leaves, each time (SC-7; docs/adr/0077); so is who would have read what came back
    about another person than they mean (docs/adr/0121), and that it could not be read because somebody changed what is kept: `result_unreadable`, of
    that inquiry alone, and it stays as it is (SC-6). Raises StorageUnavailableError.
    """
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["inquiries"], [one.inquiry_number for one in wanted])
    found = {row["inquiry_number"]: row for row in rows}
    now = agency.clock()
    answers = [_result(agency, one, found.get(one.inquiry_number), now) for one in wanted]
    entries = tuple(
        _read_by(agency, one, found[one.inquiry_number], now, answer["reason"] if answer["values"] is None else None)
        for one, answer in zip(wanted, answers, strict=True)
        if answer.get("values") is not None or answer.get("reason") in {UNREADABLE, _PERSON_CHANGED}
    )
    if entries:
        await agency.committer.apply(Commit(step=_READ, entries=entries))
    return answers


def _read_by(
    agency: HostedAgency, wanted: ResultItem, row: Record, now: datetime, refused: str | None = None
) -> NewEntry:
    stead: dict[str, str | None] = {}
    try:
        asked = read_asked(row["request"])
        stead = {"inquirer_for": asked.inquirer_for, "provider_for": asked.provider_for}
    except MessageBrokenError:  # somebody changed the row: what came back is read all the same
        _LOG.error("inquiry:request_unreadable", agency=agency.id, inquiry_number=wanted.inquiry_number)
    if refused == UNREADABLE:
        REFUSALS.labels("inquirer", refused, item_label(agency, row["basis"], row["item"])).inc()
    return note_exchange(
        agency,
        now,
        EntryKind.RESULT_READ,
        {**row, "inquirer": agency.id, **stead},
        row["integrated_number"],
        {"system": wanted.system, "sealed_digest": row["sealed_digest"]},
        actor=wanted.system if wanted.actor is None else f"{wanted.system}/{wanted.actor}",
        reason=refused,
        what_for=wanted.purpose,
    )


def _result(agency: HostedAgency, wanted: ResultItem, row: Record | None, now: datetime) -> dict[str, Any]:
    if row is None or wanted.system != row["system"]:
        return {"refused": {"reason": "inquiry_unknown"}}
    number, reason, state = wanted.inquiry_number, row["reason"], State(row["state"])
    payload = None
    kept = row["result_sealed"] is not None and now < row["result_until"]
    if kept and wanted.integrated_numbers is not None and row["integrated_number"] not in wanted.integrated_numbers:
        reason = _PERSON_CHANGED
    elif kept and agency.bars.suspends(row["integrated_number"], row["information"]):
        reason = USE_SUSPENDED
    elif kept:
        try:
            opened = agency.keys.ring.decrypt(row["key_purpose"], row["result_sealed"], result_aad(agency, number))
        except KeyUnusable:  # its time was over and its key is gone; a restore has brought the row back
            reason = "result_deleted"
        except SealBroken:  # somebody changed the row
            reason = UNREADABLE
        else:
            payload = read_payload(opened)
    elif state in (State.ANSWERED, State.NOT_PROVIDED):
        reason = "result_deleted"
    return {
        "inquiry_number": number,
        "state": state.value,
        "outcome": payload.kind if payload else (state.value if state in ENDED or state is State.HELD else None),
        "reason": reason,
        "values": payload.records if payload else None,
    }


async def subject_matter(agency: HostedAgency, number: str) -> tuple[str, str] | None:
    """Item of the list and kind of information of an inquiry of this agency's own."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["inquiries"], [number])
    return (rows[0]["item"], rows[0]["information"]) if rows else None


async def due(agency: HostedAgency, now: datetime) -> list[Inquiry]:
    """What the sweeper has to drive again."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["due"], now, _ANOTHERS)
    return [from_row(agency, row) for row in rows if row["inquiry_number"] not in agency.driving]


async def postpone(agency: HostedAgency, number: str, until: datetime) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.fetch(_SQL["postpone"], [number], [until])


async def receive_late(agency: HostedAgency, items: Sequence[LateOutcome]) -> dict[str, Inquiry]:
    """The inquiries that pushed outcomes belong to, by permit id, those that have ended already too.

    The permit of an inquiry may still be on its way into our records while its outcome comes: such an inquiry is found by its number.
    """
    by_number = {number: one.permit_id for one in items if (number := _number_in(one.outcome)) is not None}
    permit_ids = [one.permit_id for one in items]
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["by_permit"], permit_ids, list(by_number), _ANOTHERS)
    return {row["permit_id"] or by_number[row["inquiry_number"]]: from_row(agency, row) for row in rows}


def _number_in(outcome: bytes) -> str | None:
    try:
        return read_outcome(outcome).inquiry_number
    except MessageBrokenError:
        return None


def past_hours(agency: HostedAgency, now: datetime) -> list[str]:
    """Keys of results that are still in the ring though their hour is over."""
    this_hour = f"result/{hour_of(now)}"
    return [one for one in agency.keys.ring.purposes() if one.startswith("result/") and one < this_hour]
