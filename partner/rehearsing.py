"""What a server calls by the clock and not for an inquiry, once more than once, so that a conformance run sees what it makes of the answers."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from partner.asking import Asker
from partner.connection import Connection
from transport.channel import ChannelError

_TIMES: Final = 2


async def other_calls(connection: Connection, to: Asker, code: bytes) -> None:
    """Register, permission list, epochs of codes, and what is held of one's own log. Raises ChannelError, OSError, ValueError."""
    for _ in range(_TIMES):
        await connection.renew_register(to)
        await connection.renew_lists(to)
        with suppress(ChannelError):  # no code is renewed as yet: at the next turn
            await to.follow_epochs([code])
    record = connection.record()
    for year in record.years():
        await to.held_checkpoint(f"{record.origin}/{year}")
