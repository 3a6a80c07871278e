"""突合 with the resident network (IF_JRN_90014): what it says under a number, compared with what a row says (SC-18).

Lists go out side by side, so that the network looks up one while another is on its way. A list that cannot be asked is asked again a few
times before the caller is told: a whole load must not begin anew for one broken connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from codebook.four_items import Field
from gateway.linkage_server.addressees.decide import differing
from gateway.linkage_server.outbound import SEND_FOUR_ITEMS
from gateway.linkage_server.tenant import Agency
from transport.channel import ChannelError

LIST: Final = 1_000
PATIENT: Final = (0.2, 1.0, 3.0)
"""Seconds between the attempts of a file; a caller who waits for an answer gets none."""
_OVER_THE_MINUTE_S: Final = 5.0
_OVER_THE_MINUTE: Final = 30

_NAMES: Final = tuple(name.value for name in Field)
_AGREED: Final = frozenset[Field]()

Account = tuple[str, Sequence[str]]
"""A 個人番号 and the four items that are said to be its holder's: name, kana, sex, birth date, address."""


def is_asked(agency: Agency) -> bool:
    return agency.compare_with_resident_network and agency.outbound.knows_resident_network


async def compare(
    agency: Agency, accounts: Sequence[Account], *, pauses: Sequence[float] = ()
) -> list[frozenset[Field] | None]:
    """For each account the fields in which the network differs, None when it does not know the number. Raises ChannelError."""
    try:
        async with asyncio.TaskGroup() as group:
            lists = [
                group.create_task(_list(agency, accounts[start : start + LIST], pauses))
                for start in range(0, len(accounts), LIST)
            ]
    except* ChannelError as failures:
        first = failures.exceptions[0]
    else:
        return [verdict for one in lists for verdict in one.result()]
    raise first from None


async def _list(agency: Agency, accounts: Sequence[Account], pauses: Sequence[float]) -> list[frozenset[Field] | None]:
    answers = await _insisting(agency, [{"individual_number": number} for number, _ in accounts], list(pauses))
    return [_verdict(answer, items) for answer, (_, items) in zip(answers, accounts, strict=True)]


async def _insisting(agency: Agency, items: list[dict[str, str]], pauses: list[float]) -> list[Mapping[str, Any]]:
    """Ask one list; a broken connection is tried again after each pause, and over the network's limit by the minute a file waits."""
    waits = _OVER_THE_MINUTE if pauses else 0
    while True:
        try:
            return await agency.outbound.ask_list(
                agency.outbound.resident_network("four-items"), items, step=SEND_FOUR_ITEMS
            )
        except ChannelError as failure:
            over = failure.reason == "too_many_asks"
            if failure.reason == "peer_not_configured" or not (waits if over else pauses):
                raise
            waits -= over
            pause = _OVER_THE_MINUTE_S if over else pauses.pop(0)
        await asyncio.sleep(pause)


def _verdict(answer: Mapping[str, Any], items: Sequence[str]) -> frozenset[Field] | None:
    if answer.get("unknown"):
        return None
    account = [answer.get(name) for name in _NAMES]
    if account == items:
        return _AGREED
    if not all(isinstance(text, str) for text in account):
        return None
    return differing([str(text) for text in account], items)
