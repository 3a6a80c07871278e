"""One agency as this server hosts it: its tenant, its log, its keys, and what it knows of the others."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from codebook import identifiers
from codebook.layouts import Layout
from keys.signing import Signer
from permission_lists.compiled import CompiledList
from permission_lists.decide import Party
from permission_lists.model import PermissionList
from storage.committer import Committer
from storage.database import Database
from storage.key_store import KeyStore
from transport.channel import Channel
from transport.clock import JST
from transport.register import Register


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
                await asyncio.wait_for(self._called.wait(), left)
        now = loop.time()
        self._calls = {at for at in self._calls if at > now}
        self._idle_until = now + self.IDLE_S


class Lists:
    """The permission list in force today, compiled for the registered agencies; compiled anew when the legal day changes."""

    def __init__(self, source: PermissionList, register: Register) -> None:
        self.source = source
        self._parties = {
            one.id: Party(name=one.name, kinds=one.kinds, pia_duty_met=one.assessed)
            for one in register.agencies.values()
        }
        self._today: CompiledList | None = None

    def on(self, day: date) -> CompiledList:
        if self._today is None or self._today.on != day:
            self._today = CompiledList(self.source, self._parties, day)
        return self._today

    def basis_on(self, day: date) -> str:
        """The statute or order in force on a day; empty when the list knows none (every question is then refused)."""
        basis = self.source.statutory_basis(day)
        return basis.id if basis else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`answer_within`: deadline of an inquiry; `keep_result`: how long after it a result can be read (SC-3); `resend_after`: outbox."""

    answer_within: timedelta
    keep_result: timedelta
    resend_after: timedelta
    acquisition_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAgency:
    """Everything a flow may use. `permits` and `inquiries` are the channels to core and interface system."""

    id: str
    tenant: str
    database: Database
    committer: Committer
    keys: KeyStore
    signer: Signer
    register: Register
    lists: Lists
    layouts: tuple[Layout, ...]
    limits: Limits
    clock: Callable[[], datetime]
    permits: Channel
    inquiries: Channel
    late_outcomes: Channel
    peer_note: Callable[[str], None]
    broom: Broom = field(default_factory=Broom)
    driving: set[str] = field(default_factory=set)

    def new_id(self, prefix: str, now: datetime) -> str:
        return identifiers.new_sortable_id(prefix, int(now.timestamp() * 1000), secrets.token_bytes(10))

    def today(self, now: datetime) -> date:
        """The legal day: a date in Japan."""
        return now.astimezone(JST).date()


def hour_of(at: datetime) -> str:
    """The name of the hour that follows an instant: a key named so can go when that hour has come (SC-3)."""
    ceiling = (at + timedelta(hours=1)).astimezone(UTC)
    return ceiling.strftime("%Y-%m-%dT%H")
