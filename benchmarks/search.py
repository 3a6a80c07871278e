"""Search of people (LS-1.4) at the size of a ward, over HTTPS, beside a bare indexed SELECT of the same run.

`python -m benchmarks.search [PEOPLE] [SEARCHES]`. The tables are filled by COPY with synthetic people, sealed and indexed under the agency's own
keys; then the real linkage server answers: token, rights, tokens, opened and compared items, and the look in the evidence log before each answer.
Prints p50, p95 and CPU by kind of search, one at a time and eight at a time, the size of the tokens, and the indexer's own speed.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Iterator

import asyncpg
import msgspec

from benchmarks.machine import Watch, cpu_seconds, database_seconds, quantile, thrown_away
from codebook.issuing import issue_many
from gateway.demonstration.callers import BusinessSystem, UnexpectedAnswerError
from gateway.launcher import Running
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.search import tokens
from gateway.linkage_server.search.indexer import made_under
from gateway.linkage_server.search.tokens import Pair
from gateway.topology import parse
from storage.migrations import create_database
from synthetic.people import SURNAME_MARK, SURNAME_MARK_KANA, population

SEED = 11
TENANT = "a_setagaya_linkage"
AT_ONCE = 8
TOPOLOGY = """
agencies:
  - {id: setagaya, code: "9999000000000001", name: 世田谷区長, systems: [
      {id: kokuho, name: 国保, individual_number: true, grants: [persons:search, integrated-numbers:read]}]}
roles:
  linkage: {program: linkage, hosts: [setagaya], port: 8441, metrics_port: 9461}
  intermediate: {program: intermediate, hosts: [setagaya], port: 8442, metrics_port: 9462}
  network: {program: network, hosts: [network], port: 8445, metrics_port: 9465}
  resident-network: {program: resident-network, hosts: [resident-network], port: 8446, metrics_port: 9466}
