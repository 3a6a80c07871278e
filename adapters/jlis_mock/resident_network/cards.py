"""Synthetic cards (個人番号カードの利用者証明, simulated): who holds a card is told to the portal without a number.

A card is an Ed25519 key. Its certificate is `AES-SIV(person reference ‖ last second, card key)`: it names nobody, is made for one key alone,
and is kept nowhere. To the portal its holder is a keyed digest: the same for every card of one person, another one at any other agency.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from adapters.jlis_mock.resident_network.messages import CardHolderRequest, CardRequest
from adapters.jlis_mock.resident_network.residents import Residents, parse_number
from keys import labels
from keys.binding import bind
from keys.deterministic import DETERMINISTIC_KEY_SIZE, DeterministicKey
from keys.errors import SealBroken
from keys.ring import Keyring
from storage.key_store import KeyStore

CARD: Final = "citizen-card"
HOLDER: Final = "citizen-holder"
"""The first version of both, for ever: under another one no card would be known, and every citizen somebody else."""
PORTAL_KIND: Final = "マイナポータル"
VALID_FOR: Final = timedelta(days=5 * 365)
_REF_SIZE: Final = 16
_KEY_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a card: the person reference for the core, and what the asking agency may call the person."""

    person_ref: bytes
    name: bytes


class Cards:
    """Certificates of cards under one ring."""

    def __init__(self, residents: Residents, keys: KeyStore) -> None:
        for purpose in (CARD, HOLDER):
            keys.ensure(purpose)
        self._residents = residents
        self._ring: Keyring = keys.ring
        self._key = DeterministicKey(keys.ring.secret(CARD, DETERMINISTIC_KEY_SIZE, version=1))

    async def issue(self, asks: Sequence[CardRequest], now: datetime) -> list[dict[str, Any]]:
        """A certificate for each card key, in order. Raises StorageUnavailableError."""
        found = await self._residents.find([parse_number(ask.individual_number) for ask in asks])
        until = int((now + VALID_FOR).timestamp()).to_bytes(8)
        answers: list[dict[str, Any]] = []
        for ask, row in zip(asks, found, strict=True):
            if row is None or len(ask.card_key) != _KEY_SIZE:
                answers.append({"refused": {"reason": "number_unknown" if row is None else "card_key_malformed"}})
                continue
            sealed = self._key.seal(self._residents.person_ref(row) + until, bind(labels.CITIZEN_CARD, ask.card_key))
            answers.append({"certificate": base64.b64encode(sealed).decode()})
        return answers

    def open(self, ask: CardHolderRequest, agency: str, now: datetime) -> Holder | str:
        """The holder of a card, or why there is none: `card_unknown`, `card_expired`."""
        try:
            opened = self._key.open(ask.certificate, bind(labels.CITIZEN_CARD, ask.card_key))
        except (SealBroken, ValueError):
            return "card_unknown"
        person_ref, until = opened[:_REF_SIZE], int.from_bytes(opened[_REF_SIZE:])
        if now.timestamp() > until:
            return "card_expired"
        return Holder(person_ref, self._ring.index(HOLDER, bind(labels.CITIZEN_HOLDER, agency, person_ref), version=1))


CARDS: Final = web.AppKey("cards", Cards)
