"""Background loops of the linkage server that go on after a failure nobody foresaw: one bad thing must not end the whole server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import Counter

_LOG = structlog.get_logger()
BROKE = Counter("sekisho_loop_broke", "Background loops that broke and were started again", ["loop"])
_PAUSE_S: Final = 1.0


def place_of(failure: BaseException) -> str:
    """File and line where it broke, of the first failure of a group; never its text, which may quote a value."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    where = failure.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    return f"{where.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{where.tb_lineno}" if where else "unknown"


def tell_broken(loop: str, agency: str, failure: Exception) -> None:
    """Count it, and log type and place."""
    BROKE.labels(loop).inc()
    _LOG.error("loop:broke", loop=loop, agency=agency, error=type(failure).__name__, place=place_of(failure))


async def supervised(loop: str, agency: str, run: Callable[[], Awaitable[None]], *, pause_s: float = _PAUSE_S) -> None:
    """Run a loop until it is cancelled; when it breaks, log type and place, count it, and begin it again after a pause."""
    while True:
        try:
            await run()
        except Exception as failure:  # noqa: BLE001 (a server must outlive one bad item of one loop)
            tell_broken(loop, agency, failure)
        else:
            return
        await asyncio.sleep(pause_s)
