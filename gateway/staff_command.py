"""`sekisho staff`: log in and out, members of staff, their rights, the analysis of the access log (IS-9, SC-10 to SC-12, SC-24).

What a person knows is asked for at the terminal. Somebody synthetic has it in a file beside their card; whoever `add` and `reset` make is so.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from gateway import staff_calls, staff_cards, staff_terms
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, end
from gateway.intermediate_server.staff.granting import GRANT_PREFIX
from gateway.intermediate_server.staff.people import STAFF_ID, Purpose
from gateway.intermediate_server.staff.rights import EVERYTHING, File, Function
from gateway.staff_calls import Party
from keys.signing import Signer
from transport.clock import JST, Clock

_ADMINISTRATOR: Final = "admin-1"
_MEMBER: Final = {
    "staff_id": "職員 (member)",
    "office": "部署 (office)",
    "state": "状態 (state)",
    "valid_until": "期限 (valid until)",
    "password_until": "パスワードの期限 (password until)",
    "locked_until": "停止中 (locked until)",
}
_GRANT: Final = {
    "grant_id": "権限 (grant)",
    "staff_id": "職員 (member)",
    "function": "機能 (function)",
    "office": "部署 (office)",
    "affair": "事務 (affair)",
    "information": "情報 (information)",
    "file": "ファイル (file)",
    "valid_until": "期限 (valid until)",
    "state": "状態 (state)",
    "requested_by": "申請 (requested by)",
    "approved_by": "承認 (approved by)",
    "revoked_by": "失効 (revoked by)",
    "content_hash": "内容のハッシュ (content hash)",
}


_UNVOUCHED: Final = (
    "この職員か職員証は、サーバーが書いたとおりではないので使えません。部署と期限を確かめて sekisho staff reset か leave。データベースを書き換えた者を調べてください / "
    "not as the server wrote it: see to office and end, then reset or leave; find out who has changed the database"
)
_UNVOUCHED_GRANT: Final = (
    "この権限は、サーバーが書いたとおりではないので効きません。sekisho staff revoke し、申請し直してください。データベースを書き換えた者を調べてください / "
    "not as the server wrote it: revoke it, and ask anew; find out who has changed the database"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    added = {name: actions.add_parser(name, help=text) for name, text in ACTIONS.items()}
    _add_whose(added)
    _add_what(added)
    added["login"].add_argument(
        "--reason",
        choices=[purpose.value for purpose in Purpose],
        default=Purpose.HELD_REVIEW.value,
        help="何のために (why)",
    )
    added["login"].add_argument("--reference", default="", metavar="NUMBER", help="案件の番号 (number of the case)")
    staff_terms.add_arguments(added, _day, _staff_id)
    for name in ("list", "grants", "extensions", "endings", "analyse"):
        added[name].add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    for action in added.values():
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        action.add_argument("--card", type=Path, metavar="FILE", help="職員証の鍵ファイル (card file)")
        staff_calls.add_data_argument(action)


def _add_whose(added: Mapping[str, argparse.ArgumentParser]) -> None:
    """Who acts, and on whom or which grant."""
    for name, action in added.items():
        if name in _OWN:
            staff_calls.add_staff_argument(action)
        else:
            told = f"操作する職員 id (who acts)。既定 {_ADMINISTRATOR}"
            action.add_argument("--staff", default=_ADMINISTRATOR, metavar="NAME", help=told)
    for name in ("add", "leave", "transfer", "unlock", "reset", "relate", "grant", "extend"):
        added[name].add_argument("who", type=_staff_id, metavar="STAFF_ID", help="相手の職員 id (whose)")
    for name in ("edit", "approve", "reject", "revoke", "check"):
        added[name].add_argument("grant_id", metavar="GRANT_ID", help="権限の番号 (grant id), from staff grants")
    for name in ("approve", "reject", "check"):
        added[name].add_argument("--hash", required=True, help="見た内容のハッシュ (hash of what you saw)")
    for name in ("leave", "revoke"):
        urgent = "承認できる人が足りなくなっても直ちに。両要素を改めて示す (an emergency: at once, with both factors)"
        added[name].add_argument("--emergency", action="store_true", help=urgent)
    told = "本人か世帯。番号は標準入力から読む (number on standard input)"
    added["relate"].add_argument("--relation", required=True, choices=("self", "household"), help=told)


def _add_what(added: Mapping[str, argparse.ArgumentParser]) -> None:
    """Offices, days and what a grant gives."""
    for name in ("add", "transfer", "grant", "edit"):
        added[name].add_argument("--office", required=True, metavar="ID", help="部署の id (office)")
    for name in ("add", "grant", "edit", "analyse"):
        told = "この日の前日まで (until the day before)"
        added[name].add_argument("--until", type=_day, required=True, metavar="YYYY-MM-DD", help=told)
    added["analyse"].add_argument("--since", type=_day, required=True, metavar="YYYY-MM-DD", help="この日から (from)")
    for name in ("grant", "edit"):
        functions = [one.value for one in Function]
        files = [EVERYTHING, *(one.value for one in File)]
        added[name].add_argument("--function", required=True, choices=functions, help="機能 (function)")
        added[name].add_argument("--affair", default=EVERYTHING, help="照合リストの項。既定 すべて (item of the list)")
        added[name].add_argument("--information", default=EVERYTHING, help="特定個人情報の名。既定 すべて (kind)")
        added[name].add_argument("--file", default=EVERYTHING, choices=files, help="ファイル (file)")


def _staff_id(text: str) -> str:
    if not STAFF_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(
            "職員 id は英小文字・数字・ハイフン / a staff id has small letters, digits and hyphens"
        )
    return text


_OWN: Final = ("login", "logout", "password")
ACTIONS: Final = {
    "login": "ログイン (log in)",
    "logout": "ログアウト (log out)",
    "password": "パスワードを変える (set a new password)",
    "list": "職員の一覧 (members)",
    "add": "職員を登録する (add a member)",
    "leave": "退職。すべて直ちに失効 (leave: everything ends at once)",
    "transfer": "異動。権限は直ちに失効 (move to another office: rights end at once)",
    "unlock": "ログインの停止を解く (unlock)",
    "reset": "パスワードと職員証を作り直す (new credentials; rights wait for a second person)",
    "relate": "本人・世帯の照会を分析で見つける (let the analysis notice own and household look-ups)",
    "grants": "権限の一覧 (grants)",
    "grant": "権限を申請する (ask for a grant)",
    "edit": "権限を変える。承認は無効になる (edit a grant: voids its approval)",
    "approve": "権限を承認する。申請者・本人以外 (approve, as a second person)",
    "reject": "権限を却下する (reject)",
    "revoke": "権限を失効させる。直ちに効く (revoke, at once)",
    "check": "失効を確かめる。失効させた人でも本人でもない人 (check a revocation that neither you made nor is of your right)",
    **staff_terms.ACTIONS,
    "analyse": "アクセスログの分析 (analysis of the access log)",
}


def _day(text: str) -> datetime:
    """Midnight in Japan at the beginning of a day, as an instant."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), JST).astimezone(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError("日付は YYYY-MM-DD / a date is YYYY-MM-DD") from None


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    asked = staff_calls.party(data, args.agency, args.staff)
    if asked.person is None:
        return end("職員のログインは機関のサーバーだけです / staff log in at an agency's server", BAD_INPUT)
    if args.card is not None:
        asked = replace(asked, person=replace(asked.person, card=args.card))
    command: Callable[[argparse.Namespace, DataFolder, Party], int] = _COMMANDS[args.action]
    return command(args, data, asked)