"""
CHUNK = 20_000
PERSON = ("integrated_number", "individual_number_index", "individual_number_sealed", "four_items_sealed")
ADDRESSEE = ("business_system_id", "addressee_number", "integrated_number", "resident_kind", "intake_id")
STATED = {"staff": "bench-1", "affair": "insurance-qualification", "reason": "測定"}


def people(count: int) -> Iterator[tuple[list[str], str]]:
    """Four items and 個人番号. The mark of synthetic people stands behind the surname here: in front, all would begin alike."""
    for one in population(SEED, count):
        name, _, given = one.name.removeprefix(SURNAME_MARK).partition("　")
        kana, _, given_kana = one.kana.removeprefix(SURNAME_MARK_KANA).partition("　")
        yield (
            [
                f"{name}　{given}{SURNAME_MARK}",
                f"{kana}　{given_kana}{SURNAME_MARK_KANA}",
                one.sex.value,
                one.birth_date.isoformat(),
                one.address,
            ],
            one.individual_number,
        )


async def fill(dsn: str, keys: PersonalKeys, count: int) -> None:
    """COPY in one transaction, so that the running indexer finds everything done."""
    numbers = issue_many(keys.issuing_key(), 0, count)
    everybody = people(count)
    columns = ("integrated_number", *(pair.value for pair in Pair))
    making = 0.0
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute("select set_config('search_path', $1, false)", TENANT)
        async with admin.transaction():
            for start in range(0, count, CHUNK):
                chunk = list(zip(numbers[start : start + CHUNK], everybody, strict=False))
                persons = [
                    (
                        number,
                        keys.index_of(individual),
                        keys.seal_individual_number(individual, number),
                        keys.seal_four_items(msgspec.json.encode(items), number),
                    )
                    for number, (items, individual) in chunk
                ]
                begun = time.perf_counter()
                made = [
                    (number, *(found.get(pair) for pair in Pair))
                    for number, (items, _) in chunk
                    for found in [tokens.tokens_of(tokens.keys_of(items), keys.search_token)]
                ]
                making += time.perf_counter() - begun
                addressees = [
                    ("kokuho", f"{start + at:010d}", number, "住民", 0) for at, (number, _) in enumerate(chunk)
                ]
                await admin.copy_records_to_table("person", records=persons, columns=PERSON)
                await admin.copy_records_to_table("addressee", records=addressees, columns=ADDRESSEE)
                await admin.copy_records_to_table("search_token", records=made, columns=columns)
            await admin.execute(
                "update search_progress set revision = (select max(revision) from person), made_under = $1",
                made_under(keys),
            )
        await admin.execute("analyze person, addressee, search_token")
        size = await admin.fetchval("select pg_total_relation_size('search_token')")
        heap = await admin.fetchval("select pg_relation_size('search_token')")
    finally:
        await admin.close()
    print(
        f"tokens: {size / count:.0f} bytes a person ({heap / count:.0f} rows, the rest its indexes), {len(Pair)} tokens a person"
    )
    print(f"making tokens: {count / making:,.0f} people/s of one CPU")


def questions(count: int, searches: int) -> dict[str, list[dict[str, str]]]:
    """Searches for people who are there, spread over everybody, by kind."""
    asked: dict[str, list[dict[str, str]]] = {}
    every = max(1, count // searches)
    for at, ((name, kana, _, birth_date, address), individual) in enumerate(people(count)):
        if at % every:
            continue
        for kind, question in {
            "kana prefix + birth date": {"kana": kana[:4], "birth_date": birth_date},
            "name + birth date": {"name": name.removesuffix(SURNAME_MARK), "birth_date": birth_date},
            "birth date + address prefix": {"birth_date": birth_date, "address": address[:13]},
            "kana prefix + address prefix": {"kana": kana.replace("　", "")[:4], "address": address[:12]},
            "name + address": {"name": name.replace("　", "")[:3], "address": address},
            "addressee number": {"addressee_number": f"{at:010d}"},
            "individual number": {"individual_number": individual},
        }.items():
            asked.setdefault(kind, []).append(question)
    return asked


async def bare(dsn: str, keys: PersonalKeys, count: int, searches: int) -> list[float]:
    """One row of `person` by its key over the same socket, prepared, in a transaction of the tenant like the server's."""
    numbers = issue_many(keys.issuing_key(), 0, count)[:: max(1, count // searches)]
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("select set_config('search_path', $1, false)", TENANT)
        one = await connection.prepare("select four_items_sealed, state from person where integrated_number = $1")
        took = []
        for number in numbers:
            begun = time.perf_counter()
            assert await one.fetchrow(number) is not None
            took.append(time.perf_counter() - begun)
        return took
    finally:
        await connection.close()


async def search(caller: BusinessSystem, asked: list[dict[str, str]], at_once: int) -> tuple[list[float], int, int]:
    """Latencies in seconds, people found on first pages, searches that found too many."""
    gate = asyncio.Semaphore(at_once)
    took: list[float] = []
    found = too_many = 0

    async def one(question: dict[str, str]) -> None:
        nonlocal found, too_many
        async with gate:
            begun = time.perf_counter()
            try:
                answer = await caller.post("/v1/persons/search", STATED | question)
            except UnexpectedAnswerError as refused:
                if "too_many_found" not in str(refused):
                    raise
                too_many += 1
            else:
                assert answer["items"], question
                found += len(answer["items"])
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*(one(question) for question in asked))
    return took, found, too_many


async def measure(running: Running, count: int, searches: int) -> None:
    keys = PersonalKeys(running.role("linkage").open_keys("setagaya").ring)
    dsn = await create_database(running.admin_dsn)
    await fill(dsn, keys, count)
    alone = await bare(dsn, keys, count, searches)
    client = running.client("kokuho")
    context = ssl.create_default_context(cafile=str(client.ca))
    asked = questions(count, searches)
    async with BusinessSystem(client.url, client.client_id, client.secret.reveal().decode(), context) as caller:
        await search(caller, next(iter(asked.values()))[:50], 1)
        watch = Watch()
        print(f"bare indexed SELECT: p50 {ms(alone, 0.5)}, p95 {ms(alone, 0.95)}")
        everything: list[float] = []
        for kind, list_of in asked.items():
            before = cpu(running)
            took, found, too_many = await search(caller, list_of, 1)
            used = [1000 * (after - earlier) / len(took) for earlier, after in zip(before, cpu(running), strict=True)]
            everything += took
            print(
                f"{kind:30} p50 {ms(took, 0.5)}, p95 {ms(took, 0.95)}; CPU {used[0]:.1f} + database {used[1]:.1f} ms a search; "
                f"{found / len(took):.1f} on the page, {too_many} too many"
            )
        print(
            f"{'all, one at a time':30} p50 {ms(everything, 0.5)}, p95 {ms(everything, 0.95)}; steal {watch.steal_percent():.1f} %"
        )
        mixed = [question for group in zip(*asked.values(), strict=True) for question in group]
        watch = Watch()
        took, _, _ = await search(caller, mixed, AT_ONCE)
        print(
            f"{f'all, {AT_ONCE} at a time':30} p50 {ms(took, 0.5)}, p95 {ms(took, 0.95)}; {len(took) / watch.seconds():.0f}/s; steal {watch.steal_percent():.1f} %"
        )


def cpu(running: Running) -> tuple[float, float]:
    """CPU seconds so far of the linkage server and of the database."""
    pid = running.pid("linkage")
    return cpu_seconds([pid])[pid], database_seconds()


def ms(values: list[float], q: float) -> str:
    return f"{1000 * quantile(values, q):.2f} ms"


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    searches = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with (
        thrown_away("sekisho-search-") as data,
        Running(data, roles=("linkage",), ports="free", topology=parse(TOPOLOGY), key_profile="cheapest") as running,
    ):
        print(f"{count:,} people, {searches} searches of each kind")
        asyncio.run(measure(running, count, searches))
    return 0


if __name__ == "__main__":
    sys.exit(main())
