"""Routes of copies for staff (IS-6)."""

from __future__ import annotations

from typing import Any, Final

from gateway.intermediate_server.replica import viewing
from gateway.intermediate_server.staff.operating import Acting, only
from gateway.intermediate_server.staff.rights import Function
from transport import wire
from transport.problem import ProblemError


async def _view(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_DBM_90024: on record before it is shown, about whom by the keyed index that the analysis of the access log knows (SC-7, SC-12)."""
    item, agency = only(wire.parse_items(envelope, viewing.VIEW_ITEM)), acting.desk.agency
    now = agency.clock()
    viewing.check(agency, item, agency.today(now))
    if not acting.may(Function.REPLICAS_VIEW, item.affair, item.information):
        raise ProblemError(
            403, "right_missing", "Your right for this function does not cover that affair or kind of information."
        )
    found = await viewing.view(agency, item, now)
    said: dict[str, str | int] = {
        "affair": item.affair,
        "information": item.information,
        "person": acting.desk.person_index(item.integrated_number).hex(),
        "replicas": len(found["replicas"]),
    }
    await acting.record(Function.REPLICAS_VIEW, [said], now)
    return [found]


REPLICA_ROUTES: Final = (("replicas/view", Function.REPLICAS_VIEW, _view),)
"""Path below the agency, the right that it takes, and who answers."""
