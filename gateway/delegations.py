"""委任 as the topology names it: who asks or answers for whom, on which side, since when; into the signed register (IS-2, IS-3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from transport.register import Delegation

KEYS: Final = ("delegator", "delegate", "side", "valid_from", "valid_to", "information")
"""Of one delegation in a topology or in an agency's own file."""


def overlap(one: Delegation, other: Delegation) -> bool:
    """Whether two say something of the same two agencies, side, day and kind of information."""
    same = (one.delegator, one.delegate, one.side) == (other.delegator, other.delegate, other.side)
    days = (other.valid_to is None or one.valid_from <= other.valid_to) and (
        one.valid_to is None or other.valid_from <= one.valid_to
    )
    kinds = not one.information or not other.information or bool(one.information & other.information)
    return same and days and kinds


def body(delegations: Iterable[Delegation]) -> list[dict[str, Any]]:
    """As the register says them."""
    return [
        {
            "delegator": one.delegator,
            "delegate": one.delegate,
            "side": one.side.value,
            "valid_from": one.valid_from.isoformat(),
            "valid_to": None if one.valid_to is None else one.valid_to.isoformat(),
            "information": sorted(one.information),
        }
        for one in delegations
    ]
