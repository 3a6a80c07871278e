"""What a person would see of their exchange records in マイナポータル (SC-27, 番号法23条, 附則6条3項): who asked what, when, and whether it was given.

Each record as a view of its entry, signed by the log's key and with the proof that the entry is in the log; salts open the commitments to
whoever knows the person's number. What is not to be disclosed (番号法23条2項) is not there, and nothing says that it is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record

from evidence.canonical import encode
from evidence.entry import EXCHANGE_KINDS, EntryKind, commit_subject
from evidence.proven_records import ProvenRecord, sign_view, write_records
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records import subjects
from gateway.intermediate_server.records.searching import AHEAD, BEGINNING, approved_fields, header_of, numbers_of
from gateway.intermediate_server.records.subjects import Opened
from keys.signing import Signer
from storage import sql
from storage.evidence_log import store as log_store
from storage.evidence_log.store import Proven
from transport.problem import ProblemError
from transport.wire import Dated

_SQL = sql.load("gateway.intermediate_server.records")
_WORDS: Final = {
    EntryKind.INQUIRY_REGISTERED: "asked",
    EntryKind.INQUIRY_PERMITTED: "asked",
    EntryKind.INQUIRY_HELD: "waiting",
    EntryKind.PROVISION_HELD: "waiting",
    EntryKind.INQUIRY_ANSWERED: "given",
    EntryKind.PROVISION_MADE: "given",
    EntryKind.PROVISION_RELEASED: "given",
    EntryKind.RECORD_CORRECTED: "corrected",
}
"""What a kind of record says to the person; every other one is `not_given`: why it was not is said to nobody here."""


_KINDS: Final = frozenset({*EXCHANGE_KINDS, EntryKind.RECORD_CORRECTED})
"""記録 of 番号法23条; who read a result again inside the agency is for its own auditors."""
_ALWAYS: Final = ("inquiry_number", "inquirer", "provider", "item", "information", "subject")
_IN_WHOSE_STEAD: Final = ("inquirer_for", "provider_for")
"""委任元: there only where somebody asked or answered for another."""
_OF_EXCHANGE: Final = ("basis", "items")
_OF_CORRECTION: Final = ("corrects", "field", "value")


class ExtractItem(Dated, frozen=True, forbid_unknown_fields=True):
    """Item of IF_TKM_90065. `person`: integrated number, with what was merged into it; `since` ≤ at < `until`, all that there is unless told."""

    person: str
    since: datetime | None = None
    until: datetime | None = None


EXTRACT_ITEM = msgspec.json.Decoder(ExtractItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One record as the person may see it (`view`, canonical JSON), and what proves it."""

    view: bytes
    salt: bytes
    proven: Proven


async def extract(agency: HostedAgency, item: ExtractItem, now: datetime) -> list[Shown]:
    """A person's records of a period, oldest first, proven under the checkpoint of this moment. Raises ProblemError 400, StorageUnavailableError.

    1. found by the keyed indexes of the person's number and of those that were merged into it and are still, and again by the commitment of
    each entry: whatever was recorded under a number stays its own when the merge is undone (docs/adr/0115); 2. an inquiry of which any record
    says that it is not to be disclosed is left out as a whole (番号法23条2項), whether that record is of the period or not, also one that a
    correction has brought to this person and whose other records are about somebody else, and so is one about information that is frozen at any of
    these numbers (IS-6); 3. of the others a view without staff, permits, digests and grounds.
    """
    since, until = item.since or BEGINNING, item.until or now + AHEAD
    if since >= until:
        raise ProblemError(400, "malformed_item", "A period begins before it ends.")
    numbers = await numbers_of(agency, item.person)
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["of_person"], subjects.indexes(agency, *numbers), since, until)
    opened = [
        (row, found)
        for row in rows
        if row["kind"] in _KINDS and (found := subjects.open_personal(agency, row)) and found.number in numbers
    ]
    entries = [(row, found, msgspec.json.decode(row["body"])) for row, found in opened]
    hidden = {_inquiry(entry) for _, _, entry in entries if _is_frozen(agency, numbers, entry)}
    hidden |= await marked_at_any_time(agency, {_inquiry(entry) for _, _, entry in entries})
    seen = [(row, found, entry) for row, found, entry in entries if _inquiry(entry) not in hidden]
    corrected = await approved_fields(agency, [entry["id"] for _, _, entry in seen])
    proofs = await _proofs(agency, [row for row, _, _ in seen])
    return [
        Shown(
            view=view_of(entry, corrected.get(entry["id"], []), _lives_on(numbers[0], found)),
            salt=found.salt,
            proven=proofs[row["year"], row["idx"]],
        )
        for row, found, entry in seen
    ]


