"""One file of the spool channel `inquiries` from its first byte to its result file, taken up again wherever an earlier process died.

What is committed line by line is where the file stands; whatever else a crash leaves is asked again under the same message ids, and that is
no new inquiry. The result is fixed when every line is final, or when lines that wait for a provider have been waited for long enough.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from gateway.batch import spool
from gateway.batch.manifest import ENCODINGS, FIXED_WIDTH, SUFFIX, Manifest
from gateway.batch.run import Rejected
from gateway.batch.spool import SpoolFile
from gateway.batch.text_forms import TOO_LONG
from gateway.linkage_server.bulk_inquiries import store
from gateway.linkage_server.bulk_inquiries.asking import RESOURCE, FileAsker
from gateway.linkage_server.bulk_inquiries.codes import Codes
from gateway.linkage_server.bulk_inquiries.form import MOST_LINES, Form, form_of, header_lines, read
from gateway.linkage_server.bulk_inquiries.judging import Asker, NoQuestion, Question, judge
from gateway.linkage_server.bulk_inquiries.pace import Pace
from gateway.linkage_server.bulk_inquiries.progress import Speed
from gateway.linkage_server.bulk_inquiries.results import Writing, Written
from gateway.linkage_server.bulk_inquiries.store import Answered, FileState, InquiryFile
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.lines import lines_of
from gateway.linkage_server.spool_rights import admit
from permission_lists.model import PermissionList
from storage.fault_points import declare
from transport.clock import JST

CHANNEL: Final = "inquiries"
FINISHED_STEP: Final = declare("linkage", "commit.inquiry_file.finished")
_LONGEST_NAME: Final = 120
_LONGEST_LINE: Final = 4_096
"""Bytes: many times a good line, and little enough for ten thousand of them."""
_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What every file of one agency shares. `patience`: how long open lines are waited for; `look`: how often they are looked up, at most."""

    desk: Desk
    agency_code: str
    codes: Codes
    lists: PermissionList
    pace: Pace
    speed: Speed
    root: Path
    patience: timedelta
    look_s: float
    seats: asyncio.Semaphore
    under_way: WeakValueDictionary[tuple[str, bytes], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def one_at_a_time(self, system: str, sha256: bytes) -> asyncio.Lock:
        """Held by whoever takes a file, which may lie there under two names."""
        return self.under_way.setdefault((system, sha256), asyncio.Lock())

    def asker(self, file: InquiryFile) -> FileAsker:
        return FileAsker(self.desk, self.pace, self.speed, file)


async def take_file(bulk: Bulk, file: SpoolFile, manifest: Manifest) -> bytes | Rejected:
    """The result file. Raises StoppedError; StorageUnavailableError, ChannelError: call again, nothing is lost and nothing is asked twice."""
    agency = bulk.desk.agency
    rights = await admit(agency, file.system, RESOURCE, "spool")
    if isinstance(rights, Rejected):
        return rights
    sha256 = bytes.fromhex(manifest.sha256)
    encoding = ENCODINGS[manifest.encoding.lower()]
    again = False
    async with bulk.one_at_a_time(file.system, sha256):
        taken = await store.find(agency, file.system, sha256)
        if taken is None or taken.state is FileState.ASKING:
            asked = await _to_the_end(bulk, file, sha256, encoding)
            if isinstance(asked, Rejected):
                return asked
            taken = asked
        elif taken.state is FileState.FORGOTTEN:
            return Rejected(reason="answers_deleted")
        else:
            again = True
    written = await _write(bulk, taken, encoding, again=again)
    await asyncio.to_thread(_put_beside, file.folder / "done", file.name, taken, encoding, written)
    return written.result


async def ended(bulk: Bulk, file: SpoolFile, manifest: Manifest, reason: str) -> Mapping[str, int]:
    """A file is given back without a result: it says why until the same bytes come again. How many of its lines are taken."""
    sha256 = bytes.fromhex(manifest.sha256)
    async with bulk.one_at_a_time(file.system, sha256):
        done = await store.stop(bulk.desk.agency, file.system, sha256, reason)
    return {"lines_done": done} if done else {}


def _lines(path: Path) -> list[bytes]:
    """The lines of a file, and one more than are allowed at most: a file without end is not read to it."""
    found: list[bytes] = []
    with path.open("rb") as data:
        for line in lines_of(data):
            found.append(line if len(line) <= _LONGEST_LINE else TOO_LONG)
            if len(found) > MOST_LINES + 1:
                break
    return found


async def _to_the_end(bulk: Bulk, file: SpoolFile, sha256: bytes, encoding: str) -> InquiryFile | Rejected:
    """Ask, wait for what is open, and fix the result. Raises StoppedError: the same bytes go on from there when the system may ask again."""
    async with bulk.seats:
        asked = await _ask(bulk, file, sha256, encoding)
    if isinstance(asked, Rejected):
        return asked
    await _wait_for_open_lines(bulk, asked)
    await bulk.asker(asked).check_rights()
    FINISHED_STEP.before.reached()
    await store.finish(bulk.desk.agency, asked.id)
    FINISHED_STEP.after.reached()
    return asked


async def _ask(bulk: Bulk, file: SpoolFile, sha256: bytes, encoding: str) -> InquiryFile | Rejected:
    """Read the file and ask every line that is not asked yet."""
    agency = bulk.desk.agency
    lines = await asyncio.to_thread(_lines, file.data)
    form = form_of(lines, encoding) if lines else Form.COMMA_AND_WIDTH
    if form is None:
        return Rejected(reason="form_unknown")
    count = len(lines) - header_lines(form)
    if count > MOST_LINES:
        return Rejected(reason="too_many_lines")
    if await store.name_in_use(agency, file.system, sha256, file.name):
        return Rejected(reason="file_name_in_use")
    taken = await store.open_file(
        agency, file.system, sha256, name=file.name, form=form, encoding=encoding, lines=count
    )
    basis = bulk.lists.statutory_basis(taken.taken_at.astimezone(JST).date())
    who = Asker(agency_code=bulk.agency_code, basis=basis.id if basis else "", codes=bulk.codes)
    judged = await asyncio.to_thread(lambda: list(judge(read(lines, encoding, form), who, form)))
    done = await store.lines_taken(agency, taken.id)
    left = [one for one in judged if one.number not in done]
    asker = bulk.asker(taken)
    bulk.speed.begin()
    await asker.keep_unasked([one for one in left if isinstance(one, NoQuestion)])
    await _unwrapped(asker, [one for one in left if isinstance(one, Question)])
    await store.all_asked(agency, taken.id)
    return taken


async def _unwrapped(asker: FileAsker, questions: Sequence[Question]) -> None:
    """As `asker.ask`; the first failure inside its task group is raised as itself."""
    try:
        await asker.ask(questions)
    except* Exception as failures:  # noqa: BLE001 (unwrapped, not swallowed)
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    else:
        return
    raise first from None


async def _wait_for_open_lines(bulk: Bulk, taken: InquiryFile) -> None:
    """Until every line is final, or the patience is over that began when all were asked. Raises ChannelError, StoppedError."""
    agency, asker = bulk.desk.agency, bulk.asker(taken)
    asked = await store.find(agency, taken.system, taken.sha256)
    since = (asked.asked_at if asked else None) or agency.clock()
    pause_s = min(0.2, bulk.look_s)
    while await store.count_open(agency, taken.id):
        left_s = (since + bulk.patience - agency.clock()).total_seconds()
        if left_s <= 0:
            return
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 2, bulk.look_s)
        await asker.check_rights()
        await asker.look_up()


