"""A network, a resident network and neighbours, all on loopback, with certificates, register, keys and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec

from adapters.jlis_mock import network
from adapters.jlis_mock.dishonest import DishonestPeer
from adapters.jlis_mock.resident_network import server as resident_network
from gateway.setting_up.list_versions import sign_shipped
from gateway.setting_up.ports import untaken
from keys.masked import Secret
from keys.signing import Signer, generate_seed
from storage import list_files
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant, create_database, migrate
from storage.postgres import dsn
from tests.adapters.jlis_mock.neighbour import Neighbours
from tests.adapters.jlis_mock.pki import Authority
from transport import channel, tls
from transport.clock import Clock, SharedOffset
from transport.register import Register, Use, sign_register
from transport.role import Hosted, RoleConfig
from transport.tls import Identity

PASSPHRASE = Secret(b"a passphrase of tests")
AGENCIES = {
    "setagaya": ("架空世田谷区長", ["特別区の区長"], True),
    "suginami": ("架空杉並区長", ["特別区の区長"], True),
    "naikaku": ("内閣総理大臣", ["内閣総理大臣"], True),
    "unassessed": ("架空無評価区長", ["特別区の区長"], False),
}
ASKS_PER_MINUTE = 500
PUBLISHER = Signer(Secret(b"\x08" * 32))
"""Signs versions of the permission list."""
_ROLES = (("network", "core"), ("resident-network", "resident_network"))
TENANTS = (
    Tenant(schema="core", packages=("storage.evidence_log", "adapters.jlis_mock.core")),
    Tenant(schema="resident_network", packages=("adapters.jlis_mock.resident_network",)),
)
LOGINS = (
    Login(name="network", password="network-test", tenants=("core",)),
    Login(name="resident", password="resident-test", tenants=("resident_network",)),
)


@dataclass
class Surroundings:
    """Everything that runs, and sessions of everyone who may call."""

    url: str
    resident_url: str
    register: Register
    neighbours: Neighbours
    identities: dict[str, Identity]
    core: RoleConfig
    admin_dsn: str
    sessions: dict[str, aiohttp.ClientSession] = field(default_factory=dict)

    async def call(self, who: str, url: str, body: Any) -> Any:
        """POST as somebody; raises ChannelError."""
        data = await channel.post(self.session(who), url, msgspec.json.encode(body), timeout_s=20)
        return msgspec.json.decode(data)

    async def items(self, who: str, url: str, items: list[Any], **more: Any) -> list[Any]:
        return list((await self.call(who, url, {"checkpoint": None, "items": items, **more}))["items"])

    async def control(self, **changes: int | None) -> dict[str, Any]:
        return dict(await self.call("network-staff", f"{self.url}/control", changes))

    def session(self, who: str) -> aiohttp.ClientSession:
        if who not in self.sessions:
            identity = self.identities[who]
            self.sessions[who] = channel.session(tls.client_context(identity, identity.ca))
        return self.sessions[who]

    def peer(self, agency: str) -> DishonestPeer:
        return DishonestPeer(
            agency=agency,
            client=self.session(agency),
            signer=self.neighbours.signers[agency],
            core=self.url,
            interface=self.url,
        )

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """As the database's administrator: what no role may do or see."""
        connection = await asyncpg.connect(await create_database(self.admin_dsn))
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def entries(self, inquiry_number: str) -> list[dict[str, Any]]:
        found = await self.items("network-staff", f"{self.url}/log/search", [{"inquiry_number": inquiry_number}])
        return list(found[0]["entries"])


CERTIFICATES = {
    **{agency: (agency, Use.INTERMEDIATE) for agency in AGENCIES},
    **{f"{agency}-linkage": (agency, Use.LINKAGE) for agency in AGENCIES},
    "network": ("network", Use.NETWORK),
    "resident-network": ("resident-network", Use.RESIDENT_NETWORK),
    "network-staff": ("network", Use.STAFF),
    "resident-staff": ("resident-network", Use.STAFF),
    "suginami-staff": ("suginami", Use.STAFF),
}


