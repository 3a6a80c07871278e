"""訂正 of exchange records (IS-5, SC-27): a record is never changed. A correction is a record of its own that names the first one.

One person proposes it, another approves exactly that content with their own two factors (SC-11, docs/adr/0025); then it is in the log.
Of a wrong person the right number is sealed like that of any record, and the correction is found under it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
import structlog
from asyncpg import Record

from codebook.errors import CodebookError
from codebook.identifiers import parse_agency_id
from evidence.entry import EXCHANGE_KINDS, EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records import extracting, searching, subjects
from gateway.intermediate_server.records.exchange_entries import note_exchange
from gateway.intermediate_server.staff.entering import Proof, signed_by_card
from gateway.intermediate_server.staff.operating import Acting, First, Right
from gateway.intermediate_server.staff.rights import Function, Grant
from gateway.intermediate_server.staff.second_person import prove_for
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.committer import Commit, NewEntry, Statement, Write, commit_step
from storage.evidence_log import store as log_store
from transport.problem import ProblemError

_LOG = structlog.get_logger()
_SQL = sql.load("gateway.intermediate_server.correction")
_PROPOSE = Statement("propose_correction", _SQL["propose_correction"])
_DECIDE = Statement("decide_correction", _SQL["decide_correction"])
_PROPOSED = commit_step("intermediate", "record.correction_proposed")
_DECIDED = commit_step("intermediate", "record.corrected")
_CODE: Final = re.compile(r"(?!.*[0-9]{10})[0-9A-Za-z.-]{1,32}")
_DISPOSITIONS: Final = frozenset({"provided", "not_provided", "refused", "held"})
CORRECTION_PREFIX: Final = "C"
CORRECTION_ID: Final = re.compile(r"C[0-9A-HJKMNP-TV-Z]{26}")


class Field(StrEnum):
    """What of a record can have been wrong."""

    SUBJECT = "subject"
    INQUIRER = "inquirer"
    PROVIDER = "provider"
    INQUIRER_FOR = "inquirer_for"
    PROVIDER_FOR = "provider_for"
    BASIS = "basis"
    ITEM = "item"
    INFORMATION = "information"
    ITEMS = "items"
    DISPOSITION = "disposition"


class Reason(StrEnum):
    """Why a record is corrected."""

    REQUEST_OF_PERSON = "request_of_person"
    WRONG_LINK = "wrong_link"
    TOLD_BY_PARTNER = "told_by_partner"
    FOUND_BY_STAFF = "found_by_staff"


class ProposeItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_TKM_90063. `correction_id`: drawn by the caller, so that asking again asks for the same; `value`: what is right instead
    (items of information set apart by commas; of `subject` the right integrated number; of 委任元 nothing where there was none).
    """

    correction_id: str
    entry_id: Annotated[str, msgspec.Meta(max_length=64)]
    field: Field
    value: Annotated[str, msgspec.Meta(max_length=2000)]
    reason: Reason


class DecideItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_TKM_90064. The proof answers a challenge for `correct/<correction id>/<content hash>`, or `reject/…`."""

    correction_id: str
    content_hash: str
    approve: bool
    proof: Proof


PROPOSE_ITEM = msgspec.json.Decoder(ProposeItem)
DECIDE_ITEM = msgspec.json.Decoder(DecideItem)


def _checked_value(agency: HostedAgency, field: Field, value: str) -> str:
    """Nothing that somebody typed freely gets into the log. Raises ProblemError 400."""
    if field is Field.SUBJECT:
        return searching.parse_person(value)
    if not _fits(agency, field, value):
        raise ProblemError(400, "malformed_item", "This is no value of that field; see /openapi.json.")
    return value


def _fits(agency: HostedAgency, field: Field, value: str) -> bool:
    match field:
        case Field.INQUIRER | Field.PROVIDER:
            return is_agency(value)
        case Field.INQUIRER_FOR | Field.PROVIDER_FOR:
            return value == "" or is_agency(value)
        case Field.BASIS | Field.ITEM:
            return is_code(value)
        case Field.INFORMATION:
            return value in {layout.information for layout in agency.layouts}
        case Field.ITEMS:
            sets = [one for layout in agency.layouts for one in layout.data_sets.values()]
            return set(value.split(",")) <= {name for one in sets for name in one.items}
        case _:
            return value in _DISPOSITIONS


def is_agency(text: str) -> bool:
    try:
        parse_agency_id(text)
    except CodebookError:
        return False
    return True


def is_code(text: str) -> bool:
    """Whether a text has the form of a basis or an item of the permission list: nothing as long as a number of a person."""
    return _CODE.fullmatch(text) is not None


def content_hash(agency: str, correction_id: str, entry_id: str, field: Field, said: str, reason: Reason) -> str:
    """Hex SHA-256 of what an approval is for. `said`: the value, or the sealed right number (hex)."""
    return sha256(bind(agency, correction_id, entry_id, field.value, said, reason.value)).hexdigest()


async def propose(acting: Acting, item: ProposeItem, now: datetime) -> dict[str, Any]:
    """IF_TKM_90063: ask for a correction; nothing is corrected yet. Raises ProblemError 400, 404, 409."""
    agency = acting.desk.agency
    if not CORRECTION_ID.fullmatch(item.correction_id):
        raise ProblemError(400, "malformed_item", "A correction id is C and 26 characters, drawn by whoever asks.")
    row, right = await _record(acting, item.entry_id)
    value = _checked_value(agency, item.field, item.value)
    number_sealed = under = None
    if item.field is Field.SUBJECT:
        number_sealed, under = seal_number(agency, item.correction_id, value, now)
        value = ""
    said = value if number_sealed is None else number_sealed.hex()
    digest = content_hash(agency.id, item.correction_id, item.entry_id, item.field, said, item.reason)
    kept = (
        item.correction_id, item.entry_id, item.field.value, value, number_sealed, under, item.reason.value, digest, now,
        acting.staff_id, acting.session.card_id,
    )  # fmt: skip
    entry = acting.entry(
        now, EntryKind.STAFF_OPERATED, Function.RECORDS_CORRECT, event="propose", correction_id=item.correction_id,
        corrects=item.entry_id, field=item.field.value, content_hash=digest, inquiry_number=row["inquiry_number"] or "",
    )  # fmt: skip
    commit = Commit(step=_PROPOSED, guard=Write(_PROPOSE, kept), entries=(entry,))
    if not await acting.commit(commit, right):
        known = await _correction(agency, item.correction_id)
        if known["proposed_by"] != acting.staff_id or known["entry_id"] != item.entry_id:
            raise ProblemError(409, "correction_id_taken", "Draw another correction id.")
    return searching.correction_shown(await _correction(agency, item.correction_id))


def seal_number(agency: HostedAgency, correction_id: str, number: str, now: datetime) -> tuple[bytes, str]:
    """The right person's number while it waits for a second person, and the purpose of the ring that it is sealed under."""
    under = subjects.purpose_of(now)
    return agency.keys.ensure(under).encrypt(under, number.encode(), _bound(agency, correction_id)), under


def _bound(agency: HostedAgency, correction_id: str) -> bytes:
    return bind("correction", agency.id, correction_id)


async def _record(acting: Acting, entry_id: str) -> tuple[Record, Right]:
    """The record that is to be corrected, one of an exchange with its body, and the right to it. Raises ProblemError 404, 409."""
    row = await searching.entry_row(acting.desk.agency, entry_id)
    if row is None or row["kind"] not in EXCHANGE_KINDS:
        raise searching.unknown_record()
    if row["body"] is None:
        raise ProblemError(
            409, "record_erased", "This record was erased after seven years; nothing is left to correct."
        )
    said = log_store.shown(row)

    def right(grant: Grant) -> bool:
        return searching.covers_entry(said, partial(grant.covers, Function.RECORDS_CORRECT))

    if not any(map(right, acting.grants)):
        raise searching.unknown_record()
    return row, right


async def _correction(agency: HostedAgency, correction_id: str) -> Record:
    """Raises ProblemError 404."""
    async with agency.database.inside(agency.tenant) as connection:
        found = await connection.fetchrow(_SQL["correction"], correction_id)
    if found is None:
        raise ProblemError(404, "correction_unknown", "There is no correction of that id; show the record again.")
    return found


