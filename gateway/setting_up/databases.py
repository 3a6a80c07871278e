"""Tenants and logins of a topology, and the DSN that each role is given."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from gateway.data_folder import write_private
from gateway.topology import Program, Role, Topology
from storage.migrations import Login, Tenant

DATABASE: Final = "sekisho"
PASSWORD_FILE: Final = "database-password"  # noqa: S105 (a file's name)
_LOG: Final = "storage.evidence_log"
PACKAGES: Final[Mapping[Program, tuple[str, ...]]] = {
    Program.LINKAGE: (_LOG, "gateway.linkage_server"),
    Program.INTERMEDIATE: (_LOG, "gateway.intermediate_server"),
    Program.NETWORK: (_LOG, "adapters.jlis_mock.core"),
    Program.RESIDENT_NETWORK: ("adapters.jlis_mock.resident_network",),
    Program.SKY2: ("adapters.sky2",),
    Program.PORTAL: ("adapters.jlis_mock.portal",),
}


def tenants(topology: Topology) -> list[Tenant]:
    return [
        Tenant(schema=role.tenant(agency), packages=PACKAGES[role.program])
        for role in topology.roles.values()
        for agency in role.hosts
    ]


def made_at_first_use(topology: Topology) -> frozenset[str]:
    """Schemas that need not be there before somebody uses them: those of agencies, but for linkage servers' with business systems to register."""
    return frozenset(
        role.tenant(agency)
        for role in topology.roles.values()
        for agency in role.hosts
        if role.program is Program.INTERMEDIATE
        or (role.program is Program.LINKAGE and not topology.agencies[agency].systems)
    )


def login(role: Role, folder: Path) -> Login:
    """One login per role, a member of the tenants that it hosts and of no other."""
    return Login(
        name=f"sekisho_{role.name.replace('-', '_')}",
        password=_password(folder),
        tenants=tuple(role.tenant(agency) for agency in role.hosts),
    )


def dsn_of(admin_dsn: str, found: Login) -> str:
    """The administrator's DSN with this login and our database in it."""
    parts = urlsplit(admin_dsn)
    host = parts.netloc.rpartition("@")[2]
    question = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{quote(found.name, safe='')}:{quote(found.password, safe='')}@{host}/{DATABASE}{question}"


def _password(folder: Path) -> str:
    path = folder / PASSWORD_FILE
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24).encode())
    return path.read_text().strip()
