"""Business statistics (IS-10): how many inquiries and provisions ended, by affair, partner, kind of information, outcome and month.

The log is counted once, stretch by stretch, into a table by month; a question reads that table alone, so it costs the same after ten million
exchanges as after ten. What is told of a month is `disclosure.publish`'s (SC-23), and a month is told when it is over: two looks at a month
that goes on would differ by single exchanges.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

import asyncpg
import msgspec

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.operations.disclosure import Finest, Published, publish
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import EVERYTHING, Function
from storage import sql
from storage.database import StorageUnavailableError
from transport.problem import ProblemError

_SQL = sql.load("gateway.intermediate_server.operations")
STRETCH: Final = 5_000
"""Entries counted by one statement, and how many wait before the sweeper counts them."""
_STRETCHES_A_ROUND: Final = 20
_MOST_MONTHS: Final = 84
_LATE: Final = timedelta(hours=1)
"""An entry is appended seconds after its instant at most; a month is over an hour after its end."""
UNLISTED: Final = "unlisted"
"""Stands for whatever neither the list nor the register knows: nobody brings a text of their own into the statistics."""
_ENDS: Final = {
    EntryKind.INQUIRY_ANSWERED: "answered",
    EntryKind.INQUIRY_NOT_PROVIDED: "not_provided",
    EntryKind.INQUIRY_REFUSED: "refused_here",
    EntryKind.INQUIRY_DENIED: "refused_by_core",
    EntryKind.INQUIRY_REFUSED_BY_PROVIDER: "refused_by_provider",
    EntryKind.INQUIRY_REFUSED_BY_NETWORK: "refused_by_network",
    EntryKind.INQUIRY_ABORTED: "aborted",
    EntryKind.PROVISION_MADE: "provided",
    EntryKind.PROVISION_RELEASED: "released",
    EntryKind.PROVISION_NOT_PROVIDED: "not_provided",
    EntryKind.PROVISION_REFUSED: "refused",
    EntryKind.PROVISION_EXPIRED: "expired",
}
"""The kinds of entries that end an exchange, and what they are called here; what is held is counted when it ends."""
_KINDS: Final = [kind.value for kind in _ENDS]
_DIRECTIONS: Final = [kind.value.partition(".")[0] for kind in _ENDS]
_PARTNERS: Final = ["provider" if direction == "inquiry" else "inquirer" for direction in _DIRECTIONS]
_OUTCOMES: Final = list(_ENDS.values())

Month = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class StatisticsItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SYM_90060: the first and the last month, `YYYY-MM`."""

    since: Month
    until: Month


STATISTICS_ITEM = msgspec.json.Decoder(StatisticsItem)


async def count(agency: HostedAgency, *, stretches: int = _STRETCHES_A_ROUND) -> bool:
    """Count what was appended to the log since the last time, up to so many stretches; whether that was all. Raises StorageUnavailableError."""
    try:
        for _ in range(stretches):
            if not await _count_one(agency):
                return True
    except asyncpg.PostgresError:
        raise StorageUnavailableError("the exchanges could not be counted") from None
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
            await connection.execute(
                _SQL["count_exchanges"], year, start, end, _KINDS, _DIRECTIONS, _PARTNERS, _OUTCOMES
            )
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
    found: defaultdict[tuple[date, str], defaultdict[Finest, int]] = defaultdict(lambda: defaultdict(int))
    listed, known = agency.lists.listed(), agency.register().agencies
    for row in rows:
        affair = (row["basis"], row["item"])
        finest = (
            affair if affair in listed else ("", UNLISTED),
            row["partner"] if row["partner"] in known else UNLISTED,
            row["information"] if row["information"] in listed.get(affair, ()) else UNLISTED,
            row["outcome"],
        )
        found[(row["month"], row["direction"])][finest] += row["exchanges"]
    return {key: dict(finest) for key, finest in found.items()}


def _covered(acting: Acting, number: Published) -> bool:
    """Whether a right covers this number; one of several affairs or kinds together takes a right to all of them (SC-24)."""
    affair = number.affair[1] if number.affair else EVERYTHING
    return acting.may(Function.STATISTICS, affair, number.information or EVERYTHING)


def _shown(number: Published) -> dict[str, Any]:
    basis, item = number.affair or (None, None)
    return {
        "basis": basis,
        "item": item,
        "partner": number.partner,
        "information": number.information,
        "outcome": number.outcome,
        "exchanges": number.exchanges,
    }
