"""What the network's operators watch: permits and presentations by what became of them. Labels are bounded, and nobody's person is among them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

from transport.refusal_metrics import REFUSALS

PERMITS: Final = Counter("sekisho_permits", "Requests for permits by what became of them", ["outcome", "item"])
RELAYS: Final = Counter(
    "sekisho_relays", "Presented permits and late outcomes by what became of them", ["outcome", "item"]
)
NO_ITEM: Final = "none"
_OUTCOMES: Final = frozenset({"provided", "not_provided", "held", "refused", "retry", "turned_away"})


def permit_refused(reason: str, item: str) -> None:
    """`reason`: a code of ours. `item`: as the list has it, `unlisted` or `none`."""
    PERMITS.labels("refused", item).inc()
    REFUSALS.labels("core", reason, item).inc()


def relayed(outcome: str, item: str) -> None:
    RELAYS.labels(outcome if outcome in _OUTCOMES else "other", item).inc()


def turned_away(reason: str, item: str) -> None:
    """A presentation that the network itself refused."""
    relayed("turned_away", item)
    REFUSALS.labels("core", reason, item).inc()
