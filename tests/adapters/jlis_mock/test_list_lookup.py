"""Both implementations of the list give the same answer to the same question."""

from __future__ import annotations

from datetime import date

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.jlis_mock.core import list_lookup
from gateway.registered_parties import party_of
from keys.windows import PublicKeys
from permission_lists.decide import Question, Refused, decide
from permission_lists.model import Term, parse
from storage.reference_data import read_permission_texts
from transport.register import ALWAYS, Agency, AssessedDays

DOCUMENTS = [yaml.load(text, Loader=yaml.CSafeLoader) for text in read_permission_texts()]
LOOKUP = list_lookup.build(DOCUMENTS)
LIST = parse(read_permission_texts())
ROWS = sorted(LIST.rows)
TERMS = [row.inquirer for row in LIST.rows.values()] + [g.provider for row in LIST.rows.values() for g in row.grants]
KINDS = sorted({kind for term in TERMS for kind in term.kinds | term.possible})
DAYS = st.dates(date(2021, 1, 1), date(2027, 12, 31))
AGENCIES = st.builds(
    lambda name, kinds, assessed: Agency(
        id=name, code="0" * 16, name=name, kinds=kinds, signing_keys=PublicKeys(()), assessed=assessed
    ),
    st.sampled_from(["a-agency", "b-agency", "c-agency"]),
    st.frozensets(st.sampled_from(KINDS), max_size=2),
    st.sampled_from(
        [ALWAYS, ALWAYS, ALWAYS, (), (AssessedDays(valid_from=date(2022, 7, 1), valid_to=date(2024, 12, 31)),)]
    ),
)


def by_the_other(on: date, inquirer: Agency, provider: Agency, basis: str | None, item: str, what: str) -> str | None:
    decided = decide(
        LIST,
        Question(
            on=on, inquirer=party_of(inquirer), provider=party_of(provider), basis=basis, item=item, information=what
        ),
    )
    return decided.reason.value if isinstance(decided, Refused) else None


def both_agree(on: date, inquirer: Agency, provider: Agency, basis: str | None, item: str, what: str) -> None:
    own = LOOKUP.refusal(on=on, inquirer=inquirer, provider=provider, basis=basis, item=item, information=what)
    assert own == by_the_other(on, inquirer, provider, basis, item, what)


def test_both_have_the_same_digest() -> None:
    assert LOOKUP.digest == LIST.digest


@settings(max_examples=400)
@given(st.data(), DAYS, AGENCIES, AGENCIES, st.booleans())
def test_both_answer_random_questions_alike(
    data: st.DataObject, on: date, inquirer: Agency, provider: Agency, named: bool
) -> None:
    basis, item = data.draw(st.sampled_from(ROWS))
    row = LIST.rows[basis, item]
    what = data.draw(st.sampled_from([*sorted(set().union(*(g.information for g in row.grants))), "無い情報"]))
    both_agree(on, inquirer, provider, basis if named else None, item, what)


def parties(term: Term) -> list[str]:
    """Kinds inside the term, kinds that other law decides on, the wording itself, and somebody who is none of these."""
    return [*sorted(term.kinds)[:2], *sorted(term.possible - term.kinds)[:1], term.text, "架空の機関"]


def every_grant() -> list[tuple[date, str, str, str, str, str]]:
    """Every row and grant of the list with parties of every standing."""
    found = []
    for (basis, item), row in LIST.rows.items():
        for grant in row.grants:
            for inquirer in parties(row.inquirer):
                for provider in parties(grant.provider):
                    found += [
                        (row.in_force.first, inquirer, provider, basis, item, what)
                        for what in sorted(grant.information)
                    ]
    return found


def test_both_answer_every_row_and_grant_alike() -> None:
    asked = every_grant()
    for on, asking, giving, basis, item, what in asked:
        inquirer = Agency(
            id="a-one", code="", name="甲", kinds=frozenset({asking}), signing_keys=PublicKeys(()), assessed=ALWAYS
        )
        provider = Agency(
            id="b-one", code="", name="乙", kinds=frozenset({giving}), signing_keys=PublicKeys(()), assessed=ALWAYS
        )
        both_agree(on, inquirer, provider, basis, item, what)
    assert len(asked) > 300


def test_two_ids_of_one_name_are_one_agency_that_would_ask_itself() -> None:
    one, other = (
        Agency(
            id=each,
            code="",
            name="世田谷区長",
            kinds=frozenset({"特別区の区長"}),
            signing_keys=PublicKeys(()),
            assessed=ALWAYS,
        )
        for each in ("setagaya", "setagaya-2")
    )
    asked = {"on": date(2022, 10, 3), "basis": None, "item": "42", "information": "地方税関係情報"}

    assert LOOKUP.refusal(inquirer=one, provider=other, **asked) == "inquires_of_itself"


def test_a_malformed_document_is_not_half_read() -> None:
    broken = {**DOCUMENTS[0], "rows": [{"item": "1"}]}
    with pytest.raises(list_lookup.ListUnreadableError):
        list_lookup.build([broken])
