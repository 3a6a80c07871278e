"""What security staff watch of this server. Labels are bounded: outcome, item, reason code; never a person (STYLE §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from permission_lists.decide import Reason
from permission_lists.permit import PermitRefusal

if TYPE_CHECKING:
    from gateway.intermediate_server.agency import HostedAgency

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30)

INQUIRIES = Counter(
    "sekisho_inquiries", "Inquiries that ended, by kind of outcome as far as it is in clear", ["outcome", "item"]
)
PROVISIONS = Counter("sekisho_provisions", "Provisions by outcome", ["outcome", "item"])
INQUIRY_SECONDS = Histogram("sekisho_inquiry_seconds", "From registration to the opened answer", buckets=_SECONDS)
PROVISION_SECONDS = Histogram(
    "sekisho_provision_seconds", "From the request to the recorded outcome, per list", buckets=_SECONDS
)
HELD_PROVISIONS = Gauge("sekisho_held_provisions", "Provisions that wait for a person", ["agency"])
HELD_ESCALATED = Gauge("sekisho_held_escalated", "Held provisions whose deadline is near", ["agency"])
CODES = Counter("sekisho_codes", "Code events", ["event"])
CODES_HELD = Gauge("sekisho_codes_held", "Codes by state and epoch; ended ones too", ["agency", "state", "epoch"])
STAFF_UNVOUCHED = Gauge(
    "sekisho_staff_unvouched",
    "Members, cards, rights and sessions in force that the server did not write so: they give nothing, and somebody has changed the database",
    ["agency", "kind"],
)
BARS_MISSING = Gauge(
    "sekisho_bars_missing",
    "Bars that work by the log and whose rows do not say so: nothing is asked or answered, and somebody has changed the database",
    ["agency"],
)
POOL = Gauge("sekisho_pool_connections", "Database connections", ["state"])
SWEEP_FAILURES = Counter("sekisho_sweep_failures", "Rounds of the outbox that failed, by kind of error", ["error"])
REPLICAS = Counter("sekisho_replicas", "Replica records", ["outcome"])


_REASONS = (
    {reason.value for reason in Reason}
    | {reason.value for reason in PermitRefusal}
    | {
        "replica_unreadable", "permit_replayed", "inquiry_answered_before", "inquirer_signature", "request_expired", "item_not_in_layout", "public_key_unusable",
        "refused_by_staff", "non_disclosure", "protection_of_person", "person_frozen", "held_past_deadline", "code_not_obtained", "code_not_of_this_agency",
        "permit_of_another_party", "permit_unknown", "signature_invalid", "inquiry_number_reused", "agency_unknown", "outcome_conflict",
        "code_cancelled", "code_replaced", "code_epoch_over", "permit_older_than_log", "use_suspended", "delegation_not_on_file",
        "list_overdue", "result_unreadable", "own_code_unreadable",
    }
)  # fmt: skip


def reason_label(reason: str) -> str:
    """A reason code that we know, or `other`."""
    return reason if reason in _REASONS else "other"


def item_label(agency: HostedAgency, basis: str | None, item: str) -> str:
    """The item if the list knows it, so that nobody can grow our labels by asking for nonsense."""
    return item if (basis, item) in agency.lists.source.rows else "unlisted"
