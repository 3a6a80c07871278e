"""Verbs of the surroundings: the clock, faults of the network, roles that go and come, logs that cannot be written, commands."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from adapters.jlis_mock.faults import Switch
from adapters.jlis_mock.lines import Bad, Setting, change
from gateway.clock_command import later, parse_instant
from gateway.key_rotation import Rotation
from gateway.launcher import ROOT
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import COUNT, Form, Names, Told, Unfit, Words
from keys.errors import KeyMissing

_SOME_DAY: Final = datetime(2022, 10, 3, tzinfo=UTC)
_SETTLE_S: Final = 0.3
"""Three times as long as a role needs to see that its clock was moved."""


class Clock(Words, frozen=True, kw_only=True):
    """The present of all roles: `to` an instant, or on `by` a span."""

    to: str | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        """Raises ClockWordsError when the words name neither an instant nor a span."""
        if self.to is not None:
            parse_instant(self.to)
        else:
            later(_SOME_DAY, self.by or "")


class Faults(Words, frozen=True, kw_only=True):
    """不正の切替え: what the network does wrong from now on, and how often."""

    set: dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]] = field(default_factory=dict)


class BadLine(Words, frozen=True, kw_only=True):
    """The line between two roles, `caller:called`, does something wrong so many times from now on."""

    between: str
    does: Bad
    times: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    ms: Annotated[int, Meta(ge=0, le=60_000)] = 200


class Role(Words, frozen=True, kw_only=True):
    """A process: `stop` and `start`, `kill`, `restart`, or `hang` (it keeps its connections and says nothing) and `wake`."""

    name: str
    does: Literal["stop", "start", "kill", "restart", "hang", "wake"]


class Skew(Words, frozen=True, kw_only=True):
    """One role's clock is off by so many seconds; 0 sets it right."""

    role: str
    seconds: Annotated[int, Meta(ge=-315_360_000, le=315_360_000)]


class Log(Words, frozen=True, kw_only=True):
    """An agency's evidence log takes nothing more (`full`), or does again (`free`)."""

    agency: str
    does: Literal["full", "free"]


class Rotate(Words, frozen=True, kw_only=True):
    """A key of a role's agency is rotated while everything runs; an old signing key is accepted for `overlap_days` yet."""

    key: str
    role: str
    agency: str
    overlap_days: Annotated[float, Meta(ge=0, le=36_500)] = 60


class Command(Words, frozen=True, kw_only=True):
    """A command of `sekisho` on this data folder; `{here}` is the scenario's own folder."""

    run: str
    args: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises ValueError when a quotation is not closed."""
        shlex.split(self.run)


def _is_a_command(words: Command, names: Names) -> Iterator[Unfit]:
    given = [*shlex.split(words.run), *words.args]
    name = given[0] if given else ""
    if name not in names["command"]:
        yield Unfit("run", "command", name, names["command"])


def _is_held_there(words: Rotate, names: Names) -> Iterator[Unfit]:
    hosts = names.get(f"hosts of {words.role}")
    if hosts is None:
        return
    if words.agency not in hosts:
        yield Unfit("agency", "hosted agency", words.agency, hosts)
    keys = names[f"keys of {words.role}"]
    if words.key in names["ring key"] and words.key not in keys:
        yield Unfit("key", "ring key", words.key, keys)


async def clock(play: Play, words: Clock) -> dict[str, Any]:
    """Moves, and waits until every role has seen it."""
    now = play.driver.running.clock()
    target = parse_instant(words.to) if words.to is not None else later(now, words.by or "")
    if target < now:
        raise StepFailedError("the clock is there already: a scenario goes forwards")
    play.driver.running.clock.set(target)
    await asyncio.sleep(_SETTLE_S)
    return {}


async def faults(play: Play, words: Faults) -> dict[str, Any]:
    """`left`: what is still to happen; without `set` nothing is changed."""
    switches = await play.driver.faults(**words.set)
    return {"left": sorted(name for name, times in switches.items() if times)}


async def line(play: Play, words: BadLine) -> dict[str, Any]:
    """A delay is drawn from the scenario's seed."""
    setting = Setting(times=words.times, ms=words.ms, seed=play.scenario.seed)
    await change(play.driver.running.data.lines, {words.between: {words.does: setting}})
    return {}


