"""1,000 agencies in one topology: seconds to set up and to start, and what memory those in use cost (python -m benchmarks.many_agencies).

Beside it the parts' limit in the same run: making as many P-256 keys and certificates and writing as many files durably as set-up must.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.machine import Watch, resident_mb
from gateway.launcher import Running
from gateway.setting_up.authority import open_authority
from gateway.topology import Topology, parse
from storage import durable_file
from storage.postgres import discard
from transport import channel, tls
from transport.clock import Clock

ROLES = ("intermediate", "neighbours-intermediate", "neighbours-linkage", "network", "resident-network")


def topology(agencies: int) -> Topology:
    """The ward, and so many municipalities that answer inquiries when they are asked; none of them has staff or a business system here."""
    towns = [f"machi-{number:04d}" for number in range(1, agencies)]
    hosts = ", ".join(towns)
    lines = ["agencies:", '  - {id: setagaya, code: "9999000000000001", name: 世田谷区長}']
    lines += [
        f'  - {{id: {town}, code: "{9999000000001000 + number}", name: 架空{number}町長, staff: false}}'
        for number, town in enumerate(towns)
    ]
    lines += [
        "roles:",
        "  intermediate: {program: intermediate, hosts: [setagaya], port: 8442, metrics_port: 9462}",
        f"  neighbours-linkage: {{program: linkage, hosts: [{hosts}], port: 8443, metrics_port: 9463}}",
        f"  neighbours-intermediate: {{program: intermediate, hosts: [{hosts}], port: 8444, metrics_port: 9464}}",
        "  network: {program: network, hosts: [network], port: 8445, metrics_port: 9465}",
        "  resident-network: {program: resident-network, hosts: [resident-network], port: 8446, metrics_port: 9466}",
    ]
    return parse("\n".join(lines) + "\n")


async def put_in_use(running: Running, agencies: list[str]) -> None:
    """Each asks its own intermediate server how many codes it has, which opens it."""
    role = running.role("neighbours-linkage")
    for agency in agencies:
        identity = role.hosted[agency].identity
        async with channel.session(tls.client_context(identity, identity.ca)) as client:
            url = f"{running.url('neighbours-intermediate')}/{agency}/code-counts"
            await channel.post(client, url, b'{"items": [{}]}', timeout_s=60)


def use(running: Running, counts: list[int]) -> None:
    """What the process holds with so many agencies in use, and seconds of the first use of one."""
    pid, agencies, used = running.pid("neighbours-intermediate"), list(running.topology.agencies)[2:], 0
    for count in counts:
        begun = time.perf_counter()
        asyncio.run(put_in_use(running, agencies[used:count]))
        each = (time.perf_counter() - begun) / max(1, count - used)
        used = max(used, count)
        print(f"{count} in use: {resident_mb(pid):.0f} MB resident; first use {1000 * each:.0f} ms each")


def start_s(running: Running) -> float:
    begun = time.perf_counter()
    running.start()
    return time.perf_counter() - begun


def parts_s(folder: Path, agencies: int) -> float:
    """The bare parts of set-up: two certificates an agency for fresh keys, and its eight files put in their places."""
    authority = open_authority(folder / "authority", Clock()())
    begun = time.perf_counter()
    for number in range(agencies):
        for use in ("linkage", "intermediate"):
            authority.issue(folder / use, f"a{number}", subject=f"a{number}")
            for kind in ("json", "public.json"):
                durable_file.write(folder / use / f"a{number}.{kind}", b"{}" * 500)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agencies", type=int, default=1_000)
    parser.add_argument("--used", type=int, nargs="+", default=[0, 10, 50])
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    begun = time.perf_counter()
    running = Running(folder / "data", roles=ROLES, ports="free", topology=topology(args.agencies))
    print(f"topology read and checked in {time.perf_counter() - begun:.1f} s")
    try:
        watch = Watch()
        first = start_s(running)
        running.stop()
        again = start_s(running)
        print(
            f"{args.agencies} agencies: first start {first:.1f} s, start again {again:.1f} s (target 60);"
            f" steal {watch.steal_percent():.0f} %"
        )
        use(running, args.used)
        parts = parts_s(folder / "parts", args.agencies)
        print(f"keys, certificates and files alone {parts:.1f} s: {parts / first:.2f} of the first start")
    finally:
        running.stop()
        discard(running.data.root)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
