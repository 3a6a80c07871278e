"""Where servers stand, under which keys and certificates, and how they are reached: what cannot be is refused, what is said is done."""

from __future__ import annotations

import pytest

from evidence.access_analysis import Measures
from gateway import topology_options
from gateway.setting_up.ports import from_topology
from gateway.setting_up.role_files import Places
from gateway.topology import Addition, Program, parse
from keys.signing import Signer, generate_seed
from tests.gateway.setting_up.test_topology import AGENCY, AT_HOME, ROLES_NEEDED, mistakes, role, topology

KEYS = [Signer(generate_seed()).public_key.hex() for _ in range(4)]


def options_of(program: str, options: str) -> str:
    return topology(
        roles=f"{ROLES_NEEDED}  i1: {{program: {program}, hosts: [setagaya], port: 8005, metrics_port: 8006, options: {options}}}"
    )


def partner(host="127.0.0.1", port=8020, code="2", **keys) -> str:
    given = {"signing_key": KEYS[0], "log_key": KEYS[1], **keys}
    said = ", ".join(f"{name}: {value!r}" for name, value in {"host": host, "port": port, **given}.items())
    return f"{{id: x{code}, code: '999900000000000{code}', name: 第{code}市長, kinds: [市長], elsewhere: {{{said}}}}}"


def test_keys_that_prove_nothing_or_that_somebody_else_has_are_refused():
    def of(*partners: str) -> list[tuple[int, str]]:
        return mistakes(topology(",\n ".join((AGENCY, *partners))))

    assert of(partner(log_key=KEYS[0])) == [(2, "key_twice_used")]
    assert of(partner(), partner(port=8021, code="3", signing_key=KEYS[2])) == [(3, "key_twice_used")]
    assert of(partner(signing_key="0" * 64)) == [(2, "key_unusable")]
    assert of(partner(signing_key="01" + "0" * 62)) == [(2, "key_unusable")]
    assert of(partner(signing_key="02" + "0" * 62)) == [(2, "key_unusable")]
    parse(topology(f"{AGENCY},\n {partner()}, {partner(port=8021, code='3', signing_key=KEYS[2], log_key=KEYS[3])}"))


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "10.0.0.300",
        "1.2.3",
        "-a.example",
        "a..example",
        "Server.example",
        "a" * 64,
    ],
)
def test_a_host_where_no_server_can_be_is_refused(host):
    assert mistakes(topology(f"{AGENCY},\n {partner(host=host)}")) == [(2, "value_wrong")]


@pytest.mark.parametrize("where", [{"port": 8013}, {"port": 8014}, {"port": 8014, "host": "127.0.0.1"}])
def test_a_place_where_one_of_ours_listens_is_refused_by_any_of_its_names(where):
    assert mistakes(topology(f"{AGENCY},\n {partner(**{'host': 'localhost', **where})}")) == [(6, "stands_twice")]
    parse(topology(f"{AGENCY},\n {partner(host='10.0.0.3', port=8013)}"))


def test_an_agency_is_in_a_role_has_its_own_name_and_no_real_code():
    nobody = "{id: x1, code: '9999000000000002', name: 杉並区長}"
    assert mistakes(topology(f"{AGENCY},\n {nobody}")) == [(2, "agency_nowhere")]
    twice = "{id: x1, code: '9999000000000002', name: 世田谷区長, elsewhere: {port: 8020}}"
    assert mistakes(topology(f"{AGENCY},\n {twice}")) == [(2, "stands_twice")]
    assert mistakes(topology(AGENCY.replace("9999", "1310"))) == [(1, "value_wrong")]


