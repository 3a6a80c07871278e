"""`sekisho statistics`: business statistics of one agency as table or CSV (IF_SYM_90060), as a member of its staff with the right (IS-10, SC-23).

The server tells numbers that may be told; grouping them here only adds them up.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import EPILOG, OK
from gateway.staff_calls import Party
from gateway.statistics_rows import COLUMNS, DIRECTIONS, csv_of, rows_of

_MONTH: Final = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
    parser.add_argument(
        "--from", dest="since", type=_month, required=True, metavar="YYYY-MM", help="最初の月 (first month)"
    )
    parser.add_argument(
        "--to", dest="until", type=_month, required=True, metavar="YYYY-MM", help="最後の月 (last month)"
    )
    parser.add_argument(
        "--by",
        type=_dimensions,
        default=tuple(COLUMNS),
        metavar="LIST",
        help=f"集計の項目、コンマ区切り (grouping, separated by commas): {','.join(COLUMNS)}",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="CSV で出力 (CSV)")
    form.add_argument("--json", action="store_true", help="サーバーの答えのまま JSON で出力 (as the server told it)")
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def _month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise argparse.ArgumentTypeError("月は YYYY-MM / a month is YYYY-MM")
    return text


def _dimensions(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
        raise argparse.ArgumentTypeError("知らない項目か、重なった項目があります / an unknown or repeated dimension")
    return tuple(names)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    party = staff_calls.party(DataFolder(args.data), args.agency, args.staff)
    found = staff_calls.ask(party, "/statistics", [{"since": args.since, "until": args.until}])[0]
    if args.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    rows = rows_of(found["numbers"], args.by)
    if args.csv:
        sys.stdout.write(csv_of(rows, args.by))
        return OK
    _print(party, args, found["threshold"], rows)
    return OK


def _print(party: Party, args: argparse.Namespace, threshold: int, rows: list[tuple[tuple[str, ...], int]]) -> None:
    table = Table(title=f"業務統計 (business statistics): {party.name}、{args.since} – {args.until}")
    for name in args.by:
        table.add_column(COLUMNS[name], overflow="fold")
    table.add_column("件数 (exchanges)", justify="right")
    for key, count in rows:
        said = (
            DIRECTIONS.get(text, text) if name == "direction" else text for name, text in zip(args.by, key, strict=True)
        )
        table.add_row(*said, f"{count:,}")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"{threshold} 件に満たない数は、ほかと合算するか示しません / numbers below {threshold} are told together with others, or not at all"
    )
