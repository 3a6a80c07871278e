"""`sekisho certificates`: every certificate with its expiry; one suspended, taken up again, or replaced, while everything runs."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from evidence.entry import EntryKind
from gateway import config, staff_calls
from gateway.certificates import IN_FORCE, SERVER, SUSPENDED, Certificate, Certificates, has_key, listed
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, UNREACHABLE, end
from gateway.key_records import record_trust
from gateway.key_rotation import NotTakenError
from gateway.setting_up.authority import open_authority
from storage import fault_points
from storage.database import StorageUnavailableError
from storage.key_store import KeyStoreError
from transport.clock import JST, Clock
from transport.register import RegisterBrokenError

ACTIONS: Final = ("list", "suspend", "resume", "replace")
_STATES: Final = {
    "in_force": "有効 (in force)", "replaced": "更新済み (replaced)", "suspended": "停止中 (suspended)",
    "server": "サーバー (server)", "not_enrolled": "登録なし (not enrolled)",
}  # fmt: skip
_BY_CLOCK: Final = "期限は TLS と同じくこの機械の時計による。模擬の時計は動かさない / expiry is by this machine's clock, as TLS has it, not by the simulated one"
_WRONG_STATE: Final = "この状態の証明書にはできません。sekisho certificates list で見られます / not for a certificate in this state; see `sekisho certificates list`"
_HINDRANCES: Final[dict[type[Exception], tuple[str, int]]] = {
    NotTakenError: (
        "新しい登録簿を受け取っていない役割があります。直してからもう一度 / roles have not taken the new register; mend them, then again",
        REFUSED,
    ),
    RegisterBrokenError: ("登録簿がこの認証局のものではありません / the register is not this authority's", BAD_INPUT),
    StorageUnavailableError: (
        (
            "証跡に記録できないため、証明書は元のままです。データベースを起動（sekisho up）してからもう一度 "
            "/ it cannot be recorded, so the certificates stay as they are; start the database (sekisho up), then again"
        ),
        UNREACHABLE,
    ),
    KeyStoreError: (
        "鍵ファイルを開けず、記録できません / the key file does not open, so it cannot be recorded",
        BAD_INPUT,
    ),
    OSError: ("データフォルダーを読み書きできません / the data folder cannot be read or written", BAD_INPUT),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="期限の近い順の一覧 (those that expire first)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    listing.add_argument("--agency", metavar="ID", help="この機関だけ (of this agency)")
    suspend = actions.add_parser("suspend", help="止める。すぐに効く (refused from now on)")
    resume = actions.add_parser("resume", help="再び使えるようにする (taken up again)")
    replace = actions.add_parser("replace", help="新しい鍵と証明書に替える (a new key and certificate)")
    for action in (suspend, resume, replace):
        action.add_argument(
            "sha256", metavar="SHA256", help="一覧にある指紋。先頭の 16 桁以上 (as listed; 16 digits or more)"
        )
    for action in (listing, suspend, resume, replace):
        action.epilog = EPILOG
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    if not data.register.exists():
        return end("そのデータフォルダーに登録簿がありません / no register in that data folder", BAD_INPUT)
    try:
        rows = listed(data)
        if args.action == "list":
            return _list([one for one in rows if args.agency in {None, one.agency}], as_json=args.json)
        wanted = args.sha256.lower()
        found = [one for one in rows if one.sha256.startswith(wanted)] if len(wanted) >= 16 else []
        if len(found) != 1:
            return end("その証明書はありません / no such certificate; see `sekisho certificates list`", BAD_INPUT)
        fault_points.arm(config.read().fault)
        return _change(data, args.action, found[0])
    except tuple(_HINDRANCES) as hindrance:
        text, code = next(said for kind, said in _HINDRANCES.items() if isinstance(hindrance, kind))
        return end(text, code)


def _change(data: DataFolder, action: str, one: Certificate) -> int:
    certificates = Certificates(data=data, authority=open_authority(data.authority, Clock()()))
    match action, one.state:
        case ("suspend", state) if state == IN_FORCE:
            _record(data, one, "suspended")
            certificates.suspend(one)
            said = "止めました / suspended"
        case ("resume", state) if state == SUSPENDED:
            _record(data, one, "resumed")
            certificates.resume(one)
            said = "再び使えます / taken up again"
        case ("replace", state) if state in {IN_FORCE, SERVER}:
            if one.path is None or not has_key(one.path):
                return end(
                    "秘密鍵はその機関にあります。要求 (CSR) で発行してください: sekisho agency certificate"
                    " / its key is its holder's: issue one on a request, `sekisho agency certificate`",
                    REFUSED,
                )
            _record(data, one, "replaced")
            said = f"替えました。新しい指紋 / replaced by {certificates.replace([one])[0]}"
        case _:
            return end(_WRONG_STATE, REFUSED)
    return end(said, OK)


def _record(data: DataFolder, one: Certificate, change: str) -> None:
    facts = {"certificate": one.sha256, "change": change, "agency": one.agency, "use": one.use}
    record_trust(data, EntryKind.CERTIFICATE_CHANGED, one.path, one.agency, facts)


def _list(rows: list[Certificate], *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps([_facts(one) for one in rows], indent=1) + "\n")
        return OK
    table = Table(title="証明書 (certificates)", caption=_BY_CLOCK)
    for heading in ("期限 (expires)", "状態 (state)", "機関 (agency)", "用途 (use)", "名前 (name)", "SHA-256"):
        table.add_column(heading, overflow="fold")
    for one in rows:
        expires = one.expires.astimezone(JST).date().isoformat() if one.expires else "—"
        table.add_row(expires, _STATES[one.state], one.agency, one.use, one.name, one.sha256[:16])
    Console(highlight=False).print(table)
    return OK


def _facts(one: Certificate) -> dict[str, Any]:
    expires: datetime | None = one.expires
    return {
        "sha256": one.sha256,
        "agency": one.agency,
        "use": one.use,
        "name": one.name,
        "expires": None if expires is None else expires.isoformat(),
        "valid_to": one.valid_to,
        "state": one.state,
    }
