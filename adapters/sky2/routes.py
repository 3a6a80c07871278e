"""The staff API of SKY2: mutual TLS, JSON in lists, RFC 9457 problems, an Idempotency-Key on what changes something."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from adapters.sky2 import loading, refund_flow, unemployment_flow
from adapters.sky2.forgotten import Forgetting
from adapters.sky2.ledgers import Ledger
from adapters.sky2.linkage_desk import LinkageDesk
from adapters.sky2.refund_flow import Refunds
from adapters.sky2.seals import Seals
from adapters.sky2.store import KeyReused, StaffRequest, Store
from adapters.sky2.told import Told
from adapters.sky2.unemployment_flow import UnemploymentInquiries
from codebook.errors import CodebookError
from codebook.identifiers import AddresseeNumber
from storage.committer import commit_step
from storage.database import Connection
from storage.fault_points import Step
from transport import openapi
from transport.clock import Clock
from transport.listener import PEER
from transport.problem import Handler, ProblemError
from transport.register import Peer, Use
from transport.wire import read_envelope

PEOPLE_STEP: Final = commit_step("sky2", "people.loaded")
LEDGER_STEP: Final = commit_step("sky2", "ledger.loaded")
CLAIMS_STEP: Final = commit_step("sky2", "claims.loaded")
ANSWER_STEP: Final = commit_step("sky2", "request.answered")

_KEY: Final = re.compile(r"(?![0-9-]*$)[!-~]{1,120}")
_MOST_LISTED: Final = 1_000
Body = TypeVar("Body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What the routes need; `agency`: whose staff may call; `changes_url`: where we take pushes; `told`: whose results are there."""

    agency: str
    store: Store
    seals: Seals
    forgetting: Forgetting
    ledgers: Mapping[str, Ledger]
    refunds: Refunds
    unemployment: UnemploymentInquiries
    desk: LinkageDesk
    changes_url: str
    told: Told
    clock: Clock


CHANGES: Final = "/changes"
COUNTER: Final = web.AppKey("counter", Counter)
_Name = Annotated[str, Meta(max_length=120, pattern=r"\A[^\x00]*\Z")]
_Names = Annotated[list[_Name], Meta(max_length=5_000)]


class AskAccounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    claim_ids: _Names | None = None


class ListClaims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    claim_ids: _Names | None = None
    after: _Name = ""


class AskUnemployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    addressee_numbers: Annotated[list[str], Meta(min_length=1, max_length=5_000)]

    def __repr__(self) -> str:
        return "<AskUnemployment>"


class ListUnemployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inquiry_keys: _Names | None = None
    after: _Name = ""


_ASK_ACCOUNTS: Final = msgspec.json.Decoder(AskAccounts)
_LIST_CLAIMS: Final = msgspec.json.Decoder(ListClaims)
_ASK_UNEMPLOYMENT: Final = msgspec.json.Decoder(AskUnemployment)
_LIST_UNEMPLOYMENT: Final = msgspec.json.Decoder(ListUnemployment)


def staff_only(agency: str, refused: Callable[[web.Request, str], Awaitable[None]]) -> Any:
    """A middleware after `require_peer`: only certificates of this agency's staff, and where changes are pushed to, of its linkage server.

    How this interface is called is told to every registered certificate, as the other roles do.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer: Peer = request[PEER]
        wanted = Use.LINKAGE if request.path == CHANGES else Use.STAFF
        if request.path != openapi.PATH and (peer.use is not wanted or peer.agency != agency):
            await refused(request, "certificate_for_another_use")
            raise ProblemError(
                403,
                "certificate_for_another_use",
                "Only staff of this agency may call SKY2, and its linkage server where it pushes changes to.",
            )
        return await handler(request)

    return check


def add_routes(app: web.Application) -> None:
    app.router.add_post("/insured-persons", post_people)
    app.router.add_post("/ledger/{ledger:receipts|arrears}", post_ledger_rows)
    app.router.add_post("/refund-claims", post_claims)
    app.router.add_post("/refund-claims/ask-accounts", post_ask_accounts)
    app.router.add_post("/refund-claims/list", post_list_claims)
    app.router.add_post("/unemployment-inquiries", post_unemployment)
    app.router.add_post("/unemployment-inquiries/list", post_list_unemployment)
    openapi.add_route(app, "sky2")


async def post_people(request: web.Request) -> web.Response:
    """被保険者 in bulk."""
    counter, body = request.app[COUNTER], await request.read()
    raws = _raws(body)
    return await _load(request, body, PEOPLE_STEP, lambda c: loading.load_people(c, raws, counter.forgetting))


async def post_ledger_rows(request: web.Request) -> web.Response:
    """収納管理台帳 or 滞納整理台帳 in bulk, by the layout's English column names."""
    counter, body = request.app[COUNTER], await request.read()
    raws, ledger = _raws(body), counter.ledgers[request.match_info["ledger"]]
    return await _load(request, body, LEDGER_STEP, lambda c: loading.load_ledger_rows(c, raws, ledger, counter.seals))


