"""Refusals as every deciding server counts them: who refused, why, under which item of the list. Labels are bounded by whoever counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

REFUSALS: Final = Counter("sekisho_refusals", "Refusals, by who refused and why", ["by", "reason", "item"])
