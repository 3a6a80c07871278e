"""Who takes part: the shipped topology is whole, and one that does not fit is refused."""

from __future__ import annotations

import pytest

from gateway import own_topology
from gateway.data_folder import DataFolder
from gateway.demonstration.run import two_people
from gateway.topology import Addition, Program, TopologyError, parse, shipped
from synthetic.neighbours import NEIGHBOURS
from tests.house.test_operations import ROLES, SCRAPED

AGENCY = "{id: setagaya, code: '9999000000000001', name: 世田谷区長}"
ROLES_NEEDED = """
  network: {program: network, hosts: [network], port: 8001, metrics_port: 8002}
  resident-network: {program: resident-network, hosts: [resident-network], port: 8003, metrics_port: 8004}
"""
AT_HOME = "  i0: {program: intermediate, hosts: [setagaya], port: 8013, metrics_port: 8014}\n"


def topology(agencies: str = AGENCY, roles: str = ROLES_NEEDED + AT_HOME) -> str:
    return f"agencies: [{agencies}]\nroles:{roles}"


def test_the_shipped_topology_has_the_ward_its_neighbours_and_one_agency_elsewhere():
    agencies = shipped().agencies
    assert set(agencies) == {"setagaya", "tashi", "portal", *NEIGHBOURS}
    assert [agency.id for agency in agencies.values() if agency.elsewhere] == ["tashi"]
    assert shipped().hosting(Program.INTERMEDIATE, "tashi") is None


def test_the_folder_of_the_demonstration_goes_on_with_two_people(tmp_path):
    topology, text = two_people()
    data = DataFolder(tmp_path)
    data.own_topology.write_bytes(text)
    assert own_topology.read(data) == topology
    changed = topology.roles["intermediate"]
    assert changed.options["staff_two_person_release"] == ["医療保険給付関係情報"]
    assert set(topology.agencies) == set(shipped().agencies)


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


def test_kinds_that_no_name_tells_are_given_beside_those_of_the_name():
    mura = "{id: mura, code: '9999000000000002', name: 架空村長, kinds: [町村長, 福祉事務所を管理する町村長]}"
    found = parse(topology(mura, roles=ROLES_NEEDED + AT_HOME.replace("setagaya", "mura")))
    assert found.agencies["mura"].kinds == ("町村長", "福祉事務所を管理する町村長")


def mistakes(text, *additions) -> list[tuple[int, str]]:
    with pytest.raises(TopologyError) as refused:
        parse(text, file="mine.yaml", additions=additions)
    assert all(one.what and one.mend for one in refused.value.findings)
    return [(one.line, one.code) for one in refused.value.findings]


