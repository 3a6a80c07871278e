"""The topologies in which scenarios are played: those that are shipped, the default one with an agency that must not take part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from gateway.scenarios.scenario import DEFAULT
from gateway.topology import Addition, Topology, parse, shipped_text

UNASSESSED: Final = "mihyoka"
_UNASSESSED_AGENCY: Final = f"""
agency:
  id: {UNASSESSED}
  code: "9999000000000098"
  name: 架空町長
  assessed: false
  systems:
    - {{id: {UNASSESSED}-gyomu, name: 町 業務, individual_number: true, grants: [addressees:register, code-requests:create, inquiries:create]}}
hosted_by: {{linkage: neighbours-linkage, intermediate: neighbours-intermediate}}
"""
"""番号法28条: its assessment is not done, so it neither asks nor is asked (PL-6)."""


@cache
def default() -> Topology:
    return parse(shipped_text(), additions=[Addition(f"{UNASSESSED}.yaml", _UNASSESSED_AGENCY)])


@cache
def whole() -> Topology:
    return parse(shipped_text("topologies/whole"))


TOPOLOGIES: Final[Mapping[str, Callable[[], Topology]]] = {DEFAULT: default, "whole": whole}
