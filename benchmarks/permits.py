"""Permits per second of a running core: checked, converted, signed, on record and answered, in batches (python -m benchmarks.permits).

Beside it the parts of one permit alone on one core, in the same run: verify the request, open and seal the code, sign the permit, seal the nonce.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from adapters.jlis_mock.core.codes import CodeBook
from adapters.jlis_mock.core.permit_desk import CODE_PURPOSE
from benchmarks.machine import Watch, cpu_seconds, median
from gateway.launcher import Running
from keys import labels
from keys.signing import verify
from partner.asking import Asker
from partner.messages import Question, SignedRequest
from storage.postgres import discard
from storage.reference_data import read_permission_list
from transport import channel, tls
from transport.clock import Clock

INQUIRER, PROVIDER, ITEM = "setagaya", "naikaku", "162"
INFORMATION = "公的給付支給等口座登録簿関係情報"


class Core:
    """A running core, and an agency that asks it for permits."""

    def __init__(self, running: Running) -> None:
        own = running.role("intermediate")
        self.identity = own.hosted[INQUIRER].identity
        self.signer = own.open_keys(INQUIRER).ring.signer("signing")
        self.store = running.role("network").open_keys("network")
        self.book = CodeBook(self.store.ring, [INQUIRER, PROVIDER])
        self.url = running.url("network")
        self.pid = running.pid("network")

    def asker(self, client: object) -> Asker:
        return Asker(agency=INQUIRER, client=client, signer=self.signer, core=self.url, interface=self.url)  # type: ignore[arg-type]

    def asks(self, count: int) -> list[tuple[SignedRequest, bytes]]:
        now = Clock()()
        asker = self.asker(None)
        question = Question(
            provider=PROVIDER,
            item=ITEM,
            information=INFORMATION,
            basis="meirei-2024",
            list_digest=read_permission_list().digest,
            expires_at=now + timedelta(hours=1),
        )
        codes = [self.book.code_of(INQUIRER, secrets.token_bytes(16)) for _ in range(count)]
        return [(asker.build(question, now), code) for code in codes]


async def permitted_per_s(core: Core, asks: list[tuple[SignedRequest, bytes]], batch: int, in_flight: int) -> float:
    async with channel.session(tls.client_context(core.identity, core.identity.ca), connections=in_flight) as client:
        asker = core.asker(client)
        waiting = [asks[start : start + batch] for start in range(0, len(asks), batch)]

        async def work() -> None:
            while waiting:
                answers = await asker.ask_permits(waiting.pop())
                assert all("permit" in answer for answer in answers), answers[0]

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())
        return len(asks) / (time.perf_counter() - begun)


def parts_per_s(core: Core, asks: list[tuple[SignedRequest, bytes]]) -> float:
    """The arithmetic of a permit and nothing else, on one core of the machine."""
    ring, public = core.store.ring, core.signer.public_key
    signer = ring.signer("permit")
    begun = time.perf_counter()
    for signed, code in asks:
        assert verify(public, labels.INQUIRY, signed.request, signed.signature)
        converted = core.book.convert(code, INQUIRER, PROVIDER)
        ring.encrypt(CODE_PURPOSE, converted, b"permit")
        signer.sign_raw(signed.request)
    return len(asks) / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=6_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--in-flight", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        with Running(folder, roles=("network", "resident-network"), ports="free", key_profile="cheapest") as running:
            core = Core(running)
            rates, limits, spent = [], [], []
            watch = Watch()
            for _ in range(args.rounds):
                asks = core.asks(args.count)
                before = cpu_seconds([core.pid])[core.pid]
                rates.append(asyncio.run(permitted_per_s(core, asks, args.batch, args.in_flight)))
                spent.append((cpu_seconds([core.pid])[core.pid] - before) / args.count)
                limits.append(parts_per_s(core, asks))
            print(
                f"permits/s {median(rates):,.0f} (target 2,000), core CPU {1e6 * median(spent):.0f} us each;"
                f" arithmetic alone {median(limits):,.0f}/s on one core: {median(rates) / median(limits):.2f} of it;"
                f" steal {watch.steal_percent():.0f} %"
            )
    finally:
        discard(folder)


if __name__ == "__main__":
    main()
