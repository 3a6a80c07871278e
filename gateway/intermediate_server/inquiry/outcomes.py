"""結果の区分 (IS-2, IS-3): the kinds of end that an inquiry can have, kept apart. The table is docs/outcomes.md; metrics count by it, of
what is sealed by the state alone. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.intermediate_server.inquiry.states import State
from permission_lists.decide import Reason
from permission_lists.permit import PermitRefusal
from permission_lists.versions import VersionRefusal


class OutcomeKind(StrEnum):
    ANSWERED = "answered"
    EMPTY_BY_REASON = "empty_by_reason"
    NO_SUCH_PERSON = "no_such_person"
    NO_REPLICA = "no_replica"
    NONE_IN_PERIOD = "none_in_period"
    HELD = "held"
    REFUSED_BY_LIST = "refused_by_list"
    REFUSED_BY_PERMIT = "refused_by_permit"
    REFUSED_BY_STAFF = "refused_by_staff"
    REFUSED_FOR_NON_DISCLOSURE = "refused_for_non_disclosure"
    REFUSED = "refused"
    """For any other reason: the code, a frozen person, a copy that does not open."""
    EXPIRED = "expired"
    """It was held, and nobody decided in time."""
    TIMED_OUT = "timed_out"
    ABORTED = "aborted"


SEALED_KINDS: Final = frozenset(
    {
        OutcomeKind.ANSWERED,
        OutcomeKind.EMPTY_BY_REASON,
        OutcomeKind.NO_SUCH_PERSON,
        OutcomeKind.NO_REPLICA,
        OutcomeKind.NONE_IN_PERIOD,
    }
)
"""What stands in the sealed part, for the inquirer alone."""
_LISTS: Final = frozenset(
    {
        PermitRefusal.LIST_DIGEST_UNKNOWN.value,
        PermitRefusal.LIST_NOT_IN_FORCE.value,
        VersionRefusal.OVERDUE.value,
    }
)
REFUSALS: Final[dict[str, OutcomeKind]] = {
    **{reason.value: OutcomeKind.REFUSED_BY_PERMIT for reason in PermitRefusal},
    **dict.fromkeys(
        (
            "inquirer_signature", "request_expired", "permit_replayed", "inquiry_answered_before", "request_differs_from_permit",
            "permit_of_another_party", "permit_unknown", "signature_invalid", "inquiry_number_reused", "expiry_too_late",
        ),
        OutcomeKind.REFUSED_BY_PERMIT,
    ),
    **{reason.value: OutcomeKind.REFUSED_BY_LIST for reason in Reason},
    **dict.fromkeys((*_LISTS, "delegation_not_on_file"), OutcomeKind.REFUSED_BY_LIST),
    "refused_by_staff": OutcomeKind.REFUSED_BY_STAFF,
    "protection_of_person": OutcomeKind.REFUSED_BY_STAFF,
    "non_disclosure": OutcomeKind.REFUSED_FOR_NON_DISCLOSURE,
    "held_past_deadline": OutcomeKind.EXPIRED,
}  # fmt: skip
"""Reason of a refusal → its kind; what is not here is `refused`."""


def kind_of(state: State, reason: str | None) -> str:
    """What an inquiry that has ended or is held is counted as: its kind, or its state where the kind is sealed (docs/adr/0015)."""
    match state:
        case State.ANSWERED | State.NOT_PROVIDED:
            return state
        case State.HELD:
            return OutcomeKind.HELD
        case State.ABORTED:
            return OutcomeKind.TIMED_OUT if reason == "deadline_passed" else OutcomeKind.ABORTED
        case _:
            return REFUSALS.get(reason or "", OutcomeKind.REFUSED)
