"""Online provision: permit in → sealed answer sent, at a steady rate offered to a running intermediate server (IS-3).

`python -m benchmarks.provision [PER_SECOND] [SECONDS]`. Target: p99 under 100 ms at 100/s. Every request is about another person, under a permit of
its own, over mutual TLS as the network sends it. They leave at their times whether or not earlier ones were answered (open loop, at most 256
on their way), and each latency counts from the time at which the request was to leave. Beside it the parts of one provision alone, one after
the other in the same run: two signatures verified, one answer sealed and signed, two rows of the same size committed durably.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec

from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from benchmarks.machine import Watch, cpu_seconds, quantile
from benchmarks.replica_registration import AGENCY, INFORMATION, TENANT, TOPOLOGY, record_items, register
from codebook.identifiers import new_sortable_id
from evidence.canonical import timestamp
from gateway.launcher import Running
from gateway.topology import parse
from keys import labels
from keys.binding import bind
from keys.masked import Plaintext
from keys.sealing import seal
from keys.signing import Signer, verify, verify_raw
from partner.messages import Question, SignedRequest, hexdigest, sign_request, text
from storage.migrations import create_database
from storage.postgres import discard
from storage.reference_data import read_permission_list
from transport import channel, tls
from transport.clock import Clock

TARGET_MS: Final = 100
INQUIRER, ITEM, BASIS = "suginami", "48", "meirei-2024"
MOST_ON_THEIR_WAY: Final = 256
WARMING: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The keys of those who are not there: the core, which signs permits, and the inquirer."""

    core: Signer
    inquirer: Signer

    def arriving(self, code: bytes, now: datetime) -> tuple[bytes, SignedRequest]:
        """The body of IF_TKY_90003 about the person of one code, and the request in it."""
        question = Question(
            provider=AGENCY, item=ITEM, information=INFORMATION, basis=BASIS, list_digest=read_permission_list().digest
        )
        signed = sign_request(question, agency=INQUIRER, signer=self.inquirer, now=now)
        said = msgspec.json.decode(signed.request)
        nonce = secrets.token_bytes(32)
        answer_by = said.pop("expires_at")
        claims = PermitClaims(
            **said,
            permit_id=new_sortable_id("K", int(now.timestamp() * 1000), secrets.token_bytes(10)),
            request_digest=hexdigest(signed.request),
            code_binding=hexdigest(nonce + code),
            issued_at=timestamp(now),
            redeem_by=timestamp(now + timedelta(minutes=5)),
            answer_by=answer_by,
        )
        item = {
            "permit": write_permit(claims, self.core), "public_key": text(signed.one_time_key.public), "request": text(signed.request),
            "signature": text(signed.signature), "code": text(code), "nonce": text(nonce),
        }  # fmt: skip
        return msgspec.json.encode({"checkpoint": None, "items": [item]}), signed


async def bind_codes(running: Running, numbers: list[str]) -> list[bytes]:
    """Everybody has a code, by COPY; returns the codes in the same order."""
    ring = running.role("intermediate").open_keys(AGENCY).ring
    codes = [secrets.token_bytes(48) for _ in numbers]
    now = Clock()()
    rows = [
        (secrets.token_bytes(32), number, now, ring.index("codes", bind(labels.LINKAGE_CODE_INDEX, code)), b"-", now)
        for number, code in zip(numbers, codes, strict=True)
    ]
    columns = ("acquisition_index", "integrated_number", "expires_at", "code_index", "code_sealed", "bound_at")
    admin = await asyncpg.connect(await create_database(running.admin_dsn))
    await admin.copy_records_to_table("person_code", records=rows, columns=columns, schema_name=TENANT)
    await admin.close()
    return codes


async def offered(client: aiohttp.ClientSession, url: str, bodies: list[bytes], per_s: int) -> list[float]:
    """Seconds from when each request was to leave to its whole answer, with that answer checked."""
    gate = asyncio.Semaphore(MOST_ON_THEIR_WAY)
    took: list[float] = []

    async def one(body: bytes, at: float) -> None:
        async with gate:
            answer = msgspec.json.decode(await channel.post(client, url, body, timeout_s=20))["items"][0]
        took.append(time.perf_counter() - at)
        assert answer.get("sealed"), answer

    begun = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for nth, body in enumerate(bodies):
            at = begun + nth / per_s
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            group.create_task(one(body, at))
    return took


