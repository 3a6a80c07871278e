"""A linkage server in full on loopback: database, certificates, register, key file, role configuration, and neighbours that speak the wire."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.linkage_server import server
from gateway.linkage_server.registration import register_client
from gateway.setting_up.ports import untaken
from keys.masked import Secret
from keys.signing import Signer, generate_seed
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant
from tests.support.cloned_database import cloned, dsn_of
from transport.clock import Clock
from transport.register import sign_register
from transport.role import Hosted, RoleConfig
from transport.tls import Identity, client_context, server_context

PASSPHRASE = Secret(b"for tests only")
PACKAGES = ("storage.evidence_log", "gateway.linkage_server")


class Authority:
    """A CA in a folder; `identity` makes a certificate for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test ca")])
        self.ca = folder / "ca.pem"
        made = self._build(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        made = made.add_extension(usage, critical=True)
        self.ca.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        return (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
        )

    def identity(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        built = self._build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        import ipaddress

        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        built = built.add_extension(names, critical=False)
        built = built.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        certificate = self.folder / f"{name}.pem"
        private = self.folder / f"{name}.key"
        certificate.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Identity(certificate=certificate, key=private, ca=self.ca)


@dataclass
class Neighbours:
    """A resident network and an intermediate server that answer as documented from what they were told."""

    people: dict[str, dict[str, str]] = field(default_factory=dict)
    acquisitions: dict[str, str] = field(default_factory=dict)
    wanted: list[dict[str, Any]] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    requests: list[dict[str, str]] = field(default_factory=list)
    cancelled: dict[str, str] = field(default_factory=dict)
    replacements: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    splits: list[dict[str, str]] = field(default_factory=list)
    replicas: dict[str, dict[str, Any]] = field(default_factory=dict)
    inquiries: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: list[tuple[str, int]] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def _four_items(self, item: dict[str, Any]) -> dict[str, Any]:
        return dict(self.people.get(item["individual_number"], {"unknown": True}))

    def _acquisition(self, item: dict[str, Any]) -> dict[str, Any]:
        number = item["integrated_number"]
        if number in self.bound:
            return {"bound": True}
        return {"acquisition_number": self.acquisitions.setdefault(number, f"P{len(self.acquisitions):026d}")}

    def _code_request(self, item: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(item)
        if item["individual_number"] not in self.people:
            return {"refused": {"reason": "unknown_person"}}
        self.bound |= {number for number, given in self.acquisitions.items() if given == item["acquisition_number"]}
        self.replaced |= {
            wish: given for wish, given in self.replacements.items() if given == item["acquisition_number"]
        }
        return {"accepted": True}

    def _cancellation(self, item: dict[str, Any]) -> dict[str, Any]:
        self.bound.discard(item["integrated_number"])
        self.acquisitions.pop(item["integrated_number"], None)
        self.cancelled[item["integrated_number"]] = item["reason"]
        return {"cancelled": True}

    def _replacement(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["integrated_number"] not in self.bound:
            return {"refused": {"reason": "code_not_bound"}}
        if item["message_id"] in self.replaced:
            return {"bound": True}
        count = 10**9 + len(self.replacements)
        return {"acquisition_number": self.replacements.setdefault(item["message_id"], f"P{count:026d}")}

    def _split(self, item: dict[str, Any]) -> dict[str, Any]:
        self.splits.append(item)
        return {"carried": True}

    def _status(self, item: dict[str, Any]) -> dict[str, Any]:
        number = item["integrated_number"]
        return {"status": "bound" if number in self.bound else "requested" if number in self.acquisitions else "none"}

    def _replica(self, item: dict[str, Any]) -> dict[str, Any]:
        self.replicas[item["record_id"]] = item
        return {"registered": True}

    def _inquiry(self, item: dict[str, Any]) -> dict[str, Any]:
        self.inquiries[item["message_id"]] = item
        number = f"Q{len(self.inquiries):026d}"
        values = [{"data_set": "口座情報", "version": "0001", "items": {"口座番号": {"value": "0000001"}}}]
        answer = {
            "inquiry_number": number,
            "state": "answered",
            "outcome": "provided",
            "reason": None,
            "values": values,
        }
        return answer | {"integrated_number": item["integrated_number"]}

    def _result(self, item: dict[str, Any]) -> dict[str, Any]:
        self.wanted.append(item)
        unknown = dict.fromkeys(("outcome", "reason", "values"))
        return {"inquiry_number": item["inquiry_number"], "state": "registered", **unknown}

    def _endings(self, item: dict[str, Any]) -> dict[str, Any]:
        """Five entries at a time: whoever wants all has to ask on."""
        size = len(self.ended)
        start = item["after"]["index"] if item.get("after") else size
        found = [one["ending"] for one in self.ended[start : start + 5] if one["system"] == item["system"]]
        end = min(start + 5, size)
        return {"endings": found, "next": {"year": 2026, "index": end}, "more": end < size}

    async def take(self, request: web.Request) -> web.Response:
        function = request.path.rsplit("/", 1)[-1]
        if function in self.away:
            return web.json_response({"reason": "storage_unavailable"}, status=503)
        body = msgspec.json.decode(await request.read())
        answer = {
            "four-items": self._four_items,
            "acquisition-numbers": self._acquisition,
            "code-requests": self._code_request,
            "code-status": self._status,
            "code-cancellations": self._cancellation,
            "code-replacements": self._replacement,
            "person-splits": self._split,
            "replicas": self._replica,
            "inquiries": self._inquiry,
            "inquiry-results": self._result,
            "inquiry-endings": self._endings,
        }[function]
        self.lists.append((function, len(body["items"])))
        return web.json_response({"checkpoint": None, "items": [answer(item) for item in body["items"]]})

    @asynccontextmanager
    async def running(self, identity: Identity) -> AsyncIterator[str]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(identity, require_client=True)).start()
        try:
            yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@dataclass
class World:
    """One agency, ready to be served. `admin_dsn` is of the database; `config.peers` point at `neighbours` while they run."""

    config: RoleConfig
    admin_dsn: str
    ca: Path
    neighbours: Neighbours
    neighbour_identity: Identity

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.config.port}"

    @asynccontextmanager
    async def connected(self, agency: str = "setagaya") -> AsyncIterator[asyncpg.Connection]:
        admin = await asyncpg.connect(self.admin_dsn)
        try:
            await admin.execute("select set_config('search_path', $1, false)", self.config.hosted[agency].tenant)
            yield admin
        finally:
            await admin.close()

    async def rows(self, query: str, *arguments: Any, agency: str = "setagaya") -> list[asyncpg.Record]:
        async with self.connected(agency) as admin:
            return await admin.fetch(query, *arguments)

    async def register(
        self,
        client_id: str = "kokuho",
        *,
        agency: str = "setagaya",
        system: str = "kokuho",
        scopes: tuple[str, ...] = (
            "inquiries:create",
            "addressees:register",
            "code-requests:create",
            "business-information:register",
        ),
        may_use_individual_number: bool = True,
    ) -> None:
        full = [f"{system}:{scope}" for scope in scopes]
        secret = Secret(b"secret of " + client_id.encode())
        await register_client(self.config, agency, client_id, secret, system, full, may_use_individual_number)

    @asynccontextmanager
    async def served(self, **options: Any) -> AsyncIterator[Caller]:
        async with self.neighbours.running(self.neighbour_identity) as url, asyncio.TaskGroup() as group:
            peers = {"resident_network": url} | {f"intermediate/{agency}": url for agency in self.config.hosted}
            clock = Clock(timedelta(seconds=options.pop("clock_offset_s", 0)))
            config = replace(self.config, peers=peers, options={**self.config.options, **options}, clock=clock)
            stop = asyncio.Event()
            serving = group.create_task(server.serve(config, stop))
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.context())) as client:
                caller = Caller(self, client)
                await caller.wait_until_there(serving)
                yield caller
            stop.set()

    def context(self) -> ssl.SSLContext:
        return client_context(None, self.ca)


