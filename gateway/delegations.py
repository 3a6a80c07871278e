"""委任 as the topology names it: who asks or answers for whom, on which side, since when; into the signed register (IS-2, IS-3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from transport.register import Delegation

KEYS: Final = ("delegator", "delegate", "side", "valid_from", "valid_to", "information")
"""Of one delegation in a topology or in an agency's own file."""


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
