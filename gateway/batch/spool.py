"""Spool folders: `<spool>/<agency>/<business system>/<channel>/{in,work,done,failed}`.

A sender puts the data file into `in/` first and its manifest after it, both by rename. The manifest's rename to `work/` is the claim:
one process wins it. Data files hold Individual Numbers, so none is kept: the sender has the original (SC-14). What stays is the manifest
with the result (`done/<file>.result.csv`) or with the reason (`failed/<file>.reason.json`).

Nothing that somebody puts into a folder may stop the others: a manifest under a name that we do not take goes to `failed/` under a drawn name,
and what can be neither taken nor moved is counted, said once, and left where it is.

A crash leaves one of two pictures: a manifest in `work/` is work to take up again; a data file in `work/` without manifest is finished work.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
import structlog
from prometheus_client import Counter

from gateway.batch.manifest import NAME, SUFFIX, Manifest, read_manifest
from gateway.batch.refusal_texts import TEXTS
from storage import durable_file

_LOG = structlog.get_logger()
FOLDERS: Final = ("in", "work", "done", "failed")
IN_THE_WAY = Counter(
    "sekisho_spool_in_the_way", "Things in spool folders that could not be read, moved or removed", ["what"]
)
NameRule = Callable[[str], bool]
"""True for a name of a data file that may not be taken, although it has the form of one."""
_REASON: Final = ".reason.json"
_MOST_LOOKED_INTO: Final = 1_000
_LONGEST_MANIFEST: Final = 1 << 16
_SYSTEM: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


class _Failure(msgspec.Struct, frozen=True):
    """What a reason file says."""

    reason: str
    facts: dict[str, int] = {}


_FAILURE: Final = msgspec.json.Decoder(_Failure)


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
        return self.folder / "failed" / f"{self.name}{_REASON}"


def prepare(root: Path, agency: str, system: str, channels: Iterable[str]) -> None:
    """Make the folders of one business system; nobody else on the machine may read them."""
    for channel in channels:
        for folder in FOLDERS:
            (root / agency / system / channel / folder).mkdir(parents=True, exist_ok=True, mode=0o700)


def durable(path: Path, content: bytes | Path) -> None:
    """Write a file, or put one that is written, so that it is there whole or not at all, also after a power cut."""
    if isinstance(content, bytes):
        durable_file.write(path, content, mode=0o666)
    else:
        durable_file.put(content, path)


@lru_cache(maxsize=1024)
def _say_once(what: str, folder: Path, name: str, error: str) -> None:  # noqa: ARG001 (folder and name tell one from another; they are a sender's words and are not logged)
    _LOG.warning("spool:in_the_way", kind=what, error=error)


def _in_the_way(what: str, path: Path, failure: OSError) -> None:
    """Count what we cannot help, and log it once: the name stays unsaid, since anybody may have chosen it."""
    IN_THE_WAY.labels(what).inc()
    _say_once(what, path.parent, path.name, type(failure).__name__)


def _drop_data(path: Path) -> None:
    """Remove a data file. What is none (a folder) is left to the operator, in `failed/` under a drawn name."""
    try:
        if path.is_dir() and not path.is_symlink():
            path.rename(path.parents[1] / "failed" / f"not-a-file-{secrets.token_hex(8)}")
        else:
            path.unlink(missing_ok=True)
    except OSError as failure:
        _in_the_way("data", path, failure)


def _leave(file: SpoolFile, folder: str) -> None:
    target = file.folder / folder / file.manifest.name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        file.manifest.replace(target)
    except OSError:  # something else is there under this name
        file.manifest.replace(target.with_name(f"again-{secrets.token_hex(8)}{SUFFIX}"))
    _drop_data(file.data)


def _forget_earlier(file: SpoolFile) -> None:
    """A file that failed under this name has come again and is taken: what was said against it counts no more."""
    for earlier in (file.reason, file.folder / "failed" / file.manifest.name):
        try:
            earlier.unlink(missing_ok=True)
        except OSError as failure:
            _in_the_way("reason", earlier, failure)


def finish(file: SpoolFile, result: bytes | Path) -> None:
    """The result first, then the manifest, then the data goes: whatever of it a crash leaves out is done at the next start."""
    durable(file.result, result)
    _forget_earlier(file)
    _leave(file, "done")


def fail(file: SpoolFile, reason: str, where: str = "", facts: Mapping[str, int] | None = None) -> None:
    """The file cannot be taken as a whole; the reason is for the operator of the sending system. Raises OSError when that cannot be said."""
    durable(file.reason, _reason(file.name, reason, where, facts or {}))
    _leave(file, "failed")


def _reason(name: str, reason: str, where: str = "", facts: Mapping[str, int] = MappingProxyType({})) -> bytes:
    """The reason file: code and place for programs, words for people; a part that says nothing is left out."""
    said = {"file": name, "reason": reason, "where": where, "message": TEXTS.get(reason, ""), "facts": dict(facts)}
    return json.dumps({part: text for part, text in said.items() if text}, ensure_ascii=False).encode() + b"\n"


def _turn_away(folder: Path, manifest: str, reason: str, *, keep: bool) -> None:
    """A manifest that cannot be claimed goes to `failed/` under a drawn name, or goes altogether, since it repeats its name; its data file goes."""
    path = folder / "in" / manifest
    name = f"refused-{secrets.token_hex(8)}"
    try:
        (folder / "failed").mkdir(parents=True, exist_ok=True, mode=0o700)
        if keep:
            path.rename(folder / "failed" / f"{name}{SUFFIX}")
        else:
            path.unlink()
        durable(folder / "failed" / f"{name}{_REASON}", _reason(name, reason))
    except FileNotFoundError:
        return  # another process was faster
    except OSError as failure:
        _in_the_way("manifest", path, failure)
        return
    _drop_data(folder / "in" / manifest.removesuffix(SUFFIX))


def _named(folder: Path, agency: str, system: str, channel: str, manifest: str) -> SpoolFile:
    return SpoolFile(agency=agency, system=system, channel=channel, name=manifest.removesuffix(SUFFIX), folder=folder)


def _manifests(folder: Path) -> list[str]:
    try:
        return sorted(
            entry.name for entry in os.scandir(folder) if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
        )
    except FileNotFoundError:
        return []
    except OSError as failure:
        _in_the_way("folder", folder, failure)
        return []


def _is_name(manifest: str) -> bool:
    return NAME.fullmatch(manifest.removesuffix(SUFFIX)) is not None


def _folders(root: Path, agency: str, channels: Iterable[str]) -> Iterable[tuple[str, str, Path]]:
    """Business systems of an agency by channel, in the order of the channels: people before what is known about them."""
    try:
        systems = sorted(
            entry.name for entry in os.scandir(root / agency) if _SYSTEM.fullmatch(entry.name) and entry.is_dir()
        )
    except FileNotFoundError:
        return []
    except OSError as failure:
        _in_the_way("folder", root / agency, failure)
        return []
    return [(system, channel, root / agency / system / channel) for channel in channels for system in systems]


def _take_data(file: SpoolFile, *, again: bool) -> None:
    """The second half of a claim; a data file that is not in `in/` either, or cannot be moved, is found missing when it is read.

    `again`: what lies in `work/` under this name is a leftover that could not be removed.
    """
    waiting = file.folder / "in" / file.name
    try:
        if waiting.exists() and (again or not file.data.exists()):
            waiting.replace(file.data)
    except OSError as failure:
        _in_the_way("data", waiting, failure)


def recover(root: Path, agency: str, channels: Iterable[str]) -> list[SpoolFile]:
    """What an earlier process left in `work/`, to be taken up again; removes data files whose work is finished."""
    found: list[SpoolFile] = []
    for system, channel, folder in _folders(root, agency, channels):
        work = folder / "work"
        manifests = [name for name in _manifests(work) if _is_name(name)]
        _sweep(work, {*manifests, *(name.removesuffix(SUFFIX) for name in manifests)})
        for manifest in manifests:
            file = _named(folder, agency, system, channel, manifest)
            _take_data(file, again=False)
            found.append(file)
    return found


def _sweep(work: Path, kept: set[str]) -> None:
    """Remove what a finished file left in `work/`."""
    try:
        left = [entry.name for entry in os.scandir(work) if entry.name not in kept]
    except FileNotFoundError:
        return
    except OSError as failure:
        _in_the_way("folder", work, failure)
        return
    for name in left:
        _drop_data(work / name)


def claim_next(
    root: Path,
    agency: str,
    channels: Iterable[str],
    *,
    but: Container[str] = (),
    name_is_refused: NameRule = lambda _name: False,
) -> SpoolFile | None:
    """Claim the next waiting file of an agency, or None when there is none; manifests under other names are turned away.

    `but`: business systems whose files stay where they are for now.
    """
    for system, channel, folder in _folders(root, agency, channels):
        if system in but:
            continue
        for manifest in _manifests(folder / "in"):
            refused = name_is_refused(manifest.removesuffix(SUFFIX))
            if refused or not _is_name(manifest):
                _turn_away(folder, manifest, "file_name_not_allowed", keep=not refused)
                continue
            file = _named(folder, agency, system, channel, manifest)
            if file.manifest.is_file():
                continue  # one of this name is under way: the next begins when it is through
            try:
                file.manifest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                (folder / "in" / manifest).rename(file.manifest)
            except FileNotFoundError:
                continue  # another process was faster
            except OSError:
                _turn_away(folder, manifest, "file_not_claimable", keep=True)
                continue
            _take_data(file, again=True)
            return file
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFile:
    """A file of which nothing was taken. `age`: how long ago; `facts`: counts that say more, of nobody."""

    system: str
    channel: str
    name: str
    reason: str
    facts: Mapping[str, int]
    age: timedelta


def failed(root: Path, agency: str, channels: Iterable[str]) -> list[FailedFile]:
    """What lies in `failed/` with a reason; what cannot be read is not told."""
    now = time.time()
    found: list[FailedFile] = []
    for system, channel, folder in _folders(root, agency, channels):
        for path in (folder / "failed").glob(f"*{_REASON}"):
            try:
                said = _FAILURE.decode(path.read_bytes())
                age = timedelta(seconds=max(0.0, now - path.stat().st_mtime))
            except (OSError, msgspec.DecodeError, msgspec.ValidationError):
                continue
            name = path.name.removesuffix(_REASON)
            found.append(
                FailedFile(system=system, channel=channel, name=name, reason=said.reason, facts=said.facts, age=age)
            )
    return found


def waiting(root: Path, agency: str, channels: Iterable[str]) -> int:
    """Files that wait in `in/` with their manifests (metric)."""
    return sum(len(_manifests(folder / "in")) for _, _, folder in _folders(root, agency, channels))


def promised(root: Path, agency: str, channel: str, *, longest: int) -> tuple[int, int]:
    """Data rows that the manifests of waiting files speak of, and files that are not counted: those that say nothing believable, and those beyond
    the first thousand of a business system.
    """
    rows = uncounted = 0
    for _, _, folder in _folders(root, agency, (channel,)):
        for nth, name in enumerate(_manifests(folder / "in")):
            path = folder / "in" / name
            found = read_manifest(path, kind=channel) if nth < _MOST_LOOKED_INTO and _is_small(path) else None
            if isinstance(found, Manifest) and 0 <= found.count <= longest:
                rows += found.count
            else:
                uncounted += 1
    return rows, uncounted


def _is_small(path: Path) -> bool:
    try:
        return path.stat().st_size <= _LONGEST_MANIFEST
    except OSError:  # it was claimed just now
        return False
