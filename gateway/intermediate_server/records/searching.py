"""Search of exchange records (IS-5, TKM) by person, period, agency, affair, staff and outcome; newest first, in pages.

One condition leads by its index, the others sift what it finds: a page looks at `_LOOKED_AT` records at most and says where to go on, so
that no search is slow on ten million records. The right sifts too, so that no page tells of what it does not cover, and where to go on is
sealed: it may be a record that nobody was shown (SC-24). The caller has recorded the search before.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record

from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from evidence.proven_records import ProvenRecord, RecordsHeader, write_records
from gateway.intermediate_server import merges
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.covering import Covered
from gateway.intermediate_server.outcomes import OutcomeKind, outcome_of
from gateway.intermediate_server.records import agreeing, subjects
from gateway.intermediate_server.records.agreeing import Differs
from keys import labels
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.committer import fiscal_year
from storage.evidence_log import store as log_store
from transport.problem import ProblemError
from transport.wire import Dated

_SQL = sql.load("gateway.intermediate_server.records")
_LOOKED_AT: Final = 10_000
_PAGE: Final = 100
_FORM: Final = Struct(">qhq")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_STAFF: Final = "staff"
"""Purpose of the key under which places in a search are sealed."""
LARGEST_PAGE: Final = 500
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)
_RECORDS: Final = frozenset(
    kind for kind in EntryKind if kind.startswith(("inquiry.", "provision.", "permit.", "record.", "erasure."))
)
"""What of the log is shown by its id; the access log is read by its analysis."""

Covers = Callable[[str, str], bool]
"""Whether a right covers this affair (item of the list) and kind of information."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The last record looked at: its time and its place in the log."""

    at: datetime
    year: int
    index: int

    def sealed(self, agency: HostedAgency) -> str:
        """As a caller hands it back: one length for every place."""
        place = _FORM.pack((self.at - _EPOCH) // _MICROSECOND, self.year, self.index)
        return urlsafe_b64encode(agency.keys.ring.encrypt(_STAFF, place, labels.RECORDS_PLACE)).decode()


def _opened(agency: HostedAgency, text: str) -> _Place:
    """Raises ProblemError 400 for what this server has not given out."""
    try:
        place = agency.keys.ring.decrypt(_STAFF, urlsafe_b64decode(text), labels.RECORDS_PLACE)
    except (ValueError, SealBroken, KeyUnusable):
        raise ProblemError(
            400, "malformed_item", "`after` is the `next` of the page before, as it was given; search again."
        ) from None
    at, year, index = _FORM.unpack(place)
    return _Place(at=_EPOCH + at * _MICROSECOND, year=year, index=index)


class SearchItem(Dated, frozen=True, forbid_unknown_fields=True):
    """Item of IF_TKM_90061. `person`: integrated number, with what was merged into it; `since` ≤ at < `until`; `agency`: the other one, or 委任元 of
    either side, as a correction has it too.

    `staff`: as the record names who acted; `kind`: of record; `outcome`: what came of it (docs/outcomes.md), as far as that stands in clear.
    """

    person: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    agency: str | None = None
    affair: str | None = None
    information: str | None = None
    staff: str | None = None
    kind: EntryKind | None = None
    outcome: OutcomeKind | None = None
    after: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] = _PAGE


class ShowItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_TKM_90062. `proof`: with the lines of a file that anybody can check."""

    entry_id: Annotated[str, msgspec.Meta(max_length=64)]
    proof: bool = False


SEARCH_ITEM = msgspec.json.Decoder(SearchItem)
SHOW_ITEM = msgspec.json.Decoder(ShowItem)


def parse_person(text: str) -> str:
    """Raises ProblemError 400 for what is no integrated number, without repeating it."""
    try:
        return IntegratedAddresseeNumber.parse(text).reveal()  # reveal: compared with keyed indexes
    except CodebookError:
        raise ProblemError(400, "malformed_item", "A person is named by an integrated number of 15 digits.") from None


async def numbers_of(agency: HostedAgency, person: str) -> list[str]:
    """The number that names somebody, and those that were merged into it and are still: their records are this person's. Raises ProblemError 400."""
    number = parse_person(person)
    return [number, *await merges.merged_into(agency, number)]


