"""接続端末: server-rendered pages on loopback, for staff of one agency (IS-9, LS-1.4, LS-2.3, LS-3.1, SC-4).

It asks the two servers like anybody else; whatever it may not do there it cannot do here. A page answers its own origin alone,
runs no script but ours, is kept by no cache, and carries no number of a person in an address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.pages.templates import PAPER, Html, read
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.terminal import (
    accounts,
    bars,
    business,
    codes,
    copies,
    entrance,
    grants,
    held,
    inquiries,
    keys,
    notices,
    operations,
    people,
    reviews,
)
from gateway.terminal.rooms import (
    NAME,
    NOT_REACHABLE,
    OVER,
    PAGES,
    TERMINAL,
    AskedWrongError,
    NotOursError,
    SessionOverError,
    Terminal,
    bad,
    cookie,
    frame,
    to,
)

HOST: Final = "127.0.0.1"
_ENTRANCES: Final = ("/", "/login", "/inquiry", "/terminal.css", "/terminal.js")
_MOST_BODY: Final = 256 * 1024
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # under no-referrer a browser's form says that it comes from nowhere (Fetch, Origin)
    "Cross-Origin-Opener-Policy": "same-origin",
}
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(terminal: Terminal) -> web.Application:
    app = web.Application(middlewares=[_at_home(terminal.port), _told], client_max_size=_MOST_BODY)
    app[TERMINAL] = terminal
    app.on_response_prepare.append(_mark)
    for path, handler in (
        ("/", _home),
        ("/login", entrance.get_login),
        ("/again", entrance.get_again),
        ("/inquiry", inquiries.get_inquiry),
        ("/people", people.get_people),
        ("/reviews", reviews.get_reviews),
        ("/business", business.get_business),
        ("/copies", copies.get_copies),
        ("/held", held.get_held),
        ("/bars", bars.get_bars),
        ("/grants", grants.get_grants),
        ("/accounts", accounts.get_accounts),
        ("/keys", keys.get_keys),
        ("/jobs", operations.get_jobs),
        ("/codes", codes.get_codes),
        ("/statistics", operations.get_statistics),
        ("/notices", notices.get_notices),
        ("/card", entrance.get_card),
        ("/password", entrance.get_password),
        ("/terminal.css", _file("text/css", read(PAPER, "paper.css") + _own("terminal.css"))),
        ("/terminal.js", _file("text/javascript", _own("terminal.js"))),
    ):
        app.router.add_get(path, handler)
    for path, handler in (
        ("/login", entrance.post_login),
        ("/login/challenge", entrance.post_login_challenge),
        ("/login/web", entrance.post_login_web),
        ("/logout", entrance.post_logout),
        ("/password", entrance.post_password),
        ("/inquiry", inquiries.post_inquiry),
        ("/inquiry/about", inquiries.post_about),
        ("/inquiry/result", inquiries.post_result),
        ("/people", people.post_people),
        ("/reviews", reviews.post_reviews),
        ("/reviews/hold", reviews.post_hold),
        ("/reviews/propose", reviews.post_propose),
        ("/reviews/decision", reviews.post_decision),
        ("/reviews/settle", reviews.post_settle),
        ("/reviews/person", reviews.post_person),
        ("/reviews/link", reviews.post_link),
        ("/reviews/recipients", reviews.post_recipients),
        ("/business", business.post_business),
        ("/business/about", business.post_about),
        ("/business/edit", business.post_edit),
        ("/business/save", business.post_save),
        ("/business/delete", business.post_delete),
        ("/copies", copies.post_copies),
        ("/copies/about", copies.post_about),
        ("/held/show", held.post_show),
        ("/held/decide", held.post_decide),
        ("/bars/show", bars.post_show),
        ("/bars/person", bars.post_person),
        ("/bars/set", bars.post_set),
        ("/bars/change", bars.post_change),
        ("/grants/show", grants.post_show),
        ("/grants/ask", grants.post_ask),
        ("/grants/challenge", grants.post_challenge),
        ("/grants/decide", grants.post_decide),
        ("/grants/revoke", grants.post_revoke),
        ("/accounts/show", accounts.post_show),
        ("/accounts/propose", accounts.post_propose),
        ("/accounts/challenge", accounts.post_challenge),
        ("/accounts/decide", accounts.post_decide),
        ("/keys/show", keys.post_show),
        ("/keys/ask", keys.post_ask),
        ("/keys/challenge", keys.post_challenge),
        ("/keys/decide", keys.post_decide),
        ("/jobs", operations.post_jobs),
        ("/codes", codes.post_codes),
        ("/codes/again", codes.post_again),
        ("/jobs/retry", operations.post_retry),
        ("/statistics", operations.post_statistics),
        ("/card/options", entrance.post_card_options),
        ("/card/register", entrance.post_card_register),
    ):
        app.router.add_post(path, handler)
    return app


def _own(name: str) -> str:
    return (resources.files("gateway.terminal") / name).read_text(encoding="utf-8")


def _file(kind: str, text: str) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return answer


async def _home(_request: web.Request) -> web.Response:
    return to("/inquiry")


async def _mark(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _at_home(port: int) -> Middleware:
    """Only under our own name (no rebinding of another), and only what a page of ours asks for or sends.

    A page of another port of this machine is of the same site, so the cookie alone would let it look; entering is all it may link to.
    """
    name = f"{NAME}:{port}"

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if request.host != name:
            return web.json_response({"message": f"http://{name} を開いてください / open http://{name}"}, status=421)
        if request.method == "POST" and origin != f"http://{name}":
            return web.json_response(
                {"message": "ほかの画面からは使えません / only from a page of this terminal"}, status=403
            )
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and request.path not in _ENTRANCES:
            return to("/login")
        return await handler(request)

    return check


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What hindered an act, in words for the person at the screen. A session that is over ends the seat."""
    try:
        return await handler(request)
    except AskedWrongError as wrong:
        return _answer(request, 400, str(wrong))
    except NotOursError:
        return _answer(request, 403, "この画面の様式ではありません。もう一度開いてください")
    except NotReachableError:
        return _answer(request, 503, NOT_REACHABLE)
    except SessionOverError:
        return entrance.over(request)
    except RefusedError as refused:
        return _refused(request, refused)


def _refused(request: web.Request, refused: RefusedError) -> web.Response:
    by_script = request.content_type == "application/json"
    if refused.reason in OVER:
        request.app[TERMINAL].seats.end(cookie(request))
        if not by_script:
            return entrance.over(request)
    if refused.reason == "password_change_needed" and not by_script:
        return to("/password")
    return _answer(request, 403, str(refused))


def _answer(request: web.Request, status: int, text: str) -> web.Response:
    if request.content_type == "application/json":
        return web.json_response({"message": text}, status=status)
    whose = request.app[TERMINAL].seats.of(cookie(request))
    back = PAGES.fill("back") if whose is not None and whose.written is not None else Html("")
    return frame(request, "できませんでした", back, said=bad(text), status=status)
