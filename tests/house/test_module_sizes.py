"""A module fits in the head: at most 400 lines."""

from __future__ import annotations

from tests.house.sources import ROOT, modules

MOST_LINES = 400


def test_a_module_has_at_most_400_lines():
    sizes = {str(module): len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in modules()}
    assert {module: size for module, size in sizes.items() if size > MOST_LINES} == {}
