"""`sekisho clients`: OAuth clients of one agency, administered by the operator on the data folder, also while the server runs.

A secret is written to the client's own file (clients/<id>.json, mode 0600) and never to the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway import guarding, staff_calls
from gateway.api.administration import Act, By, Desk, No, Order, administer, shown
from gateway.api.clients import ClientState, ClientStore
from gateway.api.grants import GRANTS
from gateway.batch import spool
from gateway.client_calls import role_hosting
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, REFUSED, UNREACHABLE, end
from gateway.linkage_server.registration import CHANNELS
from gateway.setting_up.role_files import write_json
from gateway.topology import Program
from storage.backups.openings import check_recorded
from storage.committer import Committer
from storage.committing import commit
from storage.database import Database, StorageUnavailableError
from storage.key_store import KeyStoreError
from storage.tenancy import open_tenant
from transport.role import RoleConfig

_STAFF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_NOES: Final[Mapping[No, str]] = {
    No.MALFORMED: "id か業務 ID かスコープの形が正しくありません / a client id, system id or scope does not have its form",
    No.EXISTS: "その id は使われています。使い回しはできません / this id is or was taken; ids are never given again",
    No.UNKNOWN: "その id のクライアントはありません / no client of this id",
    No.OWN: "自分自身は管理できません / a client does not administer itself",
    No.NOT_GRANTABLE: "このスコープは付与できません / this scope cannot be granted",
    No.SCOPE_UNKNOWN: "その権限はありません / there is no right of this name",
    No.SECRETS: "有効な秘密が二つあります。先に古いほうを end-secret で終わらせてください / two secrets are valid; end the old one first",
    No.SECRET_UNKNOWN: "その秘密の id はありません / no valid secret of this id; see `list`",
    No.LAST_SECRET: "最後の秘密です。先に rotate を、使わせないなら suspend を / the only secret: rotate first, or suspend",
    No.NO_SECRET: "秘密がありません (復元の後など)。先に rotate を / it has no secret, as after a restore: rotate first",
    No.STATE: "今の状態ではできません / the client is not in the state for this",
    No.CHANGED_MEANWHILE: "他の操作と重なりました。もう一度 / changed meanwhile; look again",
}
_TEXTS: Final = {
    Act.ADD: "登録する (register)",
    Act.ROTATE: "二つ目の秘密を作る。古い秘密は end-secret まで有効 (a second secret; the old one stays valid)",
    Act.END_SECRET: "秘密を終わらせる。それで得たトークンも無効 (end a secret and its tokens)",
    Act.SUSPEND: "止める。トークンも直ちに無効 (suspend; tokens die at once)",
    Act.RESUME: "再開する (resume)",
    Act.RENEW: "有効期限を変える (another date of expiry)",
    Act.REMOVE: "廃止する。id は二度と使えない (remove for good)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="一覧 (list)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    acting = {act: actions.add_parser(act.value.replace("_", "-"), help=text) for act, text in _TEXTS.items()}
    for action in acting.values():
        action.add_argument("client_id", metavar="CLIENT_ID", help="クライアントの id (client id)")
        action.add_argument("--staff", required=True, metavar="ID", help="操作する職員の id (who does it)")
    add = acting[Act.ADD]
    add.add_argument("--system", required=True, metavar="ID", help="業務 ID (business system)")
    add.add_argument(
        "--grant",
        action="append",
        default=[],
        choices=GRANTS,
        metavar="RESOURCE:OPERATION",
        help="権限。一覧は docs/openapi/linkage.yaml (rights, repeatable)",
    )
    add.add_argument("--individual-number", action="store_true", help="個人番号を扱う (may meet Individual Numbers)")
    for act in (Act.ADD, Act.RENEW):
        acting[act].add_argument(
            "--expires-at",
            metavar="TIME",
            help="有効期限 ISO 8601、時差つき。省けば無期限 (with offset; default: never)",
        )
    acting[Act.END_SECRET].add_argument("--secret", required=True, metavar="SECRET_ID", help="秘密の id, from list")
    for action in (listing, *acting.values()):
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        guarding.add_person_argument(action, guarding.BOTH)
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    try:
        config = role_hosting(data, Program.LINKAGE, args.agency)
        if config is None:
            return end("その機関の番号連携サーバーがありません / no linkage server hosts this agency here", BAD_INPUT)
        if args.action == "list":
            return asyncio.run(_list(config, args))
        order = _order(args)
        if args.action == "add" and _is_anothers(data.client(args.client_id), args.agency):
            return end(_NOES[No.EXISTS], REFUSED)
        return order if isinstance(order, int) else asyncio.run(_act(data, config, args, order))
    except (StorageUnavailableError, OSError):
        return end(
            "データベースに接続できません。sekisho up の後に / the database is not reachable; start it first",
            UNREACHABLE,
        )
    except KeyStoreError:
        return end("鍵ファイルを開けません / the key file cannot be opened", FAILED)


def _is_anothers(path: Path, agency: str) -> bool:
    """Whether something lies where the client's file belongs that is not of a client of this agency."""
    try:
        return bool(json.loads(path.read_bytes())["agency"] != agency)
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        return True


