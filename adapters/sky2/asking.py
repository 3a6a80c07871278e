"""Asking the linkage server about many people: under one key for ever, and then for what became of it.

What is asked was stored before (`Asked`), so whoever comes back after a crash sends the same bytes under the same key and
meets the same inquiry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from adapters.sky2.linkage_desk import LinkageDesk
from adapters.sky2.received import ANSWERED, Answer
from adapters.sky2.store import Asked
from transport.channel import ChannelError

_LOG = structlog.get_logger()
_IN_FLIGHT: Final = 16
_MOST_RESULTS: Final = 200
_PAUSE_S: Final = 0.2

Settle = Callable[[Asked, Answer], Awaitable[None]]
"""Stores an answer that has ended."""
Number = Callable[[Asked, str], Awaitable[None]]
"""Stores the inquiry number of one that has not."""
Failures = dict[str, str]
"""key → why nothing is known; it is asked again later."""


class Asking:
    """`patience_s`: how long one call waits for inquiries that have not ended and are not held."""

    def __init__(self, desk: LinkageDesk, *, patience_s: float) -> None:
        self._desk = desk
        self._patience_s = patience_s

    async def ask(self, asked: Sequence[Asked], *, number: Number, settle: Settle) -> Failures:
        """Send those that have no number, then poll. Raises StorageUnavailableError when an answer cannot be stored."""
        failures: Failures = {}
        gate = asyncio.Semaphore(_IN_FLIGHT)
        open_ones = {one.inquiry_number: one for one in asked if one.inquiry_number is not None}

        async def send(one: Asked) -> None:
            async with gate:
                try:
                    answer = await self._desk.inquire(one.asked_under, one.inquiry)
                except ChannelError as failure:
                    failures[one.key] = failure.reason
                    return
                if answer.state is None:
                    failures[one.key] = answer.retry or "peer_answer_malformed"
                elif answer.ended and not _lacks_values(answer):
                    await settle(one, answer)
                elif answer.inquiry_number is not None:
                    await number(one, answer.inquiry_number)
                    open_ones[answer.inquiry_number] = one
                else:
                    failures[one.key] = "peer_answer_malformed"

        await asyncio.gather(*(send(one) for one in asked if one.inquiry_number is None))
        await self._poll(open_ones, failures, settle)
        return failures

    async def _poll(self, open_ones: dict[str, Asked], failures: Failures, settle: Settle) -> None:
        """Ask for results until all have ended or are held, or patience ends."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        waited_for = list(open_ones)
        while waited_for:
            left: list[str] = []
            for start in range(0, len(waited_for), _MOST_RESULTS):
                left += await self._results(waited_for[start : start + _MOST_RESULTS], open_ones, failures, settle)
            if loop.time() >= until:
                return
            waited_for = left
            if waited_for:
                await asyncio.sleep(_PAUSE_S)

    async def _results(
        self, numbers: list[str], open_ones: dict[str, Asked], failures: Failures, settle: Settle
    ) -> list[str]:
        """Settle what has ended; return the numbers worth waiting for."""
        try:
            answers = await self._desk.results(numbers)
        except ChannelError as failure:
            _LOG.warning("inquiry_results_failed", reason=failure.reason, count=len(numbers))
            failures.update({open_ones[number].key: failure.reason for number in numbers})
            return []
        left: list[str] = []
        for number, answer in zip(numbers, answers, strict=True):
            if answer.ended:
                await settle(open_ones[number], answer)
            elif not answer.held:
                left.append(number)
        return left


def among(asked: Sequence[Asked], told: frozenset[str] | None) -> Sequence[Asked]:
    """Those of whose result we were told; all of them when nobody said."""
    return asked if told is None else [one for one in asked if one.inquiry_number in told]


def _lacks_values(answer: Answer) -> bool:
    """A repetition may be told that the inquiry was answered without the values: these are with the results."""
    return answer.state == ANSWERED and answer.outcome == ANSWERED and answer.values is None
