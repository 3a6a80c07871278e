"""Spool folders: `<spool>/<agency>/<business system>/<channel>/{in,work,done,failed}`.

A sender puts the data file into `in/` first and its manifest after it, both by rename. The manifest's rename to `work/` is the claim:
one process wins it. Data files hold Individual Numbers, so none is kept: the sender has the original (SC-14). What stays is the manifest
with the result (`done/<file>.result.csv`) or with the reason (`failed/<file>.reason.json`).

A crash leaves one of two pictures: a manifest in `work/` is work to take up again; a data file in `work/` without manifest is finished work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.batch.manifest import SUFFIX

FOLDERS: Final = ("in", "work", "done", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """A claimed file: whose it is and where its parts lie."""

    agency: str
    system: str
    channel: str
    name: str
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "work" / self.name

    @property
    def manifest(self) -> Path:
        return self.folder / "work" / f"{self.name}{SUFFIX}"

    @property
    def result(self) -> Path:
        return self.folder / "done" / f"{self.name}.result.csv"

    @property
    def reason(self) -> Path:
        return self.folder / "failed" / f"{self.name}.reason.json"


def prepare(root: Path, agency: str, system: str, channels: Iterable[str]) -> None:
    """Make the folders of one business system; nobody else on the machine may read them."""
    for channel in channels:
        for folder in FOLDERS:
            (root / agency / system / channel / folder).mkdir(parents=True, exist_ok=True, mode=0o700)


def _durable(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _leave(file: SpoolFile, folder: str) -> None:
    target = file.folder / folder / file.manifest.name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.manifest.replace(target)
    file.data.unlink(missing_ok=True)


def finish(file: SpoolFile, result: bytes) -> None:
    """The result first, then the manifest, then the data goes: whatever of it a crash leaves out is done at the next start."""
    _durable(file.result, result)
    _leave(file, "done")


def fail(file: SpoolFile, reason: str) -> None:
    """The file cannot be taken as a whole; the reason is for the operator of the sending system."""
    _durable(file.reason, json.dumps({"file": file.name, "reason": reason}, ensure_ascii=False).encode() + b"\n")
    _leave(file, "failed")


def _named(folder: Path, agency: str, system: str, channel: str, manifest: str) -> SpoolFile:
    return SpoolFile(agency=agency, system=system, channel=channel, name=manifest.removesuffix(SUFFIX), folder=folder)


def _manifests(folder: Path) -> list[str]:
    try:
        return sorted(
            entry.name for entry in os.scandir(folder) if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
        )
    except FileNotFoundError:
        return []


def _folders(root: Path, agency: str, channels: Iterable[str]) -> Iterable[tuple[str, str, Path]]:
    """Business systems of an agency by channel, in the order of the channels: people before what is known about them."""
    try:
        systems = sorted(entry.name for entry in os.scandir(root / agency) if entry.is_dir())
    except FileNotFoundError:
        return []
    return [(system, channel, root / agency / system / channel) for channel in channels for system in systems]


def _take_data(file: SpoolFile) -> None:
    """The second half of a claim; a data file that is not in `in/` either is found missing when it is read."""
    waiting = file.folder / "in" / file.name
    if not file.data.exists() and waiting.exists():
        waiting.replace(file.data)


def recover(root: Path, agency: str, channels: Iterable[str]) -> list[SpoolFile]:
    """What an earlier process left in `work/`, to be taken up again; removes data files whose work is finished."""
    found: list[SpoolFile] = []
    for system, channel, folder in _folders(root, agency, channels):
        work = folder / "work"
        manifests = _manifests(work)
        kept = {*manifests, *(name.removesuffix(SUFFIX) for name in manifests)}
        for entry in os.scandir(work) if work.exists() else ():
            if entry.name not in kept:
                Path(entry.path).unlink(missing_ok=True)
        for manifest in manifests:
            file = _named(folder, agency, system, channel, manifest)
            _take_data(file)
            found.append(file)
    return found


def claim_next(root: Path, agency: str, channels: Iterable[str]) -> SpoolFile | None:
    """Claim the next waiting file of an agency, or None when there is none."""
    for system, channel, folder in _folders(root, agency, channels):
        for manifest in _manifests(folder / "in"):
            file = _named(folder, agency, system, channel, manifest)
            try:
                file.manifest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                (folder / "in" / manifest).rename(file.manifest)
            except FileNotFoundError:
                continue  # another process was faster
            _take_data(file)
            return file
    return None


def waiting(root: Path, agency: str, channels: Iterable[str]) -> int:
    """Files that wait in `in/` with their manifests (metric)."""
    return sum(len(_manifests(folder / "in")) for _, _, folder in _folders(root, agency, channels))
