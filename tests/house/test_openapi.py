"""The OpenAPI documents say what the servers do: valid, path for path, and every reason code is in one of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
import yaml
from aiohttp import web
from openapi_spec_validator import validate

from adapters.jlis_mock.control import add_control_route
from adapters.jlis_mock.core.checkpoint_routes import add_checkpoint_routes
from adapters.jlis_mock.core.epoch_routes import add_epoch_routes
from adapters.jlis_mock.core.list_routes import add_list_routes
from adapters.jlis_mock.core.log_routes import add_log_routes
from adapters.jlis_mock.core.register_routes import add_register_route
from adapters.jlis_mock.core.routes import add_core_routes
from adapters.jlis_mock.interface.routes import add_interface_routes
from adapters.jlis_mock.portal import routes as portal
from adapters.jlis_mock.resident_network import server as resident_network
from adapters.sky2 import backing_up as sky2_backups
from adapters.sky2 import push_routes as sky2_pushes
from adapters.sky2 import routes as sky2
from gateway.intermediate_server import routes as intermediate
from gateway.linkage_server import routes as linkage
from tests.house.sources import ROOT, parsed, production_modules
from transport import openapi

NAMES = ("linkage", "intermediate", "network", "resident-network", "sky2", "portal")
DOCUMENTS = {
    name: yaml.load((ROOT / f"docs/openapi/{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for name in NAMES
}
OWN_CODE = {
    "linkage": ("gateway/linkage_server", "gateway/api"),
    "intermediate": ("gateway/intermediate_server",),
    "network": ("adapters/jlis_mock/core", "adapters/jlis_mock/interface", "adapters/jlis_mock/control.py"),
    "resident-network": ("adapters/jlis_mock/resident_network",),
    "sky2": ("adapters/sky2",),
    "portal": ("adapters/jlis_mock/portal",),
}
SERVERS = ("gateway/linkage_server", "gateway/intermediate_server", "gateway/api", "adapters", "transport")
SAYS_NO = frozenset({"refused", "_refused", "retry", "refuse", "_without_row", "_turn_away"})
REASON_ENUMS = {
    ("decide.py", "Reason"),
    ("permit.py", "PermitRefusal"),
    ("versions.py", "VersionRefusal"),
    ("rows.py", "Reason"),
    ("changes.py", "ChangeReason"),
    ("text_forms.py", "TextReason"),
    ("layouts.py", "Why"),
} | {
    ("refund.py", "NoInquiryReason"),
    ("store.py", "KeyReused"),
    ("registering.py", "Unregistered"),
    ("administration.py", "No"),
    ("ordering.py", "No"),
    ("extensions.py", "ExtensionRefusal"),
}
RETURNS_REASONS = frozenset({"_refusal", "refusal", "_why_not", "_own_no"})
OF_BACKUPS = {"agency_not_hosted", "backup_key_missing", "backup_running"}
"""Of servers that backups are made at."""
NOT_ASKED_FOR = {"no_detail"}
"""Of a question at detail level only: servers ask at table level."""


def add_routes_of_the_network(app: web.Application) -> None:
    add_core_routes(app, entrance=None, permits=None, codes=None)
    add_interface_routes(app, None, None)
    add_list_routes(app, None, None)
    add_epoch_routes(app, None)
    add_checkpoint_routes(app)
    add_register_route(app, None)
    add_log_routes(app, None)
    add_control_route(app, None, None)
    openapi.add_route(app, "network")


def add_routes_of_sky2(app: web.Application) -> None:
    sky2.add_routes(app)
    sky2_pushes.add_routes(app)
    sky2_backups.add_routes(app)


ADD_ROUTES = {
    "linkage": linkage.add_routes,
    "intermediate": lambda app: intermediate.add_routes(app, None),
    "network": add_routes_of_the_network,
    "resident-network": lambda app: resident_network.add_routes(app, None),
    "sky2": add_routes_of_sky2,
    "portal": portal.add_routes,
}


def operations(document: dict) -> Iterator[tuple[str, str, dict]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "post", "put", "delete", "patch"}:
                yield path, method.upper(), operation


def registered(name: str) -> set[tuple[str, str]]:
    app = web.Application()
    ADD_ROUTES[name](app)
    return {
        (route.resource.canonical, route.method)
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }


def strings(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def name_of(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def codes(found: set[str]) -> set[str]:
    return {text for text in found if re.fullmatch(r"[a-z][a-z0-9_]{2,63}", text)}


def problem_reasons(*folders: str) -> set[str]:
    """Second argument of every ProblemError (and of the OAuth refusal) in these folders."""
    return codes(
        {
            text
            for module in production_modules()
            if str(module).startswith(folders)
            for node in ast.walk(parsed(module))
            if isinstance(node, ast.Call) and name_of(node) in {"ProblemError", "_refusal"}
            for text in strings(node.args[1:2])
        }
    )


@cache
def refusal_reasons() -> set[str]:
    """What servers put into `refused`, `retry` and `reason`, wherever the code is written out."""
    found: set[str] = set()
    for module in production_modules():
        in_server = str(module).startswith(SERVERS)
        for node in ast.walk(parsed(module)):
            match node:
                case ast.ClassDef(name=name, body=body) if (module.name, name) in REASON_ENUMS:
                    found |= strings([part.value for part in body if isinstance(part, ast.Assign)])
                case ast.Call() if in_server and name_of(node) in SAYS_NO:
                    found |= strings(node.args)
                case ast.Assign(targets=[ast.Name(id="reason")], value=value) if in_server:
                    found |= strings([value])
                case ast.keyword(arg="reason", value=value) if in_server:
                    found |= strings([value])
                case ast.Dict(keys=keys, values=values) if in_server:
                    found |= strings(
                        [
                            value
                            for key, value in zip(keys, values, strict=True)
                            if strings([key] if key else []) & {"reason", "retry"}
                        ]
                    )
                case ast.FunctionDef(name=name) if in_server and name in RETURNS_REASONS:
                    found |= strings(
                        [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
                    )
    return codes(found) - NOT_ASKED_FOR


def listed(operation: dict) -> set[str]:
    return {reason for reasons in operation.get("x-reasons", {}).values() for reason in reasons}


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_valid(name):
    validate(DOCUMENTS[name])


@pytest.mark.parametrize("name", NAMES)
def test_no_path_and_no_schema_stands_twice(name):
    """YAML lets the later one win without a word."""
    text = (ROOT / f"docs/openapi/{name}.yaml").read_text(encoding="utf-8")
    paths = re.findall(r"^  (/[^:]*):", text, re.MULTILINE)
    schemas = re.findall(r"^    ([A-Z]\w+):$", text[text.index("\n  schemas:") :], re.MULTILINE)
    assert [one for one in {*paths, *schemas} if [*paths, *schemas].count(one) > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_route_is_documented_and_every_documented_path_is_served(name):
    assert registered(name) == {(path, method) for path, method, _ in operations(DOCUMENTS[name])}


@pytest.mark.parametrize("name", NAMES)
async def test_a_role_serves_its_document(name, aiohttp_client):
    app = web.Application()
    openapi.add_route(app, name)
    answer = await (await aiohttp_client(app)).get("/openapi.json")
    assert await answer.json() == DOCUMENTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_of_a_role_is_listed_at_one_of_its_operations(name):
    documented = {reason for _, _, operation in operations(DOCUMENTS[name]) for reason in listed(operation)}
    assert problem_reasons(*OWN_CODE[name]) - documented == set()


@pytest.mark.parametrize("name", NAMES)
def test_listed_reasons_are_those_of_the_problem_schema(name):
    documented = {reason for _, _, operation in operations(DOCUMENTS[name]) for reason in listed(operation)}
    assert set(DOCUMENTS[name]["components"]["schemas"]["Problem"]["properties"]["reason"]["enum"]) == documented


@pytest.mark.parametrize("name", NAMES)
def test_a_status_with_reasons_is_a_response_of_the_operation(name):
    missing = [
        (path, status)
        for path, _, operation in operations(DOCUMENTS[name])
        for status in operation.get("x-reasons", {})
        if status not in operation["responses"]
    ]
    assert missing == []


def test_problems_that_any_server_may_answer_with_are_in_every_document():
    shared = problem_reasons("transport") - {"malformed_query", *OF_BACKUPS}
    for name in set(NAMES) - {"linkage", "portal"}:
        documented = {reason for _, _, operation in operations(DOCUMENTS[name]) for reason in listed(operation)}
        assert shared - documented == set(), name


def test_every_refusal_in_the_code_is_documented():
    documented = {
        reason
        for document in DOCUMENTS.values()
        for _, _, operation in operations(document)
        for reason in [*operation.get("x-refusals", ()), *operation.get("x-retries", ()), *listed(operation)]
    }
    of_files = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs/architecture.md").read_text(encoding="utf-8")))
    assert refusal_reasons() - documented - of_files == set()


def test_the_finders_find():
    assert {"token_missing", "invalid_client", "scope_missing"} <= problem_reasons("gateway/api")
    assert {"permit_replayed", "provider_unreachable", "affair_not_listed", "four_items_differ"} <= refusal_reasons()


def test_operation_ids_are_unique():
    ids = [operation["operationId"] for document in DOCUMENTS.values() for _, _, operation in operations(document)]
    shared = {"IF_TKM_90017", "IF_TKM_90018"}  # one function, at the intermediate servers and at the core
    assert sorted(found for found in set(ids) if ids.count(found) > 1 and found not in shared) == []
