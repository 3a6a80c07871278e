"""SKY2 with its role folder as set-up writes it, a schema of its own, staff certificates, and a linkage server to ask."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from gateway.setting_up.ports import untaken
from keys.masked import Secret
from keys.sealing import new_one_time_key
from keys.signing import Signer
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant, migrate
from storage.postgres import EmbeddedPostgres, dsn
from synthetic.business import AccountCase, Business
from synthetic.people import Person, PersonMaker
from synthetic.rows import Addressees
from tests.adapters.jlis_mock.pki import Authority
from tests.adapters.sky2.linkage_peer import CLIENT_ID, CLIENT_SECRET, Answer, LinkagePeer, answered, linkage_peer
from transport import channel, tls
from transport.clock import Clock
from transport.register import Use, sign_register

ROOT = Path(__file__).resolve().parents[3]
PASSPHRASE = b"a passphrase of tests"
STAFF = "staff-of-the-premium-section"
LINKAGE = "linkage-of-the-ward"
CERTIFICATES = {
    "sky2": ("setagaya", Use.BUSINESS_SYSTEM),
    STAFF: ("setagaya", Use.STAFF),
    "another-member": ("setagaya", Use.STAFF),
    "staff-elsewhere": ("suginami", Use.STAFF),
    LINKAGE: ("setagaya", Use.LINKAGE),
    "linkage-elsewhere": ("suginami", Use.LINKAGE),
}
SEED = 20261124
WARD_SIGNER = Signer(Secret(b"\x09" * 32))
"""Of the ward's intermediate server, which signs orders."""
BACKUP_KEY = new_one_time_key()
BUSINESS = Business(SEED)
ADDRESSEES = Addressees(SEED, "sky2")
MAKER = PersonMaker(SEED)


def people(case: AccountCase, count: int) -> list[Person]:
    """The first people of the seed whose account stands as `case` says."""
    found = (MAKER.person(index) for index in range(5_000))
    matching = (person for person in found if BUSINESS.account_case(person) is case)
    return [person for person, _ in zip(matching, range(count), strict=False)]


def account_answer(person: Person) -> Answer:
    record = BUSINESS.receiving_account(person, system="naikaku", addressee_number="1")
    return answered(record.data_set, record.wire_items())


def person_row(person: Person) -> dict[str, Any]:
    return {
        "addressee_number": ADDRESSEES.number(person),
        "individual_number": person.individual_number,
        "name": person.name,
        "kana": person.kana,
        "birth_date": person.birth_date.isoformat(),
        "address": person.address,
    }


def claim_row(person: Person, claim_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "claim_id": claim_id,
        "addressee_number": ADDRESSEES.number(person),
        "fiscal_year": 2026,
        "amount": 12_300,
        "chose_receiving_account": True,
        "individual_number_written": True,
        **changes,
    }


