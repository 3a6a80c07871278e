"""What stands behind the terminal: the staff functions of the agency's intermediate server, and its linkage server as one business system.

The terminal has a terminal's certificate and a business system's client, no key and no data of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import staff_calls
from gateway.client_calls import Client
from gateway.staff_calls import Party, RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """`staff`: the intermediate server, reached with the terminal's certificate; `jobs`: the client that may see the linkage server's jobs;
    `business`: the one that may see its business information.

    Calls raise RefusedError and NotReachableError.
    """

    staff: Party
    client: Client
    jobs: Client | None = None
    business: Client | None = None

    async def ask(
        self, path: str, items: list[Any], token: str = "", said: Mapping[str, str] | None = None
    ) -> list[Any]:
        """A function for staff, under their session. `said`: why, by `staff_calls.stated`, in place of what was said at log-in."""
        return await asyncio.to_thread(staff_calls.post, self.staff, path, items, token, said)

    async def first(
        self, path: str, item: Mapping[str, Any], token: str = "", said: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer of a function that takes one item. Raises RefusedError when it is none."""
        found = await self.ask(path, [item], token, said)
        if len(found) != 1 or not isinstance(found[0], dict):
            raise RefusedError("peer_answer_malformed")
        return found[0]

    async def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        """A call of the business system. `key`: the same again is the same act."""
        return await asyncio.to_thread(self.client.post, path, body, key or secrets.token_hex(16))

    async def post_for_jobs(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A call about the linkage server's jobs. Raises RefusedError where this terminal has no client for them."""
        if self.jobs is None:
            raise RefusedError("この端末には、番号連携サーバーのジョブを見るクライアントがありません")
        return await asyncio.to_thread(self.jobs.post, path, body, secrets.token_hex(16))

    def for_business(self) -> Client:
        """The client of the business system whose information is at hand. Raises RefusedError where this terminal has none."""
        if self.business is None or f"{self.business.system}:business-information:read" not in self.business.scopes:
            raise RefusedError(
                "この端末には、業務情報を扱うクライアントがありません（sekisho terminal --business-client）"
            )
        return self.business

    async def post_for_business(self, path: str, body: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        """A call about business information. `key`: the same again is the same act."""
        return await asyncio.to_thread(self.for_business().post, path, body, key or secrets.token_hex(16))

    async def get_for_business(self, path: str) -> Any:
        return await asyncio.to_thread(self.for_business().get, path)

    async def get(self, path: str) -> Any:
        return await asyncio.to_thread(self.client.get, path)
