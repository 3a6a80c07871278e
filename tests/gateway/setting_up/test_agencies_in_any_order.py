"""Agencies come and go in any order and under any names: what was taken can be read again, and nobody who is right stands in another's way."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from gateway import own_topology
from gateway.agency_command import _leaving
from gateway.data_folder import DataFolder
from gateway.demonstration.run import DEMO_DAY
from gateway.departed_logs import departed_logs
from gateway.staff_calls import NotReachableError
from gateway.topology import Addition, Topology, TopologyError
from keys.masked import Secret
from keys.signing import Signer
from transport.register import ALWAYS

AGENCIES = {"atsugi": "厚木市長", "suginami": "杉並区長", "zushi": "逗子市長"}
"""suginami is of the topology itself, between the other two."""
ADDED = ("atsugi", "zushi")
PAIRS = list(itertools.permutations(ADDED))
OURS = """
agencies: [{id: setagaya, code: '9999000000000001', name: 世田谷区長},
 {id: suginami, code: '9999000000000004', name: 杉並区長, elsewhere: {port: 8450}}]
delegations: [{delegator: suginami, delegate: setagaya, side: provider, valid_from: 2022-04-01}]
roles:
  network: {program: network, hosts: [network], port: 8001, metrics_port: 8002}
  resident-network: {program: resident-network, hosts: [resident-network], port: 8003, metrics_port: 8004}
  linkage: {program: linkage, hosts: [setagaya], port: 8005, metrics_port: 8006}
  intermediate: {program: intermediate, hosts: [setagaya], port: 8007, metrics_port: 8008}
"""


class Folder:
    """A data folder as `sekisho agency add` and `remove` read and write it."""

    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root)
        self.data.agencies.mkdir(parents=True)
        self.data.own_topology.write_text(OURS, encoding="utf-8")
        self.days = itertools.cycle([False, ALWAYS])

    def add(self, agency: str, *, to: str = "", port: int = 0, log_key: str = "", **facts: object) -> None:
        """`to`: whom it delegates to; `port`: of its own server; hosted without. Raises TopologyError, and nothing is taken."""
        known = {"id": agency, "code": f"99990000000001{list(AGENCIES).index(agency):02}", "name": AGENCIES[agency]}
        document: dict[str, object] = {"agency": {**known, **facts}}
        if not port:
            document["hosted_by"] = {"linkage": "linkage", "intermediate": "intermediate"}
        else:
            keys = {"signing_key": key(agency, "signing"), "log_key": log_key or key(agency, "log")}
            document["agency"] = {**known, **facts, "elsewhere": {"host": "127.0.0.1", "port": port, **keys}}
            document["routes"] = [{"from": "network", "to": agency, "host": "gate.example", "port": 9443}]
        if to:
            delegation = {"delegator": agency, "delegate": to, "side": "inquirer", "valid_from": "2026-04-01"}
            document["delegations"] = [delegation]
        self._take(agency, document, "given.yaml", new=True)

    def remove(self, agency: str) -> None:
        """With the days of the register, which may be all days."""
        topology = own_topology.read(self.data)
        document = _leaving(topology, topology.agencies[agency], next(self.days), DEMO_DAY)
        self._take(agency, document, str(self.data.agencies / f"{agency}.yaml"))

    def _take(self, agency: str, document: object, file: str, *, new: bool = False) -> None:
        text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
        wanted = own_topology.read(self.data, more=Addition(file, text, new=new))
        (self.data.agencies / f"{agency}.yaml").write_text(text, encoding="utf-8")
        assert facts_of(own_topology.read(self.data)) == facts_of(wanted)


def key(agency: str, name: str) -> str:
    return Signer(Secret(f"{agency} {name}".encode().ljust(32))).public_key.hex()


def facts_of(topology: Topology) -> tuple[object, ...]:
    """Without the order in which it was read."""
    hosts = {name: frozenset(role.hosts) for name, role in topology.roles.items()}
    return (topology.agencies, topology.departed, topology.added, hosts, {*topology.delegations}, {*topology.routes})


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_agency_delegates_to_one_that_came_before_and_either_may_leave(folder, first, second):
    folder.add(first)
    folder.add(second, to=first)
    assert len(own_topology.read(folder.data).delegations) == 2
    folder.remove(first)
    assert {one.delegator for one in own_topology.read(folder.data).delegations} == {"suginami"}
    folder.remove(second)
    assert set(own_topology.read(folder.data).departed) == {first, second}


@pytest.mark.parametrize("agency", ADDED)
def test_a_delegate_of_the_topology_itself_may_leave(folder, agency):
    folder.add(agency, to="suginami")
    folder.remove("suginami")
    assert own_topology.read(folder.data).delegations == ()


@pytest.mark.parametrize(("gone", "next_one"), [*PAIRS, *(("suginami", one) for one in ADDED)])
def test_the_port_and_the_name_of_an_agency_that_has_left_are_given_again(folder, gone, next_one):
    if gone in ADDED:
        folder.add(gone, port=8451)
    folder.remove(gone)
    folder.add(next_one, port=8451 if gone in ADDED else 8450, name=AGENCIES[gone])
    found = own_topology.read(folder.data)
    assert (set(found.departed), found.agencies[next_one].name) == ({gone}, AGENCIES[gone])
    assert [route.called for route in found.routes] == [next_one]


@pytest.mark.parametrize(("gone", "next_one"), PAIRS)
@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (lambda gone: {"code": gone.code}, "stands_twice"),
        (lambda gone: {"port": 8452, "log_key": gone.elsewhere.signing_key}, "key_twice_used"),
        (lambda gone: {"to": gone.id}, "name_unknown"),
    ],
    ids=["code", "key", "delegation"],
)
def test_what_an_agency_that_has_left_keeps_is_told_of_the_new_file(folder, gone, next_one, given, mistake):
    folder.add(gone, port=8451)
    folder.remove(gone)
    departed = own_topology.read(folder.data).departed[gone].agency
    with pytest.raises(TopologyError) as refused:
        folder.add(next_one, **given(departed))
    first = refused.value.findings[0]
    assert (first.file, first.code) == ("given.yaml", mistake)


def test_the_logs_of_who_has_left_are_kept_here_but_for_that_of_a_server_of_its_own(folder):
    for agency, port in (("atsugi", 0), ("zushi", 8451)):
        folder.add(agency, port=port)
        folder.remove(agency)
    atsugi, its_desk, zushi = sorted(departed_logs(folder.data), key=lambda one: (one.agency, one.server))
    assert (atsugi.tenant, its_desk.tenant, zushi.tenant) == ("a_atsugi_intermediate", "a_atsugi_linkage", None)
    assert its_desk.origin == "sekisho.example/atsugi/linkage"
    with pytest.raises(NotReachableError):
        zushi.search(f"Q{0:026}")
