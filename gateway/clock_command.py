"""`sekisho clock`: the one simulated present of all roles of a data folder; a move reaches the running roles within a tenth of a second.

It goes forwards only, unless `--back` says otherwise: deadlines, sessions and records are made for a time that does not return.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from evidence.canonical import timestamp
from gateway import staff_calls
from gateway.data_folder import SKEW_FILE, DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, end
from transport.clock import JST, SharedOffset
from transport.register import Register, RegisterBrokenError

_NOT_SET_UP: Final = (
    "セットアップが済んでいません。先に sekisho up か sekisho migrate を / run `sekisho up` or `sekisho migrate` first"
)
_REAL: Final = "模擬環境ではないため、時計は動かせません / not a simulation: its clock is not moved"
_BACKWARDS: Final = (
    "今の模擬日時より前です。戻すなら --back を付けてください / that is before the simulated present; --back goes back"
)
LATEST: Final = datetime(2122, 12, 31, tzinfo=JST)
"""How far a simulation's clock goes: whatever is made then still has an end."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=JST)
_TOO_FAR: Final = f"{LATEST:%Y-%m-%d} より後にはできません / no simulation goes further than that day"
_TOO_EARLY: Final = f"{EARLIEST:%Y-%m-%d} より前にはできません / no simulation begins before that day"
_NO_INSTANT: Final = (
    "日時は 2024-05-27T00:00 のように書いてください（日本時間。+09:00 や Z も可） / an instant such as 2024-05-27T00:00"
)
_NO_SPAN: Final = "長さは 90s、15m、2h、7d、1y を並べて書いてください / a span such as 90s, 15m, 2h, 7d, 1y or 7d12h"
_SPAN: Final = re.compile(r"(?:([0-9]{1,4})y)?(?:([0-9]{1,6})d)?(?:([0-9]{1,7})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,9})s)?")


class ClockWordsError(ValueError):
    """Not an instant, or not a span of time; the message says what one looks like."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="今の模擬日時 (the simulated present)")
    put = actions.add_parser("set", help="この日時にする (move to an instant)")
    put.add_argument(
        "instant", metavar="INSTANT", help="2024-05-27T00:00 のような日時。ことわりがなければ日本時間 (JST)"
    )
    put.add_argument("--back", action="store_true", help="前の日時に戻す (an earlier instant is meant)")
    advance = actions.add_parser("advance", help="この長さだけ進める (move on)")
    advance.add_argument("span", metavar="SPAN", help="90s、15m、2h、7d、1y、またはそれを並べたもの")
    for action in (show, put, advance):
        action.epilog = EPILOG
        action.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    if not data.marker.exists():
        return end(_NOT_SET_UP, BAD_INPUT)
    clock = data.present
    if args.action != "show":
        if not is_simulation(data):
            return end(_REAL, REFUSED)
        now = clock()
        try:
            target = parse_instant(args.instant) if args.action == "set" else later(now, args.span)
        except ClockWordsError as wrong:
            return end(str(wrong), BAD_INPUT)
        if target < now and not getattr(args, "back", False):
            return end(_BACKWARDS, REFUSED)
        clock.set(target)
    _show(clock(), clock.offset, _off(data), as_json=args.json)
    return OK


def is_simulation(data: DataFolder) -> bool:
    """Whether the register, signed by its root, says that everybody in this folder is made up."""
    try:
        root = bytes.fromhex((data.authority / "register-root.public").read_text())
        return Register.read(data.register.read_bytes(), root).simulation
    except (OSError, ValueError, RegisterBrokenError):
        return False


def parse_instant(text: str) -> datetime:
    """ISO 8601; Japanese time when no zone is written. Raises ClockWordsError."""
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=JST)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ClockWordsError(_NO_INSTANT) from None
    return _near(found)


def later(now: datetime, span: str) -> datetime:
    """So much later; years by the calendar of Japan, where 29 February becomes the 28th. Raises ClockWordsError."""
    found = _SPAN.fullmatch(span)
    if not span or found is None:
        raise ClockWordsError(_NO_SPAN)
    years, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        day = now.astimezone(JST)
        last = monthrange(day.year + years, day.month)[1]
        moved = day.replace(year=day.year + years, day=min(day.day, last))
        moved = (moved + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ClockWordsError(_TOO_FAR) from None
    return _near(moved)


def _near(instant: datetime) -> datetime:
    if instant > LATEST:
        raise ClockWordsError(_TOO_FAR)
    if instant < EARLIEST:
        raise ClockWordsError(_TOO_EARLY)
    return instant


def _off(data: DataFolder) -> Mapping[str, float]:
    """Roles whose own clock is off, with the seconds (option `clock_offset_s`, and what `sekisho faults skew` did)."""
    found = {}
    for path in sorted((data.root / "roles").glob("*/role.json")):
        seconds = float(json.loads(path.read_bytes())["options"].get("clock_offset_s", 0))
        skew = path.with_name(SKEW_FILE)
        seconds += SharedOffset(skew).microseconds / 1e6 if skew.exists() else 0.0
        if seconds:
            found[path.parent.name] = seconds
    return found


def _show(now: datetime, offset: timedelta, off: Mapping[str, float], *, as_json: bool) -> None:
    moved = round(offset.total_seconds())
    if as_json:
        document: dict[str, Any] = {"now": timestamp(now), "moved_s": moved, "off_s": dict(off)}
        sys.stdout.write(json.dumps(document) + "\n")
        return
    lines = [f"模擬日時 (simulated present) {now.astimezone(JST):%Y-%m-%d %H:%M:%S} JST"]
    lines.append(f"  実際の時刻との差 (against the machine's clock) {moved:+,} s")
    lines += [f"  {role} の時計のずれ (off by) {seconds:+,.0f} s" for role, seconds in off.items()]
    sys.stdout.write("\n".join(lines) + "\n")
