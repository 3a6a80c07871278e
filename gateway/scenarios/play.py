"""What the steps of one scenario share while it is played: the driven system, its people, and what earlier steps left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from gateway.demonstration.scene import Scene, open_scene
from gateway.demonstration.stage import WARD
from gateway.scenarios.driver import INSURANCE, RESIDENTS, Driver
from gateway.scenarios.scenario import Form, Scenario
from gateway.topology import Topology
from synthetic.business import RECEIVING_ACCOUNT, UNEMPLOYMENT, AccountCase, BusinessRecord
from synthetic.draws import draw, key_for
from synthetic.neighbours import Acquaintance
from synthetic.people import Person

HELD_BY: Final[Mapping[str, str]] = {"naikaku": RECEIVING_ACCOUNT, "kosei-rodo": UNEMPLOYMENT}
"""Provider → the kind of information that scenarios have it hold; every other one holds 医療保険給付関係情報."""
BLOCK: Final = 2_000
"""Indexes of the population from which one scenario takes its people."""
_BLOCKS: Final = 4_000
_HOLDER: Final = {"own": AccountCase.OWN_NAME, "another": AccountCase.ANOTHER_NAME}
MOST_IN_CROWD: Final = 12_000
_CROWDS: Final = BLOCK * (_BLOCKS + 1_000)
"""Where crowds begin, behind all blocks."""


class StepFailedError(Exception):
    """A step could not do what it is there for; the message is a constant or a code, never a value."""


def system_of(agency: str) -> str:
    """The business system by which an agency asks and registers people."""
    return RESIDENTS if agency == WARD else f"{agency}-gyomu"


def systems_of(topology: Topology, agency: str) -> tuple[str, ...]:
    """Every business system of an agency that knows its people."""
    if agency == WARD:
        return RESIDENTS, INSURANCE
    return tuple(one.id for one in topology.agencies[agency].systems if "addressees:register" in one.grants)


def holding_system(agency: str) -> str:
    """The business system whose records an agency provides from."""
    return INSURANCE if agency == WARD else system_of(agency)


@dataclass(kw_only=True)
class Play:
    """One scenario at work. `people`: name → the synthetic person; `folder`: where its file lies; `seen`: step name → what came of it; `numbers`: its inquiries."""

    driver: Driver
    scenario: Scenario
    people: Mapping[str, Person]
    folder: Path
    stack: AsyncExitStack
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    staged: Scene | None = None

    @property
    def block(self) -> int:
        """Where its people begin in the population."""
        return block_of(self.scenario)

    def system(self, asker: str) -> str:
        """The business system that asks: itself where one is named, else its agency's."""
        return system_of(asker) if asker in self.driver.running.topology.agencies else asker

    def crowd(self, count: int) -> list[Person]:
        """People of this scenario who have no name of their own."""
        first = _CROWDS + self.block // BLOCK * MOST_IN_CROWD
        return [self.driver.maker.person(first + nth) for nth in range(count)]

    async def scene(self) -> Scene:
        """The stage of the dishonest, with the first person whom 杉並区 and the ward both know."""
        if self.staged is None:
            for name, person in self.scenario.people.items():
                if {WARD, "suginami"} <= set(person.at) and (person.insurance, person.insured_by) == ("given", WARD):
                    number = self.driver.number(system_of("suginami"), self.people[name])
                    known = Acquaintance(addressee_number=number, person=self.people[name])
                    self.staged = await self.stack.enter_async_context(open_scene(self.driver.stage, known))
                    break
            else:
                raise StepFailedError(
                    "people needs somebody at setagaya and suginami with insurance: given, insured by setagaya"
                )
        return self.staged


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb's form and what it does: words → what came of it, under the names that its form tells."""

    form: Form
    play: Callable[[Play, Any], Awaitable[dict[str, Any]]]


def block_of(scenario: Scenario) -> int:
    """Where in the population the people of a scenario begin; the same for the same title and seed."""
    return BLOCK * (1 + draw(key_for(scenario.seed, f"scenario/{scenario.title}"), 0) % _BLOCKS)


def cast(scenario: Scenario, driver: Driver) -> dict[str, Person]:
    """A fitting person of the scenario's block for each name."""
    found: dict[str, Person] = {}
    indexes = iter(range(block_of(scenario), block_of(scenario) + BLOCK))
    for name, wanted in scenario.people.items():
        found[name] = next(
            person
            for person in map(driver.maker.person, indexes)
            if (wanted.insurance == "none" or driver.business.is_insured(person))
            and (wanted.account == "none" or driver.business.account_case(person) is _HOLDER[wanted.holder])
            and (not wanted.unemployment or driver.business.is_unemployed(person))
        )
    return found


def records_of(scenario: Scenario, people: Mapping[str, Person], driver: Driver, agency: str) -> list[BusinessRecord]:
    """What an agency holds of the scenario's people when it begins."""
    found: list[BusinessRecord] = []
    for name, wanted in scenario.people.items():
        if agency not in wanted.at:
            continue
        if agency == wanted.insured_by and wanted.insurance != "none":
            held = driver.insurance(people[name], system=holding_system(agency), barred=wanted.insurance == "barred")
            found += [replace(record, delegator=wanted.held_for) for record in held]
        if agency == "naikaku" and wanted.account != "none":
            found.append(driver.account(people[name], barred=wanted.account == "barred"))
        if agency == "kosei-rodo" and wanted.unemployment:
            found += unemployment(driver, people[name])
    return found


def unemployment(driver: Driver, person: Person) -> Iterable[BusinessRecord]:
    system = system_of("kosei-rodo")
    return driver.business.unemployment(person, system=system, addressee_number=driver.number(system, person))
