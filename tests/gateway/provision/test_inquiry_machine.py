"""IS-2: an inquirer among a network and a provider in every mood, retries, pushes and time in any order. Each inquiry ends as a small model says, and

1. nothing leaves before its record is in the log, and nobody is asked before there is a permit of the core for exactly that request;
2. an inquiry ends once, and an answer comes behind the record of its permit; what is not believed is not taken in;
3. a result is read until its time and by nobody after it, when the key of its hour is gone too;
4. the log only grows.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp
from aiohttp import web
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from codebook.identifiers import new_sortable_id
from evidence.canonical import timestamp
from gateway.intermediate_server import routes
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.inquiry import driving, reading, registering
from gateway.intermediate_server.inquiry.states import ENDED, State
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock, from_row
from gateway.intermediate_server.network.wire import (
    LATE_OUTCOME,
    Outcome,
    encode_payload,
    exchange_digest,
    hexdigest,
    payload_info,
)
from gateway.intermediate_server.retention import erasing
from keys import labels
from keys.masked import Plaintext
from keys.sealing import seal
from keys.signing import Signer, generate_seed
from permission_lists.permit import read_permit
from tests.support.provider_world import BASIS, INFORMATION, INQUIRER, LIMITS, NOON, ProviderWorld, provider_world
from transport.channel import Channel, ChannelError
from transport.wire import parse_items, read_envelope

PROVIDER = INQUIRER
"""Whom this agency asks."""
CORE = st.sampled_from(["permits", "permits", "permits", "refuses", "away", "forges"])
ANSWERS = [
    "answers",
    "has nobody",
    "holds",
    "refuses",
    "network refuses",
    "away",
    "tampered",
    "stranger",
    "more than asked",
]
ANSWERER = st.sampled_from(ANSWERS)
PICK = st.integers(min_value=0, max_value=10_000)
ITEMS = ("被保険者番号",)
SAID = {"被保険者番号": {"value": "12345678"}}
AFTER = {
    "answers": State.ANSWERED, "has nobody": State.NOT_PROVIDED, "holds": State.HELD, "refuses": State.REFUSED, "network refuses": State.REFUSED,
    "away": State.PERMITTED, "tampered": State.ABORTED, "stranger": State.ABORTED, "more than asked": State.ABORTED,
}  # fmt: skip
SEALED = frozenset({"answers", "has nobody", "tampered", "stranger", "more than asked"})
ENDS = frozenset(
    {
        "inquiry.answered", "inquiry.not_provided", "inquiry.refused", "inquiry.denied", "inquiry.refused_by_provider", "inquiry.refused_by_network",
        "inquiry.aborted",
    }
)  # fmt: skip


@dataclass(kw_only=True)
class Network:
    """Core, interface system and provider as a server on loopback: what they sign is made by their own codecs, in whatever mood they are."""

    world: ProviderWorld
    mood: tuple[str, str] = ("permits", "answers")
    takes: timedelta = timedelta()
    permits: dict[str, str] = field(default_factory=dict)
    """Inquiry number → its permit: the same request is given the same one."""
    early: list[str] = field(default_factory=list)
    """Inquiries that came before their record, or without a permit of the core."""

    async def core(self, request: web.Request) -> web.Response:
        return await self._each(request, self._permit)

    async def interface(self, request: web.Request) -> web.Response:
        return await self._each(request, self._answered)

    async def _each(self, request: web.Request, answer: Any) -> web.Response:
        if "away" in (self.mood[0] if answer == self._permit else self.mood[1]):
            return web.json_response({"reason": "away"}, status=503)
        items = json.loads(await request.read())["items"]
        return web.json_response({"items": [await answer(item) for item in items], "checkpoint": None})

    async def _permit(self, item: dict[str, Any]) -> dict[str, Any]:
        request = base64.b64decode(item["request"])
        number = json.loads(request)["inquiry_number"]
        if not await self.world.entries(number):
            self.early.append(number)
        match self.mood[0]:
            case "refuses":
                return {"refused": {"reason": "not_on_the_list"}}
            case "forges":
                return {"permit": self._written(request, Signer(generate_seed()))}
        if number not in self.permits:
            self.permits[number] = self._written(request, self.world.core)
        return {"permit": self.permits[number]}

    def _written(self, request: bytes, signer: Signer) -> str:
        now, asked = self.world.now, json.loads(request)
        said = {name: value for name, value in asked.items() if name not in ("v", "expires_at")}
        claims = PermitClaims(
            **said,
            permit_id=new_sortable_id("K", int(now.timestamp() * 1000), secrets.token_bytes(10)),
            request_digest=sha256(request).hexdigest(),
            code_binding=sha256(b"nonce").hexdigest(),
            issued_at=timestamp(now),
            redeem_by=timestamp(now),
            answer_by=asked["expires_at"],
        )
        return write_permit(claims, signer)

    async def _answered(self, item: dict[str, Any]) -> dict[str, Any]:
        number = json.loads(base64.b64decode(item["request"]))["inquiry_number"]
        if self.permits.get(number) != item["permit"]:
            self.early.append(number)
        if self.mood[1] == "network refuses":
            return {"refused": {"reason": "permit_unknown"}}
        parts = [base64.b64decode(item[name]) for name in ("request", "public_key", "signature")]
        made = self.outcome(item["permit"], *parts, self.mood[1])
        self.world.now += self.takes
        return {name: None if value is None else base64.b64encode(value).decode() for name, value in made.items()}

    def outcome(
        self, permit: str, request: bytes, public: bytes, signature: bytes, mood: str
    ) -> dict[str, bytes | None]:
        """What the provider says, in this mood."""
        read = read_permit(permit, self.world.core.public_key)
        info, sealed = payload_info(read), None
        if mood in SEALED:
            items = SAID | ({"枝番": {"value": "01"}} if mood == "more than asked" else {})
            records = [{"data_set": "資格情報", "version": "0001", "items": items}]
            payload = (
                encode_payload("no_such_person", []) if mood == "has nobody" else encode_payload("answered", records)
            )
            sealed = seal(public, info, Plaintext(payload))
        dispositions = {"has nobody": "not_provided", "holds": "held", "refuses": "refused"}
        said = Outcome(
            at=timestamp(self.world.now),
            disposition=dispositions.get(mood, "provided"),
            exchange_digest=exchange_digest(permit, request, public, signature).hex(),
            info_digest=hexdigest(info),
            inquirer=read.inquirer,
            inquiry_number=read.inquiry_number,
            permit_id=read.permit_id,
            provider=read.provider,
            reason="non_disclosure" if mood == "refuses" else None,
            sealed_digest=None if sealed is None else hexdigest(sealed),
        ).encode()
        signer = Signer(generate_seed()) if mood == "stranger" else self.world.signers[PROVIDER]
        changed = sealed[:-1] + bytes([sealed[-1] ^ 1]) if sealed is not None and mood == "tampered" else sealed
        return {"outcome": said, "signature": signer.sign(labels.OUTCOME, said), "sealed": changed}


@dataclass
class Asked:
    item: registering.DeskItem
    number: str
    state: State
    answer_by: datetime
    until: datetime
    recorded: list[dict[str, Any]] = field(default_factory=list)


class InquiryMachine(RuleBasedStateMachine):
    """`world`, `agency`, `network` and `run` are the class's own: one database for all runs, new people and questions for each."""

    world: ProviderWorld
    agency: HostedAgency
    network: Network
    run: asyncio.Runner

    @initialize(core=CORE, answerer=ANSWERER)
    def begin(self, core: str, answerer: str) -> None:
        self.world.now = NOON
        self.asked: list[Asked] = []
        self.examined: dict[str, tuple[State, bool]] = {}
        self.ask(core=core, answerer=answerer)

    def teardown(self) -> None:
        """Whatever is open ends with its deadline: a key of an hour is there for as long as somebody needs it."""
        for one in getattr(self, "asked", ()):
            self.world.now = max(self.world.now, one.answer_by + timedelta(seconds=1))
            if one.state not in ENDED:
                self._drive(from_row(self.agency, self._row(one)))
                one.state = State.ABORTED
            self._examine(one, over=self.world.now >= one.until)

    # --- what the model says

    def _goes(self, state: State, overdue: bool) -> State:
        core, answerer = self.network.mood
        if overdue and state not in ENDED:
            return State.ABORTED
        if state is State.REGISTERED:
            state = {"refuses": State.REFUSED, "away": state, "forges": State.ABORTED}.get(core, State.PERMITTED)
        return AFTER[answerer] if state is State.PERMITTED else state

    # --- what happens

    @rule(core=CORE, answerer=ANSWERER)
    def ask(self, core: str, answerer: str) -> None:
        person = self.run.run(self.world.person())
        item = registering.DeskItem(
            message_id=secrets.token_hex(8), system="kokuho", actor="tanto-1", purpose="確認", integrated_number=person, provider=PROVIDER,
            item="27", information=INFORMATION, items=list(ITEMS), basis=BASIS,
        )  # fmt: skip
        self.network.mood = core, answerer
        [found] = self.run.run(registering.register(self.agency, KeyStock(), [item], self.world.now))
        assert isinstance(found, Inquiry)
        assert found.state is State.REGISTERED, found.reason
        by = self.world.now + LIMITS.answer_within
        one = Asked(item, found.number, self._goes(State.REGISTERED, overdue=False), by, by + LIMITS.keep_result)
        self.asked.append(one)
        self._drive(found)

    def _drive(self, found: Inquiry) -> None:
        async def carried() -> None:
            with contextlib.suppress(ChannelError):
                await driving.drive(self.agency, found)
            await erasing.expire_results(self.agency, self.world.now)  # the broom's next round

        self.run.run(carried())

    @rule(pick=PICK, core=CORE, answerer=ANSWERER)
    def driven_again_from_its_row(self, pick: int, core: str, answerer: str) -> None:
        """As after a crash: what was in memory is gone."""
        one = self.asked[pick % len(self.asked)]
        if one.state in ENDED:
            return
        self.network.mood = core, answerer
        self._drive(from_row(self.agency, self._row(one)))
        one.state = self._goes(one.state, overdue=self.world.now > one.answer_by)

    def _row(self, one: Asked) -> Any:
        return self.run.run(self.world.fetch("select * from inquiry where inquiry_number = $1", one.number))[0]

    @rule(pick=PICK, answerer=st.sampled_from([mood for mood in ANSWERS if mood not in ("away", "network refuses")]))
    def pushed(self, pick: int, answerer: str) -> None:
        """IF_SKI_90005: what is not believed changes nothing, what comes before its permit is recorded waits, and nobody's data comes after the deadline."""
        one = self.asked[pick % len(self.asked)]
        row = self._row(one)
        if one.state is State.REGISTERED and self.world.now <= one.answer_by:
            permit = self.network.permits.setdefault(one.number, self.network._written(row["request"], self.world.core))
            assert self._brought(permit, row, answerer) == {"retry": "not_yet"}
            assert self._row(one) == row
        elif one.state in (State.PERMITTED, State.HELD):
            answer = self._brought(row["permit"], row, answerer)
            too_late = self.world.now > one.answer_by and answerer in SEALED
            if too_late or AFTER[answerer] in ENDED - {State.ABORTED}:
                assert answer == {"received": True}
                one.state = State.ABORTED if too_late else AFTER[answerer]
            elif AFTER[answerer] is State.HELD:
                assert answer == {"retry": "not_yet"}
                one.state = State.HELD
            else:
                assert set(answer) == {"refused"}

    def _brought(self, permit: str, row: Any, answerer: str) -> dict[str, Any]:
        made = self.network.outcome(permit, row["request"], row["public_key"], row["signature"], answerer)
        said = {name: None if value is None else base64.b64encode(value).decode() for name, value in made.items()}
        item = {"permit_id": read_permit(permit, self.world.core.public_key).permit_id, **said}
        items = parse_items(read_envelope(json.dumps({"items": [item]}).encode()), LATE_OUTCOME)
        [answer] = self.run.run(routes.take_late(self.agency, routes.refusals_of(self.agency), items))
        self.run.run(erasing.expire_results(self.agency, self.world.now))
        return answer

    @rule(pick=PICK, changed=st.booleans())
    def asked_again(self, pick: int, changed: bool) -> None:
        """Under the same message id: the same inquiry, or a mistake of the caller; nothing new either way."""
        one = self.asked[pick % len(self.asked)]
        item = registering.DESK_ITEM.decode(registering.msgspec.json.encode(one.item))
        if changed:
            item.actor = "tanto-2"
        [found] = self.run.run(registering.register(self.agency, KeyStock(), [item], self.world.now))
        assert found == (registering.Unregistered.REUSED if changed else one.number)

    @rule(hours=st.sampled_from([1, 30, 80, 200]), second=st.sampled_from([-1, 0, 1]))
    def time_passes(self, hours: int, second: int) -> None:
        """To a second around some deadline or end, or by hours."""
        ends = sorted(at for one in self.asked for at in (one.answer_by, one.until) if at > self.world.now)
        nearest = ends[0] + timedelta(seconds=second) if ends and hours == 80 else None
        self.world.now = max(self.world.now, nearest or self.world.now + timedelta(hours=hours))
        self.run.run(erasing.expire_results(self.agency, self.world.now))

    # --- what always holds

    @invariant()
    def every_inquiry_is_as_the_model_says(self) -> None:
        assert self.network.early == []
        for one in getattr(self, "asked", ()):
            over = self.world.now >= one.until
            if self.examined.get(one.number) != (one.state, over):
                self._examine(one, over=over)
                self.examined[one.number] = one.state, over

    def _examine(self, one: Asked, *, over: bool) -> None:
        row, log = self._row(one), self.run.run(self.world.entries(one.number))
        log = [entry for entry in log if entry["kind"] != "inquiry.result_read"]
        assert State(row["state"]) is one.state
        assert log[: len(one.recorded)] == one.recorded
        one.recorded = log
        kinds = [entry["kind"] for entry in log]
        assert kinds[0] == "inquiry.registered"
        assert len([kind for kind in kinds if kind in ENDS]) == (one.state in ENDED)
        assert kinds[-1] in ENDS or one.state not in ENDED
        assert len(kinds) == len(set(kinds))
        if {"inquiry.answered", "inquiry.not_provided", "inquiry.held"} & set(kinds):
            assert kinds[1] == "inquiry.permitted"
            assert len({entry["permit_id"] for entry in log[1:]}) == 1
        self._read(one, row, over=over)

    def _read(self, one: Asked, row: Any, *, over: bool) -> None:
        wanted = [reading.ResultItem(inquiry_number=one.number, system=row["system"])]
        [told] = self.run.run(reading.results(self.agency, wanted))
        assert told["state"] == one.state
        if one.state not in (State.ANSWERED, State.NOT_PROVIDED):
            assert (told["values"], row["result_sealed"]) == (None, None)
        elif over:
            assert (told["values"], told["reason"], row["result_sealed"]) == (None, "result_deleted", None)
        else:
            records = (
                [{"data_set": "資格情報", "version": "0001", "items": SAID}] if one.state is State.ANSWERED else []
            )
            assert told["values"] == records
        needed = any(other.until == one.until and other.state not in ENDED for other in self.asked)
        if self.world.now >= one.until + timedelta(hours=1) and not needed:
            assert row["key_purpose"] not in self.agency.keys.ring.purposes()


