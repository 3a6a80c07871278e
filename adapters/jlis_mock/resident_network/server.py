"""住基ネットワーク, simulated: code requests, four items, and the loading of a synthetic population."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from adapters.jlis_mock.resident_network import look_ups
from adapters.jlis_mock.resident_network.asks import MOST_PER_MINUTE, AskBook, AskLimit, Function, count_answers
from adapters.jlis_mock.resident_network.cards import CARDS, PORTAL_KIND, Cards, Holder
from adapters.jlis_mock.resident_network.existing_residents import ExistingResidents
from adapters.jlis_mock.resident_network.messages import (
    CARD_HOLDER_REQUEST,
    CARD_REQUEST,
    CHANGES_REQUEST,
    CODE_REQUEST,
    FOUR_ITEMS_REQUEST,
    NUMBER_LOOK_UP,
    RESIDENT_CHANGE,
    RESIDENT_ITEM,
    CardHolderRequest,
    CodeAnswer,
    CodeRequest,
    ResidentItem,
)
from adapters.jlis_mock.resident_network.residents import Found, Resident, Residents, parse_number
from adapters.jlis_mock.ways import Ways
from codebook.errors import CodebookError
from codebook.four_items import FourItems
from codebook.individual_number import IndividualNumber, ResidentRecordCode
from storage.database import Database
from storage.fault_points import declare
from transport import channel, listener, openapi, tls
from transport.channel import Channel, ChannelError
from transport.listener import PEER, fingerprint
from transport.problem import ProblemError
from transport.refusals import Refusals, in_operational_log
from transport.register import Peer, Register, Use
from transport.renewal import Renewal
from transport.role import RoleConfig
from transport.standing_register import StandingRegister
from transport.standing_role import StandingRole
from transport.wire import parse_items, read_envelope, write_envelope

NAME: Final = "resident-network"
SEND_CODES: Final = declare("resident_network", "send.codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What the routes need. `codes`: agency → the channel to the core for that agency's codes; `register`: called, the one in force."""

    residents: Residents
    asks: AskBook
    codes: Ways
    refusals: Refusals[bytes]
    register: Callable[[], Register]


COUNTER: Final = web.AppKey("counter", Counter)


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError, KeyStoreError or RegisterBrokenError when it cannot start.

    Option `asks_per_minute`: how many items an agency may ask for in a minute.
    """
    hosted = config.hosted[NAME]
    keys = config.open_keys(NAME)
    register = StandingRegister(config.register_path, config.register_root)
    renewal = Renewal(register=register, role=StandingRole(config))
    context = renewal.of_certificate(hosted.identity, tls.client_context(hosted.identity, hosted.identity.ca))
    database = await Database.open(config.dsn)
    try:
        async with channel.session(context) as client:
            residents = Residents(database, hosted.tenant, keys)
            limit = AskLimit(most=int(config.options.get("asks_per_minute", MOST_PER_MINUTE)))
            asks = AskBook(database=database, tenant=hosted.tenant, limit=limit, clock=config.clock)
            counter = Counter(
                residents=residents,
                asks=asks,
                codes=_ways(client, config.peers["core"], register),
                refusals=in_operational_log(lambda: config.clock().timestamp()),
                register=register,
            )
            await residents.index_all()
            renewal.of_keys(keys)
            await _run(config, renewal, counter, Cards(residents, keys), stop)
    finally:
        await database.close()


async def _run(config: RoleConfig, renewal: Renewal, counter: Counter, cards: Cards, stop: asyncio.Event) -> None:
    app = listener.application(listener.require_peer(renewal.register, _turned_away, config.clock))
    add_routes(app, counter)
    app[CARDS] = cards
    context = renewal.of_certificate(config.server, tls.server_context(config.server, require_client=True))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(counter.codes.run())]
        running += [group.create_task(counter.refusals.run()), group.create_task(renewal.run())]
        running.append(group.create_task(_existing_residents(config, counter).run()))
        async with listener.listening(
            app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        for task in running:
            task.cancel()


def _existing_residents(config: RoleConfig, counter: Counter) -> ExistingResidents:
    """Option `existing_residents_folder`: where agencies put code requests as files."""
    folder = config.options.get("existing_residents_folder", config.spool.parent / "existing-residents")
    return ExistingResidents(
        folder=config.folder / folder,
        agencies=lambda: counter.register().agencies,
        answering=partial(answer_code_requests, counter),
    )


def add_routes(app: web.Application, counter: Counter) -> None:
    """All paths of docs/openapi/resident-network.yaml."""
    app[COUNTER] = counter
    app.router.add_post("/code-requests", post_code_requests)
    app.router.add_post("/four-items", post_four_items)
    app.router.add_post("/number-look-ups", post_number_look_ups)
    app.router.add_post("/change-notices", post_change_notices)
    app.router.add_post("/population", post_population)
    app.router.add_post("/cards", post_cards)
    app.router.add_post("/card-holders", post_card_holders)
    app.router.add_post("/population/changes", post_population_changes)
    openapi.add_route(app, "resident-network")


def _ways(client: aiohttp.ClientSession, core: str, register: Callable[[], Register]) -> Ways:
    def way(agency: str) -> Channel:
        return Channel(
            client,
            f"{core.rstrip('/')}/codes",
            name=f"resident-network codes {agency}",
            step=SEND_CODES,
            most=512,
            envelope={"agency": agency},
        )

    return Ways(lambda agency: agency in register().agencies, way)


async def post_code_requests(request: web.Request) -> web.Response:
    """IF_FGU_90007: the caller's own codes only; which agency it is for comes from the certificate."""
    peer = await _admit(request, Use.LINKAGE)
    asks = parse_items(read_envelope(await request.read()), CODE_REQUEST)
    return _answer(await answer_code_requests(request.app[COUNTER], peer.agency, asks))


