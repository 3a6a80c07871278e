"""Plays scenarios in one running system: everybody is there before the first one begins, then one after another.

The outcome says names, states, reasons and kinds of records, and nothing that is drawn anew each time: the same scenario with the same seed
gives the same bytes, by itself or behind others.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec

from adapters.jlis_mock import lines
from adapters.jlis_mock.faults import Switch
from adapters.jlis_mock.lines import Bad, Setting
from gateway import full_log
from gateway.data_folder import SKEW_FILE
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.run import DEMO_DAY
from gateway.launcher import RoleNotStartedError, Running
from gateway.linkage_server.supervision import place_of
from gateway.scenarios.driver import Driver
from gateway.scenarios.play import Play, StepFailedError, cast, holding_system, records_of, system_of, systems_of
from gateway.scenarios.scenario import DEFAULT, Scenario, Step
from gateway.scenarios.topologies import TOPOLOGIES
from gateway.scenarios.words import VERBS
from storage.postgres import discard
from synthetic.people import Person
from transport.channel import ChannelError
from transport.clock import SharedOffset

ROLES: Final = (
    "linkage",
    "intermediate",
    "neighbours-linkage",
    "neighbours-intermediate",
    "network",
    "resident-network",
)
_YEARS: Final = timedelta(days=3650).total_seconds()
_STAFF: Final = dict.fromkeys(
    ("staff_password_for", "staff_initial_for", "staff_card_for", "staff_account_for"), _YEARS
)
"""Nobody changes a password or a card while a scenario lets years pass."""
OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "linkage": {
        "continuous_codes": False, "inquiry_file_patience_s": 4, "inquiry_file_look_s": 0.3, "inquiry_file_supplement_look_s": 0.5,
    },
    "neighbours-linkage": {"continuous_codes": False},
    "intermediate": {
        **_STAFF, "resend_after_s": 1, "list_poll_s": 0.5, "code_epochs_poll_s": 0.5, "statistics_threshold": 3,
        "staff_two_person_release": ["*"],
    },
    "neighbours-intermediate": {**_STAFF, "resend_after_s": 1, "list_poll_s": 0.5},
}  # fmt: skip
_FAILURES: Final = (
    StepFailedError, UnexpectedAnswerError, ChannelError, aiohttp.ClientError, asyncpg.PostgresError, RoleNotStartedError, RuntimeError, OSError,
    TimeoutError, StopIteration, StopAsyncIteration, LookupError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a step, and where that is not what the scenario expects. `failed`: why it could not be done at all."""

    step: Step
    told: Mapping[str, Any]
    wrong: Mapping[str, Any]
    failed: str | None = None

    @property
    def ok(self) -> bool:
        return not self.wrong and self.failed is None

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"line": self.step.line, "does": self.step.verb, "came": dict(self.told)}
        if self.step.name:
            found["as"] = self.step.name
        if self.wrong:
            found["expected"] = dict(self.wrong)
        return found if self.failed is None else {**found, "failed": self.failed}


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How one scenario went. A step that could not be done ends it."""

    scenario: Scenario
    came: list[Came] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return len(self.came) == len(self.scenario.steps) and all(one.ok for one in self.came)

    def line(self) -> bytes:
        """One line of JSON with sorted keys."""
        document = {
            "scenario": self.scenario.title,
            "file": Path(self.scenario.file).name,
            "seed": self.scenario.seed,
            "ok": self.ok,
            "steps": [one.document() for one in self.came],
        }
        return msgspec.json.encode(document, order="sorted") + b"\n"


@contextmanager
def system(
    folder: Path, *, key_profile: str = "normal", begins: datetime = DEMO_DAY, topology: str = DEFAULT
) -> Iterator[Driver]:
    """A system of its own for scenarios, gone afterwards. Raises what the launcher raises."""
    try:
        with Running(
            folder,
            roles=ROLES,
            ports="free",
            options=OPTIONS,
            key_profile=key_profile,
            clock=begins,
            lines=True,
            durable=False,
            topology=TOPOLOGIES[topology](),
        ) as running:
            yield Driver(running=running)
    finally:
        discard(folder)


async def play(driver: Driver, scenarios: Sequence[Scenario], tell: Callable[[Outcome], None]) -> None:
    """Play those of one system (`sharing.systems`) in their order; each outcome is told when it is there."""
    casts = [(one, cast(one, driver)) for one in scenarios]
    await _bring_in(driver, casts)
    for one, people in casts:
        async with AsyncExitStack() as stack:
            at = Play(driver=driver, scenario=one, people=people, folder=Path(one.file).parent, stack=stack)
            begun = time.monotonic()
            outcome = await _play(at)
            outcome.seconds = time.monotonic() - begun
            tell(outcome)
        await _clean_up(driver)


async def _bring_in(driver: Driver, casts: Sequence[tuple[Scenario, Mapping[str, Person]]]) -> None:
    """Everybody of all scenarios is registered, has codes, and has their records where they are held."""
    known: dict[str, list[Person]] = {}
    for scenario, people in casts:
        for name, wanted in scenario.people.items():
            for agency in wanted.at:
                known.setdefault(agency, []).append(people[name])
    await driver.populate([person for _, people in casts for person in people.values()])
    systems = [
        (system, people) for agency, people in known.items() for system in systems_of(driver.running.topology, agency)
    ]
    await asyncio.gather(*(driver.register(system, people) for system, people in systems))
    await asyncio.gather(*(driver.obtain_codes(system_of(agency)) for agency in known))
    for agency in known:
        records = [one for scenario, people in casts for one in records_of(scenario, people, driver, agency)]
        if records:
            await driver.load_records(holding_system(agency), records, "scenarios.ndjson", agency=agency)


async def _play(at: Play) -> Outcome:
    outcome = Outcome(scenario=at.scenario)
    clock = at.driver.running.clock
    if clock() < at.scenario.begins:
        clock.set(at.scenario.begins)
        await asyncio.sleep(0.3)
    for step in at.scenario.steps:
        came = await _step(at, step)
        outcome.came.append(came)
        if came.failed is not None:
            break
    return outcome


async def _step(at: Play, step: Step) -> Came:
    try:
        found = await VERBS[step.verb].play(at, step.words)
    except _FAILURES as failure:
        text = str(failure) if isinstance(failure, (StepFailedError, UnexpectedAnswerError)) else place_of(failure)
        return Came(step=step, told={}, wrong={}, failed=f"{type(failure).__name__} {text}".strip())
    if step.name is not None:
        at.seen[step.name] = found
    told = {key: value for key, value in found.items() if key != "_"}
    wrong = {key: value for key, value in step.expect.items() if told.get(key) != value}
    return Came(step=step, told=told, wrong=wrong)


async def _clean_up(driver: Driver) -> None:
    """What a scenario has left wrong does not harm the next: no fault stays set, no log full; every role runs, awake, and its clock is right."""
    running = driver.running
    for role in running.roles:
        if running.ended(role) is None:
            running.signal(role, signal.SIGCONT)
    async with driver.administrator() as connection:
        await full_log.free_all(connection, full_log.parties(running.topology))
    for role in running.roles:
        if running.ended(role) is not None:
            await asyncio.to_thread(running.restart, role)
    folder = running.data.lines
    await lines.change(folder, {name: {bad: Setting(times=0) for bad in Bad} for name in lines.names(folder)})
    await driver.faults(**dict.fromkeys(Switch, 0), permit_redeem_s=None)
    for role in running.roles:
        SharedOffset(running.data.role(role) / SKEW_FILE).move(timedelta(0))
