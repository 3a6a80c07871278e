"""`sekisho trace INQUIRY_NUMBER`: one inquiry through every party, put together from each party's own record; `--html FILE` as a page.

Each party is asked with a certificate of its own staff, and each linkage server by its auditor's client, so this works in a simulation
only, where one person has them all; an agency with a server of its own elsewhere hands over its export (`--export FILE`). Entries hold no
code and no number of a person; the commitments to the person are left out as well.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from codebook.errors import CodebookError
from codebook.identifiers import parse_inquiry_number
from gateway import list_sources, staff_calls
from gateway.data_folder import DataFolder, write_private
from gateway.exit_codes import BAD_INPUT, FAILED, OK, UNREACHABLE, end
from gateway.list_sources import SourceWrongError
from gateway.target_file import target_file
from gateway.topology import NETWORK
from gateway.tracing import gathering
from gateway.tracing.decisions import decisions
from gateway.tracing.gathering import NOT_REACHABLE, Found
from gateway.tracing.handed_over import ExportRefusedError, with_exports
from gateway.tracing.lanes import Exchange
from gateway.tracing.page import Trace, page
from gateway.tracing.parties import known_parties
from gateway.tracing.sources import Entry, Source, Sources, sources
from gateway.verify_arguments import logs_of, trusted_keys
from transport.clock import Clock
from transport.register import Register, RegisterBrokenError

_NO_REGISTER: Final = "登録簿か照合リストを読めません / the register or the permission lists cannot be read"
SHOWN: Final = (
    "at", "kind", "disposition", "reason", "permit_id", "inquirer", "inquirer_for", "provider", "provider_for", "basis", "item", "information", "actor",
    "id", "log", "purpose_text",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inquiry_number", metavar="INQUIRY_NUMBER", help="照会番号: Q + 26 characters")
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    parser.add_argument(
        "--html",
        type=target_file,
        metavar="FILE",
        help="一枚のページに書く。各当事者の書き出しを検証し、包含証明をつける (a page, from verified exports, with proofs)",
    )
    parser.add_argument(
        "--export", type=Path, action="append", default=[], metavar="FILE",
        help="自前のサーバーの機関が渡した証跡の書き出し。何度でも (an export handed over by an agency elsewhere; may be repeated)",
    )  # fmt: skip
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    try:
        number = parse_inquiry_number(args.inquiry_number)
    except CodebookError:
        return end(
            "照会番号の形式が正しくありません。Q と 26 文字です / not an inquiry number: Q and 26 characters", BAD_INPUT
        )
    return staff_calls.guarded(lambda: _trace(DataFolder(args.data), args, number))


def _trace(data: DataFolder, args: argparse.Namespace, number: str) -> int:
    asked = sources(data, args.staff)
    try:
        if args.export:
            asked = with_exports(asked, args.export, trusted_keys(data.register, None, logs_of(args.export)))
    except ExportRefusedError as wrong:
        return end(str(wrong), BAD_INPUT)
    except (OSError, ValueError, RegisterBrokenError):
        return end(_NO_REGISTER, BAD_INPUT)
    found = gathering.search(asked, number)
    if not found.lines() and found.silent.keys() >= {one.name for one in asked.logs if one.left_on is None}:
        return end("どの当事者にも接続できません / no party answers", UNREACHABLE)
    if args.json:
        sys.stdout.write(json.dumps(_document(found, asked), ensure_ascii=False, indent=1) + "\n")
    else:
        _print(found, asked)
    if not found.lines():
        return FAILED
    return OK if args.html is None else _write_page(data, asked, found, args.html)


def _document(found: Found, asked: Sources) -> dict[str, Any]:
    return {
        "inquiry_number": found.number,
        "entries": [
            {"party": source.agency, "server": source.server.value, **{name: entry.get(name) for name in SHOWN}}
            for source, entry in found.lines()
        ],
        "not_reachable": [name for name, why in found.silent.items() if why == NOT_REACHABLE],
        "refused": {name: why for name, why in found.silent.items() if why != NOT_REACHABLE},
        "desks_not_readable": list(asked.unread_desks),
        "left": _left(found, asked),
    }


def _left(found: Found, asked: Sources) -> dict[str, str]:
    """Whose records of this inquiry are kept here though they have left the network, and since when."""
    return {one.agency: one.left_on for one in asked.logs if one.left_on is not None and found.concerns(one.name)}


def _print(found: Found, asked: Sources) -> None:
    """One line per entry: time, party, its place in that party's log (fiscal year/index), kind, disposition and reason."""
    lines = found.lines()
    shown = [f"照会番号 (inquiry number) {found.number}", _exchange(lines, asked)]
    width = max((len(source.name) for source, _ in lines), default=0)
    what_for = next((entry["purpose_text"] for _, entry in lines if entry.get("purpose_text")), None)
    if what_for is not None:
        shown.append(f"何のため (purpose) {what_for}")
    for source, entry in lines:
        result = " ".join(str(entry[name]) for name in ("disposition", "reason") if entry.get(name))
        place = f"{entry['log']['year']}/{entry['log']['index']}"
        shown.append(f"  {entry['at']}  {source.name:{width}}  {place:>10}  {entry['kind']:27}  {result}".rstrip())
    left = _left(found, asked)
    shown += [
        f"{agency} は {day} に外れた。記録は残る (has left the network; its records stay)"
        for agency, day in left.items()
    ]
    missed = found.missed()
    if missed:
        shown.append("記録を読めない当事者 (not read):")
        shown += [f"  {name}: {_why(why)}" for name, why in missed.items()]
    sys.stdout.write("\n".join(shown) + "\n")


