"""The spool channel `business-information`: NDJSON, one record a line. The result file says what became of each line at the intermediate server."""

from __future__ import annotations

import codecs
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.batch.manifest import ENCODINGS, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.linkage_server import intake
from gateway.linkage_server.business_information import flow, records, results
from gateway.linkage_server.business_information.flow import Line, Sender
from gateway.linkage_server.business_information.originals import LineReason
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.lines import lines_of
from gateway.linkage_server.spool_rights import admit, admit_still

CHANNEL: Final = "business-information"
HEADER_LINES: Final = 0
_NOT_YET: Final = frozenset(
    {
        LineReason.ADDRESSEE_UNKNOWN,
        LineReason.RECORD_UNKNOWN,
        LineReason.PARENT_UNKNOWN,
        LineReason.RECORD_HAS_CHILDREN,
    }
)
"""Of a line that another line, here or elsewhere, may let in."""


async def register_file(outbox: Outbox, file: SpoolFile, manifest: Manifest) -> bytes | Rejected:
    """Take one file to its end and return the result file. Raises StoppedError; StorageUnavailableError, ChannelError: call again, nothing is lost."""
    agency = outbox.agency
    rights = await admit(agency, file.system, CHANNEL)
    if isinstance(rights, Rejected):
        return rights
    if manifest.day is not None and manifest.day > agency.today():
        return Rejected(reason="as_of_in_the_future")
    key = intake.file_key(CHANNEL, file.system, manifest)
    digest = bytes.fromhex(manifest.sha256)
    taken = await intake.open_intake(
        agency, key, channel=CHANNEL, system=file.system, sha256=digest, lines=manifest.count
    )
    sender = Sender(system=file.system, by=f"file/{taken.id}", day=manifest.day)
    encoding = ENCODINGS[manifest.encoding.lower()]
    if not taken.done:
        taken = await _take_in(outbox, taken, sender, file.data, encoding)
    while (anew := await _take_in_anew(outbox, taken, sender, file.data, encoding)) != taken:
        taken = anew
    await admit_still(agency, file.system, CHANNEL)
    if not taken.done:
        await results.settle(outbox, taken)
        await flow.close(agency, taken)
    return await intake.result_file(agency, taken, results.COLUMNS)


async def _take_in(outbox: Outbox, taken: Intake, sender: Sender, path: Path, encoding: str) -> Intake:
    """Every line becomes what it says; what was written is on its way while the rest is read."""
    with path.open("rb") as file:
        lines = lines_of(file, skip=taken.lines_done)
        while block := list(islice(lines, flow.CHUNK)):
            await admit_still(outbox.agency, sender.system, CHANNEL)
            judged = await flow.judge(outbox.agency, _read(taken.lines_done + 1, block, encoding), sender)
            taken, fresh = await flow.take_in(outbox.agency, taken, judged, sender, on_command=outbox.on_command)
            outbox.wake(fresh)
    return taken


async def _take_in_anew(outbox: Outbox, taken: Intake, sender: Sender, path: Path, encoding: str) -> Intake:
    """Lines that named what was not held, or what others hung on, are decided once more: that may be otherwise now, by another file or further down (LS-2.2).

    The other lines keep their results. Returns the same intake when nothing is otherwise now.
    """
    if not any(taken.counts.get(f"rejected:{reason}") for reason in _NOT_YET):
        return taken
    with path.open("rb") as file:
        lines = lines_of(file)
        after = 0
        while stored := await intake.results_after(outbox.agency, taken, after):
            after = stored[0][0]
            read = _read(after, list(islice(lines, len(stored))), encoding)
            again = [line for line, found in zip(read, stored, strict=True) if found[2] in _NOT_YET]
            if again:
                await admit_still(outbox.agency, sender.system, CHANNEL)
                judged = await flow.judge(outbox.agency, again, sender)
                taken, fresh = await flow.take_in(
                    outbox.agency, taken, judged, sender, on_command=outbox.on_command, stored=stored
                )
                outbox.wake(fresh)
    return taken


def _read(first: int, block: list[bytes], encoding: str) -> list[Line]:
    if first == 1 and encoding == "utf-8":
        block[0] = block[0].removeprefix(codecs.BOM_UTF8)  # as in files of people
    return [
        Line(number=at, record=records.read(line, encoding, number=at)) for at, line in enumerate(block, start=first)
    ]
