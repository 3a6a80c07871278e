"""Calls of the portal to the servers behind it: an answer of the expected form, or the one sentence for all that went wrong on the way."""

from __future__ import annotations

from typing import Any

from transport.channel import Channel, ChannelError
from transport.problem import ProblemError


def unreachable() -> ProblemError:
    return ProblemError(503, "network_unreachable", "The network did not answer; ask again in a while.")


async def ask(channel: Channel, item: dict[str, Any]) -> dict[str, Any]:
    """The answer to one item. Raises ProblemError 503."""
    try:
        answer = await channel.ask(item)
    except ChannelError:
        raise unreachable() from None
    if not isinstance(answer, dict):
        raise unreachable()
    return answer
