"""Reading where servers stand: of roles the address, the host and the certificate, of agencies elsewhere the keys too, and routes between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from codebook.marked_yaml import Marked
from gateway.certificate_requests import RequestRefusedError, read_request
from gateway.topology_fields import OUR_PORTS, PORTS, Fields, shown
from gateway.topology_hosts import EVERYWHERE, LOOPBACK, Place, is_address, is_host
from gateway.topology_parts import (
    CALLS,
    CERTIFICATE_DAYS,
    Certificates,
    CertificateUse,
    Elsewhere,
    Program,
    Role,
    Route,
)
from gateway.topology_texts import A_HOST, A_KEY, A_REQUEST, AN_ADDRESS
from keys.signing import is_public_key

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_REQUEST: Final = re.compile(r"(?s).+")
_DAYS: Final = (1, CERTIFICATE_DAYS)
ROLE_KEYS: Final = ("port", "metrics_port", "listen", "reached_at", "certificate")
"""Of a role, what is read here."""
_ROUTE_KEYS: Final = ("from", "to", "host", "port")


@dataclass(slots=True)
class Servers:
    """What stands where so far. `keys`: public key → file and line that has it; `places`: whose → (where, file and line)."""

    keys: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[Place, str]] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)

    def elsewhere(self, fields: Fields, agency: str, *, left: bool) -> Elsewhere | None:
        """An agency's server that we do not start; of one that has `left`, whose place is free for others and whose keys are not."""
        if "elsewhere" not in fields.mapping:
            return None
        if (there := self.places.get(agency)) is not None and there[0].ours:
            fields.wrong("id", "stands_twice", thing=f"名前 {shown(agency)}", first=there[1])
        inner = fields.within("elsewhere", ("host", "port", "signing_key", "log_key", "certificate"))
        host = _host(inner, "host", LOOPBACK)
        keys = {key: inner.text(key, _KEY, A_KEY) for key in ("signing_key", "log_key") if key in inner.mapping}
        port = inner.number("port", PORTS if keys else OUR_PORTS)
        if len(keys) == 1:
            inner.wrong(None, "keys_incomplete")
        for name, key in keys.items():
            self._key(inner, name, key)
        if not left:
            self._place(inner, "port", agency, Place.of(host, port=port, ours=False))
        return Elsewhere(
            host=host,
            port=port,
            signing_key=keys.get("signing_key"),
            log_key=keys.get("log_key"),
            certificates=_certificates(inner, of_requests=bool(keys)),
        )

    def role(self, fields: Fields, name: str) -> dict[str, Any]:
        """The arguments of a `Role` that say where it stands."""
        if name in self.places:
            fields.wrong(None, "stands_twice", thing=f"名前 {shown(name)}", first=self.places[name][1])
        port, metrics_port = fields.number("port", OUR_PORTS), fields.number("metrics_port", OUR_PORTS)
        listen = _listen(fields)
        host = _host(fields, "reached_at", LOOPBACK if listen == EVERYWHERE else listen)
        if listen == EVERYWHERE and "reached_at" not in fields.mapping:
            fields.wrong("listen", "reached_at_missing")
        if "listen" not in fields.mapping and host not in {LOOPBACK, "localhost"}:
            fields.wrong("reached_at", "listen_missing", host=shown(host))
        self._place(fields, "port", name, Place.of(listen, host, port=port, ours=True))
        self._place(fields, "metrics_port", f"{name} metrics", Place.of(LOOPBACK, port=metrics_port, ours=True))
        return {
            "port": port,
            "metrics_port": metrics_port,
            "listen": listen,
            "reached_at": host,
            "certificates": _certificates(fields, of_requests=False),
        }

    def all_routes(self, document: Fields, roles: Mapping[str, Role], reached: Collection[str]) -> None:
        """The routes of a file. `reached`: roles, and agencies elsewhere, to which they may lead."""
        for item in document.elements("routes"):
            line = document.mapping.line_of("routes")
            fields = Fields(item, _ROUTE_KEYS, line=line, what="道 (route)", findings=document.findings)
            self._route(fields, roles, reached)

    def own_routes(self, document: Fields, roles: Mapping[str, Role]) -> None:
        """Those of an agency's own file: to its server, under the id that is written there, be the agency right or wrong."""
        agency = document.mapping.get("agency")
        if not isinstance(agency, Marked) or not isinstance(agency.get("id"), str):
            return
        if "elsewhere" not in agency and document.mapping.get("routes"):
            document.wrong("routes", "routes_of_hosted", id=shown(agency["id"]))
        else:
            self.all_routes(document, roles, [agency["id"]])

    def _route(self, fields: Fields, roles: Mapping[str, Role], reached: Collection[str]) -> None:
        """A way from a role to one of those that can be `reached`, roles or agencies elsewhere, that is not the place where that listens."""
        before = len(fields.findings.found)
        caller = fields.named("from", roles)
        called = fields.named("to", reached)
        host, port = _host(fields, "host", None), fields.number("port", PORTS)
        if caller and called and not _calls(roles[caller], roles.get(called)):
            fields.wrong("to", "route_unused", caller=shown(caller), called=shown(called))
        if any((one.caller, one.called) == (caller, called) for one in self.routes):
            fields.wrong("to", "route_twice", caller=shown(caller), called=shown(called))
        if len(fields.findings.found) == before:
            self.routes.append(Route(caller=caller, called=called, host=host, port=port))

    def leave(self, agency: str, elsewhere: Elsewhere) -> None:
        """Its place is free again, and its keys are for the file that says them anew."""
        self.places.pop(agency, None)
        for key in filter(None, (elsewhere.signing_key, elsewhere.log_key)):
            self.keys.pop(key, None)

    def _key(self, fields: Fields, name: str, key: str) -> None:
        if not key:
            return
        if not is_public_key(bytes.fromhex(key)):
            fields.wrong(name, "key_unusable", key=name)
        elif (first := self.keys.get(key)) is not None:
            fields.wrong(name, "key_twice_used", key=name, first=first)
        else:
            self.keys[key] = fields.at(name)

    def _place(self, fields: Fields, key: str, whose: str, place: Place) -> None:
        """Note when somebody before stands there already."""
        if not place.port:
            return
        for other, first in self.places.values():
            if place.meets(other):
                fields.wrong(key, "stands_twice", thing=f"ポート {place.port}", first=first)
                return
        self.places.setdefault(whose, (place, fields.at(key)))


