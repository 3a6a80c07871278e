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
from gateway.setting_up.register_roots import ROOT_SEED, roots_before
from gateway.topology_parts import CERTIFICATE_DAYS
from keys.masked import Secret
from keys.signing import Signer, generate_seed
from storage import durable_file
from transport.tls import Identity

_CA_DAYS: Final = 3650
_RENEW_WITHIN: Final = timedelta(days=30)
_BACKDATE: Final = timedelta(hours=1)
_NAME: Final = "Sekisho development CA"
_LIST_SEED: Final = "permission-list.seed"
_NEXT_LIST_SEED: Final = "permission-list.next.seed"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The CA at work, at one instant. `now` decides what has expired. `lists` signs versions of the permission list.

    `root`: the register's; `roots_before`: those that it has replaced and that sign too until their parties have followed (`register_roots`).
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
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
        key = _key(identity.key)
        if not self._in_force(identity.certificate, key, hosts, days):
            write_private(identity.certificate, _pem(self._sign(subject, key.public_key(), hosts, days)))
        self.write_ca(folder)
        return identity

    def write_ca(self, folder: Path) -> None:
        write_private(folder / "ca.pem", _pem(self.certificate))

    def answer(
        self, public: ec.EllipticCurvePublicKey, *, subject: str, hosts: tuple[str, ...] | None, days: int
    ) -> bytes:
        """A certificate (PEM) for the key of a request. `hosts`: names and addresses of a server's, None for a client's."""
        return _pem(self._sign(subject, public, hosts, days))

    def anew(self, old: x509.Certificate) -> tuple[bytes, bytes]:
        """A new key and a certificate for it (PEM both), for the same subject, use, hosts and time as `old`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = str(old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        days = (old.not_valid_after_utc - old.not_valid_before_utc - _BACKDATE).days
        return _key_pem(key), _pem(self._sign(name, key.public_key(), _hosts(old), days))

    def _in_force(self, path: Path, key: ec.EllipticCurvePrivateKey, hosts: tuple[str, ...] | None, days: int) -> bool:
        if not path.exists():
            return False
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
            found.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        left = found.not_valid_after_utc - self.now
        lasts = min(_RENEW_WITHIN, timedelta(days=days) / 2) < left <= timedelta(days=days)
        return lasts and found.public_key() == key.public_key() and set(hosts or ()) <= set(_hosts(found) or ())

    def _sign(
        self, subject: str, public: ec.EllipticCurvePublicKey, hosts: tuple[str, ...] | None, days: int
    ) -> x509.Certificate:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if hosts is None else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            _builder(subject, self.certificate.subject, public, self.now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if hosts is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(_host, hosts)]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def open_authority(folder: Path, now: datetime) -> Authority:
    """Open the authority of a data folder, making it at the first time."""
    private_folder(folder)
    key = _key(folder / "ca.key.pem")
    path = folder / "ca.pem"
    if not path.exists():
        write_private(path, _pem(_self_signed(key, now)))
    return Authority(
        certificate=x509.load_pem_x509_certificate(path.read_bytes()),
        key=key,
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


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 key in this file, made if there is none."""
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        write_private(path, _key_pem(fresh))
    found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise TypeError("a key file of the data folder holds another kind of key")
    return found


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    return (
        _builder(_NAME, name, key.public_key(), now, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
