"""Codes of people whom a restored database does not know are ended when the restore is lifted (LS-4, SC-15).

The intermediate server holds them under integrated numbers that were issued after the backup and are never issued again. Whoever is registered once
more has another number, and the code comes back under that; until its holder is gone it would be refused as somebody else's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from gateway.linkage_server.backups.standing import insist
from gateway.linkage_server.code_requests.standing import Ground
from gateway.linkage_server.outbound import MOST_AT_ONCE, SEND_CODE_CANCELLATIONS
from gateway.linkage_server.tenant import Agency
from storage import sql
from transport.channel import ChannelError

_SQL = sql.load("gateway.linkage_server.backups")


async def then(agency: Agency, run: Callable[[], Awaitable[None]]) -> None:
    """End them, if a restore was lifted and they have not been yet; then go on with `run`."""
    await insist(agency, partial(_settle, agency), waits="codes_after_restore:wait")
    await run()


async def _settle(agency: Agency) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        if not await connection.fetchval(_SQL["codes_not_settled"]):
            return
    after = ""
    while numbers := await _holders(agency, after):
        after = numbers[-1]
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["known_people"], [int(number) for number in numbers])
        known = {f"{row['integrated_number']:015d}" for row in rows}
        gone = [{"integrated_number": one, "reason": Ground.LINK_UNDONE.value} for one in numbers if one not in known]
        if gone:
            url = agency.outbound.intermediate("code-cancellations")
            await agency.outbound.ask_list(url, gone, step=SEND_CODE_CANCELLATIONS)
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["codes_settled"], agency.clock())


async def _holders(agency: Agency, after: str) -> list[str]:
    """The next integrated numbers with a code at the intermediate server. Raises ChannelError."""
    url = agency.outbound.intermediate("code-holders")
    [answer] = await agency.outbound.ask_list(url, [{"after": after, "limit": MOST_AT_ONCE}], step=None)
    numbers = answer.get("integrated_numbers")
    if not isinstance(numbers, list) or not all(_is_number(one) and one > after for one in numbers):
        raise ChannelError("peer_answer_malformed")
    return numbers


def _is_number(text: object) -> bool:
    return isinstance(text, str) and len(text) == 15 and text.isascii() and text.isdigit()
