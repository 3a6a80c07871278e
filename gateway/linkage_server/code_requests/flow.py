"""符号取得 (LS-4): for all people without a code. The acquisition number is in memory from one call to the next and nowhere else.

A crash loses nothing: whoever is not bound is asked about again, and each step may be repeated (the intermediate server gives the same or a
new acquisition number, the resident network takes a request again, the state says what is done).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter

from gateway.linkage_server.code_requests import store
from gateway.linkage_server.code_requests.store import CodeState
from gateway.linkage_server.outbound import (
    MOST_AT_ONCE,
    SEND_ACQUISITION_NUMBERS,
    SEND_CODE_REQUESTS,
    SEND_CODE_STATUS,
    Answer,
)
from gateway.linkage_server.supervision import BROKE, place_of
from gateway.linkage_server.tenant import Agency
from storage.database import StorageUnavailableError
from storage.fault_points import declare
from transport.channel import ChannelError

_LOG = structlog.get_logger()
STATES_STEP: Final = declare("linkage", "commit.code_states")
MOVED = Counter("sekisho_code_requests", "People moved on the way to a code", ["state"])
_ROUNDS: Final = 60
_BETWEEN_S: Final = 1.0


async def _keep(agency: Agency, states: dict[int, CodeState]) -> None:
    STATES_STEP.before.reached()
    await store.set_states(agency, states)
    STATES_STEP.after.reached()
    for state in states.values():
        MOVED.labels(state.value).inc()


def _acquisition_number(answer: Answer) -> str | None:
    number = answer.get("acquisition_number")
    return number if isinstance(number, str) else None


async def _request(agency: Agency, people: Sequence[tuple[int, bytes]]) -> None:
    """IF_FGU_90006 and 90007 for one list of people."""
    items = [{"integrated_number": f"{number:015d}"} for number, _ in people]
    answers = await agency.outbound.ask_list(
        agency.outbound.intermediate("acquisition-numbers"), items, step=SEND_ACQUISITION_NUMBERS
    )
    states = {
        number: CodeState.BOUND
        for (number, _), answer in zip(people, answers, strict=True)
        if answer.get("bound") is True
    }
    asked = [
        (number, sealed, acquisition_number)
        for (number, sealed), answer in zip(people, answers, strict=True)
        if (acquisition_number := _acquisition_number(answer)) is not None
    ]
    requests = [
        {
            "acquisition_number": acquisition_number,
            "individual_number": agency.keys.open_individual_number(sealed, number),
        }
        for number, sealed, acquisition_number in asked
    ]
    taken = await agency.outbound.ask_list(
        agency.outbound.resident_network("code-requests"), requests, step=SEND_CODE_REQUESTS
    )
    for (number, _, _), answer in zip(asked, taken, strict=True):
        if answer.get("accepted") is True:
            states[number] = CodeState.REQUESTED
        elif "refused" in answer:
            states[number] = CodeState.REFUSED
    await _keep(agency, states)


async def _confirm(agency: Agency, people: Sequence[tuple[int, bytes]]) -> None:
    """IF_FGU_90010: has the code arrived? Who is unknown over there is asked for anew."""
    items = [{"integrated_number": f"{number:015d}"} for number, _ in people]
    answers = await agency.outbound.ask_list(agency.outbound.intermediate("code-status"), items, step=SEND_CODE_STATUS)
    states = {
        number: CodeState(answer["status"])
        for (number, _), answer in zip(people, answers, strict=True)
        if answer.get("status") in {CodeState.NONE, CodeState.BOUND}
    }
    await _keep(agency, states)


async def _pass(agency: Agency, states: Sequence[CodeState], *, confirm: bool) -> int:
    """Go once through the people in these states; returns how many there were."""
    after, seen = -1, 0
    while people := await store.page(agency, after, states, MOST_AT_ONCE):
        await (_confirm(agency, people) if confirm else _request(agency, people))
        after = people[-1][0]
        seen += len(people)
    return seen


async def _round(agency: Agency, *, first: bool) -> int:
    """Request for those who wait, confirm for those who were requested; returns how many are still on the way.

    The first round asks again for those who were requested or refused before: a request may have been lost beyond the resident network.
    """
    wanting = (CodeState.NONE, CodeState.REQUESTED, CodeState.REFUSED) if first else (CodeState.NONE,)
    await _pass(agency, wanting, confirm=False)
    await _pass(agency, (CodeState.REQUESTED,), confirm=True)
    found = await store.counts(agency)
    return found[CodeState.NONE] + found[CodeState.REQUESTED]


async def obtain_codes(agency: Agency, run_id: str) -> None:
    """Run until everybody is bound or refused, or the rounds are used up; a neighbour who is away costs a round."""
    for number in range(_ROUNDS):
        try:
            left = await _round(agency, first=number == 0)
        except (ChannelError, StorageUnavailableError) as failure:
            _LOG.warning(
                "code_requests:waits", agency=agency.id, reason=getattr(failure, "reason", "storage_unavailable")
            )
            left = -1
        except Exception as failure:  # noqa: BLE001 (what nobody foresaw costs a round too, so that no run lasts for ever)
            BROKE.labels("code_requests").inc()
            _LOG.error(
                "loop:broke",
                loop="code_requests",
                agency=agency.id,
                error=type(failure).__name__,
                place=place_of(failure),
            )
            left = -1
        if left == 0:
            break
        await asyncio.sleep(_BETWEEN_S if number else 0.1)
    await store.close_run(agency, run_id, agency.clock())
