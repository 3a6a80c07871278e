"""`sekisho business`: full transfers and comparisons of one business system, through the API with its client's file (LS-2.4, IS-6, SC-17).

Of a business system that has no client any more, an administrator of clients lists what is left, compares it and withdraws it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from typing import Any, Final

from gateway import staff_calls
from gateway.client_calls import Client, ClientFileError
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, REFUSED, UNREACHABLE, end
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.target_file import target_file

_PATH: Final = "/v1/business-information"
_SYSTEMS: Final = "/v1/business-systems"
_WAIT_MS: Final = 20_000
_AGREE: Final = frozenset({"equal", "under_way"})
_OPTIONS: Final = {
    "--information": "特定個人情報名 (information)",
    "--data-set": "データセット (data set)",
    "--version": "レイアウトの版 (version of the layout)",
    "--changed-from": "抽出対象期間の開始、時差つき ISO 8601 (window, with offset)",
    "--changed-to": "抽出対象期間の終了、その時刻は含まない (end, exclusive)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    transfer = actions.add_parser("transfer", help="一括連携 (full transfer to the intermediate server)")
    for option, text in _OPTIONS.items():
        transfer.add_argument(option, metavar="TEXT", default=argparse.SUPPRESS, help=text)
    compare = actions.add_parser("compare", help="原本と副本の照合 (compare originals with copies)")
    compare.add_argument("--repair", action="store_true", help="違いを直す (repair what differs)")
    for action in (transfer, compare):
        action.add_argument("--per-part", type=int, metavar="N", default=argparse.SUPPRESS, help="分割件数 (1-1000)")
        action.add_argument(
            "--report", type=target_file, metavar="FILE", help="一件ごとの結果を CSV で書く (CSV, one line a record)"
        )
    compare.add_argument("--system", metavar="ID", help="クライアントのなくなった業務 (of a system without clients)")
    left = actions.add_parser("left", help="なくなった業務の残した原本と副本 (what systems that are no more have left)")
    withdraw = actions.add_parser(
        "withdraw", help="なくなった業務の原本と副本を引き揚げる (delete all that one has left)"
    )
    withdraw.add_argument("--system", metavar="ID", required=True, help="業務 ID (business system)")
    withdraw.add_argument("--staff", metavar="ID", required=True, help="命じる職員の id (who orders it)")
    withdraw.add_argument(
        "--reason", metavar="TEXT", required=True, help="理由、証跡に残る (why, kept with the record)"
    )
    withdraw.add_argument("--report", type=target_file, metavar="FILE", help="一件ごとの結果 (CSV, one line a record)")
    runs = actions.add_parser("runs", help="実行の一覧 (runs and their progress)")
    for action in (transfer, compare, left, withdraw, runs):
        action.epilog = EPILOG
        action.add_argument("--client", required=True, metavar="ID", help="クライアントの id (client id)")
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    try:
        caller = Client.of(DataFolder(args.data), args.client)
    except ClientFileError:
        return end("そのクライアントのファイルがありません / no file of this client in the data folder", BAD_INPUT)
    try:
        if args.action == "runs":
            return _show(caller.get(f"{_PATH}/runs"))
        if args.action == "left":
            return _show(caller.get(f"{_SYSTEMS}/left"))
        return _through(caller, args)
    except RefusedError as refused:
        return end(str(refused), REFUSED)
    except NotReachableError:
        return end("番号連携サーバーに接続できません / the linkage server is not reachable", UNREACHABLE)


def _show(found: Any) -> int:
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return OK


def _through(caller: Client, args: argparse.Namespace) -> int:
    """Begin the run, follow it to its end, and write its report. Interrupted, it goes on in the server."""
    own = {"transfer": f"{_PATH}/transfers", "compare": f"{_PATH}/comparisons"}
    path = f"{_SYSTEMS}/{args.action}" if getattr(args, "system", None) else own[args.action]
    names = (
        "information",
        "data_set",
        "version",
        "changed_from",
        "changed_to",
        "per_part",
        "repair",
        "system",
        "staff",
        "reason",
    )
    wanted = {name: found for name in names if (found := getattr(args, name, None)) is not None}
    key = secrets.token_hex(16)
    found = caller.post(path, {**wanted, "wait_ms": 0}, key)
    while found["state"] != "done":
        _progress(found)
        found = caller.post(path, {**wanted, "wait_ms": _WAIT_MS}, key)
    if args.report is not None:
        caller.download(f"{_PATH}/run-report?run_id={found['run_id']}", args.report)
    _show(found)
    differing = args.action == "compare" and set(found["counts"]) - _AGREE
    return FAILED if differing or found["counts"].get("refused") else OK


def _progress(run: dict[str, Any]) -> None:
    left = f"、残り {run['left']:,} 件" if run["left"] is not None else ""
    waits = f"、中間サーバーを待っています ({run['waits_for']})" if run["waits_for"] else ""
    done = sum(run["counts"].values())
    sys.stderr.write(f"{run['run_id']}: {done:,} 件{left}{waits}\n")
