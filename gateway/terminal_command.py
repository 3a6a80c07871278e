"""`sekisho terminal`: the pages of one agency's 接続端末, on this machine alone, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from functools import lru_cache, partial
from typing import Final

from aiohttp import web

from codebook.layouts import Layout
from gateway import own_topology, staff_calls
from gateway.client_calls import Client, ClientFileError
from gateway.data_folder import FIRST_STAFF, STAFF, DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, end
from gateway.intermediate_server.staff.people import TERMINAL_PORT
from gateway.list_sources import SourceWrongError, open_library
from gateway.own_files import OwnFileError, layouts_with_own, own_file
from gateway.staff_calls import UnknownPartyError
from gateway.terminal.behind import Behind
from gateway.terminal.rooms import Terminal
from gateway.terminal.server import HOST, application
from gateway.terminal.sessions import Seats
from gateway.topology import Topology, TopologyError
from gateway.topology_parts import Program
from permission_lists.versions import legal_day

_CLIENT: Final = "juki"
_JOBS_CLIENT: Final = "kanri"
_BUSINESS_CLIENT: Final = "kokuho"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agency", default="setagaya", metavar="ID", help="機関の id (agency)。既定 setagaya")
    parser.add_argument("--client", default=_CLIENT, metavar="ID", help=f"照会と検索に使う業務システムのクライアント (client)。既定 {_CLIENT}")  # fmt: skip
    parser.add_argument("--jobs-client", default=_JOBS_CLIENT, metavar="ID", help=f"ジョブを見るクライアント (client for jobs)。既定 {_JOBS_CLIENT}")  # fmt: skip
    parser.add_argument("--business-client", default=_BUSINESS_CLIENT, metavar="ID", help=f"業務情報のクライアント (its client)。既定 {_BUSINESS_CLIENT}")  # fmt: skip
    parser.add_argument("--terminal", default=FIRST_STAFF, choices=STAFF, help=f"端末の証明書 (certificate)。既定 {FIRST_STAFF}")  # fmt: skip
    parser.add_argument("--port", type=int, default=TERMINAL_PORT, metavar="N", help=f"ポート (port)。既定 {TERMINAL_PORT}")  # fmt: skip
    parser.epilog = EPILOG
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    try:
        party = staff_calls.party(data, args.agency, args.terminal)
        client = Client.of(data, args.client)
        library = open_library(args.data)
        topology = own_topology.read(data)
        layouts = _layouts(data, topology, args.agency)
    except OwnFileError as wrong:
        return end(wrong.told, BAD_INPUT)
    except (UnknownPartyError, ClientFileError, SourceWrongError, TopologyError):
        return end("データフォルダーに、その機関かクライアントがありません / no such agency or client in the data folder; run `sekisho up` first", BAD_INPUT)  # fmt: skip
    if client.agency != args.agency or args.agency not in topology.agencies:
        return end("--client はその機関の業務システムにしてください / the client must be of that agency", BAD_INPUT)
    clock = data.present
    try:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, args.port))
            terminal = Terminal(
                port=listening.getsockname()[1],
                agency=args.agency,
                agency_name=topology.agencies[args.agency].name,
                topology=topology,
                layouts=layouts,
                behind=Behind(
                    staff=party,
                    client=client,
                    jobs=_of_agency(data, args, args.jobs_client),
                    business=_of_agency(data, args, args.business_client),
                ),
                seats=Seats(),
                today=lambda: legal_day(clock()),
                listed=lru_cache(maxsize=2)(library.on),
                card=partial(data.staff_card, args.agency),
            )
            asyncio.run(_serve(terminal, listening))
    except OSError:
        return end(f"ポート {args.port} は使えません。--port で変えられます / the port is taken", REFUSED)
    except KeyboardInterrupt:
        return end("停止しました / stopped", OK)
    return OK


def _layouts(data: DataFolder, topology: Topology, agency: str) -> tuple[Layout, ...]:
    """Those in which the agency's linkage server takes records. Raises OwnFileError."""
    role = topology.hosting(Program.LINKAGE, agency)
    own = own_file(data.role(role.name), role.options, "layouts", agency) if role is not None else None
    return layouts_with_own(own)


def _of_agency(data: DataFolder, args: argparse.Namespace, client_id: str) -> Client | None:
    """A client for a work of its own, where the agency has it."""
    try:
        client = Client.of(data, client_id)
    except ClientFileError:
        return None
    return client if client.agency == args.agency else None


async def _serve(terminal: Terminal, listening: socket.socket) -> None:
    runner = web.AppRunner(application(terminal), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        sys.stdout.write(f"接続端末 (terminal): {terminal.origin}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
