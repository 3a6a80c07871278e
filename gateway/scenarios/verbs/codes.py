"""Verbs of codes (符号): the epochs of an agency's codes at the core, and a code of before that somebody still has (IS-1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import aiohttp

from gateway.demonstration.stage import WARD
from gateway.scenarios.driver import RESIDENTS, until
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import Form, Names, Told, Unfit, Words
from gateway.scenarios.vocabulary import REASON
from keys import labels
from keys.binding import bind
from transport.tls import client_context

_PATIENCE_S: Final = 10.0
_STATES: Final = ("announced", "settled", "refused", "destroyed")
_EPOCH: Final = Told("count", least=1, most=255)


class Epoch(Words, frozen=True, kw_only=True):
    """The epochs of an agency's codes at the core, when they are in this state or a while has passed."""

    until: Literal["announced", "settled", "refused", "destroyed"]
    agency: str = WARD


class OldCode(Words, frozen=True, kw_only=True):
    """The ward's code of somebody: kept now (`about`), or presented to the core as the ward would (`of`: an earlier one that was kept)."""

    about: str | None = None
    of: str | None = None


async def epoch(play: Play, words: Epoch) -> dict[str, Any]:
    """`state`; `issued`: the epoch of new codes; `accepted`: those that the core takes."""

    async def look() -> dict[str, Any]:
        async with play.driver.stage.staff("network", "network") as staff:
            (answer,) = await staff.items("/code-epochs", [{}])
        return next(one for one in answer["epochs"] if one["agency"] == words.agency)

    found = await until(look, lambda one: bool(one["state"] == words.until), _PATIENCE_S)
    return {name: found[name] for name in ("state", "issued", "accepted")}


async def old_code(play: Play, words: OldCode) -> dict[str, Any]:
    """`epoch` of the code; presented: the epoch of the one that the core has for it now, or the `reason` why it is refused."""
    if words.about is not None:
        code = await _code(play, words.about)
        return {"epoch": code[1], "reason": None, "_": {"code": code}}
    kept = play.seen[words.of or ""].get("_", {}).get("code")
    if kept is None:
        raise StepFailedError("the step named in `of` kept no code")
    item = {"code": base64.b64encode(kept).decode()}
    identity = play.driver.running.role("intermediate").hosted[WARD].identity
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    url = f"{play.driver.running.url('network')}/code-renewals"
    async with aiohttp.ClientSession(connector=connector) as session, session.post(url, json={"items": [item]}) as said:
        answer = json.loads(await said.read())["items"][0]
    if "refused" in answer:
        return {"epoch": None, "reason": answer["refused"]["reason"]}
    return {"epoch": base64.b64decode(answer["code"])[1], "reason": None}


async def _code(play: Play, name: str) -> bytes:
    """The ward's code of somebody, as whoever has the ward's key file could read it: its second byte is the epoch."""
    number = play.driver.number(RESIDENTS, play.people[name])
    look_up = "select integrated_number from a_setagaya_linkage.addressee where business_system_id = $1 and addressee_number = $2"
    async with play.driver.administrator() as connection:
        integrated = f"{await connection.fetchval(look_up, RESIDENTS, number):015d}"
        sealed = await connection.fetchval(
            "select code_sealed from a_setagaya_intermediate.person_code where integrated_number = $1 and bound_at is not null",
            integrated,
        )
    ring = play.driver.running.role("intermediate").open_keys(WARD).ring
    return ring.decrypt("codes", sealed, bind(labels.LINKAGE_CODE, WARD, integrated))


def _one_of_both(words: OldCode, names: Names) -> Iterator[Unfit]:
    if (words.about is None) == (words.of is None):
        yield Unfit(
            "about", "person", "", names["person"], "about か of の一方だけを書いてください / one of about and of"
        )


VERBS: Final[Mapping[str, Verb]] = {
    "epoch": Verb(
        form=Form(
            words=Epoch,
            tells={
                "state": Told("state", _STATES),
                "issued": _EPOCH,
                "accepted": Told("count", several=True, least=1, most=255),
            },
            refers={"agency": "agency"},
        ),
        play=epoch,
    ),
    "old-code": Verb(
        form=Form(
            words=OldCode,
            tells={"epoch": _EPOCH, "reason": REASON},
            makes="code",
            refers={"about": "person", "of": "code"},
            fits=_one_of_both,
        ),
        play=old_code,
    ),
}
