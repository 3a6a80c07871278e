"""`sekisho backup restore`: a backup into an empty schema while its role is stopped, for an administrator with two factors (SC-15).

The intermediate server's own is restored for whoever is an administrator in it; those of the linkage server and of SKY2 by order of the intermediate
server, which runs.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Final

import asyncpg

from adapters.sky2 import backing_up as sky2_making
from adapters.sky2 import restoring as sky2_restoring
from evidence import orders
from evidence.orders import Order, OrderKind, OrderRefusedError
from gateway import backup_orders, config, guarding, staff_calls, staff_cards
from gateway.administrator import administrator_dsn
from gateway.client_calls import role_hosting
from gateway.data_folder import DataFolder, held
from gateway.exit_codes import OK, end
from gateway.intermediate_server.operations import backing_up, restoring
from gateway.intermediate_server.operations.restoring import Administrator
from gateway.linkage_server.backups import making as linkage_making
from gateway.linkage_server.backups import restoring as linkage_restoring
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.topology import Program
from keys.masked import Secret
from keys.ring import Keyring
from storage import fault_points
from storage.backups.filling import Restored, RestoreRefusedError, Target
from storage.backups.form import BackedUp, read_head
from storage.erasure_journal import ErasureJournal
from storage.marks import Marks
from storage.migrations import Admin
from transport.role import RoleConfig

Fill = Callable[[Admin, IO[bytes]], Awaitable[Restored]]
_TABLES: Final[Mapping[BackedUp, tuple[frozenset[str], frozenset[str]]]] = {
    BackedUp.INTERMEDIATE: (backing_up.LEFT_OUT, frozenset()),
    BackedUp.LINKAGE: (linkage_making.LEFT_OUT, linkage_restoring.SET_UP),
    BackedUp.SKY2: (sky2_making.LEFT_OUT, frozenset()),
}
"""Tables that are never in a backup, and those that an empty schema has rows in."""
REASONS: Final = {
    "backup_of_another_agency": "別の機関のバックアップです / the backup is another agency's",
    "backup_of_another_database": "別のデータベースのバックアップです。--database を確かめてください / the backup is of another database; see to --database",
    "made_by_another_version": "別の版のプログラムが作ったものです。同じ版で復元してから更新してください / restore with the version that made it, then update",
    "schema_not_empty": "復元先が空ではありません。空のスキーマにだけ復元します / the schema is not empty; a restore fills an empty one only",
    "restore_not_allowed": "管理者の権限、パスワード、職員証のいずれかが正しくありません / no administrator's right, or a wrong password or card",
    "backup_without_a_log": "証跡のないバックアップです / the backup has no log",
    "rows_differ": "行数が合いません / the number of rows differs",
    "numbers_unknown": "鍵ファイルの隣の .marks がないか古く、番号をどこまで発番したか分かりません。鍵と一緒に保管したものを戻してください"
    " / the .marks file beside the key file is missing or old: how far numbers were issued is not known; put the one back that was kept with the keys",
    "order_for_another_backup": "別のバックアップの復元の命令です / the order is for another backup",
    "original_unreadable": "原本が開けません。鍵ファイルを確かめてください / an original does not open; see to the key file",
}


def role_of(data: DataFolder, agency: str, database: BackedUp) -> RoleConfig:
    """The role whose database it is. Raises UnknownPartyError."""
    found = role_hosting(data, Program(database.value), agency)
    if found is None:
        raise staff_calls.UnknownPartyError
    return found


def run(data: DataFolder, args: argparse.Namespace, role: RoleConfig, private: Secret) -> int:
    """Raises BackupBrokenError, RestoreRefusedError, and what files, database and servers raise."""
    fault_points.arm(config.read().fault)
    hosted = role.hosted[args.agency]
    database = BackedUp(args.database)
    with held(role.folder), administrator_dsn(data) as dsn, args.file.open("rb") as file:
        ring = guarding.open_store(role, args.agency, args.person).ring
        marks = Marks.beside(hosted.keys)
        left_out, set_up = _TABLES[database]
        of = Target(
            agency=args.agency,
            database=database,
            schema=hosted.tenant,
            private=private,
            log_keys=role.register.logs[f"sekisho.example/{args.agency}/{database}"],
            journal=ErasureJournal.beside(hosted.keys, ring),
            now=role.clock(),
            left_out=left_out,
            set_up=set_up,
        )
        found = asyncio.run(_fill(dsn, file, _filling(data, args, role, of, ring, marks)))
    return end(_told(database, role, found), OK)


def _filling(
    data: DataFolder, args: argparse.Namespace, role: RoleConfig, of: Target, ring: Keyring, marks: Marks
) -> Fill:
    if of.database is BackedUp.INTERMEDIATE:
        return _own(data, args, of, marks, ring)
    order = _ordered(data, args, role, of)
    if of.database is BackedUp.SKY2:
        return lambda admin, file: sky2_restoring.restore(admin, file, of, order)
    return lambda admin, file: linkage_restoring.restore(admin, file, of, order, PersonalKeys(ring), marks)


def _own(data: DataFolder, args: argparse.Namespace, of: Target, marks: Marks, ring: Keyring) -> Fill:
    who = staff_calls.person(data, args.agency, args.staff)
    known = staff_calls.secrets_of(who)
    card = staff_cards.open_card(who.card, args.agency, args.staff, known.passphrase)
    by = Administrator(staff_id=args.staff, password=known.password, card=card.public_key)
    return lambda admin, file: restoring.restore(admin, file, of, by, marks, ring)


def _ordered(data: DataFolder, args: argparse.Namespace, role: RoleConfig, of: Target) -> Order:
    """The intermediate server's order for this restore, held against the register. Raises RestoreRefusedError."""
    with args.file.open("rb") as file:
        head, _ = read_head(file)
    party = staff_calls.party(data, args.agency, args.staff)
    signed = backup_orders.ask(party, OrderKind.BACKUP_RESTORE, of.database, head.backup_id)
    own = role.register.agencies[args.agency].signing_keys
    try:
        return orders.read(
            signed.encode(),
            own,
            kind=OrderKind.BACKUP_RESTORE,
            agency=args.agency,
            server=of.database.value,
            now=of.now,
        )
    except OrderRefusedError:
        raise RestoreRefusedError("restore_not_allowed") from None


