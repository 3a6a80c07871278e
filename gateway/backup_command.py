"""`sekisho backup`: sealed backups of one agency's intermediate server, by its administrators alone (SC-15; IF_SYM_90076).

`create` while the server runs, `restore` into an empty schema while its role is stopped. Both take an administrator with two factors.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
from pathlib import Path
from typing import IO, Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table

from gateway import backup_keys, guarding, staff_calls, staff_cards
from gateway.administrator import administrator_dsn
from gateway.data_folder import DataFolder, FolderBusyError, held
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, REFUSED, UNREACHABLE, end
from gateway.intermediate_server.operations import backing_up, restoring
from gateway.intermediate_server.operations.restoring import Administrator
from gateway.staff_calls import Party
from gateway.staff_cards import StaffSecrets
from gateway.topology import Program
from keys.masked import Secret
from keys.windows import PublicKeys
from storage.backups.filling import Restored, RestoreRefusedError, Target, verify
from storage.backups.form import BackedUp, BackupBrokenError, read_head
from storage.erasure_journal import ErasureJournal
from storage.key_store import KeyStoreError
from storage.marks import Marks
from transport import role as role_file
from transport.role import RoleConfig

_FIRST: Final = "admin-1"
_REASONS: Final = {
    "backup_of_another_agency": "別の機関のバックアップです / the backup is another agency's",
    "backup_of_another_database": "別のデータベースのバックアップです / the backup is of another database",
    "made_by_another_version": "別の版のプログラムが作ったものです。同じ版で復元してから更新してください / restore with the version that made it, then update",
    "schema_not_empty": "復元先が空ではありません。空のスキーマにだけ復元します / the schema is not empty; a restore fills an empty one only",
    "restore_not_allowed": "管理者の権限、パスワード、職員証のいずれかが正しくありません / no administrator's right, or a wrong password or card",
    "backup_without_a_log": "証跡のないバックアップです / the backup has no log",
    "rows_differ": "行数が合いません / the number of rows differs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="封をしたバックアップを作る (make a sealed backup)")
    listing = actions.add_parser("list", help="フォルダーにあるバックアップ (backups in a folder)")
    verify = actions.add_parser("verify", help="一つを最後まで読んで確かめる (read one to its end)")
    restore = actions.add_parser(
        "restore", help="空のスキーマに復元する。役割を止めて行う (into an empty schema; stop the role)"
    )
    create.add_argument("file", type=Path, metavar="OUT", help="書き出し先 (file)")
    for action in (verify, restore):
        action.add_argument("file", type=Path, metavar="FILE", help="バックアップ (file)")
    listing.add_argument("folder", type=Path, metavar="FOLDER", help="フォルダー (folder)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    guarding.add_person_argument(restore, guarding.BOTH)
    for action in (create, listing, verify, restore):
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
        return end(f"復元していません / nothing was restored: {_REASONS[refused.reason]}", REFUSED)
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
        return _create(staff_calls.party(data, args.agency, args.staff), args.file)
    role = _role(data, args.agency)
    private = backup_keys.open_private(data.backup_key(args.agency), args.agency, _passphrase(data, args.agency))
    log_keys = role.register.logs[f"sekisho.example/{args.agency}/intermediate"]
    if args.action == "verify":
        with args.file.open("rb") as file:
            tables = verify(file, private, log_keys)
        return end(f"正しいバックアップです / a good backup: {len(tables)} tables, {sum(tables.values()):,} rows", OK)
    return _restore(data, args, role, private, log_keys)


def _create(party: Party, out: Path) -> int:
    """Both factors anew, then the stream into a file that appears whole or not at all."""
    who = party.person
    if who is None:
        raise staff_calls.UnknownPartyError
    known = _known(who.secrets)

    def call(token: str) -> int:
        proof = staff_calls.prove(party, known, backing_up.PURPOSE)
        return staff_calls.download_posted(party, "/backups", [{"proof": proof}], out, token)

    size = staff_calls.in_session(party, call)
    return end(f"作りました / made: {out} ({size:,} bytes)", OK)


def _known(path: Path) -> StaffSecrets:
    known = staff_cards.read_secrets(path)
    if known is not None:
        return known
    return StaffSecrets(
        password=getpass.getpass("パスワード (password): "),
        passphrase=getpass.getpass("職員証の暗証 (card passphrase): "),
    )


def _passphrase(data: DataFolder, agency: str) -> str:
    known = staff_cards.read_secrets(data.backup_secrets(agency))
    return known.passphrase if known else getpass.getpass("バックアップ鍵の暗証 (passphrase of the backup key): ")


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
                {"file": path.name, "backup_id": head.backup_id, "made_at": head.made_at, "bytes": path.stat().st_size}
            )
    if args.json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    table = Table(
        title=f"バックアップ (backups): {args.agency}。中身は verify で確かめます (verify reads what is in them)"
    )
    for heading in ("ファイル (file)", "id", "作成 (made)", "bytes"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row["file"], row["backup_id"], row["made_at"], f"{row['bytes']:,}")
    Console(highlight=False).print(table)
    return OK


def _role(data: DataFolder, agency: str) -> RoleConfig:
    for path in sorted((data.root / "roles").glob("*/role.json")):
        found = role_file.load(path.parent)
        if found.options.get("program") == Program.INTERMEDIATE.value and agency in found.hosted:
            return found
    raise staff_calls.UnknownPartyError


def _restore(
    data: DataFolder, args: argparse.Namespace, role: RoleConfig, private: Secret, log_keys: PublicKeys
) -> int:
    who = staff_calls.person(data, args.agency, args.staff)
    known = _known(who.secrets)
    card = staff_cards.open_card(who.card, args.agency, args.staff, known.passphrase)
    hosted = role.hosted[args.agency]
    with held(role.folder), administrator_dsn(data) as dsn, args.file.open("rb") as file:
        of = Target(
            agency=args.agency,
            database=BackedUp.INTERMEDIATE,
            schema=hosted.tenant,
            private=private,
            log_keys=log_keys,
            journal=ErasureJournal.beside(hosted.keys, guarding.open_store(role, args.agency, args.person).ring),
            now=role.clock(),
            left_out=backing_up.LEFT_OUT,
        )
        by = Administrator(staff_id=args.staff, password=known.password, card=card.public_key)
        found = asyncio.run(_fill(dsn, file, of, by, Marks.beside(hosted.keys)))
    return end(
        f"復元しました / restored: {sum(found.tables.values()):,} rows; {found.erased} erased rows left out. "
        f"{role.role} を起動すると、コアに確かめてから証跡を {found.times} 回目の続きとして開きます / start {role.role}: it asks the core and opens the log anew. "
        f"照会と提供は止めてあります。その後の自動応答不可を付け直し、原本と照合してから、二人で外してください / use is suspended: set bars again that came since, "
        f"compare the copies (sekisho business compare --repair), then two of the staff lift it (sekisho bars lift {found.backup_id})",
        OK,
    )


async def _fill(dsn: str, file: IO[bytes], of: Target, by: Administrator, marks: Marks) -> Restored:
    admin = await asyncpg.connect(dsn)
    try:
        return await restoring.restore(admin, file, of, by, marks)
    finally:
        await admin.close()
