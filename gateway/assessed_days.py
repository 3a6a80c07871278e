"""特定個人情報保護評価 (番号法28条) as a topology says it: done or not from today on, or the days on which it stands (PL-6; docs/adr/0093)."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any, Final

from gateway.topology_fields import Fields
from transport.register import AssessedDays

Assessed = bool | tuple[AssessedDays, ...]
_KEYS: Final = ("valid_from", "valid_to")


def read(agency: Fields, *, left: bool) -> Assessed:
    """Under `assessed` of an agency; true when it is not there. What is wrong is noted.

    `left`: in the file of an agency that has left, which has the days of the register: those may have neither beginning nor end.
    """
    if not isinstance(agency.mapping.get("assessed"), list):
        return agency.truth("assessed", default=True)
    found = [_days(agency, each, left=left) for each in agency.elements("assessed")]
    if not found:
        agency.wrong("assessed", "assessed_empty")
    in_order = sorted(found, key=lambda one: one.valid_from or date.min)
    if any((one.valid_to or date.max) >= (after.valid_from or date.min) for one, after in itertools.pairwise(in_order)):
        agency.wrong("assessed", "assessed_overlap")
    return tuple(in_order)


def _days(agency: Fields, item: object, *, left: bool) -> AssessedDays:
    line = agency.mapping.line_of("assessed")
    fields = Fields(item, _KEYS, line=line, what=f"{agency.what} assessed", findings=agency.findings)
    if isinstance(item, dict) and not left and all(fields.mapping.get(key) is None for key in _KEYS):
        fields.wrong(None, "assessed_empty")
    since, until = (fields.day(key) if fields.mapping.get(key) is not None else None for key in _KEYS)
    if since is not None and until is not None and until < since:
        fields.wrong("valid_to", "days_reversed")
        return AssessedDays(valid_from=since)
    return AssessedDays(valid_from=since, valid_to=until)


def body(assessed: Assessed) -> bool | list[dict[str, Any]]:
    """As a topology and a register say it."""
    if isinstance(assessed, bool):
        return assessed
    return [{"valid_from": _text(one.valid_from), "valid_to": _text(one.valid_to)} for one in assessed]


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
