"""Whether a version of a key of the agency's own ring may be destroyed: not the one in use, not what records need, not what something lies under."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records.subjects import PERSONAL
from gateway.intermediate_server.resealing import job as resealing
from gateway.intermediate_server.resealing.job import CODES, STAFF
from gateway.intermediate_server.staff.reporting import ANALYSED_FOR
from gateway.key_needs.counting import Counted, Needs, Young, left, of_journal
from keys.ring import State
from storage.erasure_journal import PURPOSE as ERASED
from transport.problem import ProblemError

RESULT: Final = "result/"
"""Purposes of results, by the hour until which they are kept: destroying such a key before its time is how results are erased (SC-20)."""
_RELATIONS: Final = Counted(
    query="relations_found_by",
    what="番号のない関係者。登録し直してください (related people without their number; relate them anew)",
)
_ANALYSED: Final = Young(
    lives=ANALYSED_FOR,
    what="職員の記録の分析で、見られた人の名になっています (people are called so in the access log that is analysed; wait 456 days)",
)


async def check(agency: HostedAgency, purpose: str, version: int, now: datetime) -> None:
    """Raises ProblemError 404, 409, StorageUnavailableError.

    1. the ring knows the version, and it is not destroyed; 2. it is not the one that seals now: rotate first; of results it may be; 3. nothing needs it.
    """
    ring = agency.keys.ring
    # 1
    if purpose not in ring.purposes() or version not in (states := ring.versions(purpose)):
        raise ProblemError(404, "key_unknown", "The ring has no such purpose or version; list the keys again.")
    if states[version] is State.DESTROYED:
        raise ProblemError(409, "key_destroyed", "This version is destroyed already.")
    if purpose.startswith(RESULT):
        return
    # 2
    if states[version] is State.PRIMARY:
        if purpose.startswith(PERSONAL):
            raise ProblemError(
                409, "key_kept", "Records are kept for seven years; the server destroys this key when they are over."
            )
        raise ProblemError(409, "key_in_use", "This version seals what comes now; rotate first: sekisho keys rotate.")
    # 3
    if (needed := await _needed(agency, purpose, version, now)) is not None:
        raise ProblemError(409, "key_needed", f"This version is needed yet: {needed}")


async def _needed(agency: HostedAgency, purpose: str, version: int, now: datetime) -> str | None:
    if purpose == ERASED:
        return of_journal(agency.erasures, version)
    needs = Needs(
        resealed=resealing.counts_of(purpose),
        counted=_counted(agency, purpose, now),
        young=_ANALYSED if purpose == STAFF else None,
    )
    return await left(agency.database, agency.tenant, needs, purpose, version, now)


def _counted(agency: HostedAgency, purpose: str, now: datetime) -> Counted | None:
    """What no job makes anew."""
    if purpose == CODES:
        what = "この版で見つかる符号・処理通番・照会 (replaced codes, requests and inquiries that are found by it)"
        return Counted(query="codes_found_by", what=what, arguments=(now - agency.limits.replaced_code_for, now))
    if purpose.startswith(PERSONAL):
        year = int(purpose.removeprefix(PERSONAL))
        return Counted(
            query="personal_parts_of_year", what="記録の本人の部分 (personal parts of records)", arguments=(year,)
        )
    return _RELATIONS if purpose == STAFF else None
