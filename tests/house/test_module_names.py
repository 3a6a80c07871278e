"""A module is named by its content, so the names that say nothing are refused; package __init__ files stay empty."""

from __future__ import annotations

import pytest

from tests.house.sources import ROOT, modules, production_modules

SAYS_NOTHING = frozenset(
    {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "misc",
        "base",
        "manager",
        "service",
        "services",
        "handler",
        "handlers",
    }
)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_module_or_folder_has_a_name_that_says_nothing(module):
    parts = {part for name in (*module.parent.parts, module.stem) for part in name.split("_")}
    assert parts & SAYS_NOTHING == set()


@pytest.mark.parametrize("module", [name for name in production_modules() if name.name == "__init__.py"], ids=str)
def test_a_package_init_is_empty(module):
    assert (ROOT / module).read_text(encoding="utf-8").strip() == ""
