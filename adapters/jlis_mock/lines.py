"""Lines between roles that can be bad: one TCP proxy for each pair of roles, in a process of their own (simulation only).

A line sees nothing but TLS records. What it does to them, the roles at its ends must catch: TLS finds bytes that come twice or in another
order, a sender that got no answer sends the same bytes again, and the receiver knows them. `lines.json` says where each line listens and
leads; `control` is a socket that takes one JSON object and answers with the state of all lines.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

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
_CHANGES: Final = msgspec.json.Decoder(Changes)


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


def changed(lines: Mapping[str, Line], data: bytes) -> bytes:
    """Take a change whole or not at all; the answer is the state of all lines, or what is wrong."""
    try:
        changes = _CHANGES.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        return json.dumps({"wrong": str(wrong)}).encode()
    unknown = sorted(set(changes) - set(lines))
    if unknown:
        return json.dumps({"wrong": "no such line", "lines": sorted(lines)}).encode()
    for name, bad in changes.items():
        lines[name].set(bad)
    return json.dumps({"lines": shown(lines)}).encode()


async def serve(folder: Path, stop: asyncio.Event) -> None:
    """Carry all lines of `lines.json` until `stop`. Raises OSError when a port is taken."""
    places = msgspec.json.decode(await asyncio.to_thread((folder / LINES_FILE).read_bytes), type=dict[str, Place])
    lines = {name: Line(name=name, place=place) for name, place in places.items()}

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            writer.write(changed(lines, await reader.readline()) + b"\n")
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


def names(folder: Path) -> list[str]:
    """The lines of a folder. Raises OSError when nobody carries any."""
    (folder / CONTROL).stat()
    return sorted(json.loads((folder / LINES_FILE).read_bytes()))


async def change(folder: Path, changes: Changes) -> dict[str, dict[str, dict[str, int]]]:
    """Make lines bad, or good again; the state of all. Raises OSError when nobody carries them, ValueError for what they do not take."""
    reader, writer = await asyncio.open_unix_connection(folder / CONTROL)
    try:
        writer.write(msgspec.json.encode(changes) + b"\n")
        answer = json.loads(await reader.readline())
    finally:
        writer.close()
    if "wrong" in answer:
        raise ValueError(answer["wrong"])
    state: dict[str, dict[str, dict[str, int]]] = answer["lines"]
    return state


async def _main(folder: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(folder, stop)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
