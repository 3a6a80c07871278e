"""既存住基, simulated: the agency's own resident system, which takes code requests as files and passes them to the resident network.

`<folder>/<agency>/requests/<name>.csv` with `<name>.csv.manifest.json` beside it (`file, kind: code_requests, count, sha256, encoding`);
columns `acquisition_number,individual_number`. The answer is `<folder>/<agency>/results/<name>.csv.result.csv`: `line,outcome,reason` with
outcome `accepted`, `refused` or `retry`; or `<name>.csv.reason.json` when nothing of the file could be taken. The request is removed afterwards:
it holds Individual Numbers. A process that dies in the middle asks for the whole file again, which changes nothing.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from adapters.jlis_mock.resident_network.messages import CodeRequest
from storage import durable_file
from storage.database import StorageUnavailableError
from storage.fault_points import declare
from transport.problem import ProblemError

_LOG = structlog.get_logger()
_WRITTEN: Final = declare("resident_network", "send.code_results")
FILES: Final = Counter("sekisho_existing_residents_files", "Files of code requests that were taken", ["outcome"])
HEADER: Final = ["acquisition_number", "individual_number"]
_MANIFEST: Final = ".manifest.json"
_MOST_LINES: Final = 10_000
_MOST_BYTES: Final = 1024 * 1024
_LOOK_S: Final = 0.5
_PAUSE_S: Final = 2.0

Answering = Callable[[str, Sequence[CodeRequest]], Awaitable[list[dict[str, Any]]]]
"""Answers code requests of an agency as IF_FGU_90007 does, in order."""


class FileRefusedError(Exception):
    """Nothing of the file can be taken; the argument is the reason code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingResidents:
    """The folders of all `agencies` (called: those of now). `run()` must be running."""

    folder: Path
    agencies: Callable[[], Iterable[str]]
    answering: Answering

    async def run(self) -> None:
        while True:
            pause = _LOOK_S
            for agency, manifest in await asyncio.to_thread(waiting, self.folder, tuple(self.agencies())):
                try:
                    await self._take(agency, manifest)
                except (StorageUnavailableError, ProblemError, OSError) as failure:
                    pause = _PAUSE_S
                    reason = getattr(failure, "reason", type(failure).__name__)
                    _LOG.warning("existing_residents:waits", agency=agency, reason=reason)
                except Exception as failure:  # noqa: BLE001 (one bad file must not end the network)
                    pause = _PAUSE_S
                    _LOG.error("existing_residents:broke", agency=agency, error=type(failure).__name__)
            await asyncio.sleep(pause)

    async def _take(self, agency: str, manifest: Path) -> None:
        name = manifest.name.removesuffix(_MANIFEST)
        results = self.folder / agency / "results"
        data = manifest.with_name(name)
        try:
            asks = await asyncio.to_thread(read_requests, manifest, data)
        except FileRefusedError as refusal:
            FILES.labels(str(refusal)).inc()
            reason = json.dumps({"file": name, "reason": str(refusal)}).encode() + b"\n"
            await asyncio.to_thread(durable_file.write, results / f"{name}.reason.json", reason)
        else:
            answers = await self.answering(agency, asks)
            _WRITTEN.before.reached()
            await asyncio.to_thread(durable_file.write, results / f"{name}.result.csv", render(answers))
            _WRITTEN.after.reached()
            FILES.labels("answered").inc()
        for path in (data, manifest):
            await asyncio.to_thread(path.unlink, missing_ok=True)


def waiting(folder: Path, agencies: Iterable[str]) -> list[tuple[str, Path]]:
    """Manifests of requests by agency, the oldest name of each first; none where there is no folder."""
    there = {entry.name for entry in _entries(folder)}
    return [
        (agency, Path(entry.path))
        for agency in agencies
        if agency in there
        for entry in sorted(_entries(folder / agency / "requests"), key=lambda entry: entry.name)
        if entry.name.endswith(_MANIFEST) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
    ]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_requests(manifest: Path, data: Path) -> list[CodeRequest]:
    """The requests of a whole and unchanged file. Raises FileRefusedError, OSError."""
    try:
        told = json.loads(manifest.read_bytes())
        count, digest = told["count"], told["sha256"]
        fitting = told["file"] == data.name and told["kind"] == "code_requests" and told["encoding"] == "utf-8"
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileRefusedError("manifest_malformed") from None
    if not fitting:
        raise FileRefusedError("manifest_malformed")
    if not data.is_file():
        raise FileRefusedError("file_missing")
    content = data.read_bytes() if data.stat().st_size <= _MOST_BYTES else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise FileRefusedError("sha256_differs")
    rows = _rows(content)
    if len(rows) != count or len(rows) > _MOST_LINES:
        raise FileRefusedError("count_differs")
    try:
        return [
            msgspec.convert({"acquisition_number": row[0], "individual_number": row[1]}, CodeRequest) for row in rows
        ]
    except (msgspec.ValidationError, IndexError):
        raise FileRefusedError("line_malformed") from None


def _rows(content: bytes) -> list[list[str]]:
    try:
        rows = list(csv.reader(content.decode("utf-8").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise FileRefusedError("file_malformed") from None
    if not rows or rows[0] != HEADER:
        raise FileRefusedError("header_unknown")
    return rows[1:]


def render(answers: Iterable[dict[str, Any]]) -> bytes:
    """The result file: nobody's number, lines only."""
    lines = ["line,outcome,reason"]
    for number, answer in enumerate(answers, start=1):
        match answer:
            case {"accepted": True}:
                lines.append(f"{number},accepted,")
            case {"refused": {"reason": reason}}:
                lines.append(f"{number},refused,{reason}")
            case _:
                lines.append(f"{number},retry,{answer.get('retry') or 'core_unreachable'}")
    return ("\n".join(lines) + "\n").encode()
