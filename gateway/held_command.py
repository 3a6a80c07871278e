"""`sekisho held`: held provisions of one agency (IF_SYM_90015, IF_SYM_90016), as a member of its staff who has logged in.

What would leave holds personal information: `show` gives it and the hash that its reader approves by, and that is on record.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import EPILOG, FAILED, OK, REFUSED, end
from gateway.intermediate_server.provision.withholding import WhyWithheld
from gateway.staff_calls import Party, RefusedError

_COLUMNS: Final = {
    "permit_id": "許可証 (permit)",
    "inquiry_number": "照会番号 (inquiry number)",
    "inquirer": "照会者 (inquirer)",
    "inquirer_for": "照会の委任元 (in whose stead)",
    "information": "情報 (information)",
    "held_since": "保留 (held since)",
    "answer_by": "期限 (answer by)",
    "escalated_at": "期限が近い (escalated)",
    "approved_by": "1 人目の承認 (approved by)",
}
_REASONS: Final = ("refused_by_staff", "non_disclosure", "protection_of_person")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="一覧 (list)")
    listing.add_argument("--json", action="store_true", help="JSON で出力。内容は含まない (without the content)")
    listing.add_argument(
        "--escalated", action="store_true", help="期限の近いものだけ (those alone whose deadline is near)"
    )
    show = actions.add_parser("show", help="提供される内容を見る (exactly what would leave)")
    release = actions.add_parser("release", help="提供を許す (release)")
    release.add_argument(
        "--hash",
        required=True,
        help="自分が見た内容のハッシュ。held show が示す (content_hash of what you saw yourself, from held show)",
    )
    refuse = actions.add_parser("refuse", help="提供を拒む (refuse)")
    refuse.add_argument(
        "--reason",
        required=True,
        choices=_REASONS,
        help="照会者に伝える理由 (said to the inquirer): 職員の判断、不開示、本人の保護",
    )
    for action in (show, release):
        action.add_argument(
            "--withhold",
            action="append",
            default=[],
            type=_strike,
            metavar="[N:]ITEM=REASON",
            help=f"提供しない項目と理由 (an item that does not leave, and why): {', '.join(WhyWithheld)}。N は何番目の記録か (of record N, from 0)",
        )
    for action in (show, release, refuse):
        action.add_argument("permit_id", metavar="PERMIT_ID", help="許可証の番号 (permit id), from held list")
    for action in (listing, show, release, refuse):
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        staff_calls.add_staff_argument(action)
        staff_calls.add_data_argument(action)


def _strike(text: str) -> dict[str, Any]:
    where, _, reason = text.rpartition("=")
    place, _, item = where.rpartition(":")
    if not item or reason not in set(WhyWithheld) or not (place == "" or place.isdecimal()):
        raise argparse.ArgumentTypeError("[N:]項目=理由 の形で / give [N:]ITEM=REASON")
    return {"item": item, "reason": reason, **({"record": int(place)} if place else {})}


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    party = staff_calls.party(DataFolder(args.data), args.agency, args.staff)
    match args.action:
        case "list":
            return _list(party, escalated=args.escalated, as_json=args.json)
        case "show":
            return _show(party, args.permit_id, args.withhold)
        case "release":
            decision = {
                "permit_id": args.permit_id,
                "approve": True,
                "content_hash": args.hash,
                "reason": "",
                "withheld": args.withhold,
            }
        case _:
            decision = {"permit_id": args.permit_id, "approve": False, "content_hash": "", "reason": args.reason}
    return _decide(party, decision)


def _pages(party: Party, *, escalated: bool) -> Iterator[dict[str, Any]]:
    """Every held provision, the most urgent first."""
    after = None
    while True:
        page = staff_calls.ask(party, "/held-provisions/page", [{"after": after, "escalated": escalated}])[0]
        yield from page["held"]
        after = page["next"]
        if after is None:
            return


def _list(party: Party, *, escalated: bool, as_json: bool) -> int:
    rows = [{name: row.get(name) for name in _COLUMNS} for row in _pages(party, escalated=escalated)]
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    if not rows:
        return end("保留中の提供はありません / nothing is held", OK)
    lines = [f"保留中の情報提供 (held provisions): {party.name}、{len(rows)} 件"]
    for row in rows:
        lines += ["", *(f"  {heading}: {row[name] or ''}" for name, heading in _COLUMNS.items())]
    first = rows[0]
    lines += [
        "",
        f"内容を見る (what would leave):  sekisho held show {first['permit_id']} --agency {party.name}",
        f"許す (release):                 sekisho held release {first['permit_id']} --agency {party.name} --hash <held show の content_hash>",
        f"拒む (refuse):                  sekisho held refuse {first['permit_id']} --agency {party.name} --reason refused_by_staff",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return OK


def _show(party: Party, permit_id: str, withheld: list[dict[str, Any]]) -> int:
    try:
        rows = staff_calls.ask(party, "/held-provisions", [{"permit_id": permit_id, "withheld": withheld}])
    except RefusedError as refused:
        if refused.reason == "not_held":
            return end("この許可証の保留はありません / nothing is held under this permit", FAILED)
        raise
    sys.stdout.write(json.dumps(rows[0], ensure_ascii=False, indent=1) + "\n")
    return OK


def _decide(party: Party, decision: dict[str, Any]) -> int:
    answer = staff_calls.ask(party, "/held-provisions/decide", [decision])[0]
    if answer.get("released" if decision["approve"] else "refused") is True:
        return end("決定を記録しました / decided and recorded", OK)
    if answer.get("approved") is True:
        return end(
            "1 人目の承認を記録しました。別の職員の承認で提供されます / first approval recorded; another one must approve it too",
            OK,
        )
    return end(f"決定は無効です / void: {json.dumps(answer, ensure_ascii=False)}", REFUSED)
