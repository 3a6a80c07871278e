"""As whom the network calls agencies: with its own certificate, or, as a fault, with one that is not good for calling (simulation only)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp

from adapters.jlis_mock.faults import FaultBoard, Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a channel posts with. `right` and `wrong` differ in nothing but the certificate that they show."""

    right: aiohttp.ClientSession
    wrong: aiohttp.ClientSession
    faults: FaultBoard

    def post(self, url: str, **sent: Any) -> Any:
        """As `aiohttp.ClientSession.post`."""
        session = self.wrong if self.faults.take(Switch.WRONG_CERTIFICATE) else self.right
        return session.post(url, **sent)
