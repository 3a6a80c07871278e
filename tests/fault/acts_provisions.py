"""Acts of the kill test about bars, deadlines of held provisions, and notices."""

from __future__ import annotations

import json
import secrets
from typing import Any

from codebook.identifiers import new_sortable_id
from gateway.demonstration.stage import WARD
from tests.fault.acts import Prepare, Trial, at_once
from tests.fault.acts_staff import At, first
from tests.support.running_system import RESIDENTS, entries, insisting, until

BARRED = "koiki-rengo"
"""An inquirer that asks in no other act."""


async def staff_bar_an_inquirer_and_lift_it(trial: Trial) -> None:
    """Whatever died on the way: one bar, set once and lifted once."""
    person = first(trial, "staff-1")
    bar_id = new_sortable_id("B", 0, secrets.token_bytes(10))
    item = {"bar_id": bar_id, "place": "inquirer", "inquirer": BARRED, "cause": "incident"}
    assert (await person.call("bars/set", item))["state"] == "standing"
    await person.refused("bars/change", {"bar_id": bar_id, "event": "lift"}, "409 bar_state", "409 changed_meanwhile")
    assert (await _bar(person, bar_id))["state"] == "lifted"
    events = [
        one["facts"]["event"]
        for one in entries(await trial.system.export(WARD), kind="bars.changed")
        if one["facts"]["bar_id"] == bar_id
    ]
    assert events == ["set", "lift"]


async def _bar(person: At, bar_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await person.call("bars", {"bar_id": bar_id}))["bars"][0]
    return found


async def a_held_provision_is_escalated(trial: Trial) -> None:
    """The world's escalation is longer than its deadlines, so whatever is held is escalated at the next look; once."""
    system = trial.system
    answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[1]), key=trial.name)
    assert answer["state"] == "held"

    async def escalated() -> bool:
        return (await system.held(WARD, answer["inquiry_number"]))["escalated_at"] is not None

    assert await until(escalated, bool)
    told = [
        one
        for one in entries(await system.export(WARD), kind="held.escalated")
        if one["facts"]["inquiry_number"] == answer["inquiry_number"]
    ]
    assert len(told) == 1
    await system.decide(WARD, await system.held(WARD, answer["inquiry_number"]), approve=True)
    assert (await system.settled("suginami-gyomu", answer))["state"] == "answered"


async def a_notice_is_posted_seen_and_withdrawn(trial: Trial) -> None:
    """Whatever died on the way: one notice, posted once and withdrawn once, and seen by a business system in between."""
    person, system = first(trial, "staff-1"), trial.system
    notice_id = new_sortable_id("N", 0, secrets.token_bytes(10))
    item = {"notice_id": notice_id, "kind": "trouble", "text": trial.name, "shown_until": "2099-01-01T00:00:00Z"}
    assert await person.call("notices/post", item) == {"posted": True}
    async with system.stage.system(RESIDENTS) as caller:

        async def seen() -> list[Any]:
            told = json.loads(await insisting(lambda: caller.download("/v1/notices")))["notices"]
            return [one["text"] for one in told if one["notice_id"] == notice_id]

        assert await until(seen, bool) == [trial.name]
        assert await person.call("notices/withdraw", {"notice_id": notice_id}) == {"withdrawn": True}
        assert await until(seen, lambda found: not found) == []
    events = [
        one["facts"]["event"]
        for one in entries(await system.export(WARD), kind="staff.operated")
        if one["facts"].get("notice_id") == notice_id
    ]
    assert events == ["posted", "withdrawn"]


PROVISION_ACTS: dict[str, Prepare] = {
    "intermediate.commit.bars.changed": at_once(staff_bar_an_inquirer_and_lift_it),
    **dict.fromkeys(
        ("intermediate.commit.notices.changed", "linkage.send.notices"), at_once(a_notice_is_posted_seen_and_withdrawn)
    ),
    "intermediate.commit.provision.escalated": at_once(a_held_provision_is_escalated),
}
"""Step (a point without its side) → the act that passes it."""
