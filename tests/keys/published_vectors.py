"""Finds test vectors that others publish. They are read in place and never copied into the project."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

ROOT = Path(__file__).resolve().parents[2]


def wycheproof(name: str) -> list[Any]:
    """One pytest.param per case: (group, case). Without the folder: skip, but fail where CI is set."""
    folder = Path(os.environ.get("SEKISHO_VECTORS", ROOT / ".." / "shared" / "vectors"))
    path = folder / f"{name}_test.json"
    if not path.exists():
        if os.environ.get("CI"):
            raise FileNotFoundError("the Wycheproof vectors are missing and CI must not skip them")
        pytest.skip("Wycheproof vectors not found; set SEKISHO_VECTORS", allow_module_level=True)
    groups = json.loads(path.read_text())["testGroups"]
    return [
        pytest.param(group, case, id=f"{name}-{case['tcId']}-{case['result']}")
        for group in groups
        for case in group["tests"]
    ]


def hpke(name: str) -> list[dict[str, Any]]:
    """RFC 9180 and post-quantum draft vectors, of the package cryptography_vectors."""
    found: list[dict[str, Any]] = json.loads((Path(cryptography_vectors.__path__[0]) / "HPKE" / name).read_text())
    return found