def _order(args: argparse.Namespace) -> Order | int:
    if not _STAFF.fullmatch(args.staff):
        return end("職員の id は英数字と . _ - で 40 字まで / a staff id has up to 40 of A-Z a-z 0-9 . _ -", BAD_INPUT)
    expires: datetime | None = None
    if text := getattr(args, "expires_at", None):
        try:
            expires = datetime.fromisoformat(text)
        except ValueError:
            expires = None
        if expires is None or expires.tzinfo is None:
            return end(
                "有効期限は時差つきの ISO 8601 で / the time needs its offset, e.g. 2027-03-31T00:00:00+09:00",
                BAD_INPUT,
            )
    system = getattr(args, "system", "")
    return Order(
        act=Act(args.action.replace("-", "_")),
        client_id=args.client_id,
        staff=args.staff,
        system=system,
        scopes=frozenset(f"{system}:{grant}" for grant in getattr(args, "grant", [])),
        individual_number=getattr(args, "individual_number", False),
        expires_at=expires,
        secret_id=getattr(args, "secret", ""),
    )


@asynccontextmanager
async def _desk(config: RoleConfig, agency: str, people: Sequence[str]) -> AsyncIterator[Desk]:
    """A committer of our own beside the server's: the log's head moves by compare-and-set."""
    hosted = config.hosted[agency]
    ring = guarding.open_store(config, agency, people).ring
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=2)
        stack.push_async_callback(database.close)
        await open_tenant(database, hosted.tenant)
        committer = Committer(
            database,
            hosted.tenant,
            origin=f"sekisho.example/{agency}/linkage",
            signer=partial(ring.signer, "log"),
            clock=config.clock,
        )
        await committer.load()
        await check_recorded(database, hosted.tenant)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = group.create_task(commit([committer]))
        try:
            yield Desk(
                clients=ClientStore(database, hosted.tenant, agency, ring, clock=config.clock), committer=committer
            )
        finally:
            running.cancel()


async def _list(config: RoleConfig, args: argparse.Namespace) -> int:
    async with _desk(config, args.agency, args.person) as desk:
        rows = [shown(client) for client in await desk.clients.every()]
    if args.json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    table = Table(title=f"クライアント (clients): {args.agency}")
    for heading in ("id", "業務 (system)", "状態 (state)", "期限 (expires)", "秘密 (secrets)", "スコープ (scopes)"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        secrets = ", ".join(f"{one['secret_id']} ({one['made_at'][:10]})" for one in row["secrets"])
        table.add_row(
            row["client_id"], row["system"], row["state"], row["expires_at"] or "", secrets, " ".join(row["scopes"])
        )
    Console(highlight=False).print(table)
    return OK


async def _act(data: DataFolder, config: RoleConfig, args: argparse.Namespace, order: Order) -> int:
    agency = args.agency
    async with _desk(config, agency, args.person) as desk:
        done = await administer(desk, order, By(client_id=None), config.clock())
    if isinstance(done, No):
        return end(_NOES[done], BAD_INPUT if done is No.MALFORMED else REFUSED)
    if order.act is Act.ADD:
        spool.prepare(config.spool, agency, order.system, CHANNELS)
    path = data.client(order.client_id)
    if "client_secret" in done:
        write_json(path, _document(data, config, agency, done))
        return end(f"秘密を書きました / the secret is in {path}", OK)
    if done["state"] == ClientState.REMOVED:
        path.unlink(missing_ok=True)
    return end("記録して実行しました / done and recorded", OK)


def _document(data: DataFolder, config: RoleConfig, agency: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """The client's file, in the form that set-up writes."""
    path = data.client(client["client_id"])
    known: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return {
        "name": client["client_id"],
        **known,
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "agency": agency,
        "system": client["system"],
        "scopes": client["scopes"],
        "url": f"https://{config.host}:{config.port}",
        "token_path": "/oauth/token",
        "ca": f"staff-{agency}/ca.pem",
    }
