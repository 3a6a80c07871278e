"""The development authority: a CA for loopback certificates, the root of the agency register, the publisher of the permission list.

No key leaves authority/, so the running core can neither enrol an agency nor make a list of its own. A deployment puts its own
CA, the register's owner and the list's publisher in this place.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.data_folder import private_folder, write_private
from gateway.setting_up.certificate_authorities import beside, drop_those_over, open_ca
from gateway.setting_up.certificate_making import BACKDATE, builder, key_in, key_pem, key_usage, pem
from gateway.setting_up.register_roots import ROOT_SEED, roots_before
from gateway.topology_parts import CERTIFICATE_DAYS
from keys.masked import Secret
from keys.signing import Signer, generate_seed
from storage import durable_file
from transport.tls import Identity

_RENEW_WITHIN: Final = timedelta(days=30)
_LIST_SEED: Final = "permission-list.seed"
_NEXT_LIST_SEED: Final = "permission-list.next.seed"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The CA at work, at one instant. `now` decides what has expired. `lists` signs versions of the permission list.

    `beside`: the CAs that are trusted beside it while it comes or those of before go (`certificate_authorities`).
    `root`: the register's; `roots_before`: those that it has replaced and that sign too until their parties have followed (`register_roots`).
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    beside: tuple[x509.Certificate, ...]
    root: Signer
    roots_before: tuple[Signer, ...]
    lists: Signer
    now: datetime

    def issue(
        self,
        folder: Path,
        stem: str,
        *,
        subject: str,
        hosts: tuple[str, ...] | None = None,
        days: int = CERTIFICATE_DAYS,
    ) -> Identity:
        """Make sure that `<stem>.key.pem`, `<stem>.pem` and `ca.pem` are there, in force and of this CA.

        `hosts`: of a server's certificate, what it is good for beside this machine; None: a client's. A certificate that is missing, nearly
        expired, of another CA, or not good for every host is made anew for the same key.
        """
        hosts = hosts if hosts is None else (*_LOOPBACK, *(one for one in hosts if one not in _LOOPBACK))
        private_folder(folder)
        identity = Identity(certificate=folder / f"{stem}.pem", key=folder / f"{stem}.key.pem", ca=folder / "ca.pem")
        key = key_in(identity.key)
        if not self._in_force(identity.certificate, key, hosts, days):
            write_private(identity.certificate, pem(self._sign(subject, key.public_key(), hosts, days)))
        self.write_ca(folder)
        return identity

    def write_ca(self, folder: Path) -> None:
        write_private(folder / "ca.pem", self.trusted)

    @property
    def trusted(self) -> bytes:
        """What `ca.pem` says to everybody (PEM), the CA at work first."""
        return b"".join(map(pem, (self.certificate, *self.beside)))

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether it is of the CA at work."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def answer(
        self, public: ec.EllipticCurvePublicKey, *, subject: str, hosts: tuple[str, ...] | None, days: int
    ) -> bytes:
        """A certificate (PEM) for the key of a request. `hosts`: names and addresses of a server's, None for a client's."""
        return pem(self._sign(subject, public, hosts, days))

    def anew(self, old: x509.Certificate) -> tuple[bytes, bytes]:
        """A new key and a certificate for it (PEM both), for the same subject, use, hosts and time as `old`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = str(old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        days = (old.not_valid_after_utc - old.not_valid_before_utc - BACKDATE).days
        return key_pem(key), pem(self._sign(name, key.public_key(), _hosts(old), days))

    def _in_force(self, path: Path, key: ec.EllipticCurvePrivateKey, hosts: tuple[str, ...] | None, days: int) -> bool:
        if not path.exists():
            return False
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
        except ValueError:
            return False
        if not self.issued(found):
            return False
        left = found.not_valid_after_utc - self.now
        lasts = min(_RENEW_WITHIN, timedelta(days=days) / 2) < left <= timedelta(days=days)
        return lasts and found.public_key() == key.public_key() and set(hosts or ()) <= set(_hosts(found) or ())

    def _sign(
        self, subject: str, public: ec.EllipticCurvePublicKey, hosts: tuple[str, ...] | None, days: int
    ) -> x509.Certificate:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if hosts is None else ExtendedKeyUsageOID.SERVER_AUTH
        made = (
            builder(subject, self.certificate.subject, public, self.now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if hosts is not None:
            made = made.add_extension(x509.SubjectAlternativeName([*map(_host, hosts)]), critical=False)
        return made.sign(self.key, hashes.SHA256())


def open_authority(folder: Path, now: datetime) -> Authority:
    """Open the authority of a data folder, making it at the first time."""
    private_folder(folder)
    drop_those_over(folder, now)
    certificate, key = open_ca(folder, now)
    return Authority(
        certificate=certificate,
        key=key,
        beside=beside(folder, certificate),
        root=_signer(folder / ROOT_SEED),
        roots_before=tuple(one.signer for one in roots_before(folder)),
        lists=_signer(folder / _LIST_SEED),
        now=now,
    )


def next_list_key(folder: Path, *, make: bool) -> Signer | None:
    """The key that the publisher of the permission list is about to have; made if there is none and `make` says so."""
    path = folder / _NEXT_LIST_SEED
    return _signer(path) if make or path.exists() else None


def promote_list_key(folder: Path) -> None:
    """The prepared key is the publisher's from now on; the one before is gone. Raises OSError when none is prepared."""
    durable_file.put(folder / _NEXT_LIST_SEED, folder / _LIST_SEED)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _hosts(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """What a server's certificate is good for, None of a client's."""
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        return None
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def _signer(seed: Path) -> Signer:
    """The Ed25519 key whose seed is in this file, made if there is none."""
    if not seed.exists():
        # reveal: to the file that only the authority reads
        write_private(seed, generate_seed().reveal().hex().encode())
    return Signer(Secret(bytes.fromhex(seed.read_text())))


def fingerprint(identity: Identity) -> str:
    """Hex SHA-256 of the certificate's DER: how the register names it."""
    return fingerprint_of(x509.load_pem_x509_certificate(identity.certificate.read_bytes()))


def fingerprint_of(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
