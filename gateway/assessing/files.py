"""Checks of what lies in the data folder: modes of secrets, certificates, the register, the permission lists."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization

from gateway.assessing.installation import Installation, program
from gateway.assessing.verdicts import Result, judged, unverified
from gateway.list_sources import SourceWrongError, open_library
from gateway.setting_up.enrolment import USES
from gateway.topology import Program
from permission_lists import versions
from storage import list_files
from transport.clock import Clock
from transport.register import Register, RegisterBrokenError, Use
from transport.tls import Identity

_SECRET: Final = (
    "*.key.pem", "*.seed", "passphrase", "database-password", "postgres-password", "role.json", "*.card.json", "*.secrets.json",
    "*.session", "client.json",
)  # fmt: skip
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def private_files(installation: Installation) -> Result:
    """Every file that holds a key or a secret is its owner's alone."""
    root = installation.data.root
    broken = []
    found = 0
    for path in _secrets(installation):
        found += 1
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            broken.append(f"{path.relative_to(root)}: ほかの利用者が読み書きできる (mode {mode:04o})")
    return judged("private_files", broken, seen=f"{found} 個の秘密のファイル", looked=bool(found))


def _secrets(installation: Installation) -> Iterator[Path]:
    data = installation.data
    folders = (data.authority, data.clients, data.root / "roles")
    paths = {path for folder in folders for pattern in _SECRET for path in folder.rglob(pattern)}
    paths |= set((data.root / "roles").glob("*/keys/*.json"))
    paths |= {path for path in data.clients.glob("*.json") if path != data.addresses}
    return iter(sorted(path for path in paths if path.is_file() and not path.name.endswith(".public.json")))


def certificates(installation: Installation) -> Result:
    """Each role's certificates are in force (by this machine's clock, as TLS has it), of our authority, fit their keys, and are enrolled."""
    broken: list[str] = []
    count = 0
    now = Clock()()
    for role in installation.roles:
        found: list[tuple[str, Identity, tuple[str, Use] | None]] = [("server", role.server, None)]
        found += [(one.id, one.identity, (one.id, USES[program(role)])) for one in role.hosted.values()]
        for name, identity, enrolled in found:
            count += 1
            wrong = _wrong(identity, now, enrolled, installation.register)
            broken += [f"{role.role}/{name}: {wrong}"] if wrong else []
    return judged(
        "certificates",
        broken,
        seen=f"{count} 枚の証明書（この機械の時計 {now:%Y-%m-%d} で by this machine's clock, as TLS has it）",
    )


def _wrong(identity: Identity, now: datetime, enrolled: tuple[str, Use] | None, register: Register) -> str | None:
    try:
        certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
        trusted = x509.load_pem_x509_certificates(identity.ca.read_bytes())
        key = serialization.load_pem_private_key(identity.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return "証明書か鍵を読めない (certificate or key unreadable)"
    if not any(_issued(certificate, authority) for authority in trusted):
        return "この認証局の証明書ではない (not of this authority)"
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now < last:
        return f"証明書の有効期間の外 (certificate not in force: {first:%Y-%m-%d} to {last:%Y-%m-%d})"
    if key.public_key() != certificate.public_key():
        return "証明書と鍵が合わない (key of another certificate)"
    peer = register.peers.get(certificate.fingerprint(hashes.SHA256()))
    if enrolled is not None and (peer is None or (peer.agency, peer.use) != enrolled):
        return "登録簿にこの用途で載っていない (not enrolled for this use)"
    return None


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def identities_apart(installation: Installation) -> Result:
    """No two agencies share a certificate, a certificate's key, a signing key or a log key."""
    owners: dict[bytes, set[str]] = {}
    for role in installation.roles:
        for one in role.hosted.values():
            try:
                public = x509.load_pem_x509_certificate(one.identity.certificate.read_bytes()).public_key()
            except (OSError, ValueError):
                return unverified("identities_apart", f"{role.role}/{one.id}: 証明書を読めない")
            raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            owners.setdefault(raw, set()).add(one.id)
    for agency in installation.register.agencies.values():
        for key in agency.signing_keys.all():
            owners.setdefault(key, set()).add(agency.id)
    for origin, keys in installation.register.logs.items():
        for key in keys.all():
            owners.setdefault(key, set()).add(origin.split("/")[1])
    broken = [
        f"{'、'.join(sorted(names))} が一つの鍵を使っている (share a key)"
        for names in owners.values()
        if len(names) > 1
    ]
    return judged("identities_apart", broken, seen=f"{len(owners)} 個の鍵")


def signed_register(installation: Installation) -> Result:
    """Every role has the register of the data folder, signed by the root that it was configured with."""
    broken = []
    master = installation.data.register.read_bytes()
    for role in installation.roles:
        try:
            same = role.register_path.read_bytes() == master
            Register.read(role.register_path.read_bytes(), role.register_root)
        except (OSError, RegisterBrokenError):
            broken.append(f"{role.role}: 登録簿が読めないか、根の署名がない (register not signed by its root)")
            continue
        if not same:
            broken.append(f"{role.role}: 登録簿がほかと違う (another register)")
    return judged("signed_register", broken, seen=f"{len(installation.roles)} 個の役割の登録簿")


def lists_signed(installation: Installation) -> Result:
    """The permission list that every deciding role starts from is a whole chain of versions that the publisher has signed; one is in force."""
    broken = []
    count = 0
    for role in installation.of(Program.INTERMEDIATE, Program.NETWORK):
        try:
            signed = list_files.read(role.folder / list_files.FILE_NAME)
        except (OSError, list_files.ListFileBrokenError):
            broken.append(f"{role.role}: 照合リストを読めない (unreadable)")
            continue
        heads: list[versions.Head] = []
        for one in signed:
            head = versions.check(one, heads, installation.register.list_keys)
            if isinstance(head, versions.VersionRefusal):
                broken.append(f"{role.role}: 照合リストの第 {len(heads) + 1} 版を受け入れられない ({head.value})")
                break
            heads += [head] if head is not None else []
        count += len(heads)
        if versions.in_force(heads, versions.legal_day(installation.now)) is None:
            broken.append(f"{role.role}: きょう効力のある版がない (no version in force)")
    try:
        open_library(installation.data.root)
    except SourceWrongError:
        broken.append("permission-lists.json: 壊れている (damaged)")
    return judged("lists_signed", broken, seen=f"のべ {count} 版", looked=bool(count))
