"""The spool channel `person-changes`: daily changes by CSV or fixed-width file (LS-1.2).

The file is rehearsed before it is taken: judged in full with nothing written, and stopped when too many of its changes disagree; so is one that comes
again, when lines of it are judged anew. What the resident network said then is kept for the taking, and of a day's changes also what was judged, unless
the file is so large that it would fill the memory. Which changes hang together is known for all of a file.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from codebook.four_items import Field
from gateway.api.clients import SystemRights
from gateway.batch.manifest import ENCODINGS, FIXED_WIDTH, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.batch.text_forms import FixedLayout, TextReason, TextRefused, decode_lines, split_csv
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import resident_network
from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.file_layouts import CHANGE_COLUMNS as COLUMNS
from gateway.linkage_server.file_layouts import REPLACED_BY, columns_of, layout_of, missing_column
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.lines import LONGEST_LINE, lines_of
from gateway.linkage_server.people import flow
from gateway.linkage_server.people.changes import BadChange, Change, ChangeReason, ParsedChange, check
from gateway.linkage_server.people.flow import ChangeList, Verdicts
from gateway.linkage_server.people.judged import ChangeOutcome, Judged, counts_against
from gateway.linkage_server.people.judging import Court
from gateway.linkage_server.people.rehearsed import Rehearsed, concerns
from gateway.linkage_server.people.strands import Strands
from gateway.linkage_server.people.two_people import Registrations
from gateway.linkage_server.spool_rights import admit, admit_still
from gateway.linkage_server.tenant import Agency
from storage import durable_file

CHANNEL: Final = "person-changes"
HEADER_LINES: Final = 1
_RIGHT: Final = ("persons", "change")
_UNKNOWN: Final = f"{ChangeOutcome.REJECTED}:{ChangeReason.ADDRESSEE_UNKNOWN}"
_STOPPED: Final = "mismatch_rate_over_limit"
_RESULT: Final = {"line": 0, "outcome": 1, "reason": 2, "integrated_number": 3, "where": 4, "folds": 5}
_WITHOUT_NUMBER: Final = {name: place for name, place in _RESULT.items() if name != "integrated_number"}
_KEPT_VERDICTS: Final = 200_000
_KEPT_CHANGES: Final = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFile:
    """One file of changes: how its lines are read, and what its sender may do. `names`: the columns in the order of the file.

    `not_needed`: items that no affair of the sender needs; a line that brings one is refused (SC-14). `two_people`: 個人番号 that stand for two in it.
    """

    path: Path
    names: tuple[str, ...]
    layout: FixedLayout | None
    encoding: str
    rights: SystemRights
    count: int
    not_needed: frozenset[Field]
    today: date
    two_people: frozenset[str] = frozenset()

    @property
    def header_lines(self) -> int:
        return HEADER_LINES if self.layout is None else 0

    def lists(self, file: BinaryIO, after: int = 0) -> Iterator[ChangeList]:
        done = max(after - self.header_lines, 0)
        lines = lines_of(file, skip=self.header_lines + done)
        first = self.header_lines + 1 + done
        while block := list(islice(lines, flow.CHUNK)):
            yield ChangeList(
                changes=self.read(first, block),
                rights=self.rights,
                last_line=first + len(block) - 1,
                two_people=self.two_people,
            )
            first += len(block)

    def read(self, first: int, lines: Sequence[bytes]) -> list[ParsedChange]:
        if self.layout is not None:
            split = [self.layout.split(line, self.encoding, number=nth) for nth, line in enumerate(lines, start=first)]
            return [self._change(nth, fields) for nth, fields in enumerate(split, start=first)]
        texts = decode_lines(lines, self.encoding, first=first)
        return [
            self._change(nth, text if isinstance(text, TextRefused) else split_csv(text, number=nth))
            for nth, text in enumerate(texts, start=first)
        ]

    def _change(self, line: int, fields: list[str] | TextRefused) -> ParsedChange:
        if isinstance(fields, TextRefused):
            return BadChange(line, fields.reason, f"column {fields.column}")
        if len(fields) != len(self.names):
            return BadChange(line, TextReason.LENGTH, f"{len(fields)} fields")
        named = dict(zip(self.names, fields, strict=True))
        not_needed = sorted(name for name in self.not_needed if named[name])
        if not_needed:
            return BadChange(line, ChangeReason.ITEM_NOT_NEEDED, not_needed[0])
        return check(
            line,
            named,
            system=self.rights.system,
            may_use_individual_number=self.rights.may_use_individual_number,
            today=self.today,
        )


def _opened(agency: Agency, file: SpoolFile, manifest: Manifest, rights: SystemRights) -> ChangeFile | Rejected:
    encoding = ENCODINGS[manifest.encoding.lower()]
    layout = layout_of(agency.file_layouts, file.system, CHANNEL) if manifest.form == FIXED_WIDTH else None
    if layout is not None:
        names = [field.name for field in layout.fields]
    else:
        with file.data.open("rb") as data:
            header = data.readline(LONGEST_LINE)
        names = columns_of(header, encoding)
        if sorted(names) not in (sorted(COLUMNS), sorted((*COLUMNS, REPLACED_BY))):
            return Rejected(reason="header_unknown", where=missing_column(header, encoding, COLUMNS))
    return ChangeFile(
        path=file.data,
        names=tuple(names),
        layout=layout,
        encoding=encoding,
        rights=replace(rights, may_use_individual_number=agency.affairs.may_bring_individual_number(rights)),
        count=manifest.count,
        not_needed=frozenset(Field) - agency.affairs.may_bring(rights.system),
        today=agency.today(),
    )


async def _read_through(file: ChangeFile) -> ChangeFile:
    """The file with the numbers that stand for two people in it, wherever they are: of neither anything is registered before somebody has looked."""
    seen = Registrations()
    with file.path.open("rb") as data:
        for one in file.lists(data):
            seen.read(one.changes)
            await asyncio.sleep(0)
    return replace(file, two_people=seen.of_two_people(file.today))


async def _judge(
    agency: Agency, file: ChangeFile, one: ChangeList, verdicts: Verdicts, judge: Callable[[Court], list[Judged]]
) -> tuple[Court, list[Judged], int]:
    """Judge a list with nothing written, and ask the network what it misses; also how often the counter's lock had been taken before."""
    known = verdicts if file.count <= _KEPT_VERDICTS else {}
    async with agency.database.inside(agency.tenant) as connection:
        had_lock = await addressees.count_of_locks(connection)
        court = await flow.convene(connection, agency, one, known)
    judged = judge(court)
    while court.missing:
        agrees = await flow.ask(agency, court, known, pauses=resident_network.PATIENT)
        if agrees:  # as it was judged
            break
        court = court.anew()
        judged = judge(court)
    return court, judged, had_lock


