"""Sets a data folder up: authority, certificates, keys, register, schemas, logins, clients.

Each step makes what is missing and keeps what is there, and each file appears whole or not at all. So set-up may die anywhere and
is run again; the marker is written last, and no role starts without it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from evidence.canonical import timestamp
from gateway.data_folder import STAFF, DataFolder, private_folder, write_private
from gateway.linkage_server.registration import register_client
from gateway.setting_up import databases, role_files
from gateway.setting_up.authority import Authority, open_authority
from gateway.setting_up.enrolment import USES, Enrolment
from gateway.setting_up.key_files import ensure_keys, passphrase_of
from gateway.setting_up.ports import RolePorts
from gateway.setting_up.role_files import CLIENT_FILE, Places
from gateway.topology import NETWORK, RESIDENT_NETWORK, Agency, BusinessSystem, Program, Role, Topology
from keys.masked import Secret
from storage.migrations import migrate
from transport import role as role_file
from transport.register import Use, sign_register

_FORM: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What set-up is about. `options`: role → what goes into its role.json besides; `key_profile`: `normal`, or `cheapest` in tests."""

    data: DataFolder
    topology: Topology
    ports: Mapping[str, RolePorts]
    now: datetime
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    key_profile: str = "normal"

    @property
    def places(self) -> Places:
        return Places(topology=self.topology, ports=self.ports)


async def set_up(plan: SetUp, admin_dsn: str) -> None:
    """Bring the data folder and the database to what the plan says. The caller holds the folder.

    Raises KeyStoreError, KeyFileBusyError, MigrationChangedError, OSError, or asyncpg's errors when the server is away.
    """
    data = plan.data
    for folder in (data.root / "roles", data.clients, data.root / "spool"):
        private_folder(folder)
    authority = open_authority(data.authority, plan.now)
    enrolment = Enrolment(agencies=plan.topology.agencies)
    for role in plan.topology.roles.values():
        _prepare_role(plan, role, authority, enrolment)
    for agency in plan.topology.agencies.values():
        if agency.elsewhere is not None:
            _prepare_elsewhere(plan, agency, authority, enrolment)
    for agency_id in (*plan.topology.agencies, NETWORK, RESIDENT_NETWORK):
        for name in STAFF:
            identity = authority.issue(data.staff(agency_id), name, subject=f"{agency_id}/staff/{name}")
            enrolment.certificate(identity, agency_id, Use.STAFF, name)
    _write_register(plan, authority, enrolment)
    logins = {role.name: databases.login(role, data.role(role.name)) for role in plan.topology.roles.values()}
    await migrate(admin_dsn, databases.tenants(plan.topology), list(logins.values()))
    for role in plan.topology.roles.values():
        _write_role(plan, role, databases.dsn_of(admin_dsn, logins[role.name]), authority)
    for role in plan.topology.roles.values():
        await _register_clients(plan, role)
    role_files.write_json(data.addresses, plan.places.addresses())
    if not data.marker.exists():
        write_private(data.marker, json.dumps({"form": _FORM, "at": timestamp(plan.now)}).encode())


def _prepare_role(plan: SetUp, role: Role, authority: Authority, enrolment: Enrolment) -> None:
    """Certificates and key files of one role."""
    folder = private_folder(plan.data.role(role.name))
    authority.issue(folder / "tls", "server", subject=f"{role.name}/server", server=True)
    passphrase_of(folder)
    private_folder(plan.data.spool(role.name))
    for agency in role.hosts:
        _enrol(plan, folder, agency, role.program, role.name, authority, enrolment)


def _prepare_elsewhere(plan: SetUp, agency: Agency, authority: Authority, enrolment: Enrolment) -> None:
    folder = private_folder(plan.data.clients / agency.id)
    authority.issue(folder / "tls", "server", subject=f"{agency.id}/server", server=True)
    _enrol(plan, folder, agency.id, Program.INTERMEDIATE, agency.id, authority, enrolment)
    linkage = authority.issue(folder / "tls", f"{agency.id}-linkage", subject=f"{agency.id}/linkage/{agency.id}")
    enrolment.certificate(linkage, agency.id, Use.LINKAGE, agency.id)
    role_files.write_json(
        folder / "role.json", role_files.elsewhere_document(agency, plan.places, authority.root.public_key)
    )


def _enrol(
    plan: SetUp, folder: Path, agency: str, program: Program, name: str, authority: Authority, enrolment: Enrolment
) -> None:
    """One agency in one place: its client certificate, its keys, and both in the register."""
    use = USES[program]
    identity = authority.issue(folder / "tls", agency, subject=f"{agency}/{use.value}/{name}")
    enrolment.certificate(identity, agency, use, name)
    enrolment.public_keys(agency, program, ensure_keys(folder, agency, program, profile=plan.key_profile))


def _write_register(plan: SetUp, authority: Authority, enrolment: Enrolment) -> None:
    """The signed register for everybody."""
    signed = sign_register(enrolment.body(), authority.root)
    elsewhere = [
        plan.data.clients / agency.id for agency in plan.topology.agencies.values() if agency.elsewhere is not None
    ]
    for folder in (*(plan.data.role(name) for name in plan.topology.roles), *elsewhere):
        write_private(folder / "register.json", signed)
    write_private(plan.data.register, signed)
    write_private(plan.data.authority / "register-root.public", authority.root.public_key.hex().encode())


def _write_role(plan: SetUp, role: Role, dsn: str, authority: Authority) -> None:
    document = role_files.role_document(
        role,
        places=plan.places,
        dsn=dsn,
        root_key=authority.root.public_key,
        options=plan.options.get(role.name, {}),
    )
    role_files.write_json(plan.data.role(role.name) / "role.json", document)


async def _register_clients(plan: SetUp, role: Role) -> None:
    """Make each business system's client known to the linkage server that hosts its agency, and write its file."""
    if role.program is not Program.LINKAGE:
        return
    config = role_file.load(plan.data.role(role.name))
    for agency in role.hosts:
        for system in plan.topology.agencies[agency].systems:
            secret = _client_secret(plan.data.client(system.id))
            await register_client(
                config,
                agency,
                system.id,
                secret,
                system.id,
                system.scopes,
                may_use_individual_number=system.individual_number,
            )
            _write_client(plan, role, agency, system, secret)


def _write_client(plan: SetUp, role: Role, agency: str, system: BusinessSystem, secret: Secret) -> None:
    """To clients/, and to the folder of the role that is this business system."""
    url = plan.places.url(role.name)
    targets = {plan.data.client(system.id): f"staff-{agency}/ca.pem"}
    own = plan.topology.roles.get(system.id)
    if own is not None and own.program is Program.SKY2:
        targets[plan.data.role(system.id) / CLIENT_FILE] = "tls/ca.pem"
    for path, ca in targets.items():
        role_files.write_json(path, role_files.client_document(agency, system, secret, url=url, ca=ca))


def _client_secret(path: Path) -> Secret:
    try:
        return Secret(json.loads(path.read_bytes())["client_secret"].encode())
    except FileNotFoundError:
        return Secret(secrets.token_urlsafe(32).encode())
