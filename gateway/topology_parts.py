"""The parts of a topology: agencies with their business systems, and the processes that host them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gateway.topology_hosts import LOOPBACK
from transport.register import AssessedDays

NETWORK: Final = "network"
RESIDENT_NETWORK: Final = "resident-network"


class Program(StrEnum):
    """What a role runs."""

    LINKAGE = "linkage"
    INTERMEDIATE = "intermediate"
    NETWORK = "network"
    RESIDENT_NETWORK = "resident-network"
    SKY2 = "sky2"
    PORTAL = "portal"


WRITTEN_FOR: Final[Mapping[Program, str]] = {Program.SKY2: "setagaya", Program.PORTAL: "portal"}
"""Programs that are one agency's own, and whose: no other can be hosted by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessSystem:
    """既存業務システム. `grants`: `resource:operation`; its client may ask for each as `<id>:resource:operation`."""

    id: str
    name: str
    individual_number: bool
    grants: tuple[str, ...]

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(f"{self.id}:{grant}" for grant in self.grants)


CERTIFICATE_DAYS: Final = 825
"""For how long a certificate is made unless the topology says something else, and at most."""


class CertificateUse(StrEnum):
    """What an agency elsewhere needs certificates for; its server's is not in the register, for nobody is called by it."""

    INTERMEDIATE = "intermediate"
    LINKAGE = "linkage"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Of one server. `names`: what its own certificate is good for beside the host that it is reached at; `days`: for how long they are made.

    `requests`: signing requests (PEM) of an agency elsewhere, which set-up answers; requests that come later are answered by command.
    """

    names: tuple[str, ...] = ()
    days: int = CERTIFICATE_DAYS
    requests: Mapping[CertificateUse, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A server that we do not start. Its public keys (Ed25519, hex) when its private keys are its own; None: we make them, for development."""

    host: str
    port: int
    signing_key: str | None
    log_key: str | None
    certificates: Certificates = Certificates()

    @property
    def own_keys(self) -> bool:
        return self.signing_key is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """情報照会者・情報提供者. `assessed` (28条): from today on, or the days. `elsewhere`: where its server is when it is not ours, or None for a hosted agency.

    `staff`: whether set-up makes its first staff with terminals and cards; without, it brings a founding document of its own.
    """

    id: str
    code: str
    name: str
    kinds: tuple[str, ...]
    assessed: bool | tuple[AssessedDays, ...]
    staff: bool
    systems: tuple[BusinessSystem, ...]
    elsewhere: Elsewhere | None

    @property
    def is_municipality(self) -> bool:
        """市町村長か特別区の区長: it insures (国民健康保険) and levies the resident tax."""
        return any(kind.endswith(("区長", "市長", "町長", "村長")) for kind in self.kinds)

    @property
    def holding(self) -> str | None:
        """Its first business system that registers business information."""
        return next((one.id for one in self.systems if "business-information:register" in one.grants), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process: its program, the agencies that it hosts, its ports, what else it is told.

    `listen`: the address that it listens on, loopback unless told; `reached_at`: the host under which everybody finds it. Its metrics stay on loopback.
    """

    name: str
    program: Program
    hosts: tuple[str, ...]
    port: int
    metrics_port: int
    options: Mapping[str, Any]
    listen: str = LOOPBACK
    reached_at: str = LOOPBACK
    certificates: Certificates = Certificates()

    def tenant(self, agency: str) -> str:
        """The schema of a hosted agency (docs/architecture.md, Ids)."""
        match self.program:
            case Program.LINKAGE | Program.INTERMEDIATE:
                return f"a_{agency.replace('-', '_')}_{self.program.value}"
            case Program.NETWORK:
                return "core"
            case Program.RESIDENT_NETWORK:
                return "resident_network"
            case Program.SKY2:
                return "sky2"
            case Program.PORTAL:
                return "portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A caller that reaches a role, or an agency elsewhere, by way of another place than where that listens: a proxy or gateway that passes TLS on."""

    caller: str
    called: str
    host: str
    port: int


CALLS: Final[Mapping[Program, frozenset[Program]]] = {
    Program.LINKAGE: frozenset({Program.INTERMEDIATE, Program.RESIDENT_NETWORK}),
    Program.INTERMEDIATE: frozenset({Program.LINKAGE, Program.NETWORK}),
    Program.NETWORK: frozenset({Program.INTERMEDIATE}),
    Program.RESIDENT_NETWORK: frozenset({Program.NETWORK}),
    Program.SKY2: frozenset({Program.LINKAGE}),
    Program.PORTAL: frozenset({Program.INTERMEDIATE, Program.RESIDENT_NETWORK}),
}
"""Which program calls which others of its own accord."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """An agency that has left: it takes no part, but its logs are verified for as long as records are kept, and its id and code are not given again."""

    agency: Agency
    left_on: str
    hosted_by: Mapping[Program, str]


@dataclass(frozen=True, slots=True)
class Addition:
    """One agency in a file of its own: `agency` as in a topology, `hosted_by` (program → role), and `left` once it has left.

    `new`: it is to be taken in, and so delegates to nobody who has left; in a file of before such a delegation is over.
    """

    file: str
    text: str
    new: bool = False
