"""Whether a provider delivers what it held and its staff released (IF_TKY_90004, SC-4): the run holds one inquiry there, and listens in the network's place.

The first delivery is told to come again later, as when the inquirer is not reached; the second is received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from aiohttp import web

from adapters.jlis_mock.core.messages import LATE_OUTCOME, refused
from gateway.conformance.answers import Saw, exactly_asked, one_answer, outcome, payload_of
from gateway.conformance.check import Check
from gateway.conformance.trial import LIFE, Listening, Presented, Trial
from partner.messages import permit_claims
from partner.serving import serving
from transport import listener, wire
from transport.listener import PEER
from transport.problem import ProblemError
from transport.register import Use

PATH: Final = "/late-outcomes"
_TWICE: Final = 2
_MALFORMED: Final = "malformed"
_NOT_OWN: Final = "certificate"


async def _delivered(trial: Trial) -> Saw:
    """Hold one, wait until it is delivered twice or the time is over, and look at what came first."""
    presented = trial.presented(code=trial.people.barred, request={"expires_at": _deadline(trial)})
    said = outcome(trial, presented, await one_answer(trial, presented))
    if said["disposition"] != "held":
        return f"held ではなく {said['disposition']} / {said['disposition']} in place of held"
    taken = await _listen(trial, presented)
    if taken is not None:
        return taken
    if not trial.late:
        return "時間内に届かなかった / nothing was delivered in time"
    return _judged(trial, presented, *trial.late[0])


async def _again(trial: Trial) -> Saw:
    """After `_delivered`: the first delivery was answered with `retry`."""
    if len(trial.late) < _TWICE:
        return "`retry` のあと送り直さなかった / it did not deliver again after `retry`"
    return None if trial.late[0] == trial.late[1] else "送り直しのバイト列が違う / other bytes when it delivered again"


def _judged(trial: Trial, presented: Presented, way: str, item: Mapping[str, Any]) -> Saw:
    if way == _NOT_OWN:
        return "自機関の中間サーバーの証明書ではない / not with its own intermediate certificate"
    if way == _MALFORMED:
        return "本文か項目の形が違う / the body or an item is not as documented"
    said = outcome(trial, presented, item)
    match said["disposition"]:
        case "held":
            return "まだ held と言う / it says held yet"
        case "refused":
            right = isinstance(said["reason"], str) and item.get("sealed") is None
            return None if right else "理由のない拒否か、封がある / refused without a reason, or with something sealed"
        case "provided" if trial.question.items:
            return exactly_asked(trial, payload_of(presented, item))
    payload_of(presented, item)
    return None


def _deadline(trial: Trial) -> datetime:
    return trial.now + LIFE + timedelta(seconds=_of(trial).seconds)


def _of(trial: Trial) -> Listening:
    if trial.listening is None:
        raise RuntimeError("a run that does not listen awaits nothing")
    return trial.listening


async def _listen(trial: Trial, presented: Presented) -> Saw:
    """Until two deliveries have come, or the time is over. Why nobody can be listened to there."""
    at, permit = _of(trial), permit_claims(presented.item["permit"])["permit_id"]
    through = asyncio.Event()
    try:
        async with serving(_application(trial, permit, through), at.server, host=at.host, port=at.port):
            at.told(
                f"許可証 {permit} の保留を解いてください。結果は https://{at.host}:{at.port}{PATH} へ"
                " / release what is held under this permit, and deliver the outcome there"
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(at.seconds):
                    await through.wait()
    except OSError:
        return f"{at.host}:{at.port} で待ち受けられない。--port で変えられる / the run cannot listen there; choose another with --port"
    return None


def _application(trial: Trial, permit: str, through: asyncio.Event) -> web.Application:
    async def stranger(_request: web.Request, _reason: str) -> None:
        trial.late.append((_NOT_OWN, {}))

    async def deliver(request: web.Request) -> web.Response:
        peer = request[PEER]
        if (peer.agency, peer.use) != (trial.agency, Use.INTERMEDIATE):
            trial.late.append((_NOT_OWN, {}))
            raise ProblemError(403, "not_for_this_caller", "Only the agency under test calls here.")
        try:
            items = wire.parse_items(wire.read_envelope(await request.read()), LATE_OUTCOME)
        except ProblemError:
            trial.late.append((_MALFORMED, {}))
            raise
        answers = [_taken(trial, permit, msgspec.to_builtins(item)) for item in items]
        if len(trial.late) >= _TWICE:
            through.set()
        return web.Response(body=wire.write_envelope(answers), content_type="application/json")

    app = listener.application(listener.require_peer(lambda: trial.register, stranger, _of(trial).clock))
    app.router.add_post(PATH, deliver)
    return app


def _taken(trial: Trial, permit: str, item: dict[str, Any]) -> dict[str, Any]:
    """What was held in an earlier run, or by another check, is nothing to this one."""
    if item["permit_id"] != permit:
        return refused("permit_unknown")
    trial.late.append(("", item))
    return {"retry": "inquirer_unreachable"} if len(trial.late) < _TWICE else {"received": True}


def _possible(trial: Trial) -> bool:
    return trial.listening is not None and trial.people.barred is not None


_CITES: Final = "IF_TKY_90004, docs/openapi/network.yaml"
_LACKING: Final = "--late と、--people の barred が要る / it takes --late, and somebody barred in the people file"
CHECKS: Final = (
    Check(
        "late_outcome",
        "保留を解いた結果を、署名と封であとから届ける / what was held and is released is delivered, signed and sealed",
        f"{_CITES}; SC-4",
        _delivered,
        _possible,
        _LACKING,
    ),
    Check(
        "late_outcome_again",
        "届かなければ、同じバイト列で送り直す / delivered again in the same bytes after `retry`",
        f"{_CITES}; IS-7",
        _again,
        _possible,
        _LACKING,
    ),
)
