"""SC-1: what a provider answers can be read by the inquirer alone; the network carries it sealed and has no key for it.

A scanner reads the memory of the running processes. It must find the planted marker at the inquirer and the sealed bytes at the core,
so that its finding nothing of the marker at the core means something.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.jlis_mock.dishonest import Wish, open_answer, payload_info, permit_claims
from gateway.demonstration.another_vendor import vendor
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from keys.errors import KeyUnusable
from keys.masked import Secret
from keys.ring import State
from keys.sealing import SealBroken, open_sealed
from storage.database import Database
from storage.reference_data import read_permission_list
from synthetic.business import MEDICAL_INSURANCE
from tests.support.running_system import INSURANCE

ITEM = "被保険者記号"
_BLOCK = 8 * 1024 * 1024
_PIECE = 64
ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Marker:
    """A value that is in one replica and nowhere else in the world."""

    text: str

    def spellings(self) -> frozenset[bytes]:
        """The forms in which a process or a file may hold it: UTF-8, as Python holds text, hex and base64 at any alignment."""
        plain = self.text.encode()
        shifted = (base64.b64encode(b"\0" * lead + plain + b"\0" * 3) for lead in range(3))
        middles = (text[4 : 4 + len(plain) // 3 * 4 - 4] for text in shifted)
        return frozenset({plain, self.text.encode("utf-16-le"), plain.hex().encode(), *middles})


def readable(pid: int) -> Iterator[tuple[int, int]]:
    """The regions of a process that can be read, without the kernel's own."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, *_, name = line.split(maxsplit=5) if len(line.split(maxsplit=5)) == 6 else [*line.split(), ""]
        if rights.startswith("r") and not name.startswith("[v"):
            first, _, last = span.partition("-")
            yield int(first, 16), int(last, 16)


def memory_holds(pid: int, wanted: Iterable[bytes]) -> set[bytes]:
    """Which of these bytes stand in the memory of a running process."""
    left = set(wanted)
    overlap = max(map(len, left)) - 1
    found: set[bytes] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for first, last in readable(pid):
            at = first
            while at < last and left:
                try:
                    memory.seek(at)
                    data = memory.read(min(_BLOCK, last - at))
                except (OSError, ValueError, OverflowError):
                    break  # a region that went away meanwhile
                if not data:
                    break
                now = {one for one in left if one in data}
                found |= now
                left -= now
                at += len(data) - overlap if len(data) == _BLOCK else len(data)
    return found


def pieces(sealed: bytes) -> set[bytes]:
    """Parts of sealed bytes, raw and as they travel (base64): memory that was freed may be overwritten in part."""
    text = base64.b64encode(sealed)
    return {data[at : at + _PIECE] for data in (sealed, text) for at in range(0, len(data) - _PIECE, _PIECE)}


@pytest.fixture(scope="module")
def planted(job):
    """A marker in a record of one insured person whom 杉並区 knows, filed at the ward: of the last one, about whom no other file of tests asks."""
    marker = Marker(f"目印{secrets.token_hex(6)}")
    person = next(
        one.person
        for one in reversed(job.stage.known_to["suginami"])
        if job.stage.business.is_insured(one.person) and not job.stage.business.is_barred(one.person)
    )
    asyncio.run(_file(job, person, marker))
    return marker, person


async def _file(job, person, marker: Marker) -> None:
    records = [
        replace(record, record_id="marked-1")
        for record in job.system.insurance(person, **{ITEM: marker.text})
        if record.data_set == "資格情報"
    ]
    results = await job.system.load_records(INSURANCE, records, "marked.ndjson")
    assert [row["reason"] for row in results] == [""]


async def _ask(job, person) -> dict:
    number = next(one.addressee_number for one in job.stage.known_to["suginami"] if one.person is person)
    question = job.system.to_the_ward(person, addressee_number=number, items=[ITEM])
    return await job.system.ask("suginami-gyomu", question)


