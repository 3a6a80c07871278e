"""The intermediate server is told of every split: what is barred at the number of before is barred at the one that was split off (SC-4; docs/adr/0108).

Before the split is on record as done, and once more when a restore of the intermediate server may have lost what came of it. Whom it bars is not told here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.linkage_server.outbound import MOST_AT_ONCE
from gateway.linkage_server.review import store
from gateway.linkage_server.review.effects import given_up
from gateway.linkage_server.review.store import Decision
from gateway.linkage_server.tenant import Agency
from storage.fault_points import declare
from transport.channel import ChannelError

SEND_SPLITS: Final = declare("linkage", "send.person_splits")


async def tell_of_splits(agency: Agency, decisions: Sequence[Decision]) -> None:
    """Whom the addressee numbers that were split off mean by now. Raises ChannelError, StorageUnavailableError: call again."""
    moves: set[tuple[int, int]] = set()
    async with agency.database.inside(agency.tenant) as connection:
        for one in decisions:
            for pair in one.content.addressees:
                number = await store.person_of_addressee(connection, pair)
                if number not in (None, wrong := given_up(one)):
                    moves.add((wrong, number))
    if not moves:
        return
    items = [{"integrated_number": f"{wrong:015d}", "split_off": f"{right:015d}"} for wrong, right in sorted(moves)]
    url = agency.outbound.intermediate("person-splits")
    answers = await agency.outbound.ask_list(url, items, step=SEND_SPLITS)
    if not all(answer.get("carried") is True for answer in answers):
        raise ChannelError("peer_answer_malformed")


async def tell_of_splits_again(agency: Agency) -> None:
    """Of all that were carried out. Raises as `tell_of_splits`."""
    after = ""
    while True:
        async with agency.database.inside(agency.tenant) as connection:
            page = await store.splits_done(connection, agency.keys, after, MOST_AT_ONCE)
        if not page:
            return
        await tell_of_splits(agency, page)
        after = page[-1].id
