"""Arguments of `sekisho verify`: which exports, and whose keys to trust."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from evidence.checkpoint import format_vkey
from evidence.export import Header, LineBroken, read_line
from gateway import config, verify_command
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, end
from transport.register import Register, RegisterBrokenError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exports", nargs="+", type=Path, metavar="EXPORT", help="sekisho export の書き出し (exports)")
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
        help="書き出し自身が名乗る鍵で足りる (the keys that the exports name themselves will do)",
    )
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")


class _NoRootError(Exception):
    """A signed register without its root's public key, or a root for a register that is not signed."""


def run(args: argparse.Namespace) -> int:
    """The keys: those of `--register`, else of the data folder's signed register, else none but the exports' own."""
    data = DataFolder(args.data or config.read().data)
    if args.data is not None and not data.register.exists():
        return end("そのデータフォルダーに登録簿がありません / no register in that data folder", BAD_INPUT)
    register = args.register
    if register is None and (args.data is not None or data.register.exists()):
        register = data.register
    if args.root is not None and register is None:
        return end("--root は --register とともに指定してください / --root goes with --register", BAD_INPUT)
    try:
        trusted = None if register is None else _trusted(register, args.root, args.exports)
    except _NoRootError:
        return end(
            "登録簿とその根の公開鍵がそろっていません。署名済みの登録簿なら --root を付けてください"
            " / a signed register goes with its root's public key: give --root",
            BAD_INPUT,
        )
    except (OSError, ValueError, RecursionError, RegisterBrokenError, verify_command.RegisterUnreadable):
        return end(
            "登録簿を読めないか、署名が正しくありません / the register cannot be read or is not signed by its root",
            BAD_INPUT,
        )
    return verify_command.run(args.exports, None, json=args.json, trusted=trusted, self_declared=args.self_declared)


def _trusted(register: Path, root: str | None, exports: list[Path]) -> dict[str, str]:
    """Origin → verifier key for every year that the exports speak of: a signed register names logs without their year.

    Raises _NoRootError, RegisterBrokenError, RegisterUnreadable, ValueError, OSError.
    """
    data = register.read_bytes()
    if not _signed(data):
        if root is not None:
            raise _NoRootError
        return verify_command.read_register(register)
    found = Register.read(data, bytes.fromhex(root or _root_beside(register)))
    years = {year for path in exports for year in _years(path)}
    return {
        f"{origin}/{year}": format_vkey(f"{origin}/{year}", key)
        for origin, key in found.logs.items()
        for year in sorted(years)
    }


def _signed(data: bytes) -> bool:
    stored = json.loads(data)
    return isinstance(stored, dict) and "signature" in stored


def _root_beside(register: Path) -> str:
    try:
        return (register.parent / "authority" / "register-root.public").read_text()
    except FileNotFoundError:
        raise _NoRootError from None


def _years(path: Path) -> list[str]:
    """The year of a log's origin, from the first line of its export; none when it is not an export (verify says so)."""
    try:
        with path.open("rb") as file:
            header = read_line(file.readline())
    except (OSError, LineBroken):
        return []
    return [header.origin.rpartition("/")[2]] if isinstance(header, Header) else []
