"""Agencies told from their names; what no rule knows is nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from permission_lists.decide import Question, Reason, Standing, decide, standing
from permission_lists.model import ListBroken, PermissionList
from permission_lists.parties import parse_rules, resolve
from storage.reference_data import read_party_rules


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("世田谷区長", {"特別区の区長"}),
        ("東京都世田谷区長", {"特別区の区長"}),
        ("北区長", {"特別区の区長"}),
        ("横浜市長", {"市長", "保健所を設置する市の長"}),
        ("神奈川県横浜市長", {"市長", "保健所を設置する市の長"}),
        ("調布市長", {"市長"}),
        ("広島市長", {"市長", "保健所を設置する市の長", "広島市長"}),
        ("広島県広島市長", {"市長", "保健所を設置する市の長", "広島市長"}),
        ("奥多摩町長", {"町村長"}),
        ("檜原村長", {"町村長"}),
        ("東京都知事", {"都道府県知事"}),
        ("北海道知事", {"都道府県知事"}),
        ("全国健康保険協会", {"全国健康保険協会"}),
        ("架空健康保険組合", {"健康保険組合"}),
        ("架空国民健康保険組合", {"国民健康保険組合"}),
        ("東京都後期高齢者医療広域連合", {"後期高齢者医療広域連合"}),
        ("神奈川県市町村職員共済組合", {"地方公務員共済組合"}),
        ("厚生労働省第二共済組合", {"国家公務員共済組合"}),
        ("東京都教育委員会", {"都道府県教育委員会"}),
        ("世田谷区教育委員会", {"市町村教育委員会"}),
        ("東京都西多摩郡檜原村長", {"町村長"}),
        ("西多摩郡檜原村長", {"町村長"}),
        ("郡山市長", {"市長", "保健所を設置する市の長"}),
        ("四日市市長", {"市長", "保健所を設置する市の長"}),
        ("上市町長", {"町村長"}),
        ("広島県府中市長", {"市長"}),
        ("架空町長", {"町村長"}),
        ("横浜市職員共済組合", {"地方公務員共済組合"}),
        ("世田谷区社会福祉協議会", {"社会福祉協議会"}),
    ],
)
def test_a_name_tells_the_kinds(name: str, kinds: set[str]) -> None:
    party = resolve(read_party_rules(), name)

    assert party is not None
    assert party.kinds == kinds


@pytest.mark.parametrize(
    "name",
    [
        "",
        "市長",
        "町長",
        "知事",
        "区長",
        "大阪市北区長",
        "横浜市中区長",
        "架空区長",
        "架空県知事",
        "株式会社架空",
        "副市長",
        "前横浜市長",
        "横浜市副市長",
        "存在しない市長",
        "長",
        "郡町長",
        "大阪府横浜市長",
        "全国教育委員会",
        "東京都庁職員共済組合",
        "架空長",
    ],
)
def test_a_name_that_no_rule_knows_is_nobody(name: str) -> None:
    assert resolve(read_party_rules(), name) is None


def test_all_1741_municipalities_have_a_mayor_of_one_kind() -> None:
    rules = read_party_rules()
    names = [(prefecture, name) for prefecture, names in rules.municipalities.items() for name in names]
    kinds = Counter(kind for prefecture, name in names for kind in resolve(rules, f"{prefecture}{name}長").kinds)

    assert len(rules.municipalities) == 47
    assert len(names) == 1741
    assert (kinds["市長"], kinds["町村長"], kinds["特別区の区長"]) == (792, 926, 23)


def test_a_mayor_of_a_special_ward_is_a_mayor_and_one_of_a_city_ward_is_nobody(law: PermissionList) -> None:
    mayors = law.rows["beppyo2-2022", "27"].inquirer

    assert standing(mayors, resolve(read_party_rules(), "世田谷区長")) is Standing.INSIDE
    assert resolve(read_party_rules(), "横浜市西区長") is None


@pytest.mark.parametrize(
    ("name", "term", "inside"),
    [
        ("世田谷区長", "医療保険者", True), ("架空国民健康保険組合", "医療保険者", True), ("公立学校共済組合", "医療保険者", True),
        ("東京都後期高齢者医療広域連合", "医療保険者", False), ("東京都知事", "医療保険者", False),
        ("国家公務員共済組合連合会", "医療保険者", False),
        ("国家公務員共済組合連合会", "共済組合等", True), ("日本私立学校振興・共済事業団", "共済組合等", True),
        ("財務省共済組合", "共済組合等", False), ("世田谷区長", "共済組合等", False),
        ("東京都知事", "都道府県知事等", True), ("横浜市長", "都道府県知事等", True), ("世田谷区長", "都道府県知事等", True),
        ("奥多摩町長", "都道府県知事等", False), ("厚生労働大臣", "都道府県知事等", False),
        ("奥多摩町長", "市町村長", True), ("世田谷区長", "市町村長", True), ("東京都知事", "市町村長", False),
    ],
)  # fmt: skip
def test_a_term_is_who_its_definition_says(law: PermissionList, name: str, term: str, inside: bool) -> None:
    """Of both bases, whatever row the term stands in."""
    party = resolve(read_party_rules(), name)
    terms = {found for row in law.rows.values() for found in [row.inquirer, *(grant.provider for grant in row.grants)]}
    meant = [found for found in terms if found.text == term]

    assert meant
    assert {standing(found, party) for found in meant} == {Standing.INSIDE if inside else Standing.OUTSIDE}


def test_a_town_with_a_welfare_office_is_told_by_the_register_alone(law: PermissionList) -> None:
    town = replace(resolve(read_party_rules(), "奥多摩町長"), kinds=frozenset({"町村長", "福祉事務所を管理する町村長"}))

    assert standing(law.rows["beppyo2-2022", "26"].inquirer, town) is Standing.INSIDE


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ("世田谷区長", "東京都世田谷区長", True),
        ("西多摩郡檜原村長", "東京都檜原村長", True),
        ("世田谷区教育委員会", "東京都世田谷区教育委員会", True),
        ("府中市長", "広島県府中市長", True),
        ("東京都府中市長", "広島県府中市長", False),
        ("世田谷区長", "世田谷区教育委員会", False),
        ("東京都知事", "東京都教育委員会", False),
        ("架空市長", "架空市長", True),
        ("架空市長", "架空町長", False),
        ("地方職員共済組合", "東京都職員共済組合", False),
    ],
)
def test_nobody_is_two_agencies_by_two_names(law: PermissionList, one: str, other: str, may_be: bool) -> None:
    inquirer, provider = (resolve(read_party_rules(), name) for name in (one, other))
    asked = Question(
        on=date(2022, 10, 1), inquirer=inquirer, provider=provider, item="42", information="医療保険給付関係情報"
    )
    reason = getattr(decide(law, asked), "reason", None)

    assert inquirer.may_be(provider) is provider.may_be(inquirer) is may_be
    assert (reason is Reason.INQUIRES_OF_ITSELF) is may_be


def test_every_kind_that_rules_give_is_one_the_list_uses(law: PermissionList) -> None:
    rules = read_party_rules()
    terms = {row.inquirer for row in law.rows.values()} | {
        grant.provider for row in law.rows.values() for grant in row.grants
    }
    used = frozenset().union(*(term.kinds for term in terms))
    possible = frozenset().union(*(term.possible for term in terms))

    assert rules.kinds == used
    assert possible <= rules.kinds


@pytest.mark.parametrize("text", ["", "[]", "names: 1", "names: {}\nendings: [{}]", "{"])
def test_malformed_rules_are_refused(text: str) -> None:
    with pytest.raises(ListBroken):
        parse_rules(text, "{}")