async def _rehearse(agency: Agency, file: ChangeFile, verdicts: Verdicts, rehearsed: Rehearsed) -> Rejected | None:
    """Judge the whole file as it would be taken; what is written meanwhile by others does not matter for a rate."""
    held: list[tuple[str, str]] = []
    strands = Strands()
    rows = 0
    with file.path.open("rb") as data:
        for nth, one in enumerate(file.lists(data)):
            await admit_still(agency, file.rights.system, *_RIGHT)
            court, judged, had_lock = await _judge(
                agency, file, one, verdicts, partial(Court.judge, changes=one.changes)
            )
            if file.count <= _KEPT_CHANGES:
                rehearsed.keep(one.last_line, court, judged, had_lock)
            for each in judged:
                if each.change is None:
                    continue
                unknown = each.reason is ChangeReason.ADDRESSEE_UNKNOWN
                strands.add(concerns(court, each, each.change), in_list=nth, unknown=unknown)
                if counts_against(each):
                    held.append((each.change.addressee_number, str(each.reason)))
            rows += len(judged)
            await asyncio.sleep(0)
    counts = Counter(reason for number, reason in held if strands.reaching(number) is None)
    counts += await _rehearse_strands(agency, file, verdicts, strands)
    mismatches = counts.total()
    if not agency.limits.passed_by(mismatches, rows):
        return None
    return Rejected(reason=_STOPPED, facts={"rows": rows, "mismatches": mismatches, **dict(sorted(counts.items()))})


async def _rehearse_strands(agency: Agency, file: ChangeFile, verdicts: Verdicts, strands: Strands) -> Counter[str]:
    """Why changes are held that hang together over several lists, each strand judged as one, and at its end who was unknown anew, as the taking does."""
    whole: defaultdict[int, list[ParsedChange]] = defaultdict(list)
    with file.path.open("rb") as data:
        for one in file.lists(data) if strands.any_reaching() else ():
            for change in one.changes:
                if isinstance(change, Change) and (name := strands.reaching(change.addressee_number)) is not None:
                    whole[name].append(change)
            await asyncio.sleep(0)
    counts: Counter[str] = Counter()
    for changes in _packed(whole.values()):
        await admit_still(agency, file.rights.system, *_RIGHT)
        one = ChangeList(changes=changes, rights=file.rights, last_line=len(changes), two_people=file.two_people)
        _, judged, _ = await _judge(agency, file, one, verdicts, partial(_in_the_end, changes=changes))
        counts.update(str(each.reason) for each in judged if counts_against(each))
        await asyncio.sleep(0)
    return counts


