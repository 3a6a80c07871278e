"""The spool channel `business-information`: NDJSON, one record a line. The result file says what became of each line at the intermediate server."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from gateway.batch.manifest import ENCODINGS, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.linkage_server import intake
from gateway.linkage_server.business_information import flow, records, results
from gateway.linkage_server.business_information.flow import Line, Sender
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.lines import lines_of
from gateway.linkage_server.spool_rights import admit

CHANNEL: Final = "business-information"
HEADER_LINES: Final = 0


async def register_file(outbox: Outbox, file: SpoolFile, manifest: Manifest) -> bytes | Rejected:
    """Take one file to its end and return the result file. Raises StorageUnavailableError, ChannelError: call again, nothing is lost."""
    agency = outbox.agency
    rights = await admit(agency, file.system, CHANNEL)
    if isinstance(rights, Rejected):
        return rights
    key = intake.file_key(CHANNEL, file.system, manifest)
    digest = bytes.fromhex(manifest.sha256)
    taken = await intake.open_intake(
        agency, key, channel=CHANNEL, system=file.system, sha256=digest, lines=manifest.count
    )
    if not taken.done:
        await _take_in(outbox, taken, file.data, system=file.system, encoding=ENCODINGS[manifest.encoding.lower()])
        await results.settle(outbox, taken)
        await flow.close(agency, taken)
    return await intake.result_file(agency, taken, results.COLUMNS)


async def _take_in(outbox: Outbox, taken: Intake, path: Path, *, system: str, encoding: str) -> None:
    """Every line becomes what it says; what was written is on its way while the rest is read."""
    sender = Sender(system=system, by=f"file/{taken.id}")
    with path.open("rb") as file:
        for lines in _chunks(file, taken.lines_done, encoding):
            judged = await flow.judge(outbox.agency, lines, sender)
            taken, fresh = await flow.take_in(outbox.agency, taken, judged, sender, on_command=outbox.on_command)
            outbox.wake(fresh)


def _chunks(file: BinaryIO, done: int, encoding: str) -> Iterator[list[Line]]:
    """Chunks of lines after the first `done`."""
    lines = lines_of(file, skip=done)
    first = done + 1
    while block := list(islice(lines, flow.CHUNK)):
        if first == 1 and encoding == "utf-8":
            block[0] = block[0].removeprefix(codecs.BOM_UTF8)  # as in files of people
        yield [
            Line(number=at, record=records.read(line, encoding, number=at))
            for at, line in enumerate(block, start=first)
        ]
        first += len(block)
