"""Answering as an agency: every check of a permit, then exactly what was asked, sealed to the one-time key (IF_TKY_90003).

`Provider.answer` is pure but for what it remembers; a server keeps `answered` in its database, and writes its record before it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from evidence import canonical
from keys import labels
from keys.masked import Plaintext
from keys.sealing import PublicKeyBroken, key_hash, seal
from keys.signing import Signer
from partner.messages import (
    MessageBrokenError,
    code_binding,
    exchange_digest,
    hexdigest,
    octets,
    payload_info,
    permit_claims,
    text,
)
from transport.register import Register, Side

_SHARED = (
    "inquiry_number", "inquirer", "provider", "basis", "item", "information", "items", "list_digest", "key_hash",
    "non_disclosure", "period", "inquirer_for", "provider_for",
)  # fmt: skip


_JST: Final = timezone(timedelta(hours=9))


def parties(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Whose rows of the list count, asking and answering: the delegator (委任元) where somebody has delegated, not the delegate."""
    return str(claims.get("inquirer_for") or claims["inquirer"]), str(claims.get("provider_for") or claims["provider"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the agency knows of the person whom a code names. `records`: `data_set`, `version`, `items` each, whole.

    `held`: 自動応答不可, nothing leaves before a person has seen it. None in place of a Found: the code names nobody here.
    """

    records: Sequence[Mapping[str, Any]] = ()
    held: bool = False


PROVIDES_NOTHING: Final[Mapping[str, Any]] = {"refused": {"reason": "agency_provides_nothing"}}
"""What an agency answers that holds nothing that others may ask for."""
Look = Callable[[bytes, str], Found | None]
"""The agency's own code of a person, and the kind of information → what it knows."""
Permitted = Callable[[Mapping[str, Any]], bool]
"""Whether the agency's own copy of the permission list permits these claims: by the rows of `parties(claims)`, as `partner.lists.List.permits` does."""


@dataclass(slots=True, kw_only=True)
class Provider:
    """`lists`: digests of the permission lists held. `answered`: (inquirer, inquiry number) → exchange digest and answer.

    `held`: permit id → the request that waits for a person.
    """

    agency: str
    signer: Signer
    register: Callable[[], Register]
    lists: frozenset[str]
    permitted: Permitted
    look: Look
    answered: dict[tuple[str, str], tuple[str, dict[str, Any]]] = field(default_factory=dict)
    held: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def answer(self, item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The answer item of one request: a signed outcome, or `refused` for what is no permit at all."""
        try:
            claims = permit_claims(item["permit"], self.register().permit_keys.accepted(now))
            exchange = exchange_digest(item)
        except (MessageBrokenError, ValueError, KeyError, TypeError):
            return {"refused": {"reason": "permit_signature"}}
        key = (str(claims["inquirer"]), str(claims["inquiry_number"]))
        before = self.answered.get(key)
        if before is not None and before[0] == exchange:
            return before[1]
        if before is not None:
            return self._signed(claims, exchange, now, "refused", reason="permit_replayed")
        reason = self.refusal(item, claims, now)
        if reason is not None:  # nothing is remembered: nobody spends another's permit by sending rubbish under it
            return self._signed(claims, exchange, now, "refused", reason=reason)
        answer = self._provide(item, claims, exchange, now)
        self.answered[key] = (exchange, answer)
        return answer

    def release(self, permit_id: str, now: datetime) -> dict[str, Any]:
        """What was held, after a person has looked at it: deliver it by `Caller.late_outcome` until it is received. From now on it is the answer to the same bytes too.

        Every check is made again: after the deadline, say, or the end of a delegation it is refused. Raises KeyError: nothing is held under this permit.
        """
        item = self.held.pop(permit_id)
        claims, exchange = permit_claims(item["permit"]), exchange_digest(item)
        reason = self.refusal(item, claims, now)
        if reason is None:
            found = self.look(octets(item["code"]), claims["information"])
            answer = self._given(item, claims, exchange, now, found)
        else:
            answer = self._signed(claims, exchange, now, "refused", reason=reason)
        self.answered[(str(claims["inquirer"]), str(claims["inquiry_number"]))] = (exchange, answer)
        return answer

    def refusal(  # noqa: PLR0911 (one return for each numbered step)
        self, item: Mapping[str, Any], claims: Mapping[str, Any], now: datetime
    ) -> str | None:
        """Why it is refused, or None.

        1. addressed to us  2. signed by its inquirer  3. for this request, with the deadline that the inquirer signed  4. for this key
        5. for this person  6. in time  7. by a list held  8. in nobody's stead, or in that of who has delegated it (委任)
        9. that list permits it, to whom it is for and from whom: those who have delegated, where somebody has
        """
        # 1
        if claims["provider"] != self.agency:
            return "permit_other_party"
        # 2
        request = octets(item["request"])
        inquirer = self.register().agencies.get(claims["inquirer"])
        if inquirer is None or not inquirer.signing_keys.verify(
            labels.INQUIRY, request, octets(item["signature"]), now=now
        ):
            return "inquirer_signature"
        # 3
        asked = _request(request)
        same = asked is not None and all(asked.get(name) == claims.get(name) for name in _SHARED)
        in_time = asked is not None and asked.get("expires_at") == claims["answer_by"]
        if not same or not in_time or hexdigest(request) != claims["request_digest"]:
            return "permit_request_differs"
        # 4
        if key_hash(octets(item["public_key"])).hex() != claims["key_hash"]:
            return "permit_key_differs"
        # 5
        if code_binding(item) != claims["code_binding"]:
            return "permit_other_person"
        # 6
        if canonical.timestamp(now) > claims["answer_by"]:
            return "permit_expired"
        # 7
        if claims["list_digest"] not in self.lists:
            return "list_digest_unknown"
        # 8
        if not self._delegated(claims):
            return "delegation_not_on_file"
        # 9
        return None if self.permitted(claims) else "not_permitted"

    def _delegated(self, claims: Mapping[str, Any]) -> bool:
        """Both sides, on the legal day on which the permit was issued."""
        day = datetime.fromisoformat(claims["issued_at"]).astimezone(_JST).date()
        sides = ((Side.INQUIRER, "inquirer_for", "inquirer"), (Side.PROVIDER, "provider_for", "provider"))
        return all(
            self.register().delegated(side, claims.get(delegator), claims[delegate], claims["information"], day)
            for side, delegator, delegate in sides
        )

    def _provide(
        self, item: Mapping[str, Any], claims: Mapping[str, Any], exchange: str, now: datetime
    ) -> dict[str, Any]:
        found = self.look(octets(item["code"]), claims["information"])
        if found is not None and found.held:
            self.held[claims["permit_id"]] = item
            return self._signed(claims, exchange, now, "held")
        return self._given(item, claims, exchange, now, found)

    def _given(
        self, item: Mapping[str, Any], claims: Mapping[str, Any], exchange: str, now: datetime, found: Found | None
    ) -> dict[str, Any]:
        kept = [_only(record, claims["items"]) for record in (found.records if found else ())]
        records = [record for record in kept if record["items"]]
        kind = "answered" if records else "no_such_person" if found is None else "no_replica"
        payload = msgspec.json.encode({"kind": kind, "records": records}, order="deterministic")
        try:
            sealed = seal(octets(item["public_key"]), payload_info(claims), Plaintext(payload))
        except PublicKeyBroken:
            return self._signed(claims, exchange, now, "refused", reason="public_key_unusable")
        disposition = "provided" if records else "not_provided"
        return self._signed(claims, exchange, now, disposition, sealed=sealed)

    def _signed(
        self,
        claims: Mapping[str, Any],
        exchange: str,
        now: datetime,
        disposition: str,
        *,
        reason: str | None = None,
        sealed: bytes | None = None,
    ) -> dict[str, Any]:
        outcome = canonical.encode(
            {
                "v": 1,
                "permit_id": claims["permit_id"],
                "inquiry_number": claims["inquiry_number"],
                "inquirer": claims["inquirer"],
                "provider": self.agency,
                "disposition": disposition,
                "reason": reason,
                "exchange_digest": exchange,
                "info_digest": hexdigest(payload_info(claims)),
                "sealed_digest": hexdigest(sealed) if sealed is not None else None,
                "at": canonical.timestamp(now),
            }
        )
        signature = self.signer.sign(labels.OUTCOME, outcome)
        return {
            "outcome": text(outcome),
            "signature": text(signature),
            "sealed": text(sealed) if sealed is not None else None,
        }


def _request(data: bytes) -> dict[str, Any] | None:
    try:
        found = canonical.decode(data)
    except (canonical.NotCanonical, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _only(record: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    items = {name: value for name, value in record["items"].items() if not wanted or name in wanted}
    return {"data_set": record["data_set"], "version": record["version"], "items": items}
