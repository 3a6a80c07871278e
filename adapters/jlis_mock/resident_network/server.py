"""住基ネットワーク, simulated: code requests, four items, and the loading of a synthetic population."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec
import structlog
from aiohttp import web

from adapters.jlis_mock.resident_network.asks import MOST_PER_MINUTE, AskBook, AskLimit, Function, count_answers
from adapters.jlis_mock.resident_network.messages import (
    CODE_REQUEST,
    FOUR_ITEMS_REQUEST,
    RESIDENT_ITEM,
    CodeAnswer,
    CodeRequest,
    ResidentItem,
)
from adapters.jlis_mock.resident_network.residents import Found, Resident, Residents, parse_number
from codebook.errors import CodebookError
from codebook.four_items import FourItems
from codebook.individual_number import IndividualNumber, ResidentRecordCode
from storage.database import Database
from storage.fault_points import declare
from transport import channel, listener, openapi, tls
from transport.channel import Channel, ChannelError
from transport.listener import PEER
from transport.problem import ProblemError
from transport.register import Peer, Register, Use
from transport.role import RoleConfig
from transport.wire import parse_items, read_envelope, write_envelope

NAME: Final = "resident-network"
SEND_CODES: Final = declare("resident_network", "send.codes")
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What the routes need. `codes`: agency → the channel to the core for that agency's codes."""

    residents: Residents
    asks: AskBook
    codes: Mapping[str, Channel]


COUNTER: Final = web.AppKey("counter", Counter)


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError, KeyStoreError or RegisterBrokenError when it cannot start.

    Option `asks_per_minute`: how many items an agency may ask for in a minute.
    """
    hosted = config.hosted[NAME]
    keys = config.open_keys(NAME)
    register = config.register
    database = await Database.open(config.dsn)
    try:
        async with channel.session(tls.client_context(hosted.identity, hosted.identity.ca)) as client:
            residents = Residents(database, hosted.tenant, keys)
            limit = AskLimit(most=int(config.options.get("asks_per_minute", MOST_PER_MINUTE)))
            asks = AskBook(database=database, tenant=hosted.tenant, limit=limit, clock=config.clock)
            counter = Counter(residents=residents, asks=asks, codes=_channels(client, config.peers["core"], register))
            await _run(config, register, counter, stop)
    finally:
        await database.close()


async def _run(config: RoleConfig, register: Register, counter: Counter, stop: asyncio.Event) -> None:
    app = listener.application(listener.require_peer(lambda: register, _turned_away))
    add_routes(app, counter)
    context = tls.server_context(config.server, require_client=True)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each.run()) for each in counter.codes.values()]
        async with listener.listening(
            app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        for task in running:
            task.cancel()


def add_routes(app: web.Application, counter: Counter) -> None:
    """All paths of docs/openapi/resident-network.yaml."""
    app[COUNTER] = counter
    app.router.add_post("/code-requests", post_code_requests)
    app.router.add_post("/four-items", post_four_items)
    app.router.add_post("/population", post_population)
    openapi.add_route(app, "resident-network")


def _channels(client: aiohttp.ClientSession, core: str, register: Register) -> dict[str, Channel]:
    return {
        agency: Channel(
            client,
            f"{core.rstrip('/')}/codes",
            name=f"resident-network codes {agency}",
            step=SEND_CODES,
            most=512,
            envelope={"agency": agency},
        )
        for agency in register.agencies
    }


async def post_code_requests(request: web.Request) -> web.Response:
    """IF_FGU_90007: the caller's own codes only; which agency it is for comes from the certificate."""
    peer = await _admit(request, Use.LINKAGE)
    counter = request.app[COUNTER]
    asks = parse_items(read_envelope(await request.read()), CODE_REQUEST)
    way = counter.codes.get(peer.agency)
    if way is None:
        raise ProblemError(404, "agency_unknown", "This agency is not connected to the network.")
    await counter.asks.take(peer.agency, Function.CODE_REQUESTS, len(asks))
    numbers = [parse_number(ask.individual_number) for ask in asks]
    found = await counter.residents.find(numbers)
    answers = await asyncio.gather(
        *(
            _code_request(counter.residents, way, ask, number, row)
            for ask, number, row in zip(asks, numbers, found, strict=True)
        )
    )
    count_answers(peer.agency, Function.CODE_REQUESTS, answers)
    return _answer(list(answers))


