"""Whether somebody is asking online just now: what works in bulk steps back then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

_RECENT_S: Final = 1.0


class Online:
    """The online inquiries of one agency, as far as others have to make room for them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = -_RECENT_S

    def note(self) -> None:
        """An online inquiry has come in."""
        self._last = self._clock()

    @property
    def busy(self) -> bool:
        """Somebody asked within the last second."""
        return self._clock() - self._last < _RECENT_S


ONLINE: web.AppKey[Mapping[str, Online]] = web.AppKey("online", Mapping[str, Any])
