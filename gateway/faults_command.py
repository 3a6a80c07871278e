"""`sekisho faults`: what the simulated surroundings do wrong at this moment, and who catches it.

Switches are the network's (`POST /control`); lines are the proxies between roles, there when `sekisho up --lines` started them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from adapters.jlis_mock import lines
from adapters.jlis_mock.faults import Switch
from adapters.jlis_mock.lines import Bad, Setting
from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, UNREACHABLE, end
from gateway.topology import NETWORK

WHO_CATCHES: Final[dict[str, str]] = {
    Switch.PERMIT_ANYTHING: "提供者の照合リスト / the provider's own list",
    Switch.PERMIT_OTHER_PARTY: "提供者、照会者（許可証の名） / provider and inquirer, by the permit's names",
    Switch.ANY_CALLER: "提供者（照会者の署名） / the provider, by the inquirer's signature",
    Switch.SWAP_KEY: "提供者（署名された鍵のハッシュ） / the provider, by the signed hash of the key",
    Switch.WRONG_PERSON: "提供者（許可証と符号の結び付き） / the provider, by the binding of permit and code",
    Switch.TAMPER_PAYLOAD: "照会者（署名されたハッシュ） / the inquirer, by the signed digest",
    Switch.REPLAY_ALLOWED: "提供者（一度だけの許可証） / the provider: a permit counts once",
    Switch.MINT_FOR_ANOTHER_PERSON: "提供者（答えた照会番号） / the provider, by the answered inquiry number",
    Switch.POISON_ANSWER: "照会者（提供者の署名） / the inquirer, by the provider's signature",
    Switch.STALE_LIST: "コア（零時からの版） / the core, by the version in force",
    Switch.PROVIDER_DOWN: "照会者（送り直し、期限） / the inquirer: sent again until its deadline",
    Bad.DELAY: "なし。遅くなるだけ / nobody: it is late",
    Bad.CUT: "送る側が送り直し、受ける側が同じものと知る / sent again, known again",
    Bad.HALF_CLOSE: "送る側が送り直す / sent again",
    Bad.DUPLICATE: "TLS、送り直し / TLS, then sent again",
    Bad.REORDER: "TLS、送り直し / TLS, then sent again",
    Bad.BLACKHOLE: "時間切れ、送り直し / a time-out, then sent again",
    Bad.REFUSE: "送る側が送り直す / sent again",
}
_NO_LINES: Final = "回線がありません。sekisho up --lines で起動してください / no lines: start with `sekisho up --lines`"
_NO_FAULT: Final = (
    "その不正はありません。sekisho faults list で確かめてください / no such fault; see `sekisho faults list`"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="一覧と今の設定 (all, and what is set)")
    put = actions.add_parser("set", help="起こす (make it happen)")
    clear = actions.add_parser("clear", help="すべてやめる (end all of them)")
    put.add_argument("fault", metavar="FAULT", help="名前 (name), e.g. swap_key, delay")
    put.add_argument("--times", type=int, default=1, metavar="N", help="あと何回 (how many more times)。既定 1")
    put.add_argument("--line", metavar="A:B", help="どの回線か (which line), e.g. network:intermediate")
    put.add_argument("--ms", type=int, default=200, metavar="MS", help="遅れ (length of a delay)。既定 200")
    put.add_argument(
        "--seed", type=int, default=1, metavar="N", help="遅れのばらつきの種 (what the lengths are drawn from)"
    )
    for action in (listing, put, clear):
        action.epilog = EPILOG
        action.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    return staff_calls.guarded(lambda: _run(args, data))


def _run(args: argparse.Namespace, data: DataFolder) -> int:
    network = staff_calls.party(data, NETWORK, "staff-1")
    switches: dict[str, int | None] = {}
    changes: lines.Changes = {}
    if args.action == "set":
        try:
            switches, changes = _wanted(args)
        except ValueError:
            return end(_NO_FAULT, BAD_INPUT)
    elif args.action == "clear":
        switches = dict.fromkeys((switch.value for switch in Switch), 0) | {"permit_redeem_s": None}
        changes = {name: {bad: Setting(times=0) for bad in Bad} for name in _names(data)}
    try:
        state = asyncio.run(lines.change(data.lines, changes)) if changes or _names(data) else {}
    except OSError:
        return end(_NO_LINES, UNREACHABLE)
    except (ValueError, TypeError):
        return end(f"その回線か値はありません / no such line or value; lines: {', '.join(_names(data))}", BAD_INPUT)
    _show(staff_calls.control(network, switches), state, as_json=args.json)
    return OK


def _names(data: DataFolder) -> list[str]:
    try:
        return lines.names(data.lines)
    except OSError:
        return []


def _wanted(args: argparse.Namespace) -> tuple[dict[str, int | None], lines.Changes]:
    """Raises ValueError for a fault that there is not."""
    if args.line is None:
        return {Switch(args.fault).value: args.times}, {}
    return {}, {args.line: {Bad(args.fault): Setting(times=args.times, ms=args.ms, seed=args.seed)}}


def _show(switches: dict[str, int | None], state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"switches": switches, "lines": state}, sort_keys=True) + "\n")
        return
    table = Table(title="不正と障害 (faults)")
    for heading in ("名前 (name)", "あと (left)", "誰が見つけるか (who catches it)"):
        table.add_column(heading, overflow="fold")
    for switch in Switch:
        table.add_row(switch.value, str(switches.get(switch.value) or ""), WHO_CATCHES[switch])
    for bad in Bad:
        left = [f"{line} {set_[bad.value]['times']}" for line, set_ in state.items() if bad.value in set_]
        table.add_row(f"{bad.value} --line A:B", "、".join(left), WHO_CATCHES[bad])
    Console(highlight=False).print(table)
