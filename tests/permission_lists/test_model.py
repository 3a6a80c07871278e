"""The list as shipped, its digest, and what a list must not be."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
import yaml

from permission_lists.model import BasisKind, ListBroken, PermissionList, parse
from storage.reference_data import read_permission_texts

SMALL: dict[str, Any] = {
    "basis": {
        "id": "a", "kind": "statute", "title": "法", "citation": "法の{item}の項",
        "in_force": {"from": "2022-01-01", "to": "2022-12-31"},
    },
    "definitions": {"information": {}, "terms": {"市長": {"kinds": ["市長"]}}},
    "rows": [
        {
            "item": "10-2", "inquirer": "市長", "affair": "事務",
            "grants": [{"provider": "市長", "text": "情報", "information": ["情報"]}],
        },
    ],
}  # fmt: skip


def test_all_items_of_both_tables_are_there(law: PermissionList) -> None:
    counts = Counter(row.basis.id for row in law.rows.values())
    grants = Counter(row.basis.id for row in law.rows.values() for _ in row.grants)

    assert counts == {"beppyo2-2022": 131, "meirei-2024": 180, "own-information": 5}
    assert grants == {"beppyo2-2022": 368, "meirei-2024": 456, "own-information": 5}


def test_the_tables_hold_on_their_days_only(law: PermissionList) -> None:
    old, new = law.bases["beppyo2-2022"], law.bases["meirei-2024"]

    assert (old.in_force.first, old.in_force.last) == (date(2022, 6, 17), date(2024, 5, 26))
    assert (new.in_force.first, new.in_force.last) == (date(2024, 5, 27), None)
    assert {old.kind, new.kind} == {BasisKind.STATUTE, BasisKind.ORDER}
    assert old.text_known.last == date(2022, 12, 15)


def test_medical_insurers_are_the_kinds_their_definition_names(law: PermissionList) -> None:
    grant = law.rows["beppyo2-2022", "2"].grants[0]

    assert grant.provider.text == "医療保険者又は後期高齢者医療広域連合"
    assert grant.provider.kinds == {
        "全国健康保険協会", "健康保険組合", "日本私立学校振興・共済事業団", "国家公務員共済組合", "地方公務員共済組合",
        "市長", "町村長", "特別区の区長", "国民健康保険組合", "後期高齢者医療広域連合",
    }  # fmt: skip
    assert not grant.provider.unresolved


def test_a_cell_with_several_classes_is_taken_apart(law: PermissionList) -> None:
    informations = [grant.information for grant in law.rows["beppyo2-2022", "42"].grants]

    assert {"地方税関係情報", "住民票関係情報", "介護保険給付等関係情報"} in informations
    assert {"生活保護関係情報", "中国残留邦人等支援給付等関係情報"} in informations


def test_short_names_are_defined(law: PermissionList) -> None:
    for basis in law.bases:
        short = {
            name
            for row in law.rows.values()
            if row.basis.id == basis
            for grant in row.grants
            for name in grant.information
            if name.endswith("関係情報") and "に関する" not in name and "による" not in name
        }
        assert short - {"戸籍関係情報"} <= set(law.definitions[basis])


def test_the_eighteen_detailed_items_have_affairs_and_item_30_has_none(law: PermissionList) -> None:
    detailed = {
        row.item: len(row.details)
        for row in law.rows.values()
        if row.basis.id == "beppyo2-2022" and row.details is not None
    }

    assert detailed.pop("30") == 0
    assert set(detailed) == {
        "1", "2", "3", "4", "5", "9", "26", "27", "33", "39", "42", "43", "44", "58", "62", "80", "87", "93", "120",
    }  # fmt: skip
    assert all(detailed.values())


def test_detailed_information_is_read_as_classes_of_its_row(law: PermissionList) -> None:
    for row in law.rows.values():
        named = frozenset().union(*(grant.information for grant in row.grants))
        for detail in row.details or ():
            assert all(line.classes and line.classes <= named for line in detail.information), (row.id, detail.number)


def test_the_digest_is_over_the_content_and_not_the_layout(law: PermissionList) -> None:
    documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in read_permission_texts()]
    canonical = json.dumps(documents, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert law.digest == hashlib.sha256(canonical.encode()).hexdigest()
    assert (
        parse(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=True, width=60) for document in documents).digest
        == law.digest
    )


def test_any_change_of_the_content_changes_the_digest() -> None:
    changed = deepcopy(SMALL)
    changed["rows"][0]["affair"] = "別の事務"

    assert parse([json.dumps(changed)]).digest != parse([json.dumps(SMALL)]).digest


def test_a_branch_item_is_cited_the_way_the_law_writes_it() -> None:
    assert parse([json.dumps(SMALL)]).rows["a", "10-2"].legal_basis == "法の10の2の項"


def changed(**changes: Any) -> str:
    return json.dumps(SMALL | changes)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "a: [", "1", changed(rows=None), changed(rows=[{}]), changed(basis={}), changed(definitions={}),
        changed(rows=SMALL["rows"] * 2),
        changed(rows=[SMALL["rows"][0] | {"inquirer": "だれか"}]),
        changed(rows=[SMALL["rows"][0] | {"in_force": {"from": "2022-02-01", "to": "2022-01-01"}}]),
        changed(basis=SMALL["basis"] | {"kind": "rumour"}),
        changed(basis=SMALL["basis"] | {"in_force": {"from": "soon", "to": None}}),
    ],
)  # fmt: skip
def test_a_malformed_list_is_refused(text: str) -> None:
    with pytest.raises(ListBroken):
        parse([text])


def test_two_statutory_bases_on_one_day_are_refused() -> None:
    other = changed(basis=SMALL["basis"] | {"id": "b", "in_force": {"from": "2022-12-31", "to": None}})

    with pytest.raises(ListBroken):
        parse([json.dumps(SMALL), other])


def test_one_basis_id_twice_is_refused() -> None:
    with pytest.raises(ListBroken):
        parse([json.dumps(SMALL), json.dumps(SMALL)])