async def post_claims(request: web.Request) -> web.Response:
    """還付請求 in bulk."""
    counter, body = request.app[COUNTER], await request.read()
    raws = _raws(body)
    return await _load(request, body, CLAIMS_STEP, lambda c: loading.load_claims(c, raws, counter.clock()))


async def post_ask_accounts(request: web.Request) -> web.Response:
    """Ask for accounts of open claims; without `claim_ids`, for all that may be asked for."""
    counter, body = request.app[COUNTER], await request.read()
    wanted = _decode(body or b"{}", _ASK_ACCOUNTS)

    async def act(_key: str) -> dict[str, Any]:
        return await refund_flow.ask_accounts(counter.refunds, wanted.claim_ids, staff_id(request))

    return await act_once(request, body, act)


async def post_list_claims(request: web.Request) -> web.Response:
    counter, wanted = request.app[COUNTER], _decode(await request.read() or b"{}", _LIST_CLAIMS)
    items = await refund_flow.list_claims(counter.refunds, wanted.claim_ids, wanted.after, _MOST_LISTED)
    return _json({"items": items, "next": items[-1]["claim_id"] if len(items) == _MOST_LISTED else None})


async def post_unemployment(request: web.Request) -> web.Response:
    counter, body = request.app[COUNTER], await request.read()
    wanted = _decode(body, _ASK_UNEMPLOYMENT)
    try:
        numbers = [AddresseeNumber.parse(text) for text in wanted.addressee_numbers]
    except CodebookError:
        raise ProblemError(400, "malformed_item", "An addressee number is 1 to 15 digits.") from None

    async def act(key: str) -> dict[str, Any]:
        return await unemployment_flow.inquire(
            counter.unemployment, numbers, idempotency_key=key, staff=staff_id(request)
        )

    return await act_once(request, body, act)


async def post_list_unemployment(request: web.Request) -> web.Response:
    counter, wanted = request.app[COUNTER], _decode(await request.read() or b"{}", _LIST_UNEMPLOYMENT)
    items = await unemployment_flow.list_inquiries(
        counter.unemployment, wanted.inquiry_keys, wanted.after, _MOST_LISTED
    )
    return _json({"items": items, "next": items[-1]["inquiry_key"] if len(items) == _MOST_LISTED else None})


def staff_id(request: web.Request) -> str:
    peer: Peer = request[PEER]
    return peer.name


def _raws(body: bytes) -> list[bytes]:
    return [bytes(raw) for raw in read_envelope(body).items]


def _decode(body: bytes, decoder: msgspec.json.Decoder[Body]) -> Body:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(400, "malformed_body", "The body does not have the documented fields.") from None


def _identity(request: web.Request, body: bytes) -> StaffRequest:
    """Raises ProblemError 400 when the Idempotency-Key is missing or is not 1 to 120 visible ASCII characters."""
    counter = request.app[COUNTER]
    key = request.headers.get("Idempotency-Key")
    if key is None:
        raise ProblemError(
            400, "idempotency_key_missing", "Send an Idempotency-Key header; a retry repeats key and body."
        )
    if not _KEY.fullmatch(key):
        raise ProblemError(
            400,
            "idempotency_key_malformed",
            "An Idempotency-Key is 1 to 120 visible ASCII characters and more than a number; a UUID does.",
        )
    return StaffRequest(key=key, digest=counter.seals.request_digest(request.path, body), received_at=counter.clock())


async def _load(
    request: web.Request, body: bytes, step: Step, act: Callable[[Connection], Awaitable[dict[str, Any]]]
) -> web.Response:
    """A change within our own tables: done and answered in one transaction, once."""
    return answered(await request.app[COUNTER].store.once(_identity(request, body), step, act))


async def act_once(request: web.Request, body: bytes, act: Callable[[str], Awaitable[dict[str, Any]]]) -> web.Response:
    """A change that asks others: a repetition after the answer gets the answer, one before it does the act again, which is safe."""
    store, identity = request.app[COUNTER].store, _identity(request, body)
    earlier = await store.earlier(identity)
    if earlier is not None:
        return answered(earlier)
    answer = await act(identity.key)

    async def keep(_connection: Connection) -> dict[str, Any]:
        return answer

    return answered(await store.once(identity, ANSWER_STEP, keep))


def answered(answer: dict[str, Any] | KeyReused) -> web.Response:
    if isinstance(answer, KeyReused):
        raise ProblemError(
            422, KeyReused.KEY_REUSED.value, "This Idempotency-Key came before with another request; take a new one."
        )
    return _json(answer)


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
