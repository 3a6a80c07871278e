"""The register's root and those that it has replaced, in the authority's folder (docs/adr/0074).

A replaced root signs every register beside the new one until its time is over, so that whoever still trusts it reads the register that names its
successor; then its seed is gone, at the next register that is published.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from evidence.canonical import timestamp
from gateway.data_folder import write_private
from keys.masked import Secret
from keys.signing import Signer, generate_seed
from storage import durable_file

ROOT_SEED: Final = "register-root.seed"
_NEXT: Final = "register-root.next.seed"
_BEFORE: Final = "register-root.before.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootBefore:
    """A replaced root; it signs until `until`."""

    seed: Secret
    until: datetime

    @property
    def signer(self) -> Signer:
        return Signer(self.seed)


def roots_before(folder: Path) -> list[RootBefore]:
    """Oldest first. Raises OSError, ValueError."""
    path = folder / _BEFORE
    if not path.exists():
        return []
    return [
        RootBefore(seed=Secret(bytes.fromhex(one["seed"])), until=datetime.fromisoformat(one["until"]))
        for one in json.loads(path.read_bytes())
    ]


def prepare(folder: Path) -> Signer:
    """The next root; again the same one."""
    path = folder / _NEXT
    if not path.exists():
        # reveal: to the file that only the authority reads
        write_private(path, generate_seed().reveal().hex().encode())
    return Signer(_seed(path))


def promote(folder: Path, until: datetime) -> None:
    """The prepared root is the root from now on; the one before signs too until then. Raises OSError when none is prepared."""
    current = _seed(folder / ROOT_SEED)
    # reveal: compared with seeds of the same folder
    others = [one for one in roots_before(folder) if one.seed.reveal() != current.reveal()]
    _write(folder, [*others, RootBefore(seed=current, until=until)])
    durable_file.put(folder / _NEXT, folder / ROOT_SEED)


def drop_those_over(folder: Path, now: datetime) -> None:
    """Their seeds are gone. Raises OSError."""
    known = roots_before(folder)
    kept = [one for one in known if now < one.until]
    if kept != known:
        _write(folder, kept)


def _seed(path: Path) -> Secret:
    return Secret(bytes.fromhex(path.read_text()))


def _write(folder: Path, before: list[RootBefore]) -> None:
    # reveal: to the file that only the authority reads
    stored = [{"seed": one.seed.reveal().hex(), "until": timestamp(one.until)} for one in before]
    write_private(folder / _BEFORE, json.dumps(stored, indent=1).encode())