def role(rest: str) -> str:
    return topology(roles=f"{ROLES_NEEDED}  {rest}\n{AT_HOME}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agencies: [", (1, "not_yaml")),
        ("[]", (1, "not_a_mapping")),
        ("agencies: []\nagencies: []", (2, "key_twice")),
        (topology("{id: x1, code: '9999000000000002', name: だれか}"), (1, "kinds_missing")),
        (topology("{id: x1, code: '9999000000000002', name: 杉並区長, kinds: [魔法使い]}"), (1, "kind_unknown")),
        *((topology(f"{{id: x1, code: '9999000000000002', name: {name}, kinds: [{kinds}]}}"), (1, "kinds_contrary"))
          for name, kinds in (("東京都知事", "特別区の区長"), ("架空村長", "福祉事務所を管理する町村長"), ("杉並区長", "特別区の区長, 市長"),
                              ("横浜市長", "市長"), ("杉並区長", "特別区の区長, 福祉事務所を管理する町村長"))),
        (topology(f"{AGENCY},\n {{id: x1, code: '9999000000000002', name: 東京都世田谷区長}}"), (2, "stands_twice")),
        (topology("{id: x1, code: '9999000000000001', name: 府中市長},\n {id: x2, code: '9999000000000002', name: 広島県府中市長}"), (1, "name_of_several")),
        *((topology(f"{AGENCY[:-1]}, assessed: {said}}}"), (1, code)) for said, code in (
            ("2026-01-01", "value_wrong"), ("[]", "assessed_empty"), ("[{}]", "assessed_empty"), ("[{valid_from: , valid_to: }]", "assessed_empty"), ("[yes]", "not_a_mapping"), ("[{since: 2026-01-01}]", "key_unknown"),
            ("[{valid_from: 2026-02-30}]", "no_such_value"), ("[{valid_from: 2026-01-02, valid_to: 2026-01-01}]", "days_reversed"),
            ("[{valid_to: 2026-01-01}, {valid_from: 2026-01-01}]", "assessed_overlap"))),
        (topology("{id: setagaya, code: '123', name: 世田谷区長}"), (1, "value_wrong")),
        (topology("{id: setagaya, code: 9999000000000001, name: 世田谷区長}"), (1, "value_wrong")),
        (topology("{id: Setagaya, code: '9999000000000001', name: 世田谷区長}"), (1, "value_wrong")),
        (topology("{id: network, code: '9999000000000001', name: 世田谷区長}"), (1, "id_reserved")),
        (topology("{id: staff-setagaya, code: '9999000000000001', name: 世田谷区長}"), (1, "id_reserved")),
        (topology(AGENCY[:-1] + ", systems: [{id: addresses, name: 業務, individual_number: false, grants: []}]}"), (1, "id_reserved")),
        (topology(f"{AGENCY},\n x"), (2, "not_a_mapping")),
        (topology("[" * 200_000), (1, "too_deep")),
        (topology("&a [" + "x, " * 99 + "x], &b [" + "*a, " * 99 + "*a], &c [" + "*b, " * 99 + "*b], &d [" + "*c, " * 99 + "*c], {id: *d}"), (1, "too_deep")),
        (topology(f"{AGENCY},\n {{id: x1, code: {{? [1]\n : 2}}}}"), (2, "key_not_text")),
        (role("a1: {program: intermediate, hosts: [setagaya], port: 8005, metrics_port: 8006, options: {staff_opens: '0８:00'}}"), (5, "value_wrong")),
        (topology("{id: x1, name: 世田谷区長}"), (1, "key_missing")),
        (topology("{id: x1, code: '9999000000000001', name: 世田谷区長, colour: red}"), (1, "key_unknown")),
        (topology(f"{AGENCY}, {AGENCY}"), (1, "stands_twice")),
        (topology(f"{AGENCY},\n {{id: x1, code: '9999000000000001', name: 杉並区長}}"), (2, "stands_twice")),
        (topology("{id: x1, code: '9999000000000001', name: 杉並区長, elsewhere: {port: 0}}"), (1, "value_wrong")),
        (topology(f"{{id: x1, code: '9999000000000002', name: 杉並区長, elsewhere: {{port: 8009, log_key: '{'0' * 64}'}}}}"), (1, "keys_incomplete")),
        (topology(roles="\n  network: {program: network, hosts: [network], port: 8001, metrics_port: 8002}"), (2, "role_missing")),
        (role("a1: {program: linkage, hosts: [nobody], port: 8005, metrics_port: 8006}"), (5, "host_unknown")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 8005, metrics_port: 8006}\n  a2: {program: linkage, hosts: [setagaya], port: 8007, metrics_port: 8008}"), (6, "stands_twice")),
        (role("a1: {program: portal, hosts: [setagaya], port: 8005, metrics_port: 8006}"), (5, "host_of_another")),
        (topology(f"{AGENCY},\n {{id: x1, code: '9999000000000002', name: 杉並区長}}", ROLES_NEEDED + AT_HOME.replace("[setagaya]", "[setagaya, x1]")
                  + "  sky2: {program: sky2, hosts: [x1], port: 8005, metrics_port: 8006}\n"), (7, "host_of_another")),
        (topology(AGENCY[:-1] + ", systems: [{id: s1, name: 業務, individual_number: false, grants: []}]}"), (1, "systems_nowhere")),
        (role("a1: {program: cooking, hosts: [setagaya], port: 8005, metrics_port: 8006}"), (5, "name_unknown")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 8001, metrics_port: 8006}"), (5, "stands_twice")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 70000, metrics_port: 8006}"), (5, "value_wrong")),
        (topology("{id: x1, code: '9999000000000002', name: 杉並区長, kinds: [特別区の区長, 特別区の区長]}"), (1, "stands_twice")),
        (topology(AGENCY[:-1] + ", systems: [{id: s1, name: 業務, individual_number: false, grants: ['inquiries:create', 'inquiries:create']}]}"), (1, "stands_twice")),
        (role("a1: {program: linkage, hosts: [setagaya, setagaya], port: 8005, metrics_port: 8006}"), (5, "stands_twice")),
        (role("a1: {program: linkage, hosts: [], port: 8005, metrics_port: 8006}"), (2, "hosts_missing")),
        (role("A1: {program: linkage, hosts: [setagaya], port: 8005, metrics_port: 8006}"), (5, "role_malformed")),
        (role("a1: {program: linkage, hosts: [setagaya], port: 8005, metrics_port: 8006, options: 3}"), (5, "not_a_mapping")),
    ],
)  # fmt: skip
def test_a_topology_that_does_not_fit_is_refused_with_line_and_mend(text, expected):
    assert expected in mistakes(text)


