"""The real servers as their own processes, a small cast of synthetic people, and the calls that tests make again and again."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import asyncpg
from rich.console import Console

from evidence import checkpoint
from evidence.agreement import agree
from evidence.verify import Export, verify
from gateway.demonstration.callers import BusinessSystem, Staff, UnexpectedAnswerError
from gateway.demonstration.exchanging import canonical, loaded
from gateway.demonstration.loading import resident, result_of
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import SEED, WARD, Stage
from gateway.launcher import Running
from gateway.topology import shipped
from storage.postgres import discard
from synthetic.business import MEDICAL_INSURANCE, RECEIVING_ACCOUNT, Business, BusinessRecord
from synthetic.files import write_business_file, write_resident_file
from synthetic.people import Person, PersonMaker
from synthetic.rows import RESIDENT, Addressees, resident_rows, unharmed
from transport.channel import ChannelError
from transport.clock import Clock

ROLES = ("linkage", "intermediate", "neighbours-linkage", "neighbours-intermediate", "network", "resident-network")
ENDED = frozenset({"answered", "not_provided", "refused", "aborted"})
PATIENCE_S = 40.0
RESIDENTS, INSURANCE = "juki", "kokuho"
T = TypeVar("T")


def quick_stage(running: Running, residents: int = 0) -> Stage:
    return Stage(running=running, residents=residents, console=Console(file=io.StringIO()))


@contextmanager
def started(
    folder: Path,
    *,
    roles: Sequence[str] = ROLES,
    options: Mapping[str, Any] | None = None,
    role_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Running]:
    """Every role on free ports, its clock on a day on which 別表第二 is in force; the folder is gone afterwards."""
    offset = (DEMO_DAY - Clock()()).total_seconds()
    given = {
        role: {"clock_offset_s": offset, **(options or {}), **(role_options or {}).get(role, {})}
        for role in shipped().roles
    }
    try:
        with Running(folder, roles=roles, ports="free", options=given, key_profile="cheapest") as running:
            yield running
    finally:
        discard(folder)


async def insisting(call: Callable[[], Awaitable[T]]) -> T:
    """What a careful caller does while a server is away: the same call again (with the same key), and no other error is forgiven."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    while True:
        try:
            return await call()
        except (aiohttp.ClientError, OSError, TimeoutError, ChannelError):
            if loop.time() > until:
                raise
        except UnexpectedAnswerError as problem:
            if ": 503 " not in str(problem) or loop.time() > until:
                raise
        await asyncio.sleep(0.05)


