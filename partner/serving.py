"""A listener for what the network sends to an agency: provisions, codes, late outcomes. Only the network's registered certificate is let in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from partner.mailbox import Mailbox
from partner.providing import PROVIDES_NOTHING, Provider
from partner.recording import Record
from transport import listener, tls, wire
from transport.clock import Clock
from transport.listener import PEER
from transport.problem import ProblemError
from transport.register import Register, Use
from transport.tls import Identity


class CodeItem(msgspec.Struct, forbid_unknown_fields=True):
    """IF_FGU_90009."""

    acquisition_number: str
    code: bytes


class OutcomeItem(msgspec.Struct, forbid_unknown_fields=True):
    """IF_SKI_90005."""

    permit_id: str
    outcome: bytes
    signature: bytes
    sealed: bytes | None = None


class ProvisionItem(msgspec.Struct, forbid_unknown_fields=True):
    """IF_TKY_90003."""

    permit: str
    public_key: bytes
    request: bytes
    signature: bytes
    code: bytes
    nonce: bytes


CODE_ITEM = msgspec.json.Decoder(CodeItem)
OUTCOME_ITEM = msgspec.json.Decoder(OutcomeItem)
PROVISION_ITEM = msgspec.json.Decoder(ProvisionItem)
Item = TypeVar("Item")


def application(
    register: Callable[[], Register],
    mailbox: Mailbox,
    provider: Provider | None,
    agency: str,
    clock: Clock,
    record: Record | None = None,
) -> web.Application:
    """The three paths of docs/openapi/intermediate.yaml that the network calls. `provider` None: every provision is refused.

    `record`: where what is provided is put on record before it is answered (None: tests).
    """

    def code(item: CodeItem) -> dict[str, Any]:
        return mailbox.take_code(item.acquisition_number, item.code)

    def outcome(item: OutcomeItem) -> dict[str, Any]:
        answer = msgspec.to_builtins(item)
        return mailbox.take_outcome(item.permit_id, answer, register(), clock())

    def provision(item: ProvisionItem) -> dict[str, Any]:
        if provider is None:
            return dict(PROVIDES_NOTHING)
        asked, now = msgspec.to_builtins(item), clock()
        answer = provider.answer(asked, now)
        if record is not None:
            record.note_provision(asked, answer, now)
        return answer

    async def turned_away(_request: web.Request, _reason: str) -> None:
        """A server with an evidence log records it here."""

    app = listener.application(listener.require_peer(register, turned_away, clock))
    app.router.add_post(f"/{agency}/codes", _route(CODE_ITEM, code))
    app.router.add_post(f"/{agency}/outcomes", _route(OUTCOME_ITEM, outcome))
    app.router.add_post(f"/{agency}/provisions", _route(PROVISION_ITEM, provision))
    return app


def _route(
    decoder: msgspec.json.Decoder[Item], handle: Callable[[Item], dict[str, Any]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def route(request: web.Request) -> web.Response:
        if request[PEER].use is not Use.NETWORK:
            raise ProblemError(403, "not_for_this_caller", "Only the network calls this function.")
        envelope = wire.read_envelope(await request.read())
        answers = [handle(item) for item in wire.parse_items(envelope, decoder)]
        return web.Response(body=wire.write_envelope(answers), content_type="application/json")

    return route


@asynccontextmanager
async def serving(app: web.Application, identity: Identity, *, host: str, port: int) -> AsyncIterator[int]:
    """Listen with mutual TLS while the block lasts; yields the port."""
    context = tls.server_context(identity, require_client=True)
    async with listener.listening(app, host=host, port=port, context=context, metrics_port=0) as found:
        yield found
