"""Log-in with both factors, log-out, and the registration of a card that a browser speaks to (SC-10).

The card is a key file on this machine under its passphrase, or a security key at the browser (WebAuthn). What was typed is used once and kept nowhere.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from gateway import staff_cards
from gateway.intermediate_server.staff.people import STAFF_ID, Purpose
from gateway.pages.templates import Html
from gateway.staff_calls import RefusedError
from gateway.staff_cards import CardFileError
from gateway.terminal.rooms import (
    PAGES,
    TERMINAL,
    AskedWrongError,
    NotOursError,
    bad,
    cookie,
    form,
    frame,
    good,
    options,
    seat,
    to,
)

REASONS: Final = {
    Purpose.HELD_REVIEW.value: "照会と保留中の提供の確認",
    Purpose.INSPECTION.value: "点検",
    Purpose.DISCLOSURE.value: "開示請求への対応",
    Purpose.COMPLAINT.value: "苦情への対応",
    Purpose.INCIDENT.value: "事故への対応",
    Purpose.ADMINISTRATION.value: "管理",
}
_NO_SIGNATURE: Final = base64.b64encode(bytes(64)).decode()
_WRONG: Final = "職員 ID、パスワード、職員証のどれかが正しくないか、利用を止められています"


_OVER: Final = "ログインの期限が切れました。もう一度ログインしてください"
_KEPT: Final = "。書いたものは、同じ職員がログインすると戻ります（1 時間まで）"


async def get_login(request: web.Request) -> web.Response:
    return _page(request, _over(request))


def over(request: web.Request) -> web.Response:
    """In place of a page whose session has ended by itself."""
    return _page(request, _over(request) or bad(_OVER), 401)


def _over(request: web.Request) -> Html | None:
    ended = request.app[TERMINAL].seats.ended(cookie(request))
    return None if ended is None else bad(_OVER + (_KEPT if ended.written else ""))


def _page(request: web.Request, said: Html | None, status: int = 200) -> web.Response:
    ended = request.app[TERMINAL].seats.ended(cookie(request))
    body = PAGES.fill(
        "login",
        reasons=options(REASONS),
        agency=request.app[TERMINAL].agency,
        staff_id=ended.staff_id if ended else "",
    )
    return frame(request, "ログイン", body, said=said, status=status)


async def get_again(request: web.Request) -> web.Response:
    """What was typed when the session before ended, filled in again. Nothing has been sent yet."""
    whose = seat(request)
    if whose.written is None:
        return to("/inquiry")
    told = good("書いていたものを戻しました。まだ送っていません")
    response: web.Response = await whose.written.page(request, whose, whose.written.fields, told)
    response.set_status(200)
    return response


async def post_login(request: web.Request) -> web.Response:
    """With a key file. Whatever is wrong, the page says the same."""
    given = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    staff_id = given.get("staff_id", "")
    try:
        shown = await _proof(request, staff_id, given, "log_in")
        taken, place = await _seated(request, staff_id, shown, given.get("reason", ""))
        return _with_cookie(request, to(place), taken)
    except CardFileError:
        await _count_wrong_card(request, staff_id, given)
        return _page(request, bad(_WRONG), 401)
    except RefusedError as no:
        if no.reason != "login_refused":
            raise
        return _page(request, bad(_WRONG), 401)


async def _count_wrong_card(request: web.Request, staff_id: str, given: Mapping[str, str]) -> None:
    """A card that does not open here is an attempt like any other: the server records and counts it (SC-10, SC-12)."""
    if STAFF_ID.fullmatch(staff_id):
        challenge, _ = await _challenge(request, staff_id, "log_in")
        shown = {"password": given.get("password", ""), "challenge": challenge, "signature": _NO_SIGNATURE}
        item = {"staff_id": staff_id, "proof": shown, "reason": Purpose.HELD_REVIEW.value, "reference": ""}
        with suppress(RefusedError):
            await request.app[TERMINAL].behind.first("/staff/log-in", item)


async def _proof(request: web.Request, staff_id: str, given: Mapping[str, str], purpose: str) -> dict[str, Any]:
    """Both factors with the key file's card. Raises CardFileError."""
    terminal = request.app[TERMINAL]
    if not STAFF_ID.fullmatch(staff_id):
        raise CardFileError
    path = terminal.card(staff_id)
    card = await asyncio.to_thread(staff_cards.open_card, path, terminal.agency, staff_id, given.get("passphrase", ""))
    challenge, _ = await _challenge(request, staff_id, purpose)
    return staff_cards.proof(card, terminal.agency, staff_id, given.get("password", ""), purpose, challenge)


async def proof(request: web.Request, staff_id: str, given: Mapping[str, str], purpose: str) -> dict[str, Any]:
    """Both factors of somebody who has logged in, anew for one purpose: the key file's card, or what a browser's card has signed. Raises AskedWrongError."""
    if given.get("webauthn"):
        return {
            "password": given.get("password", ""),
            "challenge": given.get("challenge", ""),
            "webauthn": _object(given["webauthn"]),
        }
    try:
        return await _proof(request, staff_id, given, purpose)
    except CardFileError:
        raise AskedWrongError(_WRONG) from None


