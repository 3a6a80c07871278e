"""The spool channel `addressees`: first load by CSV file, streamed in chunks; the next chunk is prepared while one is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from gateway.api.clients import SystemRights
from gateway.batch.manifest import ENCODINGS, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import flow
from gateway.linkage_server.addressees.rows import Parsed, RowReader
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.lines import LONGEST_LINE, lines_of
from gateway.linkage_server.spool_rights import admit
from gateway.linkage_server.tenant import Agency

CHANNEL: Final = "addressees"
HEADER_LINES: Final = 1
_RESULT_COLUMNS: Final = ("line", "outcome", "reason", "integrated_number")


def _chunks(file: BinaryIO, reader: RowReader, after: int) -> Iterator[tuple[list[Parsed], int]]:
    """Chunks of rows with the number of their last line; what an earlier run committed (up to line `after`) is passed over."""
    done = max(after - HEADER_LINES, 0)
    lines = lines_of(file, skip=done)
    first = HEADER_LINES + 1 + done
    while block := list(islice(lines, flow.CHUNK)):
        yield reader.read(first, block), first + len(block) - 1
        first += len(block)


async def _load(agency: Agency, taken: Intake, path: Path, reader: RowReader, rights: SystemRights) -> Intake:
    with path.open("rb") as file:
        file.readline()
        writing: asyncio.Task[Intake] | None = None
        async with asyncio.TaskGroup() as group:
            for parsed, last_line in _chunks(file, reader, taken.lines_done):
                prepared = await flow.prepare(agency, parsed, rights=rights, last_line=last_line)
                if writing is not None:
                    taken = await writing
                writing = group.create_task(flow.register(agency, taken, prepared))
        return writing.result() if writing is not None else taken


async def load_file(agency: Agency, file: SpoolFile, manifest: Manifest) -> bytes | Rejected:
    """Take one file to its end and return the result file. Raises StorageUnavailableError, ChannelError: call again, nothing is lost."""
    rights = await admit(agency, file.system, CHANNEL)
    if isinstance(rights, Rejected):
        return rights
    with file.data.open("rb") as data:
        header = data.readline(LONGEST_LINE)
    reader = RowReader.from_header(
        header,
        encoding=ENCODINGS[manifest.encoding.lower()],
        system=file.system,
        may_use_individual_number=rights.may_use_individual_number,
    )
    if reader is None:
        return Rejected(reason="header_unknown")
    key = intake.file_key(CHANNEL, file.system, manifest.sha256)
    taken = await intake.open_intake(
        agency, key, channel=CHANNEL, system=file.system, sha256=bytes.fromhex(manifest.sha256)
    )
    if not taken.done:
        taken = await _load_unwrapped(agency, taken, file.data, reader, rights)
        await flow.close(agency, taken, system=file.system)
    columns = _RESULT_COLUMNS if rights.may("integrated-numbers", "read") else _RESULT_COLUMNS[:3]
    return await intake.result_file(agency, taken, columns)


async def _load_unwrapped(agency: Agency, taken: Intake, path: Path, reader: RowReader, rights: SystemRights) -> Intake:
    """As `_load`; the first failure inside its task group is raised as itself."""
    try:
        return await _load(agency, taken, path, reader, rights)
    except* Exception as failures:  # noqa: BLE001 (unwrapped, not swallowed)
        first = failures.exceptions[0]
    raise first from None
