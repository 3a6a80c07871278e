"""What the alert rules watch is there to be watched, with the labels that they ask for, and says nothing of a person."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.__main__ import main

ALERTS = Path(__file__).resolve().parents[2] / "docker/prometheus/alerts.yml"
_SUFFIXES = re.compile(r"_(total|bucket|sum|count|created)$")


def named_in_alerts() -> set[str]:
    rules = yaml.load(ALERTS.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return set(re.findall(r"\bsekisho_[a-z_]+\b", " ".join(expressions)))


@pytest.fixture(scope="module")
def exported(job):
    """Role → its metric families after the whole job."""
    found = {}
    for role in job.system.running.roles:
        with urllib.request.urlopen(job.system.running.metrics_url(role), timeout=10) as answer:  # noqa: S310 (our own loopback address)
            found[role] = list(text_string_to_metric_families(answer.read().decode()))
    return found


def samples(exported, name: str, role: str | None = None):
    return [
        sample
        for each, families in exported.items()
        for family in families
        for sample in family.samples
        if sample.name == name and role in {None, each}
    ]


def test_the_alert_rules_name_metrics():
    assert len(named_in_alerts()) >= 8


@pytest.mark.parametrize("name", sorted(named_in_alerts()))
def test_a_metric_that_an_alert_names_is_exported(exported, name):
    families = {family.name for each in exported.values() for family in each}
    assert _SUFFIXES.sub("", name) in families or name in families


@pytest.mark.parametrize(
    "name",
    [
        "sekisho_log_size", "sekisho_refusals_total", "sekisho_access_refused_total", "sekisho_held_provisions", "sekisho_queue_depth",
        "sekisho_channel_waiting", "sekisho_pool_connections", "sekisho_inquiry_seconds_bucket", "sekisho_inquiries_total",
        "sekisho_provisions_total", "sekisho_codes_total", "sekisho_commit_seconds_bucket", "sekisho_key_events_total",
        "sekisho_permits_total", "sekisho_relays_total",
    ],
)  # fmt: skip
def test_the_job_leaves_samples_of_it(exported, name):
    assert samples(exported, name)


def test_refusals_say_who_refused_why_and_under_which_item(exported):
    found = samples(exported, "sekisho_refusals_total")
    by_whom = defaultdict(set)
    for sample in found:
        assert set(sample.labels) >= {"by", "reason", "item"}
        by_whom[sample.labels["by"]].add(sample.labels["reason"])
    assert {"inquirer", "provider"} <= set(by_whom)
    assert {"permit_replayed", "permit_other_person", "permit_key_differs"} <= by_whom["provider"]
    assert {"affair_not_listed", "information_not_in_row"} <= by_whom["inquirer"]
    assert {"affair_not_listed", "permit_replayed", "permit_expired", "permit_of_another_party"} <= by_whom["core"]


def test_the_network_counts_permits_and_relays_by_outcome_and_item(exported):
    permits, relays = (samples(exported, f"sekisho_{name}_total", "network") for name in ("permits", "relays"))
    assert {one.labels["outcome"] for one in permits} == {"issued", "refused"}
    assert {one.labels["outcome"] for one in relays} >= {"provided", "not_provided", "held", "refused", "turned_away"}
    assert {"27", "unlisted"} <= {one.labels["item"] for one in permits}


def test_nobody_grows_the_labels_by_asking_for_nonsense(exported):
    counted = ("refusals", "permits", "relays")
    items = {sample.labels["item"] for name in counted for sample in samples(exported, f"sekisho_{name}_total")}
    assert "999" not in items
    assert "unlisted" in items


def test_every_log_tells_its_size(exported, job):
    told = {sample.labels["log"]: sample.value for sample in samples(exported, "sekisho_log_size")}
    for origin, found in job.stage.facts["logs"].items():
        assert told[origin.rpartition("/")[0]] >= found["size"]


def test_jobs_of_both_servers_are_in_one_list_after_the_whole_job(job, capsys):
    data = str(job.system.running.data.root)
    assert main(["jobs", "list", "--json", "--most", "500", "--agency", "setagaya", "--data", data]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["server"] for one in found} == {"linkage", "intermediate"}
    assert {"file", "code_run", "statistics"} <= {one["kind"] for one in found}
    files = [one for one in found if one["kind"] == "file"]
    assert all(one["state"] == "done" and one["done"] == one["total"] for one in files)
