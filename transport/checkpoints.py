"""Peers keep each other's latest checkpoints, so that a dropped tail or a fork shows (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import Counter

from evidence import checkpoint
from storage.committer import Committer
from transport.clock import Clock
from transport.register import Register

BROKEN_NOTES = Counter("sekisho_peer_checkpoints_broken", "Checkpoints of other logs that did not verify", [])


def peer_notes(register: Callable[[], Register], committer: Committer, clock: Clock) -> Callable[[str], None]:
    """Return what takes a note that came with a message: it is verified and kept, or counted and dropped."""
    seen: dict[str, str] = {}

    def keep(note: str) -> None:
        origin = note.partition("\n")[0]
        if seen.get(origin) == note:
            return
        keys = register().log_keys(origin)
        if keys is None:
            BROKEN_NOTES.inc()
            return
        try:
            found = checkpoint.read(note, origin, *keys.accepted(clock()))
        except checkpoint.CheckpointBroken:
            BROKEN_NOTES.inc()
            return
        seen[origin] = note
        committer.keep_peer_checkpoint(origin, found.size, note)

    return keep