ROLE = "hosts: [setagaya], port: 8005, metrics_port: 8006,\n   options"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("linkage, OPTIONS: {push_attemps: 3}", "key_unknown"),
        ("linkage, OPTIONS: {push_attempts: many}", "value_wrong"),
        ("linkage, OPTIONS: {push_attempts: true}", "value_wrong"),
        ("linkage, OPTIONS: {continuous_codes: 1}", "value_wrong"),
        ("linkage, OPTIONS: {jobs_keep_s: -1}", "value_wrong"),
        ("linkage, OPTIONS: {code_requests_over: pigeon}", "value_wrong"),
        ("linkage, OPTIONS: {code_requests_over: {setagaya: pigeon}}", "value_wrong"),
        ("linkage, OPTIONS: {code_requests_over: {suginami: gateway}}", "agency_not_hosted"),
        ("linkage, OPTIONS: {affairs: {setagayo: affairs.yaml}}", "agency_not_hosted"),
        ("linkage, OPTIONS: {affairs: affairs.yaml}", "not_a_mapping"),
        ("linkage, OPTIONS: {load_limits: {setagaya: {mismatch_rate: 2}}}", "value_wrong"),
        ("linkage, OPTIONS: {load_limits: {setagaya: {mismatch: 0}}}", "key_unknown"),
        ("linkage, OPTIONS: {load_limits: {setagaya: {ages: {kokuho: [75, 0]}}}}", "value_wrong"),
        ("linkage, OPTIONS: {push_hosts: {setagaya: [nowhere]}}", "value_wrong"),
        ("linkage, OPTIONS: {answer_within_s: 5}", "key_unknown"),
        ("intermediate, OPTIONS: {staff_closes: 19:00}", "value_wrong"),
        ("intermediate, OPTIONS: {agencies: {setagaya: {list_poll_s: 5}}}", "key_unknown"),
        ("intermediate, OPTIONS: {agencies: {portal: {answer_within_s: 5}}}", "agency_not_hosted"),
        ("intermediate, OPTIONS: {staff_two_person_release: [医療保険給付情報]}", "name_unknown"),
        ("intermediate, OPTIONS: {statistics_threshold: 2}", "value_wrong"),
        ("portal, OPTIONS: {clients: {app: [callback]}}", "value_wrong"),
        ("portal, OPTIONS: {clients: [app]}", "not_a_mapping"),
        ("sky2, OPTIONS: {patience_s: long}", "value_wrong"),
    ],
)
def test_an_option_that_no_server_reads_or_takes_is_refused_at_its_line(written, code):
    found = mistakes(role(f"a1: {{program: {written.replace('OPTIONS', ROLE)}}}"))
    assert [one for one in found if one[1] not in {"sky2_has_no_system", "stands_twice", "host_of_another"}] == [
        (6, code)
    ]


@pytest.mark.parametrize(
    "written",
    [
        "portal, OPTIONS: {clients: {app: ['https://app.example/a', 'https://app.example/a']}}",
        "linkage, OPTIONS: {push_hosts: {setagaya: ['127.0.0.1:9001', '127.0.0.1:9001']}}",
        "linkage, OPTIONS: {staff_closed: ['2026-12-29', '2026-12-29']}",
    ],
)
def test_what_stands_twice_in_a_list_of_an_option_is_refused(written):
    assert (6, "stands_twice") in mistakes(role(f"a1: {{program: {written.replace('OPTIONS', ROLE)}}}"))


