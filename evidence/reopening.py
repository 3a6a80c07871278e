"""What a log says when it is opened anew after a loss (`log.reopened`), held against what others have seen of it (docs/adr/0044)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from evidence.findings import FindingName


class Reopening(msgspec.Struct, frozen=True):
    """The log had `size` entries, and of the origin before others had seen `known_size`, with this root (hex)."""

    times: int
    size: int
    known_size: int
    known_root: str


class _Entry(msgspec.Struct):
    facts: Reopening


_entry = msgspec.json.Decoder(_Entry)


def read_reopening(body: bytes) -> Reopening:
    """Raises msgspec.DecodeError for an entry that does not say so."""
    return _entry.decode(body).facts


def judge_lost(
    said: Reopening, index: int, openings: int, lost: Sequence[Any]
) -> Iterator[tuple[FindingName, str, int | None, str | None]]:
    """What is wrong with an opening of a log opened `openings` times before: name, what, and size and holder of a checkpoint.

    `index`: of the first entry that says so, here. `lost`: checkpoints (evidence.log_check.Held) of the origins before that reach beyond this place.
    """
    if said.times != openings + 1 or said.size != index:
        yield FindingName.MALFORMED, "the log says that it was opened anew at another place", None, None
    for held in lost:
        if held.size > said.known_size:
            yield (
                FindingName.DROPPED_TAIL,
                "entries that another party has seen are lost, and the log does not say so",
                held.size,
                held.holder,
            )
        elif held.size == said.known_size and held.root.hex() != said.known_root:
            yield FindingName.FORK, "the log's key has signed another root for this size", held.size, held.holder
