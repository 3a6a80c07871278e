"""What a figure needs beside it: CPU steal of the machine, CPU time of the processes, quantiles."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path


def cpu_times() -> tuple[float, float]:
    """Ticks of steal and of everything, over all CPUs, since boot."""
    fields = [float(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (fields[7] if len(fields) > 7 else 0.0), sum(fields)


class Watch:
    """Seconds and steal of a stretch of time."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self._steal, self._all = cpu_times()

    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def steal_percent(self) -> float:
        steal, everything = cpu_times()
        return 100.0 * (steal - self._steal) / max(everything - self._all, 1.0)


def cpu_seconds(pids: Sequence[int]) -> dict[int, float]:
    """User and system time of processes so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        found[pid] = (int(fields[11]) + int(fields[12])) / ticks
    return found


def quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
