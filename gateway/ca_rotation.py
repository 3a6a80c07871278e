"""Rotating the CA that certifies every server and caller of a data folder, while everything runs; done again after a crash it goes on where it was (docs/adr/0088).

1. A new CA is prepared in authority/; nothing is certified by it yet.
2. `ca.pem` names it beside the one at work, and every running role trusts both.
3. The rotation is in the core's evidence log.
4. The new CA is at work; the key of the one before is gone.
5. Every role and the staff of this folder have a new key and a certificate of the new CA.
6. The one before is trusted until its time is over; at once, when that is now, by no running role any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.certificates import IN_FORCE, SERVER, Certificate, Certificates, has_key, listed
from gateway.data_folder import DataFolder
from gateway.key_records import core_of, record
from gateway.key_rotation import ANNOUNCED, ENDED, PREPARED, PROMOTED, await_trust, passed
from gateway.setting_up import certificate_authorities as authorities
from gateway.setting_up.authority import Authority, open_authority
from gateway.setting_up.publishing import CA_LOCK, authority_held, distribute_trust
from gateway.topology import NETWORK
from transport.clock import Clock

PURPOSE: Final = "ca"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaRotation:
    """`overlap`: how long the old CA is trusted; `lead_s`: how long those elsewhere are given to take `ca.pem`."""

    data: DataFolder
    overlap: timedelta
    lead_s: float

    def rotate(self) -> int:
        """The number of the new CA, the first one being 1.

        Raises NotTakenError, RegisterBrokenError, StorageUnavailableError, KeyStoreError, OSError, ValueError; done again, it is finished.
        """
        folder, now = self.data.authority, Clock()()
        with authority_held(self.data, CA_LOCK):
            if not authorities.is_under_way(folder, now):  # no run died behind step 4
                # 1
                with passed(PREPARED):
                    prepared = authorities.prepare(folder, now)
                # 2
                with passed(ANNOUNCED):
                    self._trust()
                    time.sleep(self.lead_s)
                # 3
                self._record(authorities.number(folder) + 1, prepared)
            # 4
            with passed(PROMOTED), authority_held(self.data):
                authorities.promote(folder, now)
            # 5
            self._trust()
            authority = open_authority(folder, now)
            Certificates(data=self.data, authority=authority).replace(self._ours(authority))
            # 6
            with passed(ENDED):
                with authority_held(self.data):
                    authorities.end(folder, now, now + self.overlap)
                self._trust()
            return authorities.number(folder)

    def left(self) -> list[Certificate]:
        """Certificates that lie here and are of a CA of before: handed over, issued on a request, or suspended. Raises OSError, RegisterBrokenError."""
        authority = open_authority(self.data.authority, Clock()())
        return [one for one in listed(self.data) if one.path is not None and not _is_of(authority, one)]

    def _trust(self) -> None:
        """Raises NotTakenError."""
        with authority_held(self.data):
            authority = open_authority(self.data.authority, Clock()())
            distribute_trust(self.data, authority)
        await_trust(self.data, authority.trusted)

    def _ours(self, authority: Authority) -> list[Certificate]:
        """Of roles and of staff here: what lies in `clients/<agency>` was handed over, and its holder would go on with the old one."""
        return [
            one
            for one in listed(self.data)
            if one.state in {IN_FORCE, SERVER} and one.path and has_key(one.path) and not _is_of(authority, one)
            and (self.data.root / "roles" in one.path.parents or one.path.parent.name.startswith("staff-"))
        ]  # fmt: skip

    def _record(self, number: int, certificate: x509.Certificate) -> None:
        """In the core's log, where the core is one of this folder's roles."""
        core = core_of(self.data)
        if core is not None:
            key = certificate.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            record(core, NETWORK, core.open_keys(NETWORK).ring, "key.rotated", PURPOSE, number, public=key)


def _is_of(authority: Authority, one: Certificate) -> bool:
    return one.path is not None and authority.issued(x509.load_pem_x509_certificate(one.path.read_bytes()))
