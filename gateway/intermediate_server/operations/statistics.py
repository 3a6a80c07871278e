"""Business statistics (IS-10): how many inquiries and provisions ended, by affair, partner and 委任元,
kind of information, outcome and month.

The log is counted once, stretch by stretch, into a table by month; a question reads that table alone, so it costs the same after ten million
exchanges as after ten. What is told of a month is `disclosure.publish`'s (SC-23), and a month is told when it is over: two looks at a month
that goes on would differ by single exchanges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.operations.disclosure import Finest, Published, publish
from gateway.intermediate_server.outcomes import DEADLINE_PASSED, REFUSALS, OutcomeKind, outcome_of
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import EVERYTHING, Function
from storage import sql
from storage.database import Connection, as_away
from transport.problem import ProblemError

_SQL = sql.load("gateway.intermediate_server.operations")
STRETCH: Final = 5_000
"""Entries counted by one statement, and how many wait before the sweeper counts them."""
_STRETCHES_A_ROUND: Final = 20
_MOST_MONTHS: Final = 84
_LATE: Final = timedelta(hours=1)
"""An entry is appended seconds after its instant at most; a month is over an hour after its end."""
UNLISTED: Final = "unlisted"
"""Stands for whatever neither the list nor the register knows: nobody brings a text of their own into the statistics.

What is known is settled of each name of a month when the month is first told: two groupings of it would tell small numbers by their difference, when
somebody is registered, leaves or comes on the list (SC-23, docs/adr/0122). An agency with which an exchange has gone through was registered once.
"""
_WENT_THROUGH: Final = [OutcomeKind.ANSWERED.value, OutcomeKind.NOT_PROVIDED.value]
_ENDS: Final = [kind for kind in EntryKind if outcome_of(kind, None) not in (None, OutcomeKind.HELD)]
"""The kinds of entries that end an exchange; what is held is counted when it ends."""
_BY_REASON: Final = [
    (kind, reason, outcome_of(kind, reason))
    for kind in _ENDS
    for reason in ("", *REFUSALS, DEADLINE_PASSED)
    if reason == "" or outcome_of(kind, reason) != outcome_of(kind, None)
]
_ENDED: Final = [list(column) for column in zip(*_BY_REASON, strict=True)]
"""Kinds, reasons and outcomes; the empty reason stands for every one that says no more than its kind."""

Month = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])\Z")]


class StatisticsItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SYM_90060: the first and the last month, `YYYY-MM`."""

    since: Month
    until: Month


STATISTICS_ITEM = msgspec.json.Decoder(StatisticsItem)


async def count(agency: HostedAgency, *, stretches: int = _STRETCHES_A_ROUND) -> bool:
    """Count what was appended to the log since the last time, up to so many stretches; whether that was all. Raises StorageUnavailableError."""
    with as_away("the exchanges could not be counted"):
        for _ in range(stretches):
            if not await _count_one(agency):
                return True
    return False


async def _count_one(agency: HostedAgency) -> bool:
    """The next stretch, with how far it goes, in one transaction; False when there is none."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["uncounted"])
        if row is None:
            return False
        year, start = row["year"], row["counted"]
        end = min(row["size"], start + STRETCH)
        await connection.execute(_SQL["begin_counting"], year)
        if await connection.fetchval(_SQL["advance_counting"], year, start, end) is not None:
            await connection.execute(_SQL["count_exchanges"], year, start, end, *_ENDED)
    return True


async def told(acting: Acting, item: StatisticsItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90060, of the affairs and kinds of information that the right covers. Raises ProblemError 400, 503, StorageUnavailableError."""
    agency, threshold = acting.desk.agency, acting.desk.agency.limits.statistics_threshold
    since, until = (date.fromisoformat(f"{month}-01") for month in (item.since, item.until))
    _check(since, until, agency.today(now - _LATE))
    await acting.record(Function.STATISTICS, [{"since": item.since, "until": item.until}], now)
    if not await count(agency):
        raise ProblemError(503, "statistics_not_ready", "The log is still being counted; ask again in a minute.")
    counts = await _counts(agency, since, until)
    return {
        "agency": agency.id,
        "threshold": threshold,
        "numbers": [
            {"month": month.isoformat()[:7], "direction": direction, **_shown(number)}
            for (month, direction), finest in sorted(counts.items())
            for number in publish(finest, threshold)
            if _covered(acting, number)
        ],
    }


