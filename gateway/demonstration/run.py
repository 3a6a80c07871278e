"""`sekisho demo`: the main job from the first resident to the verified logs, on synthetic people, through the real interfaces."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from gateway.demonstration import exchanging, held, loading, recording, refusing
from gateway.demonstration.stage import Stage
from gateway.exit_codes import BAD_INPUT, FAILED, OK, end
from gateway.launcher import Running
from gateway.target_file import target_file
from gateway.topology import Program, Topology, parse, shipped, shipped_text
from storage.postgres import discard
from synthetic.business import MEDICAL_INSURANCE
from transport.clock import Clock

DEMO_DAY = datetime(2022, 10, 3, 1, 0, tzinfo=UTC)
"""10:00 JST on the first working day after the changes of the report (2022-10-01): 別表第二 is in force, and item numbers are the report's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--residents",
        type=int,
        default=10_000,
        metavar="N",
        help="架空の住民の人数（1000 以上、既定 10000） / synthetic residents",
    )
    parser.add_argument(
        "--json", type=target_file, metavar="FILE", help="結果を JSON で書く / write the results as JSON"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("var/demo"),
        metavar="DIR",
        help="作業フォルダー（毎回作り直す） / working folder, made anew",
    )


STEPS: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    loading.load_people,
    loading.obtain_codes,
    loading.register_replicas,
    exchanging.inquiries_from_outside,
    exchanging.inquiries_from_the_ward,
    refusing.everything_that_must_be_refused,
    held.held_provisions,
    recording.logs_agree,
)


def run(args: argparse.Namespace) -> int:
    """0: every outcome is the expected one. 1: something is not. 2: bad arguments."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    wrong = _wrong(args)
    if wrong is not None:
        return end(wrong, BAD_INPUT)
    discard(args.data)
    args.data.mkdir(parents=True)
    (args.data / "demo").touch()
    begun = time.monotonic()
    topology, own = two_people()
    options: dict[str, dict[str, Any]] = {"sky2": {"account_item": "42", "unemployment_item": "44"}}
    console.print(
        f"関所 デモ: 架空の住民 {args.residents:,} 人、模擬日時 2022-10-03（別表第二が施行中）\n", highlight=False
    )
    try:
        with Running(
            args.data, topology=topology, own=own, roles=_roles(), ports="free", options=options, clock=DEMO_DAY
        ) as running:
            stage = Stage(running=running, residents=args.residents, console=console)
            started = time.monotonic() - begun
            console.print(f"起動: {len(running.roles)} 個のプロセスと PostgreSQL  {started:.1f} s\n", highlight=False)
            asyncio.run(_all(stage))
            result = _result(stage, time.monotonic() - begun)
        running.clock.set(Clock.unmoved())  # `sekisho up` goes on with this folder today
    except (Exception, BaseExceptionGroup) as failure:  # noqa: BLE001 (whatever ended it, a person is told where to look)
        return _ended(console, args.data, failure)
    _show(console, stage, result)
    if args.json:
        args.json.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return OK if result["ok"] else FAILED


def _wrong(args: argparse.Namespace) -> str | None:
    """What is wrong with the arguments, found before anything is made."""
    if not 1_000 <= args.residents <= 1_000_000:
        return "--residents は 1000 から 1000000 まで / 1,000 to 1,000,000"
    if args.data.exists() and not args.data.is_dir():
        return "--data はフォルダーではありません / --data is no folder"
    if args.data.exists() and not (args.data / "demo").exists() and any(args.data.iterdir()):
        return "--data のフォルダーは空か、前回のデモのものにしてください / --data must be empty or a former demo's"
    return None


def two_people() -> tuple[Topology, bytes]:
    """The shipped topology where two people release medical insurance, and its text: the folder keeps it, so `sekisho up` goes on by that rule."""
    document = yaml.safe_load(shipped_text())
    document["roles"]["intermediate"]["options"] = {"staff_two_person_release": [MEDICAL_INSURANCE]}
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    return parse(text), text.encode()


def _ended(console: Console, data: Path, failure: BaseException) -> int:
    """Say in a few words what ended the demonstration; the servers' logs have the rest."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    console.print(
        f"\n[red]デモは途中で終わりました / the demonstration ended half-way: {type(failure).__name__}: {failure}[/red]",
        highlight=False,
    )
    console.print(f"各役割のログ / logs of the roles: {data}/roles/*/server.log", highlight=False)
    return FAILED


def _roles() -> list[str]:
    """All but the portal's: nobody signs in there."""
    return [role.name for role in shipped().roles.values() if role.program is not Program.PORTAL]


async def _all(stage: Stage) -> None:
    await loading.populate_resident_network(stage)
    for step in STEPS:
        await step(stage)


def _peak_kilobytes(pid: int) -> int:
    """Peak resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _result(stage: Stage, seconds: float) -> dict[str, Any]:
    running = stage.running
    return {
        "ok": all(step.ok for step in stage.steps) and len(stage.steps) == len(STEPS),
        "residents": stage.residents,
        "seconds": round(seconds, 2),
        "steps": {
            step.name: {
                "ok": step.ok,
                "seconds": round(step.seconds, 2),
                "counts": dict(sorted(step.counts.items())),
                "expected": dict(sorted(step.expected.items())),
                "rows": step.rows,
            }
            for step in stage.steps
        },
        "peak_memory_kb": {role: _peak_kilobytes(running.pid(role)) for role in running.roles},
        **stage.facts,
    }


def _show(console: Console, stage: Stage, result: dict[str, Any]) -> None:
    table = Table(title="\nまとめ / summary", title_justify="left")
    for heading in ("段階 / step", "結果", "秒", "件数"):
        table.add_column(heading, justify="right" if heading in ("秒", "件数") else "left")
    for step in stage.steps:
        table.add_row(
            step.title,
            "[green]OK[/green]" if step.ok else "[red]NG[/red]",
            f"{step.seconds:.1f}",
            f"{sum(step.counts.values()):,}",
        )
    console.print(table)
    logs = Table(title="証跡ログ / evidence logs", title_justify="left")
    for heading in ("ログ", "記録数", "ルート"):
        logs.add_column(heading, justify="right" if heading == "記録数" else "left")
    for origin, found in sorted(stage.facts.get("logs", {}).items()):
        logs.add_row(origin, f"{found['size']:,}", found["root"][:16] + "…")
    console.print(logs)
    console.print(
        f"照会 {result.get('inquiries', 0):,} 件、毎秒 {result.get('inquiries_per_second', 0)} 件。全体 {result['seconds']:.1f} s、"
        f"最大メモリー {max(result['peak_memory_kb'].values()) // 1024} MB（プロセスごと）",
        highlight=False,
    )
    data = stage.running.data.root
    console.print(
        f"証跡の書き出し / exports: {stage.exports}/*.ndjson（sekisho verify --data {data} …）、続き / go on: sekisho up --data {data}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    console.print(
        "[bold green]すべて期待どおりです。/ Everything is as expected.[/bold green]"
        if result["ok"]
        else "[bold red]期待と異なる結果があります。/ Something is not as expected.[/bold red]"
    )
