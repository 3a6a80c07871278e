"""業務情報 at the screen: one person's records of one kind are seen, entered, changed and deleted, by the layout (LS-2.3).

All of it goes through the API that business systems have; the act is on record under the person's session before that (IF_STF_90062, 90063).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from codebook import layouts
from codebook.identifiers import new_sortable_id
from codebook.layouts import DataSet, Layout
from gateway.pages.templates import Html
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.terminal import record_form, record_parts
from gateway.terminal.record_form import Wrong
from gateway.terminal.record_parts import BUSINESS, context
from gateway.terminal.review_parts import stated
from gateway.terminal.rooms import (
    TERMINAL,
    AskedWrongError,
    bad,
    checked,
    form,
    frame,
    good,
    keeping,
    options,
    seat,
)
from gateway.terminal.sessions import Seat
from transport.clock import Clock

_ROOM: Final = "business"
_PATH: Final = "/v1/business-information"
_ID_PREFIX: Final = "T"
"""Of record ids that the terminal draws."""
_LOOK: Final = "/staff/desk/business-information"
_CHANGE: Final = "/staff/desk/business-information/change"
_SOMEBODY_ELSE: Final = "開いたあとで、この記録が変わっています。一覧に戻って開き直してください"


# --- looking


async def get_business(request: web.Request) -> web.Response:
    return await _entrance(request, seat(request), {}, Html(""))


async def post_about(request: web.Request) -> web.Response:
    """From a person who was found: the form with their 宛名番号. By POST, so that it stands in no address."""
    whose, fields = await form(request)
    return await _entrance(request, whose, {"addressee_number": fields.get("addressee_number", "")}, Html(""))


async def _entrance(
    request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, found: Html | None = None
) -> web.Response:
    behind = request.app[TERMINAL].behind
    try:
        system = behind.for_business().system
    except RefusedError as refused:
        return frame(request, "業務情報", Html(""), said=bad(str(refused)), room=_ROOM, status=403)
    affairs = (await behind.get_for_business("/v1/affairs"))["items"]
    body = BUSINESS.fill(
        "entrance",
        form_key=whose.form_key,
        system=system,
        affairs=options({one["affair"]: one["name"] for one in affairs}, fields.get("affair", "")),
        kinds=options({name: name for name in _kinds(request)}, fields.get("information", "")),
        editions=checked(fields, "editions"),
        found=found or Html(""),
        **{name: fields.get(name, "") for name in ("reason", "addressee_number")},
    )
    return frame(request, "業務情報", body, room=_ROOM, said=said, status=400 if said and found is None else 200)


def _kinds(request: web.Request) -> list[str]:
    """Kinds of information of which records may be made today."""
    terminal = request.app[TERMINAL]
    return sorted({one.information for one in terminal.layouts if layouts.is_valid(one, terminal.today())})


async def _list(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    """The records, a page at a time."""
    number, information = fields.get("addressee_number", "").strip(), fields.get("information", "")
    if not record_form.is_addressee_number(number) or not information:
        raise AskedWrongError("宛名番号は 1〜15 桁の数字で書き、情報を選んでください")
    wanted = {
        "addressee_number": number,
        "information": information,
        "editions": bool(fields.get("editions")),
        "after": fields.get("after", ""),
    }
    answer = await _ask(request, whose, fields, "look", f"{_PATH}/search", wanted)
    said_of = {**fields, "addressee_number": number}
    found = record_parts.found(request, whose, said_of, answer, _layout(request, fields))
    return await _entrance(request, whose, fields, said, found)


async def _looked(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _list(request, whose, fields, Html(""))


post_business: Final = keeping(_entrance)(_looked)


async def _ask(
    request: web.Request,
    whose: Seat,
    fields: Mapping[str, str],
    act: str,
    path: str,
    body: Mapping[str, Any],
    key: str | None = None,
) -> dict[str, Any]:
    """A call about business information; on record under the person's session before it."""
    said = stated(fields, whose)
    behind = request.app[TERMINAL].behind
    item = {"affair": said["affair"], "information": fields.get("information", ""), "act": act}
    await behind.first(_LOOK if act == "look" else _CHANGE, item, whose.token)
    return await behind.post_for_business(path, {**said, **body}, key)


