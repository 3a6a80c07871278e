"""`role.json`: what one process is told, in the form that transport.role reads; and what people and systems get in clients/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.data_folder import CLOCK_FILE, LINES_FOLDER, SKEW_FILE, write_private
from gateway.setting_up.key_files import PASSPHRASE_FILE
from gateway.setting_up.ports import RolePorts
from gateway.topology import Agency, BusinessSystem, Program, Role, Topology
from gateway.topology_hosts import LOOPBACK
from keys.masked import Secret
from storage import list_files

CLIENT_FILE: Final = "client.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where every server is found: ports by role, and by agency for those elsewhere. `lines`: proxies between roles (simulations)."""

    topology: Topology
    ports: Mapping[str, RolePorts]
    lines: Mapping[str, int] = field(default_factory=dict)

    def by_way(self, caller: str, peers: Mapping[str, str]) -> dict[str, str]:
        """The same peers as this caller reaches them: by a route of the topology, and before that by the line between the two, where there are any."""
        names = {self.url(name): name for name in self.ports}
        found = {}
        for peer, url in peers.items():
            host, port = self.towards(caller, names[url])
            line = self.lines.get(f"{caller}:{names[url]}")
            found[peer] = f"https://{LOOPBACK}:{line}" if line else f"https://{host}:{port}"
        return found

    def towards(self, caller: str, called: str) -> tuple[str, int]:
        """Host and port by which a caller reaches a role, or an agency elsewhere."""
        for route in self.topology.routes:
            if (route.caller, route.called) == (caller, called):
                return route.host, route.port
        return self.host(called), self.ports[called].port

    def url(self, name: str) -> str:
        """Of a role, or of an agency elsewhere."""
        return f"https://{self.host(name)}:{self.ports[name].port}"

    def host(self, name: str) -> str:
        role, agency = self.topology.roles.get(name), self.topology.agencies.get(name)
        if role is None and agency is not None and agency.elsewhere is not None:
            return agency.elsewhere.host
        return role.reached_at if role is not None else LOOPBACK

    def certified(self, name: str) -> tuple[str, ...]:
        """Every host that the certificate of a role's server, or of one elsewhere, must be good for."""
        role, agency = self.topology.roles.get(name), self.topology.agencies.get(name)
        ways = {route.host for route in self.topology.routes if route.called == name}
        if role is not None:
            ways |= {role.reached_at, *role.certificates.names}
        elif agency is not None and agency.elsewhere is not None:
            ways |= {agency.elsewhere.host, *agency.elsewhere.certificates.names}
        return tuple(sorted(ways))

    def of(self, program: Program, agency: str | None = None) -> str | None:
        """The address of the role that runs a program (for an agency), or None."""
        role = self.topology.hosting(program, agency)
        return self.url(role.name) if role else None

    def peers(self, program: Program, hosts: tuple[str, ...]) -> dict[str, str]:
        """Name → base URL of everybody that a role of this program may call."""
        core = self.of(Program.NETWORK)
        resident_network = self.of(Program.RESIDENT_NETWORK)
        named: dict[str, str | None]
        match program:
            case Program.LINKAGE:
                named = {f"intermediate/{agency}": self.of(Program.INTERMEDIATE, agency) for agency in hosts}
                named["resident_network"] = resident_network
            case Program.INTERMEDIATE:
                named = {f"linkage/{agency}": self.of(Program.LINKAGE, agency) for agency in hosts}
                named |= {"core": core, "interface": core}
            case Program.NETWORK:
                named = {f"intermediate/{agency}": self.intermediate(agency) for agency in self.topology.agencies}
            case Program.RESIDENT_NETWORK:
                named = {"core": core}
            case Program.PORTAL:
                named = {f"intermediate/{agency}": self.intermediate(agency) for agency in hosts}
                named["resident_network"] = resident_network
            case Program.SKY2:
                named = {f"linkage/{agency}": self.of(Program.LINKAGE, agency) for agency in hosts}
        return {name: url for name, url in named.items() if url is not None}

    def push_hosts(self, hosts: tuple[str, ...]) -> dict[str, list[str]]:
        """Agency → hosts that its pushes may reach: the business systems that we start ourselves."""
        named = {agency: self.of(Program.SKY2, agency) for agency in hosts}
        return {agency: [url.removeprefix("https://")] for agency, url in named.items() if url is not None}

    def addresses(self) -> dict[str, Any]:
        """clients/addresses.json: where staff and business systems find each server."""
        agencies = self.topology.agencies
        return {
            "roles": {name: self.url(name) for name in self.topology.roles},
            "intermediate": {agency: self.intermediate(agency) for agency in agencies},
            "linkage": {agency: self.of(Program.LINKAGE, agency) for agency in agencies},
            "sky2": {agency: self.of(Program.SKY2, agency) for agency in agencies},
            "network": self.of(Program.NETWORK),
            "resident-network": self.of(Program.RESIDENT_NETWORK),
            "portal": self.of(Program.PORTAL),
        }

    def intermediate(self, agency: str) -> str | None:
        """An agency's intermediate server, ours or one elsewhere."""
        elsewhere = self.topology.agencies[agency].elsewhere is not None
        return self.url(agency) if elsewhere else self.of(Program.INTERMEDIATE, agency)


