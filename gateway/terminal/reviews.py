"""保留と決裁 at the screen: a row that may be somebody else's beside the people who are held, proposed by one and approved by another (LS-1.3, SC-18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.pages.templates import Html
from gateway.terminal import links, review_parts
from gateway.terminal.review_parts import REVIEWS, ROOM, Column, ask, hidden
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    bad,
    checked,
    frame,
    good,
    keeping,
    local_time,
    options,
    seat,
)
from gateway.terminal.sessions import Seat

_WHY: Final = {
    "four_items_differ": "四情報が違う",
    "individual_number_differs": "個人番号が違う",
    "individual_number_taken": "個人番号がほかの人のもの",
    "individual_number_former": "前に使われていた個人番号",
    "not_in_resident_network": "住民基本台帳ネットワークにない",
    "number_of_a_household_member": "世帯の別の人の個人番号",
    "number_on_two_people": "一つの個人番号が二人にある",
    "age_against_affair": "年齢が事務に合わない",
    "person_frozen": "結び付きを確かめている (凍結中の) 人",
    "addressee_ended": "外された宛名番号",
    "replaced_by_another_persons": "代わる宛名番号がほかの人のもの",
    "replaced_by_ended": "代わる宛名番号が外されている",
    "integrated_number_taken": "統合宛名番号がほかの人のもの",
    "integrated_number_differs": "統合宛名番号が違う",
    "held_by_other_systems": "ほかの業務システムにもいる人の記載の取消し",
    "event_after_death": "死亡のあとの異動",
    "event_before_birth": "出生より前の異動",
    "already_registered": "登録のある人の出生",
}
_OPEN: Final = ("proposed", "approved", "withdrawing", "applied")
_MOST: Final = 200
_ACTIONS: Final = ("link", "keep_as_new", "refuse")
_ACTS: Final = {"approve": "承認しました", "reject": "却下しました", "withdraw": "提案を取り下げました"}


async def get_reviews(request: web.Request) -> web.Response:
    return await entrance(request, seat(request), {}, Html(""))


async def entrance(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    """Where affair and reason are stated."""
    behind = request.app[TERMINAL].behind
    affairs = [one for one in (await behind.get("/v1/affairs"))["items"] if one["all_people"]]
    if not affairs:
        told = bad("この業務システムには、同一人を確かめる事務がありません")
        return frame(request, "同一人の確認", Html(""), said=told, room=ROOM, status=403)
    body = REVIEWS.fill(
        "entrance",
        form_key=whose.form_key,
        system=behind.client.id,
        affairs=options({one["affair"]: one["name"] for one in affairs}, fields.get("affair", "")),
        reason=fields.get("reason", ""),
        number=fields.get("number") or fields.get("integrated_number", ""),
    )
    return frame(request, "同一人の確認", body, room=ROOM, said=said, status=400 if said else 200)


@keeping(entrance)
async def post_reviews(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Open holds and open decisions, each page by page; without anybody's data."""
    seen = {name: fields.get(name, "") for name in ("after", "decisions_after")}
    holds = await ask(request, whose, fields, "list", "/v1/holds", limit=_MOST, after=seen["after"])
    decisions = await ask(
        request, whose, fields, "list", "/v1/links/decisions", states=_OPEN, limit=_MOST, after=seen["decisions_after"]
    )
    said = hidden(whose, fields)

    def more(what: str, name: str, after: str | None) -> Html:
        """The next page of one list, beside the page of the other that is shown."""
        return REVIEWS.fill("more", stated=said, what=what, **seen | {name: after}) if after else Html("")

    body = REVIEWS.fill(
        "lists",
        open=holds["open"],
        more_holds=more("次の保留", "after", holds["after"]),
        holds=review_parts.table(
            "hold_table", holds["items"], lambda one: _hold_row(one, said), _empty("保留はありません")
        ),
        more_decisions=more("次の決裁", "decisions_after", decisions["after"]),
        decisions=review_parts.table(
            "decision_table",
            decisions["items"],
            lambda one: _decision_row(one, said),
            _empty("決裁を待つものはありません"),
        ),
    )
    return frame(request, "保留と決裁", body, room=ROOM)


def _empty(text: str) -> Html:
    return PAGES.fill("empty", text=text)


def _hold_row(one: Mapping[str, Any], said: Html) -> Html:
    return REVIEWS.fill(
        "hold_row",
        stated=said,
        hold_id=one["hold_id"],
        system=one["business_system_id"],
        why=_WHY.get(one["reason"], one["reason"]) + ("（提案あり）" if one.get("decision_id") else ""),
        differing="、".join(told for name, told in review_parts.ITEMS.items() if name in one["differing"]),
        held_at=local_time(one["held_at"]),
    )


def _decision_row(one: Mapping[str, Any], said: Html) -> Html:
    return REVIEWS.fill(
        "decision_row",
        stated=said,
        decision_id=one["decision_id"],
        kind=review_parts.KINDS.get(one["kind"], one["kind"]),
        state=review_parts.state(one["state"]),
        proposed_by=one["proposed_by"],
        proposed_at=local_time(one["proposed_at"]),
    )


