"""Hosts, ports and addresses as a topology writes them: which are possible, and which two servers would stand in one place."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

LOOPBACK: Final = "127.0.0.1"
EVERYWHERE: Final = "0.0.0.0"
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST: Final = 253
_LOCAL: Final = ("localhost", LOOPBACK)
_PORTS: Final = {"http": 80, "https": 443}
_LARGEST_PORT: Final = 65_535


def is_host(text: str) -> bool:
    """Whether there can be a server under this name or IPv4 address, in lower case."""
    labels = text.split(".")
    if labels[-1].isdigit():  # then the whole is an address, or nothing (RFC 3696)
        return is_address(text) and text != EVERYWHERE
    return len(text) <= _LONGEST and all(_LABEL.fullmatch(label) for label in labels)


def is_address(text: str) -> bool:
    """Whether a server can listen on this IPv4 address; 0.0.0.0 is every one of its machine."""
    try:
        found = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return text == EVERYWHERE or not (found.is_multicast or found.is_reserved or found.is_unspecified)


def is_loopback(host: str) -> bool:
    return host in _LOCAL or (is_address(host) and ipaddress.IPv4Address(host).is_loopback)


def is_place(text: str) -> bool:
    """`host:port`."""
    host, _, port = text.rpartition(":")
    return is_host(host) and port.isascii() and port.isdigit() and 1 <= int(port) <= _LARGEST_PORT


def is_origin(text: str) -> bool:
    """An origin as a browser writes it (RFC 6454): scheme, host and port, no more, and no port that goes without saying."""
    found = _address(text)
    if found is None or text != f"{found.scheme}://{found.netloc}":
        return False
    return found.port != _PORTS[found.scheme]


def is_address_of_an_application(text: str) -> bool:
    """Where a browser may be sent with a code (RFC 6749 §3.1.2): no fragment, and nothing in clear over a network."""
    return _address(text) is not None and "#" not in text


def host_of(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _address(text: str) -> SplitResult | None:
    """An https address, or an http one of this machine; without a user's name."""
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError:
        return None
    host = found.hostname or ""
    written = host if port is None else f"{host}:{port}"
    if found.scheme not in _PORTS or port == 0 or found.netloc != written or not is_host(host):
        return None
    if found.scheme == "http" and not is_loopback(host):
        return None
    return None if re.search(r"\s", text) else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody listens. `hosts`: all that it is called; `ours`: on this machine."""

    hosts: frozenset[str]
    port: int
    ours: bool

    @classmethod
    def of(cls, *hosts: str, port: int, ours: bool) -> Place:
        return cls(hosts=frozenset(LOOPBACK if host in _LOCAL else host for host in hosts), port=port, ours=ours)

    def meets(self, other: Place) -> bool:
        """Whether both cannot be."""
        if self.port != other.port:
            return False
        return bool(self.hosts & other.hosts) or self._covers(other) or other._covers(self)

    def _covers(self, other: Place) -> bool:
        """Everywhere on this machine, and the other is on it too."""
        return EVERYWHERE in self.hosts and (other.ours or any(map(is_loopback, other.hosts)))
