"""One 情報照会 under way: what a step of it needs to know, read from its row or made when it is registered."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.network.wire import MessageBrokenError, read_asked
from gateway.intermediate_server.records.exchange_entries import NOTHING, Said, record, said_of
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from keys.masked import Secret
from keys.sealing import OneTimeKey, new_one_time_key
from storage.committer import NewEntry


class KeyStock:
    """One-time keys made ahead, off the latency path; each is handed out once."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._keys: deque[OneTimeKey] = deque()

    def take(self) -> OneTimeKey:
        return self._keys.popleft() if self._keys else new_one_time_key()

    async def run(self) -> None:
        """Fill up in small steps whenever the loop is free."""
        while True:
            if len(self._keys) < self._size:
                self._keys.append(new_one_time_key())
                await asyncio.sleep(0.002)
            else:
                await asyncio.sleep(0.05)


@dataclass(slots=True, kw_only=True)
class Inquiry:
    """One inquiry under way. `code`: our code of the person, once looked up; `code_was_anothers`: it has been cancelled since as another person's.

    `state` is what is known here, `kept` what its row says; `unrecorded` entries go into the log with the next commit.
    """

    number: str
    state: State
    integrated_number: str
    provider: str
    basis: str
    item: str
    information: str
    items: tuple[str, ...]
    list_digest: str
    said: Said
    request: bytes
    signature: bytes
    public_key: bytes
    private: Secret | None
    key_purpose: str
    permit: str | None
    permit_id: str | None
    actor: str
    registered_at: datetime
    answer_by: datetime
    kept: State = State.REGISTERED
    unrecorded: tuple[NewEntry, ...] = ()
    code: bytes | None = None
    code_was_anothers: bool = False
    payload: bytes | None = None
    reason: str | None = None


def entry_of(
    agency: HostedAgency, now: datetime, kind: EntryKind, found: Inquiry, *, marked: bool = False, **more: str | None
) -> NewEntry:
    """`marked`: the provider says that its answer is 不開示 (番号法23条2項)."""
    said = replace(found.said, non_disclosure=found.said.non_disclosure or marked)
    return record(
        agency,
        now,
        kind,
        inquiry_number=found.number,
        inquirer=agency.id,
        provider=found.provider,
        basis=found.basis,
        item=found.item,
        information=found.information,
        items=found.items,
        list_digest=found.list_digest,
        integrated_number=found.integrated_number,
        actor=found.actor,
        said=said,
        **more,
    )


def private_aad(agency: HostedAgency, number: str) -> bytes:
    return bind(labels.ONE_TIME_KEY, agency.id, number)


def result_aad(agency: HostedAgency, number: str) -> bytes:
    return bind(labels.RESULT, agency.id, number)


def from_row(agency: HostedAgency, row: Record) -> Inquiry:
    """An inquiry that is under way, read back from its row; without its one-time key when that, or its request, is not any more what was written."""
    said = NOTHING
    try:
        said = said_of(read_asked(row["request"]))
        opened = agency.keys.ring.decrypt(
            row["key_purpose"], row["private_sealed"], private_aad(agency, row["inquiry_number"])
        )
        private = Secret(opened)
    except (MessageBrokenError, SealBroken, KeyUnusable, TypeError):  # TypeError: the column is null
        private = None
    return Inquiry(
        number=row["inquiry_number"],
        state=State(row["state"]),
        kept=State(row["state"]),
        integrated_number=row["integrated_number"],
        provider=row["provider"],
        basis=row["basis"],
        item=row["item"],
        information=row["information"],
        items=tuple(row["items"].split("\n")) if row["items"] else (),
        list_digest=row["list_digest"],
        said=said,
        request=row["request"],
        signature=row["signature"],
        public_key=row["public_key"],
        private=private,
        key_purpose=row["key_purpose"],
        permit=row["permit"],
        permit_id=row["permit_id"],
        actor=f"{row['system']}/{row['actor']}",
        registered_at=row["registered_at"],
        answer_by=row["answer_by"],
        code_was_anothers=row.get("code_was_anothers", False),
    )