def test_a_partner_has_a_name_that_no_role_has():
    named = Addition("a.yaml", f"agency: {partner().replace('x2', 'i0')}")
    assert mistakes(topology(), named) == [(1, "stands_twice")]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("{staff_opens: '19:00', staff_closes: '08:00'}", "hours_reversed"),
        ("{staff_opens: '20:00'}", "hours_reversed"),
        ("{staff_closes: '08:00'}", "hours_reversed"),
        ("{staff_origins: ['http://localhost:99999']}", "value_wrong"),
        ("{staff_origins: ['http://terminal.example'], staff_rp_id: terminal.example}", "value_wrong"),
        ("{staff_origins: ['https://localhost:443']}", "value_wrong"),
        ("{staff_origins: ['https://localhost/']}", "value_wrong"),
        ("{staff_origins: ['https://a@localhost']}", "value_wrong"),
        ("{staff_origins: ['https://terminal.example']}", "origin_of_another"),
        ("{staff_origins: ['https://evil-ward.example'], staff_rp_id: ward.example}", "origin_of_another"),
        ("{staff_rp_id: 'https://ward.example'}", "value_wrong"),
    ],
)
def test_an_office_that_never_opens_and_an_origin_that_no_browser_has_are_refused(options, code):
    assert code in {found for _, found in mistakes(options_of("intermediate", options))}


def test_origins_and_addresses_that_browsers_have_are_taken():
    parse(options_of("intermediate", "{staff_origins: ['https://a.ward.example:8440'], staff_rp_id: ward.example}"))


def test_addresses_that_a_browser_may_be_sent_to_with_a_code_are_taken():
    def with_(*addresses: str) -> str:
        written = f"p1: {{program: portal, hosts: [portal], port: 8005, metrics_port: 8006, options: {{clients: {{app: {list(addresses)}}}}}}}"
        return role(written).replace("setagaya", "portal").replace("世田谷区長", "マイナポータル")

    parse(with_("https://app.example/x?a=1", "http://127.0.0.1/callback"))
    for wrong in ("http://app.example/x", "https://app.example/#x", "https://a b/", "https://app.example:0/"):
        assert [code for _, code in mistakes(with_(wrong))] == ["value_wrong"]


def test_the_hours_that_nobody_has_said_are_those_of_the_server():
    usual = dict(topology_options._HOURS)
    assert (usual["opens"], usual["closes"]) == (f"{Measures().opens:%H:%M}", f"{Measures().closes:%H:%M}")


HERE = ", listen: 127.0.0.2, reached_at: net.example"


def standing(rest: str) -> str:
    """The network's role with this besides."""
    return topology(roles=ROLES_NEEDED.replace("port: 8001", f"port: 8001{rest}") + AT_HOME)


def test_a_role_listens_and_is_found_where_the_topology_says():
    found = parse(standing(HERE)).roles
    assert (found["network"].listen, found["network"].reached_at) == ("127.0.0.2", "net.example")
    assert (found["i0"].listen, found["i0"].reached_at) == ("127.0.0.1", "127.0.0.1")
    assert parse(standing(", listen: 10.0.0.4")).roles["network"].reached_at == "10.0.0.4"


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (", listen: net.example", "value_wrong"),
        (", listen: 224.0.0.1", "value_wrong"),
        (", listen: 0.0.0.0", "reached_at_missing"),
        (", listen: 0.0.0.0, reached_at: 0.0.0.0", "value_wrong"),
        (", reached_at: net.example", "listen_missing"),
        (", reached_at: Net.example, listen: 127.0.0.2", "value_wrong"),
        (", certificate: {days: 826}", "value_wrong"),
        (", certificate: {days: 0}", "value_wrong"),
        (", certificate: {names: [a..b]}", "value_wrong"),
        (", certificate: {requests: {server: x}}", "key_unknown"),
        (", certificate: 5", "not_a_mapping"),
    ],
)
def test_a_place_of_a_role_that_cannot_be_is_refused(rest, code):
    assert mistakes(standing(rest)) == [(3, code)]


def test_one_port_is_one_servers_on_every_address_that_meets():
    def with_(rest: str) -> str:
        return f"{standing(HERE)}  l1: {{program: linkage, hosts: [setagaya], port: 8001, metrics_port: 8015{rest}}}"

    parse(with_(""))
    for rest in (HERE, ", listen: 0.0.0.0, reached_at: b.example", ", listen: 127.0.0.3, reached_at: net.example"):
        assert mistakes(with_(rest)) == [(6, "stands_twice")]


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ("{server: x}", "request_refused"),
        ("{server: 5}", "value_wrong"),
        ("{staff: x}", "key_unknown"),
        ("[x]", "not_a_mapping"),
    ],
)
def test_a_request_that_would_not_be_answered_is_refused_with_the_file(requests, code):
    agency = partner().replace("}}", f", certificate: {{requests: {requests}}}}}}}")
    assert mistakes(topology(), Addition("a.yaml", f"agency: {agency}")) == [(1, code)]


