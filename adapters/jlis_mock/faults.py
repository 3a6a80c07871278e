"""Faults that the simulated network commits on demand, so that others can be seen to catch them (simulation only).

Each switch holds how many more times it is to happen: at once, or, with a `share`, at occasions that are drawn from a seed. The value is
frozen; `FaultBoard` holds the present one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Any


class Switch(StrEnum):
    """What the network may do wrong."""

    PERMIT_ANYTHING = "permit_anything"
    """Issue a permit without looking at the list."""
    PERMIT_OTHER_PARTY = "permit_other_party"
    """Issue a permit whose claims name another provider than the one asked for."""
    ANY_CALLER = "any_caller"
    """Take permits and requests from whoever presents them."""
    SWAP_KEY = "swap_key"
    """Give the provider the network's own one-time key instead of the inquirer's."""
    WRONG_PERSON = "wrong_person"
    """Attach another person's code for the provider, one that the permit is not bound to."""
    TAMPER_PAYLOAD = "tamper_payload"
    """Flip a bit of the sealed payload on its way back."""
    REPLAY_ALLOWED = "replay_allowed"
    """Pass on other bytes under a permit that was used, or a permit after its time."""
    MINT_FOR_ANOTHER_PERSON = "mint_for_another_person"
    """Asked again with the same signed request, issue a second permit, for whoever's code comes with it; record nothing."""
    POISON_ANSWER = "poison_answer"
    """Pass on a hostile text in place of the outcome that the provider signed."""
    STALE_LIST = "stale_list"
    """Say that there is no newer permission list, though there is."""
    PROVIDER_DOWN = "provider_down"
    """Behave as if the provider could not be reached."""
    CORE_DOWN = "core_down"
    """Break off whoever calls, as if nobody were there; staff still come in."""
    WRONG_CERTIFICATE = "wrong_certificate"
    """Call an agency with a certificate that is not good for calling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Times left of each switch; `permit_redeem_s` replaces the configured seconds while it is set."""

    permit_anything: int = 0
    permit_other_party: int = 0
    any_caller: int = 0
    swap_key: int = 0
    wrong_person: int = 0
    tamper_payload: int = 0
    replay_allowed: int = 0
    mint_for_another_person: int = 0
    poison_answer: int = 0
    stale_list: int = 0
    provider_down: int = 0
    core_down: int = 0
    wrong_certificate: int = 0
    permit_redeem_s: int | None = None

    def left(self, switch: Switch) -> int:
        count: int = getattr(self, switch.value)
        return count


@dataclass(slots=True, kw_only=True)
class _Share:
    """In so many of a hundred occasions; `occasions`: how many there were."""

    percent: int
    seed: int
    occasions: int = 0


class FaultBoard:
    """The faults of one network, changed through the control port."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._shares: dict[str, _Share] = {}

    def take(self, switch: Switch) -> bool:
        """Whether to commit this fault now; counts it."""
        left = self.faults.left(switch)
        if left <= 0 or not self._drawn(switch):
            return False
        self.faults = replace(self.faults, **{switch.value: left - 1})
        return True

    def _drawn(self, switch: Switch) -> bool:
        """Whether this occasion is one of the share; the same for the same seed and place in the row of occasions."""
        share = self._shares.get(switch.value)
        if share is None:
            return True
        share.occasions += 1
        row = f"{share.seed}/{switch.value}/{share.occasions}"
        return int.from_bytes(blake2b(row.encode(), digest_size=4).digest(), "big") % 100 < share.percent

    def set(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Set the named switches, leave the others; return all of them. `share`, `seed`: at which occasions those that are named act."""
        named = {name: value for name, value in changes.items() if name not in {"share", "seed"}}
        percent, seed = changes.get("share"), changes.get("seed") or 1
        for name in named:
            self._shares.pop(name, None)
            if percent is not None:
                self._shares[name] = _Share(percent=percent, seed=seed)
        self.faults = replace(self.faults, **named)
        return asdict(self.faults)
