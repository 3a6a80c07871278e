"""What a caller is told when a decision may not be made: what, why, and what to do."""

from __future__ import annotations

from typing import Final

from gateway.linkage_server.review.deciding import Refused
from gateway.linkage_server.review.decision import No
from transport.problem import ProblemError

_ALL: Final = (
    ProblemError(404, "hold_unknown", "There is no hold of this id; list the open ones."),
    ProblemError(409, "hold_decided", "This hold has been decided; nothing was changed."),
    ProblemError(404, "person_unknown", "There is nobody of this integrated number, or the hold leaves open who it is: name the person."),
    ProblemError(409, "person_frozen", "The person is frozen: undo the wrong link or release the person first."),
    ProblemError(409, "person_not_frozen", "The person is not frozen; there is nothing to release."),
    ProblemError(409, "person_merged", "This number was merged into another; name the one who lives on."),
    ProblemError(409, "same_person", "Both numbers are the same; name two."),
    ProblemError(409, "fewer_than_four_items", "Name, sex, birth date and address do not all agree (sex 0 or 9 never does): no link rests on fewer than four items."),
    ProblemError(409, "has_individual_number", "The person has an individual number of their own: merge or split by that number instead."),
    ProblemError(409, "individual_number_taken", "Another person has this individual number; decide whose it is first."),
    ProblemError(409, "individual_number_former", "Somebody else had this individual number before; find out whose it is."),
    ProblemError(409, "integrated_number_taken", "Somebody has, or had, the integrated number of this row: link it, or refuse it and have it sent without that number."),
    ProblemError(409, "four_items_differ", "The resident network has other items under this individual number than the person will have; say what is right."),
    ProblemError(409, "not_in_resident_network", "The resident network does not know this individual number: check it, or leave it out."),
    ProblemError(409, "no_individual_number", "There is no individual number here that could go along."),
    ProblemError(409, "addressee_not_of_person", "An addressee number that is named does not belong to this person now."),
    ProblemError(409, "items_not_known", "What was sent for these addressee numbers is not known any more: say name, sex, birth date and address of whom they are."),
    ProblemError(400, "no_addressee_named", "Name the addressee numbers that are another person's."),
    ProblemError(409, "not_for_this_hold", "This hold is about a change: link takes it as it is for whom its numbers name; otherwise refuse it."),
    ProblemError(404, "decision_unknown", "There is no such decision that this call may touch."),
    ProblemError(409, "decided_already", "This decision has gone on or ended meanwhile; look at it again."),
    ProblemError(409, "content_changed", "The decision or the people it is about have changed since; look again, and propose or approve what is there now."),
    ProblemError(409, "own_proposal", "Nobody approves what they proposed themselves; another member of staff does."),
    ProblemError(409, "same_client", "This agency wants two clients for a decision: another than proposed it approves it."),
)  # fmt: skip
_BY_REASON: Final = {one.reason: one for one in _ALL}


def problem_of(refused: Refused) -> ProblemError:
    if refused.reason is No.DECISION_OPEN:
        detail = f"A decision about this is open: {refused.decision_id}. Decide, edit or withdraw that one."
        return ProblemError(409, "decision_open", detail)
    return _BY_REASON[refused.reason.value]
