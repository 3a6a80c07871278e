"""A terminal's own server in front of the running servers, and a browser in front of it, without its scripts."""

from __future__ import annotations

import base64
import html
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from fido2.utils import websafe_decode

from gateway import staff_calls, staff_cards
from gateway.client_calls import Client
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from gateway.terminal.behind import Behind
from gateway.terminal.rooms import Terminal
from gateway.terminal.server import HOST, application
from gateway.terminal.sessions import Seats
from permission_lists.versions import legal_day
from storage.reference_data import read_layouts, read_permission_list
from tests.support.running_system import INSURANCE, RESIDENTS
from tests.support.soft_authenticator import SoftAuthenticator

FORM_KEY = re.compile(r'name="form_key" value="([^"]+)"')


@dataclass
class Browser:
    """A browser at the terminal: it keeps cookies and follows redirections. `text`: the page it shows."""

    base: str
    session: aiohttp.ClientSession
    text: str = ""
    seen: list[str] = field(default_factory=list)

    async def get(self, path: str) -> int:
        async with self.session.get(self.base + path) as answer:
            self.text, self.seen = await answer.text(), [*self.seen, str(answer.url)]
            return answer.status

    async def post(self, path: str, *, origin: str = "", **fields: str) -> int:
        given = {"form_key": self.form_key, **fields}
        headers = {"Origin": origin or self.base}
        async with self.session.post(self.base + path, data=given, headers=headers) as answer:
            self.text, self.seen = await answer.text(), [*self.seen, str(answer.url)]
            return answer.status

    async def send(self, path: str, body: dict) -> tuple[int, dict]:
        async with self.session.post(self.base + path, json=body, headers={"Origin": self.base}) as answer:
            return answer.status, await answer.json()

    @property
    def form_key(self) -> str:
        found = FORM_KEY.search(self.text)
        return found.group(1) if found else ""

    def field(self, name: str) -> str:
        found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', self.text)
        assert found, name
        return html.unescape(found.group(1))

    def all(self, name: str) -> list[str]:
        """Every value that a hidden field of this name has."""
        return [html.unescape(one) for one in re.findall(rf'name="{name}" value="([^"]*)"', self.text)]

    @property
    def said(self) -> str:
        return " ".join(html.unescape(one) for one in re.findall(r'class="message[^>]*>([^<]*)', self.text))


@asynccontextmanager
async def at_the_terminal(
    job, *, agency: str = WARD, client: str = RESIDENTS, port: int = 0, cookies: aiohttp.CookieJar | None = None
):
    """The terminal's own server, and a browser in front of it. `cookies`: of a browser that has been elsewhere."""
    running = job.system.running
    data = running.data
    terminal = Terminal(
        port=port or job.terminal_port,
        agency=agency,
        agency_name=running.topology.agencies[agency].name,
        topology=running.topology,
        layouts=read_layouts(),
        behind=Behind(
            staff=staff_calls.party(data, agency),
            client=Client.of(data, client),
            jobs=Client.of(data, "kanri") if agency == WARD else None,
            business=Client.of(data, INSURANCE) if agency == WARD else None,
        ),
        seats=Seats(),
        today=lambda: legal_day(DEMO_DAY),
        listed=read_permission_list,
        card=lambda staff_id: data.staff_card(agency, staff_id),
    )
    runner = web.AppRunner(application(terminal), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, terminal.port).start()
    try:
        async with aiohttp.ClientSession(cookie_jar=cookies or aiohttp.CookieJar(unsafe=True)) as session:
            yield Browser(base=terminal.origin, session=session)
    finally:
        await runner.cleanup()


def known(job, staff_id: str, agency: str = WARD) -> staff_cards.StaffSecrets:
    found = staff_cards.read_secrets(job.system.running.data.staff_secrets(agency, staff_id))
    assert found is not None
    return found


async def enter(
    browser: Browser, job, staff_id: str = "staff-1", changes: dict[str, str] | None = None, agency: str = WARD
) -> int:
    knows = known(job, staff_id, agency)
    fields = {"staff_id": staff_id, "password": knows.password, "passphrase": knows.passphrase, "reason": "held_review"}
    return await browser.post("/login", **{**fields, **(changes or {})})


def account_choice(text: str) -> str:
    """The choice that asks 内閣総理大臣 for the account under item 42."""
    return next(one for one in re.findall(r'<option value="([^"]+)"', text) if one.startswith("naikaku||42|"))


async def ask(browser: Browser, job, person, *, opened: str = "", **changes: str) -> int:
    """`opened`: the page of a form that was opened before."""
    browser.text = opened
    if not opened:
        await browser.get("/inquiry")
    fields = {
        "once": browser.field("once"),
        "addressee_number": job.system.number(RESIDENTS, person),
        "choice": account_choice(browser.text),
        "items": "",
        "purpose": "還付のため",
    }
    return await browser.post("/inquiry", **{**fields, **changes})


async def end_sessions(job, staff_id: str) -> None:
    async with job.system.administrator() as connection:
        await connection.execute(
            "update a_setagaya_intermediate.staff_session set ended_at = now(), mark = null where staff_id = $1",
            staff_id,
        )


async def with_card(browser: Browser, factors: dict[str, str]) -> SoftAuthenticator:
    """A browser's card, enrolled for whoever has logged in."""
    card = SoftAuthenticator(origin=browser.base)
    await browser.get("/card")
    _, asked = await browser.send("/card/options", {"form_key": browser.form_key})
    made = card.register(websafe_decode(asked["options"]["publicKey"]["challenge"]))
    status, _ = await browser.send("/card/register", {**factors, "form_key": browser.form_key, "registration": made})
    assert status == 200
    return card


async def enter_by_card(browser: Browser, card: SoftAuthenticator, staff_id: str, password: str) -> None:
    _, given = await browser.send("/login/challenge", {"staff_id": staff_id})
    signed = {"challenge": given["challenge"], "webauthn": card.sign(base64.b64decode(given["challenge"]))}
    entered = {"staff_id": staff_id, "password": password, "reason": "administration", **signed}
    assert (await browser.send("/login/web", entered))[0] == 200
    await browser.get("/grants")


async def by_card(
    browser: Browser, card: SoftAuthenticator, decision: dict[str, str], path: str = "/grants/challenge"
) -> dict[str, str]:
    """What the page's script adds to the form when the card has signed."""
    status, given = await browser.send(path, {**decision, "form_key": browser.form_key})
    assert status == 200
    signed = card.sign(base64.b64decode(given["challenge"]))
    return {"challenge": given["challenge"], "webauthn": json.dumps(signed), "passphrase": ""}
