"""The whole topology has everybody of the assessment report; scenarios/happy-path-of-every-item.yaml lets each of them ask and be answered."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from gateway.topology import parse, shipped, shipped_text
from storage.reference_data import read_layouts
from synthetic.business import LOCAL_TAX, MEDICAL_INSURANCE, RECEIVING_ACCOUNT, UNEMPLOYMENT
from synthetic.recipients import RECIPIENTS

WHOLE = parse(shipped_text("topologies/whole"))
SCENARIO = Path(__file__).parents[2] / "scenarios" / "happy-path-of-every-item.yaml"
ITEMS = [1, 2, 3, 4, 5, 9, 26, 27, 30, 33, 39, 42, 44, 58, 62, 80, 87, 93, 120]
"""Of Ⅰ-6② of the report (PL-1)."""


def test_the_report_names_eighteen_recipients_and_each_has_a_business_system():
    assert [one.number for one in RECIPIENTS] == list(range(1, 19))
    assert [int(one.item) for one in RECIPIENTS] == [item for item in ITEMS if item != 44]
    clients = {(agency.id, one.id): one for agency in WHOLE.agencies.values() for one in agency.systems}
    assert {(one.agency, one.system) for one in RECIPIENTS} <= set(clients)
    for one in RECIPIENTS:  # asks by call and by file, and finds whom it holds (`sekisho portal card`)
        granted = set(clients[one.agency, one.system].grants)
        assert {"inquiries:create", "inquiry-files:spool", "persons:search"} <= granted


def test_the_happy_path_has_every_item_of_the_report_and_every_recipient_with_its_own_business_system():
    asks = [
        step["ask"]
        for step in yaml.load(SCENARIO.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["steps"]
        if "ask" in step
    ]
    assert sorted({int(ask["item"]) for ask in asks}) == ITEMS
    assert {(one.system, one.item) for one in RECIPIENTS} <= {(ask["from"], ask["item"]) for ask in asks}


def test_the_whole_topology_has_everybody_of_the_default_one_under_the_same_code():
    codes = {name: agency.code for name, agency in WHOLE.agencies.items()}
    assert {name: agency.code for name, agency in shipped().agencies.items()}.items() <= codes.items()


@pytest.mark.parametrize("information", [MEDICAL_INSURANCE, RECEIVING_ACCOUNT, UNEMPLOYMENT, LOCAL_TAX])
def test_every_layout_says_that_it_is_ours(information):
    found = [layout for layout in read_layouts() if layout.information == information]
    assert found
    assert all(layout.form_is_ours for layout in found)
    assert any(layout.valid_from <= date(2022, 10, 3) for layout in found)
