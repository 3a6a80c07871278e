"""Online inquiry → opened answer, over the real servers: distinct people, no cached answers, durable records at all three parties.

`python -m benchmarks.online [INQUIRIES] [RUNS] [AGENCIES…]`. Every inquiry is one HTTP request of a business system about one person, 100 at a
time. The first eight of each agency open its connections, make its keys of the hour and have its statements planned: they are asked at the same
pace and told apart. After each run the bare round trip (benchmarks/bare.py) is measured in the same minute: the same five requests, six grouped commits, key
pair, seal, open and signatures, without rules. Prints medians, p50 and p99, the ratio to the bare one, CPU seconds per inquiry, and CPU steal.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks import bare
from benchmarks.machine import Watch, children, cpu_seconds, median, quantile
from gateway.demonstration.callers import BusinessSystem, Staff
from gateway.demonstration.loading import resident, result_of
from gateway.demonstration.run import DEMO_DAY
from gateway.launcher import Running
from gateway.topology import Topology, parse
from storage.postgres import discard
from synthetic.business import MEDICAL_INSURANCE, Business, BusinessRecord
from synthetic.files import write_business_file, write_resident_file
from synthetic.people import Person, population
from synthetic.rows import Addressees, resident_rows, unharmed

SEED = 7
AT_ONCE = 100
FIRST = 8
"""Inquiries of each agency that are told apart."""
ROLES = ("linkage", "intermediate", "neighbours-linkage", "neighbours-intermediate", "network", "resident-network")


def topology(agencies: int) -> Topology:
    """The ward and so many health insurance societies (別表第二 3の項, order of 2024 3の項), all fictional."""
    grants = "[addressees:register, code-requests:create, business-information:register, inquiries:create, inquiry-files:spool]"
    societies = [f"kempo-{number:03d}" for number in range(1, agencies + 1)]
    lines = [
        "agencies:",
        '  - {id: setagaya, code: "9999000000000001", name: 世田谷区長, systems: [{id: kokuho, name: 国保, individual_number: true, grants: '
        + grants
        + "}]}",
    ]
    for number, society in enumerate(societies, start=2):
        lines.append(
            f'  - {{id: {society}, code: "9999{number:012d}", name: 架空健康保険組合{number}, kinds: [健康保険組合], '
            f"systems: [{{id: {society}-gyomu, name: 業務, individual_number: true, grants: {grants}}}]}}"
        )
    hosts = ", ".join(societies)
    lines += [
        "roles:",
        "  linkage: {program: linkage, hosts: [setagaya], port: 8441, metrics_port: 9461}",
        "  intermediate: {program: intermediate, hosts: [setagaya], port: 8442, metrics_port: 9462}",
        f"  neighbours-linkage: {{program: linkage, hosts: [{hosts}], port: 8443, metrics_port: 9463}}",
        f"  neighbours-intermediate: {{program: intermediate, hosts: [{hosts}], port: 8444, metrics_port: 9464}}",
        "  network: {program: network, hosts: [network], port: 8445, metrics_port: 9465}",
        "  resident-network: {program: resident-network, hosts: [resident-network], port: 8446, metrics_port: 9466}",
    ]
    return parse("\n".join(lines) + "\n")


def record_of(template: BusinessRecord, addressee_number: str) -> BusinessRecord:
    """The record id is letters alone: among a million in digits some would hold an individual number by chance, and be refused."""
    identity = hashlib.sha256(f"bench/{addressee_number}".encode()).hexdigest()[:32]
    letters = identity.translate(str.maketrans("0123456789", "ghijklmnop"))
    return replace(template, addressee_number=addressee_number, record_id=letters)


def system(running: Running, client_id: str) -> BusinessSystem:
    client = running.client(client_id)
    return BusinessSystem(
        client.url, client.client_id, client.secret.reveal().decode(), ssl.create_default_context(cafile=str(client.ca))
    )


def taken_in(results: list[dict[str, str]]) -> None:
    """Every row of a result file: one that was held or refused would be measured as something else."""
    reasons = Counter(row["reason"] for row in results if row["reason"])
    assert not reasons, f"{reasons.most_common(3)} of {len(results)} rows"


async def load(running: Running, people: list[Person], societies: list[str]) -> None:
    """Everybody is known to the ward, with one replica each; the societies share them out evenly."""
    ward = Addressees(SEED, "kokuho")
    spool = running.role("linkage").spool / "setagaya" / "kokuho"
    written = write_resident_file(spool / "addressees" / "in" / "people.csv", unharmed(resident_rows(people, ward)))
    taken_in(await result_of(spool / "addressees", written.file.name))
    for at, society in enumerate(societies):
        folder = running.role("neighbours-linkage").spool / society / f"{society}-gyomu" / "addressees"
        own = people[at :: len(societies)]
        write_resident_file(
            folder / "in" / "people.csv", unharmed(resident_rows(own, Addressees(SEED, f"{society}-gyomu")))
        )
    for society in societies:
        folder = running.role("neighbours-linkage").spool / society / f"{society}-gyomu" / "addressees"
        taken_in(await result_of(folder, "people.csv"))
    for client_id in ("kokuho", *(f"{society}-gyomu" for society in societies)):
        async with system(running, client_id) as caller:
            for _ in range(6):
                if (await caller.post("/v1/code-requests", {"wait_ms": 300_000}))["state"] == "done":
                    break
    business = Business(SEED)
    insured = next(
        person for person in population(SEED, 10_000) if business.is_insured(person) and not business.is_barred(person)
    )
    template = replace(
        business.medical_insurance(insured, system="kokuho", addressee_number="0")[0], auto_response="allowed"
    )
    records = [record_of(template, ward.number(person)) for person in people]
    written = write_business_file(spool / "business-information" / "in" / "replicas.ndjson", records)
    taken_in(await result_of(spool / "business-information", written.file.name))


async def populate(running: Running, people: list[Person]) -> None:
    async with Staff(running.url("resident-network"), running.staff("resident-network")) as staff:
        for start in range(0, len(people), 5_000):
            await staff.items("/population", [resident(person) for person in people[start : start + 5_000]])


async def ask(running: Running, people: list[Person], societies: list[str]) -> dict[str, float]:
    """Ask about every person once; each inquiry is a request of its own."""
    gate = asyncio.Semaphore(AT_ONCE)
    latencies: list[float] = []
    wrong: list[str] = []
    callers = {society: system(running, f"{society}-gyomu") for society in societies}

    async def one(society: str, number: str, latencies: list[float]) -> None:
        async with gate:
            begun = time.perf_counter()
            answers = await callers[society].inquire(
                [
                    {
                        "addressee_number": number,
                        "provider": "setagaya",
                        "item": "3",
                        "information": MEDICAL_INSURANCE,
                        "items": [],
                        "purpose": "bench",
                        "staff": "bench-1",
                    }
                ]
            )
            latencies.append(time.perf_counter() - begun)
        if answers[0]["outcome"] != "answered" or not answers[0]["values"]:
            wrong.append(f"{answers[0]['state']}/{answers[0]['reason']}")

    work = [
        (society, Addressees(SEED, f"{society}-gyomu").number(person))
        for at, society in enumerate(societies)
        for person in people[at :: len(societies)]
    ]
    work.sort(key=lambda pair: hashlib.sha256(pair[1].encode()).digest())
    asked = Counter[str]()
    first: list[tuple[str, str]] = []
    then: list[tuple[str, str]] = []
    for society, number in work:
        asked[society] += 1
        (first if asked[society] <= FIRST else then).append((society, number))
    opening: list[float] = []
    watch = Watch()
    await asyncio.gather(*(one(*pair, opening) for pair in first))
    per_second, (p50, p99) = len(first) / watch.seconds(), (1000 * quantile(opening, q) for q in (0.5, 0.99))
    print(f"    the first {len(first)}: {per_second:.1f}/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms", flush=True)
    pids = [running.pid(role) for role in ROLES]
    assert running.postgres is not None
    assert running.postgres.pid is not None
    backends = children(running.postgres.pid)
    before = cpu_seconds([*pids, *backends])
    watch = Watch()
    asking = time.process_time()
    await asyncio.gather(*(one(*pair, latencies) for pair in then))
    seconds, busy, asking = watch.seconds(), watch.busy_seconds(), time.process_time() - asking
    after = cpu_seconds([*pids, *backends])
    for caller in callers.values():
        await caller.__aexit__()
    assert not wrong, f"{len(wrong)} wrong answers, e.g. {wrong[0]}"
    spent = {role: after[pid] - before[pid] for role, pid in zip(ROLES, pids, strict=True)}
    spent |= {"PostgreSQL": sum(after[pid] - before[pid] for pid in backends), "load generator": asking}
    spent |= {"all else": busy - sum(spent.values())}
    for name, cpu in spent.items():
        print(f"      {name:26s} {1000 * cpu / len(then):6.2f} ms CPU per inquiry")
    return {
        "per_second": len(then) / seconds,
        "p50_ms": 1000 * quantile(latencies, 0.5),
        "p99_ms": 1000 * quantile(latencies, 0.99),
        "cpu_ms": 1000 * sum(after[pid] - before[pid] for pid in (*pids, *backends)) / len(then),
        "steal": watch.steal_percent(),
    }


def measure(inquiries: int, runs: int, agencies: int) -> dict[str, float]:
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    societies = [f"kempo-{number:03d}" for number in range(1, agencies + 1)]
    people = list(population(SEED, inquiries * runs))
    found: list[dict[str, float]] = []
    bares: list[float] = []
    try:
        with Running(
            data, roles=ROLES, ports="free", topology=topology(agencies), clock=DEMO_DAY, key_profile="cheapest"
        ) as running:
            asyncio.run(populate(running, people))
            asyncio.run(load(running, people, societies))
            for run in range(runs):
                found.append(asyncio.run(ask(running, people[run * inquiries : (run + 1) * inquiries], societies)))
                print("   ", {name: round(value, 1) for name, value in found[-1].items()}, flush=True)
                bares.append(bare.measure(inquiries, AT_ONCE)["per_second"])
                print(f"    bare round trip {bares[-1]:.0f}/s", flush=True)
    finally:
        discard(data)
    result = {name: median([one[name] for one in found]) for name in found[0]}
    result["bare_per_second"] = median(bares)
    result["ratio"] = median([one["per_second"] / other for one, other in zip(found, bares, strict=True)])
    return result


def main() -> None:
    inquiries = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for agencies in [int(value) for value in sys.argv[3:]] or [1, 10, 100]:
        print(f"online inquiry, {agencies} inquiring agencies, {inquiries} inquiries, {AT_ONCE} at a time, {runs} runs")
        result = measure(inquiries, runs, agencies)
        print(json.dumps({name: round(value, 2) for name, value in result.items()}))


if __name__ == "__main__":
    main()
