"""`sekisho serve ROLE`: runs one role in this process until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import structlog

from gateway import config
from gateway.data_folder import DataFolder, FolderBusyError, held
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED, UNREACHABLE, end
from gateway.own_files import OwnFileError
from gateway.topology_parts import Program
from storage import fault_points
from storage.database import StorageUnavailableError
from storage.key_store import KeyStoreError
from transport import logs, role
from transport.register import RegisterBrokenError
from transport.role import RoleConfig

Serve = Callable[[RoleConfig, asyncio.Event], Awaitable[None]]

MODULES: Final[Mapping[Program, str]] = {
    Program.LINKAGE: "gateway.linkage_server.server",
    Program.INTERMEDIATE: "gateway.intermediate_server.server",
    Program.NETWORK: "adapters.jlis_mock.network",
    Program.RESIDENT_NETWORK: "adapters.jlis_mock.resident_network.server",
    Program.SKY2: "adapters.sky2.server",
    Program.PORTAL: "adapters.jlis_mock.portal.server",
}
_PR_SET_PDEATHSIG: Final = 1
_GARBAGE: Final = (20_000, 20, 50)
"""Thresholds of the cyclic collector. What we make goes by reference count; looking for cycles every 700 objects cost 5 to 10 % of a server's CPU."""
_NOT_SET_UP: Final = (
    "セットアップが済んでいません。先に sekisho up か sekisho migrate を / run `sekisho up` or `sekisho migrate` first"
)
_LOG = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", metavar="ROLE", help="役割の名前 (role), e.g. linkage")
    parser.add_argument(
        "--data", type=Path, default=config.read().data, metavar="DIR", help="データフォルダー (data folder)"
    )


def run(args: argparse.Namespace) -> int:
    return serve_role(DataFolder(args.data), args.role, config.read().fault)


def serve_role(data: DataFolder, name: str, fault: str | None) -> int:
    """Run a role of a folder, armed with a fault point if one is named, until it is told to stop; return the exit code."""
    folder = data.role(name)
    if not data.marker.exists():
        return end(_NOT_SET_UP, BAD_INPUT)
    if not (folder / "role.json").exists():
        known = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/role.json")))
        return end(f"その役割はありません / no such role; there are: {known}", BAD_INPUT)
    logs.set_up(name)
    try:
        with held(folder):
            return _serve(folder, fault)
    except FolderBusyError:
        return end("この役割は既に動作中です / this role is running already", REFUSED)


def collect_rarely() -> None:
    """For a role that has read its modules and data: look for cycles seldom, and never among what is there already."""
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


def _serve(folder: Path, fault: str | None) -> int:
    try:
        found = role.load(folder, fault=fault)
        serve: Serve = import_module(MODULES[Program(found.options["program"])]).serve
        fault_points.arm(found.fault)
        _LOG.info("starting", port=found.port)
        collect_rarely()
        asyncio.run(_until_signalled(serve, found))
    except BaseExceptionGroup as group:
        return _failed(_first(group))
    except Exception as error:  # noqa: BLE001 (the last place: an error ends the process with its exit code)
        return _failed(error)
    _LOG.info("stopped")
    return OK


async def _until_signalled(serve: Serve, found: RoleConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(found, stop)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: BaseException) -> int:
    """Say what ended the role: the error's kind and place, and its text only when it is about a file of the operator's own: others may quote values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = trace.tb_frame.f_code.co_filename if trace else None
    _LOG.error("ended", error=type(error).__name__, file=place, line=trace.tb_lineno if trace else None)
    match error:
        case OwnFileError():  # written by the operator, who is to mend it
            return end(error.told, BAD_INPUT)
        case StorageUnavailableError():
            return UNREACHABLE
        case KeyStoreError() | RegisterBrokenError() | ValueError():
            return BAD_INPUT
        case _:
            return FAILED


def die_with_parent() -> bool:
    """Ask the kernel for SIGTERM when whoever started us dies; False when that happened already."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent and parent != 1
