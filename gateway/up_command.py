"""`sekisho up` and `sekisho migrate`: everything on this machine, or set-up alone."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import aiohttp
import asyncpg

from gateway import config, own_topology
from gateway.data_folder import STAFF, DataFolder, FolderBusyError, held
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED, UNREACHABLE, end
from gateway.first_people import MOST, bring_in
from gateway.launcher import RoleNotStartedError, Running
from gateway.linkage_server.registration import CHANNELS
from gateway.setting_up.key_files import KeyFileBusyError
from gateway.setting_up.ports import PortOutOfRangeError, PortTakenError
from gateway.setting_up.set_up import ClientFileTakenError
from gateway.topology import Topology, TopologyError, shipped_text
from storage.database import StorageUnavailableError
from storage.key_store import KeyStoreError
from storage.migrations import MigrationChangedError
from storage.postgres import EmbeddedPostgresError

_POLL_S: Final = 0.5
_WHOLE: Final = Path("whole")
"""In place of a file: the shipped topology with everybody of the assessment report."""
_BUSY: Final = "このデータフォルダーは使用中です / the data folder is in use by another `sekisho`"
_CHANGED: Final = "適用済みの移行ファイルが変わっています / a migration that was applied has changed"
_AWAY: Final = (
    "PostgreSQL に接続できません。SEKISHO_DSN を確かめてください / PostgreSQL does not answer; check SEKISHO_DSN"
)
_UNUSABLE: Final = "データフォルダーを作れないか、書けません。--data を確かめてください / the data folder cannot be made or written; check --data"
_HINDRANCES: Final[tuple[tuple[tuple[type[Exception], ...], str, int], ...]] = (
    ((FolderBusyError,), _BUSY, REFUSED),
    ((PortTakenError, KeyFileBusyError), "", REFUSED),
    ((TopologyError, KeyStoreError, PortOutOfRangeError, ClientFileTakenError), "", BAD_INPUT),
    ((MigrationChangedError,), _CHANGED, BAD_INPUT),
    ((EmbeddedPostgresError, RoleNotStartedError), "", FAILED),
    (
        (StorageUnavailableError, asyncpg.PostgresConnectionError, ConnectionError, TimeoutError, socket.gaierror),
        _AWAY,
        UNREACHABLE,
    ),
    ((OSError,), _UNUSABLE, BAD_INPUT),
)
"""Errors that set-up and start foresee, what is said about them ("": their own text), and the exit code."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=config.read().data, metavar="DIR", help="データフォルダー (data folder)"
    )
    parser.add_argument(
        "--topology",
        type=Path,
        metavar="FILE",
        help="別の構成で。whole は評価書の全機関 (another topology; kept in the data folder; `whole`: everybody of the report)",
    )
    parser.add_argument("--port-offset", type=int, default=0, metavar="N", help="全ポートを N ずらす (move all ports)")
    parser.add_argument(
        "--lines",
        action="store_true",
        help="役割のあいだに障害を起こせる回線を置く (proxies that `sekisho faults` makes bad)",
    )
    parser.add_argument("--free-ports", action="store_true", help="空いているポートを選ぶ (any free ports)")


