"""Two members of staff who look after integrated numbers, before a real linkage server and a real intermediate server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from codebook.check_digits import individual_number_check_digit
from tests.gateway.linkage_server.test_business_information import record
from tests.support.change_files import day
from tests.support.linkage_world import Answer, Caller
from tests.support.replica_world import ReplicaWorld
from tests.support.running_system import entries

CARE = "addressee-care"
SYSTEMS = ("juki", "kokuho")
SCOPES = (
    "addressees:register", "persons:search", "integrated-numbers:read", "business-information:register", "business-information:change",
    "inquiries:create", "log:read", "persons:change", "person-changes:register", "holds:read", "holds:decide", "links:propose", "links:approve",
    "links:split", "links:merge", "persons:read",
)  # fmt: skip
_KEYS = itertools.count(1)


def individual(nth: int) -> str:
    """A synthetic 個人番号 with its check digit."""
    body = f"{90_000_000_000 + nth:011d}"
    return f"{body}{individual_number_check_digit(body)}"


def row(addressee: int | str, **changes: str) -> dict[str, str]:
    """A row as a business system sends it."""
    base = {
        "addressee_number": f"{addressee}",
        "name": "架空　花子",
        "kana": "カクウ　ハナコ",
        "sex": "2",
        "birth_date": "1980-04-01",
        "address": "架空県見本市試験町１丁目２番３号",
        "resident_kind": "住民",
    }
    return base | changes


def said(**changes: str) -> dict[str, str]:
    """What a move-in or birth says: a row without whose it is."""
    return {name: text for name, text in row(0, **changes).items() if name != "addressee_number"}


async def with_clients(world: ReplicaWorld) -> ReplicaWorld:
    for system in SYSTEMS:
        await world.linkage.register(system, system=system, scopes=SCOPES)
    return world


@dataclass
class Desk:
    """`said`: every answer of the reviews' routes, for a look for what must not be in one."""

    world: ReplicaWorld
    caller: Caller
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, system: str) -> str:
        if system not in self.tokens:
            self.tokens[system] = await self.caller.token(system)
        return self.tokens[system]

    async def register(self, system: str, *rows: dict[str, str]) -> list[dict[str, Any]]:
        answer = await self.caller.post(
            "/v1/addressees", {"items": list(rows)}, token=await self.token(system), key=f"load-{next(_KEYS)}"
        )
        assert answer.status == 200, answer
        return list(answer.body["items"])

    async def number(self, system: str, one: dict[str, str]) -> str:
        """Register a row that leads to a person; the integrated number."""
        [result] = await self.register(system, one)
        assert result["outcome"] in {"issued", "linked", "unchanged"}, result
        return str(result["integrated_number"])

    async def change(self, system: str, addressee: int, kind: str, event: str = "", **said: str) -> dict[str, Any]:
        """One change, of today unless it says `effective_on`; what became of it."""
        item = {
            "event_id": event or f"event-{kind}",
            "addressee_number": f"{addressee}",
            "kind": kind,
            "effective_on": day(),
        } | said
        stated = {"staff": "a.sato", "affair": CARE, "reason": "異動"}
        answer = await self.caller.post(
            "/v1/person-changes",
            stated | {"items": [item]},
            token=await self.token(system),
            key=f"change-{next(_KEYS)}",
        )
        assert answer.status == 200, answer
        return dict(answer.body["items"][0])

    async def searched(self, number: str) -> dict[str, Any]:
        """The person of an integrated number, as staff find them."""
        answer = await self.say("persons/search", integrated_number=number)
        assert answer.status == 200, answer
        return dict(answer.body["items"][0])

    async def history(self, system: str, addressee: int) -> list[dict[str, Any]]:
        """The events of whom an addressee number means, as its system is shown them."""
        answer = await self.say("persons/history", system=system, addressee_number=f"{addressee}")
        assert answer.status == 200, answer
        return list(answer.body["events"])

    async def as_of(self, system: str, addressee: int, on: str) -> dict[str, Any]:
        """Whom an addressee number meant on a day, as its system is shown them."""
        answer = await self.say("persons/as-of", system=system, as_of=on, addressee_numbers=[f"{addressee}"])
        assert answer.status == 200, answer
        return dict(answer.body["items"][0])

    async def say(self, path: str, *, staff: str = "a.sato", system: str = "juki", **body: Any) -> Answer:
        stated = {"staff": staff, "affair": CARE, "reason": "届出の確認"}
        return await self.caller.post(f"/v1/{path}", stated | body, token=await self.token(system))

    async def holds(self, **wanted: Any) -> list[dict[str, Any]]:
        answer = await self.say("holds", **wanted)
        assert answer.status == 200, answer
        return list(answer.body["items"])

    async def propose(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.say(path, **body)
        assert answer.status == 201, answer
        return dict(answer.body)

    async def approve(self, decision: dict[str, Any], *, staff: str = "b.mori", path: str | None = None) -> Answer:
        where = path or ("holds/approve" if decision["hold_id"] else "links/approve")
        return await self.say(
            where, staff=staff, decision_id=decision["decision_id"], content_hash=decision["content_hash"]
        )

    async def decided(self, path: str, **body: Any) -> dict[str, Any]:
        """Proposed by one, approved by another, and through."""
        decision = await self.propose(path, **body)
        answer = await self.approve(decision)
        assert answer.status == 200, answer
        return await self.ended(decision)

    async def ended(self, decision: dict[str, Any], *, state: str = "done") -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            answer = await self.say("links/show", decision_id=decision["decision_id"])
            assert answer.status == 200, answer
            return dict(answer.body)

        found = await until(look, lambda one: one["state"] in {"done", "voided", "rejected", "withdrawn"})
        assert found["state"] == state, found
        return found

    async def forgotten(self, hold_id: str) -> dict[str, Any]:
        """The hold, once nothing is kept of it that is not needed."""

        async def look() -> dict[str, Any]:
            return dict((await self.say("holds/show", hold_id=hold_id)).body)

        return dict(await until(look, lambda shown: shown["forgotten_at"] is not None))

    async def person_of(self, system: str, addressee: int | str) -> str:
        [found] = await self.world.linkage.rows(
            "select integrated_number from addressee where business_system_id = $1 and addressee_number = $2",
            system,
            f"{addressee}",
        )
        return f"{found[0]:015d}"

    async def person(self, number: str) -> dict[str, Any]:
        [found] = await self.world.linkage.rows("select * from person where integrated_number = $1", int(number))
        return dict(found)

    async def file(self, system: str, addressee: int | str, record_id: str) -> None:
        """One record of business information about whom an addressee number means."""
        stated = {"staff": "a.sato", "affair": CARE, "reason": "資格の登録"}
        items = [record(1, addressee_number=f"{addressee}", record_id=record_id)]
        answer = await self.caller.post(
            "/v1/business-information",
            stated | {"items": items},
            token=await self.token(system),
            key=f"file-{next(_KEYS)}",
        )
        assert answer.status == 200, answer
        assert answer.body["items"][0]["reason"] is None, answer

    async def copies(self) -> dict[str, str]:
        """Record → integrated number, as the intermediate server holds them."""
        return {one["record_id"]: one["integrated_number"] for one in await self.world.replicas()}

    async def copies_when(self, expected: dict[str, str]) -> dict[str, str]:
        """The copies as soon as they are as expected, or as they are after a while."""
        return dict(await until(self.copies, lambda found: found == expected))

    async def reviewed(self, decision: dict[str, Any]) -> list[dict[str, Any]]:
        """The entries of a decision in the log, in order."""
        headers = {"Authorization": f"Bearer {await self.token('juki')}"}
        url = f"{self.world.linkage.url}/v1/log"
        async with self.caller.client.get(url, headers=headers) as response:
            export = await response.read()
        return [
            entry
            for entry in entries(export, kind="persons.reviewed")
            if entry["facts"]["decision"] == decision["decision_id"]
        ]


async def until(look: Callable[[], Any], good: Callable[[Any], bool], *, rounds: int = 600) -> Any:
    found = await look()
    for _ in range(rounds):
        if good(found):
            break
        await asyncio.sleep(0.05)
        found = await look()
    return found
