"""CompiledList against an evaluator written straight from the source form of the list, which shares no code with it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
import yaml

from permission_lists.compiled import CompiledList
from permission_lists.decide import Party, Permitted, Question, Reason, decide
from permission_lists.model import PermissionList
from storage.reference_data import read_permission_texts

NAMES = (
    "世田谷区長", "目黒区長", "横浜市長", "広島市長", "架空町長", "東京都知事", "長崎県知事", "厚生労働大臣", "内閣総理大臣",
    "法務大臣", "国税庁長官", "日本年金機構", "全国健康保険協会", "架空健康保険組合", "架空国民健康保険組合",
    "日本私立学校振興・共済事業団", "財務省共済組合", "国家公務員共済組合連合会", "公立学校共済組合", "全国市町村職員共済組合連合会",
    "東京都後期高齢者医療広域連合", "東京都社会福祉協議会", "東京都教育委員会", "地方公務員災害補償基金", "企業年金連合会",
    "国民年金基金連合会", "独立行政法人日本学生支援機構",
)  # fmt: skip
QUESTIONS = 20_000
DAYS = (date(2022, 10, 1), date(2026, 2, 1))

Asked = tuple[str, str, str | None, str, str]


@dataclass(frozen=True)
class Naive:
    """The list as its YAML says it, looked through from top to bottom for every question."""

    documents: list[dict[str, Any]]
    parties: dict[str, Party]
    on: date

    def permits(self, asked: Asked) -> bool:
        inquirer, provider, basis, item, information = asked
        if inquirer == provider:
            return False
        for document in self.documents:
            period = document["basis"]["in_force"]
            if not period["from"] <= self.on.isoformat() <= (period["to"] or "9999"):
                continue
            if basis not in (None, document["basis"]["id"]):
                continue
            terms = document["definitions"]["terms"]
            for row in document["rows"]:
                if row["item"] != item or row.get("deleted"):
                    continue
                if not self.meant(terms, row["inquirer"], inquirer):
                    return False
                for grant in row["grants"]:
                    if self.meant(terms, grant["provider"], provider) and information in grant["information"]:
                        return True
        return False

    def meant(self, terms: dict[str, Any], term: str, name: str) -> bool:
        return any(kind in terms[term]["kinds"] for kind in self.parties[name].kinds)


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return [yaml.load(text, Loader=yaml.CSafeLoader) for text in read_permission_texts()]


@pytest.fixture(scope="module")
def parties(party: Callable[[str], Party]) -> dict[str, Party]:
    return {name: party(name) for name in NAMES}


def plausible(naive: Naive, draw: random.Random) -> Iterator[Asked]:
    """Questions put together from one grant of one row, so that most of them are permitted."""
    live = [
        document
        for document in naive.documents
        if document["basis"]["in_force"]["from"]
        <= naive.on.isoformat()
        <= (document["basis"]["in_force"]["to"] or "9999")
    ]
    while True:
        document = draw.choice(live)
        row = draw.choice(document["rows"])
        if row.get("deleted"):
            continue
        grant = draw.choice(row["grants"])
        terms = document["definitions"]["terms"]
        inquirers = [name for name in NAMES if naive.meant(terms, row["inquirer"], name)]
        providers = [name for name in NAMES if naive.meant(terms, grant["provider"], name)]
        if inquirers and providers:
            basis = draw.choice([None, document["basis"]["id"]])
            yield draw.choice(inquirers), draw.choice(providers), basis, row["item"], draw.choice(grant["information"])


def one_column_off(asked: Asked, informations: list[str], draw: random.Random) -> Asked:
    column = draw.choice([0, 1, 3, 4])
    other: dict[int, list[str]] = {0: list(NAMES), 1: list(NAMES), 3: [str(n) for n in range(1, 174)], 4: informations}
    changed = list(asked)
    changed[column] = draw.choice([value for value in other[column] if value != asked[column]])
    return changed[0], changed[1], changed[2], changed[3], changed[4]  # type: ignore[return-value]


def questions(naive: Naive, informations: list[str], draw: random.Random) -> Iterator[tuple[str, Asked]]:
    """The question and how it was made: plausible, one column off, or anything."""
    source = plausible(naive, draw)
    while True:
        shape = draw.random()
        asked = next(source)
        if shape < 0.6:
            yield "plausible", asked
        elif shape < 0.8:
            yield "one column off", one_column_off(asked, informations, draw)
        else:
            basis = draw.choice([None, "beppyo2-2022", "meirei-2024", "other"])
            yield (
                "anything",
                (draw.choice(NAMES), draw.choice(NAMES), basis, str(draw.randrange(1, 190)), draw.choice(informations)),
            )


@pytest.mark.parametrize("on", DAYS)
def test_an_independent_evaluator_agrees_on_twenty_thousand_questions(
    law: PermissionList, documents: list[dict[str, Any]], parties: dict[str, Party], on: date
) -> None:
    draw = random.Random(f"sekisho {on}")  # noqa: S311 - seeded, so that a failure repeats
    naive = Naive(documents, parties, on)
    compiled = CompiledList(law, parties, on)
    informations = sorted({name for row in law.rows.values() for grant in row.grants for name in grant.information})
    source = questions(naive, informations, draw)
    asked = [next(source) for _ in range(QUESTIONS)]
    shapes = Counter(shape for shape, _ in asked)

    answers = [isinstance(compiled.decide(*each), Permitted) for _, each in asked]

    assert answers == [naive.permits(each) for _, each in asked]
    assert sum(answers) >= 0.4 * QUESTIONS
    assert shapes["one column off"] >= 0.1 * QUESTIONS


@pytest.mark.parametrize("on", [*DAYS, date(2022, 6, 16)])
def test_the_compiled_list_gives_the_same_answer_as_decide(
    law: PermissionList, documents: list[dict[str, Any]], parties: dict[str, Party], on: date
) -> None:
    draw = random.Random(f"same {on}")  # noqa: S311 - seeded, so that a failure repeats
    known = {
        **parties,
        "評価未了市長": Party(name="評価未了市長", kinds=frozenset({"市長"}), assessed=()),
        "分室": Party(name="世田谷区長", kinds=frozenset({"特別区の区長"})),
    }
    compiled = CompiledList(law, known, on)
    informations = sorted({name for row in law.rows.values() for grant in row.grants for name in grant.information})
    agencies = [*known, "知らない機関"]
    for _ in range(4_000):
        asked = (
            draw.choice(agencies), draw.choice(agencies), draw.choice([None, "beppyo2-2022", "meirei-2024"]),
            str(draw.randrange(1, 175)), draw.choice(informations),
        )  # fmt: skip
        stranger = Party(name="知らない機関", kinds=frozenset())
        question = Question(
            on=on, inquirer=known.get(asked[0], stranger), provider=known.get(asked[1], stranger), basis=asked[2],
            item=asked[3], information=asked[4],
        )  # fmt: skip
        if asked[0] == asked[1] == "知らない機関":
            question = replace(question, inquirer=stranger, provider=stranger)

        assert compiled.decide(*asked) == decide(law, question)


def test_the_compiled_list_carries_the_digest_and_the_day(law: PermissionList, parties: dict[str, Party]) -> None:
    compiled = CompiledList(law, parties, DAYS[0])

    assert (compiled.digest, compiled.on) == (law.digest, DAYS[0])


def test_two_agencies_of_one_name_are_one_party(law: PermissionList, party: Callable[[str], Party]) -> None:
    ward = party("世田谷区長")
    compiled = CompiledList(law, {"setagaya": ward, "setagaya-2": ward}, DAYS[0])

    answer = compiled.decide("setagaya", "setagaya-2", None, "42", "地方税関係情報")

    assert not isinstance(answer, Permitted)
    assert answer.reason is Reason.INQUIRES_OF_ITSELF
