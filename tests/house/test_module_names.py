"""A module is named by its content, so the names that say nothing are refused; package __init__ files stay empty."""

from __future__ import annotations

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


def test_no_module_or_folder_has_a_name_that_says_nothing():
    found = [
        str(module)
        for module in modules()
        if {part for name in (*module.parent.parts, module.stem) for part in name.split("_")} & SAYS_NOTHING
    ]
    assert found == []


def test_a_package_init_is_empty():
    packages = [name for name in production_modules() if name.name == "__init__.py"]
    assert packages
    assert [str(name) for name in packages if (ROOT / name).read_text(encoding="utf-8").strip()] == []
