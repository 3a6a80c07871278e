"""The channels from the desk to the agency's intermediate server: one per patience, since `wait_ms` belongs to the whole request."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gateway.linkage_server.outbound import Outbound
from gateway.linkage_server.supervision import supervised
from storage.fault_points import declare
from transport.channel import Channel, ChannelError

SEND_INQUIRIES: Final = declare("linkage", "send.inquiries")
SEND_INQUIRY_RESULTS: Final = declare("linkage", "send.inquiry_results")
_PATIENCES: Final = (0, 1_000, 3_000, 10_000, 20_000)
_LONGEST_S: Final = 150.0
"""Longer than any answer takes with a queue before it: whoever waits longer was lost when a channel broke."""


class Forwarding:
    """Channels are opened when first used and run in the server's task group."""

    def __init__(self, outbound: Outbound, group: asyncio.TaskGroup, *, in_flight: int, most: int) -> None:
        self._outbound = outbound
        self._group = group
        self._in_flight = in_flight
        self._most = most
        self._inquiries: dict[int, Channel] = {}
        self._results: Channel | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def inquire(self, item: dict[str, Any], wait_ms: int) -> dict[str, Any]:
        """IF_SKI_90012. Waits no longer than the greatest patience that is not beyond `wait_ms`. Raises ChannelError."""
        patience = max(offered for offered in _PATIENCES if offered <= max(wait_ms, 0))
        channel = self._inquiries.get(patience)
        if channel is None:
            channel = self._inquiries[patience] = self._open("inquiries", patience)
        try:
            async with asyncio.timeout(_LONGEST_S):
                answer: dict[str, Any] = await channel.ask(item)
        except TimeoutError:
            raise ChannelError("peer_timeout") from None
        return answer

    async def results(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """IF_SKI_90013. Raises ChannelError."""
        if self._results is None:
            self._results = self._open("inquiry-results", 0)
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await self._results.ask_all(items)
        except TimeoutError:
            raise ChannelError("peer_timeout") from None

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _open(self, function: str, patience: int) -> Channel:
        inquiries = function == "inquiries"
        channel = Channel(
            self._outbound.client,
            self._outbound.intermediate(function),
            name=f"{self._outbound.agency} {function}",
            step=SEND_INQUIRIES if inquiries else SEND_INQUIRY_RESULTS,
            checkpoint=self._outbound.checkpoint,
            on_checkpoint=self._outbound.keep_note,
            in_flight=self._in_flight,
            most=self._most,
            timeout_s=patience / 1000 + 30,
            envelope={"wait_ms": patience} if inquiries else None,
        )
        self._tasks.append(self._group.create_task(supervised(function, self._outbound.agency, channel.run)))
        return channel
