"""Files that are at their place whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600


def part_of(path: Path) -> Path:
    """Where a file is written before it is at its place; the folder is there afterwards, for its owner alone. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path.with_name(f".{path.name}.part")


def write(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file beside its place, then put it there. `mode`: of a file that is made, less the umask. Raises OSError."""
    part = part_of(path)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    put(part, path)


def put(written: Path, path: Path) -> None:
    """Put a file that is written at its place: file, name and folder are on the disk afterwards. Raises OSError."""
    with written.open("rb+") as file:
        os.fsync(file.fileno())
    written.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp | None:
    """Another value whenever a file was put at this place; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
