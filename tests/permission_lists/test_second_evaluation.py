"""A second evaluation of the law's tables, in plain SQL and from the law's own cells, agrees with the servers and the core on 100,000 questions.

tests/permission_lists/law holds the columns of the two tables as transcribed (item, requester, provider, information), a line a grant,
and the evaluation; it knows nothing of our rows, our reading of the terms or our parties.
"""

from __future__ import annotations

import csv
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import asyncpg
import pytest
import yaml

from adapters.jlis_mock.core import list_lookup
from keys.windows import PublicKeys
from partner.lists import List
from permission_lists.compiled import CompiledList
from permission_lists.decide import Permitted, Standing, standing
from permission_lists.model import PermissionList, PermissionRow
from permission_lists.parties import resolve
from storage.migrations import create_database
from storage.postgres import EmbeddedPostgres, discard
from storage.reference_data import read_party_rules, read_permission_texts
from transport.register import ALWAYS, Agency, Register

LAW = Path(__file__).parent / "law"
TABLES = {"beppyo2-2022": "beppyo2.tsv", "meirei-2024": "meirei2024.tsv"}
SOURCES = Path(os.environ.get("SEKISHO_LAW_TEXTS", Path(__file__).parents[2] / "../shared/data"))
QUESTIONS = 100_000
SLOWLY = 10_000
"""Of these, how many a partner's server is asked, too: it has no tables, and looks through the whole list each time."""
DAYS = {
    "beppyo2-2022": (date(2022, 6, 17), date(2022, 10, 3), date(2024, 5, 26)),
    "meirei-2024": (date(2024, 5, 27), date(2026, 2, 1)),
}
A_DAY_OFF = {"beppyo2-2022": (date(2022, 6, 16), date(2024, 5, 27)), "meirei-2024": (date(2024, 5, 26),)}

Question = tuple[date, str, str, str | None, str, str]


def grants(table: str) -> list[dict[str, str]]:
    with (LAW / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("second-evaluation")
    postgres = EmbeddedPostgres(folder, durable=False)
    yield postgres.start(secrets.token_hex(8))
    postgres.stop()
    discard(folder)


class Asker:
    """Draws questions: permitted by our reading, a day off, a column off, or anything."""

    def __init__(self, law: PermissionList, agencies: list[str], draw: random.Random) -> None:
        self.draw = draw
        self.agencies = agencies
        self.parties = {name: resolve(read_party_rules(), name) for name in agencies}
        self.rows = list(law.rows.values())
        self.items = sorted({row.item for row in self.rows})
        self.information = sorted({name for row in self.rows for grant in row.grants for name in grant.information})
        self._inside: dict[str, list[str]] = {}

    def inside(self, term: object) -> list[str]:
        if term.text not in self._inside:
            self._inside[term.text] = [
                name for name in self.agencies if standing(term, self.parties[name]) is Standing.INSIDE
            ]
        return self._inside[term.text]

    def permitted(self) -> tuple[PermissionRow, Question]:
        while True:
            row = self.draw.choice(self.rows)
            grant = self.draw.choice(row.grants)
            inquirers, providers = self.inside(row.inquirer), self.inside(grant.provider)
            if inquirers and providers:
                on = self.draw.choice(DAYS[row.basis.id])
                basis = self.draw.choice([None, row.basis.id])
                asked = (
                    on,
                    self.draw.choice(inquirers),
                    self.draw.choice(providers),
                    basis,
                    row.item,
                    self.draw.choice(sorted(grant.information)),
                )
                return row, asked

    def one(self) -> tuple[str, Question]:
        row, (on, inquirer, provider, basis, item, information) = self.permitted()
        shape = self.draw.random()
        if shape < 0.55:
            return "permitted", (on, inquirer, provider, basis, item, information)
        if shape < 0.65:
            return "a day off", (
                self.draw.choice(A_DAY_OFF[row.basis.id]),
                inquirer,
                provider,
                row.basis.id,
                item,
                information,
            )
        if shape < 0.90:
            column = self.draw.randrange(5)
            others = (self.agencies, self.agencies, [*DAYS, "no-such-basis"], self.items, self.information)
            asked = [inquirer, provider, basis or row.basis.id, item, information]
            asked[column] = self.draw.choice([other for other in others[column] if other != asked[column]])
            return "a column off", (on, *asked)
        return "anything", (
            on, self.draw.choice(self.agencies), self.draw.choice(self.agencies), self.draw.choice([None, *DAYS]),
            self.draw.choice(self.items), self.draw.choice(self.information),
        )  # fmt: skip


Permits = Callable[[Question], bool]


def core_and_partner(asker: Asker) -> tuple[Permits, Permits]:
    """Whether the core permits, and a partner's server: each has code of its own for the list."""
    documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in read_permission_texts()]
    lookup, listed = list_lookup.build(documents), List(digest="", documents=documents)
    agencies = {
        name: Agency(id=name, code="", name=name, kinds=party.kinds, signing_keys=PublicKeys(()), assessed=ALWAYS)
        for name, party in asker.parties.items()
    }
    register = Register(agencies=agencies, peers={}, logs={}, permit_keys=PublicKeys(()))

    def at_core(asked: Question) -> bool:
        on, inquirer, provider, basis, item, information = asked
        parties = {"inquirer": agencies[inquirer], "provider": agencies[provider]}
        return lookup.refusal(on=on, basis=basis, item=item, information=information, **parties) is None

    def at_partner(asked: Question) -> bool:
        names = ("issued_at", "inquirer", "provider", "basis", "item", "information")
        return listed.permits(dict(zip(names, (f"{asked[0]}T12:00:00+09:00", *asked[1:]), strict=True)), register)

    return at_core, at_partner


