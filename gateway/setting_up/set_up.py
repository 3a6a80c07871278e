"""Sets a data folder up: authority, certificates, keys, register, schemas, logins, clients.

Each step makes what is missing and keeps what is there, and each file appears whole or not at all. So set-up may die anywhere and
is run again; the marker is written last, and no role starts without it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from evidence.canonical import timestamp
from gateway import backup_keys
from gateway.data_folder import SKEW_FILE, STAFF, DataFolder, private_folder, write_private
from gateway.linkage_server.registration import register_client
from gateway.setting_up import databases, issued, role_files
from gateway.setting_up.authority import Authority, open_authority
from gateway.setting_up.enrolment import USES, Enrolment
from gateway.setting_up.first_staff import ensure_first_staff
from gateway.setting_up.key_files import LOG, SIGNING, Passphrases, ensure_keys, known_public, passphrase_of
from gateway.setting_up.list_versions import write_lists
from gateway.setting_up.partner_keys import key_of
from gateway.setting_up.ports import RolePorts
from gateway.setting_up.publishing import publish
from gateway.setting_up.role_files import CLIENT_FILE, Places
from gateway.setting_up.succession import follow
from gateway.setting_up.suspension import carry_over, suspended
from gateway.topology import (
    NETWORK,
    RESIDENT_NETWORK,
    Agency,
    BusinessSystem,
    Departed,
    Elsewhere,
    Program,
    Role,
    Topology,
)
from keys.masked import Secret
from storage.keepers import KeysClosedError
from storage.migrations import migrate
from transport import role as role_file
from transport.clock import SharedOffset
from transport.register import Use
from transport.role import RoleConfig

_FORM: Final = 1


class ClientFileTakenError(Exception):
    """What lies where a business system's file belongs is another's, or damaged. Nothing was changed; the text says what to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} は別の業務システムのものか、壊れています。業務システムの id を変えるか、控えから戻してください"
            " / this file is another business system's, or damaged: choose another id, or restore it from its backup"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What set-up is about. `options`: role → what goes into its role.json besides; `key_profile`: `normal`, or `cheapest` in tests.

    `lines`: `<caller>:<called>` → the port of the proxy between two roles.
    """

    data: DataFolder
    topology: Topology
    ports: Mapping[str, RolePorts]
    now: datetime
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    key_profile: str = "normal"
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def places(self) -> Places:
        return Places(topology=self.topology, ports=self.ports, lines=self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """One run of set-up: the plan, who signs, what the register will say, and the passphrases that were derived already."""

    plan: SetUp
    authority: Authority
    enrolment: Enrolment
    passphrases: Passphrases


async def set_up(plan: SetUp, admin_dsn: str) -> None:
    """Bring the data folder and the database to what the plan says. The caller holds the folder.

    Raises ClientFileTakenError, KeyStoreError, KeyFileBusyError, MigrationChangedError, OSError, or asyncpg's errors when the server is away.
    """
    data = plan.data
    check_clients(data, plan.topology)
    for folder in (data.root / "roles", data.clients, data.root / "spool"):
        private_folder(folder)
    authority = open_authority(data.authority, plan.now)
    SharedOffset.ensure(data.clock)
    enrolment = Enrolment(agencies=plan.topology.agencies, simulation=_is_simulation(plan))
    make = _Making(plan=plan, authority=authority, enrolment=enrolment, passphrases=Passphrases(plan.key_profile))
    _prepare_parties(make)
    _first_staff(plan)
    logins = {role.name: databases.login(role, data.role(role.name)) for role in plan.topology.roles.values()}
    await migrate(
        admin_dsn,
        databases.tenants(plan.topology),
        list(logins.values()),
        at_first_use=databases.made_at_first_use(plan.topology),
    )
    _write_register(plan, authority, enrolment)  # nobody is in it whom the database does not know
    for role in plan.topology.roles.values():
        _write_role(plan, role, databases.dsn_of(admin_dsn, logins[role.name]), authority)
    for role in plan.topology.roles.values():
        await _register_clients(plan, role)
    role_files.write_json(data.addresses, plan.places.addresses())
    if not data.marker.exists():
        write_private(data.marker, json.dumps({"form": _FORM, "at": timestamp(plan.now)}).encode())


def check_clients(data: DataFolder, topology: Topology) -> None:
    """The file of each business system is its own, or was one's that has left. Before anything is changed. Raises ClientFileTakenError, OSError."""
    for agency in topology.agencies.values():
        for system in agency.systems:
            path = data.client(system.id)
            try:
                found = json.loads(path.read_bytes())
                whose, _ = found["agency"], found["client_secret"]
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, TypeError):
                raise ClientFileTakenError(path) from None
            if whose != agency.id and whose in topology.agencies:
                raise ClientFileTakenError(path)


