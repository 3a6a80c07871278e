"""`sekisho call`: any call of the linkage server's business API, as a client whose file lies here (docs/openapi/linkage.yaml, docs/adr/0067).

What a call is about comes from a file or from standard input, never from the command line: other people of the machine read that.
"""

from __future__ import annotations

import argparse
import difflib
import json
import secrets
import sys
from pathlib import Path
from typing import Any, Final

from gateway import staff_calls
from gateway.client_calls import Client, ClientFileError
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, UNREACHABLE, end
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.target_file import target_file

_DOCUMENT: Final = "/openapi.json"
_METHODS: Final = frozenset({"get", "post"})
_STATED: Final = ("staff", "affair", "reason")
_KEY: Final = {"$ref": "#/components/parameters/IdempotencyKey"}


class _WrongCallError(Exception):
    """What was asked for is no call of the API, or its body is none; the text says so."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="/v1/… のどれか。省けば一覧 (default: the list of calls)"
    )
    parser.add_argument("--client", required=True, metavar="ID", help="クライアントの id (client id)")
    parser.add_argument("--staff", metavar="ID", help="職員の id (who does it), `staff`")
    parser.add_argument("--affair", metavar="CODE", help="事務 (in which affair), `affair`")
    parser.add_argument("--reason", metavar="TEXT", help="理由 (why), `reason`")
    parser.add_argument(
        "--body", type=Path, metavar="FILE", help="本文の JSON。省けば標準入力から (default: standard input)"
    )
    parser.add_argument("--get", action="store_true", help="GET と POST のある所で GET する (GET where there are both)")
    parser.add_argument(
        "--query", action="append", default=[], metavar="NAME=VALUE", help="GET の条件 (of a GET, repeatable)"
    )
    parser.add_argument("--key", metavar="TEXT", help="Idempotency-Key。送り直すときは前と同じものを (of a retry)")
    parser.add_argument(
        "--out", type=target_file, metavar="FILE", help="JSON でない答えを置く所 (for an answer that is no JSON)"
    )
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    key = args.key or secrets.token_hex(16)
    try:
        caller = Client.of(DataFolder(args.data), args.client)
        paths = _calls(caller.get(_DOCUMENT)["paths"])
        return _listed(paths) if args.path is None else _call(caller, paths, args, key)
    except ClientFileError:
        return end("そのクライアントのファイルがありません / no file of this client in the data folder", BAD_INPUT)
    except _WrongCallError as wrong:
        return end(str(wrong), BAD_INPUT)
    except RefusedError as refused:
        return end(str(refused), REFUSED)
    except NotReachableError:
        again = f"。送り直すときは / to send it again: --key {key}" if args.path else ""
        return end(f"番号連携サーバーに接続できません / the linkage server is not reachable{again}", UNREACHABLE)


def _calls(paths: dict[str, Any]) -> dict[str, Any]:
    """Path → method → operation: of a path item the methods alone."""
    return {
        path: {method: operation for method, operation in item.items() if method in _METHODS}
        for path, item in paths.items()
    }


def _listed(paths: dict[str, Any]) -> int:
    for path, operations in paths.items():
        for method, operation in operations.items():
            sys.stdout.write(f"{method.upper():5}{path:45}{operation['summary']}\n")
    return OK


def _call(caller: Client, paths: dict[str, Any], args: argparse.Namespace, key: str) -> int:
    method, operation = _operation(paths, args)
    if method == "get":
        return _get(caller, operation, args)
    needs_key = _KEY in operation.get("parameters", ())
    return _shown(caller.post(args.path, _body(args), key if needs_key else None))


def _operation(paths: dict[str, Any], args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    found = paths.get(args.path)
    if found is None:
        meant = difflib.get_close_matches(args.path, paths, n=1)
        hint = f"。{meant[0]} のことですか / did you mean {meant[0]}?" if meant else ""
        raise _WrongCallError(f"その呼び出しはありません / there is no such call{hint}")
    method = "get" if args.get or "post" not in found else "post"
    if method not in found:
        raise _WrongCallError("この呼び出しに GET はありません / this call is no GET")
    return method, found[method]


def _get(caller: Client, operation: dict[str, Any], args: argparse.Namespace) -> int:
    path = f"{args.path}?{'&'.join(args.query)}" if args.query else args.path
    if args.out is not None:
        caller.download(path, args.out)
        return OK
    if "application/json" not in operation["responses"]["200"].get("content", {}):
        raise _WrongCallError(
            "JSON でない答えです。--out でファイルへ / this answer is no JSON: write it to a file with --out"
        )
    return _shown(caller.get(path))


def _body(args: argparse.Namespace) -> dict[str, Any]:
    """What the file or standard input says, and who does it in which affair and why."""
    if args.body is None and sys.stdin.isatty():
        sys.stderr.write("本文の JSON を、終わりは Ctrl-D / the body as JSON, Ctrl-D ends it:\n")
    try:
        text = sys.stdin.read() if args.body is None else args.body.read_text("utf-8")
        said = json.loads(text) if text.strip() else {}
    except (OSError, ValueError):
        raise _WrongCallError(
            "本文が読めないか、JSON ではありません / the body cannot be read, or is no JSON"
        ) from None
    if not isinstance(said, dict):
        raise _WrongCallError('本文は {"…": …} の形です / the body is one JSON object')
    return said | {name: text for name in _STATED if (text := getattr(args, name)) is not None}


def _shown(found: Any) -> int:
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return OK
