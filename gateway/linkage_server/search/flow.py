"""検索 (LS-1.4): by a number, or by two keys at least; people of one's own system; what the affair needs and no more.

A look is on record before its answer leaves, whether anybody was found or not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from codebook.four_items import Field
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.search import indexer, store, tokens
from gateway.linkage_server.search.store import Row
from gateway.linkage_server.search.tokens import Keys, Pair
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from storage.database import Connection, as_away

MOST_OPENED: Final = 1_000
"""People whose items are opened for one search. More share its keys: then another key is asked for."""
_CURSOR_LABEL: Final = b"sekisho/search-cursor/v1"
_PLACE: Final = msgspec.json.Decoder(tuple[str, str, int])


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Question:
    """What is searched by; empty is not given. `keys` are folded already; `business_system`: whose 宛名番号 it is."""

    keys: Keys
    integrated_number: str = ""
    individual_number: str = ""
    business_system: str = ""
    addressee_number: str = ""

    def numbers(self) -> list[str]:
        """Names of the numbers that are there."""
        return [name for name in ("integrated_number", "individual_number", "addressee_number") if getattr(self, name)]

    def encoded(self) -> bytes:
        keys = self.keys
        return bind(
            self.integrated_number, self.individual_number, self.business_system, self.addressee_number,
            keys.kana, keys.name, keys.birth_date, keys.address,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The search is not made, or its answer is not given. `reason` is for programs."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Page:
    """People as they may be shown, in the order of their kana; `cursor` for the next page, None at the end."""

    people: tuple[dict[str, Any], ...]
    cursor: str | None
    indexed_revision: int
    newest_revision: int


@dataclass(frozen=True, slots=True, repr=False)
class _Found:
    """Somebody who agrees with the keys. `place`: where he stands among those found, by kana (by name without), birth date, number."""

    integrated_number: int
    place: tuple[str, str, int]


def may_ask(sight: Sight, question: Question) -> Refused | None:
    """Whether this question may be asked at all, by whoever asks it."""
    if question.individual_number and not sight.shows_individual_number:
        return Refused(reason="individual_number_not_allowed")
    if question.integrated_number and not sight.shows_integrated_number:
        return Refused(reason="integrated_number_not_allowed")
    if question.business_system not in {"", sight.system} and not sight.sees_all_people:
        return Refused(reason="people_of_another_system")
    if sight.not_needed(question.keys.given()):
        return Refused(reason="item_not_needed")
    return None if question.numbers() else _too_weak(sight, question.keys)


def _too_weak(sight: Sight, keys: Keys) -> Refused | None:
    """Name and kana are one key: two people of one name are what must not be taken for one (DOMAIN §6.1)."""
    if len({"name" if key == "kana" else key for key in keys.given()}) < 2:
        return Refused(reason="too_few_keys")
    return None if _tokens(sight, keys) else Refused(reason="keys_too_short")


def _tokens(sight: Sight, keys: Keys) -> dict[Pair, int]:
    """The token that the fewest people share: `Pair` is in that order."""
    made = tokens.tokens_of(keys, sight.agency.keys.search_token)
    return dict(sorted(made.items(), key=lambda one: list(Pair).index(one[0]))[:1])


async def search(sight: Sight, question: Question, *, limit: int, cursor: str) -> Page | Refused:
    """One page. Raises StorageUnavailableError: also when the look cannot be put on record; then nothing leaves."""
    refused = may_ask(sight, question)
    if refused is not None:
        return refused
    after = _read_cursor(sight, question, cursor) if cursor else None
    if cursor and after is None:
        return Refused(reason="cursor_malformed")
    system = None if sight.sees_all_people else sight.system
    with as_away("people could not be searched"):
        async with sight.agency.database.inside(sight.agency.tenant) as connection:
            progress = await store.read_progress(connection, indexer.made_under(sight.agency.keys))
            found = await _found(connection, sight, question)
            rest = [one for one in found or () if after is None or one.place > after]
            if system is not None and len(rest) > limit:
                own = await store.held_by(connection, [one.integrated_number for one in rest], system)
                rest = [one for one in rest if one.integrated_number in own]
            page = rest[:limit]
            rows = await store.read_people(connection, [one.integrated_number for one in page], system)
    asked_by = [*question.numbers(), *question.keys.given()]
    await record_look_up(sight, Look.SEARCH, [row.integrated_number for row in rows], keys=asked_by)
    if found is None:
        return Refused(reason="too_many_found")
    return Page(
        people=tuple(_shown(sight, row) for row in rows),
        cursor=_write_cursor(sight, question, page[-1].place) if len(rest) > limit else None,
        indexed_revision=progress.indexed,
        newest_revision=progress.newest,
    )


async def _found(connection: Connection, sight: Sight, question: Question) -> list[_Found] | None:
    """Everybody who agrees, of all systems, in order; None when the keys may mean too many to look at.

    Whom this sight may see is asked of those who agree, not of everybody who shares a token with them: that is most of the work.
    """
    if question.numbers():
        numbers = await _by_numbers(connection, sight, question)
    else:
        numbers = await store.with_tokens(connection, _tokens(sight, question.keys), MOST_OPENED + 1)
    if len(numbers) > MOST_OPENED:
        return None
    candidates = await store.read_candidates(connection, numbers)
    return sorted(_agreeing(sight, question.keys, candidates), key=lambda one: one.place)


async def _by_numbers(connection: Connection, sight: Sight, question: Question) -> list[int]:
    """Whom all the numbers mean that were given."""
    found: list[list[int]] = []
    if question.integrated_number:
        found.append(await store.living_on(connection, [int(question.integrated_number)]))
    if question.individual_number:
        indexes = sight.agency.keys.indexes_of(question.individual_number)
        found.append(await store.living_on(connection, await store.by_individual_number(connection, indexes)))
    if question.addressee_number:
        system = question.business_system or sight.system
        found.append(await store.by_addressee(connection, system, question.addressee_number))
    return [number for number in found[0] if all(number in others for others in found)]


def _agreeing(sight: Sight, keys: Keys, candidates: Sequence[tuple[int, bytes]]) -> Iterator[_Found]:
    """Those whose items agree in full with the keys: a token says no more than that they may."""
    open_items = sight.agency.keys.open_four_items
    for number, sealed in candidates:
        items = open_items(sealed, number)
        if keys.agree_with(items):
            name, kana, _, birth_date, _ = items
            yield _Found(number, (kana or name, birth_date, number))


def _shown(sight: Sight, row: Row) -> dict[str, Any]:
    """A person as this sight may show him (SC-13, SC-14); the dead as the living (SC-19)."""
    four_items = sight.agency.keys.open_four_items(row.four_items_sealed, row.integrated_number)
    shown: dict[str, Any] = {
        "addressees": [{"business_system": system, "addressee_number": number} for system, number in row.addressees],
        "state": row.state,
        "state_since": row.state_since.isoformat() if row.state_since else None,
        "frozen": row.frozen,
        **sight.only(dict(zip((name.value for name in Field), four_items, strict=True))),
    }
    if sight.shows_integrated_number:
        shown["integrated_number"] = f"{row.integrated_number:015d}"
    if sight.shows_individual_number and row.individual_number_sealed is not None:
        shown["individual_number"] = sight.agency.keys.open_individual_number(
            row.individual_number_sealed, row.integrated_number
        )
    return shown


def _context(sight: Sight, question: Question) -> bytes:
    """A cursor is good for the same question by the same system in the same affair."""
    return bind(_CURSOR_LABEL, sight.system, sight.affair.code, question.encoded())


def _write_cursor(sight: Sight, question: Question, place: tuple[str, str, int]) -> str:
    sealed = sight.agency.keys.seal_cursor(msgspec.json.encode(place), _context(sight, question))
    return base64.urlsafe_b64encode(sealed).decode()


def _read_cursor(sight: Sight, question: Question, cursor: str) -> tuple[str, str, int] | None:
    """Where the last page ended; None when this is no cursor of ours for this question."""
    try:
        sealed = base64.b64decode(cursor, altchars=b"-_", validate=True)
        return _PLACE.decode(sight.agency.keys.open_cursor(sealed, _context(sight, question)))
    except (binascii.Error, ValueError, SealBroken, KeyUnusable):
        return None
