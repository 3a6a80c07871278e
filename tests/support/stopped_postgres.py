"""A PostgreSQL that is there and does not move (SIGSTOP): its sockets accept, and nothing answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def processes_of(postmaster: int) -> list[int]:
    """The postmaster and every process that it started (each has a session of its own)."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


@contextmanager
def stopped(postmaster: int) -> Iterator[None]:
    """PostgreSQL does not move: sockets accept, and nothing answers."""
    found = processes_of(postmaster)
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)