async def test_plain_sql_over_the_laws_own_cells_agrees_on_a_hundred_thousand_questions(
    law: PermissionList, server: str
) -> None:
    connection = await asyncpg.connect(await create_database(server))
    try:
        await connection.execute((LAW / "evaluate.sql").read_text(encoding="utf-8"))
        for basis, table in TABLES.items():
            cells = [(basis, *grant.values()) for grant in grants(table)]
            await connection.copy_records_to_table("law", records=cells)
        agencies = [row["name"] for row in await connection.fetch("select distinct name from agency order by name")]
        asker = Asker(law, agencies, random.Random("sekisho"))  # noqa: S311 - seeded, so that a failure repeats
        asked = [asker.one() for _ in range(QUESTIONS)]
        shapes = Counter(shape for shape, _ in asked)
        await connection.copy_records_to_table(
            "question", records=[(nth, *each) for nth, (_, each) in enumerate(asked)]
        )
        await connection.execute("analyze")
        by_sql = {row["id"]: row["permitted"] for row in await connection.fetch("select * from answers()")}
    finally:
        await connection.close()

    compiled = {on: CompiledList(law, asker.parties, on) for on in {each[0] for _, each in asked}}
    at_core, at_partner = core_and_partner(asker)
    differ = [
        (shape, each)
        for nth, (shape, each) in enumerate(asked)
        if {isinstance(compiled[each[0]].decide(*each[1:]), Permitted), at_core(each)} != {by_sql[nth]}
    ]
    assert differ == []
    assert [each for nth, (_, each) in enumerate(asked[:SLOWLY]) if at_partner(each) != by_sql[nth]] == []
    assert sum(by_sql.values()) >= 0.4 * QUESTIONS
    assert shapes["a day off"] >= 0.05 * QUESTIONS
    assert shapes["a day off"] + shapes["a column off"] >= 0.1 * QUESTIONS


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the transcribed law texts are not part of the repository")
@pytest.mark.parametrize(
    ("table", "source"), [("beppyo2.tsv", "beppyo2_20220617.yaml"), ("meirei2024.tsv", "meirei2024_table.yaml")]
)
def test_the_columns_are_those_of_the_transcribed_tables(table: str, source: str) -> None:
    items = yaml.load((SOURCES / source).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["items"]
    transcribed = [
        {"item": str(item["item"]), "requester": item["requester"], **grant}
        for item in items
        if not item.get("deleted")
        for grant in item["grants"]
    ]
    assert grants(table) == transcribed
