"""`sekisho notices`: notices of running state (IS-10): what stands, a new one for business systems and staff, one taken back."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from gateway import staff_calls
from gateway.clock_command import ClockWordsError, parse_instant
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, end
from gateway.notice_words import KINDS, POSTED
from transport.clock import Clock

_PREFIX: Final = "N"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="今のお知らせ。サーバー自身のものも (what stands, the servers' own too)")
    listing.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    posting = actions.add_parser("post", help="載せる。記録に残る (post; on record)")
    posting.add_argument("--kind", required=True, choices=list(POSTED), help="種類 (kind)")
    posting.add_argument("--text", required=True, help="文。400 字まで、10 桁以上の数字は書けない (text)")
    posting.add_argument("--until", required=True, metavar="TIME", help="いつまで、2026-11-30T18:00 のように日本時間で")
    posting.add_argument("--from", dest="since", metavar="TIME", help="いつから。省けば今から (default: now)")
    withdrawing = actions.add_parser("withdraw", help="取り下げる (withdraw)")
    withdrawing.add_argument("notice_id", metavar="NOTICE_ID", help="番号 (id), from notices list")
    for action in (listing, posting, withdrawing):
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        staff_calls.add_staff_argument(action)
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    party = staff_calls.party(DataFolder(args.data), args.agency, args.staff)
    match args.action:
        case "list":
            return _list(staff_calls.ask(party, "/staff/notices", [{}])[0]["notices"], as_json=args.json)
        case "withdraw":
            staff_calls.ask(party, "/notices/withdraw", [{"notice_id": args.notice_id}])
            return end("取り下げました / withdrawn", OK)
        case _:
            return _post(party, args)


def _post(party: staff_calls.Party, args: argparse.Namespace) -> int:
    try:
        times = {
            name: parse_instant(text).isoformat()
            for name, text in (("shown_until", args.until), ("shown_from", args.since))
            if text is not None
        }
    except ClockWordsError:
        return end("時刻は 2026-11-30T18:00 のように書きます / a time is written like 2026-11-30T18:00", BAD_INPUT)
    notice_id = new_sortable_id(_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10))
    item = {"notice_id": notice_id, "kind": args.kind, "text": args.text, **times}
    staff_calls.ask(party, "/notices/post", [item])
    sys.stdout.write(f"{notice_id}\n")
    return OK


def _list(found: list[dict[str, Any]], *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    for one in found:
        until = f" ～ {one['shown_until']}" if one["shown_until"] else ""
        since = one["shown_from"] or one["posted_at"] or "現在 (now)"
        sys.stdout.write(f"{KINDS.get(one['kind'], one['kind'])}: {one['text'] or ''}\n  {since}{until}")
        sys.stdout.write(f"  {one['notice_id']} ({one['posted_by']})\n" if one["notice_id"] else "\n")
    return OK if found else end("お知らせはありません / no notices", OK)