def test_options_that_servers_take_are_taken():
    options = (
        "{load_limits: {setagaya: {mismatch_rate: 0.1, mismatch_floor: 9, ages: {kokuho: [0, 74]}}}, clock_offset_s: -3,"
        " code_requests_over: {setagaya: existing_residents}, push_hosts: {setagaya: ['localhost:1']}, jobs_keep_s: 0.5}"
    )
    found = parse(role(f"a1: {{program: linkage, {ROLE}: {options}}}"))
    assert found.roles["a1"].options["load_limits"]["setagaya"]["ages"] == {"kokuho": [0, 74]}
    pending = HOSTING.replace("8006}", "8006, options: {affairs: {mura: a.yaml}}}")
    assert parse(pending, additions=[Addition("mura.yaml", ADDED)]).roles["l1"].options == {
        "affairs": {"mura": "a.yaml"}
    }
    assert mistakes(pending) == [(5, "agency_not_hosted")]


@pytest.mark.parametrize(
    ("option", "right"),
    [
        ("affairs", "affairs: [{code: one, name: 事務, systems: [kokuho], individual_number: false, items: [name]}]"),
        ("file_layouts", "{}"),
        ("inquiry_codes", "affairs: []"),
        (
            "layouts",
            (
                'layouts: [{information: 就学援助, code: TM00000000099001, version: "0001", valid_from: 2020-04-01,'
                " data_sets: [{name: 認定, items: [{name: 認定日, type: date}]}]}]"
            ),
        ),
    ],
)
def test_a_file_that_an_option_of_a_new_topology_names_must_be_there_and_right_before_anything_is_set_up(
    tmp_path, option, right
):
    data = DataFolder(tmp_path / "data")
    there = tmp_path / "there.yaml"

    def given(path: object) -> tuple[str, str]:
        return "mine.yaml", HOSTING.replace("8006}", f"8006,\n   options: {{{option}: {{setagaya: '{path}'}}}}}}")

    for path in ("nofile.yaml", there, tmp_path):
        with pytest.raises(TopologyError) as refused:
            own_topology.read(data, given=given(path))
        assert [(one.line, one.code) for one in refused.value.findings] == [(6, "file_not_there")]
    there.write_bytes(b"\xff")
    with pytest.raises(TopologyError, match=r"there\.yaml"):
        own_topology.read(data, given=given(there))
    there.write_text("affairs: [1]", encoding="utf-8")
    with pytest.raises(TopologyError) as refused:
        own_topology.read(data, given=given(there))
    [wrong] = refused.value.findings
    assert (wrong.line, wrong.code, "there.yaml" in str(refused.value)) == (6, "file_not_right", True)
    there.write_text(right, encoding="utf-8")
    assert own_topology.read(data, given=given(there)).roles["l1"].options == {option: {"setagaya": str(there)}}
    data.role("l1").mkdir(parents=True)
    (data.role("l1") / "nofile.yaml").write_text(right, encoding="utf-8")
    own_topology.read(data, given=given("nofile.yaml"))
    data.own_topology.write_text(given("gone.yaml")[1], encoding="utf-8")
    own_topology.read(data)  # of a folder that is set up, commands that need no such file go on
    assert sorted(data.root.iterdir()) == [data.root / "roles", data.own_topology]


def test_a_mistake_in_an_agency_is_not_told_of_those_who_name_it():
    assert mistakes(HOSTING.replace("'9999000000000001'", "'123'")) == [(1, "value_wrong")]


def test_a_mistake_that_comes_by_an_anchor_is_told_where_it_was_written():
    text = topology(
        f"{AGENCY[:-1]}, elsewhere: {{port: 8020}}, systems: [\n &a {{id: s1, name: 業務, individual_number: false,\n grants: [persons:serch]}}]}},\n"
        " {id: suginami, code: '9999000000000002', name: 杉並区長, elsewhere: {port: 8021}, systems: [{<<: *a, id: s2}]}"
    )
    assert [one for one in mistakes(text) if one[1] == "grant_unknown"] == [(3, "grant_unknown"), (3, "grant_unknown")]
    with pytest.raises(TopologyError, match="persons:search"):
        parse(text)


DELEGATION = "{delegator: mura, delegate: setagaya, side: inquirer, valid_from: 2026-04-01}\n"


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("", "", True),
        ("2026-04-01", "2030-04-01", True),
        ("2026-04-01", "2020-04-01, valid_to: 2026-04-01", True),
        ("2026-04-01", "2020-04-01, valid_to: 2026-03-31", False),
        ("inquirer", "provider", False),
        ("2026-04-01", "2026-04-01, information: [医療保険給付関係情報]", True),
    ],
)
def test_a_delegation_that_is_there_already_is_refused(old, new, refused):
    lines = f"{ADDED}delegations:\n  - {DELEGATION}  - {DELEGATION.replace(old, new) if old else DELEGATION}"
    added = Addition("mura.yaml", lines)
    if refused:
        assert mistakes(HOSTING, added) == [(8, "delegation_twice")]
    else:
        assert len(parse(HOSTING, additions=[added]).delegations) == 2


