"""Who can still grant: two people who can approve and one who can administer are always left (IS-9, SC-11; docs/adr/0116).

Whatever takes somebody's rights away is provided that they are, in its own transaction: of two administrators who revoke one another at the same
moment one is refused. Somebody compromised goes at once all the same, under both factors of whoever says that it is an emergency.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from asyncpg import Record
from prometheus_client import Gauge

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.entering import Proof, signed_by_card
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import Function
from gateway.intermediate_server.staff.second_person import prove_for
from storage.committer import Write
from transport.problem import ProblemError

LEAST: Final[Mapping[Function, int]] = MappingProxyType({Function.STAFF_APPROVE: 2, Function.STAFF_ADMINISTER: 1})
"""People of each function without whom nobody can be granted anything any more; `enough_remain` has the same numbers."""


TOLD_BEFORE: Final = timedelta(days=90)
"""So long before too few are left it is told, and an account, a card or a grant counts as ending."""
ABLE: Final = Gauge("sekisho_staff_able", "People who can approve grants, or administer staff", ["agency", "function"])
ENOUGH_UNTIL: Final = Gauge(
    "sekisho_staff_enough_until",
    "When too few of them are left unless somebody does something; 0: now",
    ["agency", "function"],
)
ENDING: Final = Gauge(
    "sekisho_staff_ending", "Accounts, cards and grants in force that end within 90 days", ["agency", "what"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """`provided`: of a commit that takes rights away; None in an emergency, of which `facts` are put on record."""

    provided: Write | None
    facts: Mapping[str, str]


async def taking(
    acting: Acting, now: datetime, *, staff_id: str = "", grant_id: str = "", emergency: Proof | None = None
) -> Taking:
    """For what takes away all rights of somebody, or a grant. Raises ProblemError 409 `too_few_left`; 401, 403 for an emergency that is not proved."""
    if emergency is not None:
        await prove_for(acting, f"emergency/{staff_id or grant_id}", emergency, now)
        return Taking(provided=None, facts={"emergency": "yes", **signed_by_card(emergency)})
    counted = store.counted(await store.able(acting.desk.agency, now))
    provided = Write(store.ENOUGH_REMAIN, (secrets.token_hex(8), staff_id, grant_id, now, counted))
    await look_again(acting, provided)
    return Taking(provided=provided, facts={})


async def look_again(acting: Acting, provided: Write | None) -> None:
    """Raises ProblemError 409 when too few would be left, as it stands now."""
    if provided is not None and not await store.enough_remain(acting.desk.agency, provided):
        raise ProblemError(
            409,
            "too_few_left",
            "Fewer than two people could approve grants, or nobody could administer staff. Enrol somebody and have staff.approve or "
            "staff.administer granted to them first; whoever is compromised goes at once as an emergency, with both your factors.",
        )


async def able(agency: HostedAgency, now: datetime) -> dict[Function, dict[str, datetime]]:
    """Who can approve and who can administer now, and until when. Raises StorageUnavailableError."""
    return by_function(await store.able(agency, now))


def by_function(rows: Iterable[Record]) -> dict[Function, dict[str, datetime]]:
    found: dict[Function, dict[str, datetime]] = {function: {} for function in LEAST}
    for row in rows:
        people, who = found[Function(row["function"])], row["staff_id"]
        people[who] = max(people.get(who, row["until"]), row["until"])
    return found


def enough_until(people: Mapping[str, datetime], least: int) -> datetime | None:
    """When fewer than `least` are left if nobody does anything; None when they are fewer now."""
    ends = sorted(people.values(), reverse=True)
    return ends[least - 1] if len(ends) >= least else None


async def watch(agency: HostedAgency) -> None:
    """Set the metrics of an agency that has staff. Raises StorageUnavailableError."""
    if not await store.foundings(agency):
        return
    now = agency.clock()
    for function, people in (await able(agency, now)).items():
        ABLE.labels(agency.id, function.value).set(len(people))
        until = enough_until(people, LEAST[function])
        ENOUGH_UNTIL.labels(agency.id, function.value).set(until.timestamp() if until is not None else 0)
    for row in await store.ending(agency, now, now + TOLD_BEFORE):
        ENDING.labels(agency.id, row["what"]).set(row["ending"])


async def to_tell(agency: HostedAgency, now: datetime) -> tuple[bool, datetime | None]:
    """Whether staff are told that few can grant, and until when enough of them can (None: too few now). Raises StorageUnavailableError."""
    if not await store.foundings(agency):
        return False, None
    found = await able(agency, now)
    ends = [enough_until(found[function], least) for function, least in LEAST.items()]
    first = min((at for at in ends if at is not None), default=None) if None not in ends else None
    return first is None or first < now + TOLD_BEFORE, first
