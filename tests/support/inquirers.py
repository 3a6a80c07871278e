"""Inquirers made of the library for a conformance run: one that does as the documents say, and others with one thing wrong in each, for it to name."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from dataclasses import dataclass, replace

from codebook.identifiers import PERMIT_PREFIX, new_sortable_id
from evidence import canonical
from keys import labels
from keys.errors import SealBroken
from partner.asking import Asker, read_answer
from partner.lists import with_offered
from partner.mailbox import Mailbox
from partner.messages import MessageBrokenError, Question, SignedRequest, hexdigest, octets, permit_claims
from tests.support.wrong_providers import TakesAnything
from transport import tls
from transport.channel import ChannelError
from transport.register import Register, RegisterBrokenError


@dataclass(frozen=True)
class Given:
    """What the operator handed over: versions of the list, the register's root."""

    versions: list
    root: bytes


class Careful:
    """An inquirer made of the library, which asks as the documents say."""

    mailbox_of: type[Mailbox] = Mailbox

    def __init__(self, asker: Asker, register, question: Question, clock, mailbox: Mailbox) -> None:
        self.asker, self.register, self.question, self.clock = asker, register, question, clock
        self.mailbox = mailbox

    @staticmethod
    def context(identity):
        return tls.client_context(identity, identity.ca)

    def signed(self):
        return self.asker.build(self.question, self.clock())

    def believes(self, permit: str, signed) -> bool:
        try:
            claims = permit_claims(permit, self.register.permit_keys.accepted(self.clock()))
        except MessageBrokenError:
            return False
        return claims["request_digest"] == signed_digest(signed)

    def read(self, answer, permit, signed):
        return read_answer(self.register, answer, permit, signed, self.clock())

    def again(self, signed):
        """What is sent after `retry`."""
        return signed

    async def inquire(self, code: bytes) -> tuple[str, str]:
        """Inquiry number, and the state in which it ended."""
        signed = self.signed()
        answer = await self.asker.ask_permit(signed, code)
        while "retry" in answer:
            signed = self.again(signed)
            answer = await self.asker.ask_permit(signed, code)
        permit = answer.get("permit")
        if permit is None or not self.believes(permit, signed):
            return signed.inquiry_number, "refused"
        permit_id = self.mailbox.await_outcome(permit, signed)
        answer = await self.asker.present(permit, signed)
        while "retry" in answer:
            answer = await self.asker.present(permit, signed)
        if "outcome" in answer and json.loads(octets(answer["outcome"]))["disposition"] == "held":
            answer = await self.later(permit_id)
            if answer is None:
                return signed.inquiry_number, "held"
        try:
            self.read(answer, permit, signed)
        except (MessageBrokenError, SealBroken, KeyError):
            return signed.inquiry_number, "aborted"
        return signed.inquiry_number, "answered"

    # --- what it calls beside asking

    async def by_the_clock(self, given: Given, code: bytes) -> list[tuple[str, str]]:
        """Twice, so that it shows what it makes of the answers. Inquiries that it made over that, and how they ended."""
        held, sequence = given.versions, self.register.sequence
        for _ in range(2):
            held = self.versions_of(held, await self.asker.list_versions(len(held)))
            sequence = self.sequence_of(sequence, await self.asker.register(sequence), given.root)
            await self.follow_epochs(code)
        await self.asker.held_checkpoint(f"sekisho.example/{self.asker.agency}/intermediate/2022")
        await self.takes_back(code)
        return []

    def versions_of(self, held, offered):
        return with_offered(held, offered, self.register.list_keys)

    def sequence_of(self, sequence: int, offered: bytes | None, root: bytes) -> int:
        try:
            return sequence if offered is None else Register.read(offered, root).sequence
        except RegisterBrokenError:
            return sequence

    async def follow_epochs(self, code: bytes) -> None:
        with suppress(ChannelError):
            await self.asker.follow_epochs([code])

    async def takes_back(self, code: bytes) -> None:
        signed = self.signed()
        permit = (await self.asker.ask_permit(signed, code)).get("permit")
        if permit is not None:
            await self.asker.revoke_permits([permit_claims(permit)["permit_id"]])

    async def later(self, permit_id: str):
        """The outcome that comes by itself, if it does within a while."""
        for _ in range(40):
            if permit_id in self.mailbox.outcomes:
                return self.mailbox.outcomes[permit_id]
            await asyncio.sleep(0.1)
        return None


