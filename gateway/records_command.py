"""`sekisho records`: exchange records of one agency as a member of its staff: search, export, proof, correction, extract, erasure (IS-5, SC-16, SC-27).

A person's number is read from standard input and never from an argument: arguments are seen by whoever lists processes.
"""

from __future__ import annotations

import argparse
import csv
import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import IO, Any, Final

from codebook.identifiers import new_sortable_id
from evidence.entry import EXCHANGE_KINDS, EntryKind
from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, end
from gateway.intermediate_server.correction.correcting import CORRECTION_PREFIX, Field, Reason
from gateway.intermediate_server.outcomes import RECORDED
from gateway.intermediate_server.records.searching import LARGEST_PAGE
from gateway.intermediate_server.retention.certificates import PAGE, together
from gateway.staff_calls import Party
from gateway.target_file import target_file
from transport.clock import JST, Clock

_BESIDE: Final = (EntryKind.RESULT_READ, EntryKind.INQUIRY_MARKED, EntryKind.RECORD_CORRECTED)
_KINDS: Final = sorted(kind.value for kind in (*EXCHANGE_KINDS, *_BESIDE))
_OUTCOMES: Final = sorted(RECORDED)
_COLUMNS: Final = (
    "id", "at", "kind", "outcome", "inquiry_number", "inquirer", "inquirer_for", "provider", "provider_for", "basis", "item", "information",
    "items", "disposition", "reason",
    "actor", "purpose_text", "erased", "corrections", "differs",
)  # fmt: skip
_ACTIONS: Final = {
    "search": "検索 (search; newest first)",
    "show": "1 件を見る。--proof で証明のファイル (one record, and its proof)",
    "export": "検索結果を CSV か NDJSON に書き出す (search results as a file)",
    "correct": "訂正を申請する (ask for a correction)",
    "approve": "訂正を承認する。申請者以外 (approve a correction, as a second person)",
    "reject": "訂正を却下する (reject a correction)",
    "extract": "本人に示す記録を証明とともに書き出す (what the person would see, with proofs)",
    "erasures": "消去の証明書の一覧 (certificates of erasure)",
    "confirm": "消去を確認する (confirm erasures)",
}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    added = {name: actions.add_parser(name, help=text) for name, text in _ACTIONS.items()}
    for name in ("search", "export"):
        _add_conditions(added[name])
    _add_period(added["extract"])
    for name in ("search", "show", "erasures"):
        added[name].add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    added["search"].add_argument("--limit", type=int, default=50, help="件数 (how many). 既定 50")
    for name in ("show", "correct"):
        added[name].add_argument("entry_id", metavar="ENTRY_ID", help="記録の番号 (id of the record)")
    added["show"].add_argument("--proof", type=target_file, metavar="FILE", help="証明のファイル (write its proof)")
    for name in ("export", "extract"):
        added[name].add_argument("out", type=target_file, metavar="OUT", help="書き出し先 (file)")
    added["export"].add_argument("--format", choices=("csv", "ndjson"), default="csv", help="形式。既定 csv (format)")
    added["correct"].add_argument("--field", required=True, choices=[one.value for one in Field], help="項目 (field)")
    told = "正しい値。本人 (subject) なら標準入力から番号 (the right value; a number on standard input)"
    added["correct"].add_argument("--value", default="", help=told)
    added["correct"].add_argument("--reason", required=True, choices=[one.value for one in Reason], help="理由 (why)")
    for name in ("approve", "reject"):
        added[name].add_argument("correction_id", metavar="CORRECTION_ID", help="訂正の番号 (from records show)")
        added[name].add_argument("--hash", required=True, help="見た内容のハッシュ (hash of what you saw)")
    added["erasures"].add_argument("--state", choices=("certified", "confirmed"), help="状態 (state)")
    told = "証明書の内容のハッシュ (content hashes, from records erasures)"
    added["confirm"].add_argument("hashes", nargs="+", metavar="HASH", help=told)
    for action in added.values():
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        staff_calls.add_staff_argument(action)
        staff_calls.add_data_argument(action)


