"""Reads the data files that pure packages ship: the permission list, the party rules, the replica layouts.

Pure packages open no files; this is their only reader. Each file is read once per process.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from codebook import layouts
from permission_lists import model, parties

LIST_FILES = ("beppyo2_2022.yaml", "meirei_2024.yaml")
PARTY_RULES_FILE = "party_kinds.yaml"


def read_permission_texts() -> tuple[str, ...]:
    """The list documents as shipped, for whoever reads them with code of their own (the simulated core)."""
    folder = resources.files("permission_lists") / "data"
    return tuple((folder / name).read_text(encoding="utf-8") for name in LIST_FILES)


@cache
def read_permission_list() -> model.PermissionList:
    """The list by statute and order: 別表第二 (2022) and the order of 2024."""
    return model.parse(read_permission_texts())


@cache
def read_party_rules() -> parties.PartyRules:
    """How an agency's legal kinds are told from its name."""
    folder = resources.files("permission_lists") / "data"
    return parties.parse_rules((folder / PARTY_RULES_FILE).read_text(encoding="utf-8"))


@cache
def read_layouts() -> tuple[layouts.Layout, ...]:
    """The replica layouts, in file name order."""
    folder = resources.files("codebook") / "layout_data"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return tuple(layout for entry in files for layout in layouts.parse(entry.read_text(encoding="utf-8")))
