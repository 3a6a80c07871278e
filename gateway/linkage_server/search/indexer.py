"""Keeps the tokens up to date: follows `person.revision` in the background, never in the way of a load; a crash costs one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from prometheus_client import Gauge

from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.search import store, tokens
from gateway.linkage_server.search.tokens import Pair
from gateway.linkage_server.tenant import Agency
from gateway.linkage_server.waiting_work import Work
from storage.database import StorageUnavailableError, as_away
from storage.fault_points import declare

INDEXED_STEP: Final = declare("linkage", "commit.search.indexed")
BEHIND = Gauge("sekisho_search_behind", "Changes of people that the search does not find yet", ["agency"])
_BATCH: Final = 1_000
_SLICE: Final = 25
_BUSY_S: Final = 0.000_5
_STAND_BACK_S: Final = 0.01


def made_under(keys: PersonalKeys) -> str:
    """The rules and the key version of tokens that are made now."""
    return f"{tokens.VERSION}/{keys.search_key_version()}"


async def _let_others_go_first() -> None:
    """While others of this server have work (a load, calls), the indexer takes a small part of the time; else all of it."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.sleep(0)
    if loop.time() - before > _BUSY_S:
        await asyncio.sleep(_STAND_BACK_S)


async def _batch(agency: Agency) -> int:
    """Take in the next changes; how many people they were, 0 when there are none or another process works."""
    async with agency.database.inside(agency.tenant) as connection:
        after = await store.take_progress(connection, made_under(agency.keys))
        if after is None:
            return 0
        changed = await store.read_changed(connection, after, _BATCH)
        if not changed:
            return 0
        made: list[tuple[int, Mapping[Pair, int]]] = []
        for at, (number, sealed, _) in enumerate(changed):
            keys = tokens.keys_of(agency.keys.open_four_items(sealed, number))
            made.append((number, tokens.tokens_of(keys, agency.keys.search_token)))
            if at % _SLICE == 0:
                await _let_others_go_first()
        INDEXED_STEP.before.reached()
        await store.put_tokens(connection, made, changed[-1][2])
    INDEXED_STEP.after.reached()
    return len(changed)


async def catch_up(agency: Agency) -> None:
    """Take in every change there is now; one look when there is none. Raises StorageUnavailableError."""
    taken = 1
    rules = made_under(agency.keys)
    while taken:
        with as_away("tokens of the search could not be written"):
            async with agency.database.inside(agency.tenant) as connection:
                progress = await store.read_progress(connection, rules)
            up_to_date = progress.made_under == rules and progress.indexed == progress.newest
            taken = 0 if up_to_date else await _batch(agency)
        BEHIND.labels(agency.id).set(progress.newest - progress.indexed)


async def run(agency: Agency) -> None:
    """Until cancelled."""
    while True:
        with suppress(StorageUnavailableError):  # the database's own alarms say so
            await catch_up(agency)
        await agency.work.rest(Work.SEARCH)
