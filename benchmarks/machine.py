"""What a figure needs beside it: CPU steal of the machine, CPU time of the processes, quantiles, a data folder of its own."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.postgres import discard


@contextmanager
def thrown_away(prefix: str) -> Iterator[Path]:
    """A data folder that is gone afterwards, with its cluster. What runs on it must have ended by then."""
    data = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield data
    finally:
        discard(data)


def cpu_times() -> tuple[float, float, float]:
    """Ticks of steal, of idling and of everything, over all CPUs, since boot."""
    fields = [float(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (fields[7] if len(fields) > 7 else 0.0), fields[3] + fields[4], sum(fields)


class Watch:
    """Seconds and steal of a stretch of time."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self._steal, self._idle, self._all = cpu_times()

    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def steal_percent(self) -> float:
        steal, _, everything = cpu_times()
        return 100.0 * (steal - self._steal) / max(everything - self._all, 1.0)

    def busy_seconds(self) -> float:
        """CPU seconds of the whole machine that were neither idle nor stolen."""
        steal, idle, everything = cpu_times()
        ticks = everything - self._all - (steal - self._steal) - (idle - self._idle)
        return ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Sequence[int]) -> dict[int, float]:
    """User and system time of processes so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        found[pid] = (int(fields[11]) + int(fields[12])) / ticks
    return found


def resident_mb(pid: int) -> float:
    """Memory of a process that is resident now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are still there: the backends of a PostgreSQL server, for one."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def database_seconds() -> float:
    """User and system time so far of the embedded databases that this process started, with all their processes that still run."""
    total = 0.0
    waiting = children(os.getpid())
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):  # it ended just now
            waiting += children(pid)
            if Path(f"/proc/{pid}/comm").read_text().startswith("postgres"):
                total += cpu_seconds([pid])[pid]
    return total


def quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
