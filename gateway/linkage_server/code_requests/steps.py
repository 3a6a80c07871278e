"""One step of a standing: which state follows for this person, why, and when something is due again. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.linkage_server.code_requests.standing import Standing, State, back_off

_FIRST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(hours=1)
_REFUSED_FIRST: Final = timedelta(hours=1)
_REFUSED_LONGEST: Final = timedelta(days=7)


def settled(
    held: Standing, state: State, now: datetime, *, reason: str | None = None, later: timedelta | None = None
) -> Standing:
    """The standing after a step to `state`. Somebody who is replaced stays so until the new code is there.

    The same state again waits longer each time; a refusal is asked about again after an hour, later after days.
    """
    wanted = State.REPLACING if held.state is State.REPLACING and state in _OF_A_REQUEST else state
    if wanted is State.BOUND:
        return replace(held, state=wanted, reason=None, tries=0, next_at=now)
    if wanted is State.CANCELLED:
        return replace(held, state=wanted, tries=0, next_at=now)
    on = wanted is State.REQUESTED and held.state is not State.REQUESTED
    tries = held.tries if on else 1 if state is State.REFUSED and held.state is not State.REFUSED else held.tries + 1
    first, longest = (_REFUSED_FIRST, _REFUSED_LONGEST) if state is State.REFUSED else (_FIRST, _LONGEST)
    wait = timedelta(0) if on else back_off(tries - 1, first=first, longest=longest)
    kept = held.reason if wanted in {State.REPLACING, State.CANCELLING} else reason
    return replace(held, state=wanted, reason=kept, tries=tries, next_at=now + (wait if later is None else later))


_OF_A_REQUEST: Final = frozenset({State.NONE, State.REQUESTED, State.REFUSED})


def pause_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row of a neighbour, a folder or the database: a quarter of a second to half a minute."""
    return back_off(failures - 1, first=timedelta(milliseconds=250), longest=timedelta(seconds=30)).total_seconds()
