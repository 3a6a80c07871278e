"""The second of two people: both factors shown anew for one act on one content, since an open terminal must not be enough (SC-10, SC-11)."""

from __future__ import annotations

from datetime import datetime

from gateway.intermediate_server.staff.entering import Proof, prove
from gateway.intermediate_server.staff.factors import Asked
from gateway.intermediate_server.staff.operating import Acting
from transport.problem import ProblemError


async def prove_for(acting: Acting, purpose: str, proof: Proof, now: datetime) -> None:
    """With the card of the session, for exactly this purpose. Raises ProblemError 401, 403."""
    asked = Asked(
        agency=acting.desk.agency.id,
        staff_id=acting.staff_id,
        certificate=acting.session.certificate,
        purpose=purpose,
    )
    entrance = await prove(acting.desk, asked, proof, now)
    if entrance.card.card_id != acting.session.card_id:
        raise ProblemError(403, "another_card", "Show the card with which you logged in.")
