"""The CA of a data folder and those beside it, in the authority's folder (docs/adr/0088).

`ca.key.pem` says which one is at work: a rotation changes hands the moment the prepared key is put in its place. A CA that is prepared or was replaced
is trusted beside it. The key of a replaced one is gone, so that it certifies nobody any more; its certificate goes when its time is over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from evidence.canonical import timestamp
from gateway.data_folder import write_private
from gateway.setting_up.certificate_making import key_in, pem, self_signed
from storage import durable_file

_KEY: Final = "ca.key.pem"
_CERTIFICATE: Final = "ca.pem"
_NEXT_KEY: Final = "ca.next.key.pem"
_NEXT: Final = "ca.next.pem"
_BEFORE: Final = "ca.before.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """A replaced CA, trusted until `until`; None while the certificates of this folder are being replaced."""

    certificate: x509.Certificate
    until: datetime | None


def open_ca(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The CA at work, made at the first time. Raises ValueError when no certificate fits its key."""
    key = key_in(folder / _KEY)
    if not (folder / _CERTIFICATE).exists():
        write_private(folder / _CERTIFICATE, pem(self_signed(key, now, 1)))
    for path in (folder / _CERTIFICATE, folder / _NEXT):  # the second: a rotation died between its two files
        if path.exists() and (found := _read(path)).public_key() == key.public_key():
            return found, key
    raise ValueError("the certificate of the CA does not fit its key")


def beside(folder: Path, at_work: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """What is trusted beside the CA at work: the next one when it is prepared, and those that were replaced."""
    coming = [_read(folder / _NEXT)] if (folder / _NEXT).exists() else []
    return tuple(one for one in (*coming, *(one.certificate for one in _state(folder)[1])) if one != at_work)


def number(folder: Path) -> int:
    """Which CA of this folder is at work, the first one being 1."""
    return _state(folder)[0]


def prepare(folder: Path, now: datetime) -> x509.Certificate:
    """The next CA; again the same one."""
    key, path = key_in(folder / _NEXT_KEY), folder / _NEXT
    if not path.exists() or _read(path).public_key() != key.public_key():
        write_private(path, pem(self_signed(key, now, number(folder) + 1)))
    return _read(path)


def promote(folder: Path, now: datetime) -> None:
    """The prepared CA is at work from now on, and the key of the one before is gone. Done again it is finished. Raises OSError when none is prepared."""
    if (folder / _NEXT_KEY).exists():
        at_work, _ = open_ca(folder, now)
        done, known = _state(folder)
        others = [one for one in known if one.certificate != at_work]
        _write(folder, done, [*others, _Before(certificate=at_work, until=None)])
        durable_file.put(folder / _NEXT_KEY, folder / _KEY)
    if (folder / _NEXT).exists():
        durable_file.put(folder / _NEXT, folder / _CERTIFICATE)


def is_under_way(folder: Path, now: datetime) -> bool:
    """Whether a rotation has changed hands and is not through."""
    at_work, _ = open_ca(folder, now)
    return any(one.until is None and one.certificate != at_work for one in _state(folder)[1])


def end(folder: Path, now: datetime, until: datetime) -> None:
    """The rotation is through: every CA that was replaced is trusted until then at most."""
    done, known = _state(folder)
    ended = [_Before(certificate=one.certificate, until=min(until, one.until or until)) for one in known]
    _write(folder, done + 1, ended)
    drop_those_over(folder, now)


def drop_those_over(folder: Path, now: datetime) -> None:
    """They are trusted no more."""
    done, known = _state(folder)
    kept = [one for one in known if one.until is None or now < one.until]
    if kept != known:
        _write(folder, done, kept)


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _state(folder: Path) -> tuple[int, list[_Before]]:
    """How many CAs there were with the one at work, and those that were replaced. Raises OSError, ValueError."""
    path = folder / _BEFORE
    if not path.exists():
        return 1, []
    stored: dict[str, Any] = json.loads(path.read_bytes())
    return int(stored["number"]), [
        _Before(
            certificate=x509.load_pem_x509_certificate(one["certificate"].encode()),
            until=None if one["until"] is None else datetime.fromisoformat(one["until"]),
        )
        for one in stored["before"]
    ]


def _write(folder: Path, done: int, before: list[_Before]) -> None:
    stored = [
        {
            "certificate": pem(one.certificate).decode(),
            "until": None if one.until is None else timestamp(one.until),
        }
        for one in before
    ]
    write_private(folder / _BEFORE, json.dumps({"number": done, "before": stored}, indent=1).encode())
