"""`sekisho conformance URL`, or `--inquirer AGENCY`: whether somebody's server provides, or asks, as the network's documents say, step by step."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.conformance import asked_run, checks
from gateway.conformance.not_judged import NotJudged
from gateway.conformance.preparing import prepare, read_people
from gateway.conformance.trial import Listening, TrialError
from gateway.conformance.turns import Step
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, FAILED, OK, UNREACHABLE, end
from gateway.setting_up.authority import open_authority
from gateway.staff_calls import add_data_argument
from storage.database import StorageUnavailableError
from storage.key_store import KeyStoreError
from storage.list_files import ListFileBrokenError
from transport.clock import Clock
from transport.register import RegisterBrokenError
from transport.role import RoleConfig

_LARGEST_PORT: Final = 65_535
_LONGEST_S: Final = 7 * 24 * 3600
_INFORMATION: Final = "医療保険給付関係情報"
_NOT_A_FOLDER: Final = "動いている模擬環境のデータフォルダーではありません / not the data folder of a simulated network"
_ONE_OF: Final = (
    "URL と --people（提供者として）か、--inquirer（照会者として）の一方を / either URL with --people, or --inquirer"
)
_LATE: Final = "--late は提供者としての検査のもの / --late goes with URL, as provider"
_LISTS: Final = "データフォルダーの permission-lists.json が壊れています。控えから戻してください / it is damaged; restore it from its backup"
_AWAY: Final = (
    "データベースに接続できません。sekisho up の後に / the database is not reachable; start the network first"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="提供者として調べる (as provider): https://HOST:PORT/AGENCY"
    )
    parser.add_argument("--inquirer", metavar="ID", help="照会者として調べる機関 (as inquirer: the agency)")
    parser.add_argument("--port", type=_port, default=8470, help="網の役をするポート (of the played network)")
    parser.add_argument(
        "--ends", type=Path, metavar="FILE",
        help='照会者のサーバーでの結末、一行ずつ (how its inquiries ended): {"inquiry_number": "…", "state": "answered"}',
    )  # fmt: skip
    parser.add_argument(
        "--for", type=_seconds, default=600.0, dest="seconds", metavar="S", help="待つ秒数 (seconds to wait at most)"
    )
    parser.add_argument(
        "--settle", type=_seconds, default=15.0, metavar="S", help="送り直しを待つ秒数 (seconds to wait for resends)"
    )
    parser.add_argument(
        "--people", type=Path, metavar="FILE",
        help='相手が知っている架空の人 (synthetic people that the server knows): {"known": "12 digits", "barred": "12 digits", "pending": "P…"}',
    )  # fmt: skip
    parser.add_argument(
        "--late", action="store_true",
        help="保留を一件つくり、解いた結果が --port に届くのを --for 秒まで待つ (as provider: hold one, await its late outcome at --port)",
    )  # fmt: skip
    parser.add_argument(
        "--within",
        type=_seconds,
        default=20.0,
        metavar="S",
        help="一つの答えを待つ秒数 (as provider: seconds to wait for one answer)",
    )
    parser.add_argument("--information", default=_INFORMATION, metavar="NAME", help="尋ねる情報 (kind of information)")
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    add_data_argument(parser)


def _port(text: str) -> int:
    """Raises ArgumentTypeError, which argparse tells."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"1〜{_LARGEST_PORT} の数です / a number from 1 to {_LARGEST_PORT}")
    return int(text)


def _seconds(text: str) -> float:
    """Raises ArgumentTypeError, which argparse tells; also for `nan`."""
    try:
        if 0 <= (found := float(text)) <= _LONGEST_S:
            return found
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"0〜{_LONGEST_S:,} の秒数です / seconds, 0 to {_LONGEST_S:,}")


def run(args: argparse.Namespace) -> int:
    wrong = _wrong_words(args)
    if wrong is not None:
        return end(wrong, BAD_INPUT)
    try:
        found, silent = asyncio.run(_listen(args) if args.url is None else _run(args))
    except TrialError as failure:
        return end(str(failure), BAD_INPUT)
    except StorageUnavailableError:
        return end(_AWAY, UNREACHABLE)
    except ListFileBrokenError:
        return end(_LISTS, BAD_INPUT)
    except (KeyStoreError, RegisterBrokenError, ValueError, OSError):
        return end(_NOT_A_FOLDER, BAD_INPUT)
    return _report(found, silent, args)


def _wrong_words(args: argparse.Namespace) -> str | None:
    """What does not go together."""
    if (args.url is None) == (args.inquirer is None) or (args.url is not None and args.people is None):
        return _ONE_OF
    return _LATE if args.late and args.url is None else None


async def _run(args: argparse.Namespace) -> tuple[list[Step], list[NotJudged]]:
    data = DataFolder(args.data)
    if not data.marker.exists():
        raise TrialError(_NOT_A_FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        stranger = open_authority(data.authority, Clock()()).issue(Path(folder), "stranger", subject="stranger")
        trial = await prepare(
            data,
            url=args.url,
            information=args.information,
            people=read_people(args.people),
            stranger=stranger,
            within_s=args.within,
            listening=partial(_listening, args),
        )
        return await checks.run(trial)


def _listening(args: argparse.Namespace, network: RoleConfig) -> Listening | None:
    """Where the run awaits what comes late, in the network's place."""
    if not args.late:
        return None
    return Listening(
        host=network.host, port=args.port, seconds=args.seconds, server=network.server, clock=network.clock, told=_tell
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def _listen(args: argparse.Namespace) -> tuple[list[Step], list[NotJudged]]:
    data = DataFolder(args.data)
    if not data.marker.exists():
        raise TrialError(_NOT_A_FOLDER)
    network = await asked_run.prepare(data, args.inquirer)
    return await asked_run.listen(
        data,
        network,
        port=args.port,
        seconds=args.seconds,
        settle_s=args.settle,
        ends=args.ends,
        told=_tell,
    )


def _report(found: Sequence[Step], silent: Sequence[NotJudged], args: argparse.Namespace) -> int:
    """What was seen, and what was not judged; a step that was not seen is not right yet."""
    if args.json:
        shown = [
            {"check": one.id, "right": one.right, "title": one.title, "saw": one.saw, "cites": one.cites}
            for one in found
        ]
        everything = [*shown, *map(_not_judged, silent)]
        sys.stdout.write(json.dumps(everything, ensure_ascii=False, indent=1) + "\n")
    else:
        rows = [
            ({True: "✓", False: "✗", None: "?"}[one.right], f"{one.title}\n{one.id}", one.saw or "", one.cites)
            for one in found
        ]
        _table(rows, sum(one.right is not True for one in found), silent)
    return OK if all(one.right for one in found) else FAILED


def _not_judged(one: NotJudged) -> dict[str, str | None]:
    return {"check": one.id, "right": None, "title": one.title, "saw": None, "cites": one.cites, "not_judged": one.why}


def _table(rows: Sequence[tuple[str, str, str, str]], wrong: int, silent: Sequence[NotJudged]) -> None:
    table = Table(title=f"適合検査 (conformance): {len(rows)} 項目、相違 {wrong} (differences)")
    for name in ("", "検査 (check)", "見たもの (what was seen)", "根拠 (see)"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # whatever a server or a file says is text, no markup
    for one in silent:
        table.add_row("–", f"{one.title}\n{one.id}", f"調べない / not judged: {one.why}", one.cites)
    Console(file=sys.stdout).print(table)
