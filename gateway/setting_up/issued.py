"""Certificates of agencies elsewhere, issued on requests: the private key never leaves the agency (SC-2).

Each lies in `clients/<agency>/issued/`; the register names those that lie there, so that taking one away revokes it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.data_folder import private_folder, write_private
from gateway.setting_up.authority import Authority, RequestRefusedError, fingerprint_of
from gateway.setting_up.enrolment import Enrolment
from gateway.topology import Agency
from transport.register import Use

_LARGEST: Final = 64 * 1024


class CertificateUse(StrEnum):
    """What an agency elsewhere needs certificates for; its server's is not in the register, for nobody is called by it."""

    INTERMEDIATE = "intermediate"
    LINKAGE = "linkage"
    SERVER = "server"


def issue(folder: Path, agency: Agency, use: CertificateUse, request: bytes, authority: Authority) -> Path:
    """Answer a request (PEM) and keep the certificate; the same key again gets another certificate. Raises RequestRefusedError."""
    if agency.elsewhere is None or not agency.elsewhere.own_keys:
        raise RequestRefusedError(
            "この機関の鍵はこちらで作っています。elsewhere に signing_key と log_key を書いた機関だけです"
            " / we make this agency's keys; only an agency with signing_key and log_key under elsewhere asks with keys of its own"
        )
    try:
        read = x509.load_pem_x509_csr(request[:_LARGEST])
    except ValueError:
        raise RequestRefusedError(
            "PEM の証明書署名要求ではありません / not a certificate signing request in PEM"
        ) from None
    server = agency.elsewhere.host if use is CertificateUse.SERVER else None
    pem = authority.answer(read, subject=f"{agency.id}/{use.value}/{agency.id}", server=server)
    sha256 = fingerprint_of(x509.load_pem_x509_certificate(pem))
    path = private_folder(folder) / f"{use.value}-{sha256[:16]}.pem"
    write_private(path, pem)
    return path


def listed(folder: Path) -> list[tuple[CertificateUse, Path, x509.Certificate]]:
    """Every certificate issued and not revoked, by use."""
    found = []
    for path in sorted(folder.glob("*.pem")):
        use = CertificateUse(path.stem.rpartition("-")[0])
        found.append((use, path, x509.load_pem_x509_certificate(path.read_bytes())))
    return found


def enrol(folder: Path, agency: str, enrolment: Enrolment) -> None:
    """Put them into the register, but for those of servers."""
    for use, _, certificate in listed(folder):
        if use is not CertificateUse.SERVER:
            enrolment.issued(fingerprint_of(certificate), agency, Use(use.value), agency)
