"""`sekisho jobs`: what runs in batches at both servers of an agency, in one list (IS-10).

The intermediate server is asked as a member of staff with the right `operations`, the linkage server with a client that has `jobs:read` (and
`jobs:retry`). A server that is away is said so, and the other one's jobs are shown.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway import staff_calls
from gateway.client_calls import Client, ClientFileError
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, UNREACHABLE, end

_LINKAGE: Final = "linkage"
_INTERMEDIATE: Final = "intermediate"
_CLIENT: Final = "kanri"
_COLUMNS: Final = {
    "server": "サーバー (server)",
    "kind": "種類 (kind)",
    "id": "id",
    "system": "業務 (system)",
    "state": "状態 (state)",
    "progress": "進み (progress)",
    "started_at": "開始 (started)",
    "finished_at": "終了 (ended)",
    "tries": "回 (tries)",
    "reason": "理由 (reason)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="一覧。新しい順 (list, the newest first)")
    listing.add_argument("--kind", metavar="KIND", help="種類 (kind), e.g. file, business_run, backup")
    listing.add_argument("--state", choices=("running", "done", "failed"), help="状態 (state)")
    listing.add_argument("--most", type=int, default=50, metavar="N", help="件数の上限、500 まで (at most)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    show = actions.add_parser("show", help="一件のすべて (everything about one)")
    retry = actions.add_parser("retry", help="終わったジョブをもう一度行う (do one again)")
    for action in (show, retry):
        action.add_argument("kind", metavar="KIND", help="種類 (kind), from jobs list")
        action.add_argument("id", metavar="ID", help="id, from jobs list")
    for action in (listing, show, retry):
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        action.add_argument(
            "--client",
            default=_CLIENT,
            metavar="ID",
            help=f"番号連携サーバーを呼ぶクライアント (OAuth client)。既定 {_CLIENT}",
        )
        staff_calls.add_staff_argument(action)
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    servers = _Servers(args)
    if args.action == "retry":
        return servers.first(lambda server: server.retry(args.kind, args.id))
    wanted = {"kind": args.kind} | (
        {"id": args.id} if args.action == "show" else {"state": args.state, "most": args.most}
    )
    found, code = servers.jobs({name: value for name, value in wanted.items() if value is not None})
    if args.action == "show":
        if not found:
            return code or end("そのジョブはありません / no such job; see jobs list", BAD_INPUT)
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return code
    if args.json:
        sys.stdout.write(json.dumps(found[: args.most], ensure_ascii=False, indent=1) + "\n")
    else:
        _print(args.agency, found[: args.most])
    return code


def _print(agency: str, found: list[dict[str, Any]]) -> None:
    table = Table(title=f"ジョブ (jobs): {agency}")
    for heading in _COLUMNS.values():
        table.add_column(heading, overflow="fold")
    for job in found:
        of = "" if job["total"] is None else f" / {job['total']:,}"
        progress = "" if job["done"] is None else f"{job['done']:,}{of}"
        said = {**job, "progress": progress}
        table.add_row(*("" if said[name] is None else str(said[name]) for name in _COLUMNS))
    Console(highlight=False).print(table)


class _Linkage:
    """The linkage server as a client may ask it."""

    name = _LINKAGE

    def __init__(self, args: argparse.Namespace) -> None:
        try:
            self._client = Client.of(DataFolder(args.data), args.client)
        except ClientFileError:
            raise staff_calls.UnknownPartyError from None

    def jobs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.post("/v1/jobs", wanted)["items"]
        return found

    def retry(self, kind: str, job_id: str) -> dict[str, Any]:
        return self._client.post("/v1/jobs/retry", {"kind": kind, "id": job_id}, secrets.token_hex(16))


class _Intermediate:
    """The intermediate server as a member of staff may ask it."""

    name = _INTERMEDIATE

    def __init__(self, args: argparse.Namespace) -> None:
        self._party = staff_calls.party(DataFolder(args.data), args.agency, args.staff)

    def jobs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = staff_calls.ask(self._party, "/jobs", [wanted])[0]["jobs"]
        return found

    def retry(self, kind: str, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = staff_calls.ask(self._party, "/jobs/retry", [{"kind": kind, "id": job_id}])[0]
        return found


class _Servers:
    """Both servers of an agency. Raises UnknownPartyError when the data folder knows neither agency nor client."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._all = (_Linkage(args), _Intermediate(args))

    def jobs(self, wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
        """What those that answer have, the newest first, and the exit code: of the first that does not."""
        found: list[dict[str, Any]] = []
        code = OK
        for server in self._all:
            try:
                found += [{"server": server.name, **job} for job in server.jobs(wanted)]
            except staff_calls.NotReachableError:
                said = end(f"接続できません / not reachable: {server.name}", UNREACHABLE)
            except staff_calls.RefusedError as refused:
                said = end(f"拒否されました / refused: {server.name}: {refused}", REFUSED)
            else:
                continue
            code = code or said
        found.sort(key=lambda job: job["started_at"] or job["finished_at"] or "9", reverse=True)
        return found, code

    def first(self, act: Callable[[_Linkage | _Intermediate], dict[str, Any]]) -> int:
        """Act at the server that knows the job. Raises NotReachableError, RefusedError."""
        unknown: staff_calls.RefusedError | None = None
        for server in self._all:
            try:
                begun = act(server)
            except staff_calls.RefusedError as refused:
                if refused.reason != "job_unknown":
                    raise
                unknown = refused
                continue
            sys.stdout.write(f"{begun['kind']} {begun['id']}\n")
            return OK
        raise unknown or staff_calls.UnknownPartyError
