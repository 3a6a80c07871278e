"""Who takes part and which process hosts whom, read from YAML and refused as a whole when a part does not fit.

A data folder's topology is one file and, beside it, one file for each agency that `sekisho agency add` has taken in or that has left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from codebook import marked_yaml
from codebook.marked_yaml import YamlBrokenError
from gateway.topology_fields import TopologyError
from gateway.topology_options import WrongFile
from gateway.topology_parts import (
    NETWORK,
    RESIDENT_NETWORK,
    Addition,
    Agency,
    BusinessSystem,
    Departed,
    Elsewhere,
    Program,
    Role,
    Route,
)
from gateway.topology_reading import Reading
from transport.register import Delegation

__all__ = [
    "NETWORK", "RESIDENT_NETWORK", "Addition", "Agency", "BusinessSystem", "Departed", "Elsewhere", "Program", "Role", "Route",
    "Topology", "TopologyError", "parse", "shipped", "shipped_text",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """`added`: ids of the agencies that stand in files of their own (`Addition`)."""

    agencies: Mapping[str, Agency]
    roles: Mapping[str, Role]
    departed: Mapping[str, Departed] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    delegations: tuple[Delegation, ...] = ()
    routes: tuple[Route, ...] = ()

    def hosting(self, program: Program, agency: str | None = None) -> Role | None:
        """The role that runs this program (for this agency)."""
        fitting = (role for role in self.roles.values() if role.program is program)
        return next((role for role in fitting if agency is None or agency in role.hosts), None)


def shipped() -> Topology:
    """The default: the ward, its neighbours, the simulated surroundings."""
    return parse(shipped_text())


def shipped_text(name: str = "topology") -> str:
    """A shipped topology's text; `topologies/whole` has everybody of the assessment report."""
    return (resources.files("gateway") / f"{name}.yaml").read_text(encoding="utf-8")


def parse(
    text: str,
    *,
    file: str = "topology.yaml",
    additions: Sequence[Addition] = (),
    published: Callable[[], Collection[str]] = frozenset,
    wrong_file: Callable[[str, str, str], WrongFile | None] = lambda _role, _option, _path: None,
) -> Topology:
    """Raises TopologyError with everything that is wrong with the first file that is not right.

    `wrong_file`: role, option and path of a file that the option names → what is wrong with it, or None.
    `published`: kinds of information that stand in lists which were published beside the shipped ones; asked for when one is not shipped.
    """
    reading = Reading(published=published, awaited=[_agency_of(one.text) for one in additions], wrong_file=wrong_file)
    reading.topology(file, text)
    reading.additions(additions)
    return Topology(
        agencies=reading.agencies,
        roles=reading.roles,
        departed=reading.departed,
        added=frozenset(reading.added),
        delegations=tuple(reading.delegations),
        routes=tuple(reading.routes),
    )


def _agency_of(text: str) -> str:
    """The id of an agency in a file of its own, which the topology's options may name; nothing when the file is not right."""
    try:
        return str(marked_yaml.load(text)["agency"]["id"])
    except (YamlBrokenError, KeyError, TypeError):
        return ""