async def lines(play: Play, _words: Words) -> dict[str, Any]:
    """`left`: what is still to happen, as `line fault`."""
    state = await change(play.driver.running.data.lines, {})
    return {"left": sorted(f"{name} {bad}" for name, one in state.items() for bad in one)}


async def role(play: Play, words: Role) -> dict[str, Any]:
    running = play.driver.running
    match words.does:
        case "hang" | "wake":
            running.signal(words.name, signal.SIGSTOP if words.does == "hang" else signal.SIGCONT)
        case "stop":
            await asyncio.to_thread(running.stop_role, words.name)
        case "kill":
            await asyncio.to_thread(running.kill, words.name)
        case "start" | "restart":
            await asyncio.to_thread(running.restart, words.name)
    return {}


async def skew(play: Play, words: Skew) -> dict[str, Any]:
    await asyncio.to_thread(play.driver.reconfigure, words.role, clock_offset_s=words.seconds)
    return {}


async def log(play: Play, words: Log) -> dict[str, Any]:
    """As a full disk would, the database refuses what is appended."""
    tenant = f"a_{words.agency.replace('-', '_')}_intermediate"
    statement = {
        "full": f"revoke insert on {tenant}.log_entry from {tenant}",
        "free": f"grant insert on {tenant}.log_entry to {tenant}",
    }
    async with play.driver.administrator() as connection:
        await connection.execute(statement[words.does])
    return {}


async def command(play: Play, words: Command) -> dict[str, Any]:
    """`code`: the exit code."""
    here = str(await asyncio.to_thread(play.folder.resolve))
    given = [word.replace("{here}", here) for word in (*shlex.split(words.run), *words.args)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *given, "--data", str(play.driver.running.data.root),
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return {"code": await process.wait()}


async def rotate(play: Play, words: Rotate) -> dict[str, Any]:
    """`version`: the number of the new one. Everything goes on meanwhile."""
    running = play.driver.running
    config = running.role(words.role)
    if words.agency not in config.hosted:
        raise StepFailedError(f"{words.role} は {words.agency} を受け持たない (does not host it)")
    rotation = Rotation(
        data=running.data,
        config=config,
        agency=words.agency,
        store=await asyncio.to_thread(config.open_keys, words.agency),
        overlap=timedelta(days=words.overlap_days),
        lead_s=0.0,
    )
    try:
        return {"version": await asyncio.to_thread(rotation.rotate, words.key)}
    except KeyMissing:
        raise StepFailedError(f"{words.key} という鍵はない (no such key)") from None


async def pause(_play: Play, _words: Words) -> dict[str, Any]:
    """As long as it takes the servers to look after what is due."""
    await asyncio.sleep(timedelta(seconds=1).total_seconds())
    return {}


VERBS: Final[Mapping[str, Verb]] = {
    "clock": Verb(form=Form(words=Clock, tells={}), play=clock),
    "faults": Verb(
        form=Form(
            words=Faults, tells={"left": Told("switch", ("permit_redeem_s",), several=True)}, refers={"set": "switch"}
        ),
        play=faults,
    ),
    "line": Verb(form=Form(words=BadLine, tells={}, refers={"between": "line"}), play=line),
    "lines": Verb(form=Form(words=Words, tells={"left": Told("bad line", several=True)}), play=lines),
    "role": Verb(form=Form(words=Role, tells={}, refers={"name": "role"}), play=role),
    "skew": Verb(form=Form(words=Skew, tells={}, refers={"role": "role"}), play=skew),
    "log": Verb(form=Form(words=Log, tells={}, refers={"agency": "agency"}), play=log),
    "sekisho": Verb(form=Form(words=Command, tells={"code": COUNT}, fits=_is_a_command), play=command),
    "rotate": Verb(
        form=Form(
            words=Rotate, tells={"version": COUNT}, refers={"role": "role", "key": "ring key"}, fits=_is_held_there
        ),
        play=rotate,
    ),
    "pause": Verb(form=Form(words=Words, tells={}), play=pause),
}
SWITCHES: Final = tuple(switch.value for switch in Switch)