async def _fill(dsn: str, file: IO[bytes], fill: Fill) -> Restored:
    admin = await asyncpg.connect(dsn)
    try:
        return await fill(admin, file)
    finally:
        await admin.close()


def _told(database: BackedUp, role: RoleConfig, found: Restored) -> str:
    filled = f"復元しました / restored: {sum(found.tables.values()):,} rows; {found.erased} erased rows left out. "
    if database is BackedUp.SKY2:
        return filled + (
            f"{role.role} を起動し、通知先を設定し直し (POST /push-target)、その後の被保険者・台帳・請求を入れ直してください。"
            "消えた個人番号は、もう一度知らされるまでありません / "
            f"start {role.role}, have changes pushed to it anew, and load people, ledgers and claims of since once more; "
            "numbers that went are absent until they are told again"
        )
    if database is BackedUp.LINKAGE:
        return filled + (
            f"{role.role} を起動すると、中間サーバーに確かめてから証跡を {found.times} 回目の続きとして開き、副本と原本を照合します / "
            f"start {role.role}: it asks the intermediate server, opens the log anew and compares the copies. "
            "業務システムの秘密を作り直し (clients rotate, resume)、通知先を設定し直し、その後の凍結をやり直し、その後の変更を送り直してもらってください。"
            f"別の管理者が sekisho backup lift {found.backup_id} で外すまで、何も外へ出ません / nothing leaves until another administrator lifts it: before that "
            "give the business systems new secrets, set targets of pushes again, freeze again who was frozen since, and have what changed since sent again"
        )
    return filled + (
        f"{role.role} を起動すると、コアに確かめてから証跡を {found.times} 回目の続きとして開きます / start {role.role}: it asks the core and opens the log anew. "
        f"照会と提供は止めてあります。その後の自動応答不可を付け直し、原本と照合してから、二人で外してください / use is suspended: set bars again that came since, "
        f"compare the copies (sekisho business compare --repair), then two of the staff lift it (sekisho bars lift {found.backup_id}). "
        "その後に届いた符号は、番号連携サーバーが一度だけ全員について確かめ、無いものを取り直します。保留中の提供のうち復元前の許可証のものは拒んでください / "
        "codes that came since are asked for by the linkage server itself, once for everybody; refuse what is held under permits of before"
    )
