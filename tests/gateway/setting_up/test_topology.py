"""Who takes part: the shipped topology is whole, and one that does not fit is refused."""

from __future__ import annotations

import pytest

from gateway.topology import Addition, Program, TopologyError, parse, shipped
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
    assert set(agencies) == {"setagaya", "tashi", "portal", *NEIGHBOURS}
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


def mistakes(text, *additions) -> list[tuple[int, str]]:
    with pytest.raises(TopologyError) as refused:
        parse(text, file="mine.yaml", additions=additions)
    assert all(one.what and one.mend for one in refused.value.findings)
    return [(one.line, one.code) for one in refused.value.findings]


def role(rest: str) -> str:
    return topology(roles=f"{ROLES_NEEDED}  {rest}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agencies: [", (1, "not_yaml")),
        ("[]", (1, "not_a_mapping")),
        ("agencies: []\nagencies: []", (2, "key_twice")),
        (topology("{id: x1, code: '9999000000000002', name: だれか}"), (1, "kinds_missing")),
        (topology("{id: x1, code: '9999000000000002', name: 杉並区長, kinds: [魔法使い]}"), (1, "kind_unknown")),
        (topology("{id: setagaya, code: '123', name: 世田谷区長}"), (1, "value_wrong")),
        (topology("{id: setagaya, code: 9999000000000001, name: 世田谷区長}"), (1, "value_wrong")),
        (topology("{id: Setagaya, code: '9999000000000001', name: 世田谷区長}"), (1, "value_wrong")),
        (topology("{id: network, code: '9999000000000001', name: 世田谷区長}"), (1, "id_reserved")),
        (topology("{id: x1, name: 世田谷区長}"), (1, "key_missing")),
        (topology("{id: x1, code: '9999000000000001', name: 世田谷区長, colour: red}"), (1, "key_unknown")),
        (topology(f"{AGENCY}, {AGENCY}"), (1, "stands_twice")),
        (topology(f"{AGENCY},\n {{id: x1, code: '9999000000000001', name: 杉並区長}}"), (2, "stands_twice")),
        (topology("{id: x1, code: '9999000000000001', name: 杉並区長, elsewhere: {port: 0}}"), (1, "value_wrong")),
        (topology(f"{{id: x1, code: '9999000000000002', name: 杉並区長, elsewhere: {{port: 9, log_key: '{'0' * 64}'}}}}"), (1, "keys_incomplete")),
        (topology(roles="\n  network: {program: network, hosts: [network], port: 1, metrics_port: 2}"), (2, "role_missing")),
        (role("a1: {program: linkage, hosts: [nobody], port: 5, metrics_port: 6}"), (5, "host_unknown")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 5, metrics_port: 6}\n  a2: {program: linkage, hosts: [setagaya], port: 7, metrics_port: 8}"), (6, "stands_twice")),
        (role("a1: {program: cooking, hosts: [setagaya], port: 5, metrics_port: 6}"), (5, "value_wrong")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 1, metrics_port: 6}"), (5, "stands_twice")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 70000, metrics_port: 6}"), (5, "value_wrong")),
        (role("a1: {program: linkage, hosts: [], port: 5, metrics_port: 6}"), (2, "hosts_missing")),
        (role("A1: {program: linkage, hosts: [setagaya], port: 5, metrics_port: 6}"), (5, "role_malformed")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 5, metrics_port: 6, options: 3}"), (5, "not_a_mapping")),
    ],
)  # fmt: skip
def test_a_topology_that_does_not_fit_is_refused_with_line_and_mend(text, expected):
    assert expected in mistakes(text)


def test_every_mistake_of_a_file_is_told_at_once_with_file_and_line():
    text = topology("{id: x1, code: '1', name: だれか},\n {id: x2, code: '2', name: 杉並区長, elsewhere: {port: x}}")
    assert [line for line, _ in mistakes(text)] == [1, 1, 2, 2]
    with pytest.raises(TopologyError, match=r"(?s)mine.yaml:1: .*→ .*mine.yaml:2: "):
        parse(text, file="mine.yaml")


