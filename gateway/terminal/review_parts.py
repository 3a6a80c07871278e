"""What the pages about holds and links of people share: what a call states, its record first, people beside one another (LS-1.3, SC-18)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from gateway.pages.templates import Html, Templates, joined, load
from gateway.terminal.rooms import TERMINAL, AskedWrongError, local_time
from gateway.terminal.sessions import Seat

REVIEWS: Final[Templates] = load("gateway.terminal", "reviews.html")
ROOM: Final = "reviews"
ITEMS: Final = {
    "name": "氏名",
    "kana": "カナ",
    "sex": "性別",
    "birth_date": "生年月日",
    "address": "住所",
    "individual_number": "個人番号",
}
KINDS: Final = {
    "hold_link": "保留: この人とする",
    "hold_keep": "保留: 別の人とする",
    "hold_refuse": "保留: 受け付けない",
    "link": "四情報でつなぐ",
    "merge": "一人にまとめる",
    "split": "分ける",
    "release": "凍結を解く",
    "freeze": "凍結する",
}
_STATES: Final = {
    "proposed": "承認を待っています",
    "approved": "承認されました",
    "withdrawing": "副本を取り下げています",
    "applied": "行いました。記録しています",
    "done": "済みました",
    "rejected": "却下されました",
    "withdrawn": "取り下げられました",
    "voided": "無効になりました",
}
_SEXES: Final = {"1": "男", "2": "女", "0": "不明", "9": "不明"}
_FOLDS: Final = "書き方の違いだけ"


def stated(fields: Mapping[str, str], whose: Seat) -> dict[str, str]:
    """What every call says: affair, reason, and who. Raises AskedWrongError."""
    affair, reason = fields.get("affair", ""), fields.get("reason", "").strip()
    if not affair or not reason:
        raise AskedWrongError("事務と理由を書いてください")
    return {"affair": affair, "reason": reason, "staff": whose.staff_id}


async def ask(
    request: web.Request, whose: Seat, fields: Mapping[str, str], act: str, path: str, **body: Any
) -> dict[str, Any]:
    """A call of the business system about holds and links; on record under the person's session before it (IF_STF_90170)."""
    said = stated(fields, whose)
    await note(request, whose, said["affair"], act, str(body.get("decision_id") or body.get("hold_id") or ""))
    return await request.app[TERMINAL].behind.post(path, {**said, **body})


async def note(request: web.Request, whose: Seat, affair: str, act: str, about: str = "") -> None:
    item = {"affair": affair, "act": act, "about": about}
    await request.app[TERMINAL].behind.first("/staff/desk/reviews", item, whose.token)


def hidden(whose: Seat, fields: Mapping[str, str]) -> Html:
    """Form key, affair and reason, for the next form."""
    said = {name: fields.get(name, "") for name in ("affair", "reason")}
    return REVIEWS.fill("stated", form_key=whose.form_key, **said)


def back(whose: Seat, fields: Mapping[str, str]) -> Html:
    return REVIEWS.fill("back", stated=hidden(whose, fields))


class Column(dict[str, Any]):
    """One person beside others: the items by name, and `title`, `more`, `differing`, `folds`."""


def compared(columns: Sequence[Column]) -> Html:
    """People beside one another, item by item; a difference is said in words, not by colour alone."""
    said = [name for name in ITEMS if any(one.get(name) for one in columns)]
    return REVIEWS.fill(
        "compared",
        heads=joined(REVIEWS.fill("head", text=one["title"], more=one["more"]) for one in columns),
        rows=joined(
            REVIEWS.fill("compared_row", name=ITEMS[name], cells=joined(_cell(one, name) for one in columns))
            for name in said
        ),
    )


def beside(people: Sequence[Column]) -> Html:
    """Many people under one another, compared with the first one."""
    said = [name for name in ITEMS if any(one.get(name) for one in people)]
    return REVIEWS.fill(
        "beside",
        heads=joined(REVIEWS.fill("head", text=ITEMS[name], more="") for name in said),
        rows=joined(
            REVIEWS.fill(
                "beside_row", title=one["title"], more=one["more"], cells=joined(_cell(one, name) for name in said)
            )
            for one in people
        ),
    )


def _cell(one: Column, name: str) -> Html:
    differs, folds = name in one.get("differing", ()), (one.get("folds") or {}).get(name)
    mark = Html("")
    if differs:
        mark = REVIEWS.fill("mark", tone="bad", text="違う")
    elif folds:
        mark = REVIEWS.fill("mark", tone="open", text=_FOLDS)
    said = one.get(name) or "―"
    text = _SEXES.get(said, said) if name == "sex" else said
    return REVIEWS.fill("cell", tone="differs" if differs else "", text=text, mark=mark)


def decision(whose: Seat, fields: Mapping[str, str], one: Mapping[str, Any]) -> Html:
    """A decision as far as it has gone; whoever did not propose it may approve or reject it."""
    settle = Html("")
    if one["state"] == "proposed":
        own = str(one["proposed_by"]).casefold() == whose.staff_id.casefold()
        settle = REVIEWS.fill(
            "settle",
            stated=hidden(whose, fields),
            buttons=REVIEWS.fill("settle_own" if own else "settle_other"),
            **{name: one[name] for name in ("decision_id", "kind", "content_hash")},
        )
    return REVIEWS.fill(
        "decision",
        card="card",
        kind=KINDS.get(one["kind"], one["kind"]),
        state=state(one["state"]),
        proposed_by=one["proposed_by"],
        approved_by=one.get("approved_by") or "―",
        integrated_number=one.get("integrated_number") or "―",
        other=one.get("other_integrated_number") or "―",
        rows=joined(REVIEWS.fill("fact", name=name, value=value) for name, value in _facts(one)),
        settle=settle,
    )


def _facts(one: Mapping[str, Any]) -> list[tuple[str, Any]]:
    numbers = "、".join(f"{each['business_system']} {each['addressee_number']}" for each in one.get("addressees") or ())
    said = (
        ("提案の理由", one.get("reason")),
        ("提案の時刻", local_time(one.get("proposed_at"))),
        ("分ける宛名番号", numbers),
        ("個人番号", "引き継ぐ" if one.get("individual_number_goes") else ""),
        ("四情報", "送られたもので書き換える" if one.get("items_go") else ""),
        ("誤ってつながった日", local_time(one.get("wrong_since"))),
        *((f"分けられる人の正しい{ITEMS[name]}", text) for name, text in _right(one).items()),
        ("無効になった理由", one.get("void_because")),
    )
    return [(name, value) for name, value in said if value]


def _right(one: Mapping[str, Any]) -> dict[str, str]:
    """What the proposal says of the person split off, as far as this affair sees it: whoever approves, approves this."""
    says = one.get("says") or {}
    return {name: _SEXES.get(says[name], says[name]) if name == "sex" else says[name] for name in ITEMS if name in says}


def state(code: str) -> str:
    return _STATES.get(code, code)


def table(block: str, rows: Iterable[Mapping[str, Any]], row: Callable[[Mapping[str, Any]], Html], empty: Html) -> Html:
    lines = [row(one) for one in rows]
    return REVIEWS.fill(block, rows=joined(lines)) if lines else empty
