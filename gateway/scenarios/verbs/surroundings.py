"""Verbs of the surroundings: the clock, roles that go and come, keys that are rotated, commands."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from gateway.clock_command import ClockWordsError, later, parse_instant
from gateway.commands import COMMANDS
from gateway.exit_codes import UNREACHABLE
from gateway.key_rotation import Rotation
from gateway.launcher import ROOT
from gateway.scenarios.command_words import ENDING, mistake
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import Form, Names, Only, Present, Told, Unfit, Words, something_left
from gateway.setting_up.key_files import PUBLIC
from keys.errors import KeyMissing
from transport.clock import JST

_SOME_DAY: Final = datetime(2022, 10, 3, tzinfo=UTC)
SETTLE_S: Final = 0.3
"""Three times as long as a role needs to see that its clock was moved."""
COMMAND_S: Final = 120.0
"""By then a command of a step has ended."""
_RUNS, _ENDED, _HANGS = "runs", "ended", "hangs"
_TURNS: Final[Mapping[str, Mapping[str, str]]] = {
    _RUNS: {"stop": _ENDED, "kill": _ENDED, "restart": _RUNS, "hang": _HANGS},
    _ENDED: {"start": _RUNS, "restart": _RUNS},
    _HANGS: {"wake": _RUNS, "kill": _ENDED, "restart": _RUNS},
}
"""State of a role → what may be done to it → the state after that."""
_STATES: Final = {
    _RUNS: "動いています (runs)",
    _ENDED: "終わっています (has ended)",
    _HANGS: "止められています (hangs)",
}
_HERE: Final = "{here}"
_WRITES: Final = frozenset({"--out", "--html", "--report"})
_WRITING: Final = frozenset({"export"})
"""Options and commands that make the file which they name."""
_ONE_OF_BOTH: Final = "to か by の一方だけを書いてください / one of to and by"
_NOT_ENDING: Final = "手順に書けるのは、ひとりでに終わるコマンドです / a step takes commands that end by themselves: "


class Clock(Words, frozen=True, kw_only=True):
    """The present of all roles: `to` an instant, or on `by` a span."""

    to: str | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        """Raises ClockWordsError when the words name neither an instant nor a span, or both."""
        if self.to is not None and self.by is not None:
            raise ClockWordsError(_ONE_OF_BOTH)
        if self.to is not None:
            parse_instant(self.to)
        else:
            later(_SOME_DAY, self.by or "")


class Role(Words, frozen=True, kw_only=True):
    """A process: `stop` and `start`, `kill`, `restart`, or `hang` (it keeps its connections and says nothing) and `wake`."""

    name: str
    does: Literal["stop", "start", "kill", "restart", "hang", "wake"]


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
        mend = f"{_NOT_ENDING}{', '.join(ENDING)}" if name in COMMANDS else None
        yield Unfit("run", "command", name, names["command"], mend)
        return
    folder = Path(*names["here"])
    missing = list(_missing(given, folder))
    for word in missing:
        mend = "シナリオのフォルダーから数えて、ある所を書いてください / {here} is the scenario's folder: name what is there"
        yield Unfit("run", "ないファイル / a file that is not there", word, mend=mend)
    wrong = None if missing else mistake([word.replace(_HERE, str(folder)) for word in given])
    if wrong is not None:
        yield Unfit("run", "コマンドの言葉 / words of the command", " ".join(given), mend=wrong)


def _missing(given: Sequence[str], folder: Path) -> Iterator[str]:
    """Words that name a file beside the scenario which is not there. What a command writes need not be, but its folder must."""
    for before, word in zip(("", *given), given, strict=False):
        if _HERE not in word:
            continue
        option = word.partition("=")[0] if word.startswith("--") else before
        path = Path(word[word.index(_HERE) :].replace(_HERE, str(folder)))
        writes = option in _WRITES or given[0] in _WRITING
        if not (path.parent if writes else path).exists():
            yield word


def _moved(words: Clock, now: Present) -> Present | Unfit:
    """A scenario goes forwards."""
    try:
        target = parse_instant(words.to) if words.to is not None else later(now.at, words.by or "")
    except ClockWordsError as wrong:
        return Unfit("by", "時計 / clock", words.by, mend=str(wrong))
    if words.to is not None and target <= now.at:
        mend = f"{now.at.astimezone(JST):%Y-%m-%dT%H:%M:%S} より後にしてください / a scenario goes forwards: after that"
        return Unfit("to", "もう過ぎている時 / an instant that is past by then", words.to, mend=mend)
    return replace(now, at=target)


def _may_fault(words: Command, now: Present) -> Present | Unfit:
    """What `sekisho faults` has made wrong or right is not followed."""
    return replace(now, wrong=None) if [*shlex.split(words.run), *words.args][:1] == ["faults"] else now


def _goes(words: Role, now: Present) -> Present | Unfit:
    """A role that runs is not started, one that has ended is not stopped, and so on."""
    before = now.roles.get(words.name, _RUNS)
    after = _TURNS[before].get(words.does)
    if after is None:
        mend = f"そのとき役割は{_STATES[before]}。できるのは / possible by then: {', '.join(_TURNS[before])}"
        return Unfit("does", "その役割の状態と合わない動作 / not for a role in this state", words.does, mend=mend)
    return replace(now, roles={**now.roles, words.name: after})


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
    await asyncio.sleep(SETTLE_S)
    return {}


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


async def command(play: Play, words: Command) -> dict[str, Any]:
    """`code`: the exit code."""
    here = str(await asyncio.to_thread(play.folder.resolve))
    given = [word.replace(_HERE, here) for word in (*shlex.split(words.run), *words.args)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *given, "--data", str(play.driver.running.data.root),
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return {"code": await ended(process, COMMAND_S)}


async def ended(process: asyncio.subprocess.Process, within_s: float) -> int:
    """Its exit code. One that does not end is ended, and the step with it. Raises StepFailedError."""
    try:
        async with asyncio.timeout(within_s):
            return await process.wait()
    except TimeoutError:
        raise StepFailedError(f"{within_s:.0f} 秒で終わらない (the command did not end in time)") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


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


_VERIFIED: Final = frozenset(key for keys in PUBLIC.values() for key in keys)
"""Keys whose public halves stand in the register: the old one is accepted for a while."""
_CODE: Final = Told("count", most=UNREACHABLE)
_VERSION: Final = Told("count", least=1, most=10_000)
VERBS: Final[Mapping[str, Verb]] = {
    "clock": Verb(form=Form(words=Clock, tells={}, moves=_moved), play=clock),
    "role": Verb(form=Form(words=Role, tells={}, refers={"name": "role"}, moves=_goes), play=role),
    "sekisho": Verb(
        form=Form(
            words=Command,
            tells={"code": _CODE},
            fits=_is_a_command,
            moves=_may_fault,
            leaves=something_left,
            comes_upon=True,
        ),
        play=command,
    ),
    "rotate": Verb(
        form=Form(
            words=Rotate,
            tells={"version": _VERSION},
            refers={"role": "role", "key": "ring key"},
            fits=_is_held_there,
            comes_upon=True,  # the number of the version: of a rotation nothing else is to be seen
            only={
                "overlap_days": Only(
                    lambda words: words.key in _VERIFIED,
                    f"古い鍵の期限は / the old key ends only of: {', '.join(sorted(_VERIFIED))}",
                )
            },
        ),
        play=rotate,
    ),
    "pause": Verb(form=Form(words=Words, tells={}), play=pause),
}
