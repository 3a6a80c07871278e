"""Inquiry files and their lines in the database. An answer is written once: what is no longer open never changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from asyncpg import Record

from gateway.linkage_server.bulk_inquiries import content
from gateway.linkage_server.bulk_inquiries.classes import OPEN, LineClass
from gateway.linkage_server.bulk_inquiries.content import Content
from gateway.linkage_server.bulk_inquiries.form import Form
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.database import Connection, StorageUnavailableError

_SQL = sql.load("gateway.linkage_server.bulk_inquiries")
_PAGE: Final = 500


class FileState(StrEnum):
    """`finished`: the result is fixed; `settled`: no line is open any more; `forgotten`: the answers are deleted."""

    ASKING = "asking"
    FINISHED = "finished"
    SETTLED = "settled"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryFile:
    """照会依頼ファイル as it stands. `asked_at`: when every line had been asked; `named_under`: the version of the key that names its lines."""

    id: int
    system: str
    sha256: bytes
    name: str
    form: Form
    encoding: str
    lines: int
    state: FileState
    taken_at: datetime
    asked_at: datetime | None
    supplements: int
    supplements_written: int
    supplement_at: datetime | None
    named_under: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTell:
    """A file of which the business system has more to be told: of `outputs` (the result, then supplements) it knows the first `told`."""

    file_id: int
    name: str
    told: int
    outputs: int


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """A line with what became of it (an open one: so far)."""

    line: int
    found: LineClass
    inquiry_number: str | None
    content: Content


@dataclass(frozen=True, slots=True)
class Holder:
    """Who stands behind an addressee number. `held`: the number is the system's today; `frozen`: nobody is asked about the person."""

    addressee_number: str
    integrated_number: int
    held: bool
    frozen: bool


def _file(row: Any) -> InquiryFile:
    return InquiryFile(
        id=row["file_id"],
        system=row["business_system_id"],
        sha256=row["sha256"],
        name=row["name"],
        form=Form(row["form"]),
        encoding=row["encoding"],
        lines=row["lines"],
        state=FileState(row["state"]),
        taken_at=row["taken_at"],
        asked_at=row["asked_at"],
        supplements=row["supplements"],
        supplements_written=row["supplements_written"],
        supplement_at=row["supplement_at"],
        named_under=row["named_under"],
    )


async def find(agency: Agency, system: str, sha256: bytes) -> InquiryFile | None:
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["file"], system, sha256)
    return _file(row) if row else None


async def open_file(
    agency: Agency, system: str, sha256: bytes, *, name: str, form: Form, encoding: str, lines: int
) -> InquiryFile:
    """The file, begun now or found. One that was given back on the way goes on."""
    async with agency.database.inside(agency.tenant) as connection:
        said = (system, sha256, name, form.value, encoding, lines, agency.clock(), agency.keys.version_of_lines)
        await connection.execute(_SQL["open_file"], *said)
        row = await connection.fetchrow(_SQL["file"], system, sha256)
        if row is None:
            raise StorageUnavailableError("a file that was just written is not there")
        if row["name"] != name or row["stopped_because"] is not None:
            await connection.execute(_SQL["go_on"], row["file_id"], name)
    return _file(row)


async def stop(agency: Agency, system: str, sha256: bytes, reason: str) -> int:
    """A file that is being asked is given back, until the same bytes come again; how many of its lines are taken."""
    async with agency.database.inside(agency.tenant) as connection:
        return await connection.fetchval(_SQL["stop_file"], system, sha256, reason) or 0


async def name_in_use(agency: Agency, system: str, sha256: bytes, name: str) -> bool:
    """Whether another file of the system has supplements to bring under this name."""
    async with agency.database.inside(agency.tenant) as connection:
        return bool(await connection.fetchval(_SQL["name_in_use"], system, name, sha256))


async def lines_taken(agency: Agency, file_id: int) -> set[int]:
    """Lines that have an answer, or are registered at the intermediate server."""
    async with agency.database.inside(agency.tenant) as connection:
        return {row["line"] for row in await connection.fetch(_SQL["lines_taken"], file_id)}


async def put_lines(agency: Agency, file_id: int, lines: Sequence[Answered]) -> None:
    """Keep what became of these lines; one that is final already stays as it is."""
    if not lines:
        return
    columns: list[list[Any]] = [[], [], [], [], []]
    for one in lines:
        sealed = content.seal(agency.keys, file_id, one.line, one.content)
        for column, value in zip(
            columns, (one.line, one.found.value, one.found in OPEN, one.inquiry_number, sealed), strict=True
        ):
            column.append(value)
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["put_lines"], file_id, *columns)


async def all_asked(agency: Agency, file_id: int) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["all_asked"], file_id, agency.clock())


async def open_lines(agency: Agency, file_id: int) -> list[Answered]:
    """The lines that wait for an answer."""
    found: list[Answered] = []
    async with agency.database.inside(agency.tenant) as connection:
        while rows := await connection.fetch(_SQL["open_lines"], file_id, _PAGE, len(found)):
            found += [_answered(agency, file_id, row, row["class"]) for row in rows]
    return found


async def count_open(agency: Agency, file_id: int) -> int:
    async with agency.database.inside(agency.tenant) as connection:
        count: int = await connection.fetchval(_SQL["count_open"], file_id)
    return count


