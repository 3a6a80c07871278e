"""`sekisho export`: downloads an evidence log (IF_TKM_90017) for `sekisho verify`: an intermediate server's or the core's as its staff, a
linkage server's as the client that may read it (docs/adr/0017); that of an agency that has left as the database keeps it.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from evidence.export import LogParty
from gateway import staff_calls
from gateway.client_calls import Client, ClientFileError
from gateway.data_folder import DataFolder
from gateway.departed_logs import DepartedLog, departed_logs
from gateway.exit_codes import BAD_INPUT, OK, end
from gateway.list_sources import SourceWrongError
from gateway.target_file import target_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=target_file, metavar="OUT", help="書き出し先 (file, NDJSON)")
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--agency", metavar="ID", help="機関の id、または network (agency id or network)")
    whose.add_argument(
        "--client",
        metavar="ID",
        help="番号連携サーバーのログ。log:read を持つクライアントで (a linkage server's log, by this client)",
    )
    parser.add_argument(
        "--year", type=_year, metavar="YYYY", help="会計年度。省くと最新 (fiscal year; default: the latest)"
    )
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    for log in departed_logs(data) if args.agency is not None else ():
        if (log.agency, log.server) == (args.agency, LogParty.INTERMEDIATE):
            return staff_calls.guarded(partial(_left, log, None if args.year is None else int(args.year), args.out))
    path = "/log" if args.year is None else f"/log?year={args.year}"
    if args.client is None:
        return staff_calls.guarded(
            lambda: _said(
                args.out, staff_calls.download(staff_calls.party(data, args.agency, args.staff), path, args.out)
            )
        )
    try:
        client = Client.of(data, args.client)
    except ClientFileError:
        return end("そのクライアントのファイルがありません / no file of this client in the data folder", BAD_INPUT)
    return staff_calls.guarded(lambda: _said(args.out, client.download(f"/v1{path}", args.out)))


def _left(log: DepartedLog, year: int | None, out: Path) -> int:
    """Of an agency that has left, as the database keeps it."""
    try:
        return _said(out, log.download(year, out))
    except SourceWrongError as wrong:
        return end(str(wrong), BAD_INPUT)


def _year(text: str) -> str:
    if len(text) != 4 or not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("会計年度は 4 桁 / a fiscal year has four digits")
    return text


def _said(out: Path, size: int) -> int:
    if size == 0:
        return end("記録がありません / no entry in that log; the file is empty", OK)
    return end(f"書き出しました / exported: {out} ({size:,} bytes)", OK)