async def _one(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> dict[str, Any]:
    """The record that a form is about, as it is now. Raises AskedWrongError when it lives no more."""
    wanted = {"record_ids": [fields.get("record_id", "")]}
    found = (await _ask(request, whose, fields, "look", f"{_PATH}/search", wanted))["items"]
    if not found or found[0]["deleted"] or found[0]["addressee_number"] != fields.get("addressee_number"):
        raise AskedWrongError("この記録はもうありません。一覧で確かめてください")
    one: dict[str, Any] = found[0]
    return one


# --- entering and changing


def _layout(request: web.Request, fields: Mapping[str, str]) -> Layout:
    """Raises AskedWrongError when nothing can be written under it today."""
    terminal = request.app[TERMINAL]
    named = fields.get("information", ""), fields.get("version", "")
    found = record_form.layout_for(terminal.layouts, *named, terminal.today())
    if found is None:
        raise AskedWrongError("この情報のレイアウトがありません")
    return found


def _data_set(layout: Layout, fields: Mapping[str, str]) -> DataSet:
    found = layout.data_sets.get(fields.get("data_set", ""))
    if found is None:
        raise AskedWrongError("データセットを選んでください")
    return found


async def _edit(
    request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html, wrong: Wrong | None = None
) -> web.Response:
    """The form of one record: as it was typed, as it is held, or empty for a new one."""
    if not fields.get("typed"):
        fields = await _opened(request, whose, fields)
    layout = _layout(request, fields)
    data_set = _data_set(layout, fields)
    body = record_parts.edit(whose, fields, layout, data_set, wrong or {})
    title = "業務情報を変える" if fields.get("edition") else "業務情報を入れる"
    return frame(request, title, body, room=_ROOM, said=said, status=400 if said else 200)


async def _opened(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> dict[str, str]:
    once = {"typed": "1", "once": secrets.token_hex(16)}
    if not fields.get("record_id"):
        now_ms = int(Clock()().timestamp() * 1000)
        drawn = new_sortable_id(_ID_PREFIX, now_ms, secrets.token_bytes(10))
        return {**fields, **once, "record_id": drawn, "edition": ""}
    one = await _one(request, whose, fields)
    held = {name: str(one[name] or "") for name in record_parts.HELD}
    return {**fields, **once, **held, **record_form.typed(one["items"])}


async def _opened_form(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    return await _edit(request, whose, fields, Html(""))


post_edit: Final = keeping(_entrance)(_opened_form)


@keeping(_edit)
async def post_save(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    """Enter or change: what the form alone shows to be wrong is told at once, the rest as the API says it."""
    layout = _layout(request, fields)
    data_set = _data_set(layout, fields)
    items = record_form.read(data_set, fields)
    wrong = record_form.wrong(layout, data_set, items, fields)
    if wrong:
        told = f"まだ送っていません。直すところが {len(wrong)} か所あります"
        return await _edit(request, whose, fields, bad(told), wrong)
    record = record_form.record(data_set, layout, items, fields)
    changing = bool(fields.get("edition"))
    if changing:
        now = await _one(request, whose, fields)
        if str(now["edition"]) != fields["edition"] and not record_form.says_the_same(now, record, layout):
            raise AskedWrongError(_SOMEBODY_ELSE)
    result = await _send(request, whose, fields, "change" if changing else "register", record)
    if result["outcome"] == "rejected":
        place, told = record_form.refusal(result)
        return await _edit(request, whose, fields, bad(f"受け付けられませんでした: {told}"), {place: told})
    done = "入れました" if not changing else "変えました"
    told = "同じ内容なので、何も変わりません" if result["outcome"] == "unchanged" else f"{done}。副本は順に送られます"
    return await _afterwards(request, whose, fields, told)


async def _afterwards(request: web.Request, whose: Seat, fields: Mapping[str, str], told: str) -> web.Response:
    """What was done, above the list; whoever may not see that is told all the same."""
    kept = record_parts.back(fields)
    try:
        return await _list(request, whose, kept, good(told))
    except (RefusedError, NotReachableError):
        return await _entrance(request, whose, kept, good(told), Html(""))


async def _send(
    request: web.Request, whose: Seat, fields: Mapping[str, str], act: str, record: Mapping[str, Any]
) -> Mapping[str, Any]:
    """One record. The same form sent again is the same act."""
    said = json.dumps([act, record], sort_keys=True).encode()
    key = whose.same_act(fields.get("once", "")[:32], said)
    answer = await _ask(request, whose, fields, act, _PATH, {"items": [{**record, "operation": act}]}, key)
    result: Mapping[str, Any] = answer["items"][0]
    return result


# --- deleting


async def _confirm(request: web.Request, whose: Seat, fields: Mapping[str, str], said: Html) -> web.Response:
    """The record that is about to be deleted, as it is now."""
    one = await _one(request, whose, fields)
    body = BUSINESS.fill(
        "confirm",
        record=record_parts.record(request, one),
        context=context(whose, fields),
        record_id=one["record_id"],
        edition=one["edition"],
        once=secrets.token_hex(16),
    )
    return frame(request, "業務情報を消す", body, room=_ROOM, said=said, status=400 if said else 200)


async def _delete(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
    if not fields.get("sure"):
        return await _confirm(request, whose, fields, Html(""))
    now = await _one(request, whose, fields)
    if str(now["edition"]) != fields.get("edition"):
        return await _confirm(request, whose, fields, bad("開いたあとで変わっています。下の内容を確かめてください"))
    names = ("record_id", "addressee_number", "information", "data_set", "version")
    result = await _send(request, whose, fields, "delete", {name: now[name] for name in names})
    if result["outcome"] == "rejected":
        _, told = record_form.refusal(result)
        return await _confirm(request, whose, fields, bad(told))
    return await _afterwards(request, whose, fields, "消しました。副本も順に消えます")


post_delete: Final = keeping(_entrance)(_delete)