async def until(call: Callable[[], Awaitable[T]], right: Callable[[T], bool], seconds: float = PATIENCE_S) -> T:
    """Call until what comes back is right; what came last is returned either way, for an assertion to look at."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not right(found := await call()) and loop.time() < end:
        await asyncio.sleep(0.05)
    return found


@dataclass(kw_only=True)
class System:
    """A running system and the few people that its agencies know. `filed`: records that a test has brought in so far."""

    running: Running
    filed: list[BusinessRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = quick_stage(self.running)
        self.business = Business(SEED)
        self.maker = PersonMaker(SEED)
        self.insured = [person for person in map(self.maker.person, range(400)) if self.business.is_insured(person)]
        self._fresh = iter(range(10_000, 20_000))

    # --- people

    def new_people(self, count: int) -> list[Person]:
        """People whom nobody has heard of yet."""
        return [self.maker.person(next(self._fresh)) for _ in range(count)]

    @staticmethod
    def number(system: str, person: Person) -> str:
        return Addressees(SEED, system).number(person)

    async def populate(self, people: Sequence[Person]) -> None:
        """The resident network learns of people; that is the outside world."""
        async with self.stage.staff("resident-network", "resident-network") as staff:
            await staff.items("/population", [resident(person) for person in people])

    async def register(self, system: str, people: Sequence[Person]) -> list[dict[str, Any]]:
        items = [
            {
                "addressee_number": self.number(system, person),
                "individual_number": person.individual_number,
                "name": person.name,
                "kana": person.kana,
                "sex": person.sex.value,
                "birth_date": person.birth_date.isoformat(),
                "address": person.address,
                "resident_kind": RESIDENT,
            }
            for person in people
        ]
        async with self.stage.system(system) as caller:
            found: list[dict[str, Any]] = (await caller.post("/v1/addressees", {"items": items}))["items"]
        assert all(one["reason"] is None for one in found)
        return found

    async def obtain_codes(self, system: str) -> dict[str, int]:
        """Codes for everybody of the system's agency who has none; returns people by state."""
        key = secrets.token_hex(16)
        async with self.stage.system(system) as caller:
            answer = await until(
                lambda: insisting(lambda: caller.post("/v1/code-requests", {"wait_ms": 20_000}, key=key)),
                lambda found: bool(found["state"] == "done"),
            )
        people: dict[str, int] = answer["people"]
        return people

    # --- files

    async def load_file(self, system: str, people: Sequence[Person], name: str) -> list[dict[str, str]]:
        """One file of people through the ward's spool; returns its result lines."""
        folder = self.stage.spool("linkage", WARD, system, "addressees")
        written = write_resident_file(folder / "in" / name, unharmed(resident_rows(people, Addressees(SEED, system))))
        return await result_of(folder, written.file.name)

    async def load_records(
        self, system: str, records: Sequence[BusinessRecord], name: str, agency: str = WARD
    ) -> list[dict[str, str]]:
        """One file of business information through an agency's spool; returns its result lines."""
        role = self.stage.role_of(agency, "linkage")
        folder = self.stage.spool(role, agency, system, "business-information")
        written = write_business_file(folder / "in" / name, records)
        return await result_of(folder, written.file.name)

    def insurance(self, person: Person, *, barred: bool = False, **items: str) -> list[BusinessRecord]:
        """An insured person's records at the ward; `items`: other values for items of the 資格情報."""
        records = self.business.medical_insurance(
            person, system=INSURANCE, addressee_number=self.number(INSURANCE, person)
        )
        flag = "barred" if barred else "allowed"
        return [
            replace(
                record,
                auto_response=flag,
                items={**record.items, **items} if record.data_set == "資格情報" else record.items,
            )
            for record in records
        ]

    def account(self, person: Person, *, barred: bool = False) -> BusinessRecord:
        system = "naikaku-gyomu"
        record = self.business.receiving_account(person, system=system, addressee_number=self.number(system, person))
        return replace(record, auto_response="barred" if barred else "allowed")

    # --- inquiries

    def to_the_ward(self, person: Person, system: str = "suginami-gyomu", **changes: Any) -> dict[str, Any]:
        """杉並区 asks the ward under item 27."""
        return {
            "addressee_number": self.number(system, person),
            "provider": WARD,
            "item": "27",
            "information": MEDICAL_INSURANCE,
            "items": [],
            "purpose": "試験の照会",
            "staff": "test-staff",
            **changes,
        }

    def from_the_ward(self, person: Person, system: str = RESIDENTS, **changes: Any) -> dict[str, Any]:
        """The ward asks 内閣総理大臣 under item 42."""
        asked = {"provider": "naikaku", "item": "42", "information": RECEIVING_ACCOUNT}
        return self.to_the_ward(person, system) | asked | changes

    async def ask(
        self, system: str, question: dict[str, Any], *, key: str | None = None, wait_ms: int = 3_000
    ) -> dict[str, Any]:
        """Ask and see it to its end (or to where it is held), through whatever failures lie between."""
        identity = key or secrets.token_hex(16)
        async with self.stage.system(system) as caller:
            answer = (await insisting(lambda: caller.inquire([question], wait_ms=wait_ms, key=identity)))[0]
        return await self.settled(system, answer, ENDED | {"held"})

    async def settled(
        self, system: str, answer: dict[str, Any], states: frozenset[str] = ENDED, seconds: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Look at an inquiry until it is in one of these states."""
        if answer["state"] in states:
            return answer
        async with self.stage.system(system) as caller:
            return await until(
                lambda: self.result(caller, answer["inquiry_number"]), lambda found: found["state"] in states, seconds
            )

    async def result(self, caller: BusinessSystem, number: str) -> dict[str, Any]:
        found: dict[str, Any] = (
            await insisting(lambda: caller.post("/v1/inquiry-results", {"items": [{"inquiry_number": number}]}))
        )["items"][0]
        return found

    async def look(self, system: str, number: str) -> dict[str, Any]:
        """State and result of one inquiry, as this business system sees it."""
        async with self.stage.system(system) as caller:
            return await self.result(caller, number)

    # --- held provisions

    async def held(self, agency: str, inquiry_number: str) -> dict[str, Any]:
        """What the staff of a provider is shown of one held inquiry."""
        async with self.provider_staff(agency) as staff:
            listed = await insisting(lambda: staff.items(f"/{agency}/held-provisions", []))
        return next(one for one in listed if one["inquiry_number"] == inquiry_number)

    async def decide(self, agency: str, held: Mapping[str, Any], *, approve: bool) -> None:
        """Release or refuse; when the server died over it and had decided, `not_held` says so."""
        item = {
            "permit_id": held["permit_id"],
            "approve": approve,
            "content_hash": held["content_hash"],
            "reason": "" if approve else "non_disclosure",
        }
        async with self.provider_staff(agency) as staff:
            tries = 0

            async def once() -> None:
                nonlocal tries
                tries += 1
                try:
                    await staff.items(f"/{agency}/held-provisions/decide", [item])
                except UnexpectedAnswerError as problem:
                    if tries == 1 or not str(problem).endswith("not_held"):
                        raise

            await insisting(once)

    @asynccontextmanager
    async def provider_staff(self, agency: str) -> AsyncIterator[Staff]:
        async with self.stage.staff(agency, self.stage.role_of(agency, "intermediate")) as staff:
            yield staff

    async def faults(self, **switches: int | None) -> None:
        """Make the simulated network misbehave."""
        async with self.stage.staff("network", "network") as staff:
            await staff.post("/control", switches)

    # --- evidence

    async def export(self, agency: str) -> bytes:
        """The whole log of an agency's intermediate server, or of the core."""
        if agency == "network":
            async with self.stage.staff("network", "network") as staff:
                return await insisting(lambda: staff.download("/log"))
        async with self.provider_staff(agency) as staff:
            return await insisting(lambda: staff.download(f"/{agency}/log"))

    async def linkage_log(self) -> bytes:
        """The ward's linkage server's log, read by its auditor."""
        async with self.stage.system("kansa") as auditor:
            return await insisting(lambda: auditor.download("/v1/log"))

    async def exports(self, *agencies: str) -> dict[str, bytes]:
        found = {agency: await self.export(agency) for agency in (*agencies, "network")}
        return {**found, "linkage": await self.linkage_log()}

    def findings(self, exports: Mapping[str, bytes]) -> list[Any]:
        """What the offline verifier and the comparison of the parties find."""
        register = self.running.role("intermediate").register
        trusted = {
            f"{origin}/{year}": checkpoint.format_vkey(f"{origin}/{year}", key)
            for origin, key in register.logs.items()
            for year in (2022, 2023)
        }
        given = [Export(name, data.splitlines(keepends=True)) for name, data in exports.items()]
        return [*verify(given, trusted).findings, *agree(given).findings]

    # --- processes

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """The database administrator, whom no server has."""
        head, _, query = self.running.admin_dsn.partition("?")
        connection = await asyncpg.connect(f"{head.rpartition('/')[0]}/sekisho?{query}")
        try:
            yield connection
        finally:
            await connection.close()

    def reconfigure(self, role: str, **options: Any) -> None:
        """Restart a role with other options in its role.json."""
        file = self.running.data.role(role) / "role.json"
        stored = json.loads(file.read_text(encoding="utf-8"))
        stored["options"] |= options
        file.write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")
        self.running.kill(role)
        self.running.restart(role)

    def option(self, role: str, name: str) -> Any:
        return self.running.role(role).options[name]


def entries(export: bytes, *, number: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
    """The entries of an export, or those of one inquiry or of one kind."""
    lines = (json.loads(line) for line in export.splitlines() if line.startswith(b'{"entry"'))
    found = [json.loads(line["entry"]) for line in lines]
    return [
        one
        for one in found
        if (number is None or one.get("inquiry_number") == number) and (kind is None or one["kind"] == kind)
    ]


def same_values(answer: Mapping[str, Any], records: Sequence[BusinessRecord], items: Sequence[str] = ()) -> bool:
    """Whether an answer holds exactly these records, field by field."""
    return canonical(answer["values"]) == canonical(loaded(records, items))