def _leading(item: SearchItem) -> str:
    """The condition whose index finds least, as a rule."""
    given = {
        "person": item.person,
        "staff": item.staff,
        "agency": item.agency,
        "affair": item.affair,
        "outcome": item.outcome,
        "kind": item.kind,
    }
    return next((name for name, value in given.items() if value is not None), "period")


def _sifted(item: SearchItem, covered: Covered) -> bool:
    """Whether the right or conditions sift what the leading one finds."""
    conditions = (item.person, item.staff, item.agency, item.affair, item.outcome, item.kind, item.information)
    return (
        not covered.everything
        or sum(value is not None for value in conditions) > 1
        or (item.information is not None and _leading(item) == "period")
    )


async def search(agency: HostedAgency, item: SearchItem, covered: Covered, now: datetime) -> dict[str, Any]:
    """One page: `records`, and `next` to go on from, None at the end; what is not covered is not there. Raises ProblemError 400.

    Each record with its place `log`, its `outcome` (None: it is no end), its `corrections`, and what of it `differs` from its entry.
    """
    person = None if item.person is None else subjects.indexes(agency, *await numbers_of(agency, item.person))
    start = (
        _Place(at=item.until or now + AHEAD, year=-1, index=-1) if item.after is None else _opened(agency, item.after)
    )
    sifted = _sifted(item, covered)
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["plan_for_these_values"])
        rows = await connection.fetch(
            _SQL["search"],
            _leading(item), person, item.staff, item.agency, item.affair, item.kind and item.kind.value, item.information,
            item.since or BEGINNING, start.at, start.year, start.index, item.limit, _LOOKED_AT if sifted else item.limit,
            covered.column(), item.outcome and item.outcome.value,
        )  # fmt: skip
    found = [row for row in rows if row["idx"] is not None]
    shown = []
    for row in found:
        if covers_entry(entry := log_store.shown(row), covered):
            differs = agreeing.of_entry(row, entry) | agreeing.of_row(agency, row, row, entry)
            shown.append(entry | _outcome(entry) | {"differs": sorted(differs)})
    await add_corrections(agency, shown)
    await subjects.add_purposes(agency, shown)
    following = _following(item, rows[0], found) if sifted or len(found) == item.limit else None
    return {"records": shown, "next": None if following is None else following.sealed(agency)}


def _outcome(entry: Mapping[str, Any]) -> dict[str, OutcomeKind | None]:
    """`outcome`, by what the entry says; of one whose body is gone nothing says why."""
    return {} if entry.get("erased") else {"outcome": outcome_of(EntryKind(entry["kind"]), entry["reason"])}


def _following(item: SearchItem, looked: Record, found: Sequence[Record]) -> _Place | None:
    if len(found) == item.limit:
        return _Place(at=found[-1]["found_at"], year=found[-1]["year"], index=found[-1]["idx"])
    if looked["examined"] == _LOOKED_AT:
        return _Place(at=looked["last_at"], year=looked["last_year"], index=looked["last_idx"])
    return None


def covers_entry(entry: Mapping[str, Any], covers: Covers) -> bool:
    """Whether a right covers what this entry says; of one whose body is gone nothing is left to cover."""
    facts = entry.get("facts", {})
    affair, information = (
        entry.get("item", facts.get("item", "")),
        entry.get("information", facts.get("information", "")),
    )
    return bool(entry.get("erased")) or covers(affair, information)


async def show(agency: HostedAgency, item: ShowItem, covers: Covers, now: datetime) -> dict[str, Any]:
    """One record, its corrections, and with `proof` the lines of its file. Raises ProblemError 404: what is not covered is not there.

    A record whose body is gone after seven years says so: `erased`, and the certificate that says by which rule.
    """
    row = await entry_row(agency, item.entry_id)
    if row is None or row["kind"] not in _RECORDS or not covers_entry(entry := log_store.shown(row), covers):
        raise unknown_record()
    entry |= _outcome(entry) | {"differs": sorted(await _differing(agency, row, entry))}
    await add_corrections(agency, [entry])
    await subjects.add_purposes(agency, [entry])
    if row["body"] is None:
        async with agency.database.inside(agency.tenant) as connection:
            named = await connection.fetchval(_SQL["certificate_of"], f"{subjects.PERSONAL}{row['year']}")
        return {"record": entry | {"certificate": named}, "proof": None}
    return {"record": entry, "proof": await _proof(agency, row, now) if item.proof else None}