async def answer_code_requests(counter: Counter, agency: str, asks: Sequence[CodeRequest]) -> list[dict[str, Any]]:
    """An agency's requests, however they came; answers in order. Raises ProblemError, StorageUnavailableError."""
    way = counter.codes.get(agency)
    if way is None:
        raise ProblemError(404, "agency_unknown", "This agency is not connected to the network.")
    await counter.asks.take(agency, Function.CODE_REQUESTS, len(asks))
    numbers = [parse_number(ask.individual_number) for ask in asks]
    found = await counter.residents.find(numbers)
    answers = await asyncio.gather(
        *(
            _code_request(counter.residents, way, ask, number, row)
            for ask, number, row in zip(asks, numbers, found, strict=True)
        )
    )
    count_answers(agency, Function.CODE_REQUESTS, answers)
    return list(answers)


async def _code_request(
    residents: Residents, way: Channel, ask: CodeRequest, number: IndividualNumber | None, found: Found | None
) -> dict[str, Any]:
    if number is None:
        return _refused("number_malformed")
    if found is None:
        return _refused("number_unknown")
    return await _send_code(way, ask.acquisition_number, residents.person_ref(found))


async def _send_code(way: Channel, acquisition_number: str, person_ref: bytes) -> dict[str, Any]:
    """Have the core send the person's code to the agency, and say what became of it."""
    item = {"acquisition_number": acquisition_number, "person_ref": base64.b64encode(person_ref).decode()}
    try:
        raw = await way.ask(item)
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


async def post_cards(request: web.Request) -> web.Response:
    """A card for a resident, as the window of a municipality would issue it (simulation)."""
    await _admit(request, Use.STAFF, NAME)
    asks = parse_items(read_envelope(await request.read()), CARD_REQUEST)
    return _answer(await request.app[CARDS].issue(asks, request.app[COUNTER].asks.clock()))


async def post_card_holders(request: web.Request) -> web.Response:
    """IF_FGU_90080: who holds a card, to the portal alone; with an acquisition number also the holder's code for it."""
    peer = await _admit(request, Use.LINKAGE)
    counter = request.app[COUNTER]
    way = counter.codes.get(peer.agency)
    if way is None or PORTAL_KIND not in counter.register().agencies[peer.agency].kinds:
        await _turned_away(request, "certificate_for_another_use")
        raise ProblemError(
            403, "certificate_for_another_use", "Cards are shown to the portal; no other agency may ask."
        )
    asks = parse_items(read_envelope(await request.read()), CARD_HOLDER_REQUEST)
    await counter.asks.take(peer.agency, Function.CARD_HOLDERS, len(asks))
    now = counter.asks.clock()
    found = [(ask, request.app[CARDS].open(ask, peer.agency, now)) for ask in asks]
    answers = await asyncio.gather(*(_card_holder(way, ask, holder) for ask, holder in found))
    count_answers(peer.agency, Function.CARD_HOLDERS, answers)
    return _answer(list(answers))


async def _card_holder(way: Channel, ask: CardHolderRequest, found: Holder | str) -> dict[str, Any]:
    if isinstance(found, str):
        return _refused(found)
    sent = {} if ask.acquisition_number is None else await _send_code(way, ask.acquisition_number, found.person_ref)
    return {"holder": base64.b64encode(found.name).decode(), **sent}


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


async def post_number_look_ups(request: web.Request) -> web.Response:
    """IF_JRN_90050."""
    peer = await _admit(request, Use.LINKAGE)
    counter = request.app[COUNTER]
    asks = parse_items(read_envelope(await request.read()), NUMBER_LOOK_UP)
    await counter.asks.take(peer.agency, Function.NUMBER_LOOK_UP, len(asks))
    answers = await look_ups.numbers(counter.residents, asks)
    count_answers(peer.agency, Function.NUMBER_LOOK_UP, answers)
    return _answer(answers)


async def post_change_notices(request: web.Request) -> web.Response:
    """IF_JRN_90051."""
    peer = await _admit(request, Use.LINKAGE)
    counter = request.app[COUNTER]
    asks = parse_items(read_envelope(await request.read()), CHANGES_REQUEST)
    await counter.asks.take(peer.agency, Function.CHANGE_NOTICES, len(asks))
    answers = await look_ups.changes(counter.residents, asks)
    count_answers(peer.agency, Function.CHANGE_NOTICES, answers)
    return _answer(answers)


async def post_population_changes(request: web.Request) -> web.Response:
    """Change synthetic residents, one after another; each answer says whether it was done."""
    await _admit(request, Use.STAFF, NAME)
    items = parse_items(read_envelope(await request.read()), RESIDENT_CHANGE)
    residents = request.app[COUNTER].residents
    return _answer([await look_ups.change(residents, item) for item in items])


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
        await _turned_away(request, "certificate_for_another_use")
        raise ProblemError(403, "certificate_for_another_use", "This certificate may not call this function.")
    return peer


async def _turned_away(request: web.Request, reason: str) -> None:
    """The resident network has no evidence log of this network's kind."""
    await request.app[COUNTER].refusals.record(reason, fingerprint(request) or b"")


def _answer(items: list[dict[str, Any]]) -> web.Response:
    return web.Response(body=write_envelope(items), content_type="application/json")


def _refused(reason: str) -> dict[str, Any]:
    return {"refused": {"reason": reason}}
