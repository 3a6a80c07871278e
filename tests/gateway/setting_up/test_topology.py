"""Who takes part: the shipped topology is whole, and one that does not fit is refused."""

from __future__ import annotations

import pytest

from gateway.topology import Program, TopologyError, parse, shipped
from synthetic.neighbours import NEIGHBOURS
from tests.house.test_operations import ROLES, SCRAPED

AGENCY = "{id: setagaya, code: '9999000000000001', name: 世田谷区長}"
ROLES_NEEDED = """
  network: {program: network, hosts: [network], port: 1, metrics_port: 2}
  resident-network: {program: resident-network, hosts: [resident-network], port: 3, metrics_port: 4}
"""


def topology(agencies: str = AGENCY, roles: str = ROLES_NEEDED) -> str:
    return f"agencies: [{agencies}]\nroles:{roles}"


def test_the_shipped_topology_has_the_ward_its_neighbours_and_one_agency_elsewhere():
    agencies = shipped().agencies
    assert set(agencies) == {"setagaya", "tashi", *NEIGHBOURS}
    assert [agency.id for agency in agencies.values() if agency.elsewhere] == ["tashi"]
    assert shipped().hosting(Program.INTERMEDIATE, "tashi") is None


def test_every_agency_code_is_visibly_ours_and_unique():
    codes = [agency.code for agency in shipped().agencies.values()]
    assert all(code.startswith("9999") and len(code) == 16 for code in codes)
    assert len(set(codes)) == len(codes)


def test_the_kinds_come_from_the_name_in_the_words_of_the_law():
    agencies = shipped().agencies
    assert agencies["setagaya"].kinds == ("特別区の区長",)
    assert agencies["koiki-rengo"].kinds == ("後期高齢者医療広域連合",)
    assert agencies["tashi"].kinds == ("市長",)


def test_roles_and_metrics_ports_are_those_that_docker_watches():
    watched = {
        target["labels"]["role"]: int(target["targets"][0].rpartition(":")[2])
        for target in SCRAPED["scrape_configs"][0]["static_configs"]
    }
    assert {name: role.metrics_port for name, role in shipped().roles.items()} == watched
    assert set(shipped().roles) == ROLES


def test_kinds_that_are_given_override_the_name():
    found = parse(topology("{id: mura, code: '9999000000000002', name: 架空村長, kinds: [福祉事務所を管理する町村長]}"))
    assert found.agencies["mura"].kinds == ("福祉事務所を管理する町村長",)


@pytest.mark.parametrize(
    "text",
    [
        "agencies: [",
        "[]",
        topology("{id: x1, code: '9999000000000002', name: だれか}"),
        topology("{id: setagaya, code: '123', name: 世田谷区長}"),
        topology("{id: Setagaya, code: '9999000000000001', name: 世田谷区長}"),
        topology("{id: network, code: '9999000000000001', name: 世田谷区長}"),
        topology(f"{AGENCY}, {AGENCY}"),
        topology(roles="\n  network: {program: network, hosts: [network], port: 1, metrics_port: 2}"),
        topology(roles=f"{ROLES_NEEDED}  a1: {{program: linkage, hosts: [nobody], port: 5, metrics_port: 6}}"),
        topology(
            roles=f"{ROLES_NEEDED}  a1: {{program: linkage, hosts: [setagaya], port: 5, metrics_port: 6}}\n"
            "  a2: {program: linkage, hosts: [setagaya], port: 7, metrics_port: 8}"
        ),
        topology(roles=f"{ROLES_NEEDED}  a1: {{program: cooking, hosts: [setagaya], port: 5, metrics_port: 6}}"),
    ],
    ids=[
        "not yaml", "not a mapping", "name without kind", "short code", "id with capitals", "reserved id", "id twice",
        "no resident network", "unknown host", "hosted twice", "unknown program",
    ],
)  # fmt: skip
def test_a_topology_that_does_not_fit_is_refused(text):
    with pytest.raises(TopologyError):
        parse(text)
