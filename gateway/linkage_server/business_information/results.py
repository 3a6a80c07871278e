"""What became of each line of a file at the intermediate server: results are final when every record of the file is answered."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.linkage_server.business_information.flow import SHOWN, Result
from gateway.linkage_server.business_information.originals import Transfer
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.store import SQL, read_states
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.tenant import Agency
from transport.channel import ChannelError

COLUMNS: Final = ("line", "outcome", "reason", "item")
_RESULTS = msgspec.json.Decoder(list[list[Any]])
_LOOK_AGAIN_S: Final = 0.5
_OUTCOMES: Final = {
    Transfer.REGISTERED: "registered",
    Transfer.DELETED: "deleted",
    Transfer.WITHHELD: "withheld",
    Transfer.REFUSED: "rejected",
    Transfer.AWAITING_FIRST: "kept",
}


def final(result: Result, state: Any) -> list[Any] | None:
    """Line, outcome, reason and item once its record is answered; None while it is due. `state`: the record's row now."""
    if len(result) == SHOWN:
        return result
    line, outcome, reason, item, identity, edition, _ = result
    if identity is None:
        return [line, outcome, reason, item]
    if (
        state is None or state["edition"] != edition
    ):  # a later line or call spoke of the record before this one was sent
        return [line, "superseded", None, None]
    transfer = Transfer(state["transfer"])
    if transfer is Transfer.DUE:
        return None
    if reason is not None:
        return [line, "unchanged", reason, None]
    return [line, _OUTCOMES[transfer], state["reason"] or _waits(transfer), state["item"]]


def _waits(transfer: Transfer) -> str | None:
    return "awaits_first_transfer" if transfer is Transfer.AWAITING_FIRST else None


async def finals(agency: Agency, results: Sequence[Result]) -> list[list[Any] | None]:
    """The result of each line, as it is shown, or None; a result that is final already stays as it is."""
    waiting = {one[0]: one[4] for one in results if len(one) > SHOWN and one[4] is not None}
    states = await read_states(agency, list(waiting.values()))
    return [final(one, states.get(waiting.get(one[0], ""))) for one in results]


async def settle(outbox: Outbox, taken: Intake) -> None:
    """Wait for the answers to all records of an intake and make its results final.

    Raises ChannelError while the intermediate server is away: what is taken in stays, and the same call goes on where this one stopped.
    """
    agency = outbox.agency
    async with agency.database.inside(agency.tenant) as connection:
        packed = await connection.fetch(SQL["packed_results"], taken.id)
    for row in packed:
        results = _RESULTS.decode(zlib.decompress(row["packed"]))
        if all(len(one) == SHOWN for one in results):
            continue
        while None in (found := await finals(agency, results)):
            if outbox.away is not None:
                raise ChannelError(outbox.away)
            await outbox.wait_for_answers(_LOOK_AGAIN_S)
        async with agency.database.inside(agency.tenant) as connection:
            await connection.execute(
                SQL["keep_final_results"], taken.id, row["first_line"], zlib.compress(msgspec.json.encode(found), 1)
            )
