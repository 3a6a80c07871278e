"""Code requests over 既存住基 (LS-4): a request file and its result, line by line, in a pair of folders.

`<folder>/requests/<name>.csv`, then `<name>.csv.manifest.json`, both by rename; the existing resident system takes them away and puts
`<folder>/results/<name>.csv.result.csv` (`line,outcome,reason`) there, or `<name>.csv.reason.json` when it takes nothing of the file.

The request holds 個人番号 and 処理通番 and nothing else does: the result names lines, and which line was whose is in the database.
Each step may be cut off: a data file without manifest is completed when its row is there and removed when it is not; a result is taken again.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import Counter

from codebook.identifiers import new_sortable_id
from gateway.linkage_server.code_requests import store
from gateway.linkage_server.code_requests.standing import Standing, State
from gateway.linkage_server.code_requests.steps import settled
from gateway.linkage_server.code_requests.ways import Ask, FilePlace, Taken, code
from gateway.linkage_server.tenant import Agency, milliseconds
from storage import durable_file
from storage.fault_points import declare

_LOG = structlog.get_logger()
_WRITE: Final = declare("linkage", "send.code_request_file")
_TAKE: Final = declare("linkage", "commit.code_request_results")
REQUESTS, RESULTS = "requests", "results"
HEADER: Final = ("acquisition_number", "individual_number")
RESULT_HEADER: Final = ["line", "outcome", "reason"]
_MANIFEST, _RESULT, _REASON = ".manifest.json", ".result.csv", ".reason.json"
_MOST_RESULT: Final = 4 * 1024 * 1024
ODD: Final = Counter("sekisho_code_request_files_odd", "Result files of code requests that could not be used", ["why"])


def _read(path: Path) -> bytes:
    """The file, or a little more than we take of one."""
    with path.open("rb") as file:
        return file.read(_MOST_RESULT + 1)


def _request(asks: Sequence[Ask]) -> bytes:
    # reveal: the request itself, to the existing resident system alone
    lines = [f"{ask.acquisition_number.reveal()},{ask.individual_number.reveal()}\n" for ask in asks]
    return (",".join(HEADER) + "\n" + "".join(lines)).encode()


def _manifest(name: str, content: bytes) -> bytes:
    told = {
        "file": name,
        "kind": "code_requests",
        "count": content.count(b"\n") - 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "encoding": "utf-8",
    }
    return json.dumps(told).encode() + b"\n"


def read_result(content: bytes, lines: int) -> dict[int, Taken] | None:
    """Line → what became of it; None when this is no result of a file of so many lines."""
    try:
        rows = list(csv.reader(content.decode("utf-8").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    if not rows or rows[0] != RESULT_HEADER:
        return None
    found: dict[int, Taken] = {}
    for row in rows[1:]:
        if len(row) != len(RESULT_HEADER) or not row[0].isascii() or not row[0].isdigit() or len(row[0]) > 6:
            return None
        line = int(row[0])
        if line in found or not 1 <= line <= lines:
            return None
        match row[1]:
            case "accepted":
                found[line] = Taken()
            case "refused":
                found[line] = Taken(refused=code(row[2]))
            case "retry":
                found[line] = Taken(retry=code(row[2]))
            case _:
                return None
    return found


class FileWay:
    """One agency's pair of folders. Folders that cannot be read or written raise OSError, and the people wait."""

    def __init__(self, agency: Agency, place: FilePlace) -> None:
        self._agency = agency
        self._requests = place.folder / REQUESTS
        self._results = place.folder / RESULTS
        self._within = timedelta(seconds=place.answer_within_s)
        self._in_order = False
        """Whether every request is whole: its data file, its rows and its manifest."""

    async def send(self, asks: Sequence[Ask], now: datetime) -> list[Taken] | None:
        """The data file first, then the rows that say whose its lines are, then the manifest that hands it over."""
        name = f"codes-{new_sortable_id('F', milliseconds(now), secrets.token_bytes(10))}.csv"
        content = _request(asks)
        self._in_order = False
        await asyncio.to_thread(self._put, name, content)
        _WRITE.before.reached()
        moves = [(ask.number, ask.held, settled(ask.held, State.REQUESTED, now, later=self._within)) for ask in asks]
        async with self._agency.database.inside(self._agency.tenant) as connection:
            await store.put_request_file(connection, name, now + self._within, [ask.number for ask in asks])
            await store.advance(connection, moves, now)
        _WRITE.after.reached()
        await asyncio.to_thread(durable_file.write, self._requests / f"{name}{_MANIFEST}", _manifest(name, content))
        self._in_order = True
        return None

    def _put(self, name: str, content: bytes) -> None:
        for folder in (self._requests, self._results):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        durable_file.write(self._requests / name, content)

    async def collect(self, now: datetime) -> int:
        """Take the results that are there; people whose answer is overdue are asked for anew."""
        awaited = await store.request_files(self._agency)
        if not self._in_order:
            await asyncio.to_thread(self._recover, awaited)
            self._in_order = True
        seen = 0
        for name in await asyncio.to_thread(self._names):
            path = self._results / name
            file_name = name.removesuffix(_RESULT).removesuffix(_REASON)
            if file_name not in awaited:  # taken before, and cut off before it was removed; or nobody's
                await asyncio.to_thread(path.unlink, missing_ok=True)
                continue
            del awaited[file_name]
            seen += await self._take(path, file_name, now)
        for file_name, answer_by in awaited.items():
            if answer_by <= now:
                seen += await self._give_up(file_name, "no_answer", now)
        return seen

    def _names(self) -> list[str]:
        try:
            return sorted(
                one.name
                for one in os.scandir(self._results)
                if one.name.endswith((_RESULT, _REASON)) and not one.name.startswith(".")
            )
        except FileNotFoundError:
            return []

    def _recover(self, awaited: Mapping[str, datetime]) -> None:
        """What a crash, or a failure of the database or the folder, left: of a request that is not whole yet, or that is answered."""
        if not self._requests.exists():
            return
        for path in sorted(self._requests.glob("codes-*.csv")):
            manifest = path.with_name(f"{path.name}{_MANIFEST}")
            if path.name not in awaited:
                self._remove(path.name)
            elif not manifest.exists():
                durable_file.write(manifest, _manifest(path.name, path.read_bytes()))
        for part in self._requests.glob(".codes-*.part"):
            part.unlink(missing_ok=True)

    async def _take(self, path: Path, file_name: str, now: datetime) -> int:
        content = await asyncio.to_thread(_read, path)
        if path.name.endswith(_REASON) or len(content) > _MOST_RESULT:
            return await self._refused_whole(path, file_name, "file_refused", now)
        async with self._agency.database.inside(self._agency.tenant) as connection:
            people = await store.request_lines(connection, file_name)
            found = read_result(content, len(people))
            if found is not None:
                moves = [
                    (number, held, after(held, found.get(line, Taken(retry="line_missing")), now))
                    for line, (number, held) in people.items()
                ]
                _TAKE.before.reached()
                await store.advance(connection, moves, now)
                await store.drop_request_file(connection, file_name)
        if found is None:
            return await self._refused_whole(path, file_name, "result_malformed", now)
        _TAKE.after.reached()
        await asyncio.to_thread(self._remove, file_name)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return len(people)

    def _remove(self, file_name: str) -> None:
        """What is left of a request that nobody waits for any more: it holds 個人番号 and 処理通番."""
        for name in (f"{file_name}{_MANIFEST}", file_name):
            (self._requests / name).unlink(missing_ok=True)

    async def _refused_whole(self, path: Path, file_name: str, why: str, now: datetime) -> int:
        seen = await self._give_up(file_name, why, now)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return seen

    async def _give_up(self, file_name: str, why: str, now: datetime) -> int:
        """Everybody of the file is asked for anew, later each time. What is left of the request itself goes."""
        ODD.labels(why).inc()
        _LOG.warning("code_requests:file", agency=self._agency.id, reason=why)
        async with self._agency.database.inside(self._agency.tenant) as connection:
            people = await store.request_lines(connection, file_name)
            moves = [(number, held, after(held, Taken(retry=why), now)) for number, held in people.values()]
            await store.advance(connection, moves, now)
            await store.drop_request_file(connection, file_name)
        await asyncio.to_thread(self._remove, file_name)
        return len(people)


def after(held: Standing, taken: Taken, now: datetime) -> Standing:
    """Where the answer to a line leads; whoever was moved on meanwhile stays (store.advance sees to it)."""
    if held.state is not State.REQUESTED and held.state is not State.REPLACING:
        return held
    if taken.refused is not None:
        return settled(held, State.REFUSED, now, reason=taken.refused)
    if taken.retry is not None:
        return settled(held, State.NONE, now, reason=taken.retry)
    return settled(held, State.REQUESTED, now)
