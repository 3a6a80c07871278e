"""No file names the machine it was written on, the place packages came from, or leaves a check without its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.house.sources import ROOT, files, modules, production_modules

# Spelt in pieces, so that this file does not contain what it looks for.
REGISTRIES = [
    re.escape("".join(pieces))
    for pieces in (("py", "pi.org"), ("python", "hosted"), ("npm", "js.org"), ("proxy.go", "lang"))
]
HOMES = [
    re.escape("".join(pieces)) + "[A-Za-z0-9.]"
    for pieces in (("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/"), ("/opt/", "py"))
]
REFUSED = re.compile("|".join((*REGISTRIES, *(rf"(?<![A-Za-z0-9_.}}-]){home}" for home in HOMES))))
TEXT = frozenset(
    {
        ".py",
        ".md",
        ".txt",
        ".toml",
        ".yaml",
        ".yml",
        ".sql",
        ".json",
        ".html",
        ".css",
        ".cfg",
        ".sh",
        ".ndjson",
        ".csv",
        "",
    }
)
BARE_IGNORE = re.compile(r"#\s*(type:\s*ignore|noqa)(?!\s*[\[:])")
EXCUSE_WITHOUT_REASON = re.compile(
    r"#\s*(?:type:\s*ignore\[[^\]]+\]|noqa:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)\s*$", re.MULTILINE
)


def lines_with(pattern: re.Pattern[str], names: Iterable[Path]) -> list[str]:
    """The lines of these files in which the pattern is found; files there must be."""
    read = {name: (ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines() for name in names}
    assert read
    return [f"{name}:{at}" for name, lines in read.items() for at, line in enumerate(lines, 1) if pattern.search(line)]


def test_no_path_of_a_machine_and_no_registry_host():
    assert lines_with(REFUSED, [name for name in files() if name.suffix in TEXT]) == []


def test_every_silenced_check_names_its_code():
    assert lines_with(BARE_IGNORE, modules()) == []


def test_every_silenced_check_gives_its_reason():
    assert lines_with(EXCUSE_WITHOUT_REASON, production_modules()) == []


def test_the_pattern_finds_what_it_is_for():
    pieces = ("see /wo", "rk/main; https://py", "pi.org/simple")
    assert len(REFUSED.findall("".join(pieces))) == 2
    assert not REFUSED.search("GET /network/home.html and {root}/work")
