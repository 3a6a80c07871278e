"""Who holds a card, and the portal's own number of them (FGU at the portal): the portal never learns an Individual Number.

The number is to the portal's intermediate server what an integrated number is to an agency's; the code behind it stays there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from adapters.jlis_mock.portal.calls import ask, unreachable
from codebook.identifiers import IntegratedAddresseeNumber
from codebook.issuing import issue
from keys.ring import Keyring
from storage import sql
from storage.database import Database, as_away
from transport.channel import Channel
from transport.problem import ProblemError

NUMBERS: Final = "portal-numbers"
"""Its first version for ever: another one would give every citizen another number."""
_QUERIES: Final = sql.load("adapters.jlis_mock.portal")
_HOLDER_SIZE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Citizens:
    """`holders`: to the resident network; `acquisition_numbers`: to the portal's own intermediate server."""

    database: Database
    tenant: str
    ring: Keyring
    holders: Channel
    acquisition_numbers: Channel

    async def holder_of(self, card_key: bytes, certificate: bytes) -> IntegratedAddresseeNumber:
        """The portal's number of whoever holds the card; at the first time the code is obtained for it.

        Raises ProblemError 403 (no card of ours), 503; StorageUnavailableError.
        """
        card = {"card_key": base64.b64encode(card_key).decode(), "certificate": base64.b64encode(certificate).decode()}
        number = await self._number(await self._ask_holder(card))
        answer = await ask(
            self.acquisition_numbers, {"integrated_number": number.reveal()}
        )  # reveal: to our own server
        if answer.get("bound") is not True:
            wanted = answer.get("acquisition_number")
            if not isinstance(wanted, str):
                raise unreachable()
            await self._ask_holder({**card, "acquisition_number": wanted})
        return number

    async def _ask_holder(self, card: dict[str, str]) -> bytes:
        """IF_FGU_90080; with an acquisition number the code must have been bound."""
        answer = await ask(self.holders, card)
        holder = answer.get("holder")
        if isinstance(answer.get("refused"), dict) and holder is None:
            raise ProblemError(403, "card_refused", "The resident network does not know this card, or it is over.")
        if not isinstance(holder, str) or ("acquisition_number" in card and answer.get("accepted") is not True):
            raise unreachable()
        try:
            found = base64.b64decode(holder, validate=True)
        except ValueError:
            raise unreachable() from None
        if len(found) != _HOLDER_SIZE:
            raise unreachable()
        return found

    async def _number(self, holder: bytes) -> IntegratedAddresseeNumber:
        with as_away("the citizen could not be read"):
            async with self.database.inside(self.tenant) as connection:
                counter = await connection.fetchval(_QUERIES["citizen"], holder)
        return issue(self.ring.secret(NUMBERS, version=1), counter)
