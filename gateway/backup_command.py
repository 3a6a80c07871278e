"""`sekisho backup`: sealed backups of an agency's intermediate server, linkage server or business system, by its administrators alone (SC-15; IF_SYM_90076,
90183, IF_SKY_90410).

`create` while the server runs, `restore` into an empty schema while its role is stopped, `lift` when a restored linkage server may send again.
Each takes an administrator with two factors.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table

from gateway import backup_keys, backup_orders, backup_restoring, guarding, staff_calls, staff_cards
from gateway.data_folder import DataFolder, FolderBusyError
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, REFUSED, UNREACHABLE, end
from gateway.intermediate_server.operations import backing_up
from gateway.target_file import target_file
from storage.backups.filling import RestoreRefusedError, verify
from storage.backups.form import BackedUp, BackupBrokenError, read_head
from storage.key_store import KeyStoreError

_FIRST: Final = "admin-1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="封をしたバックアップを作る (make a sealed backup)")
    listing = actions.add_parser("list", help="フォルダーにあるバックアップ (backups in a folder)")
    verify = actions.add_parser("verify", help="一つを最後まで読んで確かめる (read one to its end)")
    restore = actions.add_parser(
        "restore", help="空のスキーマに復元する。役割を止めて行う (into an empty schema; stop the role)"
    )
    lift = actions.add_parser(
        "lift",
        help="復元した番号連携サーバーから外へ出してよいとする。復元した人とは別の管理者 (a restored linkage server may send again)",
    )
    lift.add_argument("backup_id", metavar="BACKUP_ID", help="復元したバックアップの id (of the restored backup)")
    for action in (create, verify, restore):
        action.add_argument(
            "--database",
            choices=[one.value for one in BackedUp],
            default=BackedUp.INTERMEDIATE.value,
            help="どのデータベースか。既定 intermediate (which database)",
        )
    create.add_argument("file", type=target_file, metavar="OUT", help="書き出し先 (file)")
    for action in (verify, restore):
        action.add_argument("file", type=Path, metavar="FILE", help="バックアップ (file)")
    listing.add_argument("folder", type=Path, metavar="FOLDER", help="フォルダー (folder)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    guarding.add_person_argument(restore, guarding.BOTH)
    for action in (create, listing, verify, restore, lift):
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        action.add_argument(
            "--staff", default=_FIRST, metavar="NAME", help=f"管理者の id (administrator)。既定 {_FIRST}"
        )
        staff_calls.add_data_argument(action)


_HINDRANCES: Final[tuple[tuple[tuple[type[Exception], ...], str, int], ...]] = (
    (
        (FolderBusyError,),
        "この役割は動作中です。止めてからにしてください / the role is running; stop it first",
        REFUSED,
    ),
    ((KeyStoreError,), "鍵ファイルを開けません / the key file cannot be opened", BAD_INPUT),
    (
        (asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError, TimeoutError),
        "PostgreSQL に接続できません / PostgreSQL does not answer; start it (sekisho up)",
        UNREACHABLE,
    ),
    ((OSError,), "ファイルを読めないか、書けません / the file cannot be read or written", BAD_INPUT),
)
"""Errors that are foreseen, what is said about them, and the exit code."""


def run(args: argparse.Namespace) -> int:
    try:
        return staff_calls.guarded(lambda: _run(args))
    except BackupBrokenError as broken:
        return end(f"バックアップとして正しくありません / not a good backup: {broken}", FAILED)
    except RestoreRefusedError as refused:
        return end(f"復元していません / nothing was restored: {backup_restoring.REASONS[refused.reason]}", REFUSED)
    except Exception as hindrance:
        for kinds, text, code in _HINDRANCES:
            if isinstance(hindrance, kinds):
                return end(text, code)
        raise


def _run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    if args.action == "list":
        return _list(args)
    if args.action == "create":
        return _create(data, args)
    if args.action == "lift":
        return _lift(data, args)
    database = BackedUp(args.database)
    role = backup_restoring.role_of(data, args.agency, database)
    with args.file.open("rb") as file:
        number = backup_keys.number_of(data, args.agency, read_head(file)[0].recipient)
    private = backup_keys.open_private(data, args.agency, number, _passphrase(data, args.agency, number))
    if args.action == "verify":
        with args.file.open("rb") as file:
            tables = verify(file, private, role.register.logs[f"sekisho.example/{args.agency}/{database}"])
        return end(f"正しいバックアップです / a good backup: {len(tables)} tables, {sum(tables.values()):,} rows", OK)
    return backup_restoring.run(data, args, role, private)


def _lift(data: DataFolder, args: argparse.Namespace) -> int:
    found = backup_orders.lift(data, staff_calls.party(data, args.agency, args.staff), args.backup_id)
    for system, counts in sorted(found["compared"].items()):
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count) or "0"
        sys.stdout.write(f"{system}: {told}\n")
    return end(
        "外しました。違いは sekisho business compare --repair で / lifted; repair differences with sekisho business compare --repair",
        OK,
    )


def _create(data: DataFolder, args: argparse.Namespace) -> int:
    """Both factors anew, then the stream into a file that appears whole or not at all."""
    party, out, database = staff_calls.party(data, args.agency, args.staff), args.file, BackedUp(args.database)
    if database is not BackedUp.INTERMEDIATE:
        size = backup_orders.download(data, party, database, out)
    else:
        known = staff_calls.known(party)

        def call(token: str) -> int:
            proof = staff_calls.prove(party, known, backing_up.PURPOSE)
            return staff_calls.download_posted(party, "/backups", [{"proof": proof}], out, token)

        size = staff_calls.in_session(party, call)
    return end(f"作りました / made: {out} ({size:,} bytes)", OK)


def _passphrase(data: DataFolder, agency: str, number: int) -> str:
    known = staff_cards.read_secrets(data.backup_secrets(agency, number))
    return (
        known.passphrase
        if known
        else getpass.getpass(f"バックアップ鍵 {number} の暗証 (passphrase of backup key {number}): ")
    )


def _list(args: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    for path in sorted(args.folder.iterdir()):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            try:
                head, _ = read_head(file)
            except BackupBrokenError:
                continue
        if head.agency == args.agency:
            rows.append(
                {
                    "file": path.name,
                    "database": head.database.value,
                    "backup_id": head.backup_id,
                    "made_at": head.made_at,
                    "bytes": path.stat().st_size,
                }
            )
    if args.json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    table = Table(
        title=f"バックアップ (backups): {args.agency}。中身は verify で確かめます (verify reads what is in them)"
    )
    for heading in ("ファイル (file)", "データベース (database)", "id", "作成 (made)", "bytes"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row["file"], row["database"], row["backup_id"], row["made_at"], f"{row['bytes']:,}")
    Console(highlight=False).print(table)
    return OK
