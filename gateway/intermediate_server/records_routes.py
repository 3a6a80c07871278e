"""Routes of 情報提供等記録管理 (TKM) for staff: search, one record, corrections, the extract, certificates of erasure (IS-5, SC-16, SC-27).

Every call is an entry before it is answered, and says whom it was about by a keyed index that the analysis of the access log knows (SC-12).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from evidence.canonical import timestamp
from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.records import extracting, searching
from gateway.intermediate_server.records.extracting import ExtractItem
from gateway.intermediate_server.records.searching import SearchItem
from gateway.intermediate_server.retention import certificates
from gateway.intermediate_server.staff.operating import Acting, only
from gateway.intermediate_server.staff.rights import Function
from transport import wire


def _about(acting: Acting, person: str | None) -> dict[str, str | int]:
    return {} if person is None else {"person": acting.desk.person_index(searching.parse_person(person)).hex()}


def _period(item: SearchItem | ExtractItem) -> dict[str, str | int]:
    return {name: timestamp(at) for name in ("since", "until") if (at := getattr(item, name)) is not None}


def _searched(acting: Acting, item: SearchItem) -> dict[str, str | int]:
    """What the record says of a search: the conditions; what somebody typed freely only by the fact that they did."""
    known = {layout.information for layout in acting.desk.agency.layouts}
    typed: Mapping[str, str | None] = {
        "partner": item.agency,
        "affair": item.affair,
        "record_kind": item.kind and item.kind.value,
        "outcome": item.outcome and item.outcome.value,
        "information": item.information if item.information in known else None,
    }
    forms = {"partner": correcting.is_agency, "affair": correcting.is_code}
    said = {name: text for name, text in typed.items() if text and forms.get(name, bool)(text)}
    return {**said, **_period(item), **_about(acting, item.person), "by_staff": int(item.staff is not None)}


async def _search(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_TKM_90061."""
    item, now = only(wire.parse_items(envelope, searching.SEARCH_ITEM)), acting.desk.agency.clock()
    await acting.record(Function.RECORDS_SEARCH, [_searched(acting, item)], now)
    return [await searching.search(acting.desk.agency, item, acting.covered(Function.RECORDS_SEARCH), now)]


async def _show(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_TKM_90062: on record before it is shown, by the inquiry number that it stands under."""
    item, now = only(wire.parse_items(envelope, searching.SHOW_ITEM)), acting.desk.agency.clock()
    found = await searching.show(acting.desk.agency, item, acting.covered(Function.RECORDS_SEARCH), now)
    said = {"record": found["record"]["id"], "inquiry_number": found["record"].get("inquiry_number") or ""}
    await acting.record(Function.RECORDS_SEARCH, [{**said, "affair": found["record"].get("item", "")}], now)
    return [found]


async def _propose(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    item = only(wire.parse_items(envelope, correcting.PROPOSE_ITEM))
    return [await correcting.propose(acting, item, acting.desk.agency.clock())]


async def _decide(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    item = only(wire.parse_items(envelope, correcting.DECIDE_ITEM))
    return [await correcting.decide(acting, item, acting.desk.agency.clock())]


async def _extract(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_TKM_90065: of everything about a person, so it takes a right without limits."""
    agency = acting.desk.agency
    item, now = only(wire.parse_items(envelope, extracting.EXTRACT_ITEM)), agency.clock()
    await acting.record(Function.RECORDS_EXTRACT, [{**_period(item), **_about(acting, item.person)}], now)
    shown = await extracting.extract(agency, item, now)
    return [{"records": len(shown), "file": b"".join(extracting.file_lines(agency, shown, now)).decode()}]


async def _erasures(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    items = wire.parse_items(envelope, certificates.ERASURES_ITEM)
    return await certificates.listed(acting, items[0] if items else certificates.ErasuresItem())


async def _confirm(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    item = only(wire.parse_items(envelope, certificates.CONFIRM_ITEM))
    return [await certificates.confirm(acting, item, acting.desk.agency.clock())]


RECORD_ROUTES: Final = (
    ("records/search", Function.RECORDS_SEARCH, _search),
    ("records/show", Function.RECORDS_SEARCH, _show),
    ("records/corrections", Function.RECORDS_CORRECT, _propose),
    ("records/corrections/decide", Function.RECORDS_CORRECT, _decide),
    ("records/extract", Function.RECORDS_EXTRACT, _extract),
    ("erasures", Function.ERASURES_CONFIRM, _erasures),
    ("erasures/confirm", Function.ERASURES_CONFIRM, _confirm),
)
"""Path below the agency, the right that it takes, and who answers."""
