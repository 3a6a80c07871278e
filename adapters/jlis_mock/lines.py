"""Lines between roles that can be bad: one TCP proxy for each pair of roles, beside the roles (simulation only).

A line sees nothing but TLS records. What it does to them, the roles at its ends must catch: TLS finds bytes that come twice or in another
order, a sender that got no answer sends the same bytes again, and the receiver knows them. `lines.json` says where each line listens and
leads; `control` is a socket that takes one JSON object (`Order`) and answers with the state of all lines, clocks and logs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from storage import durable_file

LINES_FILE: Final = "lines.json"
CONTROL: Final = "control"
HOST: Final = "127.0.0.1"
_BLOCK: Final = 64 * 1024
_MOST: Final = 1_000_000
_ALWAYS: Final = 100
_LARGEST_CHANGE: Final = 64 * 1024


class Bad(StrEnum):
    """What a line may do wrong."""

    DELAY = "delay"
    """Each block waits; `ms`, give or take a half, drawn from the seed."""
    CUT = "cut"
    """The connection breaks when an answer begins: the request has arrived, and its sender does not know."""
    HALF_CLOSE = "half_close"
    """The caller's side ends after its next block; what comes back still comes."""
    DUPLICATE = "duplicate"
    """A block of the answer comes twice."""
    REORDER = "reorder"
    """The two halves of a block of the answer change places."""
    BLACKHOLE = "blackhole"
    """Everything is taken and nothing passed on: the other side seems to hang."""
    REFUSE = "refuse"
    """A new connection is closed at once, as if nobody listened."""


