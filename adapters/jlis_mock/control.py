"""The control port of the simulation: staff of the network set and read the faults that it commits, and those of lines, clocks and logs beside it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from adapters.jlis_mock.core.routes import ENTRANCE
from adapters.jlis_mock.faults import BY_CALL, FaultBoard, Switch
from adapters.jlis_mock.lines import Changes as LineChanges
from adapters.jlis_mock.lines import Order, Skew, UnknownError, order
from storage.committer import Committer
from transport.listener import PEER
from transport.problem import Handler, ProblemError
from transport.register import Use

NETWORK: Final = "network"
FULL: Final = "log_full"
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
FAULTS: Final = web.AppKey("faults", FaultBoard)
SURROUNDINGS: Final[web.AppKey[Path | None]] = web.AppKey("surroundings")


class Changes(Struct, forbid_unknown_fields=True):
    """Switch → how many more messages it strikes; what is left out stays. `permit_redeem_s`: null for the configured seconds.

    `log_full`: the network's log takes nothing more, or does again. `clock_skew_s`: by how much the network's own clock is wrong.
    `lines`, `clocks`, `logs`: as `lines.Order`, and told of in the answer when they are named.
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
    clock_skew_s: Skew | UnsetType = UNSET
    permit_redeem_s: Count | UnsetType | None = UNSET
    lines: LineChanges | UnsetType = UNSET
    clocks: dict[str, Skew] | UnsetType = UNSET
    logs: dict[str, bool] | UnsetType = UNSET
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
    beside = await _passed_on(request.app[SURROUNDINGS], changes)
    clock, wrong_by = request.app[ENTRANCE].clock, changes.pop("clock_skew_s", None)
    full = _fill(request.app[ENTRANCE].committer, changes.pop("log_full", None))
    if wrong_by is not None:
        try:
            clock.go_wrong(timedelta(seconds=wrong_by))
        except TypeError:
            raise ProblemError(
                400, "malformed_body", "This clock is not a simulation's: it cannot be made wrong."
            ) from None
    own = {"log_full": full, "clock_skew_s": round(clock.wrong_by.total_seconds())}
    return web.json_response(request.app[FAULTS].set(changes) | own | beside)


async def _passed_on(folder: Path | None, changes: dict[str, Any]) -> dict[str, Any]:
    """What the process beside the roles is to do, taken out of the changes; the state of what was named. Raises ProblemError."""
    wanted = {name: changes.pop(name) for name in ("lines", "clocks", "logs") if name in changes}
    if not wanted:
        return {}
    try:
        if folder is None:
            raise FileNotFoundError
        state = await order(folder, msgspec.convert(wanted, Order))
    except UnknownError as wrong:
        raise ProblemError(400, "malformed_body", str(wrong)) from None
    except OSError:
        raise ProblemError(
            409,
            "no_surroundings",
            "Lines, clocks and logs of others go wrong where `sekisho up --lines` has started them.",
        ) from None
    return {name: state[name] for name in wanted}


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


def add_control_route(app: web.Application, faults: FaultBoard, surroundings: Path | None) -> None:
    """`surroundings`: where the process beside the roles takes orders."""
    app[SURROUNDINGS] = surroundings
    app[FAULTS] = faults
    app.router.add_post("/control", post_control)
