"""Agencies as the permission list sees them: those of the register, and those that have left, whose files keep name and kinds."""

from __future__ import annotations

from gateway import own_topology
from gateway.data_folder import DataFolder
from gateway.registered_parties import listed_party, parties_of
from gateway.topology_fields import TopologyError
from permission_lists.decide import Party
from transport.register import Register


def known_parties(data: DataFolder, register: Register) -> dict[str, Party]:
    """Agency id → party. Nobody who has left is known where the folder's topology cannot be read."""
    try:
        departed = list(own_topology.read(data).departed.values())
    except TopologyError:
        departed = []
    return {one.agency.id: listed_party(one.agency) for one in departed} | parties_of(register)
