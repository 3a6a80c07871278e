"""The network as an inquirer under test sees it: permits and answers by the script of `turns`, with everything that was sent kept to be judged.

It stands in place of core and interface system on a port of its own, with the network's certificate; codes still come from the real one.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from adapters.jlis_mock.core.checkpoint_routes import ORIGIN
from adapters.jlis_mock.core.codes import CodeBook, CodeBroken
from adapters.jlis_mock.core.epoch_routes import SETTLED
from adapters.jlis_mock.core.list_routes import HELD as LIST_HELD
from adapters.jlis_mock.core.messages import (
    INQUIRY_ASK,
    PERMIT_ASK,
    RENEWAL,
    REVOCATION,
    InquiryAsk,
    InquiryRequest,
    PermitAsk,
    Revocation,
    instant,
    read_request,
)
from adapters.jlis_mock.core.permit_desk import LONGEST_ANSWER
from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from adapters.jlis_mock.core.register_routes import HELD as REGISTER_HELD
from adapters.jlis_mock.dishonest import Bend, DishonestProvider
from codebook.identifiers import PERMIT_PREFIX, new_sortable_id
from evidence.canonical import timestamp
from gateway.conformance.other_calls import CALLS, PERMIT_TAKEN_BACK, OtherCalls
from gateway.conformance.turns import TURNS, Seen, Turn
from keys import labels
from keys.sealing import key_hash
from keys.signing import Signer, generate_seed
from partner.messages import envelope, hexdigest, octets, permit_claims, text
from partner.providing import Found, Provider
from permission_lists.compiled import CompiledList
from permission_lists.decide import Permitted, Reason
from permission_lists.versions import legal_day
from transport import channel, listener, wire
from transport.channel import ChannelError
from transport.clock import Clock
from transport.listener import PEER
from transport.problem import ProblemError
from transport.register import Register, Side, Use

_BENDS = {
    "signed_by_another": Bend.SIGNED_BY_ANOTHER,
    "sealed_to_another": Bend.SEALED_TO_ANOTHER,
    "more_than_asked": Bend.MORE_THAN_ASKED,
}
_LATER = ("held", "held_then_forged")
_TRIES, _AGAIN_S, _WAIT_S = 20, 0.5, 10.0
_AFTERWARDS = Turn(id="", title="", cites="")
"""How inquiries beyond the script are met."""
_NONCE_SIZE = 32
_OF_THE_SCRIPT = ("/permits", "/permits/revoke", "/inquiries")
"""The others come by the clock, and end no run and keep none going."""


@dataclass(slots=True, kw_only=True)
class PlayedNetwork:
    """`signer_of`: signing key of an agency that is hosted here, None for others. `broken`: rule → what was seen, the first time. `others`: its other calls.

    `listed`, `digest`: the permission list in force, and its digest.
    """

    agency: str
    register: Register
    permit_signer: Signer
    book: CodeBook
    listed: CompiledList
    digest: str
    signer_of: Callable[[str], Signer | None]
    clock: Clock
    others: OtherCalls
    seen: dict[str, Seen] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    last: float = 0.0
    _keys: dict[str, str] = field(default_factory=dict)
    _first: dict[str, Any] | None = None
    to_come: list[tuple[Seen, list[dict[str, Any]]]] = field(default_factory=list)
    """Late outcomes that are not delivered yet."""

    @property
    def played(self) -> int:
        """How many turns of the script have begun."""
        return min(len(self.seen), len(TURNS))

    # --- permits

    def permit(self, ask: PermitAsk) -> dict[str, Any]:
        """IF_SKI_90001."""
        now = self.clock()
        request = read_request(ask.request)
        if request is None:
            self._note("request_form", "文書どおりの正準形でない / not the documented canonical form")
            return _refused("request_malformed")
        seen = self.seen.get(request.inquiry_number)
        if seen is None:
            turn = TURNS[len(self.seen)] if len(self.seen) < len(TURNS) else _AFTERWARDS
            seen = self.seen[request.inquiry_number] = Seen(
                number=request.inquiry_number, turn=turn, whole=not request.items
            )
        elif (ask.request, ask.signature) != (seen.asked[0].request, seen.asked[0].signature):
            self._note("same_bytes", "同じ照会番号で別の要求が来た / another request under the same inquiry number")
        seen.asked.append(ask)
        reason = self._wrong(ask, request, now)
        if reason is not None:
            return _refused(reason)
        return self._met(seen, request, now)

    def _wrong(self, ask: PermitAsk, request: InquiryRequest, now: datetime) -> str | None:
        """What the core would refuse; each is noted under its rule."""
        keys = self.register.agencies[self.agency].signing_keys
        signed = keys.verify(labels.INQUIRY, ask.request, ask.signature, now=now)
        if request.inquirer != self.agency or not signed:
            return self._note(
                "request_signature",
                "照会者かその署名が違う / another inquirer, or not its signature",
                "signature_invalid",
            )
        if not now < instant(request.expires_at) <= now + LONGEST_ANSWER:
            return self._note(
                "request_expiry", "期限が過ぎているか遠すぎる / expired, or too far off", "request_expired"
            )
        self.others.asked_by(request.list_digest)
        if request.list_digest != self.digest:
            return self._note(
                "list_in_force", "効力のないリスト / a list that does not count today", "list_not_in_force"
            )
        no = self._refusal(request, now)
        if no is not None:
            return no
        try:
            self.book.convert(ask.code, request.inquirer, request.provider)
        except (CodeBroken, KeyError):
            return self._note("own_code", "この機関の符号でない / not a code of this agency", "code_not_of_this_agency")
        if self._keys.setdefault(request.key_hash, request.inquiry_number) != request.inquiry_number:
            self._note("fresh_key", "前の照会の鍵を使った / the key of an earlier inquiry")
        return None

    def _refusal(self, request: InquiryRequest, now: datetime) -> str | None:
        """What the register or the list says no to."""
        asking, answering = self._parties(request, now)
        if asking is None or answering is None:
            return self._note(
                "own_delegation", "登録のない委任による照会 / no such delegation is on file", "delegation_not_on_file"
            )
        found = self.listed.decide(asking, answering, request.basis, request.item, request.information)
        if not isinstance(found, Permitted):
            rule = "own_assessment" if found.reason is Reason.PIA_DUTY_NOT_MET else "own_list"
            return self._note(rule, f"{found.reason} となる照会 / an inquiry that is {found.reason}", str(found.reason))
        return None

    def _parties(self, request: InquiryRequest, now: datetime) -> tuple[str | None, str | None]:
        """Whose rows of the list count: those who have delegated (委任元), or the parties themselves; None: no such delegation is on file."""
        day, found = legal_day(now), []
        for side, delegate in ((Side.INQUIRER, request.inquirer), (Side.PROVIDER, request.provider)):
            delegator = request.said.get(f"{side.value}_for")
            on_file = self.register.delegated(side, delegator, delegate, request.information, day)
            found.append((delegator or delegate) if on_file else None)
        return found[0], found[1]

    def _met(self, seen: Seen, request: InquiryRequest, now: datetime) -> dict[str, Any]:
        if seen.turn.permit == "refused":
            return _refused("pia_duty_not_met")
        if seen.turn.permit == "retry" and len(seen.asked) == 1:
            return {"retry": "storage_unavailable"}
        if seen.permit is None:
            seen.permit = self._written(seen, request, now)
        return {"permit": seen.permit}

    def _written(self, seen: Seen, request: InquiryRequest, now: datetime) -> str:
        ask, nonce = seen.asked[0], _nonce_of(seen.number)
        code = self.book.convert(ask.code, request.inquirer, request.provider)
        other = seen.turn.permit == "other_request"
        claims = PermitClaims(
            permit_id=new_sortable_id(PERMIT_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10)),
            **{name: getattr(request, name) for name in ("inquiry_number", "inquirer", "provider", "basis", "item")},
            **{name: getattr(request, name) for name in ("information", "items", "list_digest", "key_hash")},
            request_digest=hexdigest(b"another request" if other else ask.request),
            code_binding=hexdigest(nonce + code),
            issued_at=timestamp(now),
            redeem_by=timestamp(now + timedelta(minutes=5)),
            answer_by=request.expires_at,
            **request.said,
        )
        signer = Signer(generate_seed()) if seen.turn.permit == "other_key" else self.permit_signer
        return write_permit(claims, signer)

    # --- answers

    def inquiry(self, ask: InquiryAsk) -> dict[str, Any]:
        """IF_SKI_90002."""
        request = read_request(ask.request)
        seen = self.seen.get(request.inquiry_number) if request is not None else None
        if request is None or seen is None or seen.permit is None:
            self._note("presented_as_permitted", "許可証のない照会 / an inquiry without a permit")
            return _refused("permit_unknown")
        if seen.taken_back:
            self.others.wrong(
                PERMIT_TAKEN_BACK, "取り消した許可証を示した / it presented a permit that it had taken back"
            )
            return _refused("permit_revoked")
        first = seen.presented[0] if seen.presented else ask
        seen.presented.append(ask)
        permitted = (seen.permit, seen.asked[0].request, seen.asked[0].signature)
        if (ask.permit, ask.request, ask.signature) != permitted or key_hash(ask.public_key).hex() != request.key_hash:
            self._note("presented_as_permitted", "許可されたものと違う / not what was permitted")
            return _refused("request_differs_from_permit")
        if ask.public_key != first.public_key:
            self._note("same_bytes", "送り直しの鍵が違う / another key when it was sent again")
        if seen.turn.answer == "retry" and len(seen.presented) == 1:
            return {"retry": "provider_unavailable"}
        signer = self.signer_of(request.provider)
        if signer is None:
            return _refused("agency_unknown")
        return self._answer(seen, request, ask, signer)

    def revocation(self, ask: Revocation) -> dict[str, Any]:
        """IF_SKI_90045."""
        given = [one for one in self.seen.values() if one.permit is not None]
        seen = next((one for one in given if permit_claims(one.permit or "")["permit_id"] == ask.permit_id), None)
        if seen is None:
            self.others.wrong(
                PERMIT_TAKEN_BACK, "この網が渡していない許可証 / a permit that this network has not given to it"
            )
            return _refused("permit_unknown")
        self.others.right(PERMIT_TAKEN_BACK)
        if seen.presented:
            return _refused("permit_used")
        seen.taken_back = True
        return {"revoked": True}

    def _answer(self, seen: Seen, request: InquiryRequest, ask: InquiryAsk, signer: Signer) -> dict[str, Any]:
        item = {
            "permit": ask.permit,
            "public_key": text(ask.public_key),
            "request": text(ask.request),
            "signature": text(ask.signature),
            "code": text(self.book.convert(seen.asked[0].code, request.inquirer, request.provider)),
            "nonce": text(_nonce_of(seen.number)),
        }
        bend = _BENDS.get(seen.turn.answer)
        if bend is not None:
            bent = DishonestProvider(agency=request.provider, signer=signer, register=lambda: self.register, bend=bend)
            return bent.answer(item, self.clock())
        if seen.turn.answer == "of_before" and self._first is not None:
            return self._first
        if seen.turn.answer in _LATER:
            if len(seen.presented) == 1:
                self.to_come.append((seen, self._later(seen, request, item, signer)))
            return self._honest(request, signer, held=True).answer(item, self.clock())
        answer = self._honest(request, signer).answer(item, self.clock())
        self._first = self._first or answer
        return _tampered(answer) if seen.turn.answer == "tampered" else answer

    def _honest(self, request: InquiryRequest, signer: Signer, *, held: bool = False) -> Provider:
        return Provider(
            agency=request.provider,
            signer=signer,
            register=lambda: self.register,
            lists=frozenset({self.digest}),
            permitted=lambda _claims: True,
            look=lambda _code, _kind: Found(records=[_record(request)], held=held),
        )

    def _later(
        self, seen: Seen, request: InquiryRequest, item: Mapping[str, str], signer: Signer
    ) -> list[dict[str, Any]]:
        """What comes of a held inquiry afterwards, one after the other (IF_SKI_90005)."""
        right, now = self._honest(request, signer).answer(item, self.clock()), self.clock()
        if seen.turn.answer == "held":
            answers = [right, right]
        else:
            forger = DishonestProvider(
                agency=request.provider, signer=signer, register=lambda: self.register, bend=Bend.SIGNED_BY_ANOTHER
            )
            answers = [forger.answer(item, now), _tampered(right)]
        return [{"permit_id": permit_claims(item["permit"])["permit_id"], **answer} for answer in answers]

    async def bring(self, client: aiohttp.ClientSession, url: str) -> None:
        """Bring what is to come of the inquiries that were held: each again for as long as nobody listens, or is told to wait."""
        while self.to_come:
            seen, items = self.to_come[0]
            for item in items:
                seen.late.append(await _brought(client, url, item))
                self.last = asyncio.get_running_loop().time()
            self.to_come.pop(0)

    def _note(self, rule: str, saw: str, reason: str | None = None) -> str | None:
        self.broken.setdefault(rule, saw)
        return reason

    # --- HTTP

    def application(self) -> web.Application:
        async def turned_away(_request: web.Request, _reason: str) -> None:
            self._note("own_certificate", "登録のない証明書 / a certificate that is not registered")

        app = listener.application(listener.require_peer(lambda: self.register, turned_away, self.clock))
        for path, decoder, handle in (
            ("/permits", PERMIT_ASK, _each(self.permit)),
            ("/permits/revoke", REVOCATION, _each(self.revocation)),
            ("/inquiries", INQUIRY_ASK, _each(self.inquiry)),
            ("/list-versions", LIST_HELD, self.others.list_versions),
            ("/registers", REGISTER_HELD, self.others.registers),
            ("/code-epochs", SETTLED, self.others.code_epochs),
            ("/code-renewals", RENEWAL, self.others.code_renewals),
            ("/held-checkpoints", ORIGIN, self.others.held_checkpoints),
        ):
            app.router.add_post(path, self._route(path, decoder, handle))
        return app

    def _route(
        self, path: str, decoder: msgspec.json.Decoder[Any], handle: Callable[[list[Any]], list[dict[str, Any]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def route(request: web.Request) -> web.Response:
            peer = request[PEER]
            if (peer.agency, peer.use) != (self.agency, Use.INTERMEDIATE):
                if path in _OF_THE_SCRIPT:  # by the clock every agency calls that the same process hosts
                    self._note("own_certificate", f"{peer.agency} の {peer.use} の証明書 / another certificate")
                raise ProblemError(403, "not_for_this_caller", "Only the agency under test calls here.")
            try:
                items = wire.parse_items(wire.read_envelope(await request.read()), decoder)
            except ProblemError:
                self._malformed(path)
                raise
            if path in _OF_THE_SCRIPT:
                self.last = asyncio.get_running_loop().time()
            answers = handle(items)
            return web.Response(body=wire.write_envelope(answers), content_type="application/json")

        return route

    def _malformed(self, path: str) -> None:
        saw = "本文か項目の形が違う / the body or an item is not as documented"
        rule = next((rule for rule, call in CALLS.items() if call == path), None)
        if rule is None:
            self._note("request_form", saw)
        else:
            self.others.wrong(rule, saw)


def _each(handle: Callable[[Any], dict[str, Any]]) -> Callable[[list[Any]], list[dict[str, Any]]]:
    return lambda items: [handle(item) for item in items]


async def _brought(client: aiohttp.ClientSession, url: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one late outcome; {} when there was none."""
    for _ in range(_TRIES):
        with suppress(ChannelError, ValueError, KeyError, IndexError):
            answer = msgspec.json.decode(await channel.post(client, url, envelope([item]), timeout_s=_WAIT_S))
            found: dict[str, Any] = {name: value for name, value in answer["items"][0].items() if value is not None}
            if "retry" not in found:
                return found
        await asyncio.sleep(_AGAIN_S)
    return {}


def _refused(reason: str) -> dict[str, Any]:
    return {"refused": {"reason": reason}}


def _nonce_of(number: str) -> bytes:
    """The same for a permit that is asked for again; what it hides is synthetic."""
    return hashlib.sha256(number.encode()).digest()[:_NONCE_SIZE]


def _record(request: InquiryRequest) -> dict[str, Any]:
    """A record with exactly what was asked for, in values that say that they are made up."""
    items = {name: {"value": "模擬"} for name in request.items or ["模擬"]}
    return {"data_set": request.information, "version": "0001", "items": items}


def _tampered(answer: Mapping[str, Any]) -> dict[str, Any]:
    """One bit of the sealed part flipped on its way."""
    sealed = bytearray(octets(answer["sealed"]))
    sealed[-1] ^= 1
    return {**answer, "sealed": text(bytes(sealed))}
