"""Findings of the latest analysis of a server's access log (SC-12), as every server that staff enter counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from prometheus_client import Gauge

_FINDINGS: Final = Gauge(
    "sekisho_staff_findings", "Findings of the latest analysis of the access log", ["agency", "rule"]
)


def tell(agency: str, rules: Iterable[str], found: Iterable[str]) -> None:
    """How many findings there are by each of the rules."""
    counts = Counter(found)
    for rule in rules:
        _FINDINGS.labels(agency, rule).set(counts[rule])