def _why(why: str) -> str:
    """Why a party's records are not here."""
    if why == NOT_REACHABLE:
        return (
            "サーバーが応答しない。止まっているか、ここでは動かない自前のサーバーを持つ（持っていた）機関。その書き出しは --export で (not_reachable: its server is not"
            " running, or the agency has, or had, a server of its own elsewhere: its export goes with --export)"
        )
    return f"断られた (refused: {why})"


def _with_delegator(entry: Entry, side: str) -> str:
    """Who asks or answers, and for whom where that is another (委任)."""
    delegator = entry.get(f"{side}_for")
    return f"{entry[side]}（{delegator} のため / for {delegator}）" if delegator else str(entry[side])


def _exchange(lines: list[tuple[Source, Entry]], asked: Sources) -> str:
    steps = [entry for _, entry in lines if entry.get("inquirer")]
    if steps:
        first = steps[0]
        asking, asked_one = (_with_delegator(first, side) for side in ("inquirer", "provider"))
        return f"{asking} → {asked_one}、{first['basis'] or ''} {first['item']} {first['information']}"
    if not asked.unread_desks:
        return "記録がありません (no entries)"
    return (
        f"記録がありません (no entries)。受付の記録を読むクライアント (log:read) がない機関: {'、'.join(asked.unread_desks)}"
        " (desks whose log no client here may read; sekisho clients add --grant log:read)"
    )


def _write_page(data: DataFolder, asked: Sources, found: Found, target: Path) -> int:
    """Export, verify, prove, and write the page; a page with something wrong or not read is written too, and says so with exit code 1."""
    try:
        register = Register.read(data.register.read_bytes(), bytes.fromhex(data.register_root.read_text()))
        library = list_sources.open_library(data.root)
        with tempfile.TemporaryDirectory(prefix="sekisho-trace-") as folder:
            downloaded = gathering.download(found, asked, Path(folder))
            trusted = trusted_keys(data.register, None, logs_of(downloaded.files.values()))
            evidence = gathering.gather(found, downloaded, trusted)
        exchange = Exchange.of(evidence.records)
    except (OSError, ValueError, RegisterBrokenError, SourceWrongError):
        return end(_NO_REGISTER, BAD_INPUT)
    except StopIteration:
        return end("書き出しに、この照会の記録がありません / the exports hold no step of this inquiry", FAILED)
    parties = known_parties(data, register)
    names = {agency: party.name for agency, party in parties.items()}
    trace = Trace(
        evidence=evidence,
        exchange=exchange,
        decisions=decisions(evidence.records, library, parties),
        names=names | {NETWORK: "情報提供ネットワークシステム"},
        unread_desks=asked.unread_desks,
        made=Clock()(),
    )
    try:
        write_private(target, page(trace).encode())
    except OSError:
        return end(f"{target} に書けません / it cannot be written", BAD_INPUT)
    return end(f"書きました / written: {target}", OK if trace.sound else FAILED)
