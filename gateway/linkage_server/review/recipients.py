"""提供先の報告: every agency that was given data under a number since a wrong link (SC-18), from the intermediate server's records (IF_TKM_90020)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from evidence.canonical import timestamp
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight
from storage.fault_points import declare
from transport.channel import ChannelError

SEND_RECIPIENTS: Final = declare("linkage", "send.recipients")
_CALLS: Final = 200


async def report(sight: Sight, number: int, since: datetime) -> dict[str, Any]:
    """`recipients` in the order of the records, `agencies` once each (委任元 too), `unreadable`: records that no longer say whose data it was.

    Raises ChannelError: ask again, nothing was changed.
    """
    outbound = sight.agency.outbound
    wanted: dict[str, Any] = {"integrated_number": f"{number:015d}", "since": timestamp(since)}
    found: list[dict[str, Any]] = []
    unreadable = 0
    for _ in range(_CALLS):
        [answer] = await outbound.ask_list(outbound.intermediate("recipients"), [wanted], step=SEND_RECIPIENTS)
        if not isinstance(answer.get("recipients"), list):
            raise ChannelError("peer_answer_malformed")
        found += answer["recipients"]
        unreadable += int(answer.get("unreadable") or 0)
        if answer.get("next") is None:
            break
        wanted |= {"after": answer["next"]}
    else:
        raise ChannelError("peer_answer_malformed")
    await record_look_up(sight, Look.RECIPIENTS, [number])
    agencies = sorted({str(one[name]) for one in found for name in ("inquirer", "inquirer_for") if one.get(name)})
    return {"recipients": found, "agencies": agencies, "unreadable": unreadable}
