"""What docker/ watches is what the servers count: rules and dashboard name only metrics that some module defines."""

from __future__ import annotations

import ast
import json
import re

import pytest
import yaml

from tests.house.sources import ROOT, production_modules, trees_with

RULES = yaml.load((ROOT / "docker/prometheus/alerts.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
DASHBOARD = json.loads((ROOT / "docker/grafana/dashboards/sekisho.json").read_text(encoding="utf-8"))
COMPOSE = yaml.load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
SCRAPED = yaml.load((ROOT / "docker/prometheus/prometheus.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
EXPRESSIONS = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]
METRICS = sorted(
    {
        re.sub(r"_(total|bucket|count|sum)$", "", name)
        for text in EXPRESSIONS
        for name in re.findall(r"sekisho_\w+", text)
    }
)
ROLES = {
    "linkage",
    "intermediate",
    "neighbours-linkage",
    "neighbours-intermediate",
    "network",
    "resident-network",
    "sky2",
    "portal",
}


def defined() -> set[str]:
    literals = (
        node.value
        for _, tree in trees_with("sekisho_", production_modules())
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
    )
    return {re.sub(r"_total$", "", text) for text in literals if isinstance(text, str) and text.startswith("sekisho_")}


@pytest.mark.parametrize("metric", METRICS)
def test_a_watched_metric_is_defined_by_some_module(metric):
    assert metric in defined()


def test_every_role_has_a_container_that_serves_it():
    commands = [
        service["command"] for service in COMPOSE["services"].values() if service.get("command", [""])[0] == "serve"
    ]
    assert {command[1] for command in commands} == ROLES


def test_every_role_is_scraped():
    targets = SCRAPED["scrape_configs"][0]["static_configs"]
    assert {target["labels"]["role"] for target in targets} == ROLES


def test_no_container_has_a_password_written_down():
    values = [
        value
        for service in COMPOSE["services"].values()
        for key, value in service.get("environment", {}).items()
        if "PASSWORD" in key
    ]
    assert values
    assert all(value.startswith("${") and ":?" in value for value in values)
