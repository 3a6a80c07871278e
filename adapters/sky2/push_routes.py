"""POST /changes, where the linkage server pushes changes and tells of results; POST /push-target, by which staff have it do so."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from adapters.sky2 import pushed
from adapters.sky2.pushed import Push
from adapters.sky2.routes import CHANGES, COUNTER, act_once, answered, staff_id
from adapters.sky2.store import StaffRequest
from adapters.sky2.told import INQUIRY, NOTICE, PERSON, Notice
from storage.committer import commit_step
from transport.channel import ChannelError
from transport.problem import ProblemError

PUSHED_STEP: Final = commit_step("sky2", "changes.taken")
SECRET_STEP: Final = commit_step("sky2", "push_secret.kept")
_Said = TypeVar("_Said", Push, Notice)
_PUSH: Final = msgspec.json.Decoder(Push)


def add_routes(app: web.Application) -> None:
    app.router.add_post(CHANGES, post_changes)
    app.router.add_post("/push-target", post_push_target)


async def post_changes(request: web.Request) -> web.Response:
    """One push. What came before under its id is not done again."""
    counter, body = request.app[COUNTER], await request.read()
    delivery_id = request.headers.get("Sekisho-Delivery", "")
    now = counter.clock()
    refused = pushed.why_not(
        await counter.store.push_secret(counter.seals),
        request.headers.get("Sekisho-Signature", ""),
        delivery_id=delivery_id,
        body=body,
        now=now,
    )
    if refused is not None:
        raise ProblemError(401, refused.value, "The push is not signed with the secret that we hold, or is not of now.")
    if (notice := _decoded(NOTICE, body)).about != PERSON:
        if notice.about == INQUIRY and (number := notice.number()) is not None:
            counter.told.add(number)
        return web.json_response({"updated": 0})
    push = _decoded(_PUSH, body)
    digest = counter.seals.request_digest(request.path, body)
    identity = StaffRequest(key=f"push/{delivery_id}", digest=digest, received_at=now)
    return answered(
        await counter.store.once(
            identity, PUSHED_STEP, lambda connection: pushed.take(connection, push, counter.forgetting)
        )
    )


def _decoded(decoder: msgspec.json.Decoder[_Said], body: bytes) -> _Said:
    """Raises ProblemError."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(400, "malformed_body", "The body does not have the documented fields.") from None


async def post_push_target(request: web.Request) -> web.Response:
    """Have changes pushed here and results told from now on, under a new secret."""
    counter, body = request.app[COUNTER], await request.read()

    async def act(_key: str) -> dict[str, Any]:
        try:
            secret = await counter.desk.have_changes_pushed(counter.changes_url, staff_id(request))
        except ChannelError:
            raise ProblemError(
                503,
                "linkage_server_refused",
                "The linkage server is away, or does not let SKY2 configure pushes; ask again.",
            ) from None
        await counter.store.keep_push_secret(counter.seals.push_secret(secret), SECRET_STEP)
        return {"pushed_to": CHANGES}

    return await act_once(request, body, act)
