"""`sekisho export --agency ID OUT`: downloads a party's evidence log (IF_TKM_90017) for `sekisho verify`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, end
from gateway.staff_calls import Party


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="書き出し先 (file, NDJSON)")
    parser.add_argument(
        "--agency", required=True, metavar="ID", help="機関の id、または network (agency id or network)"
    )
    parser.add_argument(
        "--year", type=_year, metavar="YYYY", help="会計年度。省くと最新 (fiscal year; default: the latest)"
    )
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(
        lambda: _export(staff_calls.party(DataFolder(args.data), args.agency, args.staff), args.out, args.year)
    )


def _year(text: str) -> str:
    if len(text) != 4 or not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("会計年度は 4 桁 / a fiscal year has four digits")
    return text


def _export(party: Party, out: Path, year: str | None) -> int:
    if not out.parent.is_dir():
        return end("書き出し先のフォルダーがありません / the folder of OUT is not there", BAD_INPUT)
    size = staff_calls.download(party, "/log" if year is None else f"/log?year={year}", out)
    if size == 0:
        return end("記録がありません / no entry in that log; the file is empty", OK)
    return end(f"書き出しました / exported: {out} ({size:,} bytes)", OK)
