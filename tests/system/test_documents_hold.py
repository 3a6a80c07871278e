"""Whatever the OpenAPI documents allow, and what they do not, never ends in a 5xx, and every answer is one that the document declares.

Schemathesis draws requests from each document, right and wrong ones; they go to the running roles over mutual TLS and OAuth, as callers
who may. Beside what is wrong stands the request that found it. The same requests in every run of the suite; with SEKISHO_EXAMPLES=25 so many of
each, and other ones every time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.citizen_calls import CitizenCard, Device
from gateway.demonstration.stage import WARD
from gateway.launcher import Running
from gateway.topology import shipped
from tests.house.sources import ROOT
from tests.support.citizens import issued
from tests.support.running_system import System, started
from tests.support.staff_terminal import first, terminal
from transport.tls import Identity

WANTED = os.environ.get("SEKISHO_EXAMPLES")
EXAMPLES = int(WANTED or 4)
"""Right and wrong requests to each operation: so many of each."""
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
LONGEST_LINE = 8_000
"""A longer request line is no server's that reads HTTP: it ends before any of our code."""
APART = frozenset({"/control"})
"""Makes the simulated network misbehave: 5xx is what it is for."""
ROLE_OF = {
    "linkage": "linkage",
    "intermediate": "intermediate",
    "network": "network",
    "resident-network": "resident-network",
    "sky2": "sky2",
    "portal": "portal",
}
USES = {"intermediate": "intermediate", "linkage": "linkage", "resident_network": "resident-network"}
ADMINISTRATION = ("staff.administer", "staff.approve", "staff.analyse", "backup")


@dataclass(kw_only=True)
class Callers:
    """Who calls: certificates by use, sessions of staff, tokens of clients; one session of HTTP for each identity."""

    running: Running
    staff: dict[str, str]
    citizen: str
    """A token of somebody who has signed in at the portal with their card."""
    sessions: dict[str, requests.Session] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def identity(self, name: str, description: str) -> Identity:
        """The certificate that the description of an operation asks for."""
        use = description.partition("certificate use: ")[2].partition("。")[0]
        if name == "intermediate":
            if use.startswith("network"):
                return self.running.role("network").hosted["network"].identity
            if use.startswith("staff"):
                return self.running.staff(WARD)
            return self.running.role("linkage").hosted[WARD].identity
        if use.startswith("staff"):
            return self.running.staff({"network": "network", "resident-network": "resident-network"}.get(name, WARD))
        if use.startswith("linkage (portal)"):
            return self.running.role("portal").hosted["portal"].identity
        named = re.match(r"[a-z_]*", use)
        role = USES.get(named.group() if named else "", "intermediate" if name == "network" else "linkage")
        config = self.running.role(role)
        return config.hosted[WARD if WARD in config.hosted else role].identity

    def http(self, identity: Identity | None, ca: str = "") -> requests.Session:
        key = str(identity.certificate) if identity else ca
        if key not in self.sessions:
            session = requests.Session()
            session.trust_env = False
            if identity is not None:
                session.cert, session.verify = (str(identity.certificate), str(identity.key)), str(identity.ca)
            else:
                session.verify = ca
            self.sessions[key] = session
        return self.sessions[key]

    def bearer(self, scope: str) -> str:
        """A token of a client of the ward that has this scope."""
        if scope not in self.tokens:
            clients = [self.running.client(system.id) for system in self.running.topology.agencies[WARD].systems]
            found = next(one for one in clients if any(given.endswith(f":{scope}") for given in one.scopes))
            answer = self.http(None, str(found.ca)).post(
                f"{found.url}/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(found.client_id, found.secret.reveal().decode()),
            )
            self.tokens[scope] = answer.json()["access_token"]
        return self.tokens[scope]


@pytest.fixture(scope="module")
def callers(tmp_path_factory):
    lenient = {"staff_failures": 1_000_000, "staff_terminal_failures": 1_000_000}
    with started(
        tmp_path_factory.mktemp("documents"), roles=tuple(shipped().roles), role_options={"intermediate": lenient}
    ) as running:
        staff, card = asyncio.run(_sessions(running))
        context = ssl.create_default_context(cafile=str(running.client("juki").ca))
        citizen = Device(url=running.url("portal"), context=context).sign_in(card)
        yield Callers(running=running, staff=staff, citizen=citizen)


async def _sessions(running: Running) -> tuple[dict[str, str], CitizenCard]:
    system = System(running=running)
    people = system.new_people(2)
    await system.populate(people)
    card = await issued(system, people[0])
    async with terminal(running) as desk:
        return {who: (await desk.entered(first(running, who))).token for who in ("staff-1", "admin-1")}, card


