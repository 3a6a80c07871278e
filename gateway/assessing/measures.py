"""The measures of the report as data (measures.yaml), and what each comes to from the results of checks. Pure but for reading that file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from gateway.assessing.test_runs import WORKING, Stated
from gateway.assessing.verdicts import Result, Verdict, worst
from gateway.pages import templates

CHECKS: Final[Mapping[str, str]] = {
    "private_files": "設定: 秘密のファイルの権限",
    "certificates": "設定: 証明書と登録簿",
    "identities_apart": "設定: 機関ごとの鍵",
    "signed_register": "設定: 署名された登録簿",
    "lists_signed": "設定: 署名された照合リスト",
    "tls": "設定: 接続の入口",
    "options": "設定: 役割の設定値",
    "tenants_apart": "設定: データベースの区分",
    "logins_limited": "設定: データベースのログイン",
    "log_append_only": "設定: 証跡の追記専用",
    "staff_constraints": "設定: 職員と権限の制約",
    "results_expire": "設定: 照会結果の期限",
    "logs_verified": "記録: 証跡の検証",
    "parties_agree": "記録: 当事者の突合",
    "refusals_recorded": "記録: 拒否の記録",
    "staff_recorded": "記録: 職員の操作",
    "exchanges_named": "記録: 照会と提供をした者",
    "sealed_under_permit": "記録: 封と許可証",
    "released_by_people": "記録: 保留からの提供",
    "analysed_within_a_year": "記録: 年一回の分析",
    "grants_recorded": "記録: 二人による権限",
    "bars_recorded": "記録: 自動応答不可などの制限",
    "list_again": "記録: リストの再判定",
    "backup_keys": "設定: バックアップの鍵",
    "backups_by_right": "記録: 権限によるバックアップ",
    "statistics_in_classes": "設定: 統計の小さな数",
    "tests": "試験",
}
"""Every check by its name, as people read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    id: str
    words: str
    checks: tuple[str, ...]
    besides: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure of the report. `outside`: why no program can see whether it is kept; else the requirements it goes to."""

    id: str
    place: str
    words: str
    requirements: tuple[str, ...]
    outside: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """`because`: what broke it, or why it is not verified; `results`: the checks it rests on."""

    id: str
    words: str
    verdict: Verdict
    because: tuple[str, ...]
    results: tuple[Result, ...]


@cache
def _source() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.load(templates.read("gateway.assessing", "measures.yaml"), Loader=yaml.CSafeLoader)
    return found


def requirements() -> tuple[Requirement, ...]:
    return tuple(
        Requirement(id=name, words=one["words"], checks=tuple(one["checks"]), besides=tuple(one.get("besides", ())))
        for name, one in _source()["requirements"].items()
    )


def measures() -> tuple[Measure, ...]:
    return tuple(
        Measure(
            id=one["id"],
            place=one["place"],
            words=one["words"],
            requirements=tuple(one.get("requirements", ())),
            outside=one.get("outside"),
        )
        for one in _source()["measures"]
    )


def of_requirement(one: Requirement, results: Mapping[str, Result], tests: Result, stated: Stated | None) -> Assessed:
    """1. anything that broke it breaks it  2. what is not there in full is not kept  3. its checks decide, or else its tests."""
    deciding = [results[name] for name in one.checks] or [tests]
    every = (*deciding, *(results[name] for name in one.besides), *([tests] if one.checks else []))
    broken = [what for result in every if result.verdict is Verdict.BROKEN for what in result.what]
    # 1
    if broken:
        return _assessed(one, Verdict.BROKEN, broken, every)
    # 2
    if stated is not None and stated.state != WORKING:
        return _assessed(one, Verdict.UNVERIFIED, [f"全部はまだない ({stated.state}): {stated.missing}"], every)
    # 3
    open_ = [
        what
        for result in deciding
        if result.verdict is Verdict.UNVERIFIED
        for what in result.what or (_nothing(result),)
    ]
    return _assessed(one, worst(result.verdict for result in deciding), open_, every)


def _nothing(result: Result) -> str:
    return f"{CHECKS[result.check]}: 確かめるものがまだない (nothing there yet to look at)"


def _assessed(one: Requirement, verdict: Verdict, because: Sequence[str], results: Iterable[Result]) -> Assessed:
    return Assessed(
        id=one.id, words=one.words, verdict=verdict, because=tuple(dict.fromkeys(because)), results=tuple(results)
    )


def of_measure(one: Measure, found: Mapping[str, Assessed]) -> Assessed:
    """As its worst requirement; what no program can see is unverified."""
    if one.outside is not None:
        because: tuple[str, ...] = (f"ソフトウェアの外にある: {one.outside} (outside of software)",)
        return Assessed(id=one.id, words=one.words, verdict=Verdict.UNVERIFIED, because=because, results=())
    parts = [found[name] for name in one.requirements]
    verdict = worst(part.verdict for part in parts)
    because = tuple(dict.fromkeys(what for part in parts if part.verdict is verdict for what in part.because))
    results = {id(result): result for part in parts for result in part.results}
    return Assessed(id=one.id, words=one.words, verdict=verdict, because=because, results=tuple(results.values()))
