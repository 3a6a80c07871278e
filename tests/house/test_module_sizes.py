"""A module fits in the head: at most 400 lines."""

from __future__ import annotations

import pytest

from tests.house.sources import ROOT, modules

MOST_LINES = 400


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_has_at_most_400_lines(module):
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= MOST_LINES
