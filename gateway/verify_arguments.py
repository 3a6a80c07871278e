"""Arguments of `sekisho verify`: which exports, and whose keys to trust."""

from __future__ import annotations

import argparse
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
        help='手元にない場合の鍵の一覧: JSON {"logs": {origin: vkey}}。vkey は各機関から直接受け取る (keys that each agency gave you)',
    )
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")


def run(args: argparse.Namespace) -> int:
    """The keys: those of `--register`, else of the data folder's signed register, else none but the exports' own."""
    data = DataFolder(args.data or config.read().data)
    trusted = None
    if args.data is not None and not data.register.exists():
        return end("そのデータフォルダーに登録簿がありません / no register in that data folder", BAD_INPUT)
    if args.register is None and (args.data is not None or data.register.exists()):
        try:
            trusted = _trusted(data, args.exports)
        except (OSError, ValueError, RegisterBrokenError):
            return end(
                "登録簿を読めないか、署名が正しくありません / the register cannot be read or is not signed by its root",
                BAD_INPUT,
            )
    return verify_command.run(args.exports, args.register, json=args.json, trusted=trusted)


def _trusted(data: DataFolder, exports: list[Path]) -> dict[str, str]:
    """Origin → verifier key for every year that the exports speak of: the register names logs without their year."""
    root = bytes.fromhex((data.authority / "register-root.public").read_text())
    register = Register.read(data.register.read_bytes(), root)
    years = {year for path in exports for year in _years(path)}
    return {
        f"{origin}/{year}": format_vkey(f"{origin}/{year}", key)
        for origin, key in register.logs.items()
        for year in sorted(years)
    }


def _years(path: Path) -> list[str]:
    """The year of a log's origin, from the first line of its export; none when it is not an export (verify says so)."""
    try:
        with path.open("rb") as file:
            header = read_line(file.readline())
    except (OSError, LineBroken):
        return []
    return [header.origin.rpartition("/")[2]] if isinstance(header, Header) else []
