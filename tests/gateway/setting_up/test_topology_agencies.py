"""What a topology says of an agency: the name by which it is registered, and the days on which it is assessed."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.topology import parse
from tests.gateway.setting_up.test_topology import AGENCY, topology
from transport.register import AssessedDays


def test_an_agency_says_on_which_days_it_is_assessed():
    days = "[{valid_from: 2024-04-01}, {valid_from: 2022-04-01, valid_to: 2023-03-31}]"
    found = parse(topology(f"{AGENCY[:-1]}, assessed: {days}}}")).agencies["setagaya"].assessed
    assert found == (
        AssessedDays(valid_from=date(2022, 4, 1), valid_to=date(2023, 3, 31)),
        AssessedDays(valid_from=date(2024, 4, 1)),
    )


@pytest.mark.parametrize(
    ("said", "listed"),
    [
        ("東京都世田谷区長", "世田谷区長"),
        ("東京都西多摩郡瑞穂町長", "瑞穂町長"),
        ("東京都府中市長", "東京都府中市長"),
        ("全国健康保険協会", "全国健康保険協会"),
    ],
)
def test_an_agency_is_registered_under_the_name_by_which_a_list_means_it(said, listed):
    """PL-5: whichever of its names the file has, a row that names the agency names this one."""
    found = parse(topology(f"{{id: setagaya, code: '9999000000000001', name: {said}}}"))
    assert found.agencies["setagaya"].name == listed
