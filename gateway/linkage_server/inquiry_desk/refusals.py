"""What the desk refused before, by retry identity: the same question again gets the same answer, another one under the same key gets none."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncpg import Record

from storage import sql
from storage.committer import Statement
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.inquiry_desk")
PUT: Final = Statement("put_refusal", _SQL["put_refusal"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal on record. `asked`: keyed digest of the question, 32 bytes."""

    inquiry_number: str
    reason: str
    asked: bytes

    def answer_to(self, asked: bytes) -> dict[str, Any]:
        """The answer to a question that comes under the same retry identity."""
        if not hmac.compare_digest(self.asked, asked):
            return {
                "inquiry_number": None,
                "state": None,
                "outcome": None,
                "reason": "idempotency_key_reused",
                "values": None,
            }
        return answer(self.inquiry_number, self.reason)


def answer(inquiry_number: str, reason: str) -> dict[str, Any]:
    return {
        "inquiry_number": inquiry_number,
        "state": "refused",
        "outcome": "refused_by_desk",
        "reason": reason,
        "values": None,
    }


async def find(connection: Connection, identities: Sequence[str]) -> dict[str, Refusal]:
    """Retry identity → refusal; absent when there is none."""
    return {row["message_id"]: read(row) for row in await connection.fetch(_SQL["refusals"], identities)}


def read(row: Record) -> Refusal:
    return Refusal(inquiry_number=row["inquiry_number"], reason=row["reason"], asked=row["asked"])
