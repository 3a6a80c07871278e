"""What is installed is what was checked: every dependency pinned with hashes, nothing said of where it comes from."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house.sources import ROOT

PINNED = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==([^\s;\\]+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
FILES = ["requirements.txt", "requirements-dev.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, str]:
    return {match[1]: match[2] for match in PINNED.finditer((ROOT / name).read_text(encoding="utf-8"))}


def asked(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}


@pytest.mark.parametrize("name", FILES)
def test_every_dependency_is_pinned_with_a_hash(name):
    assert PINNED.sub("", (ROOT / name).read_text(encoding="utf-8")).strip() == ""


def test_what_the_project_asks_for_is_pinned():
    assert asked(PROJECT["dependencies"]) <= set(pins("requirements.txt"))
    assert asked(PROJECT["optional-dependencies"]["dev"]) <= set(pins("requirements-dev.txt"))


def test_the_checks_run_on_the_versions_that_users_run():
    development = pins("requirements-dev.txt")
    assert {name: development.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")