HOSTING = role(
    "l1: {program: linkage, hosts: [setagaya], port: 5, metrics_port: 6}\n"
    "  i1: {program: intermediate, hosts: [setagaya], port: 7, metrics_port: 8}"
)
ADDED = (
    "agency:\n  id: mura\n  code: '9999000000000002'\n  name: 架空村長\nhosted_by: {linkage: l1, intermediate: i1}\n"
)


DELEGATION = "{delegator: mura, delegate: setagaya, side: inquirer, valid_from: 2026-04-01}\n"


def test_an_added_agency_brings_its_delegations_and_takes_them_with_it():
    delegating = ADDED + f"delegations:\n  - {DELEGATION}"
    (found,) = parse(HOSTING, additions=[Addition("mura.yaml", delegating)]).delegations
    assert (found.delegator, found.delegate, found.valid_from.isoformat()) == ("mura", "setagaya", "2026-04-01")
    assert parse(HOSTING, additions=[Addition("mura.yaml", delegating + "left: '2026-11-24'\n")]).delegations == ()


def test_an_agency_brings_no_delegation_of_others():
    third = Addition("c.yaml", ADDED.replace("mura", "machi").replace("村長", "町長").replace("0002", "0003"))
    others = DELEGATION.replace("mura", "machi")
    found = mistakes(HOSTING, third, Addition("mura.yaml", ADDED + f"delegations:\n  - {others}"))
    assert found == [(7, "delegation_of_others")]


def test_an_added_agency_is_hosted_by_the_roles_that_its_file_names():
    found = parse(HOSTING, additions=[Addition("mura.yaml", ADDED)])
    assert found.roles["l1"].hosts == ("setagaya", "mura")
    assert found.roles["i1"].hosts == ("setagaya", "mura")
    assert found.added == {"mura"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ADDED.replace("i1", "l1"), (5, "role_unknown")),
        (ADDED.replace("hosted_by: {linkage: l1, intermediate: i1}\n", ""), (1, "not_a_mapping")),
        (ADDED.replace("mura", "setagaya"), (2, "stands_twice")),
        (ADDED.replace("架空村長", "架空村長\n  elsewhere: {port: 9}"), (6, "host_elsewhere")),
        (ADDED + "left: yesterday\n", (6, "value_wrong")),
        ("hosted_by: {}", (1, "not_a_mapping")),
        (ADDED + f"delegations:\n  - {DELEGATION.replace('mura', 'nobody')}", (7, "delegation_wrong")),
        (ADDED + f"delegations:\n  - {DELEGATION.replace('inquirer', 'both')}", (7, "delegation_wrong")),
        (ADDED + "delegations: yes", (6, "value_wrong")),
    ],
)
def test_an_added_agency_that_does_not_fit_is_refused_by_its_own_file_and_line(text, expected):
    assert expected in mistakes(HOSTING, Addition("mura.yaml", text))
    with pytest.raises(TopologyError, match=r"mura.yaml:"):
        parse(HOSTING, additions=[Addition("mura.yaml", text)])


def test_an_agency_that_has_left_takes_no_part_and_its_id_and_code_are_not_given_again():
    gone = Addition("a.yaml", ADDED + "left: '2026-11-24'\n")
    found = parse(HOSTING, additions=[gone])
    assert set(found.agencies) == {"setagaya"}
    assert found.departed["mura"].left_on == "2026-11-24"
    assert found.roles["l1"].hosts == ("setagaya",)
    assert (2, "stands_twice") in mistakes(HOSTING, gone, Addition("b.yaml", ADDED))


def test_an_agency_of_the_topology_itself_can_leave():
    two = HOSTING.replace(AGENCY, f"{AGENCY}, {{id: mura, code: '9999000000000002', name: 架空村長}}").replace(
        "hosts: [setagaya]", "hosts: [setagaya, mura]"
    )
    found = parse(two, additions=[Addition("a.yaml", ADDED + "left: '2026-11-24'\n")])
    assert set(found.agencies) == {"setagaya"}
    assert found.roles["i1"].hosts == ("setagaya",)
