"""How fast the compiled list decides, beside a bare dictionary look-up in the same run.

    python benchmarks/list_decision.py

Target: 500,000 decisions/s on one core. 20,000 questions, about half permitted, the rest refused by the row's tables.
Prints the median of five runs of both and their ratio. Load and compile times are those of one start.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from statistics import median
from time import perf_counter

from permission_lists.compiled import CompiledList
from permission_lists.decide import Party, Permitted
from permission_lists.model import parse
from permission_lists.parties import resolve
from storage.reference_data import read_party_rules, read_permission_texts

RUNS = 5
ROUNDS = 10
QUESTIONS = 20_000
TARGET = 500_000
ON = date(2022, 10, 1)
NAMES = (
    "世田谷区長", "目黒区長", "横浜市長", "東京都知事", "厚生労働大臣", "内閣総理大臣", "日本年金機構", "全国健康保険協会",
    "架空健康保険組合", "架空国民健康保険組合", "日本私立学校振興・共済事業団", "財務省共済組合", "公立学校共済組合",
    "東京都後期高齢者医療広域連合", "東京都社会福祉協議会",
)  # fmt: skip

Asked = tuple[str, str, str, str, str]


def parties() -> dict[str, Party]:
    found = {f"agency-{number}": resolve(read_party_rules(), name) for number, name in enumerate(NAMES)}
    return {agency: party for agency, party in found.items() if party is not None}


def questions(compiled: CompiledList, agencies: list[str], items: list[str], informations: list[str]) -> list[Asked]:
    """Half permitted, half not, in random order."""
    draw = random.Random("sekisho list benchmark")  # noqa: S311 - the same questions each run
    wanted: dict[bool, list[Asked]] = {True: [], False: []}
    while min(map(len, wanted.values())) < QUESTIONS // 2:
        asked = (
            draw.choice(agencies),
            draw.choice(agencies),
            "beppyo2-2022",
            draw.choice(items),
            draw.choice(informations),
        )
        pile = wanted[isinstance(compiled.decide(*asked), Permitted)]
        if asked[0] != asked[1] and len(pile) < QUESTIONS // 2:
            pile.append(asked)
    both = wanted[True] + wanted[False]
    draw.shuffle(both)
    return both


def per_second(run: Callable[[], None]) -> float:
    def once() -> float:
        start = perf_counter()
        for _ in range(ROUNDS):
            run()
        return ROUNDS * QUESTIONS / (perf_counter() - start)

    return median(once() for _ in range(RUNS))


def main() -> None:
    texts = read_permission_texts()
    start = perf_counter()
    law = parse(texts)
    loaded = perf_counter()
    compiled = CompiledList(law, parties(), ON)
    ready = perf_counter()
    rows = [row for row in law.rows.values() if row.basis.id == "beppyo2-2022"]
    informations = sorted({name for row in rows for grant in row.grants for name in grant.information})
    asked = questions(compiled, list(parties()), [row.item for row in rows], informations)
    table = dict.fromkeys(asked, True)

    def decide_all() -> None:
        decide = compiled.decide
        for inquirer, provider, basis, item, information in asked:
            decide(inquirer, provider, basis, item, information)

    def look_up_all() -> None:
        get = table.get
        for inquirer, provider, basis, item, information in asked:
            get((inquirer, provider, basis, item, information))

    decisions, look_ups = per_second(decide_all), per_second(look_up_all)
    print(f"load both lists {loaded - start:.3f} s, compile for {len(NAMES)} agencies {ready - loaded:.3f} s")
    print(f"decisions/s     {decisions:12,.0f}   target {TARGET:,}")
    print(f"bare dict get/s {look_ups:12,.0f}   ratio {decisions / look_ups:.2f}")


if __name__ == "__main__":
    main()
