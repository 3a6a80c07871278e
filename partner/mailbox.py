"""What an agency awaits of the network: codes that it asked for (IF_FGU_90009), and outcomes of what was held or lost (IF_SKI_90005).

Nothing else is taken: a code under a number that was never given out, or an outcome that its provider did not sign for exactly what was
asked, may come from anybody. A server keeps all this in its database.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from codebook.identifiers import ACQUISITION_PREFIX, new_sortable_id
from keys.errors import SealBroken
from partner.asking import DoubtedError, check_outcome, read_answer
from partner.messages import SignedRequest, permit_claims
from transport.register import Register

CODE_SIZE: Final = 34


@dataclass(slots=True, kw_only=True)
class Mailbox:
    """`people`: acquisition number → whose code it is to bring, in words of the agency's own. `codes`: what came; `outcomes`: permit → answer, checked."""

    people: dict[str, str] = field(default_factory=dict)
    codes: dict[str, bytes] = field(default_factory=dict)
    outcomes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: dict[str, tuple[str, SignedRequest]] = field(default_factory=dict)

    # --- codes

    def new_number(self, person: str, now: datetime) -> str:
        """処理通番 under which a code of this person may come. `person`: the agency's own key of them, never the 個人番号."""
        number = new_sortable_id(ACQUISITION_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10))
        self.people[number] = person
        return number

    async def code(self, acquisition_number: str, *, timeout_s: float = 20.0) -> bytes:
        """Wait for a code that was asked for. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while acquisition_number not in self.codes:
                self.came.clear()
                await self.came.wait()
        return self.codes[acquisition_number]

    def take_code(self, number: str, code: bytes) -> dict[str, Any]:
        """`bound`, again too; or why it is refused.

        1. the number was given out here  2. it is a code  3. it is the one that came before, if one did  4. nobody else has it.
        """
        # 1
        if number not in self.people:
            return _refused("acquisition_number_unknown")
        # 2
        if len(code) != CODE_SIZE:
            return _refused("code_malformed")
        # 3
        if self.codes.get(number, code) != code:
            return _refused("code_differs")
        # 4
        if any(one == code and self.people[other] != self.people[number] for other, one in self.codes.items()):
            return _refused("code_of_another_person")
        self.codes[number] = code
        self.came.set()
        return {"bound": True}

    # --- outcomes

    def await_outcome(self, permit: str, signed: SignedRequest) -> str:
        """From now on an outcome of this inquiry may come by itself; returns the permit's id."""
        permit_id = str(permit_claims(permit)["permit_id"])
        self._asked[permit_id] = (permit, signed)
        return permit_id

    async def outcome(self, permit_id: str, *, timeout_s: float) -> Mapping[str, Any] | None:
        """Wait so long for an outcome that may come late; None when it has not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while permit_id not in self.outcomes:
                    self.came.clear()
                    await self.came.wait()
        return self.outcomes.get(permit_id)

    def take_outcome(
        self, permit_id: str, answer: Mapping[str, Any], register: Register, now: datetime
    ) -> dict[str, Any]:
        """`received`, again too; or why it is refused: then the right one may still come."""
        if permit_id not in self._asked:
            return _refused("permit_unknown")
        if permit_id in self.outcomes:
            return {"received": True}
        try:
            said = check_outcome(register, answer, *self._asked[permit_id], now)
            if answer.get("sealed") is not None:
                read_answer(register, answer, *self._asked[permit_id], now)
        except DoubtedError as doubted:
            return _refused(doubted.reason)
        except SealBroken:
            return _refused("payload_does_not_open")
        if said["disposition"] != "held":
            self.outcomes[permit_id] = dict(answer)
            self.came.set()
        return {"received": True}


def _refused(reason: str) -> dict[str, Any]:
    return {"refused": {"reason": reason}}
