"""What a package reads at run time is installed with it: data files have a suffix that pyproject takes, in folders that it finds."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch

from tests.house.sources import PACKAGES, ROOT, files

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
PATTERNS = SETUPTOOLS["package-data"]["*"]


def test_every_data_file_of_a_package_is_package_data():
    data = [name for name in files() if name.parts[0] in PACKAGES and name.suffix != ".py"]
    assert data
    assert [name for name in data if not any(fnmatch(name.name, pattern) for pattern in PATTERNS)] == []


def test_folders_without_init_are_found_too():
    find = SETUPTOOLS["packages"]["find"]
    assert find.get("namespaces", True), "migrations and data folders have no __init__.py"
    assert {f"{package}*" for package in PACKAGES} == set(find["include"])


def test_the_openapi_documents_lie_inside_a_package():
    inside = {path.name for path in (ROOT / "transport" / "openapi_documents").glob("*.yaml")}
    assert inside == {path.name for path in (ROOT / "docs" / "openapi").glob("*.yaml")}
