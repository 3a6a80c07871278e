"""提供先の報告: every agency that was given data under a number since a wrong link (SC-18), from the intermediate server's records (IF_TKM_90020), and
the results that we ourselves were given about another person, which are ours to correct.

What left before a merge left under the number of then, so those that were merged into the number are asked about too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from evidence.canonical import timestamp
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.people.before_merges import merged_into
from storage.fault_points import declare
from transport.channel import ChannelError

SEND_RECIPIENTS: Final = declare("linkage", "send.recipients")
_CALLS: Final = 200
_BOTH: Final = ("recipients", "received")


async def report(sight: Sight, number: int, since: datetime) -> dict[str, Any]:
    """`recipients` and `received`, by the numbers under which data left or came and in the order of the records, `agencies` that were given some once each
    (委任元 too), `unreadable`: records that no longer say whose data it was.

    Raises ChannelError: ask again, nothing was changed.
    """
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        numbers = [number, *await merged_into(connection, number)]
    found: dict[str, list[dict[str, Any]]] = {which: [] for which in _BOTH}
    unreadable = 0
    for one in numbers:
        exchanged, unread = await _exchanged(sight, f"{one:015d}", since)
        for which in _BOTH:
            found[which] += exchanged[which]
        unreadable = max(unreadable, unread)  # the same records each time: they are under no number
    await record_look_up(sight, Look.RECIPIENTS, numbers)
    given = found["recipients"]
    agencies = sorted({str(one[name]) for one in given for name in ("inquirer", "inquirer_for") if one.get(name)})
    return {**found, "agencies": agencies, "unreadable": unreadable}


async def _exchanged(sight: Sight, number: str, since: datetime) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """What left and what came under one number, and how many records do not say whose it was."""
    outbound = sight.agency.outbound
    wanted: dict[str, Any] = {"integrated_number": number, "since": timestamp(since)}
    found: dict[str, list[dict[str, Any]]] = {which: [] for which in _BOTH}
    unreadable = 0
    for _ in range(_CALLS):
        [answer] = await outbound.ask_list(outbound.intermediate("recipients"), [wanted], step=SEND_RECIPIENTS)
        for which in _BOTH:
            if not isinstance(answer.get(which), list):
                raise ChannelError("peer_answer_malformed")
            found[which] += [one | {"integrated_number": number} for one in answer[which]]
        unreadable += int(answer.get("unreadable") or 0)
        if answer.get("next") is None:
            return found, unreadable
        wanted |= {"after": answer["next"]}
    raise ChannelError("peer_answer_malformed")