async def _differing(agency: HostedAgency, row: Record, entry: Mapping[str, Any]) -> set[Differs]:
    """Of one record, with the row that finds it; erasures and the like are found by none."""
    if row["body"] is None or "inquirer" not in entry.get("facts", entry):
        return agreeing.of_entry(row, entry)
    async with agency.database.inside(agency.tenant) as connection:
        found = await connection.fetchrow(_SQL["found_by"], row["at"], row["year"], row["idx"])
    if found is None or found["found_at"] is None:
        missing = found is None or not found["waits"]
        return agreeing.of_entry(row, entry) | ({Differs.ROW} if missing else set())
    return agreeing.of_entry(row, entry) | agreeing.of_row(agency, found, row, entry)


def unknown_record() -> ProblemError:
    return ProblemError(
        404, "record_unknown", "There is no such record, or your right does not cover it; search again."
    )


async def entry_row(agency: HostedAgency, entry_id: str) -> Record | None:
    async with agency.database.inside(agency.tenant) as connection:
        found: Record | None = await connection.fetchrow(_SQL["entry"], entry_id)
    return found


async def _proof(agency: HostedAgency, row: Record, now: datetime) -> str:
    proven = (await log_store.prove(agency.database, agency.tenant, row["year"], [row["idx"]]))[row["idx"]]
    record = ProvenRecord(
        index=proven.index,
        origin=proven.origin,
        proof=tuple(step.hex() for step in proven.path),
        entry=row["body"].decode(),
    )
    header, signer = header_of(agency, now, about_one=False), agency.keys.ring.signer("log")
    return b"".join(write_records(header, [(record, proven.note)], signer)).decode()


def header_of(agency: HostedAgency, now: datetime, *, about_one: bool) -> RecordsHeader:
    """Of a file that is made now: this agency's log of now signs it."""
    origin = f"{agency.committer.origin}/{fiscal_year(now)}"
    return RecordsHeader(about_one=about_one, agency=agency.id, made_at=timestamp(now), origin=origin)


async def add_corrections(agency: HostedAgency, entries: Sequence[dict[str, Any]]) -> None:
    """Beside each record what was said against it: proposed, approved or rejected; the record itself stays as it is (SC-27)."""
    by_entry = await _corrections(agency, [entry["id"] for entry in entries])
    for entry in entries:
        entry["corrections"] = [correction_shown(row) for row in by_entry[entry["id"]]]


async def approved_fields(agency: HostedAgency, entry_ids: Sequence[str]) -> dict[str, list[str]]:
    """By entry id, the fields that corrections in force correct."""
    found = await _corrections(agency, entry_ids)
    return {entry_id: [row["field"] for row in rows if row["state"] == "approved"] for entry_id, rows in found.items()}


async def _corrections(agency: HostedAgency, entry_ids: Sequence[str]) -> defaultdict[str, list[Record]]:
    by_entry: defaultdict[str, list[Record]] = defaultdict(list)
    if entry_ids:
        async with agency.database.inside(agency.tenant) as connection:
            for row in await connection.fetch(_SQL["corrections"], list(entry_ids)):
                by_entry[row["entry_id"]].append(row)
    return by_entry


def correction_shown(row: Record) -> dict[str, Any]:
    """A correction as staff see it; the number of a right person stays sealed."""
    said = (
        "correction_id",
        "entry_id",
        "field",
        "value",
        "reason",
        "content_hash",
        "state",
        "proposed_by",
        "decided_by",
    )
    decided = row["decided_at"]
    return {name: row[name] for name in said} | {
        "proposed_at": timestamp(row["proposed_at"]),
        "decided_at": None if decided is None else timestamp(decided),
    }