def role_document(
    role: Role, *, places: Places, dsn: str, root_key: bytes, options: Mapping[str, Any]
) -> dict[str, Any]:
    """`role.json` of a role that we host."""
    ports = places.ports[role.name]
    hosted = [_hosted(agency, role.tenant(agency)) for agency in role.hosts]
    more: dict[str, Any] = {"program": role.program.value, **role.options, **options}
    if role.program is Program.NETWORK:
        more["surroundings"] = f"../../{LINES_FOLDER}"
    if role.program is Program.SKY2:
        more["client_file"] = CLIENT_FILE
    if role.program is Program.LINKAGE:
        more.setdefault("push_hosts", places.push_hosts(role.hosts))
    return {
        "role": role.name,
        "dsn": dsn,
        "host": role.listen,
        "port": ports.port,
        "metrics_port": ports.metrics_port,
        "server": _identity("server"),
        "hosted": hosted,
        "peers": places.by_way(role.name, places.peers(role.program, role.hosts)),
        **_trust(root_key),
        "spool": f"../../spool/{_spool_owner(role, places.topology)}",
        "clock": f"../../{CLOCK_FILE}",
        "skew": SKEW_FILE,
        "options": more,
    }


def elsewhere_document(agency: Agency, places: Places, root_key: bytes) -> dict[str, Any]:
    """The same for an agency elsewhere: whoever plays it reads its own folder as a role reads its own. It has no database."""
    return {
        "role": agency.id,
        "dsn": "",
        "host": places.host(agency.id),
        "port": places.ports[agency.id].port,
        "metrics_port": 0,
        "server": _identity("server"),
        "hosted": [_hosted(agency.id, "")],
        "peers": places.peers(Program.INTERMEDIATE, (agency.id,)),
        **_trust(root_key),
        "spool": "spool",
        "clock": f"../../{CLOCK_FILE}",
        "options": {"program": Program.INTERMEDIATE.value},
    }


def network_document(agency: Agency, places: Places, root_key: bytes) -> dict[str, Any]:
    """`network.json`: what the engineer of an agency with keys of its own needs to take part (`partner`)."""
    return {
        "agency": agency.id,
        "host": places.host(agency.id),
        "port": places.ports[agency.id].port,
        "network": places.of(Program.NETWORK),
        "resident_network": places.of(Program.RESIDENT_NETWORK),
        "ca": "tls/ca.pem",
        "register": "register.json",
        "register_root": root_key.hex(),
        "permission_lists": list_files.FILE_NAME,
        "certificates": "issued",
    }


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_private(path, json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")


def client_document(agency: str, system: BusinessSystem, secret: Secret, *, url: str, ca: str) -> dict[str, Any]:
    """What a business system needs to sign in (OAuth 2.0 client credentials)."""
    return {
        "client_id": system.id,
        # reveal: to the client's own file, mode 0600
        "client_secret": secret.reveal().decode(),
        "agency": agency,
        "system": system.id,
        "name": system.name,
        "scopes": sorted(system.scopes),
        "url": url,
        "token_path": "/oauth/token",
        "ca": ca,
    }


def _identity(stem: str) -> dict[str, str]:
    return {"certificate": f"tls/{stem}.pem", "key": f"tls/{stem}.key.pem", "ca": "tls/ca.pem"}


def _hosted(agency: str, tenant: str) -> dict[str, Any]:
    return {"id": agency, "tenant": tenant, "identity": _identity(agency), "keys": f"keys/{agency}.json"}


def _trust(root_key: bytes) -> dict[str, Any]:
    return {"register": "register.json", "register_root": root_key.hex(), "passphrase_file": PASSPHRASE_FILE}


def _spool_owner(role: Role, topology: Topology) -> str:
    """A business system drops its files where the linkage server of its agency looks for them."""
    if role.program is Program.SKY2:
        linkage = topology.hosting(Program.LINKAGE, role.hosts[0])
        return linkage.name if linkage else role.name
    return role.name
