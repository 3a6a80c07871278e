"""Who may see what of a person: the client's rights, the affair's, and whose people they are (SC-13, SC-14, SC-19).

The dead, those who moved away and the living are seen by the same rules: nothing here asks for a person's state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from codebook.four_items import Field
from gateway.api.authorization import DOORS, require
from gateway.api.clients import SystemRights
from gateway.linkage_server import free_text
from gateway.linkage_server.affairs import STAFF, Affair
from gateway.linkage_server.tenant import AGENCIES, Agency
from keys.masked import Masked
from transport.problem import ProblemError
from transport.wire import Dated

_LONGEST_REASON: Final = 100


class Stated(Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every call says that shows or changes a person: the id of the member of staff, the affair, and why."""

    staff: str
    affair: str
    reason: str

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LookReason(Masked[str]):
    """Why somebody looks, in his own words: they may name a person."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one member of staff may see in one affair."""

    agency: Agency
    client_id: str
    rights: SystemRights
    affair: Affair
    staff: str
    reason: LookReason

    @property
    def system(self) -> str:
        return self.rights.system

    @property
    def shows_individual_number(self) -> bool:
        """Client and affair may both use the 個人番号 (SC-13)."""
        return self.rights.may_use_individual_number and self.affair.individual_number

    @property
    def shows_integrated_number(self) -> bool:
        return self.rights.may("integrated-numbers", "read")

    @property
    def sees_all_people(self) -> bool:
        """False: only people that the caller's own system holds."""
        return self.affair.all_people

    def only(self, four_items: Mapping[str, str]) -> dict[str, str]:
        """Those of the four items that the affair needs; the others are held and not shown (SC-14)."""
        return {name: text for name, text in four_items.items() if name in self.affair.items}

    def not_needed(self, given: Iterable[str]) -> list[str]:
        """Of the items that somebody sends, those that the affair does not need: refused at entry, not kept (SC-14)."""
        return sorted(name for name in set(given) & set(Field) if name not in self.affair.items)


async def enter(request: web.Request, stated: Stated, resource: str, operation: str) -> Sight:
    """What this call may see. Raises ProblemError: 403 when scope or affair do not allow it, which is recorded; 400 for the form."""
    caller = await require(request, resource, operation)
    agency = request.app[AGENCIES][caller.agency]
    _check_form(stated)
    affair = agency.affairs.by_code.get(stated.affair)
    if affair is None:
        await request.app[DOORS].refuse(caller.agency, "affair_unknown", caller.client_id)
        raise ProblemError(
            403, "affair_unknown", "The agency's list of affairs does not have this affair; see affairs."
        )
    if caller.system not in affair.systems:
        await request.app[DOORS].refuse(caller.agency, "affair_not_of_system", caller.client_id)
        raise ProblemError(
            403,
            "affair_not_of_system",
            "This business system may not act in this affair; the agency's list says who may.",
        )
    rights = SystemRights(
        system=caller.system, scopes=caller.scopes, may_use_individual_number=caller.may_use_individual_number
    )
    return Sight(
        agency=agency,
        client_id=caller.client_id,
        rights=rights,
        affair=affair,
        staff=stated.staff,
        reason=LookReason(stated.reason),
    )


def check_staff(staff: str) -> None:
    """Raises ProblemError 400 when this is not the id of a member of staff."""
    if not STAFF.fullmatch(staff) or not free_text.is_safe(staff):
        raise ProblemError(
            400,
            "staff_malformed",
            "`staff` is the id of a member of staff: 1 to 40 letters, digits, dots, hyphens, without ten digits in a row.",
        )


def _check_form(stated: Stated) -> None:
    check_staff(stated.staff)
    check_reason(stated.reason)


def check_reason(reason: str) -> None:
    """Raises ProblemError 400 when this does not say why."""
    if not reason.strip() or len(reason) > _LONGEST_REASON or not free_text.is_safe(reason):
        raise ProblemError(
            400,
            "reason_malformed",
            "`reason` is 1 to 100 characters that say why, without control characters and without ten digits in a row.",
        )
