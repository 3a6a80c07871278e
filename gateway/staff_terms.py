"""`sekisho staff` on ends of accounts and cards: what ends soon, extensions by two people, and how somebody compromised goes at once (IS-9, SC-11)."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from gateway import staff_calls
from gateway.client_calls import role_hosting
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, end
from gateway.intermediate_server.staff.extending import EXTENSION_PREFIX
from gateway.intermediate_server.staff.people import MemberState
from gateway.setting_up import first_staff
from gateway.staff_calls import Party
from gateway.topology import Program
from transport.clock import Clock

ACTIONS: Final = {
    "endings": "期限が近い職員・職員証・権限と、権限を与えられる職員 (what ends soon, and who can grant)",
    "extensions": "期限の延長の一覧 (extensions)",
    "extend": "期限の延長を提案する。別の職員が承認するまで効かない (propose a new end of an account and of cards)",
    "approve-extension": "延長を承認する。提案者・本人以外 (approve an extension, as a second person)",
    "reject-extension": "延長を却下する (reject an extension)",
    "found-anew": "承認できる職員が足りなくなった機関を、新しい二人の署名で設立し直す (found an agency anew, signed by two new people)",
}
_EXTENSION: Final = {
    "extension_id": "延長 (extension)",
    "staff_id": "職員 (member)",
    "cards": "職員証 (cards)",
    "account_until": "いまの期限 (account until)",
    "valid_until": "新しい期限 (new end)",
    "state": "状態 (state)",
    "stale": "アカウントが変わり承認できない (account changed since)",
    "proposed_by": "提案 (proposed by)",
    "decided_by": "決裁 (decided by)",
    "content_hash": "内容のハッシュ (content hash)",
}
_WHAT: Final = {"account": "アカウント (account)", "card": "職員証 (card)", "grant": "権限 (grant)"}


def add_arguments(
    added: Mapping[str, argparse.ArgumentParser], day: Callable[[str], datetime], staff_id: Callable[[str], str]
) -> None:
    """Of the actions above."""
    told = "この日の前日まで (until the day before)"
    added["extend"].add_argument("--until", type=day, required=True, metavar="YYYY-MM-DD", help=told)
    cards = "この職員証も同じ期限にする。番号は staff list --json (this card too; once for each)"
    added["extend"].add_argument("--with-card", action="append", default=[], metavar="CARD_ID", help=cards)
    edits = "待っている提案を直す (edit a proposal that waits)"
    added["extend"].add_argument("--edit", default="", metavar="EXTENSION_ID", help=edits)
    for name in ("approve-extension", "reject-extension"):
        added[name].add_argument("extension_id", metavar="EXTENSION_ID", help="延長の番号 (from staff extensions)")
        added[name].add_argument("--hash", required=True, help="見た内容のハッシュ (hash of what you saw)")
    added["found-anew"].add_argument(
        "founders", nargs=2, type=staff_id, metavar="STAFF_ID", help="新しい二人の職員 id (two new ids)"
    )
    added["found-anew"].add_argument("--office", required=True, metavar="ID", help="部署の id (office)")
    days = "今日から何日以内か (days from now)。既定 90"
    added["endings"].add_argument("--within", type=int, default=90, metavar="DAYS", help=days)


def table(rows: list[dict[str, Any]], columns: dict[str, str], unvouched: str = "", *, as_json: bool) -> int:
    """`unvouched`: what is said of a row that the server did not write so."""
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    for row in rows:
        shown = "\n".join(f"  {heading}: {row[name]}" for name, heading in columns.items() if row.get(name))
        changed = MemberState.UNVOUCHED in (row["state"], *(card["state"] for card in row.get("cards", ())))
        sys.stdout.write(f"{shown}\n" + (f"  {unvouched}\n\n" if changed else "\n"))
    return OK


def urgent(args: argparse.Namespace, asked: Party, item: dict[str, Any], what: str) -> dict[str, Any]:
    """The item with both factors anew when it is an emergency. Raises as `staff_calls.ask`, and CardFileError."""
    if not args.emergency:
        return item
    return {**item, "emergency": staff_calls.prove(asked, staff_calls.known(asked), f"emergency/{what}")}


def _told(extension: dict[str, Any]) -> int:
    sys.stdout.write(f"{extension['extension_id']} {extension['state']} {extension['content_hash']}\n")
    return OK


def _extend(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    drawn = args.edit or new_sortable_id(EXTENSION_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10))
    item = {"extension_id": drawn, "staff_id": args.who, "valid_until": args.until.isoformat(), "cards": args.with_card}
    return _told(staff_calls.ask(asked, "/staff/extensions/ask", [item])[0])


def _extensions(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    return table(staff_calls.ask(asked, "/staff/extensions", []), _EXTENSION, as_json=args.json)


def _decide(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    """Approve or reject: with both factors anew, for exactly what was seen."""
    approve = args.action == "approve-extension"
    item = {"extension_id": args.extension_id, "content_hash": args.hash, "approve": approve}
    purpose = f"{'approve' if approve else 'reject'}_extension/{args.extension_id}/{args.hash}"
    return _told(staff_calls.ask_proved(asked, "/staff/extensions/check", item, purpose))


def _endings(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    found = staff_calls.ask(asked, "/staff/endings", [{"within_days": args.within}])[0]
    if args.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    lines = [
        f"{one['function']}: {len(one['people'])} 人 (最低 {one['needed']})、{one['enough_until'] or '今'} まで足りる (enough until)"
        for one in found["able"]
    ]
    lines += [
        f"  {one['valid_until']}  {_WHAT[one['what']]}  {one['staff_id']}  {one['function'] or one['id']}"
        for one in found["endings"]
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return OK


def _found_anew(args: argparse.Namespace, data: DataFolder, _asked: Party) -> int:
    """At the machine of the intermediate server, as set-up has made the first ones."""
    role = role_hosting(data, Program.INTERMEDIATE, args.agency)
    one, other = args.founders
    if role is None or one == other:
        return end(
            "この機械に中間サーバーのない機関か、同じ職員 id です / no intermediate server of it here, or one id twice",
            BAD_INPUT,
        )
    try:
        path = first_staff.found_anew(
            data, role.folder, args.agency, (one, other), args.office, role.clock(), profile="normal"
        )
    except FileExistsError:
        return end("その職員 id の職員証がもうあります / there is a card of that id already", BAD_INPUT)
    return end(
        f"設立の文書を置きました。{role.role} を止め、鍵束を開ける人が sekisho keys vouch --role {role.role} --agency {args.agency} --founding {path} で認めてから"
        "30 日以内に起動すると、足りないときだけ取り込まれます / the document lies there; stop the server, have whoever opens the ring vouch for the document so, "
        "and start it within 30 days: it takes it if too few are left",
        OK,
    )


COMMANDS: Final[dict[str, Callable[[argparse.Namespace, DataFolder, Party], int]]] = {
    "endings": _endings,
    "extensions": _extensions,
    "extend": _extend,
    "approve-extension": _decide,
    "reject-extension": _decide,
    "found-anew": _found_anew,
}
