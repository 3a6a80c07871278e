"""Certificates end by the machine's clock, as TLS has it, also where a simulation's clock says another year (docs/adr/0045): the outputs say so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway import certificates_command
from gateway.assessing import files
from gateway.assessing.installation import Installation
from transport.clock import Clock


def test_the_list_of_certificates_says_by_which_clock_they_end(capsys):
    certificates_command._list([], as_json=False)
    assert "この機械の時計" in capsys.readouterr().out


@pytest.mark.parametrize("year", [2022, 2034])
def test_an_assessment_says_by_which_clock_certificates_were_judged(year):
    """SC-28: whatever year the roles are in."""
    today = Clock()()
    installation = Installation(data=None, now=datetime(year, 10, 3, tzinfo=UTC), register=None, roles=())
    assert f"この機械の時計 {today:%Y-%m-%d} で" in files.certificates(installation).seen