def _add_conditions(action: argparse.ArgumentParser) -> None:
    told = "統合宛名番号を標準入力から読む (integrated number on standard input)"
    action.add_argument("--person", action="store_true", help=told)
    _add_period(action)
    action.add_argument(
        "--partner", metavar="ID", help="相手の機関、または委任元 (the other agency, or one in whose stead)"
    )
    action.add_argument("--affair", metavar="ITEM", help="照合リストの項 (item of the list)")
    action.add_argument("--information", metavar="NAME", help="特定個人情報の名 (kind of information)")
    action.add_argument("--by", metavar="ACTOR", help="記録にある職員 (who acted, as recorded)")
    action.add_argument("--kind", choices=_KINDS, metavar="KIND", help=f"記録の種類 (kind): {', '.join(_KINDS)}")
    action.add_argument(
        "--outcome", choices=_OUTCOMES, metavar="OUTCOME", help=f"結果 (outcome): {', '.join(_OUTCOMES)}"
    )


def _add_period(action: argparse.ArgumentParser) -> None:
    action.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="この日から (from)")
    action.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="この日の前日まで (until the day before)")


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), JST).astimezone(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError("日付は YYYY-MM-DD / a date is YYYY-MM-DD") from None


def run(args: argparse.Namespace) -> int:
    commands: Mapping[str, Callable[[argparse.Namespace, Party], int]] = {
        "search": _search,
        "show": _show,
        "export": _export,
        "correct": _correct,
        "approve": _decide,
        "reject": _decide,
        "extract": _extract,
        "erasures": _erasures,
        "confirm": _confirm,
    }
    return staff_calls.guarded(
        lambda: commands[args.action](args, staff_calls.party(DataFolder(args.data), args.agency, args.staff))
    )


# --- search and export


def _conditions(args: argparse.Namespace) -> dict[str, Any]:
    said = {
        "person": sys.stdin.readline().strip() if args.person else None,
        "since": args.since and args.since.isoformat(),
        "until": args.until and args.until.isoformat(),
        "agency": args.partner,
        "affair": args.affair,
        "information": args.information,
        "staff": args.by,
        "kind": args.kind,
        "outcome": args.outcome,
    }
    return {name: value for name, value in said.items() if value is not None}


def _found(party: Party, conditions: Mapping[str, Any], most: int | None) -> Iterator[dict[str, Any]]:
    """Records page by page; each page is a search of its own, on record."""
    after, left = None, most
    while left is None or left > 0:
        limit = LARGEST_PAGE if left is None else min(left, LARGEST_PAGE)
        page = staff_calls.ask(party, "/records/search", [{**conditions, "limit": limit, "after": after}])[0]
        yield from page["records"]
        left = None if left is None else left - len(page["records"])
        after = page["next"]
        if after is None:
            return


def _search(args: argparse.Namespace, party: Party) -> int:
    if args.limit < 1:
        return end("件数は 1 以上 / at least one", BAD_INPUT)
    found = list(_found(party, _conditions(args), args.limit))
    if args.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    for record in found:
        line = (
            record.get(name) for name in ("at", "id", "kind", "outcome", "inquirer", "provider", "item", "information")
        )
        corrected = "  訂正あり (corrected)" if record["corrections"] else ""
        differs = (
            f"  記録と食い違う (differs from its entry): {', '.join(record['differs'])}" if record["differs"] else ""
        )
        sys.stdout.write("  ".join(str(value) for value in line if value is not None) + f"{corrected}{differs}\n")
    return end(f"{len(found)} 件 / records", OK)


def _show(args: argparse.Namespace, party: Party) -> int:
    item = {"entry_id": args.entry_id, "proof": args.proof is not None}
    answer = staff_calls.ask(party, "/records/show", [item])[0]
    sys.stdout.write(json.dumps(answer["record"], ensure_ascii=False, indent=1) + "\n")
    if answer["record"].get("erased"):
        return end(
            "7 年の保存期間が過ぎ、中身は消去されています / erased after seven years; its hash is in the log", FAILED
        )
    if args.proof is None:
        return OK
    return _written(args.proof, answer["proof"])


def _written(path: Path, text: str) -> int:
    path.write_text(text, encoding="utf-8")
    return end(f"書き出しました。確かめる (check it): sekisho verify --extract {path}", OK)


def _export(args: argparse.Namespace, party: Party) -> int:
    part = args.out.with_name(f".{args.out.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        count = _WRITERS[args.format](file, _found(party, _conditions(args), None))
    part.replace(args.out)
    return end(f"書き出しました / exported: {args.out} ({count:,} 件)", OK)


def _write_csv(file: IO[str], found: Iterator[dict[str, Any]]) -> int:
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    count = 0
    for count, record in enumerate(found, 1):  # noqa: B007 (the count is what is wanted)
        writer.writerow([_cell(record.get(name)) for name in _COLUMNS])
    return count


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    text = " ".join(one["correction_id"] if isinstance(one, dict) else str(one) for one in values)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write_ndjson(file: IO[str], found: Iterator[dict[str, Any]]) -> int:
    count = 0
    for count, record in enumerate(found, 1):  # noqa: B007 (the count is what is wanted)
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count


_WRITERS: Final[Mapping[str, Callable[[IO[str], Iterator[dict[str, Any]]], int]]] = {
    "csv": _write_csv,
    "ndjson": _write_ndjson,
}


# --- correction


def _correct(args: argparse.Namespace, party: Party) -> int:
    value = sys.stdin.readline().strip() if args.field == Field.SUBJECT else args.value
    item = {
        "correction_id": new_sortable_id(CORRECTION_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10)),
        "entry_id": args.entry_id,
        "field": args.field,
        "value": value,
        "reason": args.reason,
    }
    return _correction(staff_calls.ask(party, "/records/corrections", [item])[0])


def _decide(args: argparse.Namespace, party: Party) -> int:
    approve = args.action == "approve"
    purpose = f"{'correct' if approve else 'reject'}/{args.correction_id}/{args.hash}"
    item = {"correction_id": args.correction_id, "content_hash": args.hash, "approve": approve}
    return _correction(staff_calls.ask_proved(party, "/records/corrections/decide", item, purpose))


def _correction(answer: Mapping[str, Any]) -> int:
    return end(f"{answer['correction_id']} {answer['state']} {answer['content_hash']}", OK)


# --- extract and erasure


def _extract(args: argparse.Namespace, party: Party) -> int:
    person = sys.stdin.readline().strip()
    period = {name: at.isoformat() for name in ("since", "until") if (at := getattr(args, name)) is not None}
    item = {"person": person, **period}
    answer = staff_calls.ask(party, "/records/extract", [item])[0]
    sys.stdout.write(f"{answer['records']} 件 / records\n")
    return _written(args.out, answer["file"])


def _erasures(args: argparse.Namespace, party: Party) -> int:
    rows: list[dict[str, Any]] = []
    while True:
        after = rows[-1]["key_purpose"] if rows else None
        page = staff_calls.ask(party, "/erasures", [{"state": args.state, "after": after}])
        rows += page
        if len(page) < PAGE:
            break
    if args.json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return OK
    for row in rows:
        gone = "鍵は破棄済み (key destroyed)" if row["key_gone"] else "鍵がある (THE KEY IS THERE)"
        sys.stdout.write(
            f"{row['certified_at']}  {row['key_purpose']}  {row['rule']}  消去 {row['erased']:,} (erased)、本人の部分 {row['sealed']:,} (personal parts)、"
            f"行 {row['rows_deleted']:,} (rows)  {gone}  {row['state']}\n    {row['content_hash']}\n"
        )
    return end(f"{len(rows)} 件 / certificates", OK)


def _confirm(args: argparse.Namespace, party: Party) -> int:
    item = {"content_hashes": args.hashes}
    answer = staff_calls.ask_proved(party, "/erasures/confirm", item, f"confirm_erasure/{together(args.hashes)}")
    return end(f"確認を記録しました / confirmed and recorded: {answer['confirmed']}", OK)
