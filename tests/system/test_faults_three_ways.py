"""Every fault of the documented table is made by a step of a scenario, at the control port and by command, and ends in the same state (simulation)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shlex
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.jlis_mock.faults import Switch
from adapters.jlis_mock.lines import Bad
from gateway.__main__ import main
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.exit_codes import OK
from gateway.scenarios.driver import Driver
from gateway.scenarios.play import Play
from gateway.scenarios.playing import ROLES
from gateway.scenarios.playing import system as playing
from gateway.scenarios.reading import parse
from gateway.scenarios.scenario import Scenario
from gateway.scenarios.words import VERBS, known

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
STEP = "scenario: 障害\nsays: 起こす。\nseed: 7\nsteps:\n  - {}\n"
WANTED = (
    "delay", "cut", "half-close", "duplicate", "reorder", "wrong key", "wrong certificate", "stale list", "replayed permit", "core down",
    "provider hanging", "poisoned answer", "log full", "clock skew",
)  # fmt: skip


def table() -> dict[str, tuple[str, str, str, str]]:
    """Fault → step, body of the control port, words of the command, whether it draws."""
    text = PAGE.read_text(encoding="utf-8")
    rows = text[text.index("| 障害 / fault |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]
    return {name.rpartition(" / ")[2]: (step, body, words, seed) for name, step, body, words, seed in cells}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with playing(tmp_path_factory.mktemp("three-ways"), key_profile="cheapest") as found:
        yield found


def command(driver: Driver, *words: str) -> dict[str, Any]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["faults", *words, "--json", "--data", str(driver.running.data.root)]) == OK, words
    found: dict[str, Any] = json.loads(printed.getvalue())
    return found


async def by_step(driver: Driver, step: str) -> None:
    scenario = parse("x.yaml", STEP.format(step), known())
    assert isinstance(scenario, Scenario), scenario
    async with AsyncExitStack() as stack:
        play = Play(driver=driver, scenario=scenario, people={}, folder=Path(), stack=stack)
        for one in scenario.steps:
            await VERBS[one.verb].play(play, one.words)


async def by_control_port(driver: Driver, body: dict[str, Any]) -> dict[str, Any]:
    async with driver.stage.staff("network", "network") as staff:
        found: dict[str, Any] = await staff.post("/control", body)
    return found


def test_the_table_has_every_fault_and_each_that_draws_takes_a_seed():
    rows = table()
    assert tuple(rows) == WANTED
    for step, body, words, seed in rows.values():
        assert (seed == "yes") == ('"seed": 7' in body) == ("--seed 7" in words), step
        assert seed == "yes" or not step.startswith(("line:", "faults:"))


@contextlib.contextmanager
def nobody_calls(driver: Driver) -> Iterator[None]:
    """Every role but the network stands still: nobody but us uses up a switch that counts calls."""
    others = [role for role in ROLES if role != "network"]
    try:
        for role in others:
            driver.running.signal(role, signal.SIGSTOP)
        yield
    finally:
        for role in others:
            driver.running.signal(role, signal.SIGCONT)


def made_by(driver: Driver, way: str, step: str, body: str, words: str) -> dict[str, Any]:
    """The state after one of the three ways, from a clear one."""
    assert not any(bool(part) for name, part in command(driver, "clear").items() if name in {"clocks", "full_logs"})
    if way == "step":
        asyncio.run(by_step(driver, step))
    elif way == "control port":
        asyncio.run(by_control_port(driver, json.loads(body)))
    else:
        command(driver, *shlex.split(words))
    return command(driver, "list")


@pytest.mark.parametrize("fault", WANTED)
def test_three_ways_of_one_fault_end_in_the_same_state(driver, fault):
    step, body, words, _ = table()[fault]
    with nobody_calls(driver) if step.startswith("faults:") else contextlib.nullcontext():
        made = [made_by(driver, way, step, body, words) for way in ("step", "control port", "command")]
        clear = command(driver, "clear")
    assert made[0] == made[1] == made[2] != clear
    assert not any(clear["switches"].values())


async def test_an_order_with_a_mistake_anywhere_changes_nothing_at_the_control_port(driver):
    before = await asyncio.to_thread(command, driver, "list")
    for wrong in (
        {"lines": {"nobody:knows": {"cut": {"times": 1}}}},
        {"lines": {"network:intermediate": {"explode": {"times": 1}}}},
        {"clocks": {"nobody": 1}},
        {"logs": {"nobody": True}},
    ):
        good = {"swap_key": 3, "log_full": True, "clocks": {"intermediate": 5}, "logs": {"setagaya": True}}
        with pytest.raises(UnexpectedAnswerError, match="malformed_body"):
            await by_control_port(driver, good | wrong)
    assert await asyncio.to_thread(command, driver, "list") == before
    told = await by_control_port(driver, {"lines": {}, "clocks": {}, "logs": {}})
    assert (told["clocks"], told["logs"]) == ({}, [])
    assert set(told["lines"]) >= {"network:intermediate"}


def test_the_table_shows_what_there_is():
    said = " ".join(step for step, *_ in table().values())
    assert {bad for bad in Bad if f"does: {bad.value}," not in said and f"does: {bad.value}}}" not in said} == {
        Bad.REFUSE
    }
    assert {Switch.SWAP_KEY, Switch.POISON_ANSWER} <= {switch for switch in Switch if f"{switch.value}:" in said}
