"""Verbs of staff's rights at the ward: a grant is asked for, checked by a second person, changed and taken back; and whether somebody may (IS-9, SC-11)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from codebook.identifiers import new_sortable_id
from gateway.demonstration.stage import WARD
from gateway.intermediate_server.staff.granting import GRANT_PREFIX
from gateway.intermediate_server.staff.rights import EVERYTHING, Function, GrantState
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import Form, Told, Words, something_left
from gateway.scenarios.vocabulary import REASON
from gateway.setting_up.first_staff import FIRST

_ADMINISTRATOR: Final = "admin-1"
_FOR: Final = timedelta(days=30)
_DAY: Final = timedelta(days=1)
_PROVED: Final = frozenset({"approve", "reject", "check"})
LOOKS: Final[Mapping[str, str]] = {
    Function.ERASURES_CONFIRM.value: "erasures",
    Function.OPERATIONS.value: "counterparts",
    Function.STAFF_ANALYSE.value: "staff/analysis",
    Function.STAFF_APPROVE.value: "staff/grants",
}
"""Function → what takes that right and changes nothing."""


class Grant(Words, frozen=True, kw_only=True):
    """権限の申請: the right to a function for a member of staff, in their own office, for thirty days."""

    to: str
    function: str
    by: str = _ADMINISTRATOR


class Change(Words, frozen=True, kw_only=True):
    """`of`: an earlier `grant`. `edit` makes it a day shorter."""

    of: str
    does: Literal["edit", "approve", "reject", "revoke", "check"]
    by: str


class May(Words, frozen=True, kw_only=True):
    """Somebody uses a function, of which nothing comes but an answer or a refusal."""

    who: str
    function: str


def _scope(to: str, function: str, until: datetime) -> dict[str, Any]:
    everything = dict.fromkeys(("affair", "information", "file"), EVERYTHING)
    return {"function": function, "office": FIRST[to][0], "valid_until": until.isoformat(), **everything}


async def grant(play: Play, words: Grant) -> dict[str, Any]:
    """`state` of the grant, or the `reason` why there is none."""
    now = play.driver.running.clock()
    grant_id = new_sortable_id(GRANT_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10))
    scope = _scope(words.to, words.function, now + _FOR)
    item = {"event": "request", "grant_id": grant_id, "staff_id": words.to, "scope": scope}
    return _state(await play.driver.as_staff(WARD, words.by, "staff/grants/ask", item))


async def change(play: Play, words: Change) -> dict[str, Any]:
    """`state` of the grant afterwards, or the `reason` why it is as before."""
    known = play.seen[words.of].get("_")
    if known is None:
        raise StepFailedError("the step named in `of` asked for no grant")
    item: dict[str, Any] = {"event": words.does, "grant_id": known["grant_id"]}
    purpose = None
    if words.does in _PROVED:
        seen = await _hash(play, known["grant_id"])
        item["content_hash"] = seen
        purpose = f"{words.does}/{known['grant_id']}/{seen}"
    if words.does == "edit":
        until = datetime.fromisoformat(known["valid_until"]) - _DAY
        item["scope"] = _scope(known["staff_id"], known["function"], until)
    path = "staff/grants/check" if words.does in _PROVED else "staff/grants/ask"
    return _state(await play.driver.as_staff(WARD, words.by, path, item, purpose=purpose))


async def _hash(play: Play, grant_id: str) -> str:
    """Of the content as it stands: what an approver is shown."""
    listed = await play.driver.as_staff(WARD, _ADMINISTRATOR, "staff/grants", {})
    if isinstance(listed, str):
        raise StepFailedError(listed)
    found: str = next(one["content_hash"] for one in listed if one["grant_id"] == grant_id)
    return found


def _state(answer: list[Any] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"state": None, "reason": answer}
    kept = {name: answer[0][name] for name in ("grant_id", "staff_id", "function", "valid_until")}
    return {"state": answer[0]["state"], "reason": None, "_": kept}


async def may(play: Play, words: May) -> dict[str, Any]:
    """`reason` of the refusal; null: they were answered."""
    now = play.driver.running.clock()
    period = {"since": (now - _DAY).isoformat(), "until": now.isoformat()}
    item = period if words.function == Function.STAFF_ANALYSE else {}
    answer = await play.driver.as_staff(WARD, words.who, LOOKS[words.function], item)
    return {"reason": answer if isinstance(answer, str) else None}


_STATE: Final = Told("state", tuple(GrantState))
VERBS: Final[Mapping[str, Verb]] = {
    "grant": Verb(
        form=Form(
            words=Grant,
            tells={"state": _STATE, "reason": REASON},
            makes="grant",
            refers={"to": "staff", "by": "staff", "function": "function"},
            leaves=something_left,
        ),
        play=grant,
    ),
    "change-grant": Verb(
        form=Form(
            words=Change,
            tells={"state": _STATE, "reason": REASON},
            refers={"of": "grant", "by": "staff"},
            leaves=something_left,
        ),
        play=change,
    ),
    "may": Verb(
        form=Form(words=May, tells={"reason": REASON}, refers={"who": "staff", "function": "function"}), play=may
    ),
}
