"""What a running role takes anew when it is changed on disk, without being stopped: register, agencies and peers, key rings, certificates (IS-4, IS-8).

docs/adr/0035, 0080.

The role looks at its files every second. Each file is there whole or not at all, so a look finds the old or the new.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from keys.ring import Keyring, State
from storage.database import StorageUnavailableError
from storage.key_store import KeyStore, KeyStoreError
from transport.register import RegisterBrokenError
from transport.register_records import RegisterRecords
from transport.standing_register import Looked, StandingRegister
from transport.standing_role import StandingRole, number_of
from transport.tls import Context, Identity, StandingCertificate

LOOK_S: Final = 1.0
RENEWED: Final = Counter("sekisho_renewals", "Changed files that a running role has taken", ["kind"])
KEY_EVENTS: Final = Counter(
    "sekisho_key_events",
    "Changes of keys that a running role has taken: versions made and destroyed, registers, rings and certificates of its own",
    ["event"],
)
for _event in ("created", "rotated", "destroyed", "register_taken", "certificate_taken"):
    KEY_EVENTS.labels(_event)  # there from the start, so that the first of them is an increase
TRUSTED: Final = Gauge(
    "sekisho_trusted_authorities",
    "Which CAs this role trusts: the start of their file's SHA-256 as a number; -1 while its contexts differ",
)
FAILURES: Final = Counter("sekisho_renewal_failures", "Changed files that a running role could not take", ["kind"])
_LOG = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Renewal:
    """One role's. Of a server without an evidence log the operational log and the metrics say what became of a register."""

    register: StandingRegister
    role: StandingRole | None = None
    _records: RegisterRecords | None = None
    _stores: list[KeyStore] = field(default_factory=list)
    _certificates: list[StandingCertificate] = field(default_factory=list)
    _untold: list[Looked] = field(default_factory=list)
    _followers: list[Callable[[], None]] = field(default_factory=list)

    def of_keys(self, store: KeyStore) -> KeyStore:
        """Keep this ring to its file from now on."""
        self._stores.append(store)
        return store

    def of_certificate(self, identity: Identity, context: Context) -> Context:
        """Keep what this context shows, and whom it trusts, to the identity's files from now on."""
        self._certificates.append(StandingCertificate(identity, context))
        return context

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this whenever another register was taken, or other agencies and peers."""
        self._followers.append(call)

    async def recorded(self, records: RegisterRecords) -> None:
        """From now on registers are on record: the one that the server starts with, if it is new to it, and those that come.

        Raises RegisterBrokenError when another that was in force here is newer, StorageUnavailableError.
        """
        last, looked = await records.last(), self.register.looked()
        if self.register().sequence < last:
            raise RegisterBrokenError("the register is older than one that was in force here")
        if self.register().sequence > last:
            self._untold.append(looked)
        self._records = records

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 (the loop outlives any one turn; the type is all that is said)
                FAILURES.labels(type(error).__name__).inc()
                _LOG.error("renewal_failed", error=type(error).__name__)

    async def look(self) -> None:
        """Take whatever was changed. The register comes first: it names the keys that others sign with from now on."""
        if (looked := self.register.look()) is not None:
            _LOG.info("register:looked", reason=looked.refusal, count=looked.sequence)
            self._untold.append(looked)
            if looked.refusal is None:
                KEY_EVENTS.labels("register_taken").inc()
        self.look_at_keys()
        if self._take_role() or (looked is not None and looked.refusal is None):
            for call in self._followers:
                call()
        for certificate in self._certificates:
            self._take_certificate(certificate)
        trusted = {number_of(one.trusted) for one in self._certificates}
        TRUSTED.set(trusted.pop() if len(trusted) == 1 else -1)
        while self._untold:
            try:
                if self._records is not None:
                    await self._records.tell(self._untold[0])
            except StorageUnavailableError:
                return
            self._untold.pop(0)

    def look_at_keys(self) -> None:
        """Take whatever was changed of the rings."""
        for store in self._stores:
            self._take_keys(store)

    def _take_role(self) -> bool:
        try:
            changed = self.role is not None and self.role.look()
        except (ValueError, OSError):
            FAILURES.labels("role").inc()
            return False
        if changed:
            RENEWED.labels("role").inc()
        return changed

    def _take_keys(self, store: KeyStore) -> None:
        try:
            if store.look(_count):
                RENEWED.labels("keys").inc()
        except KeyStoreError:
            FAILURES.labels("keys").inc()

    def _take_certificate(self, certificate: StandingCertificate) -> None:
        try:
            if certificate.look():
                RENEWED.labels("certificate").inc()
                KEY_EVENTS.labels("certificate_taken").inc()
        except (ssl.SSLError, OSError):
            FAILURES.labels("certificate").inc()


def _count(before: Keyring, after: Keyring) -> None:
    """Versions that a ring has now and had not, and those that are destroyed now and were not."""
    known = set(before.purposes())
    for purpose in after.purposes():
        old = before.versions(purpose) if purpose in known else {}
        new = after.versions(purpose)
        made = len(new.keys() - old.keys())
        KEY_EVENTS.labels("rotated" if old else "created").inc(made)
        gone = [
            number
            for number, state in new.items()
            if state is State.DESTROYED and old.get(number) is not State.DESTROYED
        ]
        KEY_EVENTS.labels("destroyed").inc(len(gone))
