"""What every page of the terminal shares: who sits there, the frame, the form that was sent, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from aiohttp import web

from codebook.layouts import Layout
from gateway.intermediate_server.provision.withholding import WITHHELD
from gateway.pages.templates import Html, Templates, joined, load
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.terminal.behind import Behind
from gateway.terminal.record_form import NULLS
from gateway.terminal.sessions import Seat, Seats, Written
from gateway.topology import Topology
from permission_lists.model import PermissionList
from transport.clock import JST

PAGES: Final[Templates] = load("gateway.terminal")
NAME: Final = "localhost"
"""What browsers let cards speak to without TLS; the address itself is turned away, so that there is one origin."""
_ROOMS: Final = (
    "inquiry", "people", "reviews", "business", "copies", "held", "bars", "grants", "accounts", "keys", "jobs", "codes", "statistics", "notices",
    "card",
)  # fmt: skip

_NULLS: Final = {**{reason.value: text for reason, text in NULLS.items()}, WITHHELD: "提供者が出さないとした"}
"""Reasons of null that people read; every other one is shown as its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """接続端末 of one agency. `listed`: the permission list that counts on a day; `layouts`: those of the agency; `card`: where a member's
    key-file card lies.
    """

    port: int
    agency: str
    agency_name: str
    topology: Topology
    layouts: tuple[Layout, ...]
    behind: Behind
    seats: Seats
    today: Callable[[], date]
    listed: Callable[[date], PermissionList]
    card: Callable[[str], Path]

    @property
    def origin(self) -> str:
        return f"http://{NAME}:{self.port}"

    @property
    def cookie(self) -> str:
        """Cookies do not tell ports apart; the name does, so that two terminals on one machine leave one another alone."""
        return f"seat-{self.port}"


TERMINAL: web.AppKey[Terminal] = web.AppKey("terminal", Terminal)


class AskedWrongError(Exception):
    """The form says something that cannot be done; the text is for the person who sent it."""


class NotOursError(Exception):
    """A form that this person was not given."""


class SessionOverError(Exception):
    """The session of whoever sent this has ended by itself, here or in another window."""


def cookie(request: web.Request) -> str | None:
    return request.cookies.get(request.app[TERMINAL].cookie)


def seat(request: web.Request) -> Seat:
    """Who sits at the browser that asks. Raises HTTPSeeOther to the log-in page when nobody does."""
    found = request.app[TERMINAL].seats.of(cookie(request))
    if found is None:
        raise web.HTTPSeeOther("/login")
    return found


async def form(request: web.Request) -> tuple[Seat, Mapping[str, str]]:
    """The fields of a form that this person was given. Raises NotOursError, SessionOverError."""
    whose, fields = await _sent(request)
    if whose is request.app[TERMINAL].seats.ended(cookie(request)):
        raise SessionOverError
    return whose, fields


async def _sent(request: web.Request) -> tuple[Seat, Mapping[str, str]]:
    """The same of somebody whose session may be over. Raises NotOursError."""
    whose = request.app[TERMINAL].seats.ended(cookie(request)) or seat(request)
    fields = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    if not whose.form_is_ours(fields.get("form_key", "")):
        raise NotOursError
    return whose, fields


Page: TypeAlias = Callable[[web.Request, Seat, Mapping[str, str], Html], Awaitable[web.Response]]
Sent: TypeAlias = Callable[[web.Request, Seat, Mapping[str, str]], Awaitable[web.Response]]
NOT_REACHABLE: Final = "サーバーに接続できません。少し待ってやり直してください"
OVER: Final = frozenset({"session_ended", "session_missing"})
_ENDS_HERE: Final = OVER | {"password_change_needed"}


def keeping(page: Page) -> Callable[[Sent], Callable[[web.Request], Awaitable[web.Response]]]:
    """A form that cannot be carried out comes back as it was filled in, with what hindered it.

    When the session is over it waits for the same person to log in again: in this process's memory, nowhere else.
    """

    def of(sent: Sent) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def carried_out(request: web.Request, whose: Seat, fields: Mapping[str, str]) -> web.Response:
            try:
                return await sent(request, whose, fields)
            except NotReachableError:
                return await page(request, whose, fields, bad(NOT_REACHABLE))
            except (AskedWrongError, RefusedError) as hindrance:
                if isinstance(hindrance, RefusedError) and hindrance.reason in _ENDS_HERE:
                    raise
                return await page(request, whose, fields, bad(str(hindrance)))

        async def handle(request: web.Request) -> web.Response:
            whose, fields = await _sent(request)
            try:
                await form(request)
                response = await carried_out(request, whose, fields)
            except (SessionOverError, RefusedError, NotReachableError):
                whose.written = Written(page=page, fields=fields)
                raise
            whose.written = None
            return response

        return handle

    return of


def frame(
    request: web.Request, title: str, body: Html, *, room: str = "", said: Html | None = None, status: int = 200
) -> web.Response:
    """A whole page around a body."""
    terminal = request.app[TERMINAL]
    whose = terminal.seats.of(cookie(request))
    navigation = Html("")
    if whose is not None:
        here = {name: Html('aria-current="page"') if name == room else Html("") for name in _ROOMS}
        navigation = PAGES.fill("navigation", staff_id=whose.staff_id, form_key=whose.form_key, **here)
    page = PAGES.fill(
        "frame", title=title, agency=terminal.agency_name, navigation=navigation, message=said or Html(""), body=body
    )
    return web.Response(text=page, content_type="text/html", status=status)


def to(place: str) -> web.Response:
    """On to another page."""
    return web.Response(status=303, headers={"Location": place})


def good(text: str) -> Html:
    return PAGES.fill("good", text=text)


def bad(text: str) -> Html:
    return PAGES.fill("bad", text=text)


def name_of(request: web.Request, agency: Any) -> str:
    """An agency by its name; one that the topology does not know by what it is called."""
    found = request.app[TERMINAL].topology.agencies.get(str(agency))
    return found.name if found is not None else str(agency or "")


def local_time(text: Any) -> str:
    """An instant as people here read it; what is none stays as it is."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(JST).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(text or "")


def checked(fields: Mapping[str, str], name: str) -> Html:
    return Html("checked") if fields.get(name) else Html("")


def options(choices: Mapping[str, str], selected: str = "") -> Html:
    """Value → text, as the options of a list."""
    return joined(
        PAGES.fill("option", value=value, text=text, selected=Html("selected") if value == selected else Html(""))
        for value, text in choices.items()
    )


def records(found: Iterable[Any]) -> Html:
    """Records of an answer, item by item; an item without a value says why. What is no record is left out: a peer may say anything."""
    return joined(
        PAGES.fill(
            "record",
            data_set=one.get("data_set", ""),
            version=one.get("version", ""),
            rows=item_rows(dict(sorted(one["items"].items()))),
        )
        for one in found
        if isinstance(one, Mapping) and isinstance(one.get("items"), Mapping)
    )


def item_rows(items: Mapping[str, Any]) -> Html:
    """The items of one record, in the order in which they come."""
    return joined(_row(str(name), said) for name, said in items.items())


def _row(name: str, said: Any) -> Html:
    value, tone = said_of(said)
    return PAGES.fill("record_row", name=name, value=value, tone=tone)


def said_of(said: Any) -> tuple[Any, str]:
    """What an item says, or why it says nothing, and the tone in which that is shown."""
    if not isinstance(said, Mapping):
        return said, ""
    if "value" in said:
        return said["value"], ""
    why = str(said.get("null_reason", ""))
    return f"（値なし: {_NULLS.get(why, why)}）", "soft"
