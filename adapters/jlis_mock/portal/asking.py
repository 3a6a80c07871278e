"""Asking for a citizen about themselves (自己情報の取得, JTK; 情報提供等記録の開示; お知らせ, OSR): an inquiry of the portal's own agency, under its own basis.

Everything that guards an inquiry guards this: permit, three looks at the list, the one-time key, holds, records.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from adapters.jlis_mock.portal.calls import ask, unreachable
from adapters.jlis_mock.portal.sign_in import Process, Session
from transport.channel import Channel
from transport.problem import ProblemError

AGENCY: Final = "portal"
BASIS: Final = "own-information"
RECORDS: Final = "情報提供等記録"
ITEMS: Final = {
    "医療保険給付関係情報": "1",
    "公的給付支給等口座登録簿関係情報": "2",
    "失業等給付関係情報": "3",
    RECORDS: "4",
    "お知らせ": "5",
}
"""Kind of information → item of the portal's basis (permission_lists/data/own_information.yaml)."""
_FILE: Final = "開示ファイル"
_UNDER_WAY: Final = frozenset({"registered", "permitted", "held"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Channels to the portal's own intermediate server."""

    inquiries: Channel
    results: Channel

    async def begin(self, session: Session, provider: str, information: str, items: list[str]) -> Process:
        """Register the inquiry. Raises ProblemError 400, 403, 503."""
        item = ITEMS.get(information)
        if item is None:
            raise _not_offered()
        asked = {
            "message_id": secrets.token_hex(32),
            "system": AGENCY,
            "actor": session.client_id,
            "purpose": "本人の求め",
            # reveal: the one place where the citizen is named, to our own server, and by the session alone
            "integrated_number": session.number.reveal(),
            "provider": provider,
            "basis": BASIS,
            "item": item,
            "information": information,
            "items": items,
        }
        answer = await ask(self.inquiries, asked)
        number = answer.get("inquiry_number")
        if not isinstance(number, str):
            raise ProblemError(400, "malformed_item", "A name in the request is empty, too long, or not text.")
        if answer.get("state") == "refused":
            raise _not_offered()
        return Process(inquiry_number=number, information=information)

    async def result(self, process: Process) -> dict[str, Any]:
        """`pending`, or `ready` with what there is. Why there is nothing is not said: no copy, frozen, refused by staff look alike."""
        answer = await ask(self.results, {"inquiry_number": process.inquiry_number, "system": AGENCY})
        state, values = answer.get("state"), answer.get("values")
        if not isinstance(state, str):
            raise unreachable()
        if state in _UNDER_WAY:
            return {"state": "pending"}
        if state != "answered" or not values:
            return {"state": "ready", "outcome": "nothing"}
        if process.information == RECORDS:
            file = values[0]["items"].get(_FILE, {}).get("value")
            if file is None:
                return {"state": "ready", "outcome": "nothing"}
            return {"state": "ready", "outcome": "answered", "file": file}
        return {"state": "ready", "outcome": "answered", "values": values}


def _not_offered() -> ProblemError:
    return ProblemError(403, "not_offered", "This agency does not show this information here; nobody was asked.")
