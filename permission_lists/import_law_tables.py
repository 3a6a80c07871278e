"""Turns the law's two tables into the lists of permission_lists/data/ (PL-1, PL-2).

    python -m permission_lists.import_law_tables SOURCE_FOLDER permission_lists/data

SOURCE_FOLDER holds the transcribed law texts: beppyo2_20220617.yaml (別表第二), meirei2024_table.yaml (the 2024 order),
shumeirei_a007_20210519_seed_items.yaml and meirei2024_seed_articles.txt (their detail articles).
The same sources give the same bytes. This script alone of the package reads and writes files; servers never run it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from permission_lists.law_details import Affair, classify, details_of_articles, details_of_old_order
from permission_lists.law_text import InformationClass, Reading, expand, read_information, read_party

CLASSES: dict[str, dict[str, Any]] = {
    "市町村長": {
        "members": ["市長", "町村長", "特別区の区長"],
        "source": "番号法第7条第1項（特別区の区長を含む。）",
    },
    "共済組合": {
        "members": ["国家公務員共済組合", "地方公務員共済組合"],
        "source": "国家公務員共済組合法第3条、地方公務員等共済組合法第3条",
    },
    "共済組合等": {
        "members": [
            "日本私立学校振興・共済事業団",
            "国家公務員共済組合連合会",
            "地方公務員共済組合",
            "全国市町村職員共済組合連合会",
        ],
        "source": "令和6年デジタル庁・総務省令第9号第2条の表の1の項の定義（別表第二でも同じ者と読む）",
    },
    "医療保険者": {
        "members": [
            "全国健康保険協会",
            "健康保険組合",
            "日本私立学校振興・共済事業団",
            "共済組合",
            "市町村長",
            "国民健康保険組合",
        ],
        "source": "別表第二の1の項第三欄の定義、令和6年デジタル庁・総務省令第9号第2条の表の2の項の定義",
    },
    "都道府県知事等": {
        "members": ["都道府県知事", "市長", "特別区の区長", "福祉事務所を管理する町村長"],
        "source": "別表第一の9の項の定義、令和6年デジタル庁・総務省令第9号第2条の表の13の項の定義",
    },
}
SINGLE_KINDS = (
    "国税庁長官",
    "国土交通大臣",
    "経済産業大臣",
    "環境大臣",
    "厚生労働大臣",
    "文部科学大臣",
    "総務大臣",
    "内閣総理大臣",
    "法務大臣",
    "日本年金機構",
    "都道府県知事",
    "広島市長",
    "長崎市長",
    "都道府県教育委員会",
    "市町村教育委員会",
    "社会福祉協議会",
    "全国健康保険協会",
    "健康保険組合",
    "国民健康保険組合",
    "後期高齢者医療広域連合",
    "日本私立学校振興・共済事業団",
    "国家公務員共済組合",
    "国家公務員共済組合連合会",
    "地方公務員共済組合",
    "全国市町村職員共済組合連合会",
    "国民年金基金",
    "国民年金基金連合会",
    "石炭鉱業年金基金",
    "企業年金連合会",
    "農林漁業団体職員共済組合",
    "地方公務員災害補償基金",
    "独立行政法人農業者年金基金",
    "独立行政法人日本スポーツ振興センター",
    "独立行政法人医薬品医療機器総合機構",
    "独立行政法人日本学生支援機構",
    "日本行政書士会連合会",
    "日本税理士会連合会",
    "全国社会保険労務士会連合会",
    "保健所を設置する市の長",
)
_MEMBERS = {name: entry["members"] for name, entry in CLASSES.items()}
_MAYORS = tuple(_MEMBERS["市町村長"])
_SOME_GOVERNORS_AND_MAYORS = Reading(kinds=(), unresolved=True, possible=("都道府県知事", *_MAYORS))
# Terms whose reading needs more than the definitions: by the words they start with or contain.
READINGS: tuple[tuple[str, Reading], ...] = (
    (
        "第四十八条に規定する後期高齢者医療広域連合",
        Reading(kinds=expand(["医療保険者", "後期高齢者医療広域連合"], _MEMBERS)),
    ),
    ("以下この条において「都道府県知事等」という。", Reading(kinds=tuple(_MEMBERS["都道府県知事等"]))),
    ("医療保険者その他の法令による", Reading(kinds=expand(["医療保険者"], _MEMBERS), unresolved=True)),
    ("市町村長（児童手当法", Reading(kinds=_MAYORS, unresolved=True)),
    (
        "又は保健所を設置する市（特別区を含む。）の長",
        Reading(kinds=("都道府県知事", "保健所を設置する市の長", "特別区の区長")),
    ),
    (
        "又は保健所を設置する市の長",
        Reading(kinds=("都道府県知事", "保健所を設置する市の長"), unresolved=True, possible=("特別区の区長",)),
    ),
    ("又は企業年金連合会", Reading(kinds=("企業年金連合会",), unresolved=True)),
    ("である都道府県知事又は市町村長", _SOME_GOVERNORS_AND_MAYORS),
    ("を行う都道府県知事又は市町村長", _SOME_GOVERNORS_AND_MAYORS),
    ("認定地方公共団体の長", _SOME_GOVERNORS_AND_MAYORS),
    ("特区地方公共団体の長", _SOME_GOVERNORS_AND_MAYORS),
    ("又は都道府県の長", _SOME_GOVERNORS_AND_MAYORS),
)
FULL_NAMES = (
    ("同法による地域子ども・子育て支援事業", "子ども・子育て支援法による地域子ども・子育て支援事業"),
    (
        "国民年金法等の一部を改正する法律（昭和六十年法律第三十四号。以下「昭和六十年法律第三十四号」という。）",
        "昭和六十年法律第三十四号",
    ),
)
# Listed in the Act, but no order ever detailed it (the old order had no article for it, nor has the order of 2024).
NEVER_DETAILED = {"beppyo2-2022": {"30"}}
BEPPYO2: dict[str, Any] = {
    "id": "beppyo2-2022",
    "kind": "statute",
    "title": "行政手続における特定の個人を識別するための番号の利用等に関する法律 別表第二",
    "law_id": "425AC0000000027",
    "citation": "番号法第19条第8号 別表第二の{item}の項",
    "in_force": {"from": "2022-06-17", "to": "2024-05-26"},
    "text_known": {"from": "2022-06-17", "to": "2022-12-15"},
    "text_note": (
        "別表第二は2024-05-26まで効力を有したが、2022-12-16以後の改正後の文言は収録していない。"
        "2022-06-17施行の文言で判定した。"
    ),
}
MEIREI: dict[str, Any] = {
    "id": "meirei-2024",
    "kind": "order",
    "title": "番号法第19条第8号に基づく利用特定個人情報の提供に関する命令（令和6年デジタル庁・総務省令第9号）第2条の表",
    "law_id": "506M60004008009",
    "citation": "番号法第19条第8号 令和6年デジタル庁・総務省令第9号第2条の表の{item}の項",
    "in_force": {"from": "2024-05-27", "to": None},
    "text_known": {"from": "2026-02-01", "to": "2026-02-02"},
    "text_note": (
        "令和6年デジタル庁・総務省令第9号は2024-05-27から効力を有するが、収録した文言は2026年2月時点のものである。"
        "その文言で判定した。"
    ),
}


def main() -> None:
    """Read the four sources, write the two lists."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("source", type=Path)
    arguments.add_argument("target", type=Path)
    chosen = arguments.parse_args()
    old_order = _read_yaml(chosen.source / "shumeirei_a007_20210519_seed_items.yaml")
    articles = (chosen.source / "meirei2024_seed_articles.txt").read_text(encoding="utf-8")
    beppyo2 = build_list(
        BEPPYO2,
        _read_yaml(chosen.source / "beppyo2_20220617.yaml")["items"],
        details_of_old_order(old_order["items"]),
        "平成26年内閣府・総務省令第7号（2021-05-19時点の文言）",
    )
    meirei = build_list(
        MEIREI,
        _read_yaml(chosen.source / "meirei2024_table.yaml")["items"],
        details_of_articles(articles),
        "令和6年デジタル庁・総務省令第9号（2026年2月時点の文言。号の番号は並びから数えた）",
    )
    _write_yaml(chosen.target / "beppyo2_2022.yaml", beppyo2)
    _write_yaml(chosen.target / "meirei_2024.yaml", meirei)
    print(f"{len(beppyo2['rows'])} + {len(meirei['rows'])} rows")