async def _sealed(job, inquiry_number: str) -> bytes:
    """The sealed bytes that the provider sent, as it keeps them for a resend."""
    database = await Database.open(job.system.running.role("intermediate").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_intermediate") as connection:
            found: bytes = await connection.fetchval(
                "select sealed from provision where inquiry_number = $1", inquiry_number
            )
    finally:
        await database.close()
    return found


async def test_the_scanner_finds_the_marker_at_the_inquirer_and_only_the_sealed_bytes_at_the_core(job, planted):
    marker, person = planted
    inquirer, core = job.system.running.pid("neighbours-intermediate"), job.system.running.pid("network")
    at_inquirer: set[bytes] = set()
    at_core: set[bytes] = set()
    leaked: set[bytes] = set()
    for _ in range(ROUNDS):
        answer = await _ask(job, person)
        assert marker.text in {value["value"] for one in answer["values"] for value in one["items"].values()}
        sealed = pieces(await _sealed(job, answer["inquiry_number"]))
        seen = memory_holds(core, {*sealed, *marker.spellings()})
        at_core |= seen & sealed
        leaked |= seen & marker.spellings()
        at_inquirer |= memory_holds(inquirer, marker.spellings())
        assert leaked == set()
        if at_core and at_inquirer:
            break
    assert at_inquirer, "the scanner must be able to find the marker where it is read"
    assert at_core, "the scanner must be able to find at the core what passes through it"


async def test_the_core_never_holds_the_marker_while_answers_pass_through_it(job, planted):
    marker, person = planted
    core = job.system.running.pid("network")
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(_ask(job, person)) for _ in range(60)]
        while not all(task.done() for task in asking):
            assert await asyncio.to_thread(memory_holds, core, marker.spellings()) == set()
            await asyncio.sleep(0)
    assert {task.result()["outcome"] for task in asking} == {"answered"}
    assert memory_holds(core, marker.spellings()) == set()


async def test_no_table_of_the_core_holds_the_marker(job, planted):
    marker, person = planted
    answer = await _ask(job, person)
    spellings = marker.spellings()
    digests = 0
    async with job.system.administrator() as connection:
        tables = [row[0] for row in await connection.fetch("select tablename from pg_tables where schemaname = 'core'")]
        assert {"permit", "log_entry"} <= set(tables)
        for table in tables:
            for row in await connection.fetch(f"select t.* from core.{table} t"):
                for value in row.values():
                    data = value if isinstance(value, bytes) else str(value).encode()
                    assert not any(one in data for one in spellings), table
                    digests += answer["inquiry_number"].encode() in data
    assert digests >= 2, "the exchange itself is in the core's tables"


def test_no_file_of_the_database_and_no_log_holds_the_marker(job, planted):
    """Replicas and results lie sealed: the marker is in no page, no write-ahead log and no operational log of any role."""
    marker, _ = planted
    running = job.system.running
    logs = [running.log(role) for role in running.roles]
    files = [path for path in (running.postgres.home / "cluster").rglob("*") if path.is_file()]
    seen = 0
    for path in (*logs, running.postgres.home / "server.log", *files):
        data = path.read_bytes()
        seen += b"a_setagaya_intermediate" in data or b"provision" in data
        assert not any(one in data for one in marker.spellings()), path.name
    assert seen, "the files are those of this database"


async def test_no_key_of_the_core_opens_what_passes_through_it(job, planted):
    marker, person = planted
    running = job.system.running
    now = running.role("intermediate").clock()
    wish = Wish(
        provider=WARD,
        item="27",
        information=MEDICAL_INSURANCE,
        items=(ITEM,),
        list_digest=read_permission_list(DEMO_DAY.date()).digest,
        basis="beppyo2-2022",
    )
    async with vendor(job.stage) as playing:
        signed = playing.peer.build(wish, now)
        permit = (await playing.peer.ask_permit(signed, await playing.code_of(person, now)))["permit"]
        answer = await playing.peer.present(permit, signed)
    opened = open_answer(answer, permit, signed.one_time_key)
    assert marker.text in str(opened), "whoever holds the one-time key reads it"
    sealed, info = base64.b64decode(answer["sealed"]), payload_info(permit_claims(permit))
    ring = running.role("network").open_keys("network").ring
    usable = [
        (purpose, version)
        for purpose in ring.purposes()
        for version, state in ring.versions(purpose).items()
        if state is not State.DESTROYED
    ]
    assert len(usable) >= 3
    for purpose, version in usable:
        with pytest.raises(SealBroken):
            open_sealed(ring.secret(purpose, 32, version=version), info, sealed)
        for start in (0, 1120):
            with pytest.raises((SealBroken, KeyUnusable)):
                ring.decrypt(purpose, sealed[start:], info)
    with pytest.raises(SealBroken):
        open_sealed(Secret(secrets.token_bytes(32)), info, sealed)
