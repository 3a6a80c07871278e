"""Calls to the intermediate server and the resident network with the agency's own certificate: lists in, answers in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec

from storage.fault_points import Step, declare
from transport import channel, wire
from transport.channel import ChannelError

SEND_FOUR_ITEMS: Final = declare("linkage", "send.four_items")
SEND_NUMBER_LOOK_UPS: Final = declare("linkage", "send.number_look_ups")
SEND_CHANGE_NOTICES: Final = declare("linkage", "send.change_notices")
SEND_ACQUISITION_NUMBERS: Final = declare("linkage", "send.acquisition_numbers")
SEND_CODE_REQUESTS: Final = declare("linkage", "send.code_requests")
SEND_CODE_CANCELLATIONS: Final = declare("linkage", "send.code_cancellations")
SEND_CODE_REPLACEMENTS: Final = declare("linkage", "send.code_replacements")
SEND_CODE_STATUS: Final = declare("linkage", "send.code_status")
SEND_REPLICAS: Final = declare("linkage", "send.replicas")

_TIMEOUT_S: Final = 120.0
MOST_AT_ONCE: Final = 1_000

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Half of what a server takes: it would refuse a longer list each time that it comes."""

Answer = Mapping[str, Any]


class Outbound:
    """The peers of one agency. `checkpoint` goes with every message; what comes back is given to `keep_note`."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        agency: str,
        peers: Mapping[str, str],
        *,
        checkpoint: Callable[[], str | None],
        keep_note: Callable[[str], None],
    ) -> None:
        self.client = client
        self.agency = agency
        self.checkpoint = checkpoint
        self.keep_note = keep_note
        self._peers = peers

    def _base(self, peer: str) -> str:
        base = self._peers.get(peer)
        if base is None:
            raise ChannelError("peer_not_configured")
        return base.rstrip("/")

    def intermediate(self, function: str) -> str:
        """The address of a function of the agency's own intermediate server. Raises ChannelError when it is not configured."""
        return f"{self._base(f'intermediate/{self.agency}')}/{self.agency}/{function}"

    def resident_network(self, function: str) -> str:
        return f"{self._base('resident_network')}/{function}"

    @property
    def knows_resident_network(self) -> bool:
        return "resident_network" in self._peers

    async def ask_list(self, url: str, items: Sequence[Any], *, step: Step | None, **envelope: int) -> list[Answer]:
        """Ask in lists of up to 1,000 items and 16 MiB; answers in order. `envelope`: what else stands beside the items (`wait_ms`). Raises ChannelError.

        `step`: None for what a server asks by itself after a start or a restore.
        """
        answers: list[Answer] = []
        for part in _parts(items):
            answers += await self._ask(url, part, step, envelope)
        return answers

    async def _ask(
        self, url: str, items: list[msgspec.Raw], step: Step | None, envelope: Mapping[str, int]
    ) -> list[Answer]:
        body = wire.write_envelope(items, self.checkpoint(), **envelope)
        if step:
            step.before.reached()
        data = await channel.post(self.client, url, body, timeout_s=_TIMEOUT_S)
        if step:
            step.after.reached()
        try:
            answer: Any = msgspec.json.decode(data)
            found = answer["items"]
            note = answer.get("checkpoint")
        except (msgspec.DecodeError, RecursionError, KeyError, TypeError, AttributeError):
            raise ChannelError("peer_answer_malformed") from None
        if not isinstance(found, list) or len(found) != len(items) or not all(isinstance(one, dict) for one in found):
            raise ChannelError("peer_answer_malformed")
        if isinstance(note, str):
            self.keep_note(note)
        return found


def _parts(items: Sequence[Any]) -> Iterator[list[msgspec.Raw]]:
    """The items in their order, encoded, cut into lists."""
    part: list[msgspec.Raw] = []
    size = 0
    for item in items:
        encoded = msgspec.json.encode(item)
        if part and (len(part) == MOST_AT_ONCE or size + len(encoded) > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(msgspec.Raw(encoded))
        size += len(encoded)
    if part:
        yield part
