"""Certificates of agencies elsewhere, issued on requests: the private key never leaves the agency (SC-2).

Each lies in `clients/<agency>/issued/`; the register names those that lie there. One that was revoked lies in `revoked/` below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.certificate_requests import RequestRefusedError, read_request
from gateway.data_folder import private_folder, write_private
from gateway.setting_up.authority import Authority, fingerprint_of
from gateway.setting_up.enrolment import Enrolment
from gateway.topology import Agency
from gateway.topology_parts import CertificateUse
from storage import durable_file
from transport.register import Use

REVOKED: Final = "revoked"


def issue(agency: Agency, use: CertificateUse, request: bytes, authority: Authority, hosts: tuple[str, ...]) -> bytes:
    """The certificate (PEM) that answers a request (PEM); the same key again gets another one. `hosts`: where its server is found.

    Raises RequestRefusedError.
    """
    if agency.elsewhere is None or not agency.elsewhere.own_keys:
        raise RequestRefusedError(
            "この機関の鍵はこちらで作っています。elsewhere に signing_key と log_key を書いた機関だけです"
            " / we make this agency's keys; only an agency with signing_key and log_key under elsewhere asks with keys of its own"
        )
    return authority.answer(
        read_request(request),
        subject=f"{agency.id}/{use.value}/{agency.id}",
        hosts=hosts if use is CertificateUse.SERVER else None,
        days=agency.elsewhere.certificates.days,
    )


def keep(folder: Path, use: CertificateUse, pem: bytes) -> None:
    """From now on it is one of those that set-up enrols."""
    sha256 = fingerprint_of(x509.load_pem_x509_certificate(pem))
    write_private(private_folder(folder) / f"{use.value}-{sha256[:16]}.pem", pem)


def answer_once(
    folder: Path, agency: Agency, use: CertificateUse, request: bytes, authority: Authority, hosts: tuple[str, ...]
) -> None:
    """Answer a request that the topology says, unless its key has a certificate for this use, or had one that was revoked."""
    key = read_request(request)
    had = [*listed(folder), *listed(folder / REVOKED)]
    if not any(one is use and certificate.public_key() == key for one, _, certificate in had):
        keep(folder, use, issue(agency, use, request, authority, hosts))


def revoke(folder: Path, sha256: str) -> bool:
    """Take a certificate out of those that set-up enrols; False when there is none of this digest. It is kept, so that its key is not certified again by itself."""
    for _, path, certificate in listed(folder):
        if fingerprint_of(certificate) == sha256:
            durable_file.put(path, private_folder(folder / REVOKED) / path.name)
            return True
    return any(fingerprint_of(certificate) == sha256 for _, _, certificate in listed(folder / REVOKED))


def listed(folder: Path) -> list[tuple[CertificateUse, Path, x509.Certificate]]:
    """Every certificate that lies here, by use."""
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
