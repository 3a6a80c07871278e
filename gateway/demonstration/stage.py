"""What the steps of the demonstration share: the running servers, the synthetic people, and what each step found."""

from __future__ import annotations

import secrets
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway import staff_cards
from gateway.data_folder import FIRST_STAFF, STAFF
from gateway.demonstration.callers import BusinessSystem, Staff, Worker
from gateway.launcher import Running
from gateway.topology import Program
from synthetic.business import Business
from synthetic.neighbours import NEIGHBOURS, Acquaintance, acquaintances
from synthetic.people import Person, population
from synthetic.rows import Addressees

WARD = "setagaya"
RESIDENTS_SYSTEM = "juki"
INSURANCE_SYSTEM = "kokuho"
COLLECTION_SYSTEM = "sky2"
SEED = 20221001


@dataclass(slots=True, kw_only=True)
class Step:
    """One step's outcome. `counts`: what happened how often; `expected`: the same, as it must be; equal means the step is right.

    `checks`: which of them are no counts but things that are so or not.
    """

    name: str
    title: str
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    checks: set[str] = field(default_factory=set)
    rows: list[dict[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.expected) and +self.counts == +self.expected

    def expect(self, name: str, found: int, wanted: int) -> None:
        """Count `found` where `wanted` is right."""
        self.counts[name] += found
        self.expected[name] += wanted

    def lines(self) -> Iterator[tuple[str, str]]:
        """What was found, in its order, what must not be (0) too: name, and count or mark; what is not as it must be says so."""
        for name in dict.fromkeys((*self.expected, *self.counts)):
            found, wanted = self.counts[name], self.expected[name]
            right = found == wanted
            said = ("✓" if right else "✗") if name in self.checks else f"{found:,}"
            yield name, said if right else f"{said}  [red]← 期待 {wanted:,}[/red]"

    def check(self, name: str, right: bool) -> None:  # noqa: FBT001 (one fact)
        """One thing that must be so."""
        self.checks.add(name)
        self.expect(name, int(right), 1)


@dataclass(kw_only=True)
class Stage:
    """The running servers and the people of one demonstration."""

    running: Running
    residents: int
    console: Console
    seed: int = SEED
    steps: list[Step] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    held: list[dict[str, Any]] = field(default_factory=list)
    workers: dict[tuple[str, str], Worker] = field(default_factory=dict)

    @cached_property
    def business(self) -> Business:
        return Business(self.seed)

    @cached_property
    def people(self) -> list[Person]:
        return list(population(self.seed, self.residents))

    @cached_property
    def insured(self) -> list[Person]:
        return [person for person in self.people if self.business.is_insured(person)]

    @cached_property
    def known_to(self) -> dict[str, list[Acquaintance]]:
        """Agency → the people it knows, with its own addressee numbers."""
        return {
            agency: list(acquaintances(neighbour, self.people, seed=self.seed))
            for agency, neighbour in NEIGHBOURS.items()
        }

    def addressees(self, system: str) -> Addressees:
        return Addressees(self.seed, system)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Time a step and show it when it is over."""
        step = Step(name=name, title=title)
        self.console.print(f"[bold]{title}[/bold] …", highlight=False)
        begun = time.monotonic()
        yield step
        step.seconds = time.monotonic() - begun
        self.steps.append(step)
        mark = "[green]OK[/green]" if step.ok else "[red]NG[/red]"
        self.console.print(f"  {mark}  {step.seconds:6.1f} s", highlight=False)
        for what, said in step.lines():
            self.console.print(f"       {what}: {said}", highlight=False)

    @asynccontextmanager
    async def system(self, client_id: str) -> AsyncIterator[BusinessSystem]:
        client = self.running.client(client_id)
        context = ssl.create_default_context(cafile=str(client.ca))
        # reveal: the business system signs in with it
        async with BusinessSystem(client.url, client.client_id, client.secret.reveal().decode(), context) as caller:
            yield caller

    @asynccontextmanager
    async def systems(self, client_ids: list[str]) -> AsyncIterator[dict[str, BusinessSystem]]:
        async with AsyncExitStack() as stack:
            yield {client_id: await stack.enter_async_context(self.system(client_id)) for client_id in client_ids}

    @asynccontextmanager
    async def staff(self, agency: str, role: str, staff_id: str = FIRST_STAFF) -> AsyncIterator[Staff]:
        """A member of an agency's staff at a server; at their own intermediate server they log in."""
        own = agency in self.running.topology.agencies and role == self.role_of(agency, "intermediate")
        terminal = self.running.staff(agency, staff_id if staff_id in STAFF else FIRST_STAFF)
        async with Staff(self.running.url(role), terminal, self.worker(agency, staff_id) if own else None) as caller:
            yield caller

    def worker(self, agency: str, staff_id: str) -> Worker:
        """A synthetic member of staff with what they know and have; one session is shared by all their calls."""
        found = self.workers.get((agency, staff_id))
        if found is None:
            data = self.running.data
            known = staff_cards.read_secrets(data.staff_secrets(agency, staff_id))
            if known is None:
                raise FileNotFoundError("set-up has made no such member of staff")
            card = staff_cards.open_card(data.staff_card(agency, staff_id), agency, staff_id, known.passphrase)
            found = Worker(agency=agency, staff_id=staff_id, known=known, card=card)
            self.workers[(agency, staff_id)] = found
        return found

    def spool(self, role: str, agency: str, system: str, channel: str) -> Path:
        """A business system's spool folder at a linkage server."""
        return self.running.role(role).spool / agency / system / channel

    def role_of(self, agency: str, program: str) -> str:
        """The role that hosts an agency's linkage or intermediate server; nothing when none does."""
        found = self.running.topology.hosting(Program(program), agency)
        return "" if found is None else found.name

    @cached_property
    def exports(self) -> Path:
        folder = self.running.data.root / "exports"
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder


def fresh_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return secrets.token_hex(16)
