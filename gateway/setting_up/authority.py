"""The development authority: a CA for loopback certificates, and the root that signs the agency register.

Neither key leaves authority/. A deployment puts its own CA and the register's owner in this place.
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
from keys.masked import Secret
from keys.signing import Signer, generate_seed
from transport.tls import Identity

_CA_DAYS: Final = 3650
_DAYS: Final = 825
_RENEW_WITHIN: Final = timedelta(days=30)
_BACKDATE: Final = timedelta(hours=1)
_NAME: Final = "Sekisho development CA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The CA at work, at one instant. `now` decides what has expired."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    root: Signer
    now: datetime

    def issue(self, folder: Path, stem: str, *, subject: str, server: bool = False) -> Identity:
        """Make sure that `<stem>.key.pem`, `<stem>.pem` and `ca.pem` are there, in force and of this CA.

        A certificate that is missing, nearly expired or of another CA is made anew for the same key.
        """
        private_folder(folder)
        identity = Identity(certificate=folder / f"{stem}.pem", key=folder / f"{stem}.key.pem", ca=folder / "ca.pem")
        key = _key(identity.key)
        if not self._in_force(identity.certificate, key):
            write_private(identity.certificate, _pem(self._sign(subject, key.public_key(), server=server)))
        write_private(identity.ca, _pem(self.certificate))
        return identity

    def _in_force(self, path: Path, key: ec.EllipticCurvePrivateKey) -> bool:
        if not path.exists():
            return False
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
            found.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return found.public_key() == key.public_key() and found.not_valid_after_utc - self.now > _RENEW_WITHIN

    def _sign(self, subject: str, public: ec.EllipticCurvePublicKey, *, server: bool) -> x509.Certificate:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(subject, self.certificate.subject, public, self.now, _DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if server:
            names = [
                x509.DNSName("localhost"),
                *(x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")),
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def open_authority(folder: Path, now: datetime) -> Authority:
    """Open the authority of a data folder, making it at the first time."""
    private_folder(folder)
    key = _key(folder / "ca.key.pem")
    path = folder / "ca.pem"
    if not path.exists():
        write_private(path, _pem(_self_signed(key, now)))
    seed = folder / "register-root.seed"
    if not seed.exists():
        # reveal: to the file that only the authority reads
        write_private(seed, generate_seed().reveal().hex().encode())
    return Authority(
        certificate=x509.load_pem_x509_certificate(path.read_bytes()),
        key=key,
        root=Signer(Secret(bytes.fromhex(seed.read_text()))),
        now=now,
    )


def fingerprint(identity: Identity) -> str:
    """Hex SHA-256 of the certificate's DER: how the register names it."""
    found = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    return hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest()


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 key in this file, made if there is none."""
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        write_private(
            path,
            fresh.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
    found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise TypeError("a key file of the data folder holds another kind of key")
    return found


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
