"""A linkage server and the intermediate server of the same agency, both real, on loopback; the network beyond them is away."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from gateway.intermediate_server import server as intermediate_server
from gateway.linkage_server import server as linkage_server
from gateway.setting_up.key_files import PURPOSES
from gateway.setting_up.ports import untaken
from gateway.topology import Program
from keys.signing import Signer, generate_seed
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant
from tests.support.cloned_database import dsn_of
from tests.support.linkage_world import PASSPHRASE, Authority, Caller, World, build
from transport.register import sign_register
from transport.role import Hosted, RoleConfig
from transport.tls import Identity

AGENCY = "setagaya"


@dataclass
class ReplicaWorld:
    """`linkage` as in linkage_world; `intermediate`: configuration of the intermediate server, which runs only inside `standing()`."""

    linkage: World
    intermediate: RoleConfig

    @property
    def spool(self) -> Path:
        return self.linkage.config.spool

    async def replicas(
        self, query: str = "select * from replica order by record_id", *arguments: Any
    ) -> list[asyncpg.Record]:
        """A look inside the intermediate server's schema, or a change there behind everybody's back."""
        admin = await asyncpg.connect(self.linkage.admin_dsn)
        try:
            await admin.execute("select set_config('search_path', $1, false)", self.intermediate.hosted[AGENCY].tenant)
            return await admin.fetch(query, *arguments)
        finally:
            await admin.close()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """The intermediate server serves."""
        async with asyncio.TaskGroup() as group:
            stop = asyncio.Event()
            serving = group.create_task(intermediate_server.serve(self.intermediate, stop))
            await _there(self.intermediate.port, serving)
            yield
            stop.set()

    @asynccontextmanager
    async def served(self, **options: Any) -> AsyncIterator[Caller]:
        """The linkage server serves; whether its intermediate server does is another matter."""
        async with asyncio.TaskGroup() as group:
            config = replace(self.linkage.config, options={**self.linkage.config.options, **options})
            stop = asyncio.Event()
            serving = group.create_task(linkage_server.serve(config, stop))
            connector = aiohttp.TCPConnector(ssl=self.linkage.context())
            async with aiohttp.ClientSession(connector=connector) as client:
                caller = Caller(self.linkage, client)
                await caller.wait_until_there(serving)
                yield caller
            stop.set()


async def _there(port: int, serving: asyncio.Task[None]) -> None:
    for _ in range(500):
        if serving.done():
            serving.result()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
    raise AssertionError("the intermediate server did not come up")


def _fingerprint(identity: Identity) -> str:
    der = ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())
    return hashlib.sha256(der).hexdigest()


async def build_both(folder: Path, cluster_dsn: str) -> ReplicaWorld:
    """A database, keys, certificates and a register that knows both servers; nothing is running yet."""
    tenant = "a_setagaya_intermediate"
    login = Login(name="intermediate", password="p", tenants=(tenant,))
    packages = ("storage.evidence_log", "gateway.intermediate_server")
    beside = ((Tenant(schema=tenant, packages=packages), login),)
    linkage = await build(folder / "linkage", cluster_dsn, beside=beside)
    authority = Authority(folder / "intermediate-ca")
    keys = folder / "intermediate-keys.json"
    store = KeyStore.create(keys, PASSPHRASE, profile="cheapest")
    for purpose in PURPOSES[Program.INTERMEDIATE]:
        store.ensure(purpose)
    root = Signer(generate_seed())
    client = authority.identity("client")
    linkage_client = replace(linkage.config.hosted[AGENCY].identity, ca=authority.ca)
    body = {
        "agencies": [
            {
                "id": AGENCY, "code": "9999999000000001", "name": "世田谷区", "kinds": [], "assessed": True,
                "signing_key": store.ring.signer("signing").public_key.hex(),
            }
        ],
        "certificates": [
            {"sha256": _fingerprint(linkage_client), "agency": AGENCY, "use": "linkage", "name": "linkage"},
        ],
        "logs": [{"origin": f"sekisho.example/{AGENCY}/intermediate", "key": store.ring.signer("log").public_key.hex()}],
        "permit_key": "00" * 32,
    }  # fmt: skip
    register = folder / "register.json"
    register.write_bytes(sign_register(body, root))
    intermediate = replace(
        linkage.config, role="intermediate", folder=folder, port=untaken(1)[0], metrics_port=untaken(1)[0],
        dsn=dsn_of(linkage.admin_dsn, login),
        server=replace(authority.identity("server"), ca=linkage.config.server.ca),
        hosted={AGENCY: Hosted(id=AGENCY, tenant=tenant, identity=client, keys=keys)},
        peers={"core": f"https://127.0.0.1:{untaken(1)[0]}", "interface": f"https://127.0.0.1:{untaken(1)[0]}"},
        register_path=register, register_root=root.public_key, options={},
    )  # fmt: skip
    config = replace(
        linkage.config,
        hosted={AGENCY: replace(linkage.config.hosted[AGENCY], identity=linkage_client)},
        peers={f"intermediate/{AGENCY}": f"https://127.0.0.1:{intermediate.port}"},
        register_path=register,
        register_root=root.public_key,
    )
    return ReplicaWorld(linkage=replace(linkage, config=config), intermediate=intermediate)
