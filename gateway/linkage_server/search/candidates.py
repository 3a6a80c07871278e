"""Who may be the person of an account of four items (SC-18): for reviews, which compare in full and decide. Never a link by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.search import indexer, store, tokens
from gateway.linkage_server.search.tokens import Pair
from storage.database import Connection

_TOWNS: Final = frozenset({Pair.NAME_TOWN, Pair.KANA_TOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Integrated numbers. `cut`: there were more; changes after `indexed_revision` are not among them."""

    numbers: tuple[int, ...]
    indexed_revision: int
    newest_revision: int
    cut: bool


async def find_candidates(
    connection: Connection, keys: PersonalKeys, four_items: Sequence[str], *, most: int = 200
) -> Candidates:
    """Everybody, of all systems, who shares two keys with an account (name, kana, sex, birth date, address as written).

    Birth date and kana, name or town; or surname (written or read) and street, the town where the address says no more: one family at one
    address is found, two namesakes apart are not. Coarsely (`search.tokens`): whoever asks compares in full.
    """
    made = tokens.tokens_of(tokens.keys_of(four_items), keys.search_token)
    if Pair.NAME_STREET in made or Pair.KANA_STREET in made:
        made = {pair: token for pair, token in made.items() if pair not in _TOWNS}
    found = await store.with_tokens(connection, made, most + 1)
    progress = await store.read_progress(connection, indexer.made_under(keys))
    return Candidates(
        numbers=tuple(sorted(await store.without_merged(connection, found[:most]))),
        indexed_revision=progress.indexed,
        newest_revision=progress.newest,
        cut=len(found) > most,
    )