def _prepare_parties(make: _Making) -> None:
    """Certificates and keys of everybody who takes part; the logs of those who did."""
    plan = make.plan
    for role in plan.topology.roles.values():
        _prepare_role(make, role)
    for agency in plan.topology.agencies.values():
        if agency.elsewhere is not None and agency.elsewhere.own_keys:
            _prepare_partner(make, agency, agency.elsewhere)
        elif agency.elsewhere is not None:
            _prepare_elsewhere(make, agency, agency.elsewhere)
    for departed in plan.topology.departed.values():
        _keep_logs(make, departed)
    for agency_id in (*plan.topology.agencies, NETWORK, RESIDENT_NETWORK):
        for name in STAFF if _has_staff(plan, agency_id) else ():
            identity = make.authority.issue(plan.data.staff(agency_id), name, subject=f"{agency_id}/staff/{name}")
            make.enrolment.certificate(identity, agency_id, Use.STAFF, name)


def _is_simulation(plan: SetUp) -> bool:
    """Its network is the simulated one."""
    return plan.topology.hosting(Program.NETWORK) is not None


def _has_staff(plan: SetUp, agency: str) -> bool:
    """Whether set-up makes the first staff of this party: of the network and the resident network always, of an agency as the topology says."""
    found = plan.topology.agencies.get(agency)
    return found is None or found.staff


def _first_staff(plan: SetUp) -> None:
    """The people of every agency whose intermediate server is ours; their certificates are their terminals'."""
    profile, simulation = plan.key_profile, _is_simulation(plan)
    for role in plan.topology.roles.values():
        if role.program is Program.INTERMEDIATE:
            folder = plan.data.role(role.name)
            for agency in filter(partial(_has_staff, plan), role.hosts):
                ensure_first_staff(plan.data, folder, agency, plan.now, profile=profile, simulation=simulation)
                backup_keys.ensure(plan.data, plan.data.role(role.name), agency, profile=plan.key_profile)
                for other in plan.topology.roles.values():
                    if other.program in (Program.LINKAGE, Program.SKY2) and agency in other.hosts:
                        backup_keys.hand_over(plan.data.role(role.name), plan.data.role(other.name), agency)


def _prepare_role(make: _Making, role: Role) -> None:
    """Certificates and key files of one role."""
    plan = make.plan
    folder = private_folder(plan.data.role(role.name))
    days = role.certificates.days
    hosts = plan.places.certified(role.name)
    make.authority.issue(folder / "tls", "server", subject=f"{role.name}/server", hosts=hosts, days=days)
    passphrase_of(folder)
    private_folder(plan.data.spool(role.name))
    for agency in role.hosts:
        _enrol(make, folder, agency, role.program, role.name, days)


def _prepare_elsewhere(make: _Making, agency: Agency, elsewhere: Elsewhere) -> None:
    plan, authority, enrolment = make.plan, make.authority, make.enrolment
    folder = private_folder(plan.data.clients / agency.id)
    days, hosts = elsewhere.certificates.days, plan.places.certified(agency.id)
    authority.issue(folder / "tls", "server", subject=f"{agency.id}/server", hosts=hosts, days=days)
    _enrol(make, folder, agency.id, Program.INTERMEDIATE, agency.id, days)
    stem = f"{agency.id}-linkage"
    linkage = authority.issue(folder / "tls", stem, subject=f"{agency.id}/linkage/{agency.id}", days=days)
    enrolment.certificate(linkage, agency.id, Use.LINKAGE, agency.id)
    role_files.write_json(
        folder / "role.json", role_files.elsewhere_document(agency, plan.places, authority.root.public_key)
    )


def _prepare_partner(make: _Making, agency: Agency, elsewhere: Elsewhere) -> None:
    """An agency whose private keys are its own: what it is given, and the certificates issued on its requests."""
    plan, authority, enrolment = make.plan, make.authority, make.enrolment
    folder = private_folder(plan.data.clients / agency.id)
    authority.write_ca(private_folder(folder / "tls"))
    for use, request in elsewhere.certificates.requests.items():
        issued.answer_once(
            plan.data.issued(agency.id), agency, use, request.encode(), authority, plan.places.certified(agency.id)
        )
    issued.enrol(plan.data.issued(agency.id), agency.id, enrolment)
    signing_key = key_of(folder, SIGNING, elsewhere.signing_key or "")
    enrolment.elsewhere(agency.id, signing_key, key_of(folder, LOG, elsewhere.log_key or ""))
    role_files.write_json(
        folder / "network.json", role_files.network_document(agency, plan.places, authority.root.public_key)
    )


