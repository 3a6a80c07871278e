"""Exports that parties hand over: an agency with a server of its own elsewhere is asked by nobody here, and its record is its own file.

A file counts when it is an export of a log that the register knows, verified whole with that log's keys; what is wrong with one is told, and
nothing of it is shown.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evidence.export import Header, LineBroken, LogParty, read_line
from evidence.trusted import TrustedKeys
from evidence.verify import Export, verify
from gateway.tracing.proofs import recorded
from gateway.tracing.sources import Entry, Source, Sources
from gateway.verify_command import FileLines


class ExportRefusedError(ValueError):
    """A file that is not taken; the message says which, why, and what to do."""


def with_exports(asked: Sources, files: Sequence[Path], trusted: Mapping[str, TrustedKeys]) -> Sources:
    """The same sources, but for parties whose export was handed over: their file is asked in their place. Raises ExportRefusedError."""
    by_log: dict[tuple[str, LogParty], dict[int, Path]] = {}
    for path in files:
        header = _header(path)
        years = by_log.setdefault((header.agency, header.party), {})
        year = _year(header)
        if year in years:
            raise ExportRefusedError(
                f"{path}: 同じログの書き出しが二つあります / there is another export of this log and year"
            )
        if header.origin not in trusted:
            raise ExportRefusedError(
                f"{path}: 登録簿にないログです。sekisho agency show で / the register knows no such log; see `sekisho agency show`"
            )
        wrong = [one for one in verify([Export(str(path), FileLines(path))], trusted).findings if one.held_by is None]
        if wrong:
            raise ExportRefusedError(
                f"{path}: 検証できません: {wrong[0].name.value}。sekisho verify が詳しく言います"
                f" / does not verify: {wrong[0].detail}; `sekisho verify` tells more"
            )
        years[year] = path
    left = {one.name: one.left_on for one in asked.logs}
    given = [_source(*log, years, trusted) for log, years in by_log.items()]
    given = [replace(one, left_on=left.get(one.name)) for one in given]
    names = {one.name for one in given}
    return Sources(
        logs=(*(one for one in asked.logs if one.name not in names), *given),
        unread_desks=tuple(one for one in asked.unread_desks if (one, LogParty.LINKAGE) not in by_log),
    )


def _header(path: Path) -> Header:
    try:
        with path.open("rb") as file:
            found = read_line(file.readline())
    except (OSError, LineBroken):
        found = None
    if not isinstance(found, Header):
        raise ExportRefusedError(
            f"{path}: 証跡の書き出し (sekisho export の形) ではありません / not the export of an evidence log"
        )
    return found


def _year(header: Header) -> int:
    return int(header.origin.rpartition("/")[2])


def _source(agency: str, server: LogParty, years: Mapping[int, Path], trusted: Mapping[str, TrustedKeys]) -> Source:
    def search(number: str) -> list[Entry]:
        return [
            {**one.entry, "log": {"year": one.year, "index": one.index}}
            for path in years.values()
            for one in recorded(FileLines(path), number, trusted)
        ]

    def download(year: int, target: Path) -> int:
        if year not in years:
            return 0
        shutil.copyfile(years[year], target)
        return target.stat().st_size

    return Source(agency=agency, server=server, search=search, download=download)