async def decide(acting: Acting, item: DecideItem, now: datetime) -> dict[str, Any]:
    """IF_TKM_90064: another person approves or rejects exactly what was proposed. Raises ProblemError 401, 403, 404, 409.

    1. the right covers the record; 2. it is another person with another card than the proposal's (SC-11); 3. the content is what was seen;
    4. both factors anew, for this; 5. approved, the correction is an entry, with the same commit that closes the proposal, under the right of
    whoever proposed it too.
    """
    agency = acting.desk.agency
    kept = await _correction(agency, item.correction_id)
    row, right = await _record(acting, kept["entry_id"])
    if kept["state"] != "proposed":
        raise _decided_already()
    if acting.staff_id == kept["proposed_by"] or acting.session.card_id == kept["proposed_card"]:
        raise ProblemError(403, "second_person_needed", "Another person, with another card, must decide a correction.")
    if item.content_hash != kept["content_hash"]:
        raise ProblemError(409, "content_changed", "This is not what was proposed; show the record again.")
    event = "correct" if item.approve else "reject"
    await prove_for(acting, f"{event}/{item.correction_id}/{item.content_hash}", item.proof, now)
    decided = (
        item.correction_id, item.content_hash, "approved" if item.approve else "rejected", now, acting.staff_id,
        acting.session.card_id,
    )  # fmt: skip
    operated = acting.entry(
        now, EntryKind.STAFF_OPERATED, Function.RECORDS_CORRECT, event=event, correction_id=item.correction_id,
        corrects=kept["entry_id"], content_hash=item.content_hash, card=acting.session.card_id, **signed_by_card(item.proof),
    )  # fmt: skip
    entries = (
        (operated, await correction_entry(agency, dict(kept), row, acting.staff_id, now))
        if item.approve
        else (operated,)
    )
    commit = Commit(step=_DECIDED, guard=Write(_DECIDE, decided), entries=entries)
    if not await acting.commit(commit, right, _proposer(kept, row) if item.approve else None):
        raise _decided_already()
    return searching.correction_shown(await _correction(agency, item.correction_id))


def _proposer(kept: Record, row: Record) -> First:
    said = log_store.shown(row)
    return First(
        staff_id=kept["proposed_by"],
        function=Function.RECORDS_CORRECT,
        affair=said["item"],
        information=said["information"],
    )


def _decided_already() -> ProblemError:
    return ProblemError(409, "decided_already", "Somebody has decided this correction already; show the record again.")


async def correction_entry(
    agency: HostedAgency, kept: Mapping[str, Any], row: Record, approver: str, now: datetime
) -> NewEntry:
    """The entry: about the right person where that is what is corrected, else about whom the record is about.

    With 不開示 when any record of the inquiry says so: it outlives that record.
    """
    first = log_store.shown(row)
    marked = await extracting.marked_at_any_time(agency, {first["inquiry_number"]})
    facts = {
        "correction_id": kept["correction_id"],
        "corrects": kept["entry_id"],
        "field": kept["field"],
        "value": kept["value"],
        "content_hash": kept["content_hash"],
        "proposed_by": kept["proposed_by"],
        "approved_by": approver,
        **({"non_disclosure": True} if marked else {}),
    }
    return note_exchange(
        agency,
        now,
        EntryKind.RECORD_CORRECTED,
        first,
        _right_number(agency, kept, row),
        facts,
        actor=kept["proposed_by"],
        reason=kept["reason"],
    )


def _right_number(agency: HostedAgency, kept: Mapping[str, Any], row: Record) -> str | None:
    if kept["number_sealed"] is not None:
        try:
            return agency.keys.ring.decrypt(
                kept["sealed_under"], kept["number_sealed"], _bound(agency, kept["correction_id"])
            ).decode()
        except (SealBroken, KeyUnusable) as failure:  # somebody changed the row, or its key is gone
            _LOG.error("correction:unreadable", agency=agency.id, error=type(failure).__name__)
            raise ProblemError(
                409,
                "correction_unreadable",
                "Whose the record is said to be does not open; reject it, and propose it anew.",
            ) from None
    opened = subjects.open_personal(agency, row)
    return None if opened is None else opened.number
