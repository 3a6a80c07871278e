"""Faults that the simulated network commits on demand, so that others can be seen to catch them (simulation only).

Each switch holds how many more messages it is to strike: the next ones, or, with a `share`, those that are drawn from a seed. A message that
is sent again is the same message: it is counted and drawn once, and struck as often as it comes, or `each` times (docs/adr/0079). What is no
message of an inquiry (`BY_CALL`) is counted by the call. `FaultBoard` holds the present state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b
from math import inf
from typing import Any, Final


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


BY_CALL: Final = frozenset(
    {Switch.STALE_LIST, Switch.CORE_DOWN, Switch.WRONG_CERTIFICATE, Switch.MINT_FOR_ANOTHER_PERSON}
)
"""These strike calls, whatever is in them: a call that comes again is another one (the last one is that it comes again)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How many more messages each switch strikes; `permit_redeem_s` replaces the configured seconds while it is set."""

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
class _Drawing:
    """How one switch chooses: `percent` of a hundred messages, by `seed`, each struck so many times (None: as often as it comes).

    `met`: message → how often it is still struck, 0 for one that was spared. `occasions`: how many messages or calls there were.
    """

    percent: int | None = None
    seed: int = 1
    each: int | None = None
    met: dict[str, float] = field(default_factory=dict)
    occasions: int = 0

    def drawn(self, switch: Switch) -> bool:
        """Whether this occasion is one of the share; the same for the same seed and place in the row of occasions."""
        if self.percent is None:
            return True
        self.occasions += 1
        row = f"{self.seed}/{switch.value}/{self.occasions}"
        return int.from_bytes(blake2b(row.encode(), digest_size=4).digest(), "big") % 100 < self.percent


class FaultBoard:
    """The faults of one network, changed through the control port."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._drawings: dict[str, _Drawing] = {}

    def take(self, switch: Switch, message: str | None = None) -> bool:
        """Whether to commit this fault now; counts it. `message`: what names it whenever it comes; None: a call, which is never the same again."""
        drawing = self._drawings.get(switch.value)
        if drawing is None:
            return False
        if message is not None and message in drawing.met:
            return self._again(drawing, message)
        left = self.faults.left(switch)
        if left <= 0:
            return False
        struck = drawing.drawn(switch)
        if message is not None:
            drawing.met[message] = (inf if drawing.each is None else drawing.each - 1) if struck else 0
        if struck:
            self.faults = replace(self.faults, **{switch.value: left - 1})
        return struck

    @staticmethod
    def _again(drawing: _Drawing, message: str) -> bool:
        left = drawing.met[message]
        drawing.met[message] = max(0, left - 1)
        return left > 0

    def set(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Set the named switches, leave the others; return all of them. `share`, `seed`, `each`: how those that are named choose and strike."""
        how = {"share", "seed", "each"}
        named = {name: value for name, value in changes.items() if name not in how}
        for name in named:
            self._drawings[name] = _Drawing(
                percent=changes.get("share"), seed=changes.get("seed") or 1, each=changes.get("each")
            )
        self.faults = replace(self.faults, **named)
        return asdict(self.faults)