def operations(name: str) -> Iterator[Any]:
    document = yaml.load((ROOT / f"docs/openapi/{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if operation.path not in APART:
            yield operation


def prepare(name: str, operation: Any, case: Any, callers: Callers) -> tuple[requests.Session, dict[str, str]]:
    """Let a drawn request in: the agency is the ward mostly, nothing waits for minutes, and whoever calls may."""
    description = operation.definition.raw.get("description", "")
    if "agency" in (case.path_parameters or {}) and secrets.randbelow(10):
        case.path_parameters["agency"] = WARD
    if isinstance(case.body, dict) and isinstance(case.body.get("wait_ms"), int):
        case.body["wait_ms"] = min(case.body["wait_ms"], 5)
    if name == "portal":
        signed_in = operation.definition.raw.get("security") != []
        headers = {"Authorization": f"Bearer {callers.citizen}"} if signed_in else {}
        return callers.http(None, str(callers.running.client("juki").ca)), headers
    if name == "linkage":
        scopes = re.findall(r"業務ID:([a-z-]+:[a-z-]+)", description)
        client = callers.running.client("juki")
        headers = {"Authorization": f"Bearer {callers.bearer(scopes[0])}"} if scopes else {}
        return callers.http(None, str(client.ca)), headers
    headers = {}
    if operation.definition.raw.get("security") and "log-out" not in operation.path:
        right = description.partition("right: ")[2].partition("。")[0]
        headers["Authorization"] = (
            f"Bearer {callers.staff['admin-1' if right.startswith(ADMINISTRATION) else 'staff-1']}"
        )
    return callers.http(callers.identity(name, description)), headers


def faults(operation: Any, case: Any, response: requests.Response) -> list[str]:
    """What is wrong with an answer."""
    found = []
    where = f"{operation.method.upper()} {operation.path} {response.status_code}"
    if response.status_code >= 500:
        found.append(f"{where}: {response.text[:200]}")
    for check in CHECKS:
        try:
            case.validate_response(response, checks=[check])
        except (Failure, FailureGroup) as failure:
            said = getattr(failure, "exceptions", (failure,))[0]
            found.append(f"{where}: {check.__name__}: {' '.join(str(said).split())[:300]}")
    if 400 <= response.status_code < 500:
        kind = response.headers.get("content-type", [""])[0]
        try:
            reason = response.json()["reason"] if kind.startswith("application/problem+json") else None
        except (ValueError, KeyError):
            reason = None
        listed = operation.definition.raw.get("x-reasons", {}).get(str(response.status_code), [])
        if reason not in listed:
            found.append(f"{where}: {reason} of {kind} is not listed")
    return found


@pytest.mark.parametrize("name", sorted(ROLE_OF))
def test_every_answer_is_one_that_the_document_declares(callers, name):
    wrong: dict[str, str] = {}
    seen: set[int] = set()
    for operation in operations(name):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _fuzz(name, operation, mode, callers, wrong, seen)
    assert not wrong, "\n" + "\n".join(f"{what}\n    {asked}" for what, asked in sorted(wrong.items()))
    assert 200 in seen
    assert seen & {400, 401, 403, 404}


def _fuzz(
    name: str, operation: Any, mode: GenerationMode, callers: Callers, wrong: dict[str, str], seen: set[int]
) -> None:
    strategy = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=WANTED is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: Any) -> None:
        session, headers = prepare(name, operation, case, callers)
        base = callers.running.url(ROLE_OF[name])
        response = case.call(
            base_url=base, session=session, headers=headers, verify=session.verify, cert=session.cert, timeout=30
        )
        if len(response.request.path_url) > LONGEST_LINE:
            return
        seen.add(response.status_code)
        for what in faults(operation, case, response):
            wrong.setdefault(what, case.as_curl_command()[:2_000])

    with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing cannot be asked wrongly
        ask()


def test_the_finder_finds(callers):
    """An answer that the document does not have is found, so the search above is one."""
    operation = next(one for one in operations("resident-network") if one.path == "/four-items")
    case = operation.Case(body={"items": []}, media_type="application/json")
    session = callers.http(callers.identity("resident-network", operation.definition.raw["description"]))
    answer = case.call(
        base_url=callers.running.url("resident-network"), session=session, verify=session.verify, cert=session.cert
    )
    assert faults(operation, case, answer) == []
    answer.status_code = 418
    assert faults(operation, case, answer)
    assert json.loads(answer.content)["items"] == []