def _calls(caller: Role, called: Role | None) -> bool:
    """Whether the first ever calls the second; None: an agency's server elsewhere."""
    return (Program.INTERMEDIATE if called is None else called.program) in CALLS[caller.program]


def _host(fields: Fields, key: str, usual: str | None) -> str:
    if usual is not None and key not in fields.mapping:
        return usual
    return _of(is_host, fields, key, A_HOST) or LOOPBACK


def _listen(fields: Fields) -> str:
    return _of(is_address, fields, "listen", AN_ADDRESS) or LOOPBACK if "listen" in fields.mapping else LOOPBACK


def _of(right: Callable[[str], bool], fields: Fields, key: str, mend: str) -> str:
    found = fields.mapping.get(key)
    if isinstance(found, str) and right(found):
        return found
    fields.value_wrong(key, mend)
    return ""


def _certificates(fields: Fields, *, of_requests: bool) -> Certificates:
    """`of_requests`: of a server that keeps its own keys."""
    if "certificate" not in fields.mapping:
        return Certificates()
    known = ("names", "days", *(("requests",) if of_requests else ()))
    inner = fields.within("certificate", known)
    names = inner.texts("names")
    for name in names:
        if not is_host(name):
            inner.wrong("names", "value_wrong", key="names", value=shown(name), mend=A_HOST)
    days = inner.number("days", _DAYS) if "days" in inner.mapping else CERTIFICATE_DAYS
    return Certificates(names=names, days=days, requests=_requests(inner) if of_requests else {})


def _requests(fields: Fields) -> dict[CertificateUse, str]:
    if not isinstance(fields.mapping.get("requests", Marked(1)), Marked):
        fields.wrong("requests", "not_a_mapping")
    if not isinstance(fields.mapping.get("requests"), Marked):
        return {}
    inner = fields.within("requests", [use.value for use in CertificateUse])
    found = {}
    for use in CertificateUse:
        if use.value not in inner.mapping:
            continue
        text = inner.text(use.value, _REQUEST, A_REQUEST)
        try:
            read_request(text.encode())
            found[use] = text
        except RequestRefusedError as wrong:
            if text:
                inner.wrong(use.value, "request_refused", use=use.value, why=str(wrong))
    return found