def _check(since: date, until: date, today: date) -> None:
    months = (until.year - since.year) * 12 + until.month - since.month + 1
    if not 1 <= months <= _MOST_MONTHS:
        raise ProblemError(400, "malformed_item", "A period is of 1 to 84 months, the first one first.")
    if until >= today.replace(day=1):
        raise ProblemError(
            400,
            "month_not_over",
            "A month is told when it is over, an hour after its end in Japan; ask up to the last one.",
        )


async def _counts(agency: HostedAgency, since: date, until: date) -> dict[tuple[date, str], dict[Finest, int]]:
    """By month and direction."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["exchange_counts"], since, until)
        known = await _known(agency, connection, rows, since, until)
    found: defaultdict[tuple[date, str], defaultdict[Finest, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        month, affair, information = row["month"], (row["basis"], row["item"]), row["information"]
        partner, *stead = (
            party if not party or (month, _name(party)) in known else UNLISTED for party in _parties(row)
        )
        finest = (
            affair if (month, _name(*affair)) in known else ("", UNLISTED),
            (partner, stead[0], stead[1]),
            information if (month, _name(*affair, information)) in known else UNLISTED,
            (row["kind"], row["outcome"]),
        )
        found[(month, row["kind"].partition(".")[0])][finest] += row["exchanges"]
    return {key: dict(finest) for key, finest in found.items()}


async def _known(
    agency: HostedAgency, connection: Connection, rows: Sequence[Record], since: date, until: date
) -> set[tuple[date, str]]:
    """Names by which these months are told, by month; those of which no word was said yet are settled now, for whoever asks later."""
    occurring = {(row["month"], name) for row in rows for name in _names(row)}
    settled = await connection.fetch(_SQL["settled_names"], since, until)
    if new := sorted(occurring - {(row["month"], row["name"]) for row in settled}):
        now = await _known_now(agency, connection)
        said = [(month, name, name in now) for month, name in new]
        await connection.execute(_SQL["settle_names"], *map(list, zip(*said, strict=True)))
        settled = await connection.fetch(_SQL["settled_names"], since, until)
    return {(row["month"], row["name"]) for row in settled if row["known"]}


async def _known_now(agency: HostedAgency, connection: Connection) -> set[str]:
    met = await connection.fetch(_SQL["parties_met"], _WENT_THROUGH)
    listed = agency.lists.listed()
    return {
        *map(_name, agency.register().agencies),
        *(_name(row["party"]) for row in met),
        *(_name(*affair) for affair in listed),
        *(_name(*affair, information) for affair, kinds in listed.items() for information in kinds),
    }


def _names(row: Record) -> Iterator[str]:
    yield from (_name(party) for party in _parties(row) if party)
    yield _name(row["basis"], row["item"])
    yield _name(row["basis"], row["item"], row["information"])


def _parties(row: Record) -> tuple[str, str, str]:
    return row["partner"], row["inquirer_for"], row["provider_for"]


def _name(*parts: str) -> str:
    """An agency, an affair (basis, item) or a kind of information of an affair: told from one another by how many parts they have."""
    return msgspec.json.encode(parts).decode()


def _covered(acting: Acting, number: Published) -> bool:
    """Whether a right covers this number; one of several affairs or kinds together takes a right to all of them (SC-24)."""
    affair = number.affair[1] if number.affair else EVERYTHING
    return acting.may(Function.STATISTICS, affair, number.information or EVERYTHING)


def _shown(number: Published) -> dict[str, Any]:
    basis, item = number.affair or (None, None)
    partner, inquirer_for, provider_for = number.parties or (None, None, None)
    kind, outcome = number.ended or (None, None)
    return {
        "basis": basis,
        "item": item,
        "partner": partner,
        "inquirer_for": inquirer_for,
        "provider_for": provider_for,
        "information": number.information,
        "kind": kind,
        "outcome": outcome,
        "exchanges": number.exchanges,
    }