# --- one hold


async def _hold(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    one = await ask(request, whose, fields, "look", "/v1/holds/show", hold_id=fields.get("hold_id", ""))
    sent = Column(one["sent"], title="送られたもの", more=one["business_system"])
    held = [_column(each) for each in one["held"]]
    open_one = one.get("decision")
    body = REVIEWS.fill(
        "hold",
        system=one["business_system"],
        addressee_number=one["addressee_number"],
        why=_WHY.get(one["reason"], one["reason"]),
        held_at=local_time(one["held_at"]),
        compared=review_parts.compared([sent, *held]),
        decide=review_parts.decision(whose, fields, open_one) if open_one else _propose_form(whose, fields, one),
        back=review_parts.back(whose, fields),
    )
    return frame(request, "保留の内容", body, room=ROOM, said=said, status=400 if said else 200)


def _column(one: Mapping[str, Any]) -> Column:
    told = [
        "個人番号の人" if one["has_the_individual_number"] else "",
        "この個人番号を前に持っていた人" if one["had_the_individual_number"] else "",
        "宛名番号の人" if one["has_the_addressee_number"] else "",
        "凍結中" if one["frozen"] else "",
    ]
    return Column(one, title=f"台帳 {one['integrated_number']}", more="、".join(filter(None, told)))


def _propose_form(whose: Seat, fields: Mapping[str, str], one: Mapping[str, Any]) -> Html:
    if one["state"] != "open":
        return _empty("この保留は決まっています")
    people = {each["integrated_number"]: f"{each['integrated_number']} の人" for each in one["held"]}
    return REVIEWS.fill(
        "propose_hold",
        stated=hidden(whose, fields),
        hold_id=one["hold_id"],
        people=options(people, fields.get("person", "")),
        **{name: _chosen(fields, name) for name in _ACTIONS},
        **{name: checked(fields, name) for name in ("individual_number_goes", "items_go")},
    )


def _chosen(fields: Mapping[str, str], action: str) -> Html:
    return Html("checked") if fields.get("action") == action else Html("")


async def _show_hold(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _hold(request, whose, fields, Html(""))


post_hold: Final = keeping(entrance)(_show_hold)


@keeping(_hold)
async def post_propose(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    if fields.get("action") not in _ACTIONS:
        raise AskedWrongError("どうするかを選んでください")
    made = await ask(
        request,
        whose,
        fields,
        "propose",
        "/v1/holds/decide",
        hold_id=fields.get("hold_id", ""),
        action=fields["action"],
        integrated_number=fields.get("person", "") if fields["action"] == "link" else "",
        individual_number_goes=bool(fields.get("individual_number_goes")),
        items_go=bool(fields.get("items_go")),
    )
    return await _decided(request, whose, fields, made, good("提案しました。別の職員が承認すると行われます"))


# --- one decision


async def _decided(
    request: web.Request, whose: Seat, fields: Mapping[str, str], made: Mapping[str, Any], said: Html
) -> web.Response:
    """A decision with the people whom it is about."""
    body = REVIEWS.fill(
        "decided",
        people=await links.people_of(request, whose, fields, made),
        decision=review_parts.decision(whose, fields, made),
        back=review_parts.back(whose, fields),
    )
    return frame(request, "決裁", body, room=ROOM, said=said)


async def _decision(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    """As it stands now; of a hold that is open, the hold with it."""
    made = await ask(request, whose, fields, "look", "/v1/links/show", decision_id=fields.get("decision_id", ""))
    if made.get("hold_id") and made["state"] == "proposed":
        return await _hold(request, whose, {**fields, "hold_id": made["hold_id"]}, said)
    response = await _decided(request, whose, fields, made, said)
    response.set_status(400 if said else 200)
    return response


async def _show_decision(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _decision(request, whose, fields, Html(""))


post_decision: Final = keeping(entrance)(_show_decision)


@keeping(_decision)
async def post_settle(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Approve exactly what was shown, reject it, or withdraw one's own."""
    act = fields.get("act", "")
    if act not in _ACTS:
        raise AskedWrongError("承認するか却下するかを選んでください")
    family = "holds" if fields.get("kind", "").startswith("hold_") else "links"
    shown = {"content_hash": fields.get("content_hash", "")} if act == "approve" else {}
    made = await ask(
        request, whose, fields, act, f"/v1/{family}/{act}", decision_id=fields.get("decision_id", ""), **shown
    )
    return await _decided(request, whose, fields, made, good(_ACTS[act]))


@keeping(links.page)
async def post_link(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Propose to link, merge, split or release; freezing is done at once."""
    made = await links.propose(request, whose, fields)
    told = "凍結しました" if made["kind"] == "freeze" else "提案しました。別の職員が承認すると行われます"
    return await _decided(request, whose, fields, made, good(told))


post_person: Final = keeping(entrance)(links.show)
post_recipients: Final = keeping(links.page)(links.recipients)
