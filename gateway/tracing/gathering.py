"""From an inquiry number to everything that the parties' logs say of it, checked: searches first, then exports of the years that they name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from evidence.entry import EntryKind
from evidence.findings import Finding, LogChecked
from evidence.trusted import TrustedKeys
from evidence.verify import Export
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.topology import NETWORK
from gateway.tracing.proofs import NotAnExportError, Recorded, recorded, said
from gateway.tracing.settling import agreed, verified
from gateway.tracing.sources import Entry, Source, Sources
from gateway.verify_command import FileLines

NOT_REACHABLE: Final = "not_reachable"
_PARTIES: Final = ("inquirer", "provider")
_STEPS: Final = {kind.value: place for place, kind in enumerate(
    (
        EntryKind.INQUIRY_REFUSED, EntryKind.INQUIRY_REGISTERED, EntryKind.PERMIT_REFUSED, EntryKind.INQUIRY_DENIED, EntryKind.PERMIT_ISSUED,
        EntryKind.INQUIRY_PERMITTED, EntryKind.PROVISION_HELD, EntryKind.PROVISION_MADE, EntryKind.PROVISION_NOT_PROVIDED,
        EntryKind.PROVISION_REFUSED, EntryKind.PROVISION_RELEASED, EntryKind.PROVISION_EXPIRED, EntryKind.PROVISION_RELAYED,
        EntryKind.INQUIRY_HELD, EntryKind.INQUIRY_ANSWERED, EntryKind.INQUIRY_NOT_PROVIDED, EntryKind.INQUIRY_REFUSED_BY_PROVIDER,
        EntryKind.INQUIRY_REFUSED_BY_NETWORK, EntryKind.INQUIRY_ABORTED,
    ), start=1)}  # fmt: skip
"""Which step comes first when two have the same millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What searches gave. `entries`: source → its entries; `silent`: source → why it said nothing (`not_reachable`, or the reason of a refusal)."""

    number: str
    entries: Mapping[str, tuple[Source, list[Entry]]]
    silent: Mapping[str, str]

    def lines(self) -> list[tuple[Source, Entry]]:
        """In order of time; equal instants in the order of the parties asked."""
        every = [(source, entry) for source, entries in self.entries.values() for entry in entries]
        return sorted(every, key=lambda line: str(line[1]["at"]))

    def parties(self) -> set[str]:
        """Whoever an entry names as inquirer or provider, and the core."""
        return {NETWORK} | {str(entry[side]) for _, entry in self.lines() for side in _PARTIES if entry.get(side)}

    def concerns(self, source: str) -> bool:
        """Whether something of this inquiry can stand in that log: its inquirer's two, the core's, its provider's; and whoever has an entry."""
        lines = self.lines()
        agency, _, desk = source.partition("/")
        among = {str(entry["inquirer"]) for _, entry in lines if entry.get("inquirer")} if desk else self.parties()
        return agency in among or any(one.name == source for one, _ in lines)

    def missed(self) -> dict[str, str]:
        """Who did not answer and may hold a part of this: of the logs that it concerns, or everybody when nothing was found."""
        return {name: why for name, why in self.silent.items() if not self.lines() or self.concerns(name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What exports gave. `unread`: source → why its export is not here; `differing`: logs whose search and export do not say the same."""

    number: str
    records: tuple[Recorded, ...]
    logs: tuple[LogChecked, ...]
    findings: tuple[Finding, ...]
    disagreements: tuple[Finding, ...]
    differing: tuple[str, ...]
    unread: Mapping[str, str]


def search(sources: Sources, number: str) -> Found:
    """Ask every log. Raises RefusedError when no server answers and one refuses."""
    entries: dict[str, tuple[Source, list[Entry]]] = {}
    silent: dict[str, str] = {}
    refusals: list[RefusedError] = []
    for source in sources.logs:
        try:
            entries[source.name] = (source, source.search(number))
        except NotReachableError:
            silent[source.name] = NOT_REACHABLE
        except RefusedError as refused:
            silent[source.name] = refused.reason or str(refused)
            refusals.append(refused)
    if refusals and all(source.left_on for source, _ in entries.values()):
        raise refusals[0]
    return Found(number=number, entries=entries, silent=silent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """Exports on disk, by `source/year`; `unread`: source → why there is none. `again`: one of them anew, None when it cannot be had."""

    files: Mapping[str, Path]
    unread: Mapping[str, str]
    again: Callable[[str], Export | None]


def download(found: Found, sources: Sources, folder: Path) -> Downloaded:
    """The exports of every log concerned, of the fiscal years in which any of them has an entry of the inquiry. Raises OSError."""
    years = sorted({int(entry["log"]["year"]) for _, entry in found.lines()})
    files: dict[str, Path] = {}
    unread = found.missed()
    for source in (one for one in sources.logs if found.concerns(one.name)):
        for year in years:
            target = folder / f"{len(files)}.ndjson"
            try:
                if source.name not in unread and source.download(year, target):
                    files[f"{source.name}/{year}"] = target
            except NotReachableError:
                unread[source.name] = NOT_REACHABLE
            except RefusedError as refused:
                unread[source.name] = refused.reason or str(refused)
    return Downloaded(files=files, unread=unread, again=partial(_again, sources, folder))


def _again(sources: Sources, folder: Path, label: str) -> Export | None:
    """The export of a log and year that has been exported before."""
    name, _, year = label.rpartition("/")
    source = next(one for one in sources.logs if one.name == name)
    target = folder / "again.ndjson"
    try:
        return Export(label, FileLines(target)) if source.download(int(year), target) else None
    except (NotReachableError, RefusedError):
        return None


def gather(found: Found, downloaded: Downloaded, trusted: Mapping[str, TrustedKeys]) -> Evidence:
    """Verify the exports with the register's keys (`trusted`: origin → verifier key), and take out what they say of the inquiry."""
    exports = [Export(name, FileLines(path)) for name, path in downloaded.files.items()]
    report = verified(exports, trusted, downloaded.again)
    records: list[Recorded] = []
    for export in exports:
        with contextlib.suppress(NotAnExportError):  # verify has named it
            records += recorded(export.lines, found.number, trusted)
    return Evidence(
        number=found.number,
        records=tuple(sorted(records, key=lambda one: (one.at, _STEPS.get(one.kind, 0), one.agency, one.index))),
        logs=report.logs,
        findings=report.findings,
        disagreements=tuple(one for one in agreed(exports).findings if one.inquiry_number == found.number),
        differing=tuple(_differing(found, records)),
        unread=downloaded.unread,
    )


def _differing(found: Found, records: Sequence[Recorded]) -> Iterator[str]:
    """Logs that answer a search otherwise than their export says: entries that are missing in it, or say something else.

    Who read a result again, and what was marked later, is told by the search alone: it is no step of the exchange, and is not taken out of the export.
    """
    exported = {(one.source, one.entry["id"]): said(one.entry) for one in records}
    for name, (_, entries) in found.entries.items():
        steps = [entry for entry in entries if entry["kind"] not in (EntryKind.RESULT_READ, EntryKind.INQUIRY_MARKED)]
        if any(exported.get((name, entry["id"])) != said(entry) for entry in steps):
            yield name
