"""Which ports the roles listen on: those of the topology, moved by an offset, or any that are free."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from gateway.topology import Role, Topology
from gateway.topology_hosts import LOOPBACK

# below the range from which Linux takes the ports of outgoing connections
_LOWEST: Final = 20_000
_COUNT: Final = 12_000
_MOST_KEPT: Final = 2_000
_KEPT: Final[deque[int]] = deque()
"""Ports that this process has drawn last: nobody else draws them while it lives, also while their servers are down."""

_LEAST: Final = 1_024
_LARGEST: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePorts:
    port: int
    metrics_port: int


class PortTakenError(Exception):
    """Nobody can listen there; the message names the role and the port, or the address that this machine does not have."""


class PortOutOfRangeError(ValueError):
    """The offset moves a port to where there is none; the message says so."""


def from_topology(topology: Topology, offset: int = 0) -> dict[str, RolePorts]:
    """The ports of each role, and of each agency elsewhere under its id (which has no metrics: 0)."""
    return {
        **{
            name: RolePorts(port=role.port + offset, metrics_port=role.metrics_port + offset)
            for name, role in topology.roles.items()
        },
        **{
            agency.id: RolePorts(
                port=agency.elsewhere.port + (0 if _not_ours(topology, agency.id) else offset), metrics_port=0
            )
            for agency in topology.agencies.values()
            if agency.elsewhere is not None
        },
    }


def kept(topology: Topology, folders: Iterable[Path]) -> dict[str, RolePorts]:
    """The ports that the last set-up wrote into these folders (`role.json`), those of the topology for whoever has none."""
    found = from_topology(topology)
    for folder in folders:
        try:
            stored = json.loads((folder / "role.json").read_bytes())
            if stored["role"] in found:
                found[stored["role"]] = RolePorts(port=stored["port"], metrics_port=stored["metrics_port"])
        except (OSError, ValueError, KeyError):
            continue
    return found


def check_in_range(topology: Topology, ports: Mapping[str, RolePorts]) -> None:
    """Raises PortOutOfRangeError for a port of ours below 1,024 or above 65,535."""
    ours = [found for name, found in ports.items() if not _not_ours(topology, name)]
    used = [port for found in ours for port in (found.port, found.metrics_port) if port]
    wrong = next((port for port in used if not _LEAST <= port <= _LARGEST), None)
    if wrong is not None:
        raise PortOutOfRangeError(
            f"ポート {wrong} はありません。--port-offset は全ポートが {_LEAST}〜{_LARGEST} に収まる数にしてください"
            f" / there is no port {wrong}; choose --port-offset so that every port is within {_LEAST} and {_LARGEST}"
        )


def free(topology: Topology) -> dict[str, RolePorts]:
    """Ports that nobody listens on now, all different."""
    names = list(from_topology(topology))
    found = untaken(2 * len(names))
    chosen = {
        name: RolePorts(port=found[2 * place], metrics_port=found[2 * place + 1]) for place, name in enumerate(names)
    }
    return chosen | {name: ports for name, ports in from_topology(topology).items() if _not_ours(topology, name)}


def _not_ours(topology: Topology, name: str) -> bool:
    """Whether somebody else runs this server, so that its port is where it is."""
    agency = topology.agencies.get(name)
    return agency is not None and agency.elsewhere is not None and agency.elsewhere.own_keys


def check_untaken(ports: Mapping[str, RolePorts], roles: Iterable[Role]) -> None:
    """Raises PortTakenError."""
    for role in roles:
        found = ports[role.name]
        for host, port in ((role.listen, found.port), (LOOPBACK, found.metrics_port)):
            problem = _hindrance(host, port)
            if problem == errno.EADDRNOTAVAIL:
                raise PortTakenError(
                    f"{role.name}: この機械に {host} はありません。構成ファイルの listen を確かめてください"
                    f" / this machine has no address {host}; check `listen` in the topology"
                )
            if problem is not None:
                raise PortTakenError(
                    f"{role.name}: ポート {port} は使用中です。--port-offset で移せます / port {port} is taken; move all with --port-offset"
                )


def _hindrance(host: str, port: int) -> int | None:
    """Why nobody can listen there (errno), or None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno
    return None


def some_free(count: int, ports: Mapping[str, RolePorts]) -> list[int]:
    """So many more, none of these."""
    used = {port for role in ports.values() for port in (role.port, role.metrics_port)}
    return [port for port in untaken(count + len(used)) if port not in used][:count]


def untaken(count: int) -> list[int]:
    """So many ports, all different, that nobody listens on now, that nobody else has drawn, and that no outgoing connection is given."""
    found: list[int] = []
    while len(found) < count:
        port = _LOWEST + secrets.randbelow(_COUNT)
        if port not in found and _hindrance(LOOPBACK, port) is None and _keep(port):
            found.append(port)
    return found


@cache
def _keeping() -> int:
    """The file of which one byte for each port is locked; open as long as this process lives."""
    path = Path(tempfile.gettempdir()) / f"sekisho-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _keep(port: int) -> bool:
    """Whether the port is this process' from now on. Of those that it has drawn the oldest go back."""
    if port in _KEPT:
        return False
    try:
        fcntl.lockf(_keeping(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # what POSIX says of a lock that is another's
        return False
    _KEPT.append(port)
    if len(_KEPT) > _MOST_KEPT:
        fcntl.lockf(_keeping(), fcntl.LOCK_UN, 1, _KEPT.popleft())
    return True
