"""A ward whose systems are sent changes: a receiver with TLS that keeps what it gets, and changes written as the owner of the tables writes them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import msgspec
from aiohttp import web

from gateway.linkage_server.personal_keys import PersonalKeys
from transport.tls import server_context

TOWN = "東京都世田谷区架空町一丁目2-3"
NUMBER = "123456789018"
SCOPES = ("addressees:register", "pushes:configure", "integrated-numbers:read", "persons:change")


def row(number="1", **changes):
    return {
        "addressee_number": number,
        "individual_number": NUMBER,
        "name": "架空 花子",
        "kana": "カクウ ハナコ",
        "sex": "2",
        "birth_date": "1980-04-01",
        "address": TOWN,
        "resident_kind": "住民",
    } | changes


class Receiver:
    """A business system's webhook: keeps what it was sent, and answers as it is told."""

    def __init__(self):
        self.got = []
        self.statuses = []
        self.secret = ""
        self.hung = []
        self.hanging = asyncio.Event()
        self.released = asyncio.Event()

    async def take(self, request):
        body = await request.read()
        signature = dict(part.split("=") for part in request.headers["Sekisho-Signature"].split(","))
        delivery = request.headers["Sekisho-Delivery"]
        signed = f"{signature['t']}.{delivery}.".encode() + body
        status = self.statuses.pop(0) if self.statuses else 200
        self.got.append(
            {
                "delivery": delivery,
                "status": status,
                "genuine": hmac.digest(self.secret.encode(), signed, "sha256").hex() == signature["v1"],
                "bytes": body,
                **json.loads(body),
            }
        )
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})

    async def hang(self, request):
        """Takes a push and says nothing until it is released."""
        self.hung.append(json.loads(await request.read()))
        self.hanging.set()
        await self.released.wait()
        return web.Response()

    @property
    def taken(self):
        return [one for one in self.got if one["status"] == 200]

    @asynccontextmanager
    async def running(self, identity):
        app = web.Application()
        app.router.add_post("/changes", self.take)
        app.router.add_post("/hangs", self.hang)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(identity, require_client=True)).start()
        try:
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


class Ward:
    """A ward with two systems that hold one person: kokuho, and sky2 to whom changes are pushed."""

    def __init__(self, world, caller, receiver, host):
        self.world, self.caller, self.receiver, self.host = world, caller, receiver, host
        self.keys = PersonalKeys(world.config.open_keys("setagaya").ring)

    async def post(self, path, body, *, client="sky2"):
        return await self.caller.post(path, body, token=await self.caller.token(client))

    async def get(self, path, *, client="sky2"):
        headers = {"Authorization": f"Bearer {await self.caller.token(client)}"}
        async with self.caller.client.get(f"{self.world.url}{path}", headers=headers) as response:
            return await response.json(content_type=None)

    async def target(self, *, client="sky2", **wanted):
        wanted = {"staff": "s-1", "kind": "webhook", "url": f"https://{self.host}/changes"} | wanted
        if wanted["kind"] == "folder":
            wanted.pop("url")
        answer = await self.post("/v1/push-targets", wanted, client=client)
        self.receiver.secret = answer.body.get("secret", self.receiver.secret)
        return answer

    async def load(self, *rows, client="kokuho"):
        token = await self.caller.token(client)
        answer = await self.caller.post(
            "/v1/addressees", {"items": list(rows)}, token=token, key=f"load-{client}-{rows[0]['addressee_number']}"
        )
        assert {one["outcome"] for one in answer.body["items"]} <= {"issued", "linked"}, answer

    async def number_of(self, addressee_number="1", system="kokuho"):
        (found,) = await self.world.rows(
            "select integrated_number from addressee where business_system_id = $1 and addressee_number = $2",
            system,
            addressee_number,
        )
        return found["integrated_number"]

    async def change(self, kind="address_change", *, by="kokuho", addressee_number="1", on="2026-11-01", **items):
        """A change as the owner of the tables writes it: base, event and person in one transaction under the counter's lock."""
        number = await self.number_of(addressee_number)
        held = row() | items
        four = self.keys.seal_four_items(
            msgspec.json.encode([held[name] for name in ("name", "kana", "sex", "birth_date", "address")]), number
        )
        key = hashlib.sha256(repr((kind, by, on, sorted(items.items()))).encode()).hexdigest()
        await self.world.rows(
            """
            with locked as materialized (select next from number_counter for update),
            base as (insert into person_base
                select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed
                from person, locked where integrated_number = $1 on conflict do nothing),
            event as (insert into person_event
                (event_key, integrated_number, business_system_id, addressee_number, kind, effective_on, recorded_at, applied_at, sealed, digest)
                values ($2, $1, $3, $4, $5, $6, $7, $7, '', decode($2, 'hex')))
            update person set four_items_sealed = $8, revision = nextval('person_revision') where integrated_number = $1
            """,
            number, key, by, addressee_number, kind, date.fromisoformat(on), datetime.now(UTC), four,
        )  # fmt: skip

    async def until(self, condition, what):
        for _ in range(300):
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"never: {what}")

    async def pushed(self, count):
        await self.until(lambda: len(self.receiver.taken) >= count, f"{count} pushes")
        return self.receiver.taken

    async def quiet(self):
        """Two turns of the loop after everything that is open was delivered."""

        async def idle():
            behind = await self.world.rows(
                "select 1 from push_target where state = 'on' and (person_revision < (select coalesce(max(revision), 0) from person)"
                " or addressee_revision < (select coalesce(max(revision), 0) from addressee))"
            )
            if behind:  # looked at first: what is taken in hand meanwhile is open
                return False
            return not await self.world.rows("select 1 from push_delivery where state in ('waiting', 'ready')")

        await self.until(idle, "nothing open")

    def file(self, system="sky2"):
        out = self.world.config.spool / "setagaya" / system / "changes" / "out"
        return sorted(out.glob("*.manifest.json")) if out.exists() else []


@asynccontextmanager
async def ward_of(world, **options):
    receiver = Receiver()
    await world.register(scopes=SCOPES)
    await world.register("sky2", system="sky2", scopes=SCOPES)
    await world.register("juki", system="juki", scopes=SCOPES)
    await world.register("plain", system="plain", scopes=SCOPES[:2])
    await world.register("plain-load", system="plain", scopes=SCOPES[:1])
    await world.register("kansa", system="kansa", scopes=("access-log:read",))
    async with receiver.running(world.neighbour_identity) as host:
        options = {"push_hosts": {"setagaya": [host]}, "push_first_wait_s": 0.05, "push_attempts": 4} | options
        async with world.served(**options) as caller:
            yield Ward(world, caller, receiver, host)