@dataclass
class Answer:
    status: int
    body: Any


class Caller:
    """A business system over HTTPS."""

    def __init__(self, world: World, client: aiohttp.ClientSession) -> None:
        self.world = world
        self.client = client

    async def wait_until_there(self, serving: asyncio.Task[None]) -> None:
        for _ in range(500):
            if serving.done():
                serving.result()
            try:
                async with self.client.get(f"{self.world.url}/openapi.json"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
        raise AssertionError("the server did not come up")

    async def token_answer(self, client_id: str = "kokuho", secret: str | None = None, **form: str) -> Answer:
        shown = secret if secret is not None else f"secret of {client_id}"
        headers = {"Authorization": aiohttp.encode_basic_auth(client_id, shown)}
        data = {"grant_type": "client_credentials", **form}
        async with self.client.post(f"{self.world.url}/oauth/token", data=data, headers=headers) as response:
            return Answer(response.status, await response.json(content_type=None))

    async def token(self, client_id: str = "kokuho", **form: str) -> str:
        answer = await self.token_answer(client_id, **form)
        assert answer.status == 200, answer
        return str(answer.body["access_token"])

    async def post(self, path: str, body: Any, *, token: str | None = None, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        async with self.client.post(f"{self.world.url}{path}", json=body, headers=headers) as response:
            return Answer(response.status, await response.json(content_type=None))


async def build(
    folder: Path,
    cluster_dsn: str,
    *,
    agencies: tuple[str, ...] = ("setagaya",),
    beside: tuple[tuple[Tenant, Login], ...] = (),
) -> World:
    """A database, keys, certificates, register and configuration below `folder`; nothing is running yet. `beside`: who else is in the database."""
    authority = Authority(folder / "ca")
    root = Signer(generate_seed())
    tenants = {agency: f"a_{agency.replace('-', '_')}_linkage" for agency in agencies}
    login = Login(
        name="_".join(("linkage", *agencies)).replace("-", "_"), password="p", tenants=tuple(tenants.values())
    )
    own = [Tenant(schema=schema, packages=PACKAGES) for schema in tenants.values()]
    admin_dsn = await cloned(
        cluster_dsn, [*own, *(tenant for tenant, _ in beside)], [login, *(other for _, other in beside)]
    )
    hosted = {}
    logs = []
    for agency, tenant in tenants.items():
        keys = folder / agency / "keys.json"
        store = KeyStore.create(keys, PASSPHRASE, profile="cheapest")
        logs.append(
            {"origin": f"sekisho.example/{agency}/linkage", "key": store.ensure("log").signer("log").public_key.hex()}
        )
        hosted[agency] = Hosted(id=agency, tenant=tenant, identity=authority.identity(f"client-{agency}"), keys=keys)
    body = {"agencies": [], "certificates": [], "logs": logs, "permit_key": "00" * 32}
    register = folder / "register.json"
    register.write_bytes(sign_register(body, root))
    config = RoleConfig(
        role="linkage", folder=folder, dsn=dsn_of(admin_dsn, login), host="127.0.0.1", port=untaken(1)[0], metrics_port=untaken(1)[0],
        server=authority.identity("server"), hosted=hosted, peers={}, register_path=register, register_root=root.public_key,
        passphrase=PASSPHRASE, spool=folder / "spool", options={"compare_with_resident_network": False, "continuous_codes": False}, fault=None,
    )  # fmt: skip
    return World(
        config=config,
        admin_dsn=admin_dsn,
        ca=authority.ca,
        neighbours=Neighbours(),
        neighbour_identity=authority.identity("neighbours"),
    )


SERVE = """
import asyncio, sys
from pathlib import Path
from gateway.linkage_server import server
from storage import fault_points
from transport import role
if sys.argv[2]:
    fault_points.arm(f"{sys.argv[2]}:{sys.argv[3]}")
asyncio.run(server.serve(role.load(Path(sys.argv[1])), asyncio.Event()))
"""


def write_role(world: World, peers: dict[str, str]) -> None:
    """Write the configuration as set-up does, for a linkage server in a process of its own."""
    config = world.config
    (config.folder / "passphrase").write_bytes(PASSPHRASE.reveal())

    def identity(one: Identity) -> dict[str, str]:
        return {"certificate": str(one.certificate), "key": str(one.key), "ca": str(one.ca)}

    stored = {
        "role": "linkage", "dsn": config.dsn, "host": config.host, "port": config.port, "metrics_port": config.metrics_port,
        "server": identity(config.server), "peers": peers, "register": str(config.register_path), "register_root": config.register_root.hex(),
        "hosted": [{"id": one.id, "tenant": one.tenant, "identity": identity(one.identity), "keys": str(one.keys)} for one in config.hosted.values()],
        "passphrase_file": "passphrase", "spool": str(config.spool), "options": dict(config.options),
    }  # fmt: skip
    (config.folder / "role.json").write_text(json.dumps(stored))


async def start_process(world: World, fault: str = "", passes: int = 1) -> asyncio.subprocess.Process:
    """A linkage server in a process of its own; it dies by SIGKILL at the fault point when one is given."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(world.config.folder), fault, str(passes)
    )
