"""`sekisho bars`: what staff have barred from being answered automatically, and whose data is frozen (SC-4, IS-6; IF_SYM_90091 to 90062).

A person's integrated number is read from standard input, never from the command line. `list` shows nobody's number; `show` does, and is on record.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import EPILOG, OK, end
from gateway.intermediate_server.bars.states import BAR_PREFIX, EVERYTHING, Cause, Effect, Place
from gateway.staff_calls import Party
from transport.clock import Clock

ACTIONS: Final = {
    "list": "一覧 (list)",
    "show": "一つを見る。記録に残る (one of them; the look is on record)",
    "person": "一人の制限を見る。番号は標準入力から (one person's, by the number on standard input)",
    "set": "付ける。すぐに効く。利用停止は二人目の check から (set: works at once, a suspension when checked)",
    "check": "付けた制限を確かめる。付けた人以外 (check a new one, as a second person)",
    "lift": "外す。二人が要る情報では一人目は申請になる (lift; where two are wanted the first one asks for it)",
    "keep": "外さない (do not lift)",
}
_COLUMNS: Final = {
    "bar_id": "制限 (bar)",
    "place": "どこに (place)",
    "effect": "効き目 (effect)",
    "cause": "理由 (cause)",
    "integrated_number": "団体内統合宛名番号 (integrated number)",
    "inquirer": "照会者 (inquirer)",
    "information": "情報 (information)",
    "data_item": "項目 (item)",
    "state": "状態 (state)",
    "set_by": "付けた人 (set by)",
    "set_at": "付けた時 (set at)",
    "asked_by": "外す申請 (lift asked by)",
    "changed_by": "変えた人 (changed by)",
    "changed_at": "変えた時 (changed at)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    added = {name: actions.add_parser(name, help=told) for name, told in ACTIONS.items()}
    added["list"].add_argument("--lifted", action="store_true", help="外されたものも (lifted ones too)")
    making = added["set"]
    making.add_argument(
        "--place",
        required=True,
        choices=list(Place),
        help="人・照会者・項目・機関 (person, inquirer, item, agency)。人の番号は標準入力から",
    )
    making.add_argument(
        "--cause", required=True, choices=list(Cause), help="理由。照会者には伝わらない (never said to an inquirer)"
    )
    making.add_argument(
        "--effect",
        default=Effect.HOLD.value,
        choices=list(Effect),
        help="hold: 職員の確認まで保留、freeze: 解除まで凍結して保留、refuse: 凍結して拒む、non_disclosure: 回答の記録を不開示にする (but hold: of a person)、"
        "suspend: 照会も提供も止める利用停止。人か機関に付け、二人目の check で効く (of a person or the agency, by two)",
    )
    making.add_argument("--inquirer", metavar="ID", help="照会者の機関 id (agency id of the inquirer)")
    making.add_argument("--information", default=EVERYTHING, help="特定個人情報の名。既定 すべて (kind)")
    making.add_argument("--item", default=EVERYTHING, help="レイアウトの項目。既定 すべて (item of the layout)")
    for name in ("show", "check", "lift", "keep"):
        added[name].add_argument("bar_id", metavar="BAR_ID", help="制限の番号 (bar id), from bars list")
    for name in ("list", "show", "person"):
        added[name].add_argument("--json", action="store_true", help="JSON で出力")
    for action in added.values():
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
            return _table(list(_pages(party, lifted=args.lifted)), as_json=args.json)
        case "show":
            return _table(_looked(party, {"bar_id": args.bar_id}), as_json=args.json)
        case "person":
            return _table(_looked(party, {"integrated_number": sys.stdin.readline().strip()}), as_json=args.json)
        case "set":
            return _told(staff_calls.ask(party, "/bars/set", [_new(args)])[0])
        case _:
            item = {"bar_id": args.bar_id, "event": args.action}
            return _told(staff_calls.ask(party, "/bars/change", [item])[0])


def _new(args: argparse.Namespace) -> dict[str, Any]:
    bar_id = new_sortable_id(BAR_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10))
    number = sys.stdin.readline().strip() if args.place == Place.PERSON else None
    return {
        "bar_id": bar_id,
        "place": args.place,
        "cause": args.cause,
        "effect": args.effect,
        "integrated_number": number,
        "inquirer": args.inquirer,
        "information": args.information,
        "data_item": args.item,
    }


def _told(bar: dict[str, Any]) -> int:
    return end(f"記録しました / recorded: {bar['bar_id']} {bar['place']} {bar['effect']} {bar['state']}", OK)


def _looked(party: Party, item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = staff_calls.ask(party, "/bars", [item])[0]["bars"]
    return found


def _pages(party: Party, *, lifted: bool) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        page = staff_calls.ask(party, "/bars", [{"after": after, "lifted": lifted}])[0]
        yield from page["bars"]
        after = page["next"]


def _table(rows: list[dict[str, Any]], *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    if not rows:
        return end("制限はありません / nothing is barred", OK)
    for row in rows:
        shown = "\n".join(f"  {heading}: {row[name]}" for name, heading in _COLUMNS.items() if row.get(name))
        sys.stdout.write(f"{shown}\n\n")
    return OK
