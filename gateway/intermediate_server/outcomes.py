"""結果の区分 (IS-2, IS-3): the kinds of end that an exchange can have, kept apart. The table is docs/outcomes.md; metrics and statistics count
by it, and records are found by it (IS-5, IS-10); what is sealed is `answered` or `not_provided` there. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from evidence.entry import EntryKind
from permission_lists.decide import Reason
from permission_lists.permit import PermitRefusal
from permission_lists.versions import VersionRefusal


class OutcomeKind(StrEnum):
    ANSWERED = "answered"
    EMPTY_BY_REASON = "empty_by_reason"
    NOT_PROVIDED = "not_provided"
    """What stands in clear of the next three (docs/adr/0015)."""
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
"""Reason of a refusal → its kind; what is not here is `refused`. Records are found by it: a change takes a migration of `log_record`."""
DEADLINE_PASSED: Final = "deadline_passed"
"""Reason of what was aborted because no answer came in time."""


_ENDS: Final[dict[EntryKind, OutcomeKind]] = {
    EntryKind.INQUIRY_ANSWERED: OutcomeKind.ANSWERED,
    EntryKind.INQUIRY_HELD: OutcomeKind.HELD,
    EntryKind.INQUIRY_NOT_PROVIDED: OutcomeKind.NOT_PROVIDED,
    EntryKind.INQUIRY_REFUSED: OutcomeKind.REFUSED,
    EntryKind.INQUIRY_DENIED: OutcomeKind.REFUSED,
    EntryKind.INQUIRY_REFUSED_BY_PROVIDER: OutcomeKind.REFUSED,
    EntryKind.INQUIRY_REFUSED_BY_NETWORK: OutcomeKind.REFUSED,
    EntryKind.INQUIRY_ABORTED: OutcomeKind.ABORTED,
    EntryKind.PROVISION_MADE: OutcomeKind.ANSWERED,
    EntryKind.PROVISION_RELEASED: OutcomeKind.ANSWERED,
    EntryKind.PROVISION_HELD: OutcomeKind.HELD,
    EntryKind.PROVISION_NOT_PROVIDED: OutcomeKind.NOT_PROVIDED,
    EntryKind.PROVISION_REFUSED: OutcomeKind.REFUSED,
    EntryKind.PROVISION_EXPIRED: OutcomeKind.EXPIRED,
}
"""What each kind of record says came of it, where no reason says more."""
RECORDED: Final = frozenset({*_ENDS.values(), *REFUSALS.values(), OutcomeKind.TIMED_OUT})
"""What stands in clear, in records and numbers."""


def outcome_of(kind: EntryKind, reason: str | None) -> OutcomeKind | None:
    """What a record of this kind and reason says came of the exchange; None: it is no end, and nothing is held."""
    found = _ENDS.get(kind)
    match found:
        case OutcomeKind.REFUSED:
            return REFUSALS.get(reason or "", found)
        case OutcomeKind.ABORTED:
            return OutcomeKind.TIMED_OUT if reason == DEADLINE_PASSED else found
        case _:
            return found
