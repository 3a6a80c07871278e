"""`sekisho scenario`: plays written scenarios in a simulated system of their own, and says step by step what came of them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, end
from gateway.scenarios import playing, sharing
from gateway.scenarios.playing import Came, Outcome
from gateway.scenarios.reading import parse, unreadable
from gateway.scenarios.scenario import Scenario
from gateway.scenarios.verbs.bulk import Bulk
from gateway.scenarios.words import known
from permission_lists.findings import Finding

LARGEST_FILE: Final = 10_000
_REFUSED: Final = "誤りがあるため、何も動かしませんでした / there are mistakes; nothing was played"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    run_ = actions.add_parser("run", help="動かす (play)")
    check = actions.add_parser("check", help="書き方だけ調べる (check the form only)")
    run_.add_argument(
        "--json", action="store_true", help="一つを一行の JSON で。同じ seed なら同じ出力 (one line each)"
    )
    run_.add_argument(
        "--lines", type=int, metavar="N", help="一括照会の行数を変える。10000 まで (lines of bulk inquiries)"
    )
    for action in (run_, check):
        action.epilog = EPILOG
        action.add_argument("files", nargs="+", type=Path, metavar="FILE", help="シナリオ (scenario), YAML")


def run(args: argparse.Namespace) -> int:
    scenarios, findings = read(args.files)
    for one in findings:
        sys.stderr.write(f"{one.file}:{one.line}: {one.what}\n    → {one.mend}\n")
    if findings:
        return end(_REFUSED, BAD_INPUT)
    if args.action == "run" and args.lines is not None:
        if not 1 <= args.lines <= LARGEST_FILE:
            return end(f"--lines は 1〜{LARGEST_FILE} です / 1 to {LARGEST_FILE}", BAD_INPUT)
        scenarios = [with_lines(one, args.lines) for one in scenarios]
    if args.action == "check":
        return end(f"誤りはありません / no mistakes: {len(scenarios)}", OK)
    outcomes: list[Outcome] = []
    begun = time.monotonic()

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if args.json:
            sys.stdout.buffer.write(outcome.line())
            sys.stdout.buffer.flush()
        else:
            sys.stdout.write(text(outcome))
            sys.stdout.flush()

    for group in sharing.systems(scenarios):
        folder = Path(tempfile.mkdtemp(prefix="sekisho-scenario-"))
        with playing.system(folder, key_profile="cheapest", topology=group[0].topology) as driver:
            asyncio.run(playing.play(driver, group, tell))
    wrong = sum(not one.ok for one in outcomes)
    if not args.json:
        sys.stdout.write(
            f"\n{len(outcomes)} 件、期待と違うもの (not as expected) {wrong} 件、{time.monotonic() - begun:.0f} s\n"
        )
    return FAILED if wrong else OK


def read(files: Sequence[Path]) -> tuple[list[Scenario], list[Finding]]:
    """Every scenario, or everything that is wrong with any of them."""
    scenarios: list[Scenario] = []
    findings: list[Finding] = []
    for path in files:
        text = _text(path)
        found = parse(str(path), text, known()) if text is not None else [unreadable(str(path))]
        if isinstance(found, Scenario):
            scenarios.append(found)
        else:
            findings += found
    return scenarios, findings


def with_lines(scenario: Scenario, lines: int) -> Scenario:
    """The same scenario with bulk inquiries of so many lines."""
    steps = tuple(
        replace(step, words=msgspec.structs.replace(step.words, lines=lines)) if isinstance(step.words, Bulk) else step
        for step in scenario.steps
    )
    return replace(scenario, steps=steps)


def _text(path: Path) -> str | None:
    """The file's text; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def text(outcome: Outcome) -> str:
    """For people: each step in a line."""
    scenario = outcome.scenario
    lines = [f"\n{'OK' if outcome.ok else 'NG'}  {scenario.title}  ({outcome.seconds:.1f} s)", f"    {scenario.says}"]
    lines += [f"    {'・' if one.ok else '×'} {_said(one)}" for one in outcome.came]
    return "\n".join(lines) + "\n"


def _said(one: Came) -> str:
    told = "、".join(f"{key}={_value(value)}" for key, value in one.told.items() if _says(value))
    name = f" {one.step.name}" if one.step.name else ""
    wrong = "、".join(f"{key}={_value(value)}" for key, value in one.wrong.items())
    parts = [f"{one.step.line:3} 行 {one.step.verb}{name}", told, f"← 期待 {wrong}" if wrong else "", one.failed or ""]
    return "  ".join(part for part in parts if part)


def _says(value: object) -> bool:
    return value is not None and not (isinstance(value, list) and value and set(value) == {None})


def _value(value: object) -> str:
    return " → ".join(map(str, value)) if isinstance(value, list) else str(value)