def signed_digest(signed) -> str:
    return hexdigest(signed.request)


class TalksToAnybody(Careful):
    """It looks at no certificate of a server."""

    @staticmethod
    def context(identity):
        context = tls.client_context(identity, identity.ca)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class BelievesAnyPermit(Careful):
    def believes(self, permit, signed):
        return True


class BelievesAnyAnswer(Careful):
    def read(self, answer, permit, signed):
        return answer["outcome"]


class BelievesAnyLateOutcome(Careful):
    mailbox_of = TakesAnything


class TakesNothingTwice(Mailbox):
    """What it has received it does not know any more."""

    __slots__ = ()

    def take_outcome(self, permit_id, answer, register, now):
        twice = permit_id in self.outcomes
        found = super().take_outcome(permit_id, answer, register, now)
        return {"refused": {"reason": "permit_unknown"}} if twice else found


class ForgetsWhatItReceived(Careful):
    mailbox_of = TakesNothingTwice


class AsksInAnothersStead(Careful):
    """For somebody who has delegated nothing to it."""

    def signed(self):
        return self.asker.build(replace(self.question, said={"inquirer_for": "tokyo"}), self.clock())


class SignsAnew(Careful):
    """It makes another request of the same inquiry number when it has to send it again."""

    def again(self, signed):
        return self.asker.build(replace(self.question, inquiry_number=signed.inquiry_number), self.clock())


class AsksForAnything(Careful):
    def signed(self):
        return self.asker.build(replace(self.question, item="999"), self.clock())


class UsesOneKey(Careful):
    """The one-time key of its first inquiry for all of them."""

    first = None

    def signed(self):
        signed = super().signed()
        self.first = self.first or signed
        request = json.loads(signed.request) | {"key_hash": json.loads(self.first.request)["key_hash"]}
        return resigned(self.asker, request, self.first.one_time_key)


class TakesAnyList(Careful):
    def versions_of(self, held, offered):
        return [*held, *offered]


class AsksByAnyList(Careful):
    """It takes any version, and asks by the newest one before it fetches again."""

    async def by_the_clock(self, given, code):
        [*_, newest] = await self.asker.list_versions(len(given.versions))
        digest = json.loads(octets(newest["head"]))["content_digest"]
        signed = self.asker.build(replace(self.question, list_digest=digest), self.clock())
        await self.asker.ask_permit(signed, code)
        return [(signed.inquiry_number, "refused")]


class SaysThatItHoldsWhatIsNotThere(Careful):
    async def by_the_clock(self, given, code):
        await self.asker.list_versions(len(given.versions) + 7)
        await self.asker.register(self.register.sequence + 7)
        await self.asker.code_epochs(7)
        return []


class TakesAnyRegister(Careful):
    def sequence_of(self, sequence, offered, root):
        return sequence if offered is None else sequence + 1


class IsThroughAtOnce(Careful):
    """It says so when it is told of the epoch."""

    async def follow_epochs(self, code):
        await self.asker.code_epochs((await self.asker.code_epochs())["newest"])


class RenewsWhatIsNotItsOwn(Careful):
    async def follow_epochs(self, code):
        with suppress(ChannelError):
            await self.asker.renew_codes([bytes(len(code))])


class PresentsWhatItTookBack(Careful):
    async def takes_back(self, code):
        signed = self.signed()
        permit = (await self.asker.ask_permit(signed, code))["permit"]
        await self.asker.revoke_permits([permit_claims(permit)["permit_id"]])
        await self.asker.present(permit, signed)


class TakesBackWhatItWasNotGiven(Careful):
    async def takes_back(self, code):
        await self.asker.revoke_permits([new_sortable_id(PERMIT_PREFIX, 1, bytes(10))])


class AsksForAnothersLog(Careful):
    async def takes_back(self, code):
        with suppress(KeyError):
            await self.asker.held_checkpoint("sekisho.example/setagaya/intermediate/2022")


def resigned(asker, request, key):
    data = canonical.encode(request)
    signature = asker.signer.sign(labels.INQUIRY, data)
    return SignedRequest(inquiry_number=request["inquiry_number"], request=data, signature=signature, one_time_key=key)