async def _code_request(
    residents: Residents, way: Channel, ask: CodeRequest, number: IndividualNumber | None, found: Found | None
) -> dict[str, Any]:
    if number is None:
        return _refused("number_malformed")
    if found is None:
        return _refused("number_unknown")
    person_ref = base64.b64encode(residents.person_ref(found)).decode()
    try:
        raw = await way.ask({"acquisition_number": ask.acquisition_number, "person_ref": person_ref})
        answer = msgspec.convert(raw, CodeAnswer)
    except ChannelError:
        return {"retry": "core_unreachable"}
    except (msgspec.ValidationError, RecursionError):
        return {"retry": "core_answer_malformed"}
    if answer.bound:
        return {"accepted": True}
    return (
        _refused(answer.refused.reason) if answer.refused is not None else {"retry": answer.retry or "core_unreachable"}
    )


async def post_four_items(request: web.Request) -> web.Response:
    """IF_JRN_90014."""
    peer = await _admit(request, Use.LINKAGE)
    counter = request.app[COUNTER]
    asks = parse_items(read_envelope(await request.read()), FOUR_ITEMS_REQUEST)
    await counter.asks.take(peer.agency, Function.FOUR_ITEMS, len(asks))
    found = await counter.residents.find([parse_number(ask.individual_number) for ask in asks])
    answers = [{"unknown": True} if row is None else counter.residents.four_items(row) for row in found]
    count_answers(peer.agency, Function.FOUR_ITEMS, answers)
    return _answer(answers)


async def post_population(request: web.Request) -> web.Response:
    """Load synthetic residents; a request is all or nothing, and those already there stay as they are."""
    await _admit(request, Use.STAFF, NAME)
    items = parse_items(read_envelope(await request.read()), RESIDENT_ITEM)
    try:
        parsed = [_resident(item) for item in items]
    except CodebookError:
        raise ProblemError(
            400, "malformed_item", "A resident is not complete and well formed; nothing was loaded."
        ) from None
    loaded = await request.app[COUNTER].residents.load(parsed)
    return web.Response(
        body=write_envelope([{"known": True} for _ in items], None, loaded=loaded), content_type="application/json"
    )


def _resident(item: ResidentItem) -> Resident:
    return Resident(
        individual_number=IndividualNumber.parse(item.individual_number),
        resident_record_code=ResidentRecordCode.parse(item.resident_record_code),
        four_items=FourItems.parse(
            {
                "name": item.name,
                "kana": item.kana,
                "sex": item.sex,
                "birth_date": item.birth_date,
                "address": item.address,
            }
        ),
    )


async def _admit(request: web.Request, use: Use, agency: str | None = None) -> Peer:
    peer: Peer = request[PEER]
    if peer.use is not use or agency not in {None, peer.agency}:
        _LOG.warning("access_refused", reason="certificate_for_another_use", peer=peer.agency)
        raise ProblemError(403, "certificate_for_another_use", "This certificate may not call this function.")
    return peer


async def _turned_away(_request: web.Request, reason: str) -> None:
    """The resident network has no evidence log of this network's kind: its refusals go to the operational log."""
    _LOG.warning("access_refused", reason=reason)


def _answer(items: list[dict[str, Any]]) -> web.Response:
    return web.Response(body=write_envelope(items), content_type="application/json")


def _refused(reason: str) -> dict[str, Any]:
    return {"refused": {"reason": reason}}
