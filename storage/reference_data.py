"""Reads the data files that pure packages ship: the permission list, the party rules, the replica layouts.

Pure packages open no files; this is their only reader. Each file is read once per process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

import yaml

from codebook import layouts
from permission_lists import model, parties

VERSIONS_FILE = "versions.yaml"
PARTY_RULES_FILE = "party_kinds.yaml"
MUNICIPALITIES_FILE = "municipalities.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedVersion:
    """A version of the list as shipped, not signed yet. `texts`: its documents (YAML)."""

    number: int
    valid_from: date
    files: tuple[str, ...]
    texts: tuple[str, ...]


@cache
def read_shipped_versions() -> tuple[ShippedVersion, ...]:
    """The versions that a new installation begins with, oldest first; set-up signs them."""
    folder = resources.files("permission_lists") / "data"
    index = yaml.load((folder / VERSIONS_FILE).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return tuple(
        ShippedVersion(
            number=entry["number"],
            valid_from=date.fromisoformat(entry["valid_from"]),
            files=tuple(entry["documents"]),
            texts=tuple((folder / name).read_text(encoding="utf-8") for name in entry["documents"]),
        )
        for entry in index
    )


def read_permission_texts() -> tuple[str, ...]:
    """The documents of the newest shipped version, for whoever reads them with code of their own."""
    return read_shipped_versions()[-1].texts


@cache
def read_permission_list(on: date | None = None) -> model.PermissionList:
    """The list as shipped: the version valid on a day, or the newest, which holds 別表第二 (2022) and the order of 2024."""
    versions = read_shipped_versions()
    return model.parse([one for one in versions if on is None or one.valid_from <= on][-1].texts)


@cache
def read_party_rules() -> parties.PartyRules:
    """How an agency's legal kinds are told from its name."""
    folder = resources.files("permission_lists") / "data"
    rules, places = ((folder / name).read_text(encoding="utf-8") for name in (PARTY_RULES_FILE, MUNICIPALITIES_FILE))
    return parties.parse_rules(rules, places)


@cache
def read_layouts() -> tuple[layouts.Layout, ...]:
    """The replica layouts, in file name order."""
    folder = resources.files("codebook") / "layout_data"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return tuple(layout for entry in files for layout in layouts.parse(entry.read_text(encoding="utf-8")))
