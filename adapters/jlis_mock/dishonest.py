"""A dishonest agency for tests, scenarios and the demonstration: it speaks the wire by itself, with a real agency's identity.

It is `partner`, the library for whoever connects a server of their own. As an inquirer it asks for anything and presents what it should not;
what it must never get is an answer that the permission list does not give it. As a provider it answers wrongly, under a true permit and its
own signature; what it must never achieve is that somebody takes that for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from keys.masked import Plaintext
from keys.sealing import new_one_time_key, seal
from keys.signing import Signer, generate_seed
from partner.asking import Asker as DishonestPeer
from partner.messages import Question as Wish
from partner.messages import SignedRequest, octets, open_answer, payload_info, permit_claims
from partner.providing import PROVIDES_NOTHING, Found, Look, Permitted, Provider

__all__ = [
    "Bend", "DishonestPeer", "DishonestProvider", "SignedRequest", "Wish", "open_answer", "payload_info", "permit_claims",
]  # fmt: skip


class Bend(StrEnum):
    """What a dishonest provider does in place of an answer."""

    MORE_THAN_ASKED = "more-than-asked"
    """Give the whole record though some items were asked for (SC-5, SC-14)."""
    ANSWER_OF_BEFORE = "answer-of-before"
    """Give the answer to an earlier inquiry."""
    SIGNED_BY_ANOTHER = "signed-by-another"
    """Sign with a key that is not the registered one."""
    SEALED_TO_ANOTHER = "sealed-to-another"
    """Seal to a key of its own, not to the inquirer's."""
    OF_ANOTHER_CONTEXT = "of-another-context"
    """Sign an outcome that is bound to another question."""
    WITHOUT_ANSWER = "without-answer"
    """Say that it has provided, and provide nothing."""
    NO_RECORDS = "no-records"
    """Seal something that is no answer."""
    RECORDS_WITHOUT_FORM = "records-without-form"
    """Seal an answer whose records are none: a reader who trusts their form falls over."""
    REFUSES_IN_OWN_WORDS = "refuses-in-own-words"
    """Refuse with a text that is no reason code, which must not get into anybody's records."""


RECORD: Mapping[str, Any] = {
    "data_set": "資格情報",
    "version": "0001",
    "items": {"保険者番号": {"value": "99999999"}, "被保険者番号": {"value": "00000000"}},
}
"""What it gives of everybody; synthetic."""


@dataclass(slots=True, kw_only=True)
class DishonestProvider(Provider):
    """`bend` None: it provides nothing, which is honest. It looks at no permission list and knows everybody."""

    lists: frozenset[str] = frozenset()
    permitted: Permitted = lambda _claims: True
    look: Look = lambda _code, _kind: Found(records=[RECORD])
    bend: Bend | None = None

    def answer(self, item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        if self.bend is None:
            return dict(PROVIDES_NOTHING)
        if self.bend is Bend.REFUSES_IN_OWN_WORDS:
            return {"refused": {"reason": "答えない <script>"}}
        if self.bend is Bend.ANSWER_OF_BEFORE and self.answered:
            return next(iter(self.answered.values()))[1]
        return super(DishonestProvider, self).answer(item, now)

    def refusal(self, item: Mapping[str, Any], claims: Mapping[str, Any], now: datetime) -> str | None:  # noqa: ARG002 (it looks at none of them)
        """It refuses nothing."""
        return None

    def _provide(
        self, item: Mapping[str, Any], claims: Mapping[str, Any], exchange: str, now: datetime
    ) -> dict[str, Any]:
        if self.bend is Bend.WITHOUT_ANSWER:
            return self._signed(claims, exchange, now, "provided")
        key = new_one_time_key().public if self.bend is Bend.SEALED_TO_ANOTHER else octets(item["public_key"])
        records = [{"items": 1}] if self.bend is Bend.RECORDS_WITHOUT_FORM else [RECORD]
        whole = msgspec.json.encode([] if self.bend is Bend.NO_RECORDS else {"kind": "answered", "records": records})
        sealed = seal(key, payload_info(claims), Plaintext(whole))
        if self.bend is Bend.OF_ANOTHER_CONTEXT:
            claims = {**claims, "item": "999"}
        own = self.signer
        self.signer = Signer(generate_seed()) if self.bend is Bend.SIGNED_BY_ANOTHER else own
        answer = self._signed(claims, exchange, now, "provided", sealed=sealed)
        self.signer = own
        return answer