def add_up_arguments(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument(
        "--residents", type=int, default=0, metavar="N",
        help=f"どの機関も知っている架空の人を加える、{MOST:,} まで (synthetic people whom every agency knows, to ask about)",
    )  # fmt: skip


def run_up(args: argparse.Namespace) -> int:
    """Start everything, say where it is, and wait for Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):  # in a script's background Ctrl-C would be ignored
        signal.signal(number, _interrupt)
    if not 0 <= args.residents <= MOST:
        return end(f"--residents は {MOST:,} までです / up to so many", BAD_INPUT)

    def up(running: Running) -> int:
        with running:
            _print_places(running)
            if args.residents and not _brought_in(running, args.residents):
                return FAILED
            return _watch(running)

    return _guarded(args, up)


def run_migrate(args: argparse.Namespace) -> int:
    """Set up without starting a role; again, it changes nothing that is in order."""

    def migrate(running: Running) -> int:
        with held(running.data.root):
            running.roles = ()
            try:
                running.set_up()
            finally:
                running.stop()
        return end(f"セットアップが済みました / set up: {running.data.root}", OK)

    return _guarded(args, migrate)


def _brought_in(running: Running, count: int) -> bool:
    """Whether there are people to ask about now."""
    try:
        known = asyncio.run(bring_in(running, count))
    except (UnexpectedAnswerError, aiohttp.ClientError, RuntimeError) as problem:
        sys.stderr.write(f"架空の人を加えられませんでした / the people could not be brought in: {problem}\n")
        return False
    lines = [
        f"架空の {known.people:,} 人を {known.agencies} 機関が知っています (synthetic people, known to so many agencies)"
    ]
    if known.question is not None:
        lines += ["尋ねてみる、別の端末で (to ask, in another terminal):", f"  {known.question}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return True


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _guarded(args: argparse.Namespace, work: Callable[[Running], int]) -> int:
    """Do the work; say what hinders it in one line."""
    try:
        topology, own = _topology(args)
        return work(
            Running(
                args.data,
                topology=topology,
                own=own,
                ports="free" if args.free_ports else "default",
                port_offset=args.port_offset,
                lines=args.lines,
                dsn=config.read().dsn,
            )
        )
    except KeyboardInterrupt:
        return end("停止しました / stopped", OK)
    except Exception as error:
        text, code = hindrance(error)
        if text is None:
            raise
        return end(text, code)


def hindrance(error: Exception) -> tuple[str | None, int]:
    """What a person is told about an error that set-up or start foresees; no text for any other."""
    for kinds, text, code in _HINDRANCES:
        if isinstance(error, kinds):
            return text or str(error), code
    return None, FAILED


def _topology(args: argparse.Namespace) -> tuple[Topology, bytes | None]:
    """The one named now, with its text, or named when the folder was set up, or the shipped one. Raises TopologyError."""
    data = DataFolder(args.data)
    if args.topology is None:
        return own_topology.read(data), None
    text = shipped_text("topologies/whole") if args.topology == _WHOLE else own_topology.text_of(args.topology)
    return own_topology.read(data, given=(str(args.topology), text)), text.encode()


def _watch(running: Running) -> int:
    """Wait; a role that ends by itself ends everything."""
    while True:
        for role in running.roles:
            if running.ended(role) is not None:
                return end(f"{role} が終了しました / {role} has ended; see {running.log(role)}", FAILED)
        time.sleep(_POLL_S)


def _print_places(running: Running) -> None:
    width = max(map(len, running.roles))
    lines = ["関所: 動作中の役割 (running roles)"]
    for name in running.roles:
        hosts = "、".join(running.topology.roles[name].hosts)
        lines += [
            f"  {name:{width}}  {running.url(name)}  metrics {running.metrics_url(name)}  pid {running.pid(name)}",
            f"  {'':{width}}  {hosts}",
        ]
    sys.stdout.write("\n".join([*lines, *_how_to_sign_in(running)]) + "\n")
    sys.stdout.flush()


def _how_to_sign_in(running: Running) -> list[str]:
    clients = running.data.clients
    systems = [system.id for agency in running.topology.agencies.values() for system in agency.systems]
    lines = [
        f"業務システムのクライアント (client ids): {'、'.join(systems)}",
        f"  秘密は各ファイルにあります (secrets, 0600): {clients}/<client id>.json",
        f"ファイルの受け渡し (spool): {running.data.root / 'spool'}/<linkage | neighbours-linkage>/<機関 agency>/<業務 ID>/<{' | '.join(CHANNELS)}>/in (sekisho send)",
        f"職員の証明書 (staff certificates): {clients}/staff-<機関 agency>/<{' | '.join(STAFF)}>.pem, .key.pem",
        f"職員の画面 (pages for staff): sekisho terminal --data {running.data.root}",
        f"  パスワードと職員証の暗証 (passwords and PINs, 0600): {clients}/staff-<機関 agency>/<{' | '.join(STAFF)} | admin-1 | admin-2>.secrets.json",
    ]
    if systems:
        client = running.client(systems[0])
        lines += [
            "トークンの取得 (a token; the secret stays out of the process list):",
            f'  sed -n \'s/^ "client_secret": "\\(.*\\)",$/user = "{client.client_id}:\\1"/p\' {clients}/{client.client_id}.json |',
            f"    curl --config - --cacert {client.ca} -d grant_type=client_credentials {client.url}/oauth/token",
        ]
    return [
        *lines,
        "尋ねる人がいなければ (nobody to ask about yet?): sekisho up --residents 20",
        "止めるには Ctrl-C (Ctrl-C stops everything)",
    ]
