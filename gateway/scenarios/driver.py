"""Drives a running system through its real interfaces: people, records, inquiries, staff, faults, evidence. Scenarios and tests use it."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import aiohttp
import asyncpg
from rich.console import Console

from evidence.agreement import agree
from evidence.findings import Finding
from evidence.verify import Export, verify
from gateway.data_folder import FIRST_STAFF, STAFF
from gateway.demonstration.callers import BusinessSystem, Staff, UnexpectedAnswerError
from gateway.demonstration.exchanging import canonical, loaded
from gateway.demonstration.loading import resident, result_of
from gateway.demonstration.stage import SEED, WARD, Stage
from gateway.launcher import Running
from gateway.tracing.settling import behind
from synthetic.business import MEDICAL_INSURANCE, RECEIVING_ACCOUNT, Business, BusinessRecord
from synthetic.files import write_business_file, write_resident_file
from synthetic.people import Person, PersonMaker
from synthetic.rows import RESIDENT, Addressees, resident_rows, unharmed
from transport.channel import ChannelError

ENDED: Final = frozenset({"answered", "not_provided", "refused", "aborted"})
_EXPORTED_ANEW: Final = 3
PATIENCE_S: Final = 40.0
RESIDENTS, INSURANCE = "juki", "kokuho"
T = TypeVar("T")


def quick_stage(running: Running, residents: int = 0, seed: int = SEED) -> Stage:
    """A stage that prints nothing."""
    return Stage(running=running, residents=residents, console=Console(file=io.StringIO()), seed=seed)


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
    found = await call()
    while not right(found) and loop.time() < end:
        await asyncio.sleep(0.05)
        found = await call()
    return found


@dataclass(kw_only=True)
class Driver:
    """A running system and the few people that its agencies know. `filed`: records that were brought in so far."""

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

    def row(self, system: str, person: Person, number: str | None = None) -> dict[str, str]:
        """A person as a business system sends them, under their own 個人番号 unless another is said."""
        return {
            "addressee_number": self.number(system, person),
            "individual_number": number or person.individual_number,
            "name": person.name,
            "kana": person.kana,
            "sex": person.sex.value,
            "birth_date": person.birth_date.isoformat(),
            "address": person.address,
            "resident_kind": RESIDENT,
        }

    async def register(self, system: str, people: Sequence[Person]) -> list[dict[str, Any]]:
        items = [self.row(system, person) for person in people]
        async with self.stage.system(system) as caller:
            found: list[dict[str, Any]] = (await caller.post("/v1/addressees", {"items": items}))["items"]
        refused = {str(one["reason"]) for one in found if one["reason"] is not None}
        if refused:
            raise RuntimeError(f"people were not registered: {', '.join(sorted(refused))}")
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

    def insurance(
        self, person: Person, *, system: str = INSURANCE, barred: bool = False, **items: str
    ) -> list[BusinessRecord]:
        """An insured person's records at the ward, or in another municipality's `system`; `items`: other values for items of the 資格情報."""
        records = self.business.medical_insurance(person, system=system, addressee_number=self.number(system, person))
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
        """The line of one held inquiry in the list of the provider's staff."""
        async with self.provider_staff(agency) as staff:
            listed = await insisting(lambda: staff.items(f"/{agency}/held-provisions", []))
        return next(one for one in listed if one["inquiry_number"] == inquiry_number)

    async def decide(
        self, agency: str, held: Mapping[str, Any], *, approve: bool, reason: str = "non_disclosure"
    ) -> None:
        """Look and release, or refuse, with a second person where the agency wants two; when the server died over it and had decided, it says so."""
        for staff_id in STAFF:
            if not (await self._decide_as(agency, staff_id, held, None if approve else reason)).get("approved"):
                return

    async def seen(self, staff: Staff, agency: str, held: Mapping[str, Any]) -> dict[str, Any]:
        """What this member of staff is shown of it, with the hash that they approve by."""
        item = {"permit_id": held["permit_id"]}
        found: dict[str, Any] = (await insisting(lambda: staff.items(f"/{agency}/held-provisions", [item])))[0]
        return found

    async def _decide_as(
        self, agency: str, staff_id: str, held: Mapping[str, Any], reason: str | None
    ) -> dict[str, Any]:
        """`reason`: why it is refused; None: it is released."""
        async with self.provider_staff(agency, staff_id) as staff:
            item = {
                "permit_id": held["permit_id"],
                "approve": reason is None,
                "content_hash": (await self.seen(staff, agency, held))["content_hash"] if reason is None else "",
                "reason": reason or "",
            }
            tries = 0

            async def once() -> dict[str, Any]:
                nonlocal tries
                tries += 1
                try:
                    answer: dict[str, Any] = (await staff.items(f"/{agency}/held-provisions/decide", [item]))[0]
                except UnexpectedAnswerError as problem:
                    if tries > 1 and str(problem).endswith(("not_held", "second_person_needed")):
                        return {"approved": str(problem).endswith("second_person_needed")}
                    raise
                return answer

            return await insisting(once)

    @asynccontextmanager
    async def provider_staff(self, agency: str, staff_id: str = FIRST_STAFF) -> AsyncIterator[Staff]:
        async with self.stage.staff(agency, self.stage.role_of(agency, "intermediate"), staff_id) as staff:
            yield staff

    async def as_staff(
        self, agency: str, who: str, path: str, item: Mapping[str, Any], *, purpose: str | None = None
    ) -> list[Any] | str:
        """What an agency's intermediate server answers a member of its staff to one item, or the reason why it does not.

        `purpose`: what they show both factors for anew.
        """
        async with self.provider_staff(agency, who) as staff:
            try:
                proof = {} if purpose is None else {"proof": await staff.prove(purpose)}
                return await staff.items(f"/{agency}/{path}", [{**item, **proof}])
            except UnexpectedAnswerError as problem:
                return str(problem).rpartition(" ")[2]

    async def faults(self, **switches: int | None) -> dict[str, int | None]:
        """Make the simulated network misbehave; all its switches."""
        async with self.stage.staff("network", "network") as staff:
            found: dict[str, int | None] = await staff.post("/control", switches)
        return found

    # --- evidence

    async def export(self, agency: str) -> bytes:
        """The whole log of an agency's intermediate server, or of the core."""
        if agency == "network":
            async with self.stage.staff("network", "network") as staff:
                return await insisting(lambda: staff.download("/log"))
        async with self.provider_staff(agency) as staff:
            return await insisting(lambda: staff.download(f"/{agency}/log"))

    async def log_search(self, party: str, number: str) -> list[dict[str, Any]]:
        """The entries of one inquiry in a party's log, of any year: an agency, `network`, or `linkage` (the ward's linkage server)."""
        asked = [{"inquiry_number": number}]
        if party == "linkage":
            async with self.stage.system("kansa") as auditor:
                found = (await insisting(lambda: auditor.post("/v1/log/search", {"items": asked})))["items"]
        elif party == "network":
            async with self.stage.staff("network", "network") as staff:
                found = await insisting(lambda: staff.items("/log/search", asked))
        else:
            async with self.provider_staff(party) as staff:
                found = await insisting(lambda: staff.items(f"/{party}/log/search", asked))
        entries_found: list[dict[str, Any]] = found[0]["entries"]
        return entries_found

    async def linkage_log(self) -> bytes:
        """The ward's linkage server's log, read by its auditor."""
        async with self.stage.system("kansa") as auditor:
            return await insisting(lambda: auditor.download("/v1/log"))

    async def exports(self, *agencies: str) -> dict[str, bytes]:
        """The whole logs of these agencies, of the core (`network`) and of the ward's linkage server (`linkage`).

        Logs grow while they are exported one after another: one of which another holds more by then is exported anew.
        """
        found = {agency: await self.export(agency) for agency in (*agencies, "network")}
        found["linkage"] = await self.linkage_log()
        for _ in range(_EXPORTED_ANEW):
            late = behind(self.findings(found))
            if not late:
                break
            for label in late:
                found[label] = await (self.linkage_log() if label == "linkage" else self.export(label))
        return found

    def findings(self, exports: Mapping[str, bytes]) -> list[Finding]:
        """What the offline verifier and the comparison of the parties find."""
        register = self.running.role("intermediate").register
        trusted = {f"{origin}/{year}": keys for origin, keys in register.logs.items() for year in range(2021, 2040)}
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
