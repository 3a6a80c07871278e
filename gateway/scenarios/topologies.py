"""The topologies in which scenarios are played: those that are shipped, the default one with an agency that must not take part, and one for which the ward answers."""

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
  assessed: [{{valid_to: 2022-10-02}}]
  systems:
    - {{id: {UNASSESSED}-gyomu, name: 町 業務, individual_number: true, grants: [addressees:register, code-requests:create, inquiries:create]}}
hosted_by: {{linkage: neighbours-linkage, intermediate: neighbours-intermediate}}
"""
"""番号法28条: its assessment stood until the day before the simulation begins, so it neither asks nor is asked (PL-6)."""


DELEGATOR: Final = "yamamura"
_DELEGATING_AGENCY: Final = f"""
agency:
  id: {DELEGATOR}
  code: "9999000000000097"
  name: 架空村長
  kinds: [町村長]
hosted_by: {{intermediate: neighbours-intermediate}}
delegations:
  - {{delegator: {DELEGATOR}, delegate: setagaya, side: provider, valid_from: 2022-04-01, information: [医療保険給付関係情報]}}
"""
"""委任元: the ward answers in its stead from what it holds for it (IS-3)."""


@cache
def default() -> Topology:
    added = ((UNASSESSED, _UNASSESSED_AGENCY), (DELEGATOR, _DELEGATING_AGENCY))
    return parse(shipped_text(), additions=[Addition(f"{name}.yaml", text) for name, text in added])


@cache
def whole() -> Topology:
    return parse(shipped_text("topologies/whole"))


TOPOLOGIES: Final[Mapping[str, Callable[[], Topology]]] = {DEFAULT: default, "whole": whole}