def test_delegations_of_different_kinds_stand_side_by_side():
    kinds = ("医療保険給付関係情報", "地方税関係情報")
    one, other = (DELEGATION.replace("}", f", information: [{kind}]}}") for kind in kinds)
    added = Addition("mura.yaml", f"{ADDED}delegations:\n  - {one}  - {other}")
    assert len(parse(HOSTING, additions=[added]).delegations) == 2


def test_a_kind_of_information_of_a_published_list_may_be_delegated():
    delegating = f"{ADDED}delegations:\n  - {DELEGATION.replace('}', ', information: [架空情報]}')}"
    added = [Addition("mura.yaml", delegating)]
    assert parse(HOSTING, additions=added, published=lambda: {"架空情報"}).delegations[0].information == {"架空情報"}
    assert (7, "name_unknown") in mistakes(HOSTING, *added)


def test_every_mistake_of_a_file_is_told_at_once_with_file_and_line():
    text = topology("{id: x1, code: '1', name: だれか},\n {id: x2, code: '2', name: 杉並区長, elsewhere: {port: x}}")
    assert [line for line, _ in mistakes(text)] == [1, 1, 2, 2, 6]
    with pytest.raises(TopologyError, match=r"(?s)mine.yaml:1: .*→ .*mine.yaml:2: "):
        parse(text, file="mine.yaml")


HOSTING = topology(
    roles=f"{ROLES_NEEDED}  "
    "l1: {program: linkage, hosts: [setagaya], port: 8005, metrics_port: 8006}\n"
    "  i1: {program: intermediate, hosts: [setagaya], port: 8007, metrics_port: 8008}"
)
ADDED = (
    "agency:\n  id: mura\n  code: '9999000000000002'\n  name: 架空村長\nhosted_by: {linkage: l1, intermediate: i1}\n"
)


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
        (ADDED.replace("架空村長", "架空村長\n  elsewhere: {port: 8009}"), (6, "host_elsewhere")),
        (ADDED + "left: yesterday\n", (6, "value_wrong")),
        ("hosted_by: {}", (1, "not_a_mapping")),
        (ADDED.replace("i1", "i9"), (5, "role_unknown")),
        (ADDED + "delegations: yes", (6, "value_wrong")),
        (
            ADDED.replace("{linkage: l1, intermediate: i1}", "{intermediate: i1}").replace(
                "架空村長", "架空村長\n  systems: [{id: s1, name: 業務, individual_number: false, grants: []}]"
            ),
            (2, "systems_nowhere"),
        ),
    ],
)
def test_an_added_agency_that_does_not_fit_is_refused_by_its_own_file_and_line(text, expected):
    assert expected in mistakes(HOSTING, Addition("mura.yaml", text))
    with pytest.raises(TopologyError, match=r"mura.yaml:"):
        parse(HOSTING, additions=[Addition("mura.yaml", text)])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("mura", "nobody", "name_unknown"),
        ("mura", "setagaya", "delegation_to_itself"),
        ("inquirer", "both", "name_unknown"),
        (", side: inquirer", "", "key_missing"),
        ("2026-04-01", "2026-04-31", "no_such_value"),
        ("2026-04-01", "'2026-04-31'", "value_wrong"),
        ("}", ", valid_to: 2026-03-31}", "days_reversed"),
        ("}", ", information: [医療保険給付情報]}", "name_unknown"),
        ("}", ", affair: JM99000000000042}", "key_unknown"),
        ("}", ", information: []}", "information_empty"),
        ("}", ", information: [医療保険給付関係情報, 医療保険給付関係情報]}", "stands_twice"),
    ],
)
def test_a_delegation_that_does_not_fit_is_refused_by_what_is_wrong_with_it(old, new, code):
    delegating = f"{ADDED}delegations:\n  - {DELEGATION.replace(old, new)}"
    assert (7, code) in mistakes(HOSTING, Addition("mura.yaml", delegating))


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
