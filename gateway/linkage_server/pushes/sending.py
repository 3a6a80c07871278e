"""Deliveries leave: by a signed POST to the system's webhook, or as a file in its folder. At least once, under the same id with the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from prometheus_client import Counter

from gateway.batch import manifest, spool
from gateway.linkage_server.pushes import bodies, store, writing
from gateway.linkage_server.pushes.store import Ready
from gateway.linkage_server.pushes.targets import Target, check_url, wait_s
from gateway.linkage_server.tenant import Agency
from storage.fault_points import declare

SEND_STEP: Final = declare("linkage", "send.pushes")
FILE_STEP: Final = declare("linkage", "send.push_files")
ENDED_STEP: Final = declare("linkage", "commit.pushes.ended")
DELIVERY_HEADER: Final = "Sekisho-Delivery"
SIGNATURE_HEADER: Final = "Sekisho-Signature"
PUSHES = Counter("sekisho_pushes", "Attempts to push by what became of them", ["agency", "system", "outcome"])
CHANNEL: Final = "changes"
_TIMEOUT_S: Final = 10.0
_IN_FLIGHT: Final = 8
_MOST_SENT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`hosts`: whom webhooks may reach, by configuration of the agency; `attempts`: after so many a delivery is given up; `first_wait_s`: before the second."""

    hosts: Collection[str]
    attempts: int
    first_wait_s: float
    spool: Path


def sign(secret: bytes, *, delivery_id: str, at: int, body: bytes) -> str:
    """`t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 over `<seconds>.<delivery id>.<body>`."""
    signed = b"%d.%b.%b" % (at, delivery_id.encode(), body)
    return f"t={at},v1={hmac.digest(secret, signed, 'sha256').hex()}"


async def send_webhooks(agency: Agency, client: aiohttp.ClientSession, target: Target, rules: Rules) -> int:
    """Send what is due; how many were delivered. Raises StorageUnavailableError.

    Each part is looked up when its turn comes: who is frozen while the part before is on its way is not sent any more, nor what the system may not
    see any more.
    """
    delivered = 0
    for _ in range(_MOST_SENT // _IN_FLIGHT):
        sees = await _sees(agency, target.system)
        if sees is None:
            break
        async with agency.database.inside(agency.tenant) as connection:
            part = await store.read_ready(connection, target.system, agency.clock(), _IN_FLIGHT, sees)
        if not part:
            break
        failures = await asyncio.gather(*(_post(agency, client, target, rules, one) for one in part))
        await _keep(agency, target, rules, part, failures)
        delivered += failures.count(None)
        if None not in failures:
            break  # nobody is there: the others need not find that out one by one
    return delivered


async def _sees(agency: Agency, system: str) -> frozenset[str] | None:
    """What a push to the system may show now; None when it may have none."""
    rights = await agency.clients.rights(system)
    return writing.may_see(agency, rights) if rights is not None and rights.may("pushes", "configure") else None


async def _post(agency: Agency, client: aiohttp.ClientSession, target: Target, rules: Rules, one: Ready) -> str | None:
    """None when the receiver took it; else why not. The answer's body is not read: it could say anything."""
    refused = check_url(target.url, rules.hosts)
    if refused is not None or target.secret is None:
        return refused.value if refused else "secret_missing"
    body = agency.keys.open_push(one.sealed, one.delivery_id)
    at = int(agency.clock().timestamp())
    headers = {
        "Content-Type": "application/json",
        DELIVERY_HEADER: one.delivery_id,
        # reveal: to sign with
        SIGNATURE_HEADER: sign(target.secret.reveal(), delivery_id=one.delivery_id, at=at, body=body),
    }
    SEND_STEP.before.reached()
    try:
        async with client.post(
            target.url,
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            allow_redirects=False,
        ) as response:
            status = response.status
    except TimeoutError:
        return "receiver_timeout"
    except aiohttp.ClientSSLError:
        return "receiver_tls"
    except (aiohttp.ClientError, OSError):
        return "receiver_unreachable"
    SEND_STEP.after.reached()
    return None if 200 <= status < 300 else "receiver_refused"


async def _keep(
    agency: Agency, target: Target, rules: Rules, sent: Sequence[Ready], failures: Sequence[str | None]
) -> None:
    """What became of each attempt; a crash before this sends them again under the same ids."""
    now = agency.clock()
    ENDED_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        taken = [one.delivery_id for one, failure in zip(sent, failures, strict=True) if failure is None]
        await store.end(connection, taken, now)
        for one, failure in zip(sent, failures, strict=True):
            if failure is None:
                continue
            if one.attempts + 1 >= rules.attempts:
                await store.give_up(connection, one.delivery_id, failure, now)
            else:
                due_at = now + timedelta(seconds=wait_s(one.attempts + 1, rules.first_wait_s))
                await store.put_off(connection, one.delivery_id, due_at, failure)
    ENDED_STEP.after.reached()
    for failure in failures:
        PUSHES.labels(agency.id, target.system, failure or "delivered").inc()


async def put_files(agency: Agency, target: Target, rules: Rules) -> int:
    """Put the files that are on record into the system's folder; how many deliveries they hold. Raises StorageUnavailableError, OSError."""
    async with agency.database.inside(agency.tenant) as connection:
        files = await store.read_files(connection, target.system)
    return sum([await _put_file(agency, target, rules, file) for file in files])


async def _put_file(agency: Agency, target: Target, rules: Rules, file: str) -> int:
    """The data first, then its manifest, each by rename. What a crash leaves unsaid is put again under the same name."""
    sees = await _sees(agency, target.system)
    if sees is None:
        return 0
    async with agency.database.inside(agency.tenant) as connection:
        ready = await store.read_file(connection, target.system, file, sees)
    if not ready:
        return 0
    lines = [agency.keys.open_push(one.sealed, one.delivery_id) for one in ready]
    data = bodies.header(target.encoding) + b"".join(lines)
    said = manifest.Manifest(
        file=file,
        kind=CHANNEL,
        count=data.count(b"\r\n") - 1,
        sha256=hashlib.sha256(data).hexdigest(),
        encoding=target.encoding,
    )
    out = rules.spool / agency.id / target.system / CHANNEL / "out"
    FILE_STEP.before.reached()
    await asyncio.to_thread(spool.durable, out / file, data)
    await asyncio.to_thread(spool.durable, out / f"{file}{manifest.SUFFIX}", msgspec.json.encode(said))
    FILE_STEP.after.reached()
    await _keep(agency, target, rules, ready, [None] * len(ready))
    return len(ready)
