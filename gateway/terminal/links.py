"""名寄せ at the screen: one person, who may be the same person, and what is proposed about them (LS-1.3, SC-18)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from aiohttp import web

from gateway.pages.templates import Html, joined
from gateway.terminal import review_parts
from gateway.terminal.review_parts import REVIEWS, ROOM, Column, ask, hidden
from gateway.terminal.rooms import PAGES, TERMINAL, AskedWrongError, checked, frame, name_of, options
from gateway.terminal.sessions import Seat
from transport.clock import JST

_INTEGRATED: Final = re.compile(r"[0-9]{15}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_ADDRESSEE: Final = "addressee"
_RIGHT: Final = "right"
_SEXES: Final = {"": "―", "1": "男", "2": "女", "9": "不明"}
_TWO: Final = {"link": "/v1/links/propose", "merge": "/v1/links/merge"}
_ONE: Final = {"freeze": "/v1/links/freeze", "release": "/v1/links/release"}


async def page(
    request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, given_to: Html | None = None
) -> web.Response:
    """A person with candidates, and what may be proposed. Raises AskedWrongError."""
    one = await _person(request, whose, fields)
    number = one["integrated_number"]
    found = await ask(request, whose, fields, "candidates", "/v1/links/candidates", integrated_number=number)
    candidates = [_column(each, f"候補 {each['score']} 点") for each in found["items"]]
    body = REVIEWS.fill(
        "person",
        stated=hidden(whose, fields),
        integrated_number=number,
        state="凍結中" if one["frozen"] else "凍結なし",
        tone="bad" if one["frozen"] else "good",
        compared=review_parts.compared([_column(one, "台帳")]),
        freezing=REVIEWS.fill("release" if one["frozen"] else "freeze"),
        addressees=joined(_addressee(fields, each) for each in one["addressees"]),
        choices=joined(
            REVIEWS.fill(
                "choice", number=each["integrated_number"], text=f"{each.get('name', '')}（{each['score']} 点）"
            )
            for each in found["items"]
        ),
        candidates=review_parts.beside([_column(one, "この人"), *candidates])
        if candidates
        else PAGES.fill("empty", text="候補はありません"),
        back=review_parts.back(whose, fields),
        **{name: fields.get(name, "") for name in ("other", "split_to", "wrong_since", "since")},
        recipients=given_to or Html(""),
        individual_number_goes=checked(fields, "individual_number_goes"),
        right_sex=options(_SEXES, fields.get(f"{_RIGHT}-sex", "")),
        **{f"right_{name}": fields.get(f"{_RIGHT}-{name}", "") for name in review_parts.ITEMS if name != "sex"},
    )
    return frame(request, "人と同一人の候補", body, room=ROOM, said=said, status=400 if said else 200)


def _column(one: Mapping[str, Any], title: str) -> Column:
    told = [one["integrated_number"], "凍結中" if one.get("frozen") else ""]
    told += ["四情報が一致"] if one.get("all_four_agree") else []
    return Column(one, title=title, more="　".join(filter(None, told)))


def _addressee(fields: Mapping[str, str], one: Mapping[str, Any]) -> Html:
    system, number = one["business_system"], one["addressee_number"]
    is_checked = checked(fields, f"{_ADDRESSEE}-{system}-{number}")
    return REVIEWS.fill("addressee", system=system, number=number, checked=is_checked)


async def _person(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> dict[str, Any]:
    """By integrated number, or by a number that was typed: 15 digits are an integrated number first, then an addressee number."""
    number = fields.get("integrated_number") or fields.get("number", "").strip()
    if not _NUMBER.fullmatch(number):
        raise AskedWrongError("番号は 1〜15 桁の数字で書いてください")
    own = {"business_system": request.app[TERMINAL].behind.client.id, "addressee_number": number}
    keys = ([{"integrated_number": number}] if _INTEGRATED.fullmatch(number) else []) + [own]
    for key in keys[: 1 if fields.get("integrated_number") else None]:
        found = await ask(request, whose, fields, "look", "/v1/persons/search", **key)
        if found["items"]:
            only: dict[str, Any] = found["items"][0]
            return only
    raise AskedWrongError("その番号の人はいません")


async def people_of(request: web.Request, whose: Seat, fields: Mapping[str, str], made: Mapping[str, Any]) -> Html:
    """The people whom a decision is about, beside one another. A look of its own."""
    columns = []
    for number, title in ((made["integrated_number"], "この人"), (made["other_integrated_number"], "相手")):
        if number is None:
            continue
        found = await ask(request, whose, fields, "look", "/v1/persons/search", integrated_number=number)
        columns += [_column(one, title) for one in found["items"][:1]]
    return review_parts.compared(columns) if columns else Html("")


async def propose(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> dict[str, Any]:
    """Raises AskedWrongError."""
    act, number = fields.get("act", ""), fields.get("integrated_number", "")
    if act in _ONE:
        kind = "freeze" if act == "freeze" else "propose"
        return await ask(request, whose, fields, kind, _ONE[act], integrated_number=number)
    if act in _TWO:
        other = fields.get("other", "").strip()
        if not _INTEGRATED.fullmatch(other):
            raise AskedWrongError("生きる方の統合宛名番号を 15 桁で書いてください")
        two = {"integrated_number": number, "other_integrated_number": other}
        return await ask(request, whose, fields, "propose", _TWO[act], **two)
    if act != "split":
        raise AskedWrongError("どうするかを選んでください")
    return await ask(request, whose, fields, "propose", "/v1/links/split", integrated_number=number, **_split(fields))


def _split(fields: Mapping[str, str]) -> dict[str, Any]:
    """Who leaves, for whom, what is right of them, and since when it was wrong. Raises AskedWrongError."""
    named = [name.split("-", 1)[1].rpartition("-") for name in fields if name.startswith(f"{_ADDRESSEE}-")]
    other = fields.get("split_to", "").strip()
    if not named or (other and not _INTEGRATED.fullmatch(other)):
        raise AskedWrongError("分ける宛名番号を選んでください。統合宛名番号は 15 桁か、空です")
    wrong = _midnight(fields["wrong_since"]) if fields.get("wrong_since") else None
    right = {name: text for name in review_parts.ITEMS if (text := fields.get(f"{_RIGHT}-{name}", "").strip())}
    return {
        "addressees": [{"business_system": system, "addressee_number": number} for system, _, number in named],
        "other_integrated_number": other,
        "individual_number_goes": bool(fields.get("individual_number_goes")),
        **({"wrong_since": wrong} if wrong else {}),
        **({"right": right} if right else {}),
    }


def _midnight(day: str) -> str:
    """The beginning of a day in Japan, as an instant. Raises AskedWrongError."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), JST).isoformat()
    except ValueError:
        raise AskedWrongError("日付は 2022-10-03 のように書いてください") from None


async def recipients(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Every agency that was given data under this number since a day, and whose results we were given. Raises AskedWrongError."""
    wanted = {"integrated_number": fields.get("integrated_number", ""), "since": _midnight(fields.get("since", ""))}
    found = await ask(request, whose, fields, "look", "/v1/persons/recipients", **wanted)
    times = Counter(str(one.get("inquirer")) for one in found["recipients"])
    told = [(name_of(request, agency), f"{times[agency]} 回") for agency in found["agencies"]]
    answers = Counter(str(one.get("provider")) for one in found["received"])
    ours = [
        (f"当機関が受け取った結果 (正すもの): {name_of(request, agency)}", f"{answers[agency]} 件")
        for agency in sorted(answers)
    ]
    rows = (told or [("渡った機関はありません", "")]) + ours
    given_to = REVIEWS.fill(
        "recipients",
        rows=joined(REVIEWS.fill("fact", name=name, value=value) for name, value in rows),
        unreadable=found["unreadable"],
    )
    return await page(request, whose, fields, Html(""), given_to)


async def show(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await page(request, whose, fields, Html(""))
