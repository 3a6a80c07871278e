"""The control port of the simulation: staff of the network set and read the faults that it commits."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from adapters.jlis_mock.core.routes import ENTRANCE
from adapters.jlis_mock.faults import BY_CALL, FaultBoard, Switch
from storage.committer import Committer
from transport.listener import PEER
from transport.problem import Handler, ProblemError
from transport.register import Use

NETWORK: Final = "network"
FULL: Final = "log_full"
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
FAULTS: Final = web.AppKey("faults", FaultBoard)


class Changes(Struct, forbid_unknown_fields=True):
    """Switch → how many more messages it strikes; what is left out stays. `permit_redeem_s`: null for the configured seconds.

    `log_full`: the network's log takes nothing more, or does again. `clock_skew_s`: by how much the network's own clock is wrong.
    `share`: the switches named here strike so many of a hundred messages, drawn from `seed` (1); left out: all. `each`: a message that is
    struck is struck so many times; left out: as often as it comes.
    """

    permit_anything: Count | UnsetType = UNSET
    permit_other_party: Count | UnsetType = UNSET
    any_caller: Count | UnsetType = UNSET
    swap_key: Count | UnsetType = UNSET
    wrong_person: Count | UnsetType = UNSET
    tamper_payload: Count | UnsetType = UNSET
    replay_allowed: Count | UnsetType = UNSET
    mint_for_another_person: Count | UnsetType = UNSET
    poison_answer: Count | UnsetType = UNSET
    stale_list: Count | UnsetType = UNSET
    provider_down: Count | UnsetType = UNSET
    core_down: Count | UnsetType = UNSET
    wrong_certificate: Count | UnsetType = UNSET
    log_full: bool | UnsetType = UNSET
    clock_skew_s: Annotated[int, Meta(ge=-315_360_000, le=315_360_000)] | UnsetType = UNSET
    permit_redeem_s: Count | UnsetType | None = UNSET
    share: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=1, le=2**53)] | UnsetType = UNSET
    each: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET


_CHANGES: Final = msgspec.json.Decoder(Changes)


async def post_control(request: web.Request) -> web.Response:
    """Change switches; answers with all of them. An empty object changes nothing."""
    await request.app[ENTRANCE].admit(request, Use.STAFF, NETWORK)
    try:
        changes: dict[str, Any] = msgspec.to_builtins(_CHANGES.decode(await request.read()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(400, "malformed_body", "The body must be an object of switches with counts.") from None
    if "each" in changes and BY_CALL & changes.keys():
        raise ProblemError(
            400, "malformed_body", f"`each` is of messages; by the call go {', '.join(sorted(BY_CALL))}."
        )
    clock, wrong_by = request.app[ENTRANCE].clock, changes.pop("clock_skew_s", None)
    full = _fill(request.app[ENTRANCE].committer, changes.pop("log_full", None))
    if wrong_by is not None:
        try:
            clock.go_wrong(timedelta(seconds=wrong_by))
        except TypeError:
            raise ProblemError(
                400, "malformed_body", "This clock is not a simulation's: it cannot be made wrong."
            ) from None
    beside = {"log_full": full, "clock_skew_s": round(clock.wrong_by.total_seconds())}
    return web.json_response(request.app[FAULTS].set(changes) | beside)


def _fill(committer: Committer, wanted: bool | None) -> bool:  # noqa: FBT001 (as the switch came)
    """Bar the log, or take that bar away (no other one); whether it is barred by us then."""
    if wanted is not None and committer.barred in {None, FULL}:
        committer.barred = FULL if wanted else None
    return committer.barred == FULL


@web.middleware
async def breaks_off(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whoever calls while the core is down gets no answer, and nothing is read; staff of the network come in and set it right."""
    down = request.app[FAULTS]
    if request[PEER].use is Use.STAFF or not down.take(Switch.CORE_DOWN):
        return await handler(request)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def add_control_route(app: web.Application, faults: FaultBoard) -> None:
    app[FAULTS] = faults
    app.router.add_post("/control", post_control)
