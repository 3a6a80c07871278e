"""The body of the agency register: agencies with their keys, certificates with their uses, logs with their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import assessed_days, delegations
from gateway.setting_up.authority import fingerprint
from gateway.setting_up.key_files import LOG, PERMIT, SIGNING
from gateway.setting_up.list_versions import named
from gateway.topology import NETWORK, Agency, Program
from permission_lists.versions import Head
from transport.register import Delegation, Use
from transport.tls import Identity

USES: Final[Mapping[Program, Use]] = {
    Program.LINKAGE: Use.LINKAGE,
    Program.INTERMEDIATE: Use.INTERMEDIATE,
    Program.NETWORK: Use.NETWORK,
    Program.RESIDENT_NETWORK: Use.RESIDENT_NETWORK,
    Program.SKY2: Use.BUSINESS_SYSTEM,
    Program.PORTAL: Use.LINKAGE,
}
_ORIGIN: Final = "sekisho.example"


@dataclass(slots=True)
class Enrolment:
    """Gathers what the register says while set-up goes through the roles. `simulation`: its network is the simulated one."""

    agencies: Mapping[str, Agency]
    simulation: bool
    certificates: list[dict[str, str]] = field(default_factory=list)
    logs: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    signing_keys: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    permit_keys: tuple[bytes, ...] = ()
    list_keys: tuple[bytes, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    lists: tuple[Head, ...] = ()

    def certificate(self, identity: Identity, agency: str, use: Use, name: str) -> None:
        self.issued(fingerprint(identity), agency, use, name)

    def issued(self, sha256: str, agency: str, use: Use, name: str) -> None:
        """A certificate by its digest."""
        self.certificates.append({"sha256": sha256, "agency": agency, "use": use.value, "name": name})

    def public_keys(self, agency: str, program: Program, keys: Mapping[str, tuple[bytes, ...]]) -> None:
        """Take the public keys of one hosted agency: for each purpose the one that signs, and any that is about to."""
        match program:
            case Program.NETWORK:
                self.logs[f"{_ORIGIN}/{NETWORK}/core"] = keys[LOG]
                self.permit_keys = keys[PERMIT]
            case Program.LINKAGE | Program.INTERMEDIATE | Program.SKY2:  # SKY2 has no log: the key signs its backups
                self.logs[f"{_ORIGIN}/{agency}/{program.value}"] = keys[LOG]
            case Program.RESIDENT_NETWORK | Program.PORTAL:
                pass
        if program is Program.INTERMEDIATE:
            self.signing_keys[agency] = keys[SIGNING]

    def elsewhere(self, agency: str, signing_key: str, log_key: str) -> None:
        """Take the public keys that an agency elsewhere has told us."""
        self.signing_keys[agency] = (bytes.fromhex(signing_key),)
        self.logs[f"{_ORIGIN}/{agency}/{Program.INTERMEDIATE.value}"] = (bytes.fromhex(log_key),)

    def departed(self, agency: str, program: Program, log_keys: tuple[bytes, ...]) -> None:
        """A log that is written no more and is verified still."""
        self.logs[f"{_ORIGIN}/{agency}/{program.value}"] = log_keys

    def body(self) -> dict[str, Any]:
        """What counts from now on, for `succession.follow`; an agency without an intermediate server takes no part."""
        return {
            "agencies": [
                {
                    "id": agency.id,
                    "code": agency.code,
                    "name": agency.name,
                    "kinds": sorted(agency.kinds),
                    "signing_keys": [key.hex() for key in self.signing_keys[agency.id]],
                    "assessed": assessed_days.body(agency.assessed),
                }
                for agency in self.agencies.values()
                if agency.id in self.signing_keys
            ],
            "certificates": self.certificates,
            "logs": [
                {"origin": origin, "keys": [key.hex() for key in keys]} for origin, keys in sorted(self.logs.items())
            ],
            "permit_keys": [key.hex() for key in self.permit_keys],
            "list_keys": [key.hex() for key in self.list_keys],
            "simulation": self.simulation,
            "delegations": delegations.body(self.delegations),
            "lists": [named(head) for head in self.lists],
        }
