"""Agencies of the register or of a topology as the permission list sees them: name, kinds, and the days on which their assessment (28条) stands (PL-6)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from gateway import topology_parts
from permission_lists.decide import Party
from permission_lists.model import Period
from transport.register import ALWAYS, Agency, AssessedDays, Register


def parties_of(register: Register) -> dict[str, Party]:
    """Agency id → party."""
    return {one.id: party_of(one) for one in register.agencies.values()}


def party_of(agency: Agency) -> Party:
    return Party(name=agency.name, kinds=agency.kinds, assessed=_periods(agency.assessed))


def listed_party(agency: topology_parts.Agency) -> Party:
    """Of a topology, where no register is at hand or it names the agency no more."""
    days = agency.assessed if isinstance(agency.assessed, tuple) else ALWAYS * agency.assessed
    return Party(name=agency.name, kinds=frozenset(agency.kinds), assessed=_periods(days))


def _periods(days: Iterable[AssessedDays]) -> tuple[Period, ...]:
    return tuple(Period(first=one.valid_from or date.min, last=one.valid_to) for one in days)
