"""`sekisho decide`: does the permission list permit this inquiry on this day, and why? Asks no server.

Exit codes: 0 permitted, 3 refused, 2 the question itself is wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.list_sources import SourceWrongError, open_library
from permission_lists.decide import Level, Party, Permitted, Question, Refused, decide
from permission_lists.explain import COLUMNS, MARKS, Checked, Explained, Verdict, explain
from permission_lists.model import PermissionList, PermissionRow
from permission_lists.parties import resolve
from storage.reference_data import read_party_rules, read_permission_list

_MOST_ROWS: Final = 10

_ITEM = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})*")

_UNKNOWN_PARTY = (
    "{option} の名称から機関の区分を決められません。法令上の名称で指定してください"
    "（例: 全国健康保険協会、世田谷区長、横浜市長、東京都知事、東京都後期高齢者医療広域連合）。"
    "政令指定都市の行政区の区長は情報連携の当事者ではないので、市長を指定してください。"
    " / The kind of this agency cannot be told from its name: give its name as the law does."
)


class QuestionWrongError(ValueError):
    """The arguments do not make a question; the text says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `sekisho decide`."""
    parser.add_argument("--on", required=True, metavar="YYYY-MM-DD", help="照会日 (legal date in Japan)")
    parser.add_argument("--inquirer", required=True, metavar="名称", help="情報照会者 (inquirer), by name")
    parser.add_argument("--provider", required=True, metavar="名称", help="情報提供者 (provider), by name")
    parser.add_argument("--item", required=True, metavar="項", help="項の番号 (item), e.g. 2 or 16-2")
    parser.add_argument("--information", required=True, metavar="情報", help="特定個人情報の名称 (information class)")
    parser.add_argument("--basis", metavar="根拠", help="beppyo2-2022, meirei-2024; default: in force on that day")
    parser.add_argument(
        "--level",
        choices=[level.value for level in Level],
        default=Level.TABLE.value,
        help="table: 表の行で (by the table's row); detail: 主務省令の細目まで (by the ministerial detail)",
    )
    parser.add_argument("--affair", metavar="事務", help="--level detail: 事務の番号 (affair), e.g. 26-1 or 1")
    parser.add_argument(
        "--inquirer-kind", action="append", default=[], metavar="区分",
        help="名称からは分からない照会者の区分 (a kind that the name does not tell), e.g. 福祉事務所を管理する町村長",
    )  # fmt: skip
    parser.add_argument(
        "--provider-kind", action="append", default=[], metavar="区分", help="提供者について同じ (of the provider)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="データフォルダーで発行された版で答える (by the version published there and in force on that day)",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="どの列が合い、どの列が合わないか、許される行はどれか (which column failed, which row would allow it)",
    )
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")


def run(args: argparse.Namespace) -> int:
    """Answer the question of `args` on standard output; bad input on standard error."""
    try:
        question = _question(args)
        _check_data(args.data)
        permission_list = read_permission_list() if args.data is None else open_library(args.data).on(question.on)
        _check_basis(permission_list, question)
    except (QuestionWrongError, SourceWrongError) as wrong:
        sys.stderr.write(f"入力の誤り / bad input: {wrong}\n")
        return BAD_INPUT
    answer = decide(permission_list, question)
    explained = explain(permission_list, question) if args.explain else None
    if args.json:
        document = _document(question, answer, permission_list.digest)
        text = json.dumps(document | _explained_document(explained), ensure_ascii=False, indent=2)
    else:
        text = "\n".join([_text(question, answer), *_explained_lines(explained)])
    sys.stdout.write(f"{text}\n")
    return OK if isinstance(answer, Permitted) else REFUSED


def _question(args: argparse.Namespace) -> Question:
    affair = getattr(args, "affair", None)
    level = Level(args.level or Level.TABLE)
    if affair is not None and level is not Level.DETAIL:
        raise QuestionWrongError(
            "--affair は --level detail とともに指定してください / --affair goes with --level detail"
        )
    _check_item(args.item)
    return Question(
        on=_day(args.on),
        inquirer=_party(args.inquirer, "--inquirer", args.inquirer_kind),
        provider=_party(args.provider, "--provider", args.provider_kind),
        basis=args.basis,
        item=args.item,
        information=args.information,
        level=level,
        affair=None if affair is None else affair.removeprefix(f"{args.item}-"),
    )


def _check_item(item: str) -> None:
    """Raises QuestionWrongError for an item that no list could have, such as one in full-width digits."""
    if _ITEM.fullmatch(item) is None:
        raise QuestionWrongError(
            "--item は半角の数字で、16-2 のように指定してください / --item is a number in ASCII digits, such as 2 or 16-2"
        )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise QuestionWrongError("--on は 2022-10-01 のように年月日で指定してください / --on is a date, YYYY-MM-DD")
    return day


def _party(name: str, option: str, kinds: list[str]) -> Party:
    rules = read_party_rules()
    party = resolve(rules, name)
    if party is None:
        raise QuestionWrongError(_UNKNOWN_PARTY.replace("{option}", option))
    unknown = [kind for kind in kinds if kind not in rules.registered]
    if unknown:
        raise QuestionWrongError(
            f"{option}-kind は次のどれかを指定してください / {option}-kind is one of: {', '.join(sorted(rules.registered))}"
        )
    return replace(party, kinds=party.kinds | frozenset(kinds))


def _check_data(data: Path | None) -> None:
    """Raises QuestionWrongError for a folder that is none of ours: the shipped list is no answer to a question about a folder."""
    if data is None:
        return
    folder = DataFolder(data)
    if not (folder.register.is_file() or folder.lists.is_file()):
        raise QuestionWrongError(
            f"--data {data} はデータフォルダーではありません。sekisho up が作ったフォルダーを指定してください"
            " / this is no data folder; name one that sekisho up has made"
        )


def _check_basis(permission_list: PermissionList, question: Question) -> None:
    if question.basis is not None and question.basis not in permission_list.bases:
        raise QuestionWrongError(
            f"--basis は次のどれかを指定してください / --basis is one of: {', '.join(permission_list.bases)}"
        )


def _document(question: Question, answer: Permitted | Refused, digest: str) -> dict[str, Any]:
    """The answer for programs; keys are stable."""
    document: dict[str, Any] = {
        "permitted": isinstance(answer, Permitted),
        "on": question.on.isoformat(),
        "level": question.level.value,
        "list_digest": digest,
        "row": None if answer.row is None else _row_document(answer.row),
    }
    if isinstance(answer, Refused):
        return document | {
            "reason": answer.reason.value,
            "explanation": answer.explanation,
            "notes": list(answer.notes),
        }
    return document | {
        "legal_basis": answer.legal_basis,
        "provider_term": answer.grant.provider.text,
        "notes": list(answer.notes),
        "details": [{"number": detail.number, "affair": detail.affair} for detail in answer.details],
    }


def _row_document(row: PermissionRow) -> dict[str, Any]:
    last = row.in_force.last
    return {
        "id": row.id,
        "legal_basis": row.legal_basis,
        "inquirer": row.inquirer.text,
        "affair": row.affair,
        "in_force": {"from": row.in_force.first.isoformat(), "to": None if last is None else last.isoformat()},
    }


def _text(question: Question, answer: Permitted | Refused) -> str:
    """The answer for people."""
    lines = ["許可 / permitted" if isinstance(answer, Permitted) else "不許可 / refused"]
    if isinstance(answer, Refused):
        lines += [f"  理由    {answer.explanation} ({answer.reason.value})"]
    if answer.row is not None:
        lines += _row_lines(answer.row)
    if isinstance(answer, Permitted):
        lines += [
            f"  提供者  {question.provider.name}（表の文言: {answer.grant.provider.text}）",
            f"  情報    {question.information}",
            *(f"  細目    {answer.row.item}-{detail.number} {detail.affair}" for detail in answer.details),
        ]
    lines += [f"  注意    {note}" for note in answer.notes]
    return "\n".join(lines)


def _row_lines(row: PermissionRow) -> list[str]:
    last = "" if row.in_force.last is None else f" {row.in_force.last.isoformat()} まで"
    return [
        f"  行      {row.id}",
        f"  根拠    {row.legal_basis}",
        f"  効力    {row.in_force.first.isoformat()} から{last}",
        f"  照会者  {row.inquirer.text}",
        f"  事務    {row.affair}",
        *([] if row.article is None else [f"  細目の条 {row.article}（{row.basis.details_source}）"]),
    ]


def _explained_document(explained: Explained | None) -> dict[str, Any]:
    if explained is None:
        return {}
    return {
        "columns": [
            {"column": one.column.value, "verdict": one.verdict.value, "asked": one.asked, "wanted": list(one.wanted)}
            for one in explained.columns
        ],
        "allowing_rows": [row.id for row in explained.allowing],
    }


def _explained_lines(explained: Explained | None) -> list[str]:
    if explained is None:
        return []
    lines = ["列ごと / by column  ○ 合う fits  × 合わない fails  △ 他の法令で定まる unsettled  － 行がない no row"]
    lines += [_column_line(one) for one in explained.columns]
    if not explained.allowing:
        return [*lines, "この照会者・提供者・情報を許す行は、その日のリストにありません / no row of that day allows it"]
    lines.append(f"許す行 / rows that allow it ({len(explained.allowing)})")
    lines += [f"  {row.id}  {row.affair[:70]}" for row in explained.allowing[:_MOST_ROWS]]
    left = len(explained.allowing) - _MOST_ROWS
    return [*lines, f"  ほか {left} 行 / more: --json"] if left > 0 else lines


def _column_line(one: Checked) -> str:
    wanted = "" if one.verdict is Verdict.FITS or not one.wanted else f"  リスト: {' | '.join(one.wanted)[:200]}"
    return f"  {MARKS[one.verdict]} {COLUMNS[one.column]}  {one.asked}{wanted}"
