"""Files for the linkage server's spool: the data file first, then the manifest beside it, both by rename."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from synthetic.business import BusinessRecord
from synthetic.rows import COLUMNS, Planted, RowReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A line that must be refused. The header is line 1."""

    line: int
    reason: RowReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: count is of data rows, sha256 (hex) of the whole file."""

    file: Path
    manifest: Path
    count: int
    sha256: str
    rejected: tuple[Rejected, ...]


def write_resident_file(path: Path, rows: Iterable[Planted]) -> Written:
    """CSV with a header line, UTF-8, LF; beside it `<file>.manifest.json`. Raises OSError."""
    rejected: list[Rejected] = []

    def lines() -> Iterator[str]:
        yield _csv_line(COLUMNS)
        for line, planted in enumerate(rows, start=2):
            if planted.reason is not None:
                rejected.append(Rejected(line=line, reason=planted.reason))
            yield _csv_line(planted.row.columns())

    count, digest = _write(path, lines())
    manifest = _write_manifest(path, kind="addressees", count=count - 1, sha256=digest)
    return Written(file=path, manifest=manifest, count=count - 1, sha256=digest, rejected=tuple(rejected))


def write_business_file(path: Path, records: Iterable[BusinessRecord]) -> Written:
    """NDJSON, one record a line, UTF-8, LF; beside it `<file>.manifest.json`. Raises OSError."""
    lines = (json.dumps(record.as_line(), ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)
    count, digest = _write(path, lines)
    manifest = _write_manifest(path, kind="business_information", count=count, sha256=digest)
    return Written(file=path, manifest=manifest, count=count, sha256=digest, rejected=())


def manifest_path(path: Path) -> Path:
    """Where the manifest of a file lies."""
    return path.with_name(f"{path.name}.manifest.json")


def _csv_line(values: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _write(path: Path, lines: Iterable[str]) -> tuple[int, str]:
    digest = hashlib.sha256()
    count = 0
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        for line in lines:
            encoded = line.encode()
            digest.update(encoded)
            file.write(encoded)
            count += 1
    part.replace(path)
    return count, digest.hexdigest()


def _write_manifest(path: Path, *, kind: str, count: int, sha256: str) -> Path:
    manifest = manifest_path(path)
    content = {"file": path.name, "kind": kind, "count": count, "sha256": sha256, "encoding": "utf-8"}
    _write(manifest, [json.dumps(content, ensure_ascii=False, indent=2) + "\n"])
    return manifest
