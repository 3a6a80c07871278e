"""The bare round trip: the five requests and six grouped commits of an online inquiry with its cryptography, and no rules at all.

Client → desk → A → core (permit) → A → interface → B → back. Mutual TLS, batching channels, one log entry a commit, Ed25519, X-Wing key pair,
seal and open — the project's own parts, without parsing, lists, tenancy of people, state rows, replicas or checks. What is left between this and
benchmarks/online.py is the price of the rules. `python -m benchmarks.bare [ROUND_TRIPS]`.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from benchmarks.machine import Watch, quantile
from evidence.canonical import encode
from gateway.launcher import Running
from keys.masked import Plaintext, Secret
from keys.sealing import new_one_time_key, open_sealed, seal
from keys.signing import Signer, generate_seed, verify_raw
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.committing import commit
from storage.database import Database
from storage.postgres import discard
from storage.tenancy import open_tenant
from transport import listener, role, tls, wire
from transport.channel import Channel, session

STEP = commit_step("bare", "entry")
PARTS = {"desk": "linkage", "asking": "neighbours-intermediate", "core": "network", "giving": "intermediate"}
AGENCIES = {"desk": "setagaya", "asking": "kyokai-kenpo", "core": "network", "giving": "setagaya"}
SIGNER = Signer(generate_seed())
PAYLOAD = Plaintext(b"x" * 700)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Party:
    """One of the four servers."""

    def __init__(self, config: role.RoleConfig, part: str, database: Database) -> None:
        hosted = config.hosted[AGENCIES[part]]
        self.part = part
        self.committer = Committer(
            database,
            hosted.tenant,
            origin=f"sekisho.example/bare/{part}",
            signer=lambda: SIGNER,
            clock=lambda: datetime.now(UTC),
        )
        self.permits: Channel | None = None
        self.inquiries: Channel | None = None
        self.next: Channel | None = None

    async def record(self, **facts: Any) -> None:
        """One log entry of the usual size, in a group commit."""
        entry_id = secrets.token_hex(13)
        now = datetime.now(UTC)
        body = encode({"id": entry_id, "at": now.isoformat(), "kind": "bare", "filler": "x" * 420, **facts})
        entry = NewEntry(
            entry_id=entry_id, at=now, kind="bare", inquiry_number=entry_id, body=body, personal=secrets.token_bytes(90)
        )
        await self.committer.apply(Commit(step=STEP, entries=(entry,)))

    async def desk(self, item: dict[str, Any]) -> dict[str, Any]:
        assert self.next
        found: dict[str, Any] = await self.next.ask(item)
        return found

    async def asking(self, _item: dict[str, Any]) -> dict[str, Any]:
        assert self.permits is not None
        assert self.inquiries is not None
        pair = new_one_time_key()
        request = encode({"number": secrets.token_hex(13), "filler": "x" * 420})
        signature = SIGNER.sign_raw(request)
        await self.record()
        permit = await self.permits.ask({"request": _text(request), "signature": _text(signature), "code": "x" * 48})
        assert verify_raw(SIGNER.public_key, permit["permit"].encode(), base64.b64decode(permit["signature"]))
        await self.record()
        answer = await self.inquiries.ask(
            {
                "permit": permit["permit"],
                "permit_signature": permit["signature"],
                "public_key": _text(pair.public),
                "request": _text(request),
                "signature": _text(signature),
            }
        )
        assert verify_raw(SIGNER.public_key, base64.b64decode(answer["outcome"]), base64.b64decode(answer["signature"]))
        opened = open_sealed(pair.private, b"info", base64.b64decode(answer["sealed"]))
        await self.record()
        return {"values": opened.reveal().decode()}

    async def permit(self, item: dict[str, Any]) -> dict[str, Any]:
        assert verify_raw(SIGNER.public_key, base64.b64decode(item["request"]), base64.b64decode(item["signature"]))
        permit = "x" * 900
        signature = SIGNER.sign_raw(permit.encode())
        await self.record()
        return {"permit": permit, "signature": _text(signature)}

    async def relay(self, item: dict[str, Any]) -> dict[str, Any]:
        assert self.next
        answer: dict[str, Any] = await self.next.ask(item | {"code": "x" * 48, "nonce": "x" * 44})
        assert verify_raw(SIGNER.public_key, base64.b64decode(answer["outcome"]), base64.b64decode(answer["signature"]))
        await self.record()
        return answer

    async def giving(self, item: dict[str, Any]) -> dict[str, Any]:
        assert verify_raw(SIGNER.public_key, item["permit"].encode(), base64.b64decode(item["permit_signature"]))
        assert verify_raw(SIGNER.public_key, base64.b64decode(item["request"]), base64.b64decode(item["signature"]))
        sealed = seal(base64.b64decode(item["public_key"]), b"info", PAYLOAD)
        outcome = encode({"digest": secrets.token_hex(32), "filler": "x" * 300})
        signature = SIGNER.sign_raw(outcome)
        await self.record()
        return {"outcome": _text(outcome), "signature": _text(signature), "sealed": _text(sealed)}


def _listed(act: Any) -> Any:
    async def route(request: web.Request) -> web.Response:
        items = [msgspec.json.decode(raw) for raw in wire.read_envelope(await request.read()).items]
        return web.Response(
            body=wire.write_envelope(await asyncio.gather(*(act(item) for item in items))),
            content_type="application/json",
        )

    return route


async def serve(part: str, folder: Path) -> None:
    config = role.load(folder)
    hosted = config.hosted[AGENCIES[part]]
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=8)
        stack.push_async_callback(database.close)
        await open_tenant(database, hosted.tenant)
        party = Party(config, part, database)
        client = await stack.enter_async_context(
            session(tls.client_context(hosted.identity, hosted.identity.ca), connections=8)
        )
        app = listener.application()
        loops: list[Any] = [lambda: commit([party.committer])]
        match part:
            case "desk":
                party.next = Channel(client, f"{config.options['asking']}/ask", name="ask", in_flight=6)
                app.router.add_post("/ask", _listed(party.desk))
                loops.append(party.next.run)
            case "asking":
                party.permits = Channel(client, f"{config.peers['core']}/permits", name="permits")
                party.inquiries = Channel(client, f"{config.peers['core']}/relay", name="inquiries")
                app.router.add_post("/ask", _listed(party.asking))
                loops += [party.permits.run, party.inquiries.run]
            case "core":
                party.next = Channel(client, f"{config.peers['intermediate/setagaya']}/give", name="give")
                app.router.add_post("/permits", _listed(party.permit))
                app.router.add_post("/relay", _listed(party.relay))
                loops.append(party.next.run)
            case _:
                app.router.add_post("/give", _listed(party.giving))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        context = tls.server_context(config.server, require_client=part != "desk")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop()) for loop in loops]
            async with listener.listening(
                app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
            ):
                await stop.wait()
            for task in tasks:
                task.cancel()


async def _drive(url: str, ca: Path, trips: int, at_once: int) -> dict[str, float]:
    gate = asyncio.Semaphore(at_once)
    latencies: list[float] = []
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(ca)), limit=256)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def one() -> None:
            async with gate:
                begun = time.perf_counter()
                async with client.post(
                    f"{url}/ask", data=wire.write_envelope([{"ask": 1}]), headers={"Content-Type": "application/json"}
                ) as response:
                    answer = msgspec.json.decode(await response.read())
                    assert len(answer["items"][0]["values"]) == 700
                latencies.append(time.perf_counter() - begun)

        await asyncio.gather(*(one() for _ in range(min(100, trips))))
        latencies.clear()
        watch = Watch()
        await asyncio.gather(*(one() for _ in range(trips)))
        seconds = watch.seconds()
    return {
        "per_second": trips / seconds,
        "p50_ms": 1000 * quantile(latencies, 0.5),
        "p99_ms": 1000 * quantile(latencies, 0.99),
        "steal": watch.steal_percent(),
    }


def measure(trips: int, at_once: int) -> dict[str, float]:
    """Start the four bare servers on a fresh data folder, drive them, stop them."""
    data = Path(tempfile.mkdtemp(prefix="sekisho-bare-"))
    running = Running(data, roles=(), ports="free", key_profile="cheapest")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        running.start()
        folder = running.data.role("linkage") / "role.json"
        stored = msgspec.json.decode(folder.read_bytes())
        stored["options"]["asking"] = running.url("neighbours-intermediate")
        folder.write_bytes(msgspec.json.encode(stored))
        for part, name in PARTS.items():
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.bare", "serve", part, str(running.data.role(name)), SIGNER_SEED],
                    cwd=Path(__file__).resolve().parents[1],
                )
            )
        for part, name in PARTS.items():
            until = time.monotonic() + 30
            while not running.alive(name):
                assert time.monotonic() < until, f"{part} does not answer"
                time.sleep(0.05)
        return asyncio.run(_drive(running.url("linkage"), running.staff("setagaya").ca, trips, at_once))
    finally:
        for process in processes:
            process.terminate()
            process.wait(timeout=20)
        running.stop()
        discard(data)


SIGNER_SEED = secrets.token_hex(32)


def main() -> None:
    global SIGNER  # noqa: PLW0603 (all four processes share one key: there are no rules here)
    if len(sys.argv) > 1 and sys.argv[1] == "serve":
        SIGNER = Signer(Secret(bytes.fromhex(sys.argv[4])))
        asyncio.run(serve(sys.argv[2], Path(sys.argv[3])))
        return
    trips = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    print({name: round(value, 1) for name, value in measure(trips, 100).items()})


if __name__ == "__main__":
    main()