@dataclass
class Surroundings:
    """Starts and stops SKY2 as a process of its own; calls it as staff; looks into its tables as the administrator."""

    folder: Path
    url: str
    alive_url: str
    schema: str
    admin: asyncpg.Connection[asyncpg.Record]
    peer: LinkagePeer
    sessions: Mapping[str, aiohttp.ClientSession]
    requests: int = 0
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, fault: str | None = None) -> asyncio.subprocess.Process:
        log = (self.folder / "server.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.adapters.sky2.run_server", str(self.folder), *([fault] if fault else []),
            cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        return process

    async def ready(self) -> None:
        """Wait until the process that was started listens."""
        async with aiohttp.ClientSession() as client:
            while self.processes[-1].returncode is None:
                with suppress(aiohttp.ClientError):
                    async with client.get(self.alive_url) as response:
                        await response.read()
                        return
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def post(self, path: str, body: Any, *, who: str = STAFF, key: str | None = None) -> tuple[int, Any]:
        self.requests += 1
        headers = {"Idempotency-Key": key or f"key-{self.requests}"}
        async with self.sessions[who].post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def ok(self, path: str, body: Any, **more: Any) -> Any:
        status, answer = await self.post(path, body, **more)
        assert status == 200, answer
        return answer

    async def load(self, found: Iterable[Person]) -> None:
        rows = [person_row(person) for person in found]
        assert await self.ok("/insured-persons", {"items": rows}) == {"loaded": len(rows), "refused": []}

    async def push(
        self, body: Mapping[str, Any], *, delivery: str, age_s: int = 0, who: str = LINKAGE, secret: str | None = None
    ) -> tuple[int, Any]:
        """What the linkage server does with a change: signs it and posts it."""
        data = json.dumps({"delivery_id": delivery, **body}, ensure_ascii=False).encode()
        at = int(Clock()().timestamp()) - age_s
        signed = f"{at}.{delivery}.".encode() + data
        known = self.peer.push_secret if secret is None else secret
        signature = hmac.digest(known.encode(), signed, "sha256").hex()
        headers = {"Sekisho-Delivery": delivery, "Sekisho-Signature": f"t={at},v1={signature}"}
        async with self.sessions[who].post(f"{self.url}/changes", data=data, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def claims(self) -> dict[str, dict[str, Any]]:
        answer = await self.ok("/refund-claims/list", {})
        return {claim["claim_id"]: claim for claim in answer["items"]}

    async def fetch(self, query: str) -> list[asyncpg.Record]:
        return await self.admin.fetch(query)

    def keys(self) -> KeyStore:
        """SKY2's ring as it lies on the disk now."""
        return KeyStore.open(self.folder / "setagaya.keys", Secret(PASSPHRASE))

    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8")


@asynccontextmanager
async def surroundings(
    folder: Path, postgres: EmbeddedPostgres, admin_dsn: str, schema: str, options: Mapping[str, Any]
) -> AsyncIterator[Surroundings]:
    authority = Authority(folder / "pki")
    identities = {name: authority.issue(name) for name in [*CERTIFICATES, "linkage", "stranger"]}
    tenant = Tenant(schema=schema, packages=("adapters.sky2",))
    await migrate(admin_dsn, [tenant], [Login(name=f"{schema}_login", password="sky2-test", tenants=(schema,))])
    ports = untaken(3)
    _write_folder(folder, identities, dsn(postgres.socket, f"{schema}_login", "sky2-test"), schema, ports, options)
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(linkage_peer(identities["linkage"][0], ports[2]))
        sessions = {
            name: await stack.enter_async_context(channel.session(tls.client_context(identity, identity.ca)))
            for name, (identity, _) in identities.items()
        }
        admin = await asyncpg.connect(admin_dsn.replace("/postgres?", "/sekisho?"))
        stack.push_async_callback(admin.close)
        await admin.execute("select set_config('search_path', $1, false)", schema)
        made = Surroundings(
            folder=folder,
            url=f"https://127.0.0.1:{ports[0]}",
            alive_url=f"http://127.0.0.1:{ports[1]}/alive",
            schema=schema,
            admin=admin,
            peer=peer,
            sessions=sessions,
        )
        stack.push_async_callback(made.stop)
        yield made


def _write_folder(
    folder: Path,
    identities: Mapping[str, tuple[tls.Identity, bytes]],
    login: str,
    schema: str,
    ports: list[int],
    options: Mapping[str, Any],
) -> None:
    root = Signer(Secret(b"\x07" * 32))
    certificates = [
        {"sha256": identities[name][1].hex(), "agency": agency, "use": use.value, "name": name}
        for name, (agency, use) in CERTIFICATES.items()
    ]
    ward = {
        "id": "setagaya",
        "code": "0" * 16,
        "name": "世田谷区",
        "kinds": [],
        "signing_key": WARD_SIGNER.public_key.hex(),
    }
    body = {
        "agencies": [{**ward, "assessed": True}],
        "certificates": certificates,
        "logs": [],
        "permit_key": "00" * 32,
    }
    (folder / "register.json").write_bytes(sign_register(body, root))
    (folder / "passphrase").write_bytes(PASSPHRASE)
    (folder / "client.json").write_text(json.dumps({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}))
    (folder / "backup").mkdir()
    (folder / "backup" / "setagaya.public").write_bytes(BACKUP_KEY.public)
    KeyStore.create(folder / "setagaya.keys", Secret(PASSPHRASE), profile="cheapest")
    own = identities["sky2"][0]
    shown = {"certificate": str(own.certificate), "key": str(own.key), "ca": str(own.ca)}
    role = {
        "role": "sky2",
        "dsn": login,
        "host": "127.0.0.1",
        "port": ports[0],
        "metrics_port": ports[1],
        "server": shown,
        "hosted": [{"id": "setagaya", "tenant": schema, "identity": shown, "keys": "setagaya.keys"}],
        "peers": {"linkage/setagaya": f"https://127.0.0.1:{ports[2]}"},
        "register": "register.json",
        "register_root": root.public_key.hex(),
        "passphrase_file": "passphrase",
        "spool": "spool",
        "options": {"patience_s": 0.5, "follow_up_s": 3600, **options},
    }
    (folder / "role.json").write_text(json.dumps(role))
