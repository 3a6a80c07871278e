"""Agencies told from their names; what no rule knows is nobody."""

from __future__ import annotations

import pytest

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
    ],
)
def test_a_name_tells_the_kinds(name: str, kinds: set[str]) -> None:
    party = resolve(read_party_rules(), name)

    assert party is not None
    assert party.kinds == kinds


@pytest.mark.parametrize(
    "name",
    ["", "市長", "町長", "知事", "区長", "大阪市北区長", "横浜市中区長", "架空区長", "架空県知事", "株式会社架空"],
)
def test_a_name_that_no_rule_knows_is_nobody(name: str) -> None:
    assert resolve(read_party_rules(), name) is None


def test_every_kind_that_rules_give_is_one_the_list_uses(law: PermissionList) -> None:
    rules = read_party_rules()
    terms = {row.inquirer for row in law.rows.values()} | {
        grant.provider for row in law.rows.values() for grant in row.grants
    }
    used = frozenset().union(*(term.kinds for term in terms))
    given = frozenset().union(*rules.names.values(), *(kinds for _, kinds in rules.endings))

    assert given <= used


@pytest.mark.parametrize("text", ["", "[]", "names: 1", "names: {}\nendings: [{}]", "{"])
def test_malformed_rules_are_refused(text: str) -> None:
    with pytest.raises(ListBroken):
        parse_rules(text)
