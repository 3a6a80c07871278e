"""Synthetic logs of three parties, for the tests of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import UNSET

from evidence.checkpoint import format_vkey, sign
from evidence.entry import EntryKind, encode_entry, exchange_entry, other_entry
from evidence.export import Header, LogParty, PeerCheckpoint, StoredEntry, write
from evidence.merkle import Frontier, leaf_hash
from evidence.verify import Export
from keys.masked import Secret
from keys.signing import Signer

START = datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)
K = EntryKind


@dataclass
class Log:
    """A log in memory, as a committer keeps one."""

    agency: str
    party: LogParty
    bodies: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    peers: list[PeerCheckpoint] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"sekisho.test/{self.agency}/{self.party.value}/2026"

    @property
    def signer(self) -> Signer:
        return Signer(Secret(sha256(self.origin.encode()).digest()))

    @property
    def vkey(self) -> str:
        return format_vkey(self.origin, self.signer.public_key)

    @property
    def earlier_vkeys(self) -> list[str]:
        """Of a log whose key was rotated."""
        return []

    def root(self, size: int | None = None) -> bytes:
        return Frontier().extend([leaf_hash(body) for body in self.bodies[:size]]).frontier.root()

    def append(self, entry: dict[str, Any], *, checkpoint: bool = True) -> None:
        self.bodies.append(encode_entry(entry))
        if checkpoint:
            self.checkpoint()

    def checkpoint(self) -> None:
        self.notes.append(sign(self.origin, len(self.bodies), self.root(), self.signer))

    def hold(self, other: Log, note: str | None = None) -> None:
        note = other.notes[-1] if note is None else note
        self.peers.append(PeerCheckpoint(held_since="2026-11-24T06:00:00.000Z", note=note, origin=other.origin))

    def entries(self) -> list[StoredEntry]:
        return [StoredEntry(index=i, leaf=leaf_hash(body), body=body) for i, body in enumerate(self.bodies)]

    def lines(
        self,
        *,
        entries: Iterable[StoredEntry] | None = None,
        size: int | None = None,
        notes: Sequence[str] | None = None,
    ) -> list[bytes]:
        header = Header(
            agency=self.agency,
            origin=self.origin,
            party=self.party,
            size=len(self.bodies) if size is None else size,
            vkey=self.vkey,
            earlier_vkeys=self.earlier_vkeys or UNSET,
        )
        return list(
            write(
                header,
                entries=self.entries() if entries is None else entries,
                checkpoints=self.notes if notes is None else notes,
                peers=self.peers,
            )
        )

    def export(self, **changes: Any) -> Export:
        return Export(self.agency, self.lines(**changes))


_CALLERS = {K.PERMIT_ISSUED: "inquirer", K.PERMIT_REFUSED: "inquirer", K.PROVISION_RELAYED: "provider"}


def step(kind: EntryKind, number: int, second: float, **changes: Any) -> dict[str, Any]:
    """One exchange entry of inquiry `number`; what a step does not know yet is null."""
    early = kind in {K.INQUIRY_REGISTERED, K.INQUIRY_REFUSED, K.INQUIRY_DENIED, K.PERMIT_REFUSED}
    fields: dict[str, Any] = {
        "id": f"{kind.value}-{number}",
        "at": START + timedelta(seconds=number * 10 + second),
        "kind": kind,
        "inquiry_number": f"Q{number:026}",
        "permit_id": None if early else f"K{number:026}",
        "inquirer": "asahi",
        "provider": "midori",
        "basis": "l-8-16",
        "item": "r-12-3",
        "information": "tax.resident",
        "items": ["income", "amount"],
        "list_digest": sha256(b"list").hexdigest(),
        "request_digest": sha256(b"request %d" % number).hexdigest(),
        "subject": "0" * 64,
    }
    said = fields | changes
    return exchange_entry(**({"actor": said.get(_CALLERS.get(kind, ""))} | said))


SEALED = sha256(b"sealed").hexdigest()


@dataclass
class Three:
    """Inquirer `asahi`, the core, provider `midori`."""

    inquirer: Log = field(default_factory=lambda: Log("asahi", LogParty.INTERMEDIATE))
    core: Log = field(default_factory=lambda: Log("core", LogParty.CORE))
    provider: Log = field(default_factory=lambda: Log("midori", LogParty.INTERMEDIATE))

    def exports(self) -> list[Export]:
        return [log.export() for log in (self.inquirer, self.core, self.provider)]

    def hold_each_other(self) -> None:
        self.inquirer.hold(self.core)
        self.provider.hold(self.core)
        self.core.hold(self.inquirer)
        self.core.hold(self.provider)

    def permitted(self, number: int, **changes: Any) -> None:
        self.inquirer.append(step(K.INQUIRY_REGISTERED, number, 0, **changes))
        self.core.append(step(K.PERMIT_ISSUED, number, 1, **changes))
        self.inquirer.append(step(K.INQUIRY_PERMITTED, number, 2, **changes))

    def outcome(self, number: int, made: EntryKind, got: EntryKind, second: float = 3, **said: Any) -> None:
        self.provider.append(step(made, number, second, **said))
        self.core.append(step(K.PROVISION_RELAYED, number, second + 1, **said))
        self.inquirer.append(step(got, number, second + 2, **said))

    def provided(self, number: int) -> None:
        self.permitted(number)
        self.outcome(number, K.PROVISION_MADE, K.INQUIRY_ANSWERED, disposition="provided", sealed_digest=SEALED)

    def denied(self, number: int) -> None:
        self.inquirer.append(step(K.INQUIRY_REGISTERED, number, 0))
        self.core.append(step(K.PERMIT_REFUSED, number, 1, reason="not_listed"))
        self.inquirer.append(step(K.INQUIRY_DENIED, number, 2, reason="not_listed"))

    def refused_at_home(self, number: int) -> None:
        self.inquirer.append(step(K.INQUIRY_REFUSED, number, 0, request_digest=None, reason="not_listed"))

    def held(self, number: int) -> None:
        self.permitted(number)
        self.outcome(number, K.PROVISION_HELD, K.INQUIRY_HELD, disposition="held")

    def released(self, number: int) -> None:
        self.held(number)
        self.outcome(number, K.PROVISION_RELEASED, K.INQUIRY_ANSWERED, 6, disposition="provided", sealed_digest=SEALED)


def several() -> Three:
    """One inquiry of each common kind, an entry that is no exchange, and everyone's checkpoints held."""
    three = Three()
    three.provided(0)
    three.denied(1)
    three.refused_at_home(2)
    three.released(3)
    three.permitted(4)
    three.outcome(
        4, K.PROVISION_REFUSED, K.INQUIRY_REFUSED_BY_PROVIDER, disposition="refused", reason="provider_not_in_row"
    )
    three.permitted(5)
    three.outcome(5, K.PROVISION_NOT_PROVIDED, K.INQUIRY_NOT_PROVIDED, disposition="not_provided")
    three.core.append(
        other_entry(id="codes-1", at=START + timedelta(seconds=90), kind=K.CODES_ISSUED, facts={"count": 3})
    )
    three.hold_each_other()
    return three
