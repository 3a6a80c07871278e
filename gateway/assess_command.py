"""`sekisho assess`: what the assessment report promises, and whether it is kept, broken or unverified here and now (SC-28).

Reads every log by the parties' own staff, which is on record; tries with each role's login what must fail; changes nothing.
Exit codes: 0 nothing is broken, 1 something is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import staff_calls
from gateway.assessing import test_runs
from gateway.assessing.assess import Assessment, assess, document
from gateway.assessing.installation import Installation, NotSetUpError
from gateway.assessing.measures import CHECKS, Assessed
from gateway.assessing.page import page
from gateway.assessing.verdicts import Verdict
from gateway.data_folder import DataFolder, write_private
from gateway.exit_codes import BAD_INPUT, FAILED, OK, end
from gateway.launcher import ROOT
from gateway.target_file import target_file
from transport.clock import JST, Clock
from transport.register import RegisterBrokenError

SHOWN: Final = {
    Verdict.KEPT: ("守られている kept", "green"),
    Verdict.BROKEN: ("破られている broken", "bold red"),
    Verdict.UNVERIFIED: ("未検証 unverified", "yellow"),
}
_MOST: Final = 3
_REQUIREMENTS: Final = ROOT / "docs" / "requirements.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tests",
        type=Path,
        metavar="FILE",
        help='最後の試験の結果、JUnit XML (result of the last test run: make test T="--junit-xml FILE")',
    )
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    parser.add_argument("--html", type=target_file, metavar="FILE", help="一枚のページに書く (a page)")
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    try:
        tests = None if args.tests is None else test_runs.read_run(args.tests, Clock()())
    except (OSError, test_runs.RunUnreadableError):
        return end("--tests は JUnit XML ではないか、読めません / --tests is no JUnit XML or cannot be read", BAD_INPUT)
    try:
        installation = Installation.open(DataFolder(args.data))
    except (NotSetUpError, RegisterBrokenError):
        return end(
            "このデータフォルダーはセットアップされていないか、読めません / this data folder is not set up or cannot be read",
            BAD_INPUT,
        )
    found = assess(installation, staff=args.staff, page=test_runs.read_page(_REQUIREMENTS), run=tests)
    if args.json:
        sys.stdout.write(json.dumps(document(found), ensure_ascii=False, indent=1) + "\n")
    else:
        _print(found)
    if args.html is not None:
        try:
            write_private(args.html, page(found).encode())
        except OSError:
            return end(f"{args.html} に書けません / it cannot be written", BAD_INPUT)
    return FAILED if found.broken else OK


def _print(found: Assessment) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    console.print(f"評価書との合致の点検 (assessment)  {found.now.astimezone(JST):%Y-%m-%d %H:%M} JST")
    table = Table(title="評価書の措置 (measures of the report)")
    for heading in ("", "箇所", "措置", "要件", "判定", "理由"):
        table.add_column(heading, overflow="fold")
    for measure, said in found.measures:
        words = ", ".join(measure.requirements)
        table.add_row(measure.id, measure.place, Text(measure.words), words, _mark(said.verdict), Text(_because(said)))
    console.print(table)
    checks = Table(title="確かめたこと (checks)")
    for heading in ("検査", "見たもの", "判定", "理由"):
        checks.add_column(heading, overflow="fold")
    for one in found.results:
        checks.add_row(CHECKS[one.check], Text(one.seen), _mark(one.verdict), Text("\n".join(one.what[:_MOST])))
    console.print(checks)
    counts = "、".join(f"{SHOWN[verdict][0]} {found.count(verdict)}" for verdict in Verdict)
    console.print(f"措置 {len(found.measures)} 件: {counts}")


def _mark(verdict: Verdict) -> Text:
    text, style = SHOWN[verdict]
    return Text(text, style=style)


def _because(said: Assessed) -> str:
    left = len(said.because) - _MOST
    return "\n".join(said.because[:_MOST]) + (f"\nほか {left} 件" if left > 0 else "")