async def count_waiting(agency: Agency) -> int:
    """Lines of all files that wait for the network or a provider, but not for a person there."""
    async with agency.database.inside(agency.tenant) as connection:
        count: int = await connection.fetchval(_SQL["count_waiting"])
    return count


async def finish(agency: Agency, file_id: int) -> None:
    """Fix the result: what is open now is left to supplements."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["finish_file"], file_id, agency.clock())


async def result_lines(agency: Agency, file_id: int) -> AsyncIterator[Answered]:
    """Every line as the result file has it, in order: one that was left open has no answer there, also when it has one by now."""
    last = 0
    while True:
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["lines_of"], file_id, last, _PAGE)
        for row in rows:
            if row["left_as"] is None:
                yield _answered(agency, file_id, row, row["class"])
            else:
                known = content.open_sealed(agency.keys, file_id, row["line"], row["sealed"])
                bare = Content(request=known.request, information=known.information)
                yield Answered(row["line"], LineClass(row["left_as"]), row["inquiry_number"], bare)
        if len(rows) < _PAGE:
            return
        last = rows[-1]["line"]


async def supplement_lines(agency: Agency, file_id: int, part: int) -> list[Answered]:
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["lines_of_part"], file_id, part)
    return [_answered(agency, file_id, row, row["class"]) for row in rows]


def _answered(agency: Agency, file_id: int, row: Any, name: str) -> Answered:
    known = content.open_sealed(agency.keys, file_id, row["line"], row["sealed"])
    return Answered(row["line"], LineClass(name), row["inquiry_number"], known)


async def not_settled(agency: Agency) -> list[InquiryFile]:
    """Files whose result is out and that still have something to bring."""
    async with agency.database.inside(agency.tenant) as connection:
        return [_file(row) for row in await connection.fetch(_SQL["not_settled"])]


async def count_arrived(agency: Agency, file_id: int) -> int:
    """Lines that were left open, have their answer, and are in no supplement yet."""
    async with agency.database.inside(agency.tenant) as connection:
        count: int = await connection.fetchval(_SQL["count_arrived"], file_id)
    return count


async def new_supplement(agency: Agency, file_id: int, part: int) -> None:
    """Put what has arrived into supplement `part`."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["new_supplement"], file_id, part, agency.clock())


async def supplement_written(agency: Agency, file_id: int, part: int) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["supplement_written"], file_id, part)


async def settle(agency: Agency, file_id: int) -> None:
    """Nothing is open and every supplement is written: then the file is settled, else nothing changes."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["settle_file"], file_id)


async def past_keeping(agency: Agency, until: datetime) -> list[int]:
    """Settled files whose answers may go."""
    async with agency.database.inside(agency.tenant) as connection:
        return [row["file_id"] for row in await connection.fetch(_SQL["past_keeping"], until)]


async def forget(agency: Agency, file_id: int) -> None:
    """Delete the answers (SC-3), for good."""
    await asyncio.to_thread(agency.erasures.write, [("inquiry_file", str(file_id))], agency.clock())
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["forget_file"], file_id)


async def to_tell(connection: Connection, system: str, since: datetime) -> list[ToTell]:
    """Files of a system, finished since, with outputs that it was not told of."""
    return [
        ToTell(file_id=row["file_id"], name=row["name"], told=row["told"], outputs=1 + row["supplements_written"])
        for row in await connection.fetch(_SQL["to_tell"], system, since)
    ]


async def told(connection: Connection, one: ToTell) -> bool:
    """Every output is told now; False when another process told of some meanwhile."""
    return await connection.fetchval(_SQL["told"], one.file_id, one.told, one.outputs) is not None


async def find_people(
    connection: Connection, system: str, candidates: Sequence[tuple[int, str]]
) -> dict[int, list[Holder]]:
    """(line, addressee number as it may be written) → who stands behind it."""
    found: dict[int, list[Holder]] = {}
    rows = await connection.fetch(
        _SQL["find_people"], system, [line for line, _ in candidates], [number for _, number in candidates]
    )
    for row in rows:
        holder = Holder(row["addressee_number"], row["integrated_number"], row["state"] == "held", row["is_frozen"])
        found.setdefault(row["line"], []).append(holder)
    return found


async def current_numbers(connection: Connection, system: str, people: Sequence[int]) -> dict[int, str]:
    """Integrated number → the addressee number that the system holds the person under today."""
    rows = await connection.fetch(_SQL["current_numbers"], system, people)
    return {row["integrated_number"]: row["addressee_number"] for row in rows}


async def files_of(agency: Agency, system: str, most: int) -> list[dict[str, Any]]:
    """The latest files of a system, the newest first, with their lines by class."""
    async with agency.database.inside(agency.tenant) as connection:
        return [dict(row) for row in await connection.fetch(_SQL["files_of"], system, most)]


async def files_since(agency: Agency, since: datetime, most: int) -> list[Record]:
    """Files of every system that were taken since an instant, the newest first, with their lines by class."""
    async with agency.database.inside(agency.tenant) as connection:
        return list(await connection.fetch(_SQL["files_since"], since, most))


async def left_to_ask(agency: Agency) -> tuple[int, int]:
    """Of all files together: lines that were not asked yet, and lines that wait for an answer."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["left_to_ask"])
    return (row["not_asked"], row["waiting"]) if row is not None else (0, 0)