def _keep_logs(make: _Making, departed: Departed) -> None:
    plan, enrolment = make.plan, make.enrolment
    elsewhere = departed.agency.elsewhere
    if elsewhere is not None and elsewhere.log_key is not None:
        log_key = key_of(plan.data.clients / departed.agency.id, LOG, elsewhere.log_key)
        enrolment.departed(departed.agency.id, Program.INTERMEDIATE, (bytes.fromhex(log_key),))
    folders = {program: plan.data.role(name) for program, name in departed.hosted_by.items()}
    if elsewhere is not None:
        folders = {Program.INTERMEDIATE: plan.data.clients / departed.agency.id}
    for program, folder in folders.items():
        found = known_public(folder, departed.agency.id)
        if LOG in found:
            enrolment.departed(departed.agency.id, program, found[LOG])


def _enrol(make: _Making, folder: Path, agency: str, program: Program, name: str, days: int) -> None:
    """One agency in one place: its client certificate, its keys, and both in the register."""
    use = USES[program]
    identity = make.authority.issue(folder / "tls", agency, subject=f"{agency}/{use.value}/{name}", days=days)
    make.enrolment.certificate(identity, agency, use, name)
    make.enrolment.public_keys(agency, program, ensure_keys(folder, agency, program, make.passphrases))


def _write_register(plan: SetUp, authority: Authority, enrolment: Enrolment) -> None:
    """The signed permission lists for those who decide by them, and the signed register, which names the lists, for everybody."""
    elsewhere = [
        plan.data.clients / agency.id for agency in plan.topology.agencies.values() if agency.elsewhere is not None
    ]
    deciding = [
        plan.data.role(role.name)
        for role in plan.topology.roles.values()
        if role.program in {Program.INTERMEDIATE, Program.NETWORK}
    ]
    enrolment.lists = write_lists(plan.data.lists, authority.lists, [*deciding, *elsewhere])
    enrolment.list_keys = (authority.lists.public_key,)
    enrolment.delegations = plan.topology.delegations
    now = plan.data.present()
    body = enrolment.body()
    carry_over(plan.data, body["certificates"])
    held_back = suspended(plan.data)
    body["certificates"] = [one for one in body["certificates"] if one["sha256"] not in held_back]
    publish(plan.data, authority, lambda before: follow(before, body, now))
    for folder in (*(plan.data.role(name) for name in plan.topology.roles), *elsewhere):
        write_private(folder / "register.json", plan.data.register.read_bytes())
    write_private(plan.data.register_root, authority.root.public_key.hex().encode())


def _write_role(plan: SetUp, role: Role, dsn: str, authority: Authority) -> None:
    document = role_files.role_document(
        role,
        places=plan.places,
        dsn=dsn,
        root_key=authority.root.public_key,
        options=plan.options.get(role.name, {}),
    )
    SharedOffset.ensure(plan.data.role(role.name) / SKEW_FILE)
    role_files.write_json(plan.data.role(role.name) / "role.json", document)


async def _register_clients(plan: SetUp, role: Role) -> None:
    """Make each business system's client known to the linkage server that hosts its agency, and write its file.

    Those of an agency whose ring is closed stay as they are: its people are not at hand at set-up.
    """
    if role.program is not Program.LINKAGE:
        return
    config = role_file.load(plan.data.role(role.name))
    for agency in role.hosts:
        with contextlib.suppress(KeysClosedError):
            await _register_clients_of(plan, role, config, agency)


async def _register_clients_of(plan: SetUp, role: Role, config: RoleConfig, agency: str) -> None:
    for system in plan.topology.agencies[agency].systems:
        valid = await register_client(
            config,
            agency,
            system.id,
            _client_secret(plan.data.client(system.id), agency),
            system.id,
            system.scopes,
            may_use_individual_number=system.individual_number,
        )
        if valid is not None:
            _write_client(plan, role, agency, system, valid)


def _write_client(plan: SetUp, role: Role, agency: str, system: BusinessSystem, secret: Secret) -> None:
    """To clients/, and to the folder of the role that is this business system."""
    url = plan.places.url(role.name)
    targets = {plan.data.client(system.id): f"staff-{agency}/ca.pem"}
    own = plan.topology.roles.get(system.id)
    if own is not None and own.program is Program.SKY2:
        targets[plan.data.role(system.id) / CLIENT_FILE] = "tls/ca.pem"
    for path, ca in targets.items():
        role_files.write_json(path, role_files.client_document(agency, system, secret, url=url, ca=ca))


def _client_secret(path: Path, agency: str) -> Secret:
    """The secret of this agency's system; another one for a system of the same id whose agency has left: who kept its file signs in as nobody."""
    with contextlib.suppress(FileNotFoundError):
        found = json.loads(path.read_bytes())
        if found["agency"] == agency:
            return Secret(found["client_secret"].encode())
    return Secret(secrets.token_urlsafe(32).encode())
