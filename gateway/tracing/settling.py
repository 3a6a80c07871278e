"""Exports of logs that go on growing while they are made, one after another: what is no finding for that reason alone.

Another party may hold a newer checkpoint of a log than the export that was made of it first, and an inquiry may be half-way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from evidence.agreement import agree
from evidence.export import ENTRY_START, EntryLine, LineBroken, read_line
from evidence.findings import Agreement, Finding, FindingName, Report
from evidence.trusted import TrustedKeys
from evidence.verify import Export, verify

UNDER_WAY: Final = timedelta(minutes=1)
"""An inquiry with a record as young as this may have others that were not written yet when their log was exported."""


def behind(findings: Iterable[Finding]) -> set[str]:
    """Labels of the exports of whose logs others hold more than stands there."""
    return {one.export for one in findings if one.name is FindingName.DROPPED_TAIL and one.held_by is not None}


def verified(
    exports: Sequence[Export], trusted: Mapping[str, TrustedKeys], again: Callable[[str], Export | None]
) -> Report:
    """As `verify`. A log that others hold more of than stands in its export is exported once more (`again`, by label) and judged by that:
    if it grew meanwhile, what others hold fits; a tail that is gone is still gone.
    """
    report = verify(exports, trusted)
    findings = list(report.findings)
    for label in sorted(behind(report.findings)):
        fresh = again(label)
        if fresh is None:
            continue
        others = [export for export in exports if export.label != label]
        judged = verify([*others, replace(fresh, label=label)], trusted)
        findings = [one for one in findings if one.export != label]
        findings += [one for one in judged.findings if one.export == label]
    return replace(report, findings=tuple(findings))


def agreed(exports: Sequence[Export]) -> Agreement:
    """As `agree`, counting from the youngest entry of all: our own call is one, so it is as good as the time."""
    youngest = max(filter(None, map(_youngest, exports)), default=None)
    return agree(exports, open_after=None if youngest is None else youngest - UNDER_WAY)


def _youngest(export: Export) -> datetime | None:
    """The time of the last entry that can be read."""
    last = b""
    for line in export.lines:
        if line.startswith(ENTRY_START):
            last = line
    try:
        value = read_line(last)
        return datetime.fromisoformat(json.loads(value.entry)["at"]) if isinstance(value, EntryLine) else None
    except (LineBroken, ValueError, KeyError, TypeError):
        return None