class Setting(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`times`: how many more times; `ms`: how long a delay is; `share`: in how many of a hundred occasions it happens; `seed`: what both are drawn from."""

    times: Annotated[int, Meta(ge=0, le=_MOST)]
    ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    seed: int = 1
    share: Annotated[int, Meta(ge=1, le=_ALWAYS)] = _ALWAYS


Changes = dict[str, dict[Bad, Setting]]
"""Line → what it does wrong; what is left out stays, `times: 0` ends it."""
Skew = Annotated[int, Meta(ge=-315_360_000, le=315_360_000)]
"""Seconds by which a clock is wrong: ten years at most."""


class Order(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is to go wrong from now on; what is left out stays. `clocks`: role → by how many seconds its clock alone is wrong; `logs`: whose log is full.

    A log is an agency's (by its id) or the `network`'s. Of clocks and logs the answer tells the state when they are named, empty too.
    """

    lines: Changes = {}
    clocks: dict[str, Skew] | UnsetType = UNSET
    logs: dict[str, bool] | UnsetType = UNSET


_ORDER: Final = msgspec.json.Decoder(Order)


class UnknownError(ValueError):
    """There is no such line, role or log; the message says which there are."""


class Others(Protocol):
    """What stands beside the lines: clocks of roles and logs of agencies."""

    async def take(self, order: Order) -> dict[str, Any]:
        """Bend what it names, all or none; `clocks` that are wrong and `logs` that are full then. Raises UnknownError."""
        ...


class Place(Struct, forbid_unknown_fields=True, frozen=True):
    """The port of loopback that a line listens on, and where it leads to."""

    listens: int
    host: str
    port: int


@dataclass(slots=True, kw_only=True)
class Line:
    name: str
    place: Place
    bad: dict[Bad, Setting] = field(default_factory=dict)
    blocks: int = 0
    occasions: dict[Bad, int] = field(default_factory=dict)

    def take(self, what: Bad) -> Setting | None:
        """The setting, when this is to happen now; counts it."""
        found = self.bad.get(what)
        if found is None or found.times == 0 or not self._drawn(what, found):
            return None
        self.bad[what] = msgspec.structs.replace(found, times=found.times - 1)
        return found

    def _drawn(self, what: Bad, found: Setting) -> bool:
        """Whether this occasion is one of the share; the same for the same seed and place in the row of occasions."""
        self.occasions[what] = self.occasions.get(what, 0) + 1
        row = f"{found.seed}/{self.name}/{what.value}/{self.occasions[what]}"
        return int.from_bytes(blake2b(row.encode(), digest_size=4).digest(), "big") % _ALWAYS < found.share

    def set(self, changes: Mapping[Bad, Setting]) -> None:
        """From now on; the row of occasions of what is named begins anew."""
        for what, setting in changes.items():
            self.bad[what] = setting
            self.occasions.pop(what, None)

    def delay_s(self) -> float:
        """How long the next block waits; the same for the same seed and place in the row of blocks."""
        self.blocks += 1
        found = self.take(Bad.DELAY)
        if found is None:
            return 0.0
        drawn = blake2b(f"{found.seed}/{self.name}/{self.blocks}".encode(), digest_size=4).digest()
        return found.ms * (0.5 + int.from_bytes(drawn, "big") / 2**32) / 1000

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the caller, to its end."""
        try:
            if self.take(Bad.REFUSE):
                return writer.transport.abort()
            onwards, out = await asyncio.open_connection(self.place.host, self.place.port)
        except OSError:  # nobody listens at the other end: the caller must see that at once
            return writer.transport.abort()
        with suppress(OSError):
            await asyncio.gather(self._requests(reader, out), self._answers(onwards, writer, out))
        for each in (out, writer):
            each.close()
        return None

    async def _requests(self, reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        while block := await reader.read(_BLOCK):
            await asyncio.sleep(self.delay_s())
            if self.take(Bad.BLACKHOLE):
                continue
            out.write(block)
            await out.drain()
            if self.take(Bad.HALF_CLOSE):
                break
        out.write_eof()

    async def _answers(
        self, onwards: asyncio.StreamReader, writer: asyncio.StreamWriter, out: asyncio.StreamWriter
    ) -> None:
        while block := await onwards.read(_BLOCK):
            await asyncio.sleep(self.delay_s())
            if self.take(Bad.CUT):
                writer.transport.abort()
                return out.transport.abort()
            if self.take(Bad.DUPLICATE):
                block += block
            if self.take(Bad.REORDER):
                half = len(block) // 2
                block = block[half:] + block[:half]
            writer.write(block)
            await writer.drain()
        if not writer.is_closing():
            writer.write_eof()
        return None


def shown(lines: Mapping[str, Line]) -> dict[str, dict[str, dict[str, int]]]:
    """Line → what it still does wrong."""
    return {
        name: {what.value: msgspec.to_builtins(one) for what, one in line.bad.items() if one.times}
        for name, line in lines.items()
    }


def _read(lines: Collection[str], data: bytes) -> Order:
    """Raises UnknownError, and what msgspec raises."""
    order = _ORDER.decode(data)
    if unknown := sorted(set(order.lines) - set(lines)):
        raise UnknownError(f"{unknown[0]}: no such line; there are: {', '.join(sorted(lines))}")
    return order


async def obeyed(lines: Mapping[str, Line], others: Others, data: bytes) -> bytes:
    """Take an order whole or not at all; the answer is the state of everything, or what is wrong."""
    try:
        order = _read(lines, data)
        beside = await others.take(order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnknownError) as wrong:
        return json.dumps({"wrong": str(wrong)}).encode()
    for name, bad in order.lines.items():
        lines[name].set(bad)
    return json.dumps({"lines": shown(lines), **beside}).encode()


async def serve(folder: Path, others: Others, stop: asyncio.Event) -> None:
    """Carry all lines of `lines.json` until `stop`. Raises OSError when a port is taken."""
    places = msgspec.json.decode(await asyncio.to_thread((folder / LINES_FILE).read_bytes), type=dict[str, Place])
    lines = {name: Line(name=name, place=place) for name, place in places.items()}

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            writer.write(await obeyed(lines, others, await reader.readline()) + b"\n")
            await writer.drain()
        writer.close()

    async with AsyncExitStack() as stack:
        for line in lines.values():
            await stack.enter_async_context(await asyncio.start_server(line.carry, HOST, line.place.listens))
        where = folder / CONTROL
        await asyncio.to_thread(where.unlink, missing_ok=True)
        await stack.enter_async_context(await asyncio.start_unix_server(control, where, limit=_LARGEST_CHANGE))
        await stop.wait()
    await asyncio.to_thread(where.unlink, missing_ok=True)


def write_places(folder: Path, places: Mapping[str, Place]) -> None:
    durable_file.write(folder / LINES_FILE, msgspec.json.encode(dict(places)))


def places(folder: Path) -> dict[str, Place]:
    """Where each line of a folder listens and leads; none when nobody carries any."""
    if not (folder / CONTROL).exists():
        return {}
    return msgspec.json.decode((folder / LINES_FILE).read_bytes(), type=dict[str, Place])


def names(folder: Path) -> list[str]:
    """The lines of a folder. Raises OSError when nobody carries any."""
    (folder / CONTROL).stat()
    return sorted(json.loads((folder / LINES_FILE).read_bytes()))


async def change(folder: Path, changes: Changes) -> dict[str, dict[str, dict[str, int]]]:
    """Make lines bad, or good again; the state of all. Raises as `order`."""
    state: dict[str, dict[str, dict[str, int]]] = (await order(folder, Order(lines=changes)))["lines"]
    return state


async def order(folder: Path, wanted: Order) -> dict[str, Any]:
    """The state of everything then. Raises OSError when nobody listens there, UnknownError, ValueError for what is not taken."""
    reader, writer = await asyncio.open_unix_connection(folder / CONTROL)
    try:
        writer.write(msgspec.json.encode(wanted) + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
    finally:
        writer.close()
    if "wrong" in answer:
        raise UnknownError(answer["wrong"])
    return answer
