"""The signing key of an agency elsewhere, where it is another than its file says: it was replaced by command, and the file is its own (docs/adr/0072)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from gateway.data_folder import write_private

_FILE: Final = "signing-key.json"


def signing_key_of(folder: Path, told: str) -> str:
    """The key (hex) that counts for an agency with this folder. `told`: the one of its file; a file that says another one than was replaced counts again."""
    try:
        kept: dict[str, str] = json.loads((folder / _FILE).read_bytes())
    except FileNotFoundError:
        return told
    return kept["key"] if kept["instead_of"] == told else told


def replace_signing_key(folder: Path, told: str, key: str) -> None:
    """From now on `key` counts instead of the one that its file says."""
    write_private(folder / _FILE, json.dumps({"instead_of": told, "key": key}, indent=1).encode())
