"""`sekisho counterparts`: how core and interface system answer an agency's intermediate server, and what waits for them (IS-7)."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import EPILOG, OK

_COLUMNS: Final = {
    "counterpart": "相手 (counterpart)",
    "state": "回路 (circuit)",
    "failures": "続いた失敗 (failures)",
    "reason": "理由 (reason)",
    "open_for_s": "遮断から秒 (open for s)",
    "next_probe_s": "次の試行まで秒 (next try in s)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    parser.epilog = EPILOG
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    [found] = staff_calls.ask(staff_calls.party(DataFolder(args.data), args.agency, args.staff), "/counterparts", [{}])
    if args.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    waiting = found["outbox"]
    table = Table(
        title=f"相手方 (counterparts): {args.agency}",
        caption=f"送信待ち (outbox): 照会 {waiting['inquiries']:,}、結果 {waiting['outcomes']:,}",
    )
    for heading in _COLUMNS.values():
        table.add_column(heading, overflow="fold")
    for one in found["counterparts"]:
        table.add_row(*("" if one[name] is None else str(one[name]) for name in _COLUMNS))
    Console(highlight=False).print(table)
    return OK
