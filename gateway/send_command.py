"""`sekisho send`: hand a file over to the linkage server's spool with its manifest, wait for it, and say what became of it (docs/adr/0067)."""

from __future__ import annotations

import argparse
import codecs
import csv
import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from gateway import staff_calls
from gateway.batch import spool
from gateway.batch.manifest import CSV, ENCODINGS, FIXED_WIDTH, NAME
from gateway.batch.spool import SpoolFile
from gateway.client_calls import Client, ClientFileError, role_hosting
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, REFUSED, end
from gateway.linkage_server.bulk_inquiries import form
from gateway.linkage_server.bulk_inquiries.run import CHANNEL as INQUIRIES
from gateway.linkage_server.business_information.run import CHANNEL as BUSINESS_INFORMATION
from gateway.linkage_server.free_text import file_name_holds_individual_number
from gateway.linkage_server.lines import LONGEST_LINE
from gateway.linkage_server.registration import CHANNELS
from gateway.topology import Program
from storage import durable_file

_LOOK_S: Final = 0.2
_HINT_AFTER_S: Final = 10.0
_BLOCK: Final = 1 << 20
_FINDINGS: Final = frozenset({"rejected", "held", "withheld"})
_CLASS: Final = 19
"""Column of an inquiry file's result that says what the line met."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("channel", choices=CHANNELS, metavar="CHANNEL", help=f"種類 (kind): {', '.join(CHANNELS)}")
    parser.add_argument("file", type=Path, metavar="FILE", help="送るファイル (the file)")
    parser.add_argument("--client", required=True, metavar="ID", help="クライアントの id (client id)")
    parser.add_argument(
        "--encoding", choices=sorted(ENCODINGS), default="utf-8", help="文字コード (encoding)。既定 utf-8"
    )
    parser.add_argument("--fixed-width", action="store_true", help="固定長 (fixed width; default: CSV or NDJSON)")
    parser.add_argument("--as-of", default="", metavar="DAY", help="データの日 YYYY-MM-DD。既定 今日 (day of the data)")
    parser.add_argument(
        "--name", metavar="NAME", help="受け渡しフォルダーでの名。既定 ファイルの名 (name in the spool)"
    )
    parser.add_argument("--no-wait", action="store_true", help="結果を待たない (do not wait for the result)")
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    try:
        client = Client.of(data, args.client)
    except ClientFileError:
        return end("そのクライアントのファイルがありません / no file of this client in the data folder", BAD_INPUT)
    role = role_hosting(data, Program.LINKAGE, client.agency)
    if role is None:
        return end("その機関の番号連携サーバーがありません / no linkage server hosts this agency here", BAD_INPUT)
    name = args.name or args.file.name
    folder = role.spool.resolve() / client.agency / client.system / args.channel
    file = SpoolFile(agency=client.agency, system=client.system, channel=args.channel, name=name, folder=folder)
    wrong = _why_not(file, args.file)
    if wrong is not None:
        return end(wrong, BAD_INPUT)
    try:
        _hand_over(file, args)
    except OSError:
        return end("受け渡しフォルダーに書けません / the spool folder cannot be written", FAILED)
    if args.no_wait:
        return _told({"file": name, "state": "handed_over"}, OK)
    return _through(file)


def _why_not(file: SpoolFile, source: Path) -> str | None:
    if not source.is_file():
        return "そのファイルはありません / there is no such file"
    if not NAME.fullmatch(file.name) or file_name_holds_individual_number(file.name):
        return "--name で英数字と . _ - の名を / give it a name of A-Z a-z 0-9 . _ - with --name"
    if not (file.folder / "in").is_dir():
        return "受け渡しフォルダーがありません。先に sekisho up を / there is no spool folder; run `sekisho up` first"
    there = (file.folder / "in" / file.manifest.name, file.manifest, file.result, file.reason)
    if any(path.exists() for path in there):
        return "同じ名のファイルか結果があります。--name で別の名を / a file or result of this name is there; choose another with --name"
    return None


def _hand_over(file: SpoolFile, args: argparse.Namespace) -> None:
    """The data file first, the manifest after it, both by rename."""
    target = file.folder / "in" / file.name
    part = durable_file.part_of(target)
    digest, lines = _copied(args.file, part)
    manifest = {
        "file": file.name,
        "kind": file.channel,
        "count": lines - _header_lines(args.file, file.channel, fixed_width=args.fixed_width),
        "sha256": digest,
        "encoding": args.encoding,
        "form": FIXED_WIDTH if args.fixed_width else CSV,
        "as_of": args.as_of,
    }
    spool.durable(target, part)
    spool.durable(file.folder / "in" / file.manifest.name, json.dumps(manifest).encode() + b"\n")


def _copied(source: Path, target: Path) -> tuple[str, int]:
    """The digest of what was copied, in hex, and its lines."""
    digest = hashlib.sha256()
    lines, last = 0, b"\n"
    with source.open("rb") as data, target.open("wb") as copy:
        while block := data.read(_BLOCK):
            digest.update(block)
            lines, last = lines + block.count(b"\n"), block[-1:]
            copy.write(block)
    return digest.hexdigest(), lines + (last != b"\n")


def _header_lines(source: Path, channel: str, *, fixed_width: bool) -> int:
    if fixed_width or channel == BUSINESS_INFORMATION:
        return 0
    if channel != INQUIRIES:
        return 1
    with source.open("rb") as data:
        first = data.readline(LONGEST_LINE)
    return int(first.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n") == form.HEADER.encode())


def _through(file: SpoolFile) -> int:
    begun = time.monotonic()
    hinted = False
    try:
        while file.manifest.exists() or not (file.result.exists() or file.reason.exists()):
            waits = (file.folder / "in" / file.manifest.name).exists()
            if waits and not hinted and time.monotonic() - begun > _HINT_AFTER_S:
                hinted = True
                sys.stderr.write(
                    "まだ受け取られていません。サーバーは動いていますか / not taken yet: is the server running?\n"
                )
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        return end("待つのをやめました。ファイルはそのままです / no longer waited for; the file stays", FAILED)
    if file.reason.exists():
        said = json.loads(file.reason.read_bytes())
        return _told(
            {"file": file.name, "state": "failed", **{name: said[name] for name in said if name != "file"}}, REFUSED
        )
    counts = _counts(file)
    found = {"file": file.name, "state": "done", "result": str(file.result), "counts": counts}
    return _told(found, FAILED if any(name.partition(":")[0] in _FINDINGS for name in counts) else OK)


def _counts(file: SpoolFile) -> dict[str, int]:
    """Lines by what became of them, `outcome` or `outcome:reason`; of inquiries by class."""
    if file.channel == INQUIRIES:  # in the encoding of the request; what is counted is ASCII
        with file.result.open(encoding="utf-8", errors="replace", newline="") as lines:
            return dict(sorted(Counter(row[_CLASS] for row in csv.reader(lines)).items()))
    with file.result.open(encoding="utf-8", newline="") as lines:
        rows = [":".join(filter(None, (row["outcome"], row["reason"]))) for row in csv.DictReader(lines)]
    return dict(sorted(Counter(rows).items()))


def _told(found: dict[str, Any], code: int) -> int:
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return code
