"""Runs SKY2 from a role folder until SIGTERM; a second argument names the fault point at which it dies."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from adapters.sky2 import server
from storage import fault_points
from transport import logs, role


async def main(folder: Path, fault: str | None) -> None:
    config = role.load(folder, fault=fault)
    logs.set_up(config.role)
    if fault:
        fault_points.arm(fault)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.serve(config, stop)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
