"""`sekisho trace INQUIRY_NUMBER`: one inquiry through every party, put together from each party's own record.

Each party is asked with a certificate of its own staff, so this works in a simulation only, where one person has them all.
Entries hold no code and no number of a person; the commitments to the person are left out as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Any, Final

from codebook.errors import CodebookError
from codebook.identifiers import parse_inquiry_number
from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, FAILED, OK, UNREACHABLE, end
from gateway.staff_calls import NotReachableError, Party
from gateway.topology import NETWORK

SHOWN: Final = (
    "at", "kind", "disposition", "reason", "permit_id", "inquirer", "provider", "basis", "item", "information", "actor", "id", "log",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One party's entry, cut to what is shown."""

    party: str
    entry: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inquiry_number", metavar="INQUIRY_NUMBER", help="照会番号: Q + 26 characters")
    parser.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    staff_calls.add_staff_argument(parser)
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    try:
        number = parse_inquiry_number(args.inquiry_number)
    except CodebookError:
        return end(
            "照会番号の形式が正しくありません。Q と 26 文字です / not an inquiry number: Q and 26 characters", BAD_INPUT
        )
    return staff_calls.guarded(
        lambda: _trace(staff_calls.parties(DataFolder(args.data), args.staff), number, as_json=args.json)
    )


def _trace(asked: list[Party], number: str, *, as_json: bool) -> int:
    found: list[Line] = []
    silent: list[str] = []
    for party in asked:
        try:
            found += _entries(party, number)
        except NotReachableError:
            silent.append(party.name)
    if len(silent) == len(asked):
        return end("どの当事者にも接続できません / no party answers", UNREACHABLE)
    found.sort(key=lambda line: str(line.entry["at"]))
    if as_json:
        document = {
            "inquiry_number": number,
            "entries": [{"party": line.party, **line.entry} for line in found],
            "not_reachable": silent,
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        _print(number, found, silent)
    return OK if found else FAILED


def _entries(party: Party, number: str) -> list[Line]:
    answers = staff_calls.ask(party, "/log/search", [{"inquiry_number": number}])
    return [
        Line(party=party.name, entry={name: entry.get(name) for name in SHOWN})
        for answer in answers
        for entry in answer["entries"]
    ]


def _print(number: str, found: list[Line], silent: list[str]) -> None:
    """One line per entry: time, party, its place in that party's log (fiscal year/index), kind, disposition and reason."""
    lines = [f"照会番号 (inquiry number) {number}", _exchange(found)]
    width = max((len(line.party) for line in found), default=0)
    for line in found:
        entry = line.entry
        result = " ".join(str(entry[name]) for name in ("disposition", "reason") if entry[name])
        place = f"{entry['log']['year']}/{entry['log']['index']}"
        lines.append(f"  {entry['at']}  {line.party:{width}}  {place:>10}  {entry['kind']:27}  {result}".rstrip())
    missed = _missed(found, silent)
    if missed:
        lines.append(f"応答のない当事者 (not reachable): {'、'.join(missed)}")
    sys.stdout.write("\n".join(lines) + "\n")


def _missed(found: list[Line], silent: list[str]) -> list[str]:
    """Who did not answer and may hold a part of this: the parties of the inquiry, or everybody when nothing was found."""
    if not found:
        return silent
    parties = {NETWORK, *(str(line.entry[side]) for line in found for side in ("inquirer", "provider"))}
    return [name for name in silent if name in parties]


def _exchange(found: list[Line]) -> str:
    if not found:
        return (
            "記録がありません (no entries)。番号連携サーバーの受付が断った照会は、番号連携サーバーの記録にあります "
            "(a refusal by the desk is in the linkage server's log: POST /v1/log/search, scope log:read)"
        )
    first = found[0].entry
    return f"{first['inquirer']} → {first['provider']}、{first['basis'] or ''} {first['item']} {first['information']}"
