"""The certificates of a data folder: where each lies, until when it counts, and how one is replaced while everything runs (IS-4; docs/adr/0035).

Replacing: a new key and certificate are made; of a client's the register names the new one too, and every running role has taken that
register; the files are put in place, and the role that shows them has them within a second; the old one gets its end in the register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography import x509

from gateway.data_folder import DataFolder, write_private
from gateway.key_rotation import await_register, passed
from gateway.setting_up import succession
from gateway.setting_up.authority import Authority, fingerprint_of
from gateway.setting_up.publishing import publish
from gateway.setting_up.succession import Body
from gateway.setting_up.suspension import suspend, suspended, take_up
from storage.fault_points import declare
from transport.register import signed_body

ANNOUNCED: Final = declare("keys", "certificate.announced")
PLACED: Final = declare("keys", "certificate.placed")
ENDED: Final = declare("keys", "certificate.ended")
IN_FORCE, REPLACED, SUSPENDED, SERVER, OUT = "in_force", "replaced", "suspended", "server", "not_enrolled"
"""States: named by the register; named until its end; suspended; of a server, which is in no register; in no register."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate: hex SHA-256, where it lies (None: its file was replaced), whose it is by the register, its own expiry, and `valid_to` of the register."""

    sha256: str
    path: Path | None
    agency: str
    use: str
    name: str
    expires: datetime | None
    valid_to: str | None
    state: str


def listed(data: DataFolder) -> list[Certificate]:
    """Every certificate that lies here or that the register names, those that expire first at the top. Raises OSError, RegisterBrokenError."""
    named = {one["sha256"]: one for one in _in_force(data)["certificates"]}
    held_back = suspended(data)
    lying = {fingerprint_of(found): (path, found) for path, found in _lying(data)}
    rows = [
        _row(sha256, lying.get(sha256), named.get(sha256), held_back.get(sha256))
        for sha256 in {*named, *held_back, *lying}
    ]
    return sorted(rows, key=lambda one: (one.expires is None, one.expires, one.sha256))


def _row(
    sha256: str, lying: tuple[Path, x509.Certificate] | None, named: Body | None, held_back: dict[str, str] | None
) -> Certificate:
    path, found = lying if lying is not None else (None, None)
    whose: dict[str, Any] = named or held_back or {}
    if held_back is not None:
        state = SUSPENDED
    elif named is not None:
        state = IN_FORCE if named["valid_to"] is None else REPLACED
    else:
        state = SERVER if path is not None and path.stem == "server" else OUT
    return Certificate(
        sha256=sha256,
        path=path,
        agency=whose.get("agency", path.parent.parent.name if path else ""),
        use=whose.get("use", ""),
        name=whose.get("name", path.stem if path else ""),
        expires=None if found is None else found.not_valid_after_utc,
        valid_to=None if named is None else named["valid_to"],
        state=state,
    )


def _lying(data: DataFolder) -> list[tuple[Path, x509.Certificate]]:
    places = ("roles/*/tls/*.pem", "clients/staff-*/*.pem", "clients/*/tls/*.pem", "clients/*/issued/*.pem")
    paths = [path for place in places for path in sorted(data.root.glob(place))]
    return [
        (path, x509.load_pem_x509_certificate(path.read_bytes()))
        for path in paths
        if path.name != "ca.pem" and not path.name.endswith(".key.pem")
    ]


def _in_force(data: DataFolder) -> Body:
    return signed_body(data.register.read_bytes(), bytes.fromhex(data.register_root.read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fresh:
    """What takes the place of a certificate: PEM files, and the SHA-256 (hex)."""

    old: Certificate
    path: Path
    key: bytes
    certificate: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Changes of a data folder's certificates. Each raises OSError, RegisterBrokenError, NotTakenError; done again, it is finished."""

    data: DataFolder
    authority: Authority

    def publish(self, change: Callable[[Body], Body]) -> int:
        return publish(self.data, self.authority, lambda before: change(before or {}))

    def suspend(self, one: Certificate) -> None:
        """From the next look of every role on it is refused."""
        suspend(self.data, one.sha256, {"agency": one.agency, "use": one.use, "name": one.name})
        await_register(self.data, self.publish(lambda before: succession.without_certificate(before, one.sha256)))

    def resume(self, one: Certificate) -> None:
        whose = (one.agency, one.use, one.name)
        await_register(self.data, self.publish(lambda before: succession.with_certificate(before, one.sha256, *whose)))
        take_up(self.data, one.sha256)

    def replace(self, several: Sequence[Certificate]) -> list[str]:
        """New keys and new certificates for holders whose keys lie here; their SHA-256 (hex). Raises ValueError when one does not."""
        fresh = [self._anew(one) for one in several]
        named = [one for one in fresh if one.old.state == IN_FORCE]
        if named:
            with passed(ANNOUNCED):
                await_register(self.data, self._publish(_with, named))
        with passed(PLACED):
            for one in fresh:
                write_private(one.path.with_name(f"{one.path.stem}.key.pem"), one.key)
                write_private(one.path, one.certificate)
        if named:
            ending = partial(succession.ending_certificate, now=self.data.present())
            with passed(ENDED):
                self._publish(ending, [one.old.sha256 for one in named])
        return [one.sha256 for one in fresh]

    def _publish(self, change: Callable[[Body, T], Body], several: Sequence[T]) -> int:
        """One register with every one of these changes."""
        return self.publish(lambda before: succession.numbered(before, reduce(change, several, before)))

    def _anew(self, one: Certificate) -> _Fresh:
        if one.path is None or not has_key(one.path):
            raise ValueError("the private key of this certificate is not here")
        key, certificate = self.authority.anew(x509.load_pem_x509_certificate(one.path.read_bytes()))
        sha256 = fingerprint_of(x509.load_pem_x509_certificate(certificate))
        return _Fresh(old=one, path=one.path, key=key, certificate=certificate, sha256=sha256)


def has_key(certificate: Path) -> bool:
    """Whether its private key lies beside it."""
    return certificate.with_name(f"{certificate.stem}.key.pem").exists()


def _with(before: Body, one: _Fresh) -> Body:
    return succession.with_certificate(before, one.sha256, one.old.agency, one.old.use, one.old.name)
