"""運用 at the screen: jobs of both servers and business statistics (IS-10, SC-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.pages.templates import Html, Templates, joined, load
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.statistics_rows import COLUMNS, csv_of, rows_of
from gateway.terminal.rooms import (
    NOT_REACHABLE,
    PAGES,
    TERMINAL,
    AskedWrongError,
    bad,
    frame,
    good,
    keeping,
    local_time,
    options,
    seat,
)
from gateway.terminal.sessions import Seat

_OPERATIONS: Final[Templates] = load("gateway.terminal", "operations.html")
_MOST: Final = 200
_STATES: Final = {"running": ("進行中", "open"), "done": ("完了", "good"), "failed": ("失敗", "bad")}
_KINDS: Final = {
    "file": "ファイル",
    "failed_file": "受け付けなかったファイル",
    "inquiry_file": "照会ファイル",
    "business_run": "業務情報の転送・比較",
    "code_run": "符号の取得",
    "code_renewal": "符号の世代の切り替え",
    "resealing": "鍵の版の切り替え（封じ直し）",
    "statistics": "統計の集計",
    "backup": "バックアップ",
}
_SERVERS: Final = {"linkage": "番号連携", "intermediate": "中間"}
_TOLD: Final = {
    "month": "月",
    "direction": "種別",
    "affair": "事務",
    "partner": "相手",
    "inquirer_for": "照会の委任元",
    "provider_for": "提供の委任元",
    "information": "情報",
    "kind": "終わり方",
    "outcome": "結果",
}
_WORDS: Final = {
    "inquiry": "照会",
    "provision": "提供",
    "answered": "回答あり",
    "not_provided": "提供する情報なし",
    "refused_by_list": "照合リストにより拒否",
    "refused_by_permit": "許可証により拒否",
    "refused_by_staff": "職員の判断で拒否",
    "refused_for_non_disclosure": "不開示により拒否",
    "refused": "そのほかの理由で拒否",
    "expired": "保留のまま期限切れ",
    "timed_out": "期限までに回答なし",
    "aborted": "中止",
    "inquiry.answered": "回答",
    "inquiry.not_provided": "提供する情報なし",
    "inquiry.refused": "自機関で拒否",
    "inquiry.denied": "コアが拒否",
    "inquiry.refused_by_provider": "提供者が拒否",
    "inquiry.refused_by_network": "網が拒否",
    "inquiry.aborted": "中止",
    "provision.made": "自動で提供",
    "provision.released": "確認のうえ提供",
    "provision.not_provided": "提供する情報なし",
    "provision.refused": "拒否",
    "provision.expired": "期限切れ",
}


# --- jobs


async def get_jobs(request: web.Request) -> web.Response:
    return await _jobs(request, seat(request), {}, Html(""))


async def _page(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    return await _jobs(request, whose, fields, said, 400)


async def _jobs(
    request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, status: int = 200
) -> web.Response:
    """Of both servers, the newest first. The intermediate server knows the person: it is asked first, and has the look on record."""
    behind = request.app[TERMINAL].behind
    state = fields.get("state", "")
    wanted: dict[str, Any] = {"most": _MOST, **({"state": state} if state in _STATES else {})}
    own = await behind.first("/jobs", wanted, whose.token)
    found = [{"server": "intermediate", **job} for job in own["jobs"]]
    away = Html("")
    try:
        found += [{"server": "linkage", **job} for job in (await behind.post_for_jobs("/v1/jobs", wanted))["items"]]
    except NotReachableError:
        away = bad(f"番号連携サーバー: {NOT_REACHABLE}")
    except RefusedError as refused:
        away = bad(f"番号連携サーバー: {refused}")
    found.sort(key=lambda job: job["started_at"] or job["finished_at"] or "9", reverse=True)
    rows = [_job(whose, job) for job in found[:_MOST]]
    body = _OPERATIONS.fill(
        "jobs",
        form_key=whose.form_key,
        away=away,
        states=options({code: text for code, (text, _) in _STATES.items()}, state),
        table=_OPERATIONS.fill("table", rows=joined(rows)) if rows else PAGES.fill("empty", text="ジョブはありません"),
    )
    return frame(request, "ジョブ", body, room="jobs", said=said, status=status)


def _job(whose: Seat, job: Mapping[str, Any]) -> Html:
    text, tone = _STATES.get(job["state"], (job["state"], ""))
    of = "" if job["total"] is None else f" / {job['total']:,}"
    retry = Html("")
    if job.get("may_retry"):
        retry = _OPERATIONS.fill("retry", form_key=whose.form_key, kind=job["kind"], id=job["id"])
    return _OPERATIONS.fill(
        "row",
        server=_SERVERS[job["server"]],
        kind=_KINDS.get(job["kind"], job["kind"]),
        id=job["id"],
        system=job["system"] or "",
        state=text,
        tone=tone,
        progress="" if job["done"] is None else f"{job['done']:,}{of}",
        started_at=local_time(job["started_at"]),
        finished_at=local_time(job["finished_at"]),
        reason=job["reason"] or "",
        retry=retry,
    )


@keeping(_page)
async def post_jobs(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _jobs(request, whose, fields, Html(""))


@keeping(_page)
async def post_retry(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """On record at the intermediate server first, whichever of the two has the job."""
    behind, item = request.app[TERMINAL].behind, {name: fields.get(name, "") for name in ("kind", "id")}
    try:
        await behind.first("/jobs/retry", item, whose.token)
    except RefusedError as refused:
        if refused.reason != "job_unknown":
            raise
        await behind.post_for_jobs("/v1/jobs/retry", item)
    return await _jobs(request, whose, {}, good("もう一度始めました"))


# --- statistics


async def get_statistics(request: web.Request) -> web.Response:
    fields = {f"by-{name}": "1" for name in ("month", "direction", "outcome")}
    return await _statistics(request, seat(request), fields, Html(""))


async def _statistics(
    request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, numbers: Html | None = None
) -> web.Response:
    by = _by(fields)
    body = _OPERATIONS.fill(
        "statistics",
        form_key=whose.form_key,
        since=fields.get("since", ""),
        until=fields.get("until", ""),
        by=joined(
            _OPERATIONS.fill("by", name=name, text=text, checked=Html("checked") if name in by else Html(""))
            for name, text in _TOLD.items()
        ),
        numbers=numbers or Html(""),
    )
    return frame(request, "統計", body, room="statistics", said=said, status=400 if said else 200)


def _by(fields: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in COLUMNS if fields.get(f"by-{name}"))


@keeping(_statistics)
async def post_statistics(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    by = _by(fields)
    if not by:
        raise AskedWrongError("集計の項目を一つは選んでください")
    item = {name: fields.get(name, "").strip() for name in ("since", "until")}
    found = await request.app[TERMINAL].behind.first("/statistics", item, whose.token)
    rows = rows_of(found["numbers"], by)
    if fields.get("csv"):
        name = f"statistics-{request.app[TERMINAL].agency}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=csv_of(rows, by), content_type="text/csv", headers=headers)
    if not rows:
        return await _statistics(request, whose, fields, Html(""), PAGES.fill("empty", text="示せる数はありません"))
    heads = joined(_OPERATIONS.fill("head", text=_TOLD[name]) for name in by)
    lines = joined(_number_row(key, count) for key, count in rows)
    table = _OPERATIONS.fill("numbers", heads=heads, rows=lines, threshold=found["threshold"])
    return await _statistics(request, whose, fields, Html(""), table)


def _number_row(key: tuple[str, ...], count: int) -> Html:
    cells = joined(_OPERATIONS.fill("cell", text=_WORDS.get(text, text)) for text in key)
    return _OPERATIONS.fill("number_row", cells=cells, exchanges=f"{count:,}")