# --- one's own account


def _login(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    staff_calls.log_in(asked, staff_calls.known(asked), reason=args.reason, reference=args.reference)
    return end(f"ログインしました / logged in: {args.staff} ({args.agency})", OK)


def _logout(args: argparse.Namespace, data: DataFolder, asked: Party) -> int:
    path = data.staff_session(args.agency, args.staff)
    try:
        token = path.read_text().strip()
    except OSError:
        return end("ログインしていません / not logged in", FAILED)
    path.unlink()
    staff_calls.post(asked, "/staff/log-out", [], token)
    return end("ログアウトしました / logged out", OK)


def _password(args: argparse.Namespace, data: DataFolder, asked: Party) -> int:
    known = staff_calls.known(asked)
    if staff_cards.read_secrets(data.staff_secrets(args.agency, args.staff)) is not None:
        staff_calls.in_session(asked, lambda token: staff_calls.set_drawn_password(asked, known, token))
    else:
        fresh = getpass.getpass("新しいパスワード (new password): ")
        if getpass.getpass("もう一度 (again): ") != fresh:
            return end("二度の入力が違います / the two differ", BAD_INPUT)
        staff_calls.in_session(asked, lambda token: staff_calls.set_password(asked, known, fresh, token))
    return end("パスワードを変えました。ログインし直してください / password set; log in again", OK)


# --- members


def _list(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    return staff_terms.table(staff_calls.ask(asked, "/staff/members", []), _MEMBER, _UNVOUCHED, as_json=args.json)


def _change(asked: Party, item: dict[str, Any]) -> int:
    answer = staff_calls.ask(asked, "/staff/members/change", [item])[0]
    return end(f"記録しました / recorded: {answer['staff_id']} {answer['state']} {answer['office']}", OK)


def _with_new_card(args: argparse.Namespace, data: DataFolder, asked: Party, item: dict[str, Any]) -> int:
    """Make first credentials of somebody synthetic beside the others', and enrol them. Files that are no good any more are replaced last."""
    card_file, secrets_file = data.staff_card(args.agency, args.who), data.staff_secrets(args.agency, args.who)
    fresh = card_file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    known = staff_cards.drawn()
    card: Signer = staff_cards.make(fresh, args.agency, args.who, known.passphrase, profile="normal")
    key = base64.b64encode(card.public_key).decode()
    answer = staff_calls.ask(asked, "/staff/members/change", [{**item, "password": known.password, "card_key": key}])[0]
    fresh.replace(card_file)
    staff_cards.write_secrets(secrets_file, known)
    return end(
        f"登録しました。最初にパスワードを変えてください: sekisho staff password --agency {args.agency} --staff {answer['staff_id']} "
        f"/ enrolled; the first thing to do is a new password. {card_file}",
        OK,
    )


def _add(args: argparse.Namespace, data: DataFolder, asked: Party) -> int:
    item = {"operation": "add", "staff_id": args.who, "office": args.office, "valid_until": args.until.isoformat()}
    return _with_new_card(args, data, asked, item)


def _reset(args: argparse.Namespace, data: DataFolder, asked: Party) -> int:
    return _with_new_card(args, data, asked, {"operation": "reset", "staff_id": args.who})


def _leave(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    item = {"operation": "leave", "staff_id": args.who}
    return _change(asked, staff_terms.urgent(args, asked, item, args.who))


def _transfer(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    return _change(asked, {"operation": "transfer", "staff_id": args.who, "office": args.office})


def _unlock(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    return _change(asked, {"operation": "unlock", "staff_id": args.who})


def _relate(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    number = sys.stdin.readline().strip()
    item = {"operation": "relate", "staff_id": args.who, "relation": args.relation, "integrated_number": number}
    return _change(asked, item)


# --- grants


def _grants(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    return staff_terms.table(staff_calls.ask(asked, "/staff/grants", []), _GRANT, _UNVOUCHED_GRANT, as_json=args.json)


def _told(grant: dict[str, Any]) -> int:
    sys.stdout.write(f"{grant['grant_id']} {grant['state']} {grant['content_hash']}\n")
    return OK


def _scope(args: argparse.Namespace) -> dict[str, Any]:
    named = {name: getattr(args, name) for name in ("function", "office", "affair", "information", "file")}
    return {**named, "valid_until": args.until.isoformat()}


def _grant(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    grant_id = new_sortable_id(GRANT_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10))
    item = {"event": "request", "grant_id": grant_id, "staff_id": args.who, "scope": _scope(args)}
    return _told(staff_calls.ask(asked, "/staff/grants/ask", [item])[0])


def _edit(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    item = {"event": "edit", "grant_id": args.grant_id, "scope": _scope(args)}
    return _told(staff_calls.ask(asked, "/staff/grants/ask", [item])[0])


def _revoke(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    item = staff_terms.urgent(args, asked, {"event": "revoke", "grant_id": args.grant_id}, args.grant_id)
    return _told(staff_calls.ask(asked, "/staff/grants/ask", [item])[0])


def _decide(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    """Approve, reject or check: with both factors anew, for exactly what was seen."""
    item = {"event": args.action, "grant_id": args.grant_id, "content_hash": args.hash}
    purpose = f"{args.action}/{args.grant_id}/{args.hash}"
    return _told(staff_calls.ask_proved(asked, "/staff/grants/check", item, purpose))


# --- analysis


def _analyse(args: argparse.Namespace, _data: DataFolder, asked: Party) -> int:
    item = {"since": args.since.isoformat(), "until": args.until.isoformat()}
    report = staff_calls.ask(asked, "/staff/analysis", [item])[0]
    if args.json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
        return OK
    lines = [
        f"アクセスログの分析 (analysis of the access log): {report['agency']}",
        f"  作成 (made at): {report['made_at']}　期間 (period): {report['since']} – {report['until']}",
        f"  記録 (entries): {report['entries']:,}　指摘 (findings): {len(report['findings'])}",
    ]
    if report["read_since"] is not None:
        lines.append(
            f"  記録が多すぎるため、{report['read_since']} より前は見ていません (too many entries: nothing before that was read)"
        )
    for one in report["findings"]:
        usual = "" if one["usual"] is None else f"、通常 {one['usual']:.1f}"
        about = " ".join(text for text in (one["affair"], one["person"], *one["handles"][:3]) if text)
        lines.append(
            f"  {one['day']}  {_RULES[one['rule']]}  {one['staff_id']}  {one['count']} 件{usual}  {about}".rstrip()
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return OK


_RULES: Final = {
    "outside_hours": "時間外の利用 (outside hours)",
    "more_than_before": "本人の平常より多い (more than before)",
    "more_than_peers": "同僚より多い (more than peers)",
    "repeated_person": "同じ人の繰り返し (same person again)",
    "own_record": "本人の記録 (own record)",
    "household": "世帯の記録 (own household)",
    "colleague": "同僚の記録 (colleague)",
    "refused_entrances": "ログインの失敗 (refused log-ins)",
}
_COMMANDS: Final[dict[str, Callable[[argparse.Namespace, DataFolder, Party], int]]] = {
    "login": _login,
    "logout": _logout,
    "password": _password,
    "list": _list,
    "add": _add,
    "leave": _leave,
    "transfer": _transfer,
    "unlock": _unlock,
    "reset": _reset,
    "relate": _relate,
    "grants": _grants,
    "grant": _grant,
    "edit": _edit,
    "approve": _decide,
    "reject": _decide,
    "revoke": _revoke,
    "check": _decide,
    **staff_terms.COMMANDS,
    "analyse": _analyse,
}