def _register(folder: Path, fingerprints: dict[str, bytes], signers: dict[str, Signer], keys: KeyStore) -> Path:
    root = Signer(Secret(b"\x07" * 32))
    body = {
        "agencies": [
            {
                "id": agency,
                "code": "0" * 16,
                "name": name,
                "kinds": kinds,
                "signing_key": signers[agency].public_key.hex(),
                "assessed": assessed,
            }
            for agency, (name, kinds, assessed) in AGENCIES.items()
        ],
        "delegations": [
            {"delegator": delegator, "delegate": "suginami", "side": "inquirer", "valid_from": since, "valid_to": until}
            for delegator, since, until in (
                ("setagaya", "2020-01-01", None),
                ("naikaku", "2020-01-01", "2021-01-01"),
                ("unassessed", "2020-01-01", None),
            )
        ],
        "certificates": [
            {"sha256": fingerprints[name].hex(), "agency": agency, "use": use.value, "name": name}
            for name, (agency, use) in CERTIFICATES.items()
        ],
        "logs": [{"origin": network.ORIGIN, "key": keys.ring.signer("log").public_key.hex()}],
        "permit_key": keys.ring.signer("permit").public_key.hex(),
        "list_key": PUBLISHER.public_key.hex(),
    }
    path = folder / "register.json"
    path.write_bytes(sign_register(body, root))
    return path


def _config(
    folder: Path,
    role: tuple[str, str],
    login: str,
    identity: Identity,
    peers: dict[str, str],
    register: Path,
    dsn_: str,
) -> RoleConfig:
    name, tenant = role
    return RoleConfig(
        role=name,
        folder=folder,
        dsn=dsn_,
        host="127.0.0.1",
        port=untaken(1)[0],
        metrics_port=0,
        server=identity,
        hosted={name: Hosted(id=name, tenant=tenant, identity=identity, keys=folder / f"{name}.keys")},
        peers=peers,
        register_path=register,
        register_root=Signer(Secret(b"\x07" * 32)).public_key,
        passphrase=PASSPHRASE,
        spool=folder / "spool",
        options={"asks_per_minute": ASKS_PER_MINUTE},
        fault=None,
        clock=Clock(shared=SharedOffset.ensure(folder / "clock"), skew=SharedOffset.ensure(folder / f"{name}-skew")),
    )


@asynccontextmanager
async def surroundings(folder: Path, admin_dsn: str, socket_folder: Path) -> AsyncIterator[Surroundings]:
    """Set everything up in `folder` and run it until the block ends."""
    await migrate(admin_dsn, TENANTS, LOGINS)
    authority = Authority(folder / "pki")
    issued = {name: authority.issue(name) for name in (*CERTIFICATES, "unregistered")}
    identities = {name: identity for name, (identity, _) in issued.items()}
    signers = {agency: Signer(generate_seed()) for agency in AGENCIES}
    stores = {name: KeyStore.create(folder / f"{name}.keys", PASSPHRASE, profile="cheapest") for name, _ in _ROLES}
    for purpose in ("log", "permit"):
        stores["network"].ensure(purpose)
    (folder / list_files.FILE_NAME).write_bytes(list_files.encode(sign_shipped(PUBLISHER)))
    register = _register(folder, {name: found for name, (_, found) in issued.items()}, signers, stores["network"])
    neighbours = Neighbours(signers=signers)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(neighbours.listening(identities["naikaku"]))
        peers = {f"intermediate/{agency}": f"https://127.0.0.1:{port}" for agency in AGENCIES}
        core = _config(
            folder, _ROLES[0], "network", identities["network"], peers, register,
            dsn(socket_folder, "network", "network-test"),
        )  # fmt: skip
        url = f"https://127.0.0.1:{core.port}"
        resident = _config(
            folder, _ROLES[1], "resident", identities["resident-network"], {"core": url}, register,
            dsn(socket_folder, "resident", "resident-test"),
        )  # fmt: skip
        stop = asyncio.Event()
        running = [
            asyncio.ensure_future(network.serve(core, stop)),
            asyncio.ensure_future(resident_network.serve(resident, stop)),
        ]
        made = Surroundings(
            url=url,
            resident_url=f"https://127.0.0.1:{resident.port}",
            register=core.register,
            neighbours=neighbours,
            identities=identities,
            core=core,
            admin_dsn=admin_dsn,
        )
        try:
            await _wait_for(running, core.port, resident.port)
            yield made
        finally:
            for session in made.sessions.values():
                await session.close()
            stop.set()
            await asyncio.gather(*running)


@asynccontextmanager
async def another_network(around: Surroundings) -> AsyncIterator[str]:
    """A second process' worth of network on the same database and key file: all it knows is what was stored."""
    config = replace(around.core, port=untaken(1)[0])
    stop = asyncio.Event()
    running = asyncio.ensure_future(network.serve(config, stop))
    try:
        await _wait_for([running], config.port)
        yield f"https://127.0.0.1:{config.port}"
    finally:
        stop.set()
        await running


async def _wait_for(running: Sequence[asyncio.Future[None]], *ports: int) -> None:
    for port in ports:
        for _ in range(400):
            for role in running:
                if role.done():
                    role.result()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.02)
