"""What an exchange record can be searched by: it goes into a row of its own beside the entry, in the entry's transaction (IS-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBy:
    """`partner`: the other agency; `item`: of the permission list; `subject`: the person's keyed index (16 bytes), if one is known."""

    partner: str
    item: str
    information: str
    actor: str | None
    subject: bytes | None


def columns(found: Sequence[FoundBy | None]) -> tuple[list[Any], ...]:
    """The last arguments of append_log: partners, items, informations, actors, subjects; all empty where no entry is a record."""
    if not any(found):
        return [], [], [], [], []
    return (
        [one and one.partner for one in found],
        [one and one.item for one in found],
        [one and one.information for one in found],
        [one and one.actor for one in found],
        [one and one.subject for one in found],
    )
