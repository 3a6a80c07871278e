"""`sekisho copies`: the copies held of one person, as a member of staff with the right to see them (IS-6; IF_DBM_90024). Each look is on record.

The person's integrated number is read from standard input, never from the command line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, end
from gateway.intermediate_server.staff.entering import REFERENCE
from gateway.intermediate_server.staff.people import Purpose
from gateway.staff_calls import Party

_STANDING: Final = {
    "suspended": "利用停止中 (suspended)",
    "frozen": "凍結中 (frozen)",
    "barred": "人の制限あり (the person is barred)",
    "non_disclosure": "本人に開示しない (non-disclosure)",
}
_COLUMNS: Final = {
    "record_id": "記録の番号 (record)",
    "data_set": "データセット (data set)",
    "version": "版 (version of the layout)",
    "revision": "登録 (revision)",
    "public_from": "公開 (public from)",
    "public_to": "公開の終わり (public to)",
    "delegator": "委任元 (held for)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"団体内統合宛名番号は標準入力から (the integrated number comes from standard input)。{EPILOG}"
    parser.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
    parser.add_argument("--information", required=True, metavar="NAME", help="特定個人情報名 (kind of information)")
    parser.add_argument(
        "--affair", required=True, metavar="ITEM", help="何の事務のために見るか。照合リストの項 (item of the list)"
    )
    parser.add_argument(
        "--reason",
        choices=[purpose.value for purpose in Purpose],
        default="",
        help="何のために (why)。既定はログインのときの目的 (as said at log-in)",
    )
    parser.add_argument("--reference", default="", metavar="NUMBER", help="案件の番号 (number of the case)")
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    if args.reference and not REFERENCE.fullmatch(args.reference):
        return end(
            "案件の番号は英数字と / - で 40 字まで / --reference is up to 40 letters, digits, / and -", BAD_INPUT
        )
    party = staff_calls.party(DataFolder(args.data), args.agency, args.staff)
    item = {
        "integrated_number": sys.stdin.readline().strip(),
        "information": args.information,
        "affair": args.affair,
    }
    pages = list(_pages(party, item, staff_calls.stated(args.reason, args.reference)))
    copies, standing = [one for page in pages for one in page["replicas"]], pages[0]["standing"]
    if args.json:
        sys.stdout.write(json.dumps({"standing": standing, "replicas": copies}, ensure_ascii=False, indent=1) + "\n")
        return OK
    return _told(copies, standing)


def _pages(party: Party, item: Mapping[str, Any], said: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        page = staff_calls.ask(party, "/replicas/view", [{**item, "after": after}], said)[0]
        yield page
        after = page["next"]


def _told(copies: list[dict[str, Any]], standing: Mapping[str, Any]) -> int:
    for name, text in _STANDING.items():
        if standing[name]:
            sys.stdout.write(f"{text}\n")
    if standing["barred_items"]:
        sys.stdout.write(f"制限された項目 (barred items): {', '.join(standing['barred_items'])}\n")
    if not copies:
        return end("この人のこの情報の副本はありません / no copy of this kind is held of this person", OK)
    for one in copies:
        public = "公開中 (public)" if one["public"] else "公開していない (not public today)"
        held = "、職員の確認まで保留 (held for staff)" if one.get("auto_response") == "barred" else ""
        lines = [f"{heading}: {one[name]}" for name, heading in _COLUMNS.items() if one[name] is not None]
        lines += [f"状態 (state): {public}{held}"]
        lines += ["副本を開けません (the copy does not open)"] if one.get("unreadable") else _items(one["items"])
        sys.stdout.write("\n".join(f"  {line}" for line in lines) + "\n\n")
    return OK


def _items(items: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"  {name}: {said['value']}" if "value" in said else f"  {name}: （値なし: {said['null_reason']}）"
        for name, said in sorted(items.items())
    ]
