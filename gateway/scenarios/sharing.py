"""Which scenarios share a system: as few systems as possible, and each scenario says in its system what it says in one of its own.

A system takes seconds to start, and time goes forwards in it. A scenario is played behind others that have ended before it begins, have left nothing
that it would come upon, and whose people are not its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.scenarios.play import block_of
from gateway.scenarios.scenario import Scenario


def systems(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """The scenarios of each system, in the order in which they are played there."""
    topologies = list(dict.fromkeys(one.topology for one in scenarios))
    found: list[list[Scenario]] = []
    for one in sorted(scenarios, key=lambda one: (topologies.index(one.topology), one.begins, one.last, one.ends)):
        fitting = next((others for others in found if _follows(one, others)), None)
        if fitting is None:
            found.append([one])
        else:
            fitting.append(one)
    return found


def _follows(one: Scenario, others: Sequence[Scenario]) -> bool:
    before = others[-1]
    return (
        one.topology == before.topology
        and before.ends <= one.begins
        and not (before.last or one.first)
        and block_of(one) not in map(block_of, others)
    )
