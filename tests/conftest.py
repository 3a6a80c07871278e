"""In which order the files are handed to the workers, which of them stay together, and what goes when all are through.

A long file that begins last is waited for by everybody, so those begin first. Files that ask for one costly thing (a running system) are one worker's:
it is made once, and not by every worker, nor anew whenever a file of another folder comes in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from storage.postgres import discard

ROOT = Path(__file__).resolve().parents[1]
LONG = (
    "tests/gateway/linkage_server/test_people_machine.py",
    "tests/system/test_scenarios.py",
    "tests/fault/test_kill_linkage.py",
    "tests/fault/test_kill_intermediate.py",
    "job of tests/system",
    "running of tests/gateway/intermediate_server",
    "system of tests/gateway/intermediate_server",
    "folder of tests/gateway/setting_up",
    "tests/gateway/provision/test_provision_machine.py",
    "tests/system/test_connecting_page.py",
    "tests/fault/test_kill_network.py",
    "tests/system/",
    "tests/gateway/provision/",
    "tests/gateway/",
    "tests/storage/",
    "tests/adapters/",
    "tests/house/",
)
"""Where names of units begin, longest first; what is not among them takes seconds."""
COSTLY = {
    "tests/system": ("job",),
    "tests/gateway/intermediate_server": ("running", "system"),
    "tests/gateway/setting_up": ("folder",),
}
"""Folder → fixtures of its conftest.py that live as long as there are tests of it."""


@cache
def unit_of(file: str) -> str:
    """What is handed out at once: a file, or all files of a folder that ask for the same costly thing."""
    folder, _, _ = file.rpartition("/")
    text = (ROOT / file).read_text(encoding="utf-8") if folder in COSTLY else ""
    asked = (
        name for name in COSTLY.get(folder, ()) if re.search(rf"^(async )?def \w+\([^)]*\b{name}\b", text, re.MULTILINE)
    )
    found = next(asked, None)
    return file if found is None else f"{found} of {folder}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        unit = unit_of(item.nodeid.partition("::")[0])
        return next((place for place, begins in enumerate(LONG) if unit.startswith(begins)), len(LONG))

    items.sort(key=place)


class ByUnit(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByUnit | None:
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by number of tests: the longest files have one or two
    return ByUnit(config, log)


@pytest.fixture(scope="session", autouse=True)
def _clusters_go_at_the_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clusters of data folders may lie elsewhere (storage.postgres), where nobody else would remove those that a command of a test set up."""
    yield
    for place in list(tmp_path_factory.getbasetemp().rglob("postgres-place")):
        discard(place.parent)
