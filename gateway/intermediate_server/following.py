"""Following the network's core: what it says is asked for again and again, whatever fails in between (IS-1, PL-1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter

from storage.database import StorageUnavailableError
from transport.channel import ChannelError
from transport.clock import Alarm, Clock

_LOG = structlog.get_logger()


async def follow(
    turn: Callable[[], Awaitable[object]],
    *,
    clock: Clock,
    first_s: float,
    every_s: float,
    failures: Counter,
    failed: str,
) -> None:
    """Take a turn for ever, the first one in `first_s` (seconds). Whatever fails is counted by reason and tried again at the next turn.

    `failed`: the event that is logged when it was nothing foreseen.
    """
    alarm = Alarm(clock)
    await alarm.rest(first_s)
    while True:
        try:
            await turn()
        except ChannelError as failure:
            failures.labels(failure.reason).inc()
        except StorageUnavailableError:
            failures.labels("storage_unavailable").inc()
        except Exception as error:  # noqa: BLE001 (the loop outlives any one turn; the type is all that is said)
            failures.labels(type(error).__name__).inc()
            _LOG.error(failed, error=type(error).__name__)
        await alarm.rest(every_s)