def _is_frozen(agency: HostedAgency, numbers: Sequence[str], entry: Mapping[str, Any]) -> bool:
    information = str(_said(entry, "information"))
    return any(agency.bars.look(number, information).frozen for number in numbers)


def _lives_on(number: str, found: Opened) -> str | None:
    """Of a record under a number that was merged: the commitment to who lives on, under the record's own salt."""
    return None if found.number == number else commit_subject(found.salt, number)


async def marked_at_any_time(agency: HostedAgency, numbers: Collection[str]) -> set[str]:
    """Those of these inquiries that any record says are not to be disclosed: whoever that is about, in the period asked for or outside it."""
    if not numbers:
        return set()
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["said_of_inquiries"], sorted(numbers))
    return {row["inquiry_number"] for row in rows if _said(msgspec.json.decode(row["body"]), "non_disclosure")}


def _said(entry: Mapping[str, Any], name: str) -> Any:
    """A field of a record, or of a correction: there it is a fact."""
    return entry.get("facts", entry).get(name)


def _inquiry(entry: Mapping[str, Any]) -> str:
    return str(_said(entry, "inquiry_number"))


async def _proofs(agency: HostedAgency, rows: list[Record]) -> dict[tuple[int, int], Proven]:
    by_year: defaultdict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_year[row["year"]].append(row["idx"])
    return {
        (year, index): proven
        for year, indexes in by_year.items()
        for index, proven in (await log_store.prove(agency.database, agency.tenant, year, indexes)).items()
    }


def view_of(entry: Mapping[str, Any], corrected: Sequence[str], lives_on: str | None) -> bytes:
    """What of an entry its person may see, canonical: who asked whom for what under which affair, in whose stead, when, and what
    came of it.

    `corrected`: fields of it that a later record corrects. `lives_on`: the commitment to whoever its person's number was merged into.
    """
    word = _WORDS.get(EntryKind(entry["kind"]), "not_given")
    said = _ALWAYS + (_OF_CORRECTION if word == "corrected" else _OF_EXCHANGE)
    view = {"id": entry["id"], "at": entry["at"], "outcome": word, "corrected": sorted(corrected)}
    stead = {name: agency for name in _IN_WHOSE_STEAD if (agency := _said(entry, name)) is not None}
    merged = {} if lives_on is None else {"lives_on": lives_on}
    return encode(view | {name: _said(entry, name) for name in said} | stead | merged)


def file_lines(agency: HostedAgency, shown: list[Shown], now: datetime, *, salted: bool = True) -> Iterator[bytes]:
    """The extract as the file that `sekisho verify --extract` checks.

    With salts whoever knows the person's number can check whose records they are; whoever has salts can also try all numbers, so the
    file that leaves the agency has none.
    """
    signer, header = agency.keys.ring.signer("log"), header_of(agency, now, about_one=True)
    records = [(_line(one, signer, header.made_at, salted=salted), one.proven.note) for one in shown]
    return write_records(header, records, signer)


def _line(one: Shown, signer: Signer, made_at: str, *, salted: bool) -> ProvenRecord:
    proven = one.proven
    return ProvenRecord(
        index=proven.index,
        origin=proven.origin,
        proof=tuple(step.hex() for step in proven.path),
        view=one.view.decode(),
        leaf=proven.leaf.hex(),
        signature=sign_view(signer, made_at, proven.origin, proven.index, proven.leaf, one.view),
        salt=one.salt.hex() if salted else None,
    )
