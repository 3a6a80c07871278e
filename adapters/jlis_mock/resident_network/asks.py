"""Who asks how much: counted durably before it is answered, and bounded by the minute (安全管理: misuse must show).

The limit is in memory and starts anew with the process; the counts in the table do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog
from prometheus_client import Counter

from storage import sql
from storage.database import Database, as_away
from transport.clock import JST
from transport.problem import ProblemError

MOST_PER_MINUTE: Final = 600_000
"""10,000 a second: a ward's first load is compared in two minutes, and nobody needs more."""
ASKS: Final = Counter(
    "sekisho_resident_network_asks",
    "Items that agencies asked the resident network for",
    ["agency", "function", "outcome"],
)
_QUERIES: Final = sql.load("adapters.jlis_mock.resident_network")
_LOG = structlog.get_logger()


class Function(StrEnum):
    CODE_REQUESTS = "code-requests"
    FOUR_ITEMS = "four-items"
    CARD_HOLDERS = "card-holders"
    NUMBER_LOOK_UP = "number-look-up"
    CHANGE_NOTICES = "change-notices"


class Outcome(StrEnum):
    """What became of one item."""

    ANSWERED = "answered"
    REFUSED = "refused"
    RETRY = "retry"
    OVER_LIMIT = "over_limit"


@dataclass(slots=True)
class AskLimit:
    """Items per agency and minute of the clock, both functions together; `most` for each."""

    most: int = MOST_PER_MINUTE
    _minute: int = -1
    _asked: dict[str, int] = field(default_factory=dict)

    def take(self, agency: str, count: int, now: datetime) -> bool:
        """Whether these may be asked now; what is refused does not count."""
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._asked = minute, {}
        asked = self._asked.get(agency, 0) + count
        if asked > self.most:
            return False
        self._asked[agency] = asked
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class AskBook:
    """The table of counts of the resident network's tenant."""

    database: Database
    tenant: str
    limit: AskLimit
    clock: Callable[[], datetime]

    async def take(self, agency: str, function: Function, count: int) -> None:
        """Count what an agency asks for, before anything is looked up.

        Raises ProblemError 429 over the limit, after counting that too; StorageUnavailableError.
        """
        now = self.clock()
        allowed = self.limit.take(agency, count, now)
        asked, turned_away = (count, 0) if allowed else (0, count)
        with as_away("what was asked could not be counted"):
            async with self.database.inside(self.tenant) as connection:
                day = now.astimezone(JST).date()
                await connection.execute(_QUERIES["count_asks"], agency, day, function.value, asked, turned_away)
        if allowed:
            _LOG.info("asked", agency=agency, kind=function.value, count=count)
            return
        ASKS.labels(agency, function.value, Outcome.OVER_LIMIT.value).inc(count)
        _LOG.warning("asked_too_much", agency=agency, kind=function.value, count=count, reason="too_many_asks")
        raise ProblemError(
            429, "too_many_asks", "This agency asked for more people in a minute than may be; ask again after a minute."
        )


def count_answers(agency: str, function: Function, answers: Sequence[dict[str, Any]]) -> None:
    """The metrics of what was answered."""
    for answer in answers:
        ASKS.labels(agency, function.value, _outcome(answer).value).inc()


def _outcome(answer: dict[str, Any]) -> Outcome:
    if "retry" in answer:
        return Outcome.RETRY
    return Outcome.REFUSED if "refused" in answer or "unknown" in answer else Outcome.ANSWERED
