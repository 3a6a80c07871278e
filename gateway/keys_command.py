"""`sekisho keys`: purposes, versions and states of one key file; a new version; a version destroyed for good (`key_destruction`); its keeper. Never material.

Everything may run meanwhile: a role takes a changed key file within a second, a changed register too (docs/adr/0035). A purpose that names
things for ever by its first version cannot be rotated (docs/adr/0064).
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway import backup_restoring, config, guarding, key_destruction, staff_calls, staff_cards, staff_vouching
from gateway.backup_key_rotation import PURPOSE as BACKUPS
from gateway.backup_key_rotation import BackupKeyRotation
from gateway.ca_rotation import PURPOSE as CA
from gateway.ca_rotation import CaRotation
from gateway.client_calls import role_hosting
from gateway.data_folder import DataFolder, FolderBusyError, held
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, UNREACHABLE, end
from gateway.intermediate_server.destruction.needs import RESULT
from gateway.intermediate_server.records.subjects import PERSONAL
from gateway.intermediate_server.resealing import job as intermediate_rows
from gateway.key_records import check_log, core_of
from gateway.key_rotation import NotTakenError, Rotation
from gateway.linkage_server.resealing import rows as linkage_rows
from gateway.list_sources import SourceWrongError
from gateway.publisher_rotation import PURPOSE as LISTS
from gateway.publisher_rotation import PublisherRotation
from gateway.root_rotation import PURPOSE as ROOT
from gateway.root_rotation import RootRotation
from gateway.setting_up.key_files import LOG, PERMIT, SIGNING
from gateway.setting_up.succession import KEYS_OVERLAP
from gateway.topology import NETWORK, Program
from keys.errors import KeyMissing, RingRefused
from storage import fault_points
from storage.backups.form import BackedUp
from storage.database import StorageUnavailableError
from storage.erasure_journal import PURPOSE as ERASED
from storage.key_store import KeyStore, KeyStoreError
from transport import role as role_file
from transport.register import RegisterBrokenError
from transport.role import RoleConfig

ROTATABLE: Final = frozenset(
    {
        SIGNING, PERMIT, LOG, "permit-code", "oauth-token", "resident-record-code", "insured-person", "receiving-account", "unemployment-benefit",
        "ledger", "push-secret", "portal-ticket", "inquiry-line", "access-reason", "search-index", "search-cursor",
        *linkage_rows.PURPOSES, *intermediate_rows.PURPOSES, ERASED,
    }
)  # fmt: skip
"""Purposes whose old versions keep opening what they sealed, so that a new one may come at any time."""
PERIODS: Final = (PERSONAL, RESULT)
"""Purposes named by the time until which they live."""
_DAY: Final = timedelta(days=1)
_LEAD_S: Final = 5.0
"""Seconds that agencies elsewhere are given to read a register, unless told."""


class _WrongSpanError(Exception):
    """A time to wait or to overlap that is less than none."""


_HINDRANCES: Final[dict[type[Exception], tuple[str, int]]] = {
    FolderBusyError: ("この役割は動作中です。止めてからにしてください / the role is running; stop it first", REFUSED),
    StorageUnavailableError: (
        (
            "証跡に記録できず、残っている行も数えられないため、鍵は元のままです。データベースを起動してからもう一度 "
            "/ it cannot be recorded nor rows be counted, so the keys stay as they are; start the database, then again"
        ),
        UNREACHABLE,
    ),
    NotTakenError: (
        "新しい登録簿を受け取っていない役割があり、鍵は元のままです。直してからもう一度 / the old key goes on: roles have not taken the new register",
        REFUSED,
    ),
    RegisterBrokenError: ("登録簿がこの認証局のものではありません / the register is not this authority's", BAD_INPUT),
    KeyStoreError: ("鍵ファイルを開けません / the key file cannot be opened", BAD_INPUT),
    KeyMissing: ("その用途か版はありません / no such purpose or version", BAD_INPUT),
    _WrongSpanError: ("--overlap と --lead は 0 以上に / --overlap and --lead are 0 or more", BAD_INPUT),
    RingRefused: ("この状態ではできません / the version is not in a state for this", REFUSED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyFile:
    config: RoleConfig
    agency: str
    store: KeyStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="用途・版・状態の一覧 (purposes, versions, states)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    rotate = actions.add_parser("rotate", help="新しい版を作る (a new version)")
    rotate.add_argument(
        "--overlap",
        type=float,
        default=KEYS_OVERLAP / _DAY,
        metavar="DAYS",
        help="古い署名鍵を受け入れる日数。0 は直ちに終わり (an old signing key is accepted so long; 0:漏えい時 / not at all)",
    )
    rotate.add_argument(
        "--lead",
        type=float,
        metavar="SECONDS",
        help="ほかの機関が登録簿を読むまで待つ秒数 (wait so long for agencies elsewhere to read the register)",
    )
    key_destruction.add_arguments(actions)
    guard = actions.add_parser("guard", help="鍵ファイルの守り方を決める (what keeps the key file shut)")
    guarding.add_arguments(guard)
    rotate.add_argument(
        "purpose",
        metavar="PURPOSE",
        help=f"用途 (purpose), e.g. signing。{LISTS} は照合リストの発行者の鍵、{ROOT} は登録簿の根、{CA} は認証局で、役割と機関は要らない "
        f"(the list's publisher, the register's root, the CA: no role, no agency)。{BACKUPS} は機関のバックアップ鍵で、役割は要らない (an agency's: no role)",
    )
    unlock = actions.add_parser("unlock", help="二人で守る鍵束を開ける (open a ring that two people keep)")
    guarding.add_person_argument(unlock, "開ける人 (who opens)")
    unlock.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
    staff_calls.add_data_argument(unlock)
    unlock.epilog = EPILOG
    vouch = actions.add_parser(
        "vouch",
        help="印のない版のバックアップを戻したあと、データベースにいる職員を次の起動で一度だけ認める (after a restore of before there were marks)",
    )
    staff_vouching.add_arguments(vouch)
    for action in (listing, rotate, guard, vouch):
        guarding.add_person_argument(action, guarding.BOTH)
        action.epilog = EPILOG
        needed = action is not rotate
        action.add_argument("--role", required=needed, metavar="ROLE", help="役割 (role), e.g. intermediate")
        action.add_argument("--agency", required=needed, metavar="ID", help="機関の id (agency id)")
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if args.action == "unlock":
        return _unlock(args)
    if args.action in key_destruction.ACTIONS:
        fault_points.arm(config.read().fault)
        return _hindered(lambda: key_destruction.run(args))
    if args.action == "rotate" and args.purpose in _OF_NO_RING:
        return _hindered(lambda: staff_calls.guarded(lambda: _OF_NO_RING[args.purpose](args)))
    if args.role is None or args.agency is None:
        return end("--role と --agency を示してください / --role and --agency are needed", BAD_INPUT)
    folder = DataFolder(args.data).role(args.role)
    if not (folder / "role.json").exists() or not (folder / "keys" / f"{args.agency}.json").exists():
        return end("その役割か機関がありません / no such role or agency in this data folder", BAD_INPUT)
    return _hindered(lambda: _act(args, folder))


def _act(args: argparse.Namespace, folder: Path) -> int:
    if args.action == "list":
        return _list(_open(args), as_json=args.json)
    fault_points.arm(config.read().fault)
    with held(folder) if args.action in ("guard", "vouch") else nullcontext():
        return _change(_open(args), args)


def _hindered(work: Callable[[], int]) -> int:
    """The exit code of the work, or of what keeps it from being done, which is told."""
    try:
        return work()
    except tuple(_HINDRANCES) as hindrance:
        text, code = next(said for kind, said in _HINDRANCES.items() if isinstance(hindrance, kind))
        match hindrance:
            case KeyStoreError():
                text = f"{text}: {hindrance}"
            case NotTakenError():
                text = f"{text}: {', '.join(hindrance.roles)}"
        return end(text, code)


def _unlock(args: argparse.Namespace) -> int:
    roles = DataFolder(args.data).root / "roles"
    if not roles.is_dir() or len(args.person) != 1:
        return end(
            "データフォルダーと --person を一つ示してください / a data folder and one --person are needed", BAD_INPUT
        )
    try:
        return guarding.unlock(roles, args)
    except KeyStoreError as hindrance:
        return end(f"{_HINDRANCES[KeyStoreError][0]}: {hindrance}", BAD_INPUT)


def _change(found: _KeyFile, args: argparse.Namespace) -> int:
    match args.action:
        case "rotate":
            return _rotate(found, args)
        case "vouch":
            return staff_vouching.vouch(found.store, found.agency, args.founding)
        case _:
            return guarding.guard(found.store, found.config.folder, args)


def _open(args: argparse.Namespace) -> _KeyFile:
    config = role_file.load(DataFolder(args.data).role(args.role))
    store = guarding.open_store(config, args.agency, args.person)
    return _KeyFile(config=config, agency=args.agency, store=store)


def _list(found: _KeyFile, *, as_json: bool) -> int:
    ring = found.store.ring
    states = {
        purpose: {str(number): state.value for number, state in ring.versions(purpose).items()}
        for purpose in ring.purposes()
    }
    if as_json:
        document: dict[str, Any] = {"role": found.config.role, "agency": found.agency, "purposes": states}
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return OK
    table = Table(title=f"鍵 (keys): {found.config.role} / {found.agency}")
    for heading in ("用途 (purpose)", "版と状態 (versions)", "更新 (rotation)"):
        table.add_column(heading, overflow="fold")
    for purpose, versions in states.items():
        table.add_row(
            purpose,
            ", ".join(f"{number}: {state}" for number, state in versions.items()),
            "可 (yes)" if rotatable(purpose) else "不可 (no)",
        )
    Console(highlight=False).print(table)
    return OK


def rotatable(purpose: str) -> bool:
    return purpose in ROTATABLE or purpose.startswith(PERIODS)


def _rotate(found: _KeyFile, args: argparse.Namespace) -> int:
    if args.purpose not in found.store.ring.purposes():
        return end("その用途はありません。keys list で確かめてください / no such purpose; see keys list", BAD_INPUT)
    if not rotatable(args.purpose):
        return end(
            "この用途は更新できません。この鍵で付けた名前が変わってしまいます / this purpose cannot be rotated: it names things for ever",
            REFUSED,
        )
    if args.overlap < 0 or (args.lead or 0) < 0:
        raise _WrongSpanError
    data = DataFolder(args.data)
    rotation = Rotation(
        data=data,
        config=found.config,
        agency=found.agency,
        store=found.store,
        overlap=args.overlap * _DAY,
        lead_s=_lead(data, args),
    )
    return end(f"新しい版 / new version: {rotation.rotate(args.purpose)}", OK)


def _rotate_publisher(args: argparse.Namespace) -> int:
    """The old key vouches for the versions that it has signed, and for nothing else at once: there is no overlap to give it."""
    data = _data_of(args)
    rotation = PublisherRotation(data=data, core=staff_calls.party(data, NETWORK), lead_s=_lead(data, args))
    try:
        return end(f"新しい版 / new version: {rotation.rotate()}", OK)
    except SourceWrongError as wrong:
        return end(f"入力の誤り / bad input: {wrong}", BAD_INPUT)


def _rotate_root(args: argparse.Namespace) -> int:
    data = _data_of(args)
    rotation = RootRotation(data=data, overlap=args.overlap * _DAY, lead_s=_lead(data, args))
    try:
        return end(f"新しい版 / new version: {rotation.rotate()}", OK)
    except NotTakenError as hindrance:
        return end(
            "新しい根の登録簿をまだ受け取っていない役割があります。直してからもう一度 / the new root signs; mend these, which have not taken its register, then again: "
            f"{', '.join(hindrance.roles)}",
            REFUSED,
        )


def _rotate_ca(args: argparse.Namespace) -> int:
    data = _data_of(args)
    rotation = CaRotation(data=data, overlap=args.overlap * _DAY, lead_s=_lead(data, args))
    try:
        number = rotation.rotate()
    except NotTakenError as hindrance:
        return end(
            "新しい ca.pem か登録簿をまだ受け取っていない役割があります。直してからもう一度"
            " / mend these, which have not taken the new ca.pem or register, then the same again: "
            f"{', '.join(hindrance.roles)}",
            REFUSED,
        )
    left = "".join(f"\n  {one.agency} {one.use or one.name} {one.sha256[:16]}" for one in rotation.left())
    said = (
        "\n次の証明書は古い認証局のもので、それが終わると通じません。ca.pem を渡し、発行し直すか (agency certificate --csr) 替えて (certificates replace) 渡してください"
        f" / these are of the old CA and fail when it ends: hand ca.pem over, and issue or replace them:{left}"
    )
    return end(f"新しい版 / new version: {number}{said if left else ''}", OK)


def _rotate_backup_key(args: argparse.Namespace) -> int:
    """The one before opens what was sealed to it as long as its file is kept: there is no overlap to give it."""
    data = _data_of(args)
    if args.agency is None:
        return end("--agency を示してください / --agency is needed", BAD_INPUT)
    server = backup_restoring.role_of(data, args.agency, BackedUp.INTERMEDIATE)
    others = [role_hosting(data, program, args.agency) for program in (Program.LINKAGE, Program.SKY2)]
    rotation = BackupKeyRotation(
        data=data,
        agency=args.agency,
        server=server,
        others=tuple(one for one in others if one is not None),
        ring=guarding.open_store(server, args.agency, args.person).ring,
        passphrase=lambda number: _new_passphrase(data, args.agency, number),
    )
    try:
        number, kept = rotation.rotate()
    except staff_cards.CardFileError as wrong:
        return end(f"バックアップ鍵は元のままです / the backup key stays as it is: {wrong}", BAD_INPUT)
    said = f"新しい版 / new version: {number}。古い鍵のファイルは、それで封をしたバックアップがある間だけ残してください / keep the one before as long as its backups"
    own = f"\n自前の鍵を使い続けます / these keep a key of their own: {', '.join(kept)}" if kept else ""
    return end(f"{said}{own}", OK)


def _new_passphrase(data: DataFolder, agency: str, number: int) -> str:
    """Of a synthetic agency, whose passphrases lie in files, one that is drawn; else what its administrators type. Raises CardFileError."""
    if not data.backup_secrets(agency, number - 1).exists():
        typed = [getpass.getpass(f"新しい鍵 {number} の暗証 (passphrase of the new key): ") for _ in range(2)]
        if typed[0] != typed[1] or len(typed[0]) < guarding.SHORTEST:
            raise staff_cards.CardFileError("the passphrase is too short, or was not typed alike twice")
        return typed[0]
    known = staff_cards.drawn()
    staff_cards.write_secrets(data.backup_secrets(agency, number), known)
    return known.passphrase


def _data_of(args: argparse.Namespace) -> DataFolder:
    """The data folder whose key is rotated, where that can be recorded now. Raises UnknownPartyError, _WrongSpanError, StorageUnavailableError."""
    data = DataFolder(args.data)
    if not data.marker.exists():
        raise staff_calls.UnknownPartyError
    if args.overlap < 0 or (args.lead or 0) < 0:
        raise _WrongSpanError
    core = core_of(data)
    if core is not None:
        check_log(core, NETWORK)
    fault_points.arm(config.read().fault)
    return data


_OF_NO_RING: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    LISTS: _rotate_publisher, ROOT: _rotate_root, CA: _rotate_ca, BACKUPS: _rotate_backup_key,
}  # fmt: skip
"""Keys that no ring has."""


def _lead(data: DataFolder, args: argparse.Namespace) -> float:
    """Seconds to wait for agencies elsewhere, where there are any."""
    elsewhere = any(data.clients.glob("*/register.json"))
    given: float | None = args.lead
    return given if given is not None else _LEAD_S if elsewhere else 0.0
