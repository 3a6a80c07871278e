"""One agency as this server hosts it: its tenant, its log, its keys, and what it knows of the others."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from codebook import identifiers
from codebook.layouts import Layout
from gateway.intermediate_server.bars.standing import StandingBars
from gateway.intermediate_server.lists.in_force import Lists
from gateway.intermediate_server.person_keys import PersonKeys
from keys.signing import Signer
from permission_lists.versions import legal_day
from storage.committer import Committer
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.key_store import KeyStore
from storage.resealing.job import SETTLE_S, SHARE
from storage.shared_look import TenantLook
from transport.channel import Channel
from transport.circuit import Circuit
from transport.clock import Clock
from transport.register import Register

SIGNING: Final = "signing"
"""The ring's purpose of the agency's signatures under messages."""


class Broom:
    """When an agency's outbox is looked at next: every `IDLE_S`, or sooner when a flow says that something will be due.

    No call is forgotten for an earlier one; calls for about the same time share a look.
    """

    IDLE_S = 10.0

    def __init__(self) -> None:
        self._idle_until = 0.0
        self._calls: set[float] = set()
        self._called = asyncio.Event()

    def call(self, seconds: float) -> None:
        """Something is due in so many seconds."""
        now = asyncio.get_running_loop().time()
        step = max(1.0, seconds / 2)
        self._calls.add(math.ceil((now + seconds) / step) * step if seconds > 0 else now)
        self._called.set()

    async def wait(self) -> None:
        """Until the next look is due; the one after it is `IDLE_S` later unless somebody calls."""
        loop = asyncio.get_running_loop()
        while (left := min(self._idle_until, *self._calls, math.inf) - loop.time()) > 0:
            self._called.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._called.wait()
        now = loop.time()
        self._calls = {at for at in self._calls if at > now}
        self._idle_until = now + self.IDLE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`answer_within`: deadline of an inquiry; `keep_result`: how long after it a result can be read (SC-3); `resend_after`: outbox.

    `acquisition_within`: window of an acquisition number; `replaced_code_for`: how long a replaced code is still answered to (IS-1).
    `statistics_threshold`: the least number that business statistics tell (SC-23). `jobs_kept_for`: how long the history of jobs is kept.
    `ended_kept_for`: how long lifted bars, ends of codes and relations of staff who have left are kept.
    `escalate_before`: so long before its deadline a held provision is escalated (SC-4). `reseal_settle_s`, `reseal_share`: see storage.resealing.job.
    """

    answer_within: timedelta
    keep_result: timedelta
    resend_after: timedelta
    acquisition_within: timedelta
    replaced_code_for: timedelta
    escalate_before: timedelta
    statistics_threshold: int
    jobs_kept_for: timedelta
    ended_kept_for: timedelta
    reseal_settle_s: float = SETTLE_S
    reseal_share: float = SHARE


@dataclass(slots=True)
class Standing:
    """`opened_at`: when this log was last opened anew after a loss; permits of before are good for nothing, since what was answered under them may be lost."""

    opened_at: datetime | None = None

    def refuses(self, issued_at: datetime) -> bool:
        return self.opened_at is not None and issued_at <= self.opened_at


@dataclass(slots=True)
class Renewal:
    """`settled`: the epoch under which all codes of this agency are (codes.renewing); one of an epoch before is not bound any more."""

    settled: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAgency:
    """Everything a flow may use.

    `known`: what is looked at before registering, for all agencies of the process at once. `permits`, `inquiries` and the like are the
    channels to core and interface system. `backup_key`: public half of the key that backups are sealed to now; None where there is none.
    `destroying`: held by whoever destroys a version of a key of the ring.
    """

    id: str
    tenant: str
    database: Database
    known: TenantLook
    committer: Committer
    keys: KeyStore
    register: Callable[[], Register]
    lists: Lists
    layouts: tuple[Layout, ...]
    limits: Limits
    clock: Clock
    permits: Channel
    inquiries: Channel
    late_outcomes: Channel
    list_versions: Channel
    held_checkpoints: Channel
    code_epochs: Channel
    code_renewals: Channel
    circuits: tuple[Circuit, ...]
    erasures: ErasureJournal
    backup_key: Callable[[], bytes | None]
    peer_note: Callable[[str], None]
    bars: StandingBars = field(default_factory=StandingBars)
    broom: Broom = field(default_factory=Broom)
    person_keys: PersonKeys = field(default_factory=PersonKeys)
    standing: Standing = field(default_factory=Standing)
    renewal: Renewal = field(default_factory=Renewal)
    driving: set[str] = field(default_factory=set)
    destroying: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def signer(self) -> Signer:
        """Of the agency's messages, by the key that is the primary one now."""
        return self.keys.ring.signer(SIGNING)

    def new_id(self, prefix: str, now: datetime) -> str:
        return identifiers.new_sortable_id(prefix, int(now.timestamp() * 1000), secrets.token_bytes(10))

    def today(self, now: datetime) -> date:
        """The legal day: a date in Japan."""
        return legal_day(now)


def hour_of(at: datetime) -> str:
    """The name of the hour that follows an instant: a key named so can go when that hour has come (SC-3)."""
    ceiling = (at + timedelta(hours=1)).astimezone(UTC)
    return ceiling.strftime("%Y-%m-%dT%H")
