"""The spool channel `addressees`: first load by CSV or fixed-width file.

The file is examined whole, then registered chunk by chunk; the next chunk is prepared while one is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from codebook.four_items import Field
from gateway.api.clients import SystemRights
from gateway.batch.manifest import ENCODINGS, FIXED_WIDTH, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import flow
from gateway.linkage_server.addressees.examination import Examined, examine
from gateway.linkage_server.addressees.rows import Parsed, RowReader
from gateway.linkage_server.file_layouts import ADDRESSEE_COLUMNS, layout_of, missing_column
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.lines import LONGEST_LINE, lines_of
from gateway.linkage_server.spool_rights import admit, admit_still
from gateway.linkage_server.tenant import Agency
from storage import durable_file

CHANNEL: Final = "addressees"
HEADER_LINES: Final = 1
_SLICE: Final = 200
_STOPPED: Final = "mismatch_rate_over_limit"
_COLUMNS: Final = {"line": 0, "outcome": 1, "reason": 2, "integrated_number": 3, "where": 4, "folds": 5}
_WITHOUT_NUMBER: Final = {name: place for name, place in _COLUMNS.items() if name != "integrated_number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """One file on its way: what it is and who sends it."""

    path: Path
    reader: RowReader
    header_lines: int
    rights: SystemRights
    count: int
    as_of: date

    async def chunks(self, agency: Agency, file: BinaryIO, after: int) -> AsyncIterator[tuple[list[Parsed], int]]:
        """Chunks of rows with the number of their last line; what an earlier run committed (up to line `after`) is passed over.

        Read in slices: what is being written meanwhile has to be fed to the database. Raises StoppedError.
        """
        done = max(after - self.header_lines, 0)
        lines = lines_of(file, skip=self.header_lines + done)
        first = self.header_lines + 1 + done
        rows: list[Parsed] = []
        while block := list(islice(lines, min(_SLICE, flow.CHUNK - len(rows)))):
            rows += self.reader.read(first, block)
            first += len(block)
            if len(rows) >= flow.CHUNK:
                await admit_still(agency, self.rights.system, CHANNEL)
                yield rows, first - 1
                rows = []
            await asyncio.sleep(0)
        if rows:
            await admit_still(agency, self.rights.system, CHANNEL)
            yield rows, first - 1


async def _examine(agency: Agency, taken: Intake, load: _Load) -> Examined:
    with load.path.open("rb") as file:
        return await examine(
            agency,
            load.chunks(agency, file, 0),
            rights=load.rights,
            lines=load.header_lines + load.count,
            after=taken.lines_done,
        )


async def _load(agency: Agency, taken: Intake, load: _Load, examined: Examined) -> Intake:
    reserved = None
    if examined.expected_new:
        first_line = load.header_lines + 1
        reserved = await flow.reserve(agency, taken, first_line=first_line, count=load.count)
    with load.path.open("rb") as file:
        writing: asyncio.Task[Intake] | None = None
        async with asyncio.TaskGroup() as group:
            async for parsed, last_line in load.chunks(agency, file, taken.lines_done):
                prepared = await flow.prepare_examined(
                    agency, parsed, examined, reserved, rights=load.rights, last_line=last_line, as_of=load.as_of
                )
                if writing is not None:
                    taken = await writing
                await admit_still(agency, load.rights.system, CHANNEL)
                writing = group.create_task(flow.register(agency, taken, prepared))
        return writing.result() if writing is not None else taken


def _reader(
    agency: Agency, file: SpoolFile, manifest: Manifest, rights: SystemRights, as_of: date
) -> RowReader | Rejected:
    """How its lines are read. A file tells of nobody who was born after the day it is of."""
    encoding = ENCODINGS[manifest.encoding.lower()]
    may = agency.affairs.may_bring_individual_number(rights)
    kana = Field.KANA in agency.affairs.may_bring(rights.system)
    today = as_of.isoformat()
    if manifest.form == FIXED_WIDTH:
        layout = layout_of(agency.file_layouts, file.system, CHANNEL)
        return RowReader.of_layout(
            layout, encoding=encoding, system=file.system, may_use_individual_number=may, needs_kana=kana, today=today
        )
    with file.data.open("rb") as data:
        header = data.readline(LONGEST_LINE)
    reader = RowReader.from_header(
        header, encoding=encoding, system=file.system, may_use_individual_number=may, needs_kana=kana, today=today
    )
    return reader or Rejected(reason="header_unknown", where=missing_column(header, encoding, ADDRESSEE_COLUMNS))


async def _admitted(agency: Agency, file: SpoolFile, manifest: Manifest) -> _Load | Rejected:
    """Whether this system may load such a file at all; what is refused for its rights is on record."""
    rights = await admit(agency, file.system, CHANNEL)
    if isinstance(rights, Rejected):
        return rights
    as_of = manifest.day or agency.today()
    if as_of > agency.today():
        return Rejected(reason="as_of_in_the_future")
    reader = await asyncio.to_thread(_reader, agency, file, manifest, rights, as_of)
    if isinstance(reader, Rejected):
        return reader
    if reader.migrates:
        migrates = await admit(agency, file.system, "integrated-numbers", "migrate")
        if isinstance(migrates, Rejected):
            return migrates
    return _Load(
        path=file.data,
        reader=reader,
        header_lines=0 if manifest.form == FIXED_WIDTH else HEADER_LINES,
        rights=rights,
        count=manifest.count,
        as_of=as_of,
    )


async def load_file(agency: Agency, file: SpoolFile, manifest: Manifest) -> Path | Rejected:
    """Take one file to its end and return where its result lies.

    Raises StoppedError; StorageUnavailableError, ChannelError: call again, nothing is lost.
    """
    load = await _admitted(agency, file, manifest)
    if isinstance(load, Rejected):
        return load
    key = intake.file_key(CHANNEL, file.system, manifest)
    digest = bytes.fromhex(manifest.sha256)
    taken = await intake.open_intake(
        agency, key, channel=CHANNEL, system=file.system, sha256=digest, lines=manifest.count
    )
    if not taken.done:
        loaded = await _unwrapped(agency, taken, load)
        if isinstance(loaded, Rejected):
            return loaded
        await flow.close(agency, loaded, system=file.system)
        taken = loaded
    await admit_still(agency, file.system, CHANNEL)
    columns = _COLUMNS if load.rights.may("integrated-numbers", "read") else _WITHOUT_NUMBER
    return await intake.write_result_file(agency, taken, columns, durable_file.part_of(file.result))


async def _take(agency: Agency, taken: Intake, load: _Load) -> Intake | Rejected:
    """Examine, and register what passes. A load of which something is committed has passed already."""
    examined = await _examine(agency, taken, load)
    if not taken.lines_done and agency.limits.passed_by(examined.mismatches, examined.rows):
        await agency.record_access_refused(_STOPPED, load.rights.system)
        await intake.forget(agency, taken)
        return Rejected(reason=_STOPPED, facts=examined.facts())
    return await _load(agency, taken, load, examined)


async def _unwrapped(agency: Agency, taken: Intake, load: _Load) -> Intake | Rejected:
    """As `_take`; the first failure inside a task group is raised as itself."""
    try:
        return await _take(agency, taken, load)
    except* Exception as failures:  # noqa: BLE001 (unwrapped, not swallowed)
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    raise first from None