def build_list(
    basis: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    details: Mapping[str, tuple[str, Sequence[Affair]]],
    details_source: str,
) -> dict[str, Any]:
    """Make one list document: the basis, its definitions, and a row for each item of the table, deleted ones too."""
    terms: dict[str, dict[str, Any]] = {}
    information: dict[str, dict[str, str]] = {}
    rows = []
    for item in items:
        row: dict[str, Any] = {"item": str(item["item"]), "kanji": item["item_kanji"]}
        if item.get("deleted"):
            rows.append({**row, "deleted": True})
            continue
        terms.setdefault(item["requester"], read_term(item["requester"]))
        row |= {"inquirer": item["requester"], "affair": item["purpose"], "grants": []}
        for grant in item["grants"]:
            terms.setdefault(grant["provider"], read_term(grant["provider"]))
            classes = read_information(grant["information"])
            names = [full_name(found) for found in classes]
            for found in classes:
                if found.defined is not None:
                    information[found.name] = {"text": found.defined, "item": row["item"]}
            row["grants"].append({"provider": grant["provider"], "text": grant["information"], "information": names})
        if item.get("old_beppyo2_item"):
            row["old_item"] = str(item["old_beppyo2_item"])
        if row["item"] in details:
            article, affairs = details[row["item"]]
            named = {name for grant in row["grants"] for name in grant["information"]}
            row |= {"article": article, "details": classify(affairs, sorted(named))}
        elif row["item"] in NEVER_DETAILED.get(basis["id"], ()):
            row["details"] = []
        rows.append(row)
    return {
        "basis": {**basis, "details_source": details_source},
        "definitions": {"kinds": CLASSES, "terms": terms, "information": information},
        "rows": rows,
    }


def read_term(text: str) -> dict[str, Any]:
    """The kinds of agency that one term of the table means, as the data holds it."""
    special = next((reading for words, reading in READINGS if words in text), None)
    reading = special or read_party(text, _MEMBERS, SINGLE_KINDS)
    term: dict[str, Any] = {"kinds": list(reading.kinds)}
    if reading.unresolved:
        term["unresolved"] = True
    if reading.possible:
        term["possible"] = list(reading.possible)
    return term


def full_name(found: InformationClass) -> str:
    """The name of an information class, references to words elsewhere in the same cell written out."""
    name = found.name
    for short, full in FULL_NAMES:
        name = name.replace(short, full)
    return name


def _read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(
        yaml.dump(dict(document), Dumper=_Plain, allow_unicode=True, sort_keys=False, width=100_000),
        encoding="utf-8",
    )


class _Plain(yaml.CSafeDumper):
    """Writes shared lists out each time: an anchor would make the data hard to read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


if __name__ == "__main__":
    main()
