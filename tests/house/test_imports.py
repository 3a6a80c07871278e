"""The import contracts bite: a forbidden import planted in a copy of the tree is found. `make lint` checks the tree itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.sources import PACKAGES, ROOT

PLANTED = [
    ("gateway/intermediate_server", "codebook.individual_number"),
    ("adapters/jlis_mock/core", "codebook.individual_number"),
    ("adapters/jlis_mock/interface", "codebook.individual_number"),
    ("transport", "codebook.individual_number"),
    ("gateway/linkage_server", "gateway.intermediate_server.codes"),
    ("adapters/sky2", "gateway.linkage_server"),
    ("adapters/jlis_mock/core", "permission_lists.decide"),
    ("keys", "codebook.identifiers"),
    ("evidence", "asyncpg"),
    ("codebook", "time"),
]


SCRIPTS = {"permission_lists.import_law_tables"}


def test_every_module_of_the_permission_lists_but_the_script_is_held_pure():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    held = next(contract["source_modules"] for contract in contracts if contract["id"] == "pure")
    present = {f"permission_lists.{path.stem}" for path in (ROOT / "permission_lists").glob("*.py")} - {
        "permission_lists.__init__"
    }
    assert present - SCRIPTS == {name for name in held if name.startswith("permission_lists.")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    target = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", target)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    return target


def broken(tree: Path) -> str:
    lint = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    run = subprocess.run(
        [lint, "--no-logo", "--no-cache"], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    return run.stdout if run.returncode else ""


def test_the_tree_keeps_its_contracts(copy):
    assert broken(copy) == ""


@pytest.mark.parametrize(("package", "imported"), PLANTED)
def test_a_planted_road_to_an_individual_number_or_a_code_is_found(copy, package, imported):
    planted = copy / package / "planted.py"
    planted.write_text(f"import {imported}\n")
    report = broken(copy)
    planted.unlink()
    assert "BROKEN" in report
    assert imported.split(".")[0] in report