async def _challenge(request: web.Request, staff_id: str, purpose: str) -> tuple[str, list[str]]:
    """A challenge, and the origins at which a browser's card may answer one."""
    item = {"staff_id": staff_id, "purpose": purpose}
    found = await request.app[TERMINAL].behind.first("/staff/challenges", item)
    return str(found["challenge"]), [str(one) for one in found.get("origins", ())]


async def _seated(request: web.Request, staff_id: str, shown: Mapping[str, Any], reason: str) -> tuple[str, str]:
    """Open the session at the intermediate server: the cookie for the browser, and where to go on."""
    terminal = request.app[TERMINAL]
    item = {"staff_id": staff_id, "proof": shown, "reason": reason if reason in REASONS else "", "reference": ""}
    opened = await terminal.behind.first("/staff/log-in", item)
    taken, gone = terminal.seats.take(staff_id, str(opened["session"]), cookie(request))
    for left in gone:
        with suppress(RefusedError):  # it has ended by itself
            await terminal.behind.ask("/staff/log-out", [{}], left.token)
    whose = terminal.seats.of(taken)
    return taken, "/again" if whose is not None and whose.written else "/inquiry"


def _with_cookie(request: web.Request, response: web.Response, taken: str) -> web.Response:
    response.set_cookie(request.app[TERMINAL].cookie, taken, httponly=True, samesite="Strict", path="/")
    return response


async def get_password(request: web.Request) -> web.Response:
    return frame(request, "パスワード", PAGES.fill("password", form_key=seat(request).form_key), room="card")


async def post_password(request: web.Request) -> web.Response:
    """A new password against both factors; every session ends with the old one."""
    whose, given = await form(request)
    terminal = request.app[TERMINAL]
    if given.get("new_password", "") != given.get("again", ""):
        raise AskedWrongError("新しいパスワードの二度の入力が違います")
    shown = await proof(request, whose.staff_id, given, "password")
    item = {"proof": shown, "new_password": given.get("new_password", "")}
    await terminal.behind.first("/staff/password", item, whose.token)
    terminal.seats.end(cookie(request))
    return _page(request, good("パスワードを変えました。新しいパスワードでログインしてください"))


async def post_logout(request: web.Request) -> web.Response:
    """The session ends at the intermediate server first; while that is away, the seat stays and says so."""
    terminal = request.app[TERMINAL]
    whose, _ = await form(request)
    await terminal.behind.ask("/staff/log-out", [{}], whose.token)
    terminal.seats.leave(cookie(request))
    response = to("/login")
    response.del_cookie(terminal.cookie, path="/")
    response.headers["Clear-Site-Data"] = '"cache"'  # what the back button would show; cookies would be every port's
    return response


# --- with a browser's card: JSON, since a script speaks to the card


async def post_login_challenge(request: web.Request) -> web.Response:
    given = await _json(request)
    return await challenge_for_card(request, str(given.get("staff_id", "")), "log_in")


async def challenge_for_card(request: web.Request, staff_id: str, purpose: str) -> web.Response:
    """A challenge for a browser's card. Raises AskedWrongError where none can answer it."""
    challenge, origins = await _challenge(request, staff_id, purpose)
    if request.app[TERMINAL].origin not in origins:
        raise AskedWrongError(_not_here(request))
    return web.json_response({"challenge": challenge})


async def post_login_web(request: web.Request) -> web.Response:
    given = await _json(request)
    shown = {name: given.get(name) for name in ("password", "challenge", "webauthn")}
    taken, place = await _seated(request, str(given.get("staff_id", "")), shown, str(given.get("reason", "")))
    return _with_cookie(request, web.json_response({"place": place}), taken)


def _not_here(request: web.Request) -> str:
    return (
        f"この画面のアドレス {request.app[TERMINAL].origin} では、端末にかざす職員証を使えません。"
        "中間サーバーの設定 staff_origins にないアドレスです。鍵ファイルの職員証を使うか、管理者に知らせてください"
    )


async def get_card(request: web.Request) -> web.Response:
    whose = seat(request)
    _, origins = await _challenge(request, whose.staff_id, "register")
    if request.app[TERMINAL].origin not in origins:
        return frame(request, "職員証", PAGES.fill("no_card"), said=bad(_not_here(request)), room="card")
    return frame(request, "職員証", PAGES.fill("card", form_key=whose.form_key), room="card")


async def post_card_options(request: web.Request) -> web.Response:
    whose, _ = seat(request), await own_json(request)
    return web.json_response(await request.app[TERMINAL].behind.first("/staff/cards", {}, whose.token))


async def post_card_register(request: web.Request) -> web.Response:
    """Enrol a browser's card: both factors that the person has now, and what the new card made of the server's challenge."""
    whose, given = seat(request), await own_json(request)
    words = {name: str(given.get(name, "")) for name in ("password", "passphrase")}
    shown = await proof(request, whose.staff_id, words, "register")
    item = {"proof": shown, "registration": given.get("registration")}
    return web.json_response(await request.app[TERMINAL].behind.first("/staff/cards", item, whose.token))


async def _json(request: web.Request) -> Mapping[str, Any]:
    return _object(await request.read())


def _object(text: str | bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise AskedWrongError("送られたものが正しい形ではありません")
    return given


async def own_json(request: web.Request) -> Mapping[str, Any]:
    """JSON of a page that this person was given. Raises NotOursError."""
    given = await _json(request)
    if not seat(request).form_is_ours(str(given.get("form_key", ""))):
        raise NotOursError
    return given
