"""Lines of a file that a business system sent, however long somebody made them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Final

from gateway.batch.text_forms import TOO_LONG

LONGEST_LINE: Final = 64 * 1024


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass
        yield TOO_LONG


def lines_of(file: BinaryIO, *, skip: int = 0) -> Iterator[bytes]:
    """The lines from where the file stands, without the first `skip`; a line beyond 64 KiB counts, but its content does not come."""
    lines = _lines(file)
    for _ in islice(lines, skip):
        pass
    return lines
