"""The spool channel `business-information`: NDJSON, one record a line."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from gateway.batch.manifest import ENCODINGS, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.linkage_server import intake
from gateway.linkage_server.business_information import flow, records
from gateway.linkage_server.business_information.flow import Line
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.lines import lines_of
from gateway.linkage_server.spool_rights import admit
from gateway.linkage_server.tenant import Agency

CHANNEL: Final = "business-information"
HEADER_LINES: Final = 0
_RESULT_COLUMNS: Final = ("line", "outcome", "reason", "item")


async def register_file(agency: Agency, file: SpoolFile, manifest: Manifest) -> bytes | Rejected:
    """Take one file to its end and return the result file. Raises StorageUnavailableError, ChannelError: call again, nothing is lost."""
    rights = await admit(agency, file.system, CHANNEL)
    if isinstance(rights, Rejected):
        return rights
    key = intake.file_key(CHANNEL, file.system, manifest.sha256)
    taken = await intake.open_intake(
        agency, key, channel=CHANNEL, system=file.system, sha256=bytes.fromhex(manifest.sha256)
    )
    if not taken.done:
        taken = await _register(
            agency, taken, file.data, system=file.system, encoding=ENCODINGS[manifest.encoding.lower()]
        )
        await flow.close(agency, taken)
    return await intake.result_file(agency, taken, _RESULT_COLUMNS)


async def _register(agency: Agency, taken: Intake, path: Path, *, system: str, encoding: str) -> Intake:
    with path.open("rb") as file:
        lines = lines_of(file, skip=taken.lines_done)
        first = taken.lines_done + 1
        while block := list(islice(lines, flow.CHUNK)):
            read = [Line(number=at, record=records.read(line, encoding)) for at, line in enumerate(block, start=first)]
            taken = await flow.register(agency, taken, read, system=system)
            first += len(block)
    return taken
