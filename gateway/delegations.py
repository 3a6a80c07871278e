"""委任 as the topology names it: who asks or answers for whom, on which side, since when; into the signed register (IS-2, IS-3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, Final

from transport.register import Delegation, Side

KEYS: Final = ("delegator", "delegate", "side", "valid_from", "valid_to", "information")


class DelegationsBrokenError(ValueError):
    """A delegation does not fit: a key that is not known, an agency that is not there, days out of order."""


def parse(source: Iterable[Mapping[str, Any]], agencies: Collection[str]) -> tuple[Delegation, ...]:
    """`source`: the topology's list; days are YYYY-MM-DD, in quotes or not. Raises DelegationsBrokenError."""
    return tuple(_one(item, agencies) for item in source)


def _one(item: Mapping[str, Any], agencies: Collection[str]) -> Delegation:
    try:
        found = Delegation(
            delegator=str(item["delegator"]),
            delegate=str(item["delegate"]),
            side=Side(item["side"]),
            valid_from=date.fromisoformat(str(item["valid_from"])),
            valid_to=None if item.get("valid_to") is None else date.fromisoformat(str(item["valid_to"])),
            information=frozenset(map(str, item.get("information", ()))),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DelegationsBrokenError from None
    known = found.delegator in agencies and found.delegate in agencies and found.delegator != found.delegate
    if set(item) - set(KEYS) or not known or (found.valid_to or date.max) < found.valid_from:
        raise DelegationsBrokenError
    return found


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
