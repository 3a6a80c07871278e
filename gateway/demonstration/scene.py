"""Who stands on the stage of step 6, and each thing that one of them does wrong: always in one respect, with all else in order."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from adapters.jlis_mock.dishonest import DishonestPeer, SignedRequest, Wish
from gateway.demonstration.another_vendor import Vendor, signer_of, vendor
from gateway.demonstration.callers import BusinessSystem, Staff, UnexpectedAnswerError
from gateway.demonstration.exchanging import ASKERS, question
from gateway.demonstration.stage import WARD, Stage
from gateway.intermediate_server.codes.binding import PURPOSE
from gateway.setting_up.authority import open_authority
from keys import labels
from keys.binding import bind
from permission_lists.versions import legal_day
from storage.database import Database
from storage.reference_data import read_permission_list
from synthetic.business import MEDICAL_INSURANCE
from synthetic.neighbours import Acquaintance
from synthetic.people import Person
from transport import channel, tls
from transport.clock import Clock

ITEM = "27"
"""地方税: an item under which another municipality's mayor may ask the ward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What came back: the reason, and the inquiry number under which records are found (None: by the reason in the log)."""

    reason: str
    inquiry_number: str | None = None
    inquirer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everybody on the stage for this step."""

    stage: Stage
    vendor: Vendor
    rival: DishonestPeer
    desk: BusinessSystem
    network: Staff
    ward: Staff
    audit: BusinessSystem
    neighbours: Staff
    person: Person
    addressee_number: str
    code: bytes
    digest: str

    @property
    def peer(self) -> DishonestPeer:
        return self.vendor.peer

    def now(self) -> datetime:
        return self.stage.running.role("intermediate").clock()

    def wish(self, **changes: Any) -> Wish:
        good = Wish(
            provider=WARD, item=ITEM, information=MEDICAL_INSURANCE, list_digest=self.digest, basis="beppyo2-2022"
        )
        return replace(good, **changes)

    async def faults(self, **switches: int | None) -> None:
        await self.network.post("/control", switches)

    # --- one respect wrong, at one of the three lists

    async def at_own_server(self, **changes: Any) -> Refusal:
        """An honest agency's desk asks for it: its own server must refuse."""
        asked = question(ASKERS[2], self.addressee_number) | changes
        answer = (await self.desk.inquire([asked]))[0]
        return Refusal(reason=answer["reason"], inquiry_number=answer["inquiry_number"], inquirer="suginami")

    async def at_core(self, **changes: Any) -> Refusal:
        """A server without a list of its own asks for it: the core must refuse."""
        signed = self.peer.build(self.wish(**changes), self.now())
        return refusal_of(await self.peer.ask_permit(signed, self.code), signed)

    async def at_provider(self, **changes: Any) -> Refusal:
        """A core that permits anything: the provider must refuse (PL-4)."""
        await self.faults(permit_anything=1)
        signed, permit = await self.permitted(**changes)
        return refusal_of(await self.peer.present(permit, signed), signed)

    async def permitted(self, **changes: Any) -> tuple[SignedRequest, str]:
        signed = self.peer.build(self.wish(**changes), self.now())
        answer = await self.peer.ask_permit(signed, self.code)
        if "permit" not in answer:
            raise UnexpectedAnswerError(f"no permit: {answer}")
        return signed, answer["permit"]

    async def presented(self, signed: SignedRequest, permit: str, **faults: int | None) -> Refusal:
        if faults:
            await self.faults(**faults)
        return refusal_of(await self.peer.present(permit, signed), signed)

    # --- permits in the wrong hands, bent or late

    async def replayed(self, **faults: int | None) -> Refusal:
        """A permit is used; then other bytes come under it."""
        signed, permit = await self.permitted()
        first = await self.peer.present(permit, signed)
        again = await self.peer.present(permit, signed)
        if first != again or "outcome" not in first:
            return Refusal(reason="a resend got another answer", inquiry_number=signed.inquiry_number)
        return await self.presented(signed.with_other_key(), permit, **faults)

    async def of_another_party(self) -> Refusal:
        """Another agency presents our permit."""
        signed, permit = await self.permitted()
        return refusal_of(await self.rival.present(permit, signed), signed)

    async def naming_another_provider(self) -> Refusal:
        """The core issues a permit for another provider and passes it on here."""
        await self.faults(permit_other_party=1)
        signed, permit = await self.permitted()
        return await self.presented(signed, permit)

    async def past_its_end(self) -> Refusal:
        """The core passes on a permit after the end that the inquirer signed."""
        signed, permit = await self.permitted(expires_at=self.now() + timedelta(seconds=2))
        await asyncio.sleep(2.2)
        return await self.presented(signed, permit, replay_allowed=1)

    async def late(self) -> Refusal:
        await self.faults(permit_redeem_s=1)
        signed, permit = await self.permitted()
        await asyncio.sleep(1.2)
        await self.faults(permit_redeem_s=None)
        return await self.presented(signed, permit)

    async def with_fault(self, **faults: int | None) -> Refusal:
        """An honest permit and inquiry, and a network that does one thing wrong on the way to the provider."""
        signed, permit = await self.permitted()
        return await self.presented(signed, permit, **faults)

    async def honest_inquiry(self, **faults: int | None) -> Refusal:
        """An honest agency's inquiry, and a network that does one thing wrong on the way back."""
        await self.faults(**faults)
        answer = (await self.desk.inquire([question(ASKERS[2], self.addressee_number)]))[0]
        return Refusal(
            reason=answer["reason"] or answer["state"], inquiry_number=answer["inquiry_number"], inquirer="suginami"
        )

    async def code_of_another_agency(self) -> Refusal:
        """Somebody stole a code of another agency and presents it as their own."""
        signed = self.peer.build(self.wish(), self.now())
        return refusal_of(await self.peer.ask_permit(signed, await _stolen_code(self.stage)), signed)

    async def unknown_system(self) -> Refusal:
        client = self.stage.running.client("sky2")
        async with BusinessSystem(
            client.url, "shiranai-system", "not-a-secret", ssl.create_default_context(cafile=str(client.ca))
        ) as stranger:
            return await _problem(stranger.inquire([]))

    async def unregistered_certificate(self) -> Refusal:
        """A certificate of our own CA that nobody enrolled."""
        folder = self.stage.running.data.root / "unregistered"
        identity = open_authority(self.stage.running.data.authority, Clock()()).issue(
            folder, "stranger", subject="stranger"
        )
        async with Staff(self.stage.running.url("network"), identity) as stranger:
            return await _problem(stranger.items("/permits", []))


