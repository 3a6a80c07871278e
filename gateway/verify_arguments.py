"""Arguments of `sekisho verify`: which exports or records, and whose keys to trust."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from evidence.export import Header, LineBroken, read_line
from evidence.proven_records import origins
from evidence.trusted import TrustedKeys
from gateway import config, verify_command, verify_records
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, end
from gateway.verify_command import FileLines
from transport.register import Register, RegisterBrokenError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exports", nargs="*", type=Path, metavar="EXPORT", help="sekisho export の書き出し (exports)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="このデータフォルダーの署名済み登録簿の鍵で検証する。省くと var/sekisho にあるもの (keys of the signed register in this data folder)",
    )
    parser.add_argument(
        "--register",
        type=Path,
        metavar="FILE",
        help="手元にデータフォルダーがない場合の鍵: 署名済みの登録簿 register.json、または各機関から受け取った鍵の一覧"
        ' (the signed register, or keys that each agency gave you: JSON {"logs": {origin: vkey}})',
    )
    parser.add_argument(
        "--root",
        metavar="HEX",
        help="署名済みの登録簿の根の公開鍵。省くと登録簿のそばの authority/register-root.public (public key of the register's root)",
    )
    parser.add_argument(
        "--self-declared",
        action="store_true",
        help="書き出し自身が名乗る鍵で足りる。鍵の更新は更新の記録でたどる。鍵が本当にその機関のものか、盗まれていないかは分からない"
        " (the keys that the exports name themselves will do; rotations are followed by their records; whose the keys are, and whether one was stolen,"
        " stays unknown)",
    )
    parser.add_argument(
        "--extract",
        type=Path,
        metavar="FILE",
        help="書き出しの代わりに、sekisho records extract か show --proof のファイルを検証する (a file of single proven records instead)",
    )
    parser.add_argument(
        "--person",
        action="store_true",
        help="--extract の記録がこの人のものか。統合宛名番号を標準入力から読む (are they this person's? number on standard input)",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="未了の照会と、一者だけに記録のある照会の番号も出す (also the numbers of open inquiries and of those on record with one party)",
    )
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")


class NoRootError(Exception):
    """A signed register without its root's public key, or a root for a register that is not signed."""


_UNREADABLE: Final[dict[type[Exception], str]] = {
    NoRootError: "登録簿とその根の公開鍵がそろっていません。署名済みの登録簿なら --root を付けてください"
    " / a signed register goes with its root's public key: give --root",
    **dict.fromkeys(
        (OSError, ValueError, RecursionError, RegisterBrokenError, verify_command.RegisterUnreadable),
        "登録簿を読めないか、署名が正しくありません / the register cannot be read or is not signed by its root",
    ),
}


def run(args: argparse.Namespace) -> int:
    """The keys: those of `--register`, else of the data folder's signed register, else none but the exports' own."""
    if bool(args.exports) == (args.extract is not None):
        return end("書き出しか --extract のどちらかを指定してください / give exports, or --extract", BAD_INPUT)
    data = DataFolder(args.data or config.read().data)
    if args.data is not None and not data.register.exists():
        return end("そのデータフォルダーに登録簿がありません / no register in that data folder", BAD_INPUT)
    register = args.register
    if register is None and (args.data is not None or data.register.exists()):
        register = data.register
    if args.root is not None and register is None:
        return end("--root は --register とともに指定してください / --root goes with --register", BAD_INPUT)
    try:
        trusted = None if register is None else trusted_keys(register, args.root, logs_of(args.exports, args.extract))
    except tuple(_UNREADABLE) as hindrance:
        return end(next(text for kind, text in _UNREADABLE.items() if isinstance(hindrance, kind)), BAD_INPUT)
    if args.extract is not None:
        number = sys.stdin.readline().strip() if args.person else None
        return verify_records.run(args.extract, trusted, number, json=args.json)
    return verify_command.run(
        args.exports, None, json=args.json, trusted=trusted, self_declared=args.self_declared, listed=args.list
    )


def trusted_keys(register: Path, root: str | None, logs: set[str]) -> Mapping[str, TrustedKeys]:
    """Origin → keys for every year of these logs: a signed register names logs without their year.

    Raises NoRootError, RegisterBrokenError, RegisterUnreadable, ValueError, OSError.
    """
    data = register.read_bytes()
    if not _signed(data):
        if root is not None:
            raise NoRootError
        return verify_command.read_register(register)
    found = Register.read(data, bytes.fromhex(root or _root_beside(register)))
    years = {log.rpartition("/")[2] for log in logs}
    return {f"{origin}/{year}": keys for origin, keys in found.logs.items() for year in sorted(years)}


def _signed(data: bytes) -> bool:
    stored = json.loads(data)
    return isinstance(stored, dict) and "signature" in stored


def _root_beside(register: Path) -> str:
    try:
        return (register.parent / "authority" / "register-root.public").read_text()
    except FileNotFoundError:
        raise NoRootError from None


def logs_of(exports: Iterable[Path], extract: Path | None = None) -> set[str]:
    """Origins that the files speak of; of a file that cannot be read none (verify says so)."""
    try:
        named = set() if extract is None else origins(FileLines(extract))
    except OSError:
        named = set()
    return named.union(*(_origin(path) for path in exports))


def _origin(path: Path) -> set[str]:
    """The origin in the first line of an export; nothing when it is not an export (verify says so)."""
    try:
        with path.open("rb") as file:
            header = read_line(file.readline())
    except (OSError, LineBroken):
        return set()
    return {header.origin} if isinstance(header, Header) else set()
