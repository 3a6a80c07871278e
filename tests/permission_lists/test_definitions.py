"""Whom a term means: its definition alone says so, and an ordinance names its own agencies, at core and intermediate server alike (docs/adr/0085)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
import yaml

from adapters.jlis_mock.core import list_lookup
from keys.windows import PublicKeys
from permission_lists.compiled import CompiledList
from permission_lists.decide import Party, Refused
from permission_lists.model import parse
from tests.permission_lists.test_decide import ORDINANCE
from transport.register import ALWAYS, Agency

Named = Callable[[str], Party]


@pytest.mark.parametrize(
    "definition",
    [
        "{kinds: [特別区の区長], agencies: [世田谷区長]}",
        "{kinds: [], agencies: [世田谷区長], unresolved: true}",
        "{kinds: [], agencies: [世田谷区長], unresolved: true, possible: [特別区の区長]}",
    ],
)
def test_an_ordinance_lets_its_own_agency_ask_and_no_other_by_a_kind(party: Named, definition: str) -> None:
    """PL-5: whoever takes a list that says otherwise decides so all the same, at the core and at the intermediate servers."""
    whole = ORDINANCE.replace("世田谷区長: {kinds: [], agencies: [世田谷区長]}", f"世田谷区長: {definition}")
    assert whole != ORDINANCE

    assert both(whole, party("世田谷区長"), party("目黒区長")) == (None, None)
    assert both(whole, party("杉並区長"), party("目黒区長")) == ("inquirer_not_in_row", "inquirer_not_in_row")


def test_a_term_means_whom_its_definition_says_whatever_its_wording(party: Named) -> None:
    """PL-2, PL-4: 特別区の区長 that is defined as one agency is that agency; 内閣総理大臣 that is defined as 目黒区長 is not the minister."""
    text = ORDINANCE.replace("    世田谷区長: {", "    特別区の区長: {").replace(
        "inquirer: 世田谷区長", "inquirer: 特別区の区長"
    )
    text = text.replace(
        "    市町村長: {kinds: [市長, 町村長, 特別区の区長]}", "    内閣総理大臣: {kinds: [], agencies: [目黒区長]}"
    )
    text = text.replace("provider: 市町村長", "provider: 内閣総理大臣")

    assert both(text, party("世田谷区長"), party("目黒区長")) == (None, None)
    assert both(text, party("杉並区長"), party("目黒区長")) == ("inquirer_not_in_row", "inquirer_not_in_row")
    assert both(text, party("世田谷区長"), party("内閣総理大臣")) == ("provider_not_in_row", "provider_not_in_row")


def both(text: str, inquirer: Party, provider: Party) -> tuple[str | None, str | None]:
    """What an intermediate server and the core say of one question under the ordinance."""
    on, what = date(2023, 4, 1), "地方税関係情報"
    parties = {"one": inquirer, "other": provider}
    compiled = CompiledList(parse([text]), parties, on).decide("one", "other", "setagaya-ordinance", "1", what)
    one, other = (
        Agency(id=id_, code="", name=party.name, kinds=party.kinds, signing_keys=PublicKeys(()), assessed=ALWAYS)
        for id_, party in parties.items()
    )
    by_core = list_lookup.build([yaml.load(text, Loader=yaml.CSafeLoader)]).refusal(
        on=on, inquirer=one, provider=other, basis="setagaya-ordinance", item="1", information=what
    )
    return compiled.reason.value if isinstance(compiled, Refused) else None, by_core
