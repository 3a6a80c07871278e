"""What an exchange record can be searched by: it goes into a row of its own beside the entry, in the entry's transaction (IS-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBy:
    """`partner`: the other agency; `item`: of the permission list; `subject`: the person's keyed index (16 bytes), if one is known.

    `inquirer_for`, `provider_for`: 委任元; `outcome`: what came of the exchange, of a record that says it.
    """

    partner: str
    item: str
    information: str
    actor: str | None
    subject: bytes | None
    inquirer_for: str | None = None
    provider_for: str | None = None
    outcome: str | None = None


def columns(found: Sequence[FoundBy | None]) -> tuple[list[Any], ...]:
    """The last arguments of append_log: partners to outcomes; all empty where no entry is a record."""
    if not any(found):
        return tuple([] for _ in range(8))
    return (
        [one and one.partner for one in found],
        [one and one.item for one in found],
        [one and one.information for one in found],
        [one and one.actor for one in found],
        [one and one.subject for one in found],
        [one and one.inquirer_for for one in found],
        [one and one.provider_for for one in found],
        [one and one.outcome for one in found],
    )
