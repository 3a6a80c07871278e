"""`sekisho codes`: how many codes an agency has, by state and epoch; whose were not renewed; epochs at the core, and a new one (IS-1). Never a code."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway import staff_calls
from gateway.code_words import what_to_do, why
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, end
from gateway.topology import NETWORK

_DAY_S: Final = 24 * 3600
_COUNTS: Final = {
    "state": "状態 (state)",
    "epoch": "世代 (epoch)",
    "reason": "理由 (reason)",
    "codes": "件数 (codes)",
}
_EPOCHS: Final = {
    "agency": "機関 (agency)",
    "newest": "最新 (newest)",
    "issued": "発行 (issued)",
    "accepted": "受理 (accepted)",
    "state": "段階 (state)",
    "announced_at": "告知 (announced)",
    "accepted_until": "旧世代の受理期限 (old one until)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    counts = actions.add_parser("counts", help="状態・世代ごとの符号の数 (codes by state and epoch)")
    counts.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
    not_renewed = actions.add_parser(
        "not-renewed",
        help="コアが更新しなかった符号の人、いつから、なぜ、どうするか。記録に残る (whose code was not renewed; the look is on record)",
    )
    not_renewed.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
    epochs = actions.add_parser("epochs", help="コアでの世代 (epochs at the core)")
    announce = actions.add_parser("announce", help="新しい世代を告げる。各機関の符号は裏で更新される (a new epoch)")
    announce.add_argument(
        "--agency", action="append", metavar="ID", help="機関の id。省けば全機関 (agency ids; default: all)"
    )
    announce.add_argument(
        "--accept-days",
        type=float,
        default=30.0,
        metavar="N",
        help="更新が済んでから旧世代を受理する日数 (how long the old one is taken after the renewal)。既定 30",
    )
    for action in (counts, not_renewed, epochs):
        action.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    for action in (counts, not_renewed, epochs, announce):
        action.epilog = EPILOG
        staff_calls.add_staff_argument(action)
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    if args.action == "counts":
        found = staff_calls.ask(staff_calls.party(data, args.agency, args.staff), "/code-counts", [])
        return _shown(found, _COUNTS, f"符号 (codes): {args.agency}", as_json=args.json)
    if args.action == "not-renewed":
        return _not_renewed(staff_calls.party(data, args.agency, args.staff), as_json=args.json)
    core = staff_calls.party(data, NETWORK, args.staff)
    known: list[dict[str, Any]] = staff_calls.ask(core, "/code-epochs", [{}])[0]["epochs"]
    if args.action == "epochs":
        return _shown(known, _EPOCHS, "符号の世代 (epochs of codes)", as_json=args.json)
    if not 0 <= args.accept_days <= 400:
        return end("日数は 0 から 400 まで / --accept-days is 0 to 400", BAD_INPUT)
    return _announce(core, known, args)


def _announce(core: staff_calls.Party, known: list[dict[str, Any]], args: argparse.Namespace) -> int:
    """Of several agencies each is told of on its own: a refusal of one leaves the others."""
    newest = {one["agency"]: one["newest"] for one in known}
    wanted = args.agency or sorted(newest)
    if unknown := [agency for agency in wanted if agency not in newest]:
        return end(f"登録簿にない機関です / not in the register: {', '.join(unknown)}", BAD_INPUT)
    items = [
        {"agency": agency, "epoch": newest[agency] + 1, "accept_s": int(args.accept_days * _DAY_S)}
        for agency in wanted
        if newest[agency] < 255
    ]
    code = OK
    for item, answer in zip(items, staff_calls.ask(core, "/code-epochs/announce", items), strict=True):
        if answer.get("announced"):
            sys.stdout.write(f"{item['agency']} {item['epoch']}\n")
        else:
            code = end(f"拒否されました / refused: {item['agency']}: {answer['refused']['reason']}", REFUSED)
    return code


def _not_renewed(party: staff_calls.Party, *, as_json: bool) -> int:
    """Page by page: after an old backup they may be many. What to do stands once for each reason."""
    found: list[dict[str, Any]] = []
    after: str | None = ""
    job: dict[str, str] | None = None
    while after is not None:
        page = staff_calls.ask(party, "/codes/not-renewed", [{"after": after}])[0]
        found += page["not_renewed"]
        after, job = page["next"], page["job"]
    if as_json:
        sys.stdout.write(json.dumps({"not_renewed": found, "job": job}, ensure_ascii=False, indent=1) + "\n")
        return OK
    if not found:
        return end("更新されなかった符号はありません / every code was renewed", OK)
    for one in found:
        since = (
            "記される前から (since before it was kept)" if one["refused_at"] is None else f"{one['refused_at']} から"
        )
        replacing = "、取り直し中 (another is on its way)" if one["replacing"] else ""
        sys.stdout.write(
            f"{one['integrated_number']}  世代 (epoch) {one['epoch']}  {since}  {one['reason']}{replacing}\n"
        )
    for reason in sorted({one["reason"] for one in found}):
        sys.stdout.write(f"{reason}\n  {why(reason)}\n  → {what_to_do(reason)}\n")
    if job is not None:
        words = f"sekisho jobs retry {job['kind']} {job['id']} --agency {party.name}"
        sys.stdout.write(f"全部をもう一度コアに送る (send all of them once more): {words}\n")
    return OK


def _shown(found: list[dict[str, Any]], columns: dict[str, str], title: str, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    table = Table(title=title)
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(*("" if one[name] is None else str(one[name]) for name in columns))
    Console(highlight=False).print(table)
    return OK