async def _write(bulk: Bulk, taken: InquiryFile, encoding: str, *, again: bool) -> Written:
    """In the encoding that is asked for now: a file that comes again in another one gets what the first could not carry.

    `again`: the result was fixed before this, so that it may have been handed out; the inquiries' own records do not cover this time (SC-7).
    """
    agency, asker = bulk.desk.agency, bulk.asker(taken)
    writing = Writing(taken.form, encoding, agency.layouts)
    some: list[Answered] = []
    async for line in store.result_lines(agency, taken.id):
        writing.add(line)
        some.append(line)
        if len(some) == _AT_ONCE:
            if again:
                await asker.record_again(some)
            some = []
            await asyncio.sleep(0)  # others are served between two hundred lines
    if again:
        await asker.record_again(some)
    return writing.files()


async def write_supplement(bulk: Bulk, taken: InquiryFile, part: int) -> None:
    """追加の結果ファイル: the lines of one part, in the form of the result file, with what of them may be asked again."""
    agency = bulk.desk.agency
    writing = Writing(taken.form, taken.encoding, agency.layouts)
    for line in await store.supplement_lines(agency, taken.id, part):
        writing.add(line)
    written = writing.files()
    name = f"{taken.name}.supplement-{part}"
    done = bulk.root / agency.id / taken.system / CHANNEL / "done"
    await asyncio.to_thread(spool.durable, done / f"{name}.csv", written.result)
    await asyncio.to_thread(_put_beside, done, _marked(taken, f"supplement-{part}"), taken, taken.encoding, written)


def _put_beside(done: Path, name: str, taken: InquiryFile, encoding: str, written: Written) -> None:
    """The file to ask again with its manifest, ready to be moved to `in/`, and the orphans."""
    if written.orphans:
        spool.durable(done / f"{name}.orphans.csv", written.orphans)
    if written.again:
        again = _marked(taken, "again", name)
        manifest = {
            "file": again,
            "kind": CHANNEL,
            "count": written.again_lines,
            "sha256": hashlib.sha256(written.again).hexdigest(),
            "encoding": encoding,
            "form": "csv" if taken.form is Form.CSV else FIXED_WIDTH,
        }
        spool.durable(done / again, written.again)
        spool.durable(done / f"{again}{SUFFIX}", json.dumps(manifest).encode() + b"\n")


def _marked(taken: InquiryFile, mark: str, name: str | None = None) -> str:
    """A name beside the file's own: `x.dat` → `x.again.dat`; one that grows too long by being asked again and again begins anew."""
    path = Path(name or taken.name)
    stem = path.stem if len(path.name) < _LONGEST_NAME else f"file-{taken.id}"
    return f"{stem}.{mark}{path.suffix or '.dat'}"


def sweep(bulk: Bulk, older_than_s: float) -> None:
    """Remove what was written for files so long ago, under whatever name, if the business system has left it lying (SC-3)."""
    until = time.time() - older_than_s
    for done in (bulk.root / bulk.desk.agency.id).glob(f"*/{CHANNEL}/done"):
        for path in done.iterdir():
            with suppress(FileNotFoundError):  # it was fetched just now
                if path.is_file() and path.stat().st_mtime <= until:
                    path.unlink()
