"""Checks of what may be told and carried away: statistics in classes (SC-23), backups by administrators alone (SC-15)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from asyncpg import Record

from evidence.export import LogParty
from gateway.assessing.installation import Installation
from gateway.assessing.logs import Logs
from gateway.assessing.verdicts import Result, judged
from gateway.intermediate_server.operations.disclosure import DEFAULT_THRESHOLD, LEAST_THRESHOLD, Finest, publish
from gateway.topology import Program

_MOST: Final = 20
_PUBLIC: Final = ".public"


def backup_keys(installation: Installation) -> Result:
    """SC-15: an intermediate server has the public half of a backup key for each of its agencies, and no other half of any."""
    broken: list[str] = []
    keys = 0
    for role, hosted in installation.hosted(Program.INTERMEDIATE):
        if (role.folder / "backup" / f"{hosted.id}{_PUBLIC}").is_file():
            keys += 1
        else:
            broken.append(f"{hosted.id}: バックアップの公開鍵がない (no public half)")
    for role in installation.roles:
        foreign = [path.name for path in (role.folder / "backup").glob("*") if path.suffix != _PUBLIC]
        broken += [f"{role.role}/backup/{name}: 公開鍵ではないものがある (not a public half)" for name in foreign]
    return judged("backup_keys", broken[:_MOST], seen=f"{keys} 個のバックアップ鍵", looked=bool(keys))


def backups_by_right(logs: Logs, holders: Mapping[str, Sequence[str]]) -> Result:
    """SC-15: whoever made a backup had the right to (`holders`: agency → staff who ever had it), and it stood in the log before it was made."""
    broken: list[str] = []
    missed: list[str] = []
    made = 0
    for name, said in logs.of(LogParty.INTERMEDIATE):
        agency = logs.agencies[name][0]
        begun: set[str] = set()
        for place, staff, event, backup in said.backups:
            made += event == "made"
            if agency not in holders:
                missed.append(f"{place}: 権限の表を読めない (no grants to compare with)")
            elif staff not in holders[agency]:
                broken.append(f"{place}: バックアップの権限がない者による (made without the right)")
            if event == "made" and backup not in begun:
                broken.append(f"{place}: 取得前の記録がない (not on record before it was made)")
            begun.add(backup)
    return judged(
        "backups_by_right", broken[:_MOST], seen=f"バックアップ {made} 件", looked=bool(made),
        unverified=[*missed[:_MOST], *logs.unread_logs],
    )  # fmt: skip


def statistics_in_classes(thresholds: Mapping[str, int], counts: Mapping[str, Sequence[Record]]) -> Result:
    """SC-23: of what has been counted, no number is told below the agency's threshold, and none is left over that follows from a total.

    `thresholds`: agency → the least number told; `counts`: agency → rows of what its log was counted into.
    """
    broken: list[str] = []
    months = 0
    for agency, threshold in thresholds.items():
        if threshold < LEAST_THRESHOLD:
            broken.append(f"{agency}: 統計の下限が {threshold} (below {LEAST_THRESHOLD})")
            continue
        for (month, direction), finest in _by_month(counts.get(agency, ())).items():
            months += 1
            told = [number.exchanges for number in publish(finest, threshold)]
            broken += [f"{agency} {month:%Y-%m} {direction}: {what}" for what in wrong(told, finest, threshold)]
    seen = f"下限 {len(thresholds)} 機関、数えた月 {months}"
    return judged("statistics_in_classes", broken[:_MOST], seen=seen, looked=bool(thresholds))


def wrong(told: Sequence[int], finest: Mapping[Finest, int], threshold: int) -> list[str]:
    """What is wrong with the numbers told of one month, `finest` being what was counted."""
    found = ["下限より小さい数を示す (a small number is told)"] if any(number < threshold for number in told) else []
    over = bool(told) and sum(told) != sum(finest.values())
    return [*found, "示さない数が合計から分かる (a total tells it)"] if over else found


def _by_month(rows: Sequence[Record]) -> dict[tuple[date, str], dict[Finest, int]]:
    found: defaultdict[tuple[date, str], dict[Finest, int]] = defaultdict(dict)
    for row in rows:
        parties = (row["partner"], row["inquirer_for"], row["provider_for"])
        finest = ((row["basis"], row["item"]), parties, row["information"], (row["kind"], row["outcome"]))
        found[row["month"], row["kind"].partition(".")[0]][finest] = row["exchanges"]
    return dict(found)


def thresholds(installation: Installation) -> dict[str, int]:
    """Agency → the least number that its statistics tell."""
    return {
        hosted.id: int(role.options.get("statistics_threshold", DEFAULT_THRESHOLD))
        for role, hosted in installation.hosted(Program.INTERMEDIATE)
    }