@asynccontextmanager
async def standing(world: ProviderWorld) -> AsyncIterator[tuple[HostedAgency, Network]]:
    """The agency with channels to a network on loopback."""
    network = Network(world=world)
    app = web.Application()
    app.router.add_post("/permits", network.core)
    app.router.add_post("/inquiries", network.interface)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
        permits, inquiries = (Channel(client, f"{url}/{name}", name=name) for name in ("permits", "inquiries"))
        tasks = [group.create_task(channel.run()) for channel in (permits, inquiries)]
        try:
            yield replace(world.agency, permits=permits, inquiries=inquiries), network
        finally:
            for task in tasks:
                task.cancel()
    await runner.cleanup()


def test_the_inquirer_ends_where_the_model_ends(tmp_path, cluster):
    with asyncio.Runner() as run:
        opened = provider_world(tmp_path, cluster, mark="_inquirer")
        world = run.run(opened.__aenter__())
        stood = standing(world)
        agency, network = run.run(stood.__aenter__())
        said = {"world": world, "agency": agency, "network": network, "run": run}
        try:
            run_state_machine_as_test(
                type("Machine", (InquiryMachine,), said),
                settings=settings(
                    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            run.run(stood.__aexit__(None, None, None))
            run.run(opened.__aexit__(None, None, None))
