"""`sekisho keys`: purposes, versions and states of one key file; a new version; a version destroyed for good. Never material.

A role reads its key file at its start and writes it while it runs, so changes are made while it is stopped. A purpose that indexes
or names a log cannot be rotated here: the index column or the log would have to be written anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway import staff_calls
from gateway.data_folder import DataFolder, FolderBusyError, held
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, end
from gateway.setting_up.key_files import PERMIT, SIGNING, write_public
from gateway.topology import Program
from keys.errors import KeyMissing, RingRefused
from keys.ring import State
from storage.key_store import KeyStore, KeyStoreError
from transport import role as role_file
from transport.role import RoleConfig

ROTATABLE: Final = frozenset(
    {
        SIGNING, PERMIT, "permit-code", "oauth-token", "oauth-client-secret", "individual-number", "four-items", "review-hold",
        "resident-record-code", "receiving-account", "unemployment-benefit", "ledger",
    }
)  # fmt: skip
"""Purposes whose old versions keep opening what they sealed, so that a new one may come at any time."""
PERIODS: Final = ("personal/", "result/")
"""Purposes named by the time until which they live."""
IN_REGISTER: Final = frozenset({SIGNING, PERMIT})

_HINDRANCES: Final[dict[type[Exception], tuple[str, int]]] = {
    FolderBusyError: ("この役割は動作中です。止めてからにしてください / the role is running; stop it first", REFUSED),
    KeyStoreError: ("鍵ファイルを開けません / the key file cannot be opened", BAD_INPUT),
    KeyMissing: ("その用途か版はありません / no such purpose or version", BAD_INPUT),
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
    destroy = actions.add_parser("destroy", help="版を破棄する。戻せない (destroy for good)")
    destroy.add_argument("--version", type=int, metavar="N", help="版。省けば全部 (default: all)")
    destroy.add_argument(
        "--for-good", action="store_true", required=True, help="元に戻せないことの確認 (it cannot be undone)"
    )
    for action in (rotate, destroy):
        action.add_argument("purpose", metavar="PURPOSE", help="用途 (purpose), e.g. signing")
    for action in (listing, rotate, destroy):
        action.epilog = EPILOG
        action.add_argument("--role", required=True, metavar="ROLE", help="役割 (role), e.g. intermediate")
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    folder = DataFolder(args.data).role(args.role)
    if not (folder / "role.json").exists() or not (folder / "keys" / f"{args.agency}.json").exists():
        return end("その役割か機関がありません / no such role or agency in this data folder", BAD_INPUT)
    try:
        if args.action == "list":
            return _list(_open(args), as_json=args.json)
        with held(folder):
            return _rotate(_open(args), args.purpose) if args.action == "rotate" else _destroy(_open(args), args)
    except (FolderBusyError, KeyStoreError, KeyMissing, RingRefused) as hindrance:
        text, code = _HINDRANCES[type(hindrance)]
        return end(text, code)


def _open(args: argparse.Namespace) -> _KeyFile:
    config = role_file.load(DataFolder(args.data).role(args.role))
    return _KeyFile(config=config, agency=args.agency, store=config.open_keys(args.agency))


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
            "可 (yes)" if purpose in ROTATABLE else "不可 (no)",
        )
    Console(highlight=False).print(table)
    return OK


def _rotate(found: _KeyFile, purpose: str) -> int:
    if purpose not in ROTATABLE:
        return end(
            "この用途は更新できません / this purpose cannot be rotated: an index or a log hangs on its key", REFUSED
        )
    number = found.store.ring.rotate(purpose)
    found.store.save()
    if purpose not in IN_REGISTER:
        return end(f"新しい版 / new version: {number}", OK)
    write_public(found.config.hosted[found.agency].keys, found.store, Program(found.config.options["program"]))
    return end(
        f"新しい版 / new version: {number}。登録簿は次の sekisho up か sekisho migrate で署名し直されます "
        "/ the register is signed anew at the next `sekisho up` or `sekisho migrate`",
        OK,
    )


def _destroy(found: _KeyFile, args: argparse.Namespace) -> int:
    """A period key whole or in part; of any other purpose only a version that seals nothing new."""
    states = found.store.ring.versions(args.purpose)
    if not args.purpose.startswith(PERIODS) and states.get(args.version) in {None, State.PRIMARY}:
        return end(
            "使用中の版は破棄できません。先に rotate を / name a version that is not the primary one; rotate first",
            REFUSED,
        )
    found.store.ring.destroy(args.purpose, args.version)
    found.store.save()
    return end("破棄しました。この鍵で封じたものは二度と開けません / destroyed for good", OK)