async def parts(running: Running, parties: Parties, arrived: list[SignedRequest]) -> list[float]:
    """Seconds of each provision's arithmetic and its durable rows alone, one after the other."""
    connection = await asyncpg.connect(await create_database(running.admin_dsn))
    await connection.execute(
        "create schema bare; create table bare.row (id text primary key, row bytea); create table bare.entry (id text primary key, body bytea)"
    )
    took = []
    token = b"x" * 900
    signature = parties.core.sign_raw(token)
    answer = Plaintext(b"x" * 700)
    for signed in arrived:
        begun = time.perf_counter()
        assert verify_raw(parties.core.public_key, token, signature)
        assert verify(parties.inquirer.public_key, labels.INQUIRY, signed.request, signed.signature)
        sealed = seal(signed.one_time_key.public, b"info", answer)
        parties.inquirer.sign(labels.OUTCOME, token[:400])
        await connection.execute(
            "with kept as (insert into bare.row values ($1, $2)) insert into bare.entry values ($1, $3)",
            signed.inquiry_number, sealed + signed.request + signed.one_time_key.public + token, token,
        )  # fmt: skip
        took.append(time.perf_counter() - begun)
    await connection.close()
    return took


async def measure(running: Running, per_s: int, seconds: int) -> None:
    count = per_s * seconds + WARMING
    numbers = [f"{nth:015d}" for nth in range(1, count + 1)]
    items = record_items()
    await register(running, ({**items[nth % len(items)], "record_id": f"r-{number}", "integrated_number": number, "auto_response": "allowed"} for nth, number in enumerate(numbers)))  # fmt: skip
    codes = await bind_codes(running, numbers)
    parties = Parties(
        core=running.role("network").open_keys("network").ring.signer("permit"),
        inquirer=running.role("neighbours-intermediate").open_keys(INQUIRER).ring.signer("signing"),
    )
    identity = running.role("network").hosted["network"].identity
    url = f"{running.url('intermediate')}/{AGENCY}/provisions"
    async with channel.session(tls.client_context(identity, identity.ca), connections=MOST_ON_THEIR_WAY) as client:
        now = datetime.now(UTC)
        made = [parties.arriving(code, now) for code in codes]
        bodies = [body for body, _ in made]
        await offered(client, url, bodies[:WARMING], per_s)
        pid, watch = running.pid("intermediate"), Watch()
        before = cpu_seconds([pid])[pid]
        took = await offered(client, url, bodies[WARMING:], per_s)
        used = cpu_seconds([pid])[pid] - before
        lasted = watch.seconds()
    alone = await parts(running, parties, [signed for _, signed in made[: min(500, count)]])
    found = {f"p{round(100 * q)}": 1000 * quantile(took, q) for q in (0.5, 0.9, 0.99)}
    limit = {f"p{round(100 * q)}": 1000 * quantile(alone, q) for q in (0.5, 0.99)}
    print(
        f"provision at {per_s}/s offered: {len(took):,} in {lasted:.1f} s, {told(found)}, server {1000 * used / len(took):.2f} ms CPU each, steal {watch.steal_percent():.1f} %"
    )
    print(f"parts alone: {told(limit)}; p50 {found['p50'] / limit['p50']:.1f} times the parts")
    print(f"target: p99 under {TARGET_MS} ms at 100/s: {'met' if found['p99'] < TARGET_MS else 'MISSED'}")


def told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.1f} ms" for name, value in values.items())


def main() -> None:
    per_s = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    try:
        with Running(
            data, roles=("intermediate",), ports="free", topology=parse(TOPOLOGY), key_profile="cheapest"
        ) as running:
            asyncio.run(measure(running, per_s, seconds))
    finally:
        discard(data)


if __name__ == "__main__":
    main()
