"""Who sends loads, changes and decisions of people to a server that runs beside the test, and asks what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from tests.support.people_model import EVENTS, Pair
from tests.support.review_world import CARE, SYSTEMS, Desk
from transport.clock import JST

_T = TypeVar("_T")


@dataclass
class Clerk:
    desk: Desk
    run: asyncio.Runner

    def ask(self, call: Coroutine[Any, Any, _T]) -> _T:
        return self.run.run(call)

    def registered(self, system: str, line: dict[str, str]) -> dict:
        [result] = self.ask(self.desk.register(system, line))
        return result

    def hold_of(self, system: str, addressee: int, reason: str = "individual_number_former") -> str:
        [found] = self.ask(
            self.desk.world.linkage.rows(
                "select hold_id from review_hold "
                "where business_system_id = $1 and addressee_number = $2 and reason = $3 and state = 'open'",
                system,
                f"{addressee}",
                reason,
            )
        )
        return found["hold_id"]

    def day(self, days: int) -> str:
        return (self.desk.world.linkage.config.clock().astimezone(JST).date() + timedelta(days=days)).isoformat()

    def changed(self, pair: Pair, kind: str, event: str | None = None, days: int = 0, **said: str) -> dict:
        item = {
            "event_id": event or f"e{next(EVENTS)}", "addressee_number": pair[1], "kind": kind, "effective_on": self.day(days), **said,
        }  # fmt: skip
        body = {"staff": "a.sato", "affair": CARE, "reason": "異動", "items": [item]}

        async def call() -> dict:
            key = f"machine-{next(EVENTS)}"
            answer = await self.desk.caller.post(
                "/v1/person-changes", body, token=await self.desk.token(pair[0]), key=key
            )
            assert answer.status == 200, answer
            return answer.body["items"][0]

        return self.ask(call())

    def as_of(self, pairs: Collection[Pair], days: int) -> dict[Pair, dict]:
        """Whom these addressee numbers meant so many days after today, as their systems are shown them."""
        found: dict[Pair, dict] = {}
        for system in SYSTEMS:
            numbers = sorted(number for of, number in pairs if of == system)
            if numbers:
                asked = {"as_of": self.day(days), "addressee_numbers": numbers}
                answer = self.ask(self.desk.say("persons/as-of", system=system, **asked))
                assert answer.status == 200, answer
                found |= {(system, one["addressee_number"]): one for one in answer.body["items"]}
        return found

    def people_of(self, pairs: Collection[Pair]) -> dict[Pair, str]:
        """Integrated numbers of those whom these addressee numbers mean."""
        found = self.ask(
            self.desk.world.linkage.rows(
                "select business_system_id, addressee_number, integrated_number from addressee a "
                "join unnest($1::text[], $2::text[]) r (business_system_id, addressee_number) using (business_system_id, addressee_number)",
                [system for system, _ in pairs],
                [number for _, number in pairs],
            )
        )
        return {(system, number): f"{integrated:015d}" for system, number, integrated in found}

    def decide(self, path: str, **body: object) -> None:
        self.ask(self.desk.decided(path, **body))

    def shown(self, number: str) -> tuple[str, str | None]:
        answer = self.ask(self.desk.say("persons/search", integrated_number=number))
        assert answer.status == 200, answer
        [found] = answer.body["items"]
        return found["address"], found.get("individual_number") or None