ROUTE = "routes:\n - {from: network, to: x2, host: gate.example, port: 9443}"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("from: network", "from: x2", "name_unknown"),
        ("to: x2", "to: setagaya", "name_unknown"),
        ("to: x2", "to: resident-network", "route_unused"),
        ("from: network", "from: i0", "route_unused"),
        ("gate.example", "0.0.0.0", "value_wrong"),
        ("port: 9443", "port: 0", "value_wrong"),
        (", port: 9443", "", "key_missing"),
        ("}", ", by: 3}", "key_unknown"),
        ("}", "}\n - {from: network, to: x2, host: gate.example, port: 9444}", "route_twice"),
    ],
)
def test_a_route_that_nobody_takes_is_refused(old, new, code):
    text = topology(f"{AGENCY}, {partner()}")
    assert [found for _, found in mistakes(text + ROUTE.replace(old, new))] == [code]


def test_a_caller_goes_by_the_route_and_the_certificate_is_good_for_it():
    found = parse(topology(f"{AGENCY}, {partner(host='far.example')}") + ROUTE)
    places = Places(topology=found, ports=from_topology(found))
    peers = places.by_way("network", places.peers(Program.NETWORK, ()))
    assert peers == {"intermediate/setagaya": "https://127.0.0.1:8013", "intermediate/x2": "https://gate.example:9443"}
    assert places.certified("x2") == ("far.example", "gate.example")
    own = f"{AGENCY}, {partner()}"
    assert mistakes(topology(own) + ROUTE.replace("x2", "x9")) == [(7, "name_unknown")]
    awaited = Addition("a.yaml", f"agency: {partner()}")
    assert parse(topology() + ROUTE, additions=[awaited]).routes[0].called == "x2"


@pytest.mark.parametrize(
    ("old", "new", "code"), [("to: x2", "to: network", "name_unknown"), ("from: network", "from: i0", "route_unused")]
)
def test_an_agencys_own_file_brings_the_routes_to_its_server_and_no_others(old, new, code):
    text = f"agency: {partner()}\n{ROUTE}"
    (way,) = parse(topology(), additions=[Addition("a.yaml", text)]).routes
    assert (way.caller, way.called, way.host, way.port) == ("network", "x2", "gate.example", 9443)
    assert [found for _, found in mistakes(topology(), Addition("a.yaml", text.replace(old, new)))] == [code]
    assert [found for _, found in mistakes(topology() + ROUTE, Addition("a.yaml", text))] == ["route_twice"]
    gone = Addition("a.yaml", f"{text}\nleft: '2026-11-24'\n")
    assert parse(topology(), additions=[gone]).routes == ()


@pytest.mark.parametrize(
    ("old", "new", "to", "code"),
    [
        ("9999000000000002", "999900000000000", "x2", "value_wrong"),
        ("[市長]", "[だれか]", "x2", "kind_unknown"),
        ("id: x2", "id: X2", "X2", "value_wrong"),
        ("id: x2, ", "", "x2", "key_missing"),
    ],
)
def test_what_is_wrong_with_an_agency_is_not_said_again_of_the_routes_in_its_file(old, new, to, code):
    text = f"agency: {partner().replace(old, new)}\n{ROUTE.replace('to: x2', f'to: {to}')}"
    assert [found for _, found in mistakes(topology(), Addition("a.yaml", text))] == [code]


def test_a_hosted_agencys_own_file_has_no_routes():
    hosted = "agency: {id: x2, code: '9999000000000002', name: 第2市長, kinds: [市長]}\nhosted_by: {intermediate: i0}\n"
    parse(topology(), additions=[Addition("a.yaml", hosted + "routes: []")])
    assert mistakes(topology(), Addition("a.yaml", hosted + ROUTE)) == [(3, "routes_of_hosted")]
