"""The agency's own evidence log (IS-5): a file for each fiscal year, an entry a line; what is exported of it others verify with its registered key.

A server commits an entry together with the fact that it is about, and remembers its peers' checkpoints; this log only appends.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from codebook.periods import fiscal_year_of
from evidence import canonical
from evidence.checkpoint import format_vkey, sign
from evidence.entry import EntryKind, encode_entry, exchange_entry
from evidence.export import Header, LogParty, StoredEntry, write
from evidence.merkle import Frontier, leaf_hash
from keys.signing import Signer
from partner.messages import hexdigest, octets, permit_claims
from storage import durable_file

_JST: Final = timezone(timedelta(hours=9))
_PREFIX: Final = "E"
_WHAT: Final = (
    "inquiry_number", "inquirer", "provider", "basis", "item", "information", "items", "list_digest", "non_disclosure", "period", "inquirer_for",
    "provider_for",
)  # fmt: skip
_PROVISIONS: Final = {
    "provided": EntryKind.PROVISION_MADE,
    "not_provided": EntryKind.PROVISION_NOT_PROVIDED,
    "held": EntryKind.PROVISION_HELD,
    "refused": EntryKind.PROVISION_REFUSED,
}


class Record:
    """`origin`: the log's name in the register, without the year; `signer`: its key."""

    def __init__(self, folder: Path, agency: str, origin: str, signer: Signer) -> None:
        self._folder = folder
        self._agency = agency
        self.origin = origin
        self._signer = signer
        self._outcomes: set[str] = set()

    def note(self, kind: EntryKind, now: datetime, what: Mapping[str, Any], **more: Any) -> None:
        """One step of an inquiry. `what`: its request, or the claims of its permit; `more`: what this step adds."""
        said = {name: what[name] for name in _WHAT if name in what} | more
        number = new_sortable_id(_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10))
        year = fiscal_year_of(now.astimezone(_JST).date())
        bodies = [*self._bodies(year), encode_entry(exchange_entry(id=number, at=now, kind=kind, **said))]
        durable_file.write(self._path(year), b"".join(body + b"\n" for body in bodies))

    def note_provision(self, item: Mapping[str, Any], answer: Mapping[str, Any], now: datetime) -> None:
        """What was answered to a request, once: the same bytes again are the same fact."""
        outcome = None if answer.get("outcome") is None else octets(answer["outcome"])
        if outcome is None or hexdigest(outcome) in self._outcomes:
            return
        self._outcomes.add(hexdigest(outcome))
        claims, said = permit_claims(item["permit"]), canonical.decode(outcome)
        more = {name: said[name] for name in ("disposition", "reason", "sealed_digest")}
        more |= {name: claims[name] for name in ("permit_id", "request_digest")}
        self.note(_PROVISIONS[said["disposition"]], now, claims, **more)

    def export(self, year: int) -> bytes:
        """The year's log as `sekisho export` writes one, under a checkpoint of now."""
        origin, bodies = f"{self.origin}/{year}", self._bodies(year)
        leaves = [leaf_hash(body) for body in bodies]
        head = Header(
            agency=self._agency,
            origin=origin,
            party=LogParty.INTERMEDIATE,
            size=len(bodies),
            vkey=format_vkey(origin, self._signer.public_key),
        )
        entries = [
            StoredEntry(index=place, leaf=leaf, body=body)
            for place, (leaf, body) in enumerate(zip(leaves, bodies, strict=True))
        ]
        note = sign(origin, len(bodies), Frontier().extend(leaves).frontier.root(), self._signer)
        return b"".join(write(head, entries=entries, checkpoints=[note], peers=[]))

    def years(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.log"))

    def _path(self, year: int) -> Path:
        return self._folder / f"{year}.log"

    def _bodies(self, year: int) -> list[bytes]:
        path = self._path(year)
        return path.read_bytes().splitlines() if path.exists() else []