def _packed(strands: Iterable[list[ParsedChange]]) -> Iterator[list[ParsedChange]]:
    """Whole strands, about a list's length of them together."""
    packed: list[ParsedChange] = []
    for strand in strands:
        packed += strand
        if len(packed) >= flow.CHUNK:
            yield packed
            packed = []
    if packed:
        yield packed


def _in_the_end(court: Court, changes: Sequence[ParsedChange]) -> list[Judged]:
    judged = court.judge(changes)
    unknown = [
        change for change, one in zip(changes, judged, strict=True) if one.reason is ChangeReason.ADDRESSEE_UNKNOWN
    ]
    return [*judged, *court.judge(unknown)]


async def _take(agency: Agency, taken: Intake, file: ChangeFile, verdicts: Verdicts, rehearsed: Rehearsed) -> Intake:
    with file.path.open("rb") as data:
        for one in file.lists(data, taken.lines_done):
            await admit_still(agency, file.rights.system, *_RIGHT)
            known = verdicts if file.count <= _KEPT_VERDICTS else {}
            taken = await flow.take(agency, taken, one, known, rehearsed)
            await asyncio.sleep(0)
    return taken


async def _judge_anew(agency: Agency, taken: Intake, file: ChangeFile, verdicts: Verdicts) -> Intake:
    """Lines about somebody who was not held are judged once more: who came meanwhile, in another file or further down, is held now.

    The other lines keep their results. So files of several days end the same in any order, once each was sent behind the one it needs.
    """
    if not taken.counts.get(_UNKNOWN):
        return taken
    with file.path.open("rb") as data:
        lines = lines_of(data, skip=file.header_lines)
        after = 0
        while results := await intake.results_after(agency, taken, after):
            after = results[0][0]
            parsed = file.read(after, list(islice(lines, len(results))))
            unknown = [
                one for one, found in zip(parsed, results, strict=True) if found[2] == ChangeReason.ADDRESSEE_UNKNOWN
            ]
            if unknown:
                await admit_still(agency, file.rights.system, *_RIGHT)
                anew = ChangeList(changes=unknown, rights=file.rights, last_line=results[-1][0], stored=results)
                taken = await flow.take(agency, taken, anew, verdicts if file.count <= _KEPT_VERDICTS else {})
            await asyncio.sleep(0)
    return taken


async def take_file(agency: Agency, file: SpoolFile, manifest: Manifest) -> Path | Rejected:
    """Take one file to its end and return where its result lies.

    Raises StoppedError; StorageUnavailableError, ChannelError: call again, nothing is lost.
    """
    rights = await admit(agency, file.system, *_RIGHT)
    if isinstance(rights, Rejected):
        return rights
    opened = await asyncio.to_thread(_opened, agency, file, manifest, rights)
    if isinstance(opened, Rejected):
        return opened
    key = intake.file_key(CHANNEL, file.system, manifest)
    digest = bytes.fromhex(manifest.sha256)
    taken = await intake.open_intake(
        agency, key, channel=CHANNEL, system=file.system, sha256=digest, lines=manifest.count
    )
    verdicts: Verdicts = {}
    is_judged_anew = taken.done and bool(taken.counts.get(_UNKNOWN))
    if (is_judged_anew or not taken.done) and not resident_network.is_asked(agency):
        opened = await _read_through(opened)
    rehearsed = Rehearsed()
    if is_judged_anew or not taken.lines_done:
        stopped = await _rehearse(agency, opened, verdicts, rehearsed)
        if stopped is not None:
            await agency.record_access_refused(_STOPPED, file.system)
            await intake.forget(agency, taken)
            return stopped
    if not taken.done:
        taken = await _take(agency, taken, opened, verdicts, rehearsed)
    taken = await _judge_anew(agency, taken, opened, verdicts)
    if not taken.done:
        await flow.close(agency, taken, system=file.system)
    await admit_still(agency, file.system, *_RIGHT)
    columns = _RESULT if rights.may("integrated-numbers", "read") else _WITHOUT_NUMBER
    return await intake.write_result_file(agency, taken, columns, durable_file.part_of(file.result))
