"""What staff are about to do at the linkage server from a terminal: on record under their session before they do it (SC-7, SC-10; ADR 0052).

The linkage server takes a business system's word for who its staff is; the record here is by whoever has shown two factors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.intermediate_server.inquiry import reading
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import EVERYTHING, AffairText, Function
from transport import wire
from transport.problem import ProblemError


class DeskAct(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90060 and IF_STF_90061.

    `affair`: item of the list, or an affair of the linkage server; `information`: empty for a search; `inquiry_number`: of the inquiry whose
    result is looked at again, whose own affair and information count then.
    """

    affair: AffairText
    information: Annotated[str, Meta(max_length=100)] = ""
    inquiry_number: Annotated[str, Meta(pattern=r"^(Q[0-9A-HJKMNP-TV-Z]{26})?\Z")] = ""


_DESK_ACT = msgspec.json.Decoder(DeskAct)


async def _with_its_own(acting: Acting, item: DeskAct) -> DeskAct:
    """An act on an inquiry that there is says that inquiry's own affair and information. Raises ProblemError 404."""
    if not item.inquiry_number:
        return item
    found = await reading.subject_matter(acting.desk.agency, item.inquiry_number)
    if found is None:
        raise ProblemError(404, "inquiry_unknown", "This agency has made no inquiry of that number.")
    return msgspec.structs.replace(item, affair=found[0], information=found[1])


def _at_the_desk(function: Function) -> Callable[[Acting, wire.Envelope], Awaitable[list[Any]]]:
    """IF_STF_90060, IF_STF_90061."""

    async def answer(acting: Acting, envelope: wire.Envelope) -> list[Any]:
        items = [await _with_its_own(acting, item) for item in wire.parse_items(envelope, _DESK_ACT)]
        if not all(acting.may(function, item.affair, item.information or EVERYTHING) for item in items):
            raise _right_missing()
        _check_known(acting, [item.information for item in items if not item.inquiry_number])
        said = (
            {"affair": item.affair, "information": item.information, "inquiry_number": item.inquiry_number}
            for item in items
        )
        facts: list[dict[str, str | int]] = [{name: value for name, value in one.items() if value} for one in said]
        await acting.record(function, facts, acting.desk.agency.clock())
        return [{"staff_id": acting.staff_id} for _ in items]

    return answer


def _check_known(acting: Acting, informations: list[str]) -> None:
    """Nothing that somebody typed freely gets into the log: a layout here or today's list names each. Raises ProblemError 400."""
    agency = acting.desk.agency
    layouts, today = {layout.information for layout in agency.layouts}, agency.today(agency.clock())
    for one in set(informations) - layouts - {""}:
        if not agency.lists.source.naming(one, today):
            raise ProblemError(
                400, "information_unknown", "No layout here and no row of today's list has this kind of information."
            )


def _right_missing() -> ProblemError:
    return ProblemError(
        403, "right_missing", "Your right for this function does not cover that affair or kind of information."
    )


class ReviewAct(StrEnum):
    """What is done about holds and links of people (LS-1.3)."""

    LIST = "list"
    LOOK = "look"
    CANDIDATES = "candidates"
    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    FREEZE = "freeze"


class DeskReview(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90170. `about`: the hold or the decision, empty where there is none yet; nobody's number."""

    affair: AffairText
    act: ReviewAct
    about: Annotated[str, Meta(pattern=r"^([HD][0-9A-Za-z-]{1,60})?\Z")] = ""


_DESK_REVIEW = msgspec.json.Decoder(DeskReview)


async def _review(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_STF_90170."""
    items = wire.parse_items(envelope, _DESK_REVIEW)
    if not all(acting.may(Function.DESK_REVIEW, item.affair) for item in items):
        raise _right_missing()
    said = ({"affair": item.affair, "act": item.act.value, "about": item.about} for item in items)
    facts: list[dict[str, str | int]] = [{name: value for name, value in one.items() if value} for one in said]
    await acting.record(Function.DESK_REVIEW, facts, acting.desk.agency.clock())
    return [{"staff_id": acting.staff_id} for _ in items]


class BusinessAct(StrEnum):
    """What is done with business information at the linkage server (LS-2.3)."""

    LOOK = "look"
    REGISTER = "register"
    CHANGE = "change"
    DELETE = "delete"


class DeskBusiness(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90062 and IF_STF_90063. `affair`: of the linkage server; nobody's number."""

    affair: AffairText
    information: Annotated[str, Meta(min_length=1, max_length=100)]
    act: BusinessAct


_DESK_BUSINESS = msgspec.json.Decoder(DeskBusiness)


def _business(function: Function) -> Callable[[Acting, wire.Envelope], Awaitable[list[Any]]]:
    """IF_STF_90062, IF_STF_90063: looking takes the one right, everything else the other."""

    async def answer(acting: Acting, envelope: wire.Envelope) -> list[Any]:
        items = wire.parse_items(envelope, _DESK_BUSINESS)
        looking = function is Function.DESK_BUSINESS_VIEW
        known = {layout.information for layout in acting.desk.agency.layouts}
        for item in items:
            if item.information not in known:  # whoever types a person's number here has not put it into the log
                raise ProblemError(400, "information_unknown", "No layout here has this kind of information.")
            covered = acting.may(function, item.affair, item.information)
            if not covered or (item.act is BusinessAct.LOOK) is not looking:
                raise _right_missing()
        _check_known(acting, [item.information for item in items])
        facts: list[dict[str, str | int]] = [
            {"affair": item.affair, "information": item.information, "act": item.act.value} for item in items
        ]
        await acting.record(function, facts, acting.desk.agency.clock())
        return [{"staff_id": acting.staff_id} for _ in items]

    return answer


DESK_ROUTES: Final = (
    ("staff/desk/inquiries", Function.DESK_INQUIRE, _at_the_desk(Function.DESK_INQUIRE)),
    ("staff/desk/searches", Function.DESK_SEARCH, _at_the_desk(Function.DESK_SEARCH)),
    ("staff/desk/reviews", Function.DESK_REVIEW, _review),
    ("staff/desk/business-information", Function.DESK_BUSINESS_VIEW, _business(Function.DESK_BUSINESS_VIEW)),
    ("staff/desk/business-information/change", Function.DESK_BUSINESS_CHANGE, _business(Function.DESK_BUSINESS_CHANGE)),
)
"""Path below the agency, the right that it takes, and who answers."""
