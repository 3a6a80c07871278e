"""Verbs of what goes wrong: the network, lines between roles, a role's clock, a log that cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from adapters.jlis_mock.faults import BY_CALL, Switch
from adapters.jlis_mock.lines import Bad, Setting, change
from gateway import full_log
from gateway.data_folder import SKEW_FILE
from gateway.scenarios.play import Play, Verb
from gateway.scenarios.scenario import Form, Names, Only, Present, Told, Unfit, Words, something_left
from gateway.scenarios.verbs.surroundings import SETTLE_S
from gateway.surroundings import used_words
from transport.clock import SharedOffset


class Faults(Words, frozen=True, kw_only=True):
    """不正の切替え: what the network does wrong from now on, and to how many messages; with `share` to so many of a hundred, drawn from the scenario's seed.

    `each`: a message is struck so many times; left out: as often as it comes.
    """

    set: dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]] = field(default_factory=dict)
    share: Annotated[int, Meta(ge=1, le=100)] | None = None
    each: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class BadLine(Words, frozen=True, kw_only=True):
    """The line between two roles, `caller:called`, does something wrong so many times from now on; with `share` in so many of a hundred occasions."""

    between: str
    does: Bad
    times: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    ms: Annotated[int, Meta(ge=0, le=60_000)] = 200
    share: Annotated[int, Meta(ge=1, le=100)] = 100


class Skew(Words, frozen=True, kw_only=True):
    """One role's clock is off by so many seconds; 0 sets it right."""

    role: str
    seconds: Annotated[int, Meta(ge=-315_360_000, le=315_360_000)]


class Log(Words, frozen=True, kw_only=True):
    """An agency's evidence log takes nothing more (`full`), or does again (`free`)."""

    agency: str
    does: Literal["full", "free"]


def _are_of_messages(words: Faults, _names: Names) -> Iterator[Unfit]:
    for name in sorted(BY_CALL & words.set.keys()) if words.each is not None else ():
        mend = f"each を除いてください。呼出しを数えます / leave each out: calls are counted by {name}"
        yield Unfit("each", "一通を数えない不正 / a fault that counts no messages", name, mend=mend)


def _turned(now: Present, things: Mapping[str, bool], key: str, shown: object) -> Present | Unfit:
    """`things`: what is made wrong (True) or set right. Nothing is set right that was not made wrong before."""
    if now.wrong is None:
        return now
    for thing, wrong in things.items():
        if not wrong and thing not in now.wrong:
            mend = "その前に起こすか、この手順を除いてください / make it wrong before, or leave this step out"
            return Unfit(key, f"起きていない障害の終わり ({thing}) / the end of what was not begun", shown, mend=mend)
    begun = {thing for thing, wrong in things.items() if wrong}
    return replace(now, wrong=(now.wrong | begun) - (things.keys() - begun))


def _strikes(words: Faults, now: Present) -> Present | Unfit:
    return _turned(now, {f"fault {name}": times > 0 for name, times in words.set.items()}, "set", words.set)


def _bends(words: BadLine, now: Present) -> Present | Unfit:
    return _turned(now, {f"line {words.between} {words.does}": words.times > 0}, "times", words.times)


def _skews(words: Skew, now: Present) -> Present | Unfit:
    return _turned(now, {f"skew {words.role}": words.seconds != 0}, "seconds", words.seconds)


def _fills(words: Log, now: Present) -> Present | Unfit:
    full = f"log {words.agency}"
    if words.does == "full" and now.wrong is not None and full in now.wrong:
        mend = "先に free にするか、この手順を除いてください / free it before, or leave this step out"
        return Unfit("does", "もう書けない証跡 / a log that is full already", words.does, mend=mend)
    return _turned(now, {full: words.does == "full"}, "does", words.does)


async def faults(play: Play, words: Faults) -> dict[str, Any]:
    """`left`: what is still to happen; without `set` nothing is changed."""
    drawn = {} if words.share is None else {"share": words.share, "seed": max(1, play.scenario.seed)}
    if words.each is not None:
        drawn["each"] = words.each
    switches = await play.driver.faults(**words.set, **drawn)
    return {"left": sorted(name for name, times in switches.items() if times)}


async def line(play: Play, words: BadLine) -> dict[str, Any]:
    """Delays, and with `share` the occasions, are drawn from the scenario's seed."""
    setting = Setting(times=words.times, ms=words.ms, seed=play.scenario.seed, share=words.share)
    await change(play.driver.running.data.lines, {words.between: {words.does: setting}})
    return {}


async def lines(play: Play, _words: Words) -> dict[str, Any]:
    """`left`: what is still to happen, as `line fault`."""
    state = await change(play.driver.running.data.lines, {})
    return {"left": sorted(f"{name} {bad}" for name, one in state.items() for bad in one)}


async def skew(play: Play, words: Skew) -> dict[str, Any]:
    SharedOffset(play.driver.running.data.role(words.role) / SKEW_FILE).move(timedelta(seconds=words.seconds))
    await asyncio.sleep(SETTLE_S)
    return {}


async def log(play: Play, words: Log) -> dict[str, Any]:
    """As a full disk would, the database refuses what is appended."""
    async with play.driver.administrator() as connection:
        await full_log.fill(connection, words.agency, full=words.does == "full")
    return {}


VERBS: Final[Mapping[str, Verb]] = {
    "faults": Verb(
        form=Form(
            words=Faults,
            tells={"left": Told("switch", ("permit_redeem_s",), several=True)},
            refers={"set": "switch"},
            fits=_are_of_messages,
            only=dict.fromkeys(
                ("share", "each"),
                Only(lambda words: any(words.set.values()), "set と書いてください / with set, and a count"),
            ),
            moves=_strikes,
        ),
        play=faults,
    ),
    "line": Verb(
        form=Form(
            words=BadLine,
            tells={},
            refers={"between": "line"},
            only={
                "ms": Only(
                    lambda words: "ms" in used_words(words.does, words.times, drawn=True),
                    "delay だけが使います / delay alone uses it",
                ),
                "share": Only(
                    lambda words: "share" in used_words(words.does, words.times, drawn=True),
                    "times: 0 は終わりです / times: 0 ends it",
                ),
            },
            moves=_bends,
        ),
        play=line,
    ),
    "lines": Verb(form=Form(words=Words, tells={"left": Told("bad line", several=True)}), play=lines),
    "skew": Verb(
        form=Form(words=Skew, tells={}, refers={"role": "role"}, moves=_skews, leaves=something_left), play=skew
    ),
    "log": Verb(form=Form(words=Log, tells={}, refers={"agency": "agency"}, moves=_fills), play=log),
}
SWITCHES: Final = tuple(switch.value for switch in Switch)
