"""Lists that are in and not on record, since the server died, or the log was away, between the two: they go into the log, once (SC-7).

Files do so by themselves when they are taken up again, and a caller who asks again with the same key; who does not is not waited for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.linkage_server import intake
from gateway.linkage_server.addressees import flow as addressees
from gateway.linkage_server.people import flow as people
from gateway.linkage_server.supervision import tell_broken
from gateway.linkage_server.tenant import Agency
from keys.errors import KeyUnusable, SealBroken
from storage.database import ASK_AGAIN
from transport.clock import Alarm

_REGISTRATIONS: Final = "api/addressees/"
_LOOK_S: Final = 600.0
_LONG: Final = timedelta(hours=1)
_AT_ONCE: Final = 500
_LOG = structlog.get_logger()


async def run(agency: Agency) -> None:
    """At the start all of before, then every ten minutes those that nobody has at work any more."""
    since = agency.clock()
    alarm = Alarm(agency.clock)
    while True:
        try:
            await close_all(agency, before=max(since, agency.clock() - _LONG))
        except ASK_AGAIN:
            _LOG.warning("intake:left_open:waits", agency=agency.id, reason="storage_unavailable")
        await alarm.rest(_LOOK_S)


async def close_all(agency: Agency, *, before: datetime) -> None:
    """One whose sender cannot be read stays, and holds back no other. Raises StorageUnavailableError."""
    for one in await intake.left_open(agency, before, _AT_ONCE):
        try:
            if one.intake.key.startswith(_REGISTRATIONS):
                await addressees.close(agency, one.intake, system=one.system)
            else:
                await people.close(agency, one.intake, system=one.system, said=one.said(agency.keys))
        except (SealBroken, KeyUnusable) as failure:
            tell_broken("left_open", agency.id, failure)
