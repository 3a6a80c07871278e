from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import validate

from storage.fault_points import REGISTRY
from tests.gateway.linkage_server.test_inquiry_desk import inquiry
from tests.support.linkage_world import build
from tests.support.resident_files import individual_number, load, person

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def two_agencies(tmp_path, linkage_cluster):
    made = await build(tmp_path, linkage_cluster, agencies=("meguro", "hachioji"))
    await made.register(agency="meguro")
    await made.register("fukushi", agency="hachioji", system="fukushi")
    return made


async def test_each_agency_of_a_process_has_its_own_people_clients_and_log(two_agencies):
    world = two_agencies
    async with world.served() as caller:
        meguro, hachioji = await caller.token("kokuho"), await caller.token("fukushi")
        body = {"items": [{key: value for key, value in person(1).items() if key != "system"}]}
        await caller.post("/v1/addressees", body, token=meguro, key="k1")
        there = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=meguro, key="k2")
        elsewhere = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=hachioji, key="k2")
    assert there.body["items"][0]["state"] == "answered"
    assert elsewhere.body["items"][0]["reason"] == "addressee_unknown"
    assert [len(await world.rows("select 1 from person", agency=agency)) for agency in ("meguro", "hachioji")] == [1, 0]
    kinds = {
        agency: [row["kind"] for row in await world.rows("select kind from log_entry", agency=agency)]
        for agency in ("meguro", "hachioji")
    }
    assert kinds == {"meguro": ["addressees.loaded"], "hachioji": ["inquiry.refused"]}


async def test_the_log_is_exported_to_a_client_with_the_scope(world):
    await world.register("kansa", system="kansa", scopes=("log:read",))
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token("kansa")
        async with caller.client.get(f"{world.url}/v1/log", headers={"Authorization": f"Bearer {token}"}) as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
        denied = await caller.client.get(
            f"{world.url}/v1/log", headers={"Authorization": f"Bearer {await caller.token()}"}
        )
    assert lines[0]["party"] == "linkage"
    assert any("addressees.loaded" in json.dumps(line) for line in lines)
    assert denied.status == 403


async def test_marked_numbers_are_in_no_log_error_metric_or_spool_folder(world, capfd):
    mark = individual_number(7)
    async with world.served() as caller:
        await load(world.config.spool, [person(7), person(8, individual_number=mark)])
        token = await caller.token()
        shown = [
            (await caller.post("/v1/addressees", {"items": [{"individual_number": mark}]}, token=token, key="k1")).body,
            (
                await caller.post("/v1/addressees", {"items": [{**inquiry(1), "name": mark}]}, token=token, key="k2")
            ).body,
            (await caller.post("/v1/inquiries", {"items": [inquiry(7, staff=mark)]}, token=token, key="k3")).body,
            (await caller.post(f"/v1/{mark}", {}, token=token, key="k4")).body,
            (await caller.token_answer(mark, mark)).body,
        ]
        async with caller.client.get(f"http://127.0.0.1:{world.config.metrics_port}/metrics") as response:
            metrics = await response.text()
    entries = await world.rows("select body from log_entry")
    spool = [path.read_bytes() for path in world.config.spool.rglob("*") if path.is_file()]
    output = capfd.readouterr()
    assert 'sekisho_persons_total{outcome="issued"}' in metrics
    for text in (
        json.dumps(shown),
        metrics,
        output.out,
        output.err,
        str([bytes(row["body"]) for row in entries]),
        str(spool),
    ):
        assert mark not in text


def test_the_openapi_document_is_valid_and_lists_every_reason_of_the_code():
    document = yaml.load((ROOT / "docs/openapi/linkage.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    validate(document)
    listed = set(document["components"]["schemas"]["Problem"]["properties"]["reason"]["enum"])
    folders = [
        ROOT / "gateway/linkage_server",
        ROOT / "gateway/api",
        ROOT / "transport/problem.py",
        ROOT / "transport/wire.py",
    ]
    files = [file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("*.py"))]
    raised = {
        reason
        for file in files
        for reason in re.findall(r"ProblemError\(\s*\d+,\s*\"(\w+)\"", file.read_text(encoding="utf-8"))
    }
    raised |= {
        reason
        for file in files
        for reason in re.findall(r"_refusal\(\s*\d+,\s*\"(\w+)\"", file.read_text(encoding="utf-8"))
    }
    assert raised - listed == set()


async def test_the_document_that_is_served_names_every_route(world):
    async with world.served() as caller, caller.client.get(f"{world.url}/openapi.json") as response:
        document = await response.json()
    routes = re.findall(
        r"add_(post|get)\(\s*\"([^\"]+)\"",
        "".join((ROOT / name).read_text() for name in ("gateway/linkage_server/server.py", "gateway/api/oauth.py")),
    )
    assert routes
    assert [(method, path) for method, path in routes if method not in document["paths"].get(path, {})] == []


def test_every_commit_and_send_of_the_linkage_server_is_a_fault_point():
    names = {
        name.removesuffix(".before").removesuffix(".after") for name, server in REGISTRY.items() if server == "linkage"
    }
    assert {
        "linkage.commit.addressees.chunk",
        "linkage.send.inquiries",
        "linkage.send.code_requests",
        "linkage.commit.inquiry.refused",
    } <= names
