"""Keys of an agency elsewhere where they are others than its file says: they were replaced by command, and the file is its own (docs/adr/0072)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from gateway.data_folder import write_private
from gateway.setting_up.key_files import LOG, SIGNING

_FILES: Final = {SIGNING: "signing-key.json", LOG: "log-key.json"}


def key_of(folder: Path, purpose: str, told: str) -> str:
    """The key (hex) that counts for an agency with this folder. `told`: the one of its file; a file that says another one than was replaced counts again."""
    try:
        kept: dict[str, str] = json.loads((folder / _FILES[purpose]).read_bytes())
    except FileNotFoundError:
        return told
    return kept["key"] if kept["instead_of"] == told else told


def replace_key(folder: Path, purpose: str, told: str, key: str) -> None:
    """From now on `key` counts instead of the one that its file says."""
    write_private(folder / _FILES[purpose], json.dumps({"instead_of": told, "key": key}, indent=1).encode())
