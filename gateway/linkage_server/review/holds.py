"""保留の一覧と表示: what waits for a decision, and one hold with what was sent beside what is held (SC-18). A look is on record before it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from codebook.errors import CodebookError
from codebook.four_items import Field, FourItems, compare, folds_between
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.people import store as people
from gateway.linkage_server.people.store import Held
from gateway.linkage_server.review import store
from gateway.linkage_server.review.assessing import Around, around_hold
from gateway.linkage_server.review.store import Decision, Hold

MOST: Final = 200


async def page(sight: Sight, *, after: str, reason: str, limit: int) -> dict[str, Any]:
    """Open holds in the order in which they came, without anybody's data. `after`: the id of the last one seen."""
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        rows, count = await store.page_of_holds(connection, after, reason, limit)
    items = [row | {"held_at": row["held_at"].isoformat(), "differing": list(row["differing"])} for row in rows]
    return {"items": items, "open": count, "after": items[-1]["hold_id"] if len(items) == limit else None}


async def show(sight: Sight, hold_id: str) -> dict[str, Any] | None:
    """One hold in full for those who decide, None when there is no such hold."""
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        hold = await store.read_hold(connection, agency.keys, hold_id)
        if hold is None:
            return None
        around = await around_hold(connection, agency.keys, hold)
        concerned = around.people
        held = await people.read_held(connection, agency.keys, concerned)
        open_id = await store.open_about(connection, f"hold/{hold.id}")
        open_one = await store.read_decision(connection, agency.keys, open_id) if open_id is not None else None
    await record_look_up(sight, Look.HOLD, concerned)
    return {
        "hold_id": hold.id,
        "business_system": hold.system,
        "addressee_number": hold.addressee_number,
        "reason": hold.reason,
        "state": hold.state,
        "held_at": hold.held_at.isoformat(),
        "differing": list(hold.differing),
        "forgotten_at": hold.forgotten_at.isoformat() if hold.forgotten_at is not None else None,
        "sent": _sent(sight, hold),
        "held": [_held(sight, hold, held[number], around) for number in concerned],
        "decision": shown_decision(sight, open_one) if open_one is not None else None,
    }


def _texts_of(hold: Hold) -> list[str]:
    """The five texts that were sent; a change says only some of them."""
    if hold.row is not None:
        return hold.row.four_items()
    return list(hold.change.says.items()) if hold.change is not None else [""] * len(Field)


def _sent(sight: Sight, hold: Hold) -> dict[str, Any]:
    said = dict(zip((name.value for name in Field), _texts_of(hold), strict=True))
    shown: dict[str, Any] = sight.only({name: text for name, text in said.items() if text})
    if hold.change is not None:
        shown |= {"kind": hold.change.kind.value, "effective_on": hold.change.effective_on.isoformat()}
    if hold.change is not None and hold.change.replaced_by:
        shown["replaced_by"] = hold.change.replaced_by
    if sight.shows_individual_number and hold.individual_number:
        shown["individual_number"] = hold.individual_number
    return shown


def _held(sight: Sight, hold: Hold, held: Held, around: Around) -> dict[str, Any]:
    differing, folds = compared(held.person.items, _texts_of(hold))
    return shown_person(sight, held) | {
        "has_the_individual_number": held.integrated_number == around.number_of,
        "had_the_individual_number": held.integrated_number == around.formerly_of,
        "has_the_addressee_number": held.integrated_number == around.registered_to,
        "differing": differing,
        "folds": folds,
    }


def compared(held: Sequence[str], sent: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Fields that differ, and by which folds others agree although they are written differently. What was not sent is not compared."""
    filled = [text or known for text, known in zip(sent, held, strict=True)]
    try:
        one, other = (FourItems.parse(dict(zip(Field, texts, strict=True))) for texts in (held, filled))
    except CodebookError:
        return [name.value for name in Field], {}
    folds = folds_between(one, other)
    return sorted(compare(one, other)), {name.value: sorted(found) for name, found in sorted(folds.items())}


def shown_person(sight: Sight, held: Held) -> dict[str, Any]:
    """A person for those who decide, as far as their affair needs."""
    shown: dict[str, Any] = {
        "integrated_number": f"{held.integrated_number:015d}",
        "state": held.person.state.value,
        "frozen": held.frozen,
        **sight.only(dict(zip((name.value for name in Field), held.person.items, strict=True))),
    }
    if sight.shows_individual_number and held.person.individual_number:
        shown["individual_number"] = held.person.individual_number
    return shown


def shown_decision(sight: Sight, one: Decision) -> dict[str, Any]:
    """A decision for the one who is to approve it. `content_hash` is what an approval names."""
    content = one.content
    says = dict(zip(content.says.__struct_fields__, _said(content.says), strict=True)) if content.says else {}
    number = says.pop("individual_number", "")
    shown: dict[str, Any] = {
        "decision_id": one.id,
        "kind": one.kind.value,
        "state": one.state.value,
        "version": one.version,
        "content_hash": one.digest.hex(),
        "hold_id": one.hold_id,
        "integrated_number": _number(content.person),
        "other_integrated_number": _number(content.other),
        "addressees": [{"business_system": pair[0], "addressee_number": pair[1]} for pair in content.addressees],
        "individual_number_goes": content.number_goes,
        "items_go": content.items_go,
        "says": sight.only({name: text for name, text in says.items() if text}),
        "wrong_since": content.wrong_since.isoformat() if content.wrong_since else None,
        "reason": content.reason,
        "proposed_by": one.proposed_by,
        "proposed_at": one.proposed_at.isoformat(),
        "approved_by": one.approved_by,
        "approved_at": one.approved_at.isoformat() if one.approved_at else None,
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
        "void_because": one.reason,
        "forgotten_at": one.forgotten_at.isoformat() if one.forgotten_at else None,
    }
    if number and sight.shows_individual_number:
        shown["says"]["individual_number"] = number
    return shown


def _said(says: Any) -> list[str]:
    return [getattr(says, name) for name in says.__struct_fields__]


def _number(number: int | None) -> str | None:
    return f"{number:015d}" if number is not None else None
