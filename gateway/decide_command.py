"""`sekisho decide`: does the permission list permit this inquiry on this day, and why? Without an item: which rows would. Asks no server.

With a data folder the list is the one published there, and the parties' kinds and assessment (28条) are those of its signed register.
Exit codes: 0 permitted, 3 refused, 2 the question itself is wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.list_sources import SourceWrongError, open_library, register
from gateway.registered_parties import party_of
from permission_lists.decide import Level, Party, Permitted, Question, Refused, decide
from permission_lists.explain import COLUMNS, MARKS, Checked, Explained, Verdict, allowing, explain
from permission_lists.model import PermissionList, PermissionRow
from permission_lists.parties import listed_name, resolve, whole_names
from storage.reference_data import read_party_rules, read_permission_list
from transport.register import Agency

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
    parser.add_argument(
        "--item",
        metavar="項",
        help="項の番号 (item), e.g. 2 or 16-2。省くと許す行を示す (left out: which rows permit it)",
    )
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
        help="データフォルダーで発行された版と、登録簿にある機関の区分・保護評価で答える (by the version published there and in force"
        " on that day, and the kinds and assessments of its register)",
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
        _check_data(args.data)
        question, registered = _question(args, _agencies(args.data))
        permission_list = read_permission_list() if args.data is None else open_library(args.data).on(question.on)
        _check_basis(permission_list, question)
    except (QuestionWrongError, SourceWrongError) as wrong:
        sys.stderr.write(f"入力の誤り / bad input: {wrong}\n")
        return BAD_INPUT
    if args.item is None:
        return _say_rows(args, question, permission_list)
    answer = decide(permission_list, question)
    explained = explain(permission_list, question, registered=registered) if args.explain else None
    if args.json:
        document = _document(question, answer, permission_list.digest)
        text = json.dumps(document | _explained_document(explained), ensure_ascii=False, indent=2)
    else:
        text = "\n".join([_text(question, answer), *_explained_lines(explained)])
    sys.stdout.write(f"{text}\n")
    return OK if isinstance(answer, Permitted) else REFUSED


def _say_rows(args: argparse.Namespace, question: Question, permission_list: PermissionList) -> int:
    """Of a question without an item: the rows that permit it."""
    rows = allowing(permission_list, question)
    if args.json:
        document = {"permitted": bool(rows), "on": question.on.isoformat(), "list_digest": permission_list.digest}
        text = json.dumps(document | _rows_document(rows), ensure_ascii=False, indent=2)
    else:
        text = "\n".join(_rows_lines(rows))
    sys.stdout.write(f"{text}\n")
    return OK if rows else REFUSED


def _question(args: argparse.Namespace, agencies: Sequence[Agency]) -> tuple[Question, bool]:
    """The question, and whether both parties stand in the register (`agencies`), so that their assessment is known. Raises QuestionWrongError."""
    affair = getattr(args, "affair", None)
    level = Level(args.level or Level.TABLE)
    if affair is not None and level is not Level.DETAIL:
        raise QuestionWrongError(
            "--affair は --level detail とともに指定してください / --affair goes with --level detail"
        )
    if args.item is None and affair is not None:
        raise QuestionWrongError("--affair は --item とともに指定してください / --affair goes with --item")
    _check_item("0" if args.item is None else args.item)
    on = _day(args.on)
    inquirer, one_known = _party(args.inquirer, "--inquirer", args.inquirer_kind, agencies)
    provider, other_known = _party(args.provider, "--provider", args.provider_kind, agencies)
    if inquirer.may_be(provider) and len(inquirer.means | provider.means) > 1:
        raise QuestionWrongError(
            f"{inquirer.name}と{provider.name}が同じ機関かどうか決められません。都道府県から書いてください"
            " / these may be one agency or two: give their names with the prefecture"
        )
    question = Question(
        on=on,
        inquirer=inquirer,
        provider=provider,
        basis=args.basis,
        item=args.item or "",
        information=args.information,
        level=level,
        affair=None if affair is None else affair.removeprefix(f"{args.item}-"),
    )
    return question, one_known and other_known


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


def _party(name: str, option: str, kinds: list[str], agencies: Sequence[Agency]) -> tuple[Party, bool]:
    """The party of that name with what the register says of it, if it stands there; whether it does. Raises QuestionWrongError."""
    rules = read_party_rules()
    means = whole_names(rules, name)
    agency = next((one for one in agencies if not means.isdisjoint(whole_names(rules, one.name))), None)
    party = resolve(rules, listed_name(rules, name) or name)
    if agency is not None:
        party = replace(party_of(agency), means=means)
    if party is None:
        raise QuestionWrongError(_UNKNOWN_PARTY.replace("{option}", option))
    known = sorted(kind for kind, of in rules.registered.items() if of in party.kinds)
    if not set(kinds) <= set(known):
        raise QuestionWrongError(
            f"{option}-kind に指定できるのは {', '.join(known) or '（この機関にはなし）'} です / {option}-kind of this party is one of these"
        )
    return replace(party, kinds=party.kinds | frozenset(kinds)), agency is not None


def _agencies(data: Path | None) -> list[Agency]:
    """Who stands in the folder's register. Raises SourceWrongError."""
    if data is None or not (folder := DataFolder(data)).register.is_file():
        return []
    try:
        return list(register(folder).agencies.values())
    except OSError:
        raise SourceWrongError(
            "データフォルダーの登録簿を読めません。控えから戻してください / its register cannot be read; restore it from its backup"
        ) from None


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
            {
                "column": one.column.value,
                "verdict": one.verdict.value,
                "asked": one.asked,
                "wanted": list(one.wanted),
                **({"means": list(one.means)} if one.means else {}),
            }
            for one in explained.columns
        ],
        **_rows_document(explained.allowing),
    }


def _rows_document(rows: Sequence[PermissionRow]) -> dict[str, Any]:
    return {"allowing_rows": [row.id for row in rows]}


def _explained_lines(explained: Explained | None) -> list[str]:
    if explained is None:
        return []
    lines = [
        "列ごと / by column  ○ 合う fits  × 合わない fails  △ 他の法令で定まる unsettled  － 見ていない not looked at"
    ]
    return [*lines, *(_column_line(one) for one in explained.columns), *_rows_lines(explained.allowing)]


def _rows_lines(rows: Sequence[PermissionRow]) -> list[str]:
    if not rows:
        return ["この照会者・提供者・情報を許す行は、その日のリストにありません / no row of that day allows it"]
    lines = [
        f"許す行 / rows that allow it ({len(rows)})",
        *(f"  {row.id}  {row.affair[:70]}" for row in rows[:_MOST_ROWS]),
    ]
    left = len(rows) - _MOST_ROWS
    return [*lines, f"  ほか {left} 行 / more: --json"] if left > 0 else lines


def _column_line(one: Checked) -> str:
    wanted = "" if one.verdict is Verdict.FITS or not one.wanted else f"  リスト: {' | '.join(one.wanted)[:200]}"
    means = f"\n      = {' | '.join(one.means)[:400]}" if wanted and one.means else ""
    return f"  {MARKS[one.verdict]} {COLUMNS[one.column]}  {one.asked}{wanted}{means}"
