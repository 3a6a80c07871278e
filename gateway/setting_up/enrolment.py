"""The body of the agency register: agencies with their keys, certificates with their uses, logs with their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.setting_up.authority import fingerprint
from gateway.setting_up.key_files import LOG, PERMIT, SIGNING
from gateway.topology import NETWORK, Agency, Program
from transport.register import Use
from transport.tls import Identity

USES: Final[Mapping[Program, Use]] = {
    Program.LINKAGE: Use.LINKAGE,
    Program.INTERMEDIATE: Use.INTERMEDIATE,
    Program.NETWORK: Use.NETWORK,
    Program.RESIDENT_NETWORK: Use.RESIDENT_NETWORK,
    Program.SKY2: Use.BUSINESS_SYSTEM,
}
_ORIGIN: Final = "sekisho.example"


@dataclass(slots=True)
class Enrolment:
    """Gathers what the register says while set-up goes through the roles."""

    agencies: Mapping[str, Agency]
    certificates: list[dict[str, str]] = field(default_factory=list)
    logs: dict[str, bytes] = field(default_factory=dict)
    signing_keys: dict[str, bytes] = field(default_factory=dict)
    permit_key: bytes = b""

    def certificate(self, identity: Identity, agency: str, use: Use, name: str) -> None:
        self.certificates.append({"sha256": fingerprint(identity), "agency": agency, "use": use.value, "name": name})

    def public_keys(self, agency: str, program: Program, keys: Mapping[str, bytes]) -> None:
        """Take the public keys of one hosted agency."""
        match program:
            case Program.NETWORK:
                self.logs[f"{_ORIGIN}/{NETWORK}/core"] = keys[LOG]
                self.permit_key = keys[PERMIT]
            case Program.LINKAGE | Program.INTERMEDIATE:
                self.logs[f"{_ORIGIN}/{agency}/{program.value}"] = keys[LOG]
            case Program.RESIDENT_NETWORK | Program.SKY2:
                pass
        if program is Program.INTERMEDIATE:
            self.signing_keys[agency] = keys[SIGNING]

    def body(self) -> dict[str, Any]:
        """The register as `transport.register` reads it; an agency without an intermediate server takes no part."""
        return {
            "agencies": [
                {
                    "id": agency.id,
                    "code": agency.code,
                    "name": agency.name,
                    "kinds": sorted(agency.kinds),
                    "signing_key": self.signing_keys[agency.id].hex(),
                    "assessed": agency.assessed,
                }
                for agency in self.agencies.values()
                if agency.id in self.signing_keys
            ],
            "certificates": sorted(self.certificates, key=lambda item: item["sha256"]),
            "logs": [{"origin": origin, "key": key.hex()} for origin, key in sorted(self.logs.items())],
            "permit_key": self.permit_key.hex(),
        }
