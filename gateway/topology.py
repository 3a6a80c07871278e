"""Who takes part and which process hosts whom, read from YAML and refused as a whole when a part does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any, Final

import yaml

from codebook.errors import CodebookError
from codebook.identifiers import parse_agency_id
from permission_lists.parties import resolve
from storage.reference_data import read_party_rules

NETWORK: Final = "network"
RESIDENT_NETWORK: Final = "resident-network"
_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{1,30}")
_CODE: Final = re.compile(r"[0-9]{16}")


class Program(StrEnum):
    """What a role runs."""

    LINKAGE = "linkage"
    INTERMEDIATE = "intermediate"
    NETWORK = "network"
    RESIDENT_NETWORK = "resident-network"
    SKY2 = "sky2"


class TopologyError(ValueError):
    """The topology does not fit together; the message says where."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """情報照会者・情報提供者. `elsewhere`: the port of a server that we do not start, or None for a hosted agency."""

    id: str
    code: str
    name: str
    kinds: tuple[str, ...]
    assessed: bool
    systems: tuple[BusinessSystem, ...]
    elsewhere: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process: its program, the agencies that it hosts, its ports on loopback, what else it is told."""

    name: str
    program: Program
    hosts: tuple[str, ...]
    port: int
    metrics_port: int
    options: Mapping[str, Any]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    agencies: Mapping[str, Agency]
    roles: Mapping[str, Role]

    def hosting(self, program: Program, agency: str | None = None) -> Role | None:
        """The role that runs this program (for this agency)."""
        fitting = (role for role in self.roles.values() if role.program is program)
        return next((role for role in fitting if agency is None or agency in role.hosts), None)


def shipped() -> Topology:
    """The default: the ward, its neighbours, the simulated surroundings."""
    return parse((resources.files("gateway") / "topology.yaml").read_text(encoding="utf-8"))


def parse(text: str) -> Topology:
    """Raises TopologyError."""
    try:
        source = yaml.load(text, Loader=yaml.CSafeLoader)
        agencies = [_agency(item) for item in source["agencies"]]
        roles = [_role(name, item) for name, item in source["roles"].items()]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, CodebookError) as wrong:
        if isinstance(wrong, TopologyError):
            raise
        raise TopologyError("構成ファイルの形式が正しくありません / the topology file is malformed") from None
    topology = Topology(agencies={agency.id: agency for agency in agencies}, roles={role.name: role for role in roles})
    _check(topology, len(agencies))
    return topology


def _agency(item: Mapping[str, Any]) -> Agency:
    name = str(item["name"])
    kinds = item.get("kinds")
    if kinds is None:
        party = resolve(read_party_rules(), name)
        kinds = None if party is None else party.kinds
    if not kinds:
        raise TopologyError(
            "機関の区分が名称から決まりません。kinds を書いてください / give kinds: the name tells none"
        )
    elsewhere = item.get("elsewhere")
    return Agency(
        id=parse_agency_id(str(item["id"])),
        code=str(item["code"]),
        name=name,
        kinds=tuple(sorted(map(str, kinds))),
        assessed=bool(item.get("assessed", True)),
        systems=tuple(_system(system) for system in item.get("systems", ())),
        elsewhere=None if elsewhere is None else int(elsewhere["port"]),
    )


def _system(item: Mapping[str, Any]) -> BusinessSystem:
    return BusinessSystem(
        id=str(item["id"]),
        name=str(item["name"]),
        individual_number=bool(item["individual_number"]),
        grants=tuple(map(str, item["grants"])),
    )


def _role(name: str, item: Mapping[str, Any]) -> Role:
    return Role(
        name=str(name),
        program=Program(item["program"]),
        hosts=tuple(map(str, item["hosts"])),
        port=int(item["port"]),
        metrics_port=int(item["metrics_port"]),
        options=dict(item.get("options", {})),
    )


def _check(topology: Topology, written: int) -> None:
    """What a reader of the file could get wrong; set-up relies on each."""
    if len(topology.agencies) != written or {NETWORK, RESIDENT_NETWORK} & set(topology.agencies):
        raise TopologyError("機関の id が重複しているか、予約語です / an agency id stands twice or is reserved")
    if not all(_CODE.fullmatch(agency.code) for agency in topology.agencies.values()):
        raise TopologyError("機関コードは16桁です / an agency code has 16 digits")
    if not all(_ROLE.fullmatch(name) for name in topology.roles):
        raise TopologyError("役割の名前が正しくありません / a role's name is malformed")
    systems = [system.id for agency in topology.agencies.values() for system in agency.systems]
    if len(set(systems)) != len(systems):
        raise TopologyError("業務システムの id が重複しています / a business system id stands twice")
    _check_hosts(topology)


def _check_hosts(topology: Topology) -> None:
    allowed = {
        Program.NETWORK: {NETWORK},
        Program.RESIDENT_NETWORK: {RESIDENT_NETWORK},
    }
    hosted = [(role.program, agency) for role in topology.roles.values() for agency in role.hosts]
    if len(set(hosted)) != len(hosted):
        raise TopologyError("一つの機関を二つの役割が受け持っています / two roles host one agency")
    for program, agency in hosted:
        if agency not in allowed.get(program, set(topology.agencies)):
            raise TopologyError("役割の hosts に知らない機関があります / a role hosts an agency that is not there")
        if agency in topology.agencies and topology.agencies[agency].elsewhere is not None:
            raise TopologyError("elsewhere の機関は受け持てません / an agency elsewhere cannot be hosted")
    if topology.hosting(Program.NETWORK) is None or topology.hosting(Program.RESIDENT_NETWORK) is None:
        raise TopologyError("network と resident-network が要ります / network and resident-network are needed")
