"""One step of a run against somebody's server: what it is called, where it is documented, how it is made; and what is tried at every path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.conformance.answers import NOT_SENT, Saw, is_problem, not_answered
from gateway.conformance.trial import Trial
from transport.tls import Identity

Act = Callable[[Trial], Awaitable[Saw]]


def _always(_trial: Trial) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Check:
    """`id` is stable; `cites`: where our documents say it; `possible`: whether this run has what it takes, and what it is `lacking` when not."""

    id: str
    title: str
    cites: str
    act: Act
    possible: Callable[[Trial], bool] = _always
    lacking: str = ""


async def turned_away(who: Callable[[Trial], Identity], path: str, trial: Trial) -> Saw:
    """403 for somebody who may not call."""
    try:
        answered = await trial.post(trial.harmless(path), path=path, identity=who(trial))
    except NOT_SENT as failure:
        return f"403 がない / no 403: {not_answered(failure)}"
    return is_problem(answered, 403)


async def malformed(body: bytes, path: str, trial: Trial) -> Saw:
    """400 for a body that is not as documented."""
    try:
        return is_problem(await trial.post(body, path=path, identity=trial.network), 400)
    except NOT_SENT as failure:
        return not_answered(failure)
