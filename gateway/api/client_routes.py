"""GET /v1/clients lists the agency's clients; POST /v1/clients does one act on one of them. Scope `clients:administer`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web

from gateway.api.administration import RESOURCE, Act, By, Desk, No, Order, administer, shown
from gateway.api.authorization import DOORS, idempotency_key, require
from transport import wire
from transport.problem import ProblemError
from transport.wire import Dated

_STAFF: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z"
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_DETAILS: Final = {
    No.MALFORMED: "A client id, business system id or scope does not have its form; see /openapi.json.",
    No.EXISTS: "A client of this id is there, or was; an id is never given again. Choose another.",
    No.UNKNOWN: "No client of this id is registered.",
    No.OWN: "A client does not administer itself; let another administrator or the operator do it.",
    No.NOT_GRANTABLE: "Clients that may administer clients are the operator's business: use `sekisho clients`.",
    No.SCOPE_UNKNOWN: "A scope is `<business system>:<resource>:<operation>`, one of those in /openapi.json; there is no right of this name.",
    No.SECRETS: "Two secrets are valid; end the old one before another is made.",
    No.SECRET_UNKNOWN: "The client has no valid secret of this id; see GET /v1/clients.",
    No.NO_SECRET: "It has no secret, as after a restore; make one first (rotate).",
    No.LAST_SECRET: "This is the only valid secret; make another first, or suspend the client.",
    No.SECRET_ENDED: "The secret that this call made has been ended since; rotate with another Idempotency-Key.",
    No.STATE: "The client is not in the state that this act needs; see GET /v1/clients.",
    No.CHANGED_MEANWHILE: "Somebody else changed this client meanwhile; look at it and decide anew.",
}
_STATUS: Final = {No.MALFORMED: 400, No.SCOPE_UNKNOWN: 400, No.UNKNOWN: 404, No.OWN: 403, No.NOT_GRANTABLE: 403}


class _Body(Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    act: Act
    client_id: Annotated[str, msgspec.Meta(max_length=80)]
    staff: Annotated[str, msgspec.Meta(pattern=_STAFF)]
    system: Annotated[str, msgspec.Meta(max_length=40)] = ""
    scopes: Annotated[list[str], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    individual_number: bool = False
    expires_at: datetime | None = None
    secret_id: Annotated[str, msgspec.Meta(max_length=16)] = ""


_BODY = msgspec.json.Decoder(_Body)


async def get_clients(request: web.Request) -> web.Response:
    caller = await require(request, *RESOURCE)
    found = await request.app[DOORS].by_agency[caller.agency].clients.every()
    return web.json_response({"clients": [shown(client) for client in found]}, headers=_NO_STORE)


async def post_clients(request: web.Request) -> web.Response:
    caller = await require(request, *RESOURCE)
    key = idempotency_key(request)
    body = wire.read_body(await request.read(), _BODY)
    doors = request.app[DOORS]
    door = doors.by_agency[caller.agency]
    taken = await doors.find_client(body.client_id) if body.act is Act.ADD else None
    if taken is not None and taken.agency != caller.agency:  # an id stands for one client in the whole process
        raise ProblemError(409, No.EXISTS.value, _DETAILS[No.EXISTS])
    order = Order(
        act=body.act,
        client_id=body.client_id,
        staff=body.staff,
        system=body.system,
        scopes=frozenset(body.scopes),
        individual_number=body.individual_number,
        expires_at=body.expires_at,
        secret_id=body.secret_id,
    )
    by = By(client_id=caller.client_id, identity=f"{caller.client_id}/{body.act}/{body.client_id}/{key}")
    done = await administer(Desk(clients=door.clients, committer=door.committer), order, by, doors.clock())
    if isinstance(done, No):
        if done in {No.OWN, No.NOT_GRANTABLE}:
            await doors.refuse(caller.agency, done.value, caller.client_id)
        raise ProblemError(_STATUS.get(done, 409), done.value, _DETAILS[done])
    await doors.learn(body.client_id, caller.agency, done["system"])
    return web.json_response(done, status=201 if body.act is Act.ADD else 200, headers=_NO_STORE)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v1/clients", get_clients)
    app.router.add_post("/v1/clients", post_clients)
