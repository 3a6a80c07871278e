"""Certificates that are suspended: they lie where they lay, and stand in no register until they are taken up again (IS-4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.data_folder import DataFolder, write_private

FIELDS: Final = ("agency", "use", "name")


def _file(data: DataFolder) -> Path:
    return data.authority / "suspended.json"


def suspended(data: DataFolder) -> dict[str, dict[str, str]]:
    """Hex SHA-256 of each → whose it is: `agency`, `use`, `name`. Raises OSError, ValueError."""
    try:
        found: dict[str, dict[str, str]] = json.loads(_file(data).read_bytes())
    except FileNotFoundError:
        return {}
    return found


def suspend(data: DataFolder, sha256: str, entry: Mapping[str, str]) -> None:
    """Before the register is published without it: a run that dies in between leaves it out at the next set-up."""
    _write(data, {**suspended(data), sha256: {name: entry[name] for name in FIELDS}})


def take_up(data: DataFolder, sha256: str) -> None:
    """After the register has been published with it."""
    _write(data, {name: entry for name, entry in suspended(data).items() if name != sha256})


def carry_over(data: DataFolder, certificates: Sequence[Mapping[str, str]]) -> None:
    """A suspended certificate that lies here no more was renewed: its holder stays suspended. `certificates`: those that lie here, as the register names them."""
    lying = {one["sha256"] for one in certificates}
    for sha256, whose in suspended(data).items():
        successors = [one["sha256"] for one in certificates if all(one[name] == whose[name] for name in FIELDS)]
        if sha256 not in lying and successors:
            for successor in successors:
                suspend(data, successor, whose)
            take_up(data, sha256)


def _write(data: DataFolder, entries: Mapping[str, Mapping[str, str]]) -> None:
    write_private(_file(data), json.dumps(entries, indent=1, sort_keys=True).encode())
