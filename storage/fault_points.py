"""Places where a process may be made to die, registered by name.

Every commit and every send has one before and one after. The kill test is generated from `REGISTRY`, so a new commit or a new
send is tested without anybody writing a test for it. A process is armed by its configuration; unarmed points cost one comparison.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

REGISTRY: dict[str, str] = {}
"""Name of the point → the kind of server that passes it (`intermediate`, `linkage`, `core`, …)."""


@dataclass(slots=True)
class _Armed:
    name: str = ""
    passes_left: int = 0


_armed = _Armed()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPoint:
    name: str

    def reached(self) -> None:
        """Kill this process with SIGKILL if this point is the armed one (simulations and tests arm it, nobody else)."""
        if _armed.name == self.name:
            _armed.passes_left -= 1
            if _armed.passes_left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit or send: its name and the two points around it."""

    name: str
    before: FaultPoint
    after: FaultPoint


def declare(server: str, name: str) -> Step:
    """Register the points around one commit (`commit.inquiry.registered`) or send (`send.permits`) of a kind of server."""
    points = []
    for side in ("before", "after"):
        full = f"{server}.{name}.{side}"
        if full in REGISTRY:
            raise RuntimeError("a fault point is declared twice")
        REGISTRY[full] = server
        points.append(FaultPoint(name=full))
    return Step(name=name, before=points[0], after=points[1])


def arm(fault: str | None) -> None:
    """`name` or `name:passes`: die at that time that this point is reached; None: never. Raises ValueError for a point that this process does not have."""
    if fault is None:
        return
    name, _, passes = fault.partition(":")
    if name not in REGISTRY:
        raise ValueError("no fault point of that name is registered")
    _armed.name = name
    _armed.passes_left = int(passes or 1)
