"""Every verb that a scenario may use, and every name that it may name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

from adapters.jlis_mock.lines import Bad
from gateway.assessing.measures import requirements
from gateway.demonstration.run import DEMO_DAY
from gateway.keys_command import ROTATABLE
from gateway.launcher import lines_between
from gateway.notice_words import POSTED
from gateway.scenarios.command_words import ENDING
from gateway.scenarios.play import Verb, holding_system, system_of
from gateway.scenarios.scenario import Known
from gateway.scenarios.topologies import TOPOLOGIES
from gateway.scenarios.verbs import (
    binding,
    bulk,
    codes,
    dishonesty,
    exchange,
    faults,
    operations,
    people,
    records,
    rights,
    surroundings,
)
from gateway.scenarios.vocabulary import reasons
from gateway.setting_up.first_staff import FIRST
from gateway.setting_up.key_files import PURPOSES
from gateway.topology import NETWORK, Program, Topology

VERBS: Final[Mapping[str, Verb]] = {
    **exchange.VERBS,
    **surroundings.VERBS,
    **faults.VERBS,
    **dishonesty.VERBS,
    **people.VERBS,
    **binding.VERBS,
    **bulk.VERBS,
    **codes.VERBS,
    **records.VERBS,
    **rights.VERBS,
    **operations.VERBS,
}

_NOT_STARTED: Final = frozenset({Program.SKY2, Program.PORTAL})
"""Roles that no scenario needs yet (`playing.ROLES`)."""


@cache
def known() -> Mapping[str, Known]:
    """Topology → what a scenario may say in it."""
    return {name: _known_in(made()) for name, made in TOPOLOGIES.items()}


def _known_in(topology: Topology) -> Known:
    hosted = [agency.id for agency in topology.agencies.values() if topology.hosting(Program.INTERMEDIATE, agency.id)]
    started = [role.name for role in topology.roles.values() if role.program not in _NOT_STARTED]
    can = {one.id: one.grants for agency in topology.agencies.values() for one in agency.systems}
    asking = [name for name in can if "inquiries:create" in can[name]]
    lines = [f"{one}:{other}" for one, other in lines_between(topology) if {one, other} <= set(started)]
    names: dict[str, Collection[str]] = {
        "agency": hosted,
        "asking": [*(agency for agency in hosted if system_of(agency) in asking), *asking],
        "insurer": [agency for agency in hosted if topology.agencies[agency].is_municipality and _holds(can, agency)],
        "party": [*hosted, NETWORK, "linkage"],
        "role": started,
        "line": lines,
        "switch": faults.SWITCHES,
        "case": dishonesty.case_names(),
        "act": list(dishonesty.INSIDERS),
        "bend": dishonesty.BENDS,
        "home": [agency for agency in hosted if "addressees:register" in can.get(system_of(agency), ())],
        "reason": reasons(),
        "bad line": [f"{name} {bad}" for name in lines for bad in Bad],
        "command": ENDING,
        "ring key": ROTATABLE,
        "cite": [one.id for one in requirements()],
        "staff": list(FIRST),
        "function": list(rights.LOOKS),
        "notice kind": list(POSTED),
        "job kind": operations.JOBS,
    }
    for agency in topology.agencies.values():
        names |= {f"agency of {name}": [agency.id] for name in (agency.id, *(one.id for one in agency.systems))}
    for name in started:
        role = topology.roles[name]
        foreign = {key for program, keys in PURPOSES.items() if program is not role.program for key in keys}
        names |= {f"hosts of {name}": role.hosts, f"keys of {name}": ROTATABLE - (foreign - {*PURPOSES[role.program]})}
    return Known(forms={name: verb.form for name, verb in VERBS.items()}, names=names, begins=DEMO_DAY)


def _holds(can: Mapping[str, Collection[str]], agency: str) -> bool:
    return "business-information:register" in can.get(holding_system(agency), ())
