"""What security staff watch of this server. Labels are bounded: outcome, item, reason code; never a person (STYLE §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from gateway.intermediate_server.agency import HostedAgency

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30)

INQUIRIES = Counter("sekisho_inquiries", "Inquiries that ended", ["outcome", "item"])
PROVISIONS = Counter("sekisho_provisions", "Provisions by outcome", ["outcome", "item"])
REFUSALS = Counter("sekisho_refusals", "Refusals, by who refused and why", ["by", "reason", "item"])
INQUIRY_SECONDS = Histogram("sekisho_inquiry_seconds", "From registration to the opened answer", buckets=_SECONDS)
PROVISION_SECONDS = Histogram(
    "sekisho_provision_seconds", "From the request to the recorded outcome, per list", buckets=_SECONDS
)
HELD_PROVISIONS = Gauge("sekisho_held_provisions", "Provisions that wait for a person", ["agency"])
CODES = Counter("sekisho_codes", "Code events", ["event"])
KEY_EVENTS = Counter("sekisho_key_events", "Key events", ["event"])
POOL = Gauge("sekisho_pool_connections", "Database connections", ["state"])
REPLICAS = Counter("sekisho_replicas", "Replica records", ["outcome"])


def item_label(agency: HostedAgency, basis: str | None, item: str) -> str:
    """The item if the list knows it, so that nobody can grow our labels by asking for nonsense."""
    return item if (basis, item) in agency.lists.source.rows else "unlisted"