async def _problem(call: Awaitable[Any]) -> Refusal:
    try:
        await call
    except UnexpectedAnswerError as problem:
        return Refusal(reason=str(problem).rsplit(" ", 1)[-1])
    return Refusal(reason="not refused")


async def _stolen_code(stage: Stage) -> bytes:
    """Some code of 杉並区, taken from its own database with its own keys."""
    config = stage.running.role("neighbours-intermediate")
    hosted = config.hosted["suginami"]
    database = await Database.open(config.dsn, connections=1)
    try:
        async with database.inside(hosted.tenant) as connection:
            row = await connection.fetchrow(
                "select integrated_number, code_sealed from person_code where bound_at is not null limit 1"
            )
    finally:
        await database.close()
    ring = await asyncio.to_thread(config.open_keys, "suginami")
    return (
        ring.ring.decrypt(PURPOSE, row["code_sealed"], bind(labels.LINKAGE_CODE, "suginami", row["integrated_number"]))
        if row
        else b""
    )


def refusal_of(answer: dict[str, Any], signed: SignedRequest) -> Refusal:
    """The reason in an answer of the core, or in the provider's signed outcome."""
    if answer.get("refused"):
        return Refusal(reason=answer["refused"]["reason"], inquiry_number=signed.inquiry_number)
    if answer.get("outcome"):
        outcome = msgspec.json.decode(base64.b64decode(answer["outcome"]))
        return Refusal(reason=outcome["reason"] or outcome["disposition"], inquiry_number=signed.inquiry_number)
    return Refusal(reason=answer.get("retry") or "not refused", inquiry_number=signed.inquiry_number)


def somebody_known(stage: Stage) -> Acquaintance:
    """The first person whom 杉並区 knows, whom the ward insures, and about whom it answers by itself."""
    return next(
        one
        for one in stage.known_to["suginami"]
        if stage.business.is_insured(one.person) and not stage.business.is_barred(one.person)
    )


@asynccontextmanager
async def open_scene(stage: Stage, neighbour: Acquaintance) -> AsyncIterator[Scene]:
    """The stage of step 6 with this person on it."""
    async with AsyncExitStack() as stack:
        playing = await stack.enter_async_context(vendor(stage))
        config = stage.running.role("neighbours-intermediate")
        identity = config.hosted["suginami"].identity
        session = await stack.enter_async_context(channel.session(tls.client_context(identity, identity.ca)))
        rival = replace(
            playing.peer,
            agency="suginami",
            client=session,
            signer=await asyncio.to_thread(signer_of, config, "suginami"),
        )
        now = stage.running.role("intermediate").clock()
        yield Scene(
            stage=stage,
            vendor=playing,
            rival=rival,
            desk=await stack.enter_async_context(stage.system("suginami-gyomu")),
            network=await stack.enter_async_context(stage.staff("network", "network")),
            ward=await stack.enter_async_context(stage.staff(WARD, "intermediate")),
            audit=await stack.enter_async_context(stage.system("kansa")),
            neighbours=await stack.enter_async_context(stage.staff("suginami", "neighbours-intermediate")),
            person=neighbour.person,
            addressee_number=neighbour.addressee_number,
            code=await playing.code_of(neighbour.person, now),
            digest=read_permission_list(legal_day(now)).digest,
        )
