"""委任 as the topology names it: who asks or answers for whom, on which side, since when; into the signed register (IS-2, IS-3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from gateway.topology_fields import Fields, shown
from transport.register import Delegation, Side

KEYS: Final = ("delegator", "delegate", "side", "valid_from", "valid_to", "information")
"""Of one delegation in a topology or in an agency's own file."""


def read(
    fields: Fields, agencies: Collection[str], information: Callable[[Fields, str], frozenset[str]]
) -> Delegation | None:
    """One between two of these agencies; None, and noted, when something is wrong with it. `information`: reads its kinds."""
    before = len(fields.findings.found)
    delegator, delegate = (fields.named(key, agencies) for key in ("delegator", "delegate"))
    side = fields.named("side", [one.value for one in Side])
    since = fields.day("valid_from")
    until = fields.day("valid_to") if fields.mapping.get("valid_to") is not None else None
    kinds = information(fields, "information")
    if fields.mapping.get("information") == []:
        fields.wrong("information", "information_empty")
    if delegator and delegator == delegate:
        fields.wrong("delegate", "delegation_to_itself", agency=shown(delegate))
    if since is not None and until is not None and until < since:
        fields.wrong("valid_to", "days_reversed")
    if len(fields.findings.found) > before or since is None:
        return None
    return Delegation(
        delegator=delegator,
        delegate=delegate,
        side=Side(side),
        valid_from=since,
        valid_to=until,
        information=kinds,
    )


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
