"""`sekisho faults`: what the simulated surroundings do wrong at this moment, and who catches it.

Switches are the network's (`POST /control`); lines are the proxies between roles, there when `sekisho up --lines` started them; a wrong
clock is eight bytes in a role's folder; a full log is a right that the database takes back. The control port does all of it too
(docs/scenarios.md has the three ways beside each other).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table

from adapters.jlis_mock import lines
from adapters.jlis_mock.faults import BY_CALL, Switch
from adapters.jlis_mock.lines import Bad, Setting
from gateway import full_log, own_topology, staff_calls, surroundings
from gateway.administrator import administrator_dsn
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, UNREACHABLE, end
from gateway.topology import NETWORK
from gateway.topology_fields import nearest
from storage.postgres import EmbeddedPostgresError

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
    Switch.STALE_LIST: "版を渡された各サーバー（登録簿にある版） / each server that is given it, by the versions of the register",
    Switch.PROVIDER_DOWN: "照会者（送り直し、期限） / the inquirer: sent again until its deadline",
    Switch.CORE_DOWN: "呼ぶ側（送り直し、回路） / whoever calls: sent again, by a circuit",
    Switch.WRONG_CERTIFICATE: "呼ばれる側（TLS の握手） / whoever is called, in the handshake of TLS",
    Bad.DELAY: "なし。遅くなるだけ / nobody: it is late",
    Bad.CUT: "送る側が送り直し、受ける側が同じものと知る / sent again, known again",
    Bad.HALF_CLOSE: "送る側が送り直す / sent again",
    Bad.DUPLICATE: "TLS、送り直し / TLS, then sent again",
    Bad.REORDER: "TLS、送り直し / TLS, then sent again",
    Bad.BLACKHOLE: "時間切れ、送り直し / a time-out, then sent again",
    Bad.REFUSE: "送る側が送り直す / sent again",
}
_NO_LINES: Final = "回線がありません。sekisho up --lines で起動してください / no lines: start with `sekisho up --lines`"
_WRONG_CLOCK: Final = "期限と版を比べる相手、検証 / whoever compares dates with it, and the verifier"
_FULL_LOG: Final = "その役割自身: 記録できなければ何も渡さない / the role itself: what is not recorded is not done"
_NO_DATABASE: Final = "PostgreSQL に接続できません / PostgreSQL does not answer"
_SAYS_NOTHING: Final = "この不正では何も変えない言葉です。除いてください / says nothing of this fault, leave it out: "
_ALWAYS: Final = 100
_MS: Final = 200
_SEED: Final = 1
_FURTHEST_S: Final = 3650 * 24 * 3600
_BOUNDS: Final = {
    "times": (0, 1_000_000),
    "ms": (0, 60_000),
    "share": (1, 100),
    "seed": (1, 2**53),
    "each": (1, 1_000_000),
}
_OF_A_LINE: Final = "回線の不正です。--line に次のどれかを / a fault of a line: say --line, one of: "
_NO_MESSAGES: Final = "--each は照会の一通を数える不正のものです / --each is for faults that count messages: "
_TOO_FAR: Final = "ずれは十年までです / a clock is wrong by ten years at most"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="一覧と今の設定 (all, and what is set)")
    put = actions.add_parser("set", help="起こす (make it happen)")
    clear = actions.add_parser("clear", help="すべてやめる (end all of them)")
    put.add_argument("fault", metavar="FAULT", help="名前 (name), e.g. swap_key, delay")
    put.add_argument(
        "--times",
        type=int,
        default=1,
        metavar="N",
        help="あと何通に、回線なら何回 (how many messages; of a line: how often)。既定 1",
    )
    put.add_argument("--line", metavar="A:B", help="どの回線か (which line), e.g. network:intermediate")
    put.add_argument("--ms", type=int, metavar="MS", help=f"遅れ (length of a delay)。既定 {_MS}")
    put.add_argument(
        "--share",
        type=int,
        metavar="PERCENT",
        help="百通、回線なら百回のうちいくつか。どれかは種から (so many of a hundred)",
    )
    put.add_argument(
        "--each",
        type=int,
        metavar="N",
        help="同じ一通に何度まで (one message so many times)。既定は来るたびに (whenever it comes)",
    )
    put.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="遅れと、どの回かを引く種 (what delays and occasions are drawn from)",
    )
    skew = actions.add_parser("skew", help="一つの役割の時計をくるわせる。0 で直す (one role's clock is wrong)")
    skew.add_argument("role", metavar="ROLE", help="役割 (role), e.g. intermediate")
    skew.add_argument("seconds", type=float, metavar="SECONDS", help="ずれの秒数 (by so much), e.g. -86400")
    log = actions.add_parser("log", help="証跡に書けなくする・戻す (a log that takes nothing more)")
    log.add_argument(
        "does", choices=("full", "free"), metavar="full|free", help="書けない・書ける (full, or free again)"
    )
    log.add_argument("party", metavar="PARTY", help="機関の id か network (agency id, or network)")
    for action in (listing, put, clear, skew, log):
        action.epilog = EPILOG
        action.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    return staff_calls.guarded(lambda: _run(args, data))


def _run(args: argparse.Namespace, data: DataFolder) -> int:
    network = staff_calls.party(data, NETWORK, "staff-1")
    hosting = full_log.parties(own_topology.read(data))
    wrong = _mistake(args, data, hosting)
    if wrong is not None:
        return end(wrong, BAD_INPUT)
    switches, changes = _wanted(args, data)
    try:
        shown = staff_calls.control(network, switches)  # first: where the network is away nothing is half done
        state = asyncio.run(lines.change(data.lines, changes)) if changes or _names(data) else {}
        full = asyncio.run(_logs(args, data, hosting))
    except (asyncpg.PostgresError, EmbeddedPostgresError):
        return end(_NO_DATABASE, UNREACHABLE)
    except OSError:
        return end(_NO_LINES, UNREACHABLE)
    except (ValueError, TypeError):
        return end(f"その回線か値はありません / no such line or value; lines: {', '.join(_names(data))}", BAD_INPUT)
    _skew(args, data)
    barred = [NETWORK] if shown.pop("log_full", False) and NETWORK not in full else []
    _show(shown, state, surroundings.wrong_clocks(data), [*full, *barred], as_json=args.json)
    return OK


def _mistake(args: argparse.Namespace, data: DataFolder, hosting: Sequence[str]) -> str | None:
    """What is wrong with the words, or None."""
    match args.action:
        case "skew" if args.role not in (clocks := surroundings.clocks(data)):
            return _unknown("役割 / role", args.role, clocks)
        case "skew" if not abs(args.seconds) <= _FURTHEST_S:
            return _TOO_FAR
        case "log" if args.party not in hosting:
            return _unknown("証跡 / log", args.party, hosting)
        case "set":
            return _mistake_of_set(args, data)
    return None


def _mistake_of_set(args: argparse.Namespace, data: DataFolder) -> str | None:
    known = [one.value for one in (Bad if args.line else Switch)]
    if args.fault not in known:
        if args.fault in set(Bad):
            return f"{_OF_A_LINE}{', '.join(_names(data)) or _NO_LINES}"
        return _unknown("不正 / fault", args.fault, known)
    if args.each is not None and (args.line or args.fault in BY_CALL):
        return f"{_NO_MESSAGES}{', '.join(sorted(set(Switch) - BY_CALL))}"
    wrong = next((_out_of_bounds(name, *bounds) for name, bounds in _BOUNDS.items() if not _fits(args, name)), None)
    used = surroundings.used_words(args.fault, args.times, drawn=args.share is not None)
    idle = [word for word in ("ms", "share", "seed") if getattr(args, word) is not None and word not in used]
    return wrong or (f"{_SAYS_NOTHING}--{idle[0]}" if idle else None)


def _fits(args: argparse.Namespace, name: str) -> bool:
    value = getattr(args, name)
    return value is None or _BOUNDS[name][0] <= value <= _BOUNDS[name][1]


def _out_of_bounds(name: str, least: int, most: int) -> str:
    return f"--{name} は {least}〜{most} です / --{name} is a number from {least} to {most}"


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"{what}「{name}」はありません / there is none of this name. 次のどれかです / one of: {nearest(name, known)}"


def _skew(args: argparse.Namespace, data: DataFolder) -> None:
    for role, clock in surroundings.clocks(data).items():
        if args.action == "clear" or (args.action == "skew" and args.role == role):
            clock.move(timedelta(seconds=0.0 if args.action == "clear" else args.seconds))


async def _logs(args: argparse.Namespace, data: DataFolder, parties: Iterable[str]) -> list[str]:
    """Fill or free logs; those that are full then."""
    with administrator_dsn(data) as dsn:
        administrator = await asyncpg.connect(dsn)
        try:
            if args.action == "log":
                await full_log.fill(administrator, args.party, full=args.does == "full")
            if args.action == "clear":
                await full_log.free_all(administrator, parties)
            full = [party for party in parties if await full_log.is_full(administrator, party)]
        finally:
            await administrator.close()
    return full


def _names(data: DataFolder) -> list[str]:
    try:
        return lines.names(data.lines)
    except OSError:
        return []


def _wanted(args: argparse.Namespace, data: DataFolder) -> tuple[dict[str, int | None], lines.Changes]:
    """What the network's switches and the lines are to do."""
    if args.action == "clear":
        ended = {bad: Setting(times=0) for bad in Bad}
        return {**dict.fromkeys(Switch, 0), "permit_redeem_s": None, "log_full": False}, dict.fromkeys(
            _names(data), ended
        )
    if args.action != "set":
        return {}, {}
    if args.line is not None:
        setting = Setting(
            times=args.times,
            ms=_MS if args.ms is None else args.ms,
            seed=_SEED if args.seed is None else args.seed,
            share=_ALWAYS if args.share is None else args.share,
        )
        return {}, {args.line: {Bad(args.fault): setting}}
    drawn = {} if args.share is None else {"share": args.share, "seed": _SEED if args.seed is None else args.seed}
    if args.each is not None:
        drawn["each"] = args.each
    return {Switch(args.fault).value: args.times, **drawn}, {}


def _show(
    switches: dict[str, int | None],
    state: dict[str, Any],
    off: Mapping[str, float],
    full: Sequence[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        document = {"switches": switches, "lines": state, "clocks": dict(off), "full_logs": list(full)}
        sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")
        return
    table = Table(title="不正と障害 (faults)")
    for heading in ("名前 (name)", "あと (left)", "誰が見つけるか (who catches it)"):
        table.add_column(heading, overflow="fold")
    for switch in Switch:
        table.add_row(switch.value, str(switches.get(switch.value) or ""), WHO_CATCHES[switch])
    for bad in Bad:
        left = [f"{line} {set_[bad.value]['times']}" for line, set_ in state.items() if bad.value in set_]
        table.add_row(f"{bad.value} --line A:B", "、".join(left), WHO_CATCHES[bad])
    table.add_row("skew", "、".join(f"{role} {seconds:+,.0f} s" for role, seconds in off.items()), _WRONG_CLOCK)
    table.add_row("log full", "、".join(full), _FULL_LOG)
    Console(highlight=False).print(table)
